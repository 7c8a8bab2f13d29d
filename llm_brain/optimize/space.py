"""The search space of a pydantic model: the fields with bounds or a closed set of values, as Optuna sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from llm_brain.errors import DefinitionError, missing_dependency
from llm_brain.strategy.annotations.closed_sets import closed_set
from llm_brain.strategy.words import explain

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from pydantic.fields import FieldInfo


def search_space(model: type[BaseModel]) -> dict[str, BaseDistribution]:
    """Read the tunable fields of a model: numbers with `ge` and `le`, booleans, Literals and Enums.

    A field whose `json_schema_extra` holds `{"log": True}` is searched on a logarithmic scale. Other fields keep their default.

    Raises:
        DefinitionError: No field is tunable, a field has no default to begin from, or the defaults or bounds are not valid.
        MissingDependencyError: optuna is not installed.

    Example:
        >>> from pydantic import Field
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.1, ge=0.01, le=1.0, json_schema_extra={"log": True})
        >>> search_space(Knobs)
        {'rate': FloatDistribution(high=1.0, log=True, low=0.01, step=None)}
    """
    for name, field in model.model_fields.items():
        if field.is_required():
            message = f"the hyperparameter `{name}` of {model.__name__} has no default: the first trial runs the defaults"
            raise DefinitionError(message)
    try:
        model.model_validate(model().model_dump(), by_name=True)  # pydantic itself does not look at defaults
    except ValidationError as error:
        message = f"the defaults of {model.__name__} are not valid: {explain(error)}"
        raise DefinitionError(message) from error
    found = {name: _distribution(name, field) for name, field in model.model_fields.items()}
    space = {name: distribution for name, distribution in found.items() if distribution is not None}
    if not space:
        message = f"{model.__name__} has no tunable field: give a number both `ge` and `le`, or a field a Literal type"
        raise DefinitionError(message)
    return space


def point(model: BaseModel, space: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's values in the search space, as JSON has them.

    Example:
        >>> class Knobs(BaseModel):
        ...     rate: float = 0.1
        ...     name: str = "x"
        >>> point(Knobs(), {"rate": None})
        {'rate': 0.1}
    """
    return model.model_dump(mode="json", include=set(space), warnings=False)


def _distribution(name: str, field: FieldInfo) -> BaseDistribution | None:
    try:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    except ImportError as error:
        raise missing_dependency("optuna", extra="optimize") from error
    options = closed_set(field.annotation)
    if options:
        return CategoricalDistribution([TypeAdapter(type(option)).dump_python(option, mode="json") for option in options])
    low, high = _bound(field, "ge"), _bound(field, "le")
    if field.annotation not in (int, float) or low is None or high is None:
        return None
    extra = field.json_schema_extra
    log = bool(isinstance(extra, Mapping) and extra.get("log"))
    try:
        if field.annotation is int:
            return IntDistribution(math.ceil(low), math.floor(high), log=log)
        return FloatDistribution(low, high, log=log)
    except ValueError as error:
        message = f"the hyperparameter `{name}` cannot be searched: {error}"
        raise DefinitionError(message) from error


def _bound(field: FieldInfo, kind: str) -> float | None:
    values: list[float] = [getattr(part, kind) for part in field.metadata if getattr(part, kind, None) is not None]
    return values[-1] if values else None
