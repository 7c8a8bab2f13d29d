"""One object for everything, with the classic names: `LLMInterface`.

    facade, translator, words          the object itself, its first half, and how its words name a model
    vectors                            texts -> a network's inputs, of one size whatever the model's is
    outputs                            a network's outputs -> texts (labels, tokens, nearest)
    teacher                            the typed functions that a language model answers: an evaluation, a training pair
    judging (judgements)               who judges: each output once, counted, with its reason
    module_learner                     any torch module as what the training loop trains
    validation, feedback, generation   what the object's longer methods do

What does not live here: anything that can be had without the object. It stands on the rooms below, and no room stands on it.
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.interface.facade import LLMInterface as LLMInterface
    from llm_brain.interface.feedback import EpochResult as EpochResult
    from llm_brain.interface.generation import GeneratedData as GeneratedData
    from llm_brain.interface.judgements import FeedbackWarning as FeedbackWarning
    from llm_brain.interface.judgements import Judgement as Judgement
    from llm_brain.interface.labels import Labels as Labels
    from llm_brain.interface.nearest import NearestTexts as NearestTexts
    from llm_brain.interface.outputs import Described as Described
    from llm_brain.interface.outputs import Outputs as Outputs
    from llm_brain.interface.tokens import Tokens as Tokens
    from llm_brain.interface.validation import Validation as Validation
    from llm_brain.training.teacher import Evaluation as Evaluation
    from llm_brain.training.teacher import Teacher as Teacher
    from llm_brain.training.teacher import TrainingPair as TrainingPair

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Described": "outputs",
        "EpochResult": "feedback",
        "Evaluation": "judging",
        "FeedbackWarning": "judgements",
        "GeneratedData": "generation",
        "Judgement": "judgements",
        "LLMInterface": "facade",
        "Labels": "labels",
        "NearestTexts": "nearest",
        "Outputs": "outputs",
        "Teacher": "teacher",
        "Tokens": "tokens",
        "TrainingPair": "teacher",
        "Validation": "validation",
    },
)
