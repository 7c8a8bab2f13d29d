"""Teaching: a language model in the training loop, and the brain that takes its place.

In the order of a lesson: `data` (pairs that the teacher generated or labelled, judged and counted), `reading` (text to tokens and
frozen embeddings), `answers` (return types to heads, values to targets and back), `lesson` and `settings` (what is taught, and
how), `feedback` (evaluations in the background), `objectives`, `averaging`, `prediction`, `loop`, `checkpoints`, and `student`
(the trained brain implements the interface). What does not live here: the network itself (brain), and how hyperparameters are
searched (optimize).
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.training.answers import AnswerType as AnswerType
    from llm_brain.training.answers import answer_for as answer_for
    from llm_brain.training.averaging import RunningAverage as RunningAverage
    from llm_brain.training.data import Pair as Pair
    from llm_brain.training.data import PairSet as PairSet
    from llm_brain.training.data import read_messages as read_messages
    from llm_brain.training.feedback import FeedbackPool as FeedbackPool
    from llm_brain.training.feedback import Group as Group
    from llm_brain.training.lesson import Lesson as Lesson
    from llm_brain.training.lesson import TrainingResult as TrainingResult
    from llm_brain.training.loop import train as train
    from llm_brain.training.objectives import distillation as distillation
    from llm_brain.training.objectives import rloo as rloo
    from llm_brain.training.prediction import predict as predict
    from llm_brain.training.reading import TokenReader as TokenReader
    from llm_brain.training.settings import TrainingSettings as TrainingSettings
    from llm_brain.training.student import Student as Student

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AnswerType": "answers",
        "FeedbackPool": "feedback",
        "Group": "feedback",
        "Lesson": "lesson",
        "Pair": "data",
        "PairSet": "data",
        "RunningAverage": "averaging",
        "Student": "student",
        "TokenReader": "reading",
        "TrainingResult": "lesson",
        "TrainingSettings": "settings",
        "answer_for": "answers",
        "distillation": "objectives",
        "predict": "prediction",
        "read_messages": "data",
        "rloo": "objectives",
        "train": "loop",
    },
)
