"""Write an interface; llm_brain implements it.

    tracing, brain             the ground floor: what happened; and the network
    backends                   language models behind one contract
    strategy                   typed functions: callable -> prompt -> reply -> value
    training, optimize         teaching a brain with a model's help; tuning anything
    interface                  one object over everything below, with the classic names
    cli                        the `llm-brain` command

Public names load when they are first asked for: this import takes neither torch nor a model.
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.brain.config import BrainConfig as BrainConfig
    from llm_brain.brain.model import Brain as Brain
    from llm_brain.errors import LLMBrainError as LLMBrainError
    from llm_brain.interface.facade import LLMInterface as LLMInterface
    from llm_brain.optimize.hyperparameters import Hyperparameters as Hyperparameters
    from llm_brain.optimize.hyperparameters import track_hyperparameters as track_hyperparameters
    from llm_brain.optimize.optimizer import LLMOptimizer as LLMOptimizer
    from llm_brain.strategy.annotations.hidden import Hidden as Hidden
    from llm_brain.strategy.declarations import Likelihood as Likelihood
    from llm_brain.strategy.declarations import examples as examples
    from llm_brain.strategy.declarations import sampled as sampled
    from llm_brain.strategy.decorator import llm_strategy as llm_strategy
    from llm_brain.strategy.explicit import llm_explicit_function as llm_explicit_function
    from llm_brain.strategy.explicit import llm_function as llm_function
    from llm_brain.strategy.implementation import Details as Details
    from llm_brain.strategy.selection import use_model as use_model
    from llm_brain.strategy.views import typed as typed
    from llm_brain.tracing.spans import record as record
    from llm_brain.training.cascade.build import cascade as cascade
    from llm_brain.training.lesson import teach as teach
    from llm_brain.training.settings import TrainingSettings as TrainingSettings
    from llm_brain.training.student import Student as Student

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Brain": "brain.model",
        "BrainConfig": "brain.config",
        "Details": "strategy.implementation",
        "Hidden": "strategy.annotations.hidden",
        "Hyperparameters": "optimize.hyperparameters",
        "LLMBrainError": "errors",
        "LLMInterface": "interface.facade",
        "LLMOptimizer": "optimize.optimizer",
        "Likelihood": "strategy.declarations",
        "Student": "training.student",
        "TrainingSettings": "training.settings",
        "cascade": "training.cascade.build",
        "examples": "strategy.declarations",
        "llm_explicit_function": "strategy.explicit",
        "llm_function": "strategy.explicit",
        "llm_strategy": "strategy.decorator",
        "record": "tracing.spans",
        "sampled": "strategy.declarations",
        "track_hyperparameters": "optimize.hyperparameters",
        "teach": "training.lesson",
        "typed": "strategy.views",
        "use_model": "strategy.selection",
    },
)
