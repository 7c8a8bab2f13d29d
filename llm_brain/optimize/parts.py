"""The fields of a pydantic model that can be tuned, one by one: where each lies, and what it may be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from llm_brain.errors import DefinitionError, missing_dependency
from llm_brain.strategy.annotations.closed_sets import bare, closed_set
from llm_brain.strategy.words import explain

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from pydantic.fields import FieldInfo

_DEEPEST: Final = 8


@dataclass(frozen=True)
class Part:
    """One field that can be tuned.

    Attributes:
        name: What it is called in a point.
        path: Where it lies in the model.
        distribution: What a sampler draws from; None for a text.
        condition: The name and the value of the choice that it belongs to; None where it is always there.
        options: Of a closed set: what the field may be, in the order of the distribution's choices.
        models: Of the field that tells which model of a choice it is: the models by its values as a point has them; None for
            the value without a model.

    Example:
        >>> Part("prompt", ("prompt",)).is_text
        True
    """

    name: str
    path: tuple[str, ...]
    distribution: BaseDistribution | None = None
    condition: tuple[str, Any] | None = None
    options: tuple[Any, ...] = ()
    models: Mapping[Any, type[BaseModel] | None] | None = None

    @property
    def is_text(self) -> bool:
        """Whether it is a text."""
        return self.distribution is None

    def told(self, value: Any) -> Any:
        """Tell a value of the field as JSON has it, as a point does."""
        drawn: Any = self.distribution
        if drawn is None:
            return str(value)
        if not self.options:
            return type(drawn.low)(value)
        # A model with `use_enum_values` holds the value of a member.
        held = [one.value if isinstance(one, Enum) and not isinstance(value, Enum) else one for one in self.options]
        return _same(value, held, drawn.choices)

    def read(self, told: Any) -> Any:
        """Give the value of the field that a point tells; what is told otherwise is left for the model to refuse."""
        drawn: Any = self.distribution
        return _same(told, drawn.choices, self.options) if self.options else told


def told_option(option: Any) -> Any:
    """Tell a member of a closed set as JSON has it; a member of an Enum whose value is no plain one by its name.

    Example:
        >>> from enum import Enum
        >>> Size = Enum("Size", {"SMALL": (1, 2), "LARGE": 3})
        >>> told_option(Size.SMALL), told_option(Size.LARGE), told_option(True)
        ('SMALL', 3, True)
    """
    told = TypeAdapter(type(option)).dump_python(option, mode="json")
    return told if told is None or isinstance(told, str | int | float) else getattr(option, "name", str(told))


def parts_of(
    model: type[BaseModel], path: tuple[str, ...] = (), prefix: str = "", condition: tuple[str, Any] | None = None
) -> Iterator[Part]:
    """Find what can be tuned of a model, in the order of the fields; a choice stands before what depends on it.

    Args:
        model: The model.
        path: Where it lies in an outer one.
        prefix: What the names of its fields begin with.
        condition: The choice that it belongs to.

    Raises:
        DefinitionError: A field has no default, or defaults or bounds are not valid.
        MissingDependencyError: optuna is not installed.

    Example:
        >>> class Knobs(BaseModel):
        ...     fast: bool = False
        ...     prompt: str = "Say yes."
        >>> [part.name for part in parts_of(Knobs)]
        ['fast', 'prompt']
    """
    if len(path) > _DEEPEST:
        message = f"{model.__name__} holds itself: a space of hyperparameters has an end"
        raise DefinitionError(message)
    _check_defaults(model)
    for name, field in model.model_fields.items():
        if field.frozen:
            continue
        here, called = (*path, name), f"{prefix}{name}"
        kind = bare(field.annotation)
        if field.discriminator is not None:
            yield from _choice(field, here, called, condition)
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from parts_of(kind, here, f"{called}.", condition)
        elif kind is str:
            yield Part(called, here, None, condition)
        elif options := closed_set(field.annotation):
            if len(options) > 1:
                yield Part(called, here, _categorical(options), condition, options)
        elif (distribution := _number(called, field)) is not None:
            yield Part(called, here, distribution, condition)


def _check_defaults(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        if field.is_required():
            message = f"the hyperparameter `{name}` of {model.__name__} has no default: the first trial runs the defaults"
            raise DefinitionError(message)
    try:
        default = model()
        # pydantic itself does not look at defaults
        model.model_validate({name: getattr(default, name) for name in model.model_fields}, by_name=True, by_alias=False)
    except ValidationError as error:
        message = f"the defaults of {model.__name__} are not valid: {explain(error)}"
        raise DefinitionError(message) from error


def _choice(field: FieldInfo, path: tuple[str, ...], called: str, condition: tuple[str, Any] | None) -> Iterator[Part]:
    """Give the parts of a tagged union: its tag, and what each of its models has."""
    tag = field.discriminator
    if not isinstance(tag, str):
        message = f"the choice `{called}` has a discriminator that is a function: name a field instead, of a Literal type"
        raise DefinitionError(message)
    name, models = f"{called}.{tag}", _models(field, tag, called)
    told = {told_option(option): kind for option, kind in models.items()}
    yield Part(name, (*path, tag), _categorical(tuple(models)), condition, tuple(models), told)
    for value, kind in told.items():
        for part in () if kind is None else parts_of(kind, path, f"{called}[{value}].", (name, value)):
            if part.path != (*path, tag):
                yield part


def _models(field: FieldInfo, tag: str, called: str) -> dict[Any, type[BaseModel] | None]:
    """Give the models of a tagged union by the values of their tags; one may have several."""
    found: dict[Any, type[BaseModel] | None] = {}
    for member in map(bare, get_args(bare(field.annotation))):
        if member is NoneType:
            found[None] = None
            continue
        if not (isinstance(member, type) and issubclass(member, BaseModel)):
            message = f"the choice `{called}` is not among models alone: write `A | B`, each a pydantic model with `{tag}`"
            raise DefinitionError(message)
        found |= dict.fromkeys(closed_set(member.model_fields[tag].annotation) or (), member)
    return found


def _categorical(options: tuple[Any, ...]) -> BaseDistribution:
    _, categorical, _ = _distributions()
    made: BaseDistribution = categorical([told_option(option) for option in options])
    return made


def _number(name: str, field: FieldInfo) -> BaseDistribution | None:
    low, high, unit = (_bound(field, kind) for kind in ("ge", "le", "multiple_of"))
    kind, extra = bare(field.annotation), field.json_schema_extra
    log = bool(isinstance(extra, Mapping) and extra.get("log"))
    if kind not in (int, float) or low is None or high is None or math.isinf(low) or math.isinf(high):
        if log and kind in (int, float):
            message = f"the hyperparameter `{name}` has a logarithmic scale and no range: give it both `ge` and `le`"
            raise DefinitionError(message)
        return None
    try:
        return _range(kind, low, high, unit, log=log)
    except ValueError as error:
        message = f"the hyperparameter `{name}` cannot be searched: {error}"
        raise DefinitionError(message) from error


def _range(kind: type, low: float, high: float, unit: float | None, *, log: bool) -> BaseDistribution:
    real, _, whole = _distributions()
    found: BaseDistribution
    if unit is not None:
        # In decimals, as they are written: 3 * 0.1 is 0.3.
        step = Decimal(str(unit))
        first, last = math.ceil(Decimal(str(low)) / step) * step, math.floor(Decimal(str(high)) / step) * step
        found = (whole if kind is int else real)(kind(first), kind(last), log=log, step=kind(step))
    elif kind is int:
        found = whole(math.ceil(low), math.floor(high), log=log)
    else:
        found = real(low, high, log=log)
    return found


def _distributions() -> tuple[Any, Any, Any]:
    try:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    except ImportError as error:
        raise missing_dependency("optuna", extra="optimize") from error
    return FloatDistribution, CategoricalDistribution, IntDistribution


def _bound(field: FieldInfo, kind: str) -> float | None:
    values: list[float] = [getattr(part, kind) for part in field.metadata if getattr(part, kind, None) is not None]
    return values[-1] if values else None


def _same(value: Any, among: Any, others: Any) -> Any:
    """Give what stands in the place of a value, where it is one of these; True is not 1."""
    return next((other for one, other in zip(among, others, strict=True) if type(one) is type(value) and one == value), value)
