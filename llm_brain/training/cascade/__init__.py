"""A cascade: a taught brain answers where it is sure, its teacher elsewhere, and the teacher's answers teach it on.

    call -> brain -> confidence >= threshold? -> its answer
                                 no  -> the model's answer -> a line of training data
    features of the input -> drift monitor -> alarm: the model answers everything, and the threshold is calibrated anew

`build` (from held-out answers), `implementation` (of typed functions), `confident` (what is asked of a brain), `trust` (who
answers), `conformal` (the threshold and its guarantee), `drift` and `distance` (whether inputs still come as they did), `growth`
(the file of answers). What does not live here: how the brain is taught with them.
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.training.cascade.build import cascade as cascade
    from llm_brain.training.cascade.confident import Answered as Answered
    from llm_brain.training.cascade.confident import Confident as Confident
    from llm_brain.training.cascade.confident import UntaughtError as UntaughtError
    from llm_brain.training.cascade.distance import FeatureDistance as FeatureDistance
    from llm_brain.training.cascade.drift import DriftMonitor as DriftMonitor
    from llm_brain.training.cascade.growth import AnswersWarning as AnswersWarning
    from llm_brain.training.cascade.implementation import Cascade as Cascade
    from llm_brain.training.cascade.trust import CascadeStats as CascadeStats

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Answered": "confident",
        "AnswersWarning": "growth",
        "Cascade": "implementation",
        "CascadeStats": "trust",
        "Confident": "confident",
        "DriftMonitor": "drift",
        "FeatureDistance": "distance",
        "UntaughtError": "confident",
        "cascade": "build",
    },
)
