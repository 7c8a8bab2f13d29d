"""Meta-optimisation: `LLMOptimizer` runs trials of a task, reflects on each, and proposes the next hyperparameters.

`optimizer` (runs a study), `study` (its trials), `proposals` (what to try next), `models` (what a language model is shown and
gives back), `functions` (the questions it is asked), `space` (what can be tuned), `journal` (what happened, durably),
`hyperparameters` and `tracking` (values and texts found in a program, set from outside). What does not live here: how a brain is
trained (training).
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.optimize.hyperparameters import Hyperparameters as Hyperparameters
    from llm_brain.optimize.hyperparameters import track_hyperparameters as track_hyperparameters
    from llm_brain.optimize.models import OptimizationInfo as OptimizationInfo
    from llm_brain.optimize.models import OptimizationStep as OptimizationStep
    from llm_brain.optimize.models import TaskInfo as TaskInfo
    from llm_brain.optimize.models import TaskReflection as TaskReflection
    from llm_brain.optimize.models import TaskRun as TaskRun
    from llm_brain.optimize.optimizer import LLMOptimizer as LLMOptimizer
    from llm_brain.optimize.study import Study as Study
    from llm_brain.optimize.study import Trial as Trial

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Hyperparameters": "hyperparameters",
        "LLMOptimizer": "optimizer",
        "OptimizationInfo": "models",
        "OptimizationStep": "models",
        "Study": "study",
        "TaskInfo": "models",
        "TaskReflection": "models",
        "TaskRun": "models",
        "Trial": "study",
        "track_hyperparameters": "hyperparameters",
    },
)
