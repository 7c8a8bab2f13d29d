"""What to try next: a draw from a classical sampler, or what is usable of a language model's suggestions."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from llm_brain.errors import DefinitionError
from llm_brain.optimize.space import point

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MODEL_SHARE = 0.3
ATTEMPTS, ATTEMPTS_OF_TPE = 50, 5
STARTUP_TRIALS = 5

Values = TypeVar("Values", bound=BaseModel)


def is_turn_of_model(number: int) -> bool:
    """Tell whether the model is asked before this trial: before a fixed share of them, the first after the default included.

    Example:
        >>> [number for number in range(12) if is_turn_of_model(number)]
        [1, 4, 7, 11]
    """
    return number > 0 and math.ceil(number * MODEL_SHARE) > math.ceil((number - 1) * MODEL_SHARE)


def usable(step: Any, model: type[Values], space: Mapping[str, Any], tried: Sequence[Mapping[str, Any]]) -> Values | None:
    """Return the first of a model's suggestions that is valid and new. What it says about fields that are not tuned is ignored.

    Args:
        step: What the model gave: an `OptimizationStep`, if all went well.
        model: The hyperparameters' model.
        space: The search space.
        tried: The points of the trials so far.

    Example:
        >>> from pydantic import Field
        >>> from llm_brain.optimize.models import OptimizationStep
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.5, ge=0.0, le=1.0)
        >>> step = OptimizationStep[Knobs](suggestion="Lower.", hyperparameter_suggestions=[Knobs(), Knobs(rate=0.2)])
        >>> usable(step, Knobs, {"rate": None}, tried=[{"rate": 0.5}])
        Knobs(rate=0.2)
    """
    suggestions = getattr(step, "hyperparameter_suggestions", ())
    for suggestion in suggestions if isinstance(suggestions, Sequence) else ():
        try:
            found = model.model_validate(point(suggestion, space), by_name=True)
        except (ValidationError, AttributeError, ValueError):
            continue
        if point(found, space) not in tried:
            return found
    return None


def draw(
    model: type[Values], space: Mapping[str, BaseDistribution], scored: Sequence[tuple[Values, float | None]], *, seed: int
) -> Values:
    """Draw from Optuna's TPE (Bergstra et al. 2011), a point that is valid and, while there are any, new.

    TPE knows nothing of what the model's own validators forbid, and may insist on it; after a few attempts the draw is uniform.

    Args:
        model: The hyperparameters' model.
        space: The search space.
        scored: What was tried, and how good it was; None where it failed.
        seed: The draw depends on it and on what was tried, on nothing else.

    Raises:
        DefinitionError: No point is valid.

    Example:
        >>> from pydantic import Field
        >>> from llm_brain.optimize.space import search_space
        >>> class Knobs(BaseModel):
        ...     fast: bool = False
        >>> draw(Knobs, search_space(Knobs), [(Knobs(), 0.5)], seed=0)
        Knobs(fast=True)
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tried = [point(values, space) for values, _ in scored]
    repeated: Values | None = None
    for attempt in range(ATTEMPTS):
        # The seed moves with the trial, so that a study that is gone on with draws what an uninterrupted one would.
        mixed = hashlib.sha256(f"{seed} {len(scored)} {attempt}".encode()).digest()
        startup = STARTUP_TRIALS if attempt < ATTEMPTS_OF_TPE else len(scored) + 1
        sampler = optuna.samplers.TPESampler(seed=int.from_bytes(mixed[:4]), n_startup_trials=startup)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for values, (_, score) in zip(tried, scored, strict=True):
            if score is not None:
                study.add_trial(optuna.trial.create_trial(params=values, distributions=dict(space), value=score))
        try:
            found = model.model_validate(study.ask(dict(space)).params, by_name=True)
        except ValidationError:
            continue
        if point(found, space) not in tried:
            return found
        repeated = repeated or found
    if repeated is None:
        message = f"none of {ATTEMPTS} draws within the bounds of {model.__name__} is valid: its validators leave too little"
        raise DefinitionError(message)
    return repeated
