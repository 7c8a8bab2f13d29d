"""Teaching: a language model in the training loop, and the brain that takes its place.

In the order of a lesson:

    calls, answers, reading    a call as a text, a return type as a head, a text as tokens; call_form: which calls a brain knows
    teacher, teaching          who writes pairs and judges answers, and how whatever methods it has are called
    data                       pairs: written, labelled, recorded, given; judged, counted, balanced
    learner, brain_learner     what is trained
    feedback, objectives       evaluations in the background, and what they are turned into
    loop, settings, callbacks  the training: steps, checkpoints, several processes; configuration: settings from YAML
    splitting, judging         what is held out, and who scores what the brain says to it; describing: who that is, and
                               remembering: what it said
    lesson, taught             all of it for a typed function, in one call, and what came of it
    student, cascade           the brain in the place of the model, and the model where the brain is unsure
    measuring                  all three on answers that are known

What does not live here: the network itself (brain), and how hyperparameters are searched (optimize).
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.training.answers import AnswerType as AnswerType
    from llm_brain.training.answers import answer_for as answer_for
    from llm_brain.training.averaging import RunningAverage as RunningAverage
    from llm_brain.training.brain_learner import BrainLearner as BrainLearner
    from llm_brain.training.callbacks import Callback as Callback
    from llm_brain.training.calls import call_text as call_text
    from llm_brain.training.cascade import Cascade as Cascade
    from llm_brain.training.configuration import load_teaching_config as load_teaching_config
    from llm_brain.training.data import Generated as Generated
    from llm_brain.training.data import Given as Given
    from llm_brain.training.data import Kept as Kept
    from llm_brain.training.data import Pair as Pair
    from llm_brain.training.data import PairSet as PairSet
    from llm_brain.training.data import Source as Source
    from llm_brain.training.data import Traced as Traced
    from llm_brain.training.data import Unlabelled as Unlabelled
    from llm_brain.training.data import read_messages as read_messages
    from llm_brain.training.feedback import Allocation as Allocation
    from llm_brain.training.feedback import FeedbackPool as FeedbackPool
    from llm_brain.training.feedback import Group as Group
    from llm_brain.training.feedback import Journal as Journal
    from llm_brain.training.feedback import LinearRewardPredictor as LinearRewardPredictor
    from llm_brain.training.feedback import RewardPredictor as RewardPredictor
    from llm_brain.training.learner import Learner as Learner
    from llm_brain.training.learner import Policy as Policy
    from llm_brain.training.lesson import teach as teach
    from llm_brain.training.loop.results import TrainingResult as TrainingResult
    from llm_brain.training.loop.results import Validation as Validation
    from llm_brain.training.loop.train import train as train
    from llm_brain.training.loop.trainer import Trainer as Trainer
    from llm_brain.training.loop.world import World as World
    from llm_brain.training.loop.world import joined as joined
    from llm_brain.training.measuring import measure as measure
    from llm_brain.training.objectives import distillation as distillation
    from llm_brain.training.objectives import objective as objective
    from llm_brain.training.objectives import rloo as rloo
    from llm_brain.training.reading import ByteReader as ByteReader
    from llm_brain.training.reading import Reader as Reader
    from llm_brain.training.reading import TokenReader as TokenReader
    from llm_brain.training.settings import TrainingSettings as TrainingSettings
    from llm_brain.training.student import Student as Student
    from llm_brain.training.subject import Subject as Subject
    from llm_brain.training.taught import Taught as Taught
    from llm_brain.training.teacher import Evaluation as Evaluation
    from llm_brain.training.teacher import Teacher as Teacher
    from llm_brain.training.teacher import TrainingPair as TrainingPair
    from llm_brain.training.teaching import Teaching as Teaching

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Allocation": "feedback",
        "AnswerType": "answers",
        "BrainLearner": "brain_learner",
        "ByteReader": "reading",
        "Callback": "callbacks",
        "Cascade": "cascade",
        "Evaluation": "teacher",
        "FeedbackPool": "feedback",
        "Generated": "data",
        "Given": "data",
        "Group": "feedback",
        "Journal": "feedback",
        "Kept": "data",
        "Learner": "learner",
        "LinearRewardPredictor": "feedback",
        "Pair": "data",
        "PairSet": "data",
        "Policy": "learner",
        "Reader": "reading",
        "RewardPredictor": "feedback",
        "RunningAverage": "averaging",
        "Source": "data",
        "Student": "student",
        "Subject": "subject",
        "Taught": "taught",
        "Teacher": "teacher",
        "Teaching": "teaching",
        "TokenReader": "reading",
        "Traced": "data",
        "Trainer": "loop.trainer",
        "TrainingPair": "teacher",
        "TrainingResult": "loop.results",
        "TrainingSettings": "settings",
        "Unlabelled": "data",
        "Validation": "loop.results",
        "World": "loop.world",
        "answer_for": "answers",
        "call_text": "calls",
        "distillation": "objectives",
        "joined": "loop.world",
        "load_teaching_config": "configuration",
        "measure": "measuring",
        "objective": "objectives",
        "read_messages": "data",
        "rloo": "objectives",
        "teach": "lesson",
        "train": "loop.train",
    },
)
