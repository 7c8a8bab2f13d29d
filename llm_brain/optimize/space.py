"""What can be tuned of a pydantic model: numbers with bounds, closed sets of values, and texts.

rate: float = Field(0.1, ge=1e-4, le=1.0)     a knob; with `json_schema_extra={"log": True}` on a logarithmic scale
kind: Literal["plain", "fancy"] = "plain"     a knob, as are booleans and Enums
prompt: str = "Say ..."                       a text: a language model rewrites it, no sampler does
tree: Tree = Tree()                           a model inside: its fields are called `tree.depth`, ...
model: Tree | Line = Field(Tree(), discriminator="kind")
a choice of models: `model.kind`, and what only one of them has, `model[tree].depth`
size: int = Field(4, ge=1, le=8, frozen=True) a frozen field is not tuned, nor is anything else
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from llm_brain.errors import DataError, DefinitionError, missing_dependency
from llm_brain.strategy.annotations.closed_sets import bare, closed_set
from llm_brain.strategy.words import explain

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from pydantic.fields import FieldInfo

Values = TypeVar("Values", bound=BaseModel)
Point = dict[str, Any]
"""Values by name, as JSON has them; those that a choice of models leaves out are not in it."""
_DEEPEST: Final = 8


@dataclass(frozen=True)
class Part:
    """One field that can be tuned.

    Attributes:
        name: What it is called in a point.
        path: Where it lies in the model.
        distribution: What a sampler draws from; None for a text.
        condition: The name and the value of the choice that it belongs to; None where it is always there.
        models: Of the field that tells which model of a choice it is: the models by its values.

    Example:
        >>> Part("prompt", ("prompt",)).is_text
        True
    """

    name: str
    path: tuple[str, ...]
    distribution: BaseDistribution | None = None
    condition: tuple[str, Any] | None = None
    models: Mapping[Any, type[BaseModel]] | None = None

    @property
    def is_text(self) -> bool:
        """Whether it is a text."""
        return self.distribution is None


class Space(Generic[Values]):
    """What can be tuned of a model.

    Args:
        model: A pydantic model; all its fields have defaults, since the first trial runs them.

    Attributes:
        model: The same.
        parts: What can be tuned, in the order of the fields; a choice stands before what depends on it.

    Raises:
        DefinitionError: Nothing can be tuned, a field has no default, or defaults or bounds are not valid.
        MissingDependencyError: optuna is not installed.

    Example:
        >>> from pydantic import Field
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.1, ge=0.01, le=1.0, json_schema_extra={"log": True})
        ...     prompt: str = "Say yes."
        >>> space = Space(Knobs)
        >>> space.knobs[0].distribution, space.texts
        (FloatDistribution(high=1.0, log=True, low=0.01, step=None), ('prompt',))
        >>> space.point(Knobs(rate=0.5)), space.values({"rate": 0.2})
        ({'rate': 0.5, 'prompt': 'Say yes.'}, Knobs(rate=0.2, prompt='Say yes.'))
    """

    def __init__(self, model: type[Values]) -> None:
        self.model = model
        _check_defaults(model)
        self.parts = tuple(_parts(model, (), "", None))
        if not self.parts:
            message = (
                f"{model.__name__} has no tunable field: give a number both `ge` and `le`, a field a Literal type, or have a text"
            )
            raise DefinitionError(message)
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            message = f"two hyperparameters of {model.__name__} are called `{twice}`: rename one of them"
            raise DefinitionError(message)

    @cached_property
    def knobs(self) -> tuple[Part, ...]:
        """What a sampler can draw."""
        return tuple(part for part in self.parts if not part.is_text)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The names of the texts."""
        return tuple(part.name for part in self.parts if part.is_text)

    @property
    def default(self) -> Values:
        """The model with its defaults."""
        return self.model()

    def point(self, values: BaseModel) -> Point:
        """Give the tunable values of a model, without those that its choices leave out."""
        dumped = values.model_dump(mode="json", warnings=False)
        found: Point = {}
        for part in self.parts:
            if _is_active(part, found):
                inside: Any = dumped
                for step in part.path:
                    inside = inside[step]
                found[part.name] = inside
        return found

    def values(self, point: Mapping[str, Any]) -> Values:
        """Make a model of a point; what the point does not name keeps its default.

        Raises:
            DataError: There is no hyperparameter of a name.
            ValidationError: The values are out of bounds, of another type, or refused by the model's validators.
        """
        names = {part.name for part in self.parts}
        for name in point:
            if name not in names:
                message = f"there is no hyperparameter `{name}`: there are {', '.join(sorted(names))}"
                raise DataError(message)
        made = self.default.model_dump(mode="json", warnings=False)
        told: Point = {}
        for part in self.parts:
            if not _is_active(part, told):
                continue
            *way, last = part.path
            inside = made
            for step in way:
                inside = inside[step]
            if part.name in point:
                chosen = None if part.models is None else part.models.get(point[part.name])
                if chosen is not None and point[part.name] != inside[last]:
                    inside.clear()  # another model of the choice, which has fields of its own
                    inside.update(chosen().model_dump(mode="json", warnings=False))
                inside[last] = point[part.name]
            told[part.name] = inside[last]
        return self.model.model_validate(made, by_name=True)

    def key(self, values: BaseModel) -> str:
        """Give the name of a point's contents: the same for the same values, however they are written.

        Example:
            >>> from pydantic import Field
            >>> class Knobs(BaseModel):
            ...     rate: float = Field(0.5, ge=0, le=1)
            >>> Space(Knobs).key(Knobs(rate=1)) == Space(Knobs).key(Knobs(rate=1.0))
            True
        """
        written = json.dumps(self.point(values), sort_keys=True)
        return hashlib.sha256(written.encode(errors="backslashreplace")).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """Tell the space as JSON, to see whether another one is the same.

        Example:
            >>> from pydantic import Field
            >>> class Knobs(BaseModel):
            ...     fast: bool = False
            >>> list(Space(Knobs).describe())
            ['fast']
        """
        from optuna.distributions import distribution_to_json

        return {
            part.name: {
                "distribution": None if part.distribution is None else json.loads(distribution_to_json(part.distribution)),
                "condition": None if part.condition is None else list(part.condition),
            }
            for part in self.parts
        }


def _is_active(part: Part, found: Mapping[str, Any]) -> bool:
    return part.condition is None or (part.condition[0] in found and found[part.condition[0]] == part.condition[1])


def _check_defaults(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        if field.is_required():
            message = f"the hyperparameter `{name}` of {model.__name__} has no default: the first trial runs the defaults"
            raise DefinitionError(message)
    try:
        model.model_validate(model().model_dump(), by_name=True)  # pydantic itself does not look at defaults
    except ValidationError as error:
        message = f"the defaults of {model.__name__} are not valid: {explain(error)}"
        raise DefinitionError(message) from error


def _parts(model: type[BaseModel], path: tuple[str, ...], prefix: str, condition: tuple[str, Any] | None) -> Iterator[Part]:
    if len(path) > _DEEPEST:
        message = f"{model.__name__} holds itself: a space of hyperparameters has an end"
        raise DefinitionError(message)
    _check_defaults(model)
    for name, field in model.model_fields.items():
        if field.frozen:
            continue
        here, called = (*path, name), f"{prefix}{name}"
        if field.discriminator is not None:
            yield from _choice(field, here, called, condition)
            continue
        kind = bare(field.annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _parts(kind, here, f"{called}.", condition)
        elif kind is str:
            yield Part(called, here, None, condition)
        elif (distribution := _distribution(called, field)) is not None:
            yield Part(called, here, distribution, condition)


def _choice(field: FieldInfo, path: tuple[str, ...], called: str, condition: tuple[str, Any] | None) -> Iterator[Part]:
    """Give the parts of a tagged union: its tag, and what each of its models has."""
    _, categorical, _ = _distributions()
    tag = field.discriminator
    if not isinstance(tag, str):
        message = f"the choice `{called}` has a discriminator that is a function: name a field instead, of a Literal type"
        raise DefinitionError(message)
    variants = {get_args(bare(kind.model_fields[tag].annotation))[0]: kind for kind in get_args(field.annotation)}
    name = f"{called}.{tag}"
    yield Part(name, (*path, tag), categorical(list(variants)), condition, variants)
    for value, kind in variants.items():
        for part in _parts(kind, path, f"{called}[{value}].", (name, value)):
            if part.path != (*path, tag):
                yield part


def _distribution(name: str, field: FieldInfo) -> BaseDistribution | None:
    real, categorical, whole = _distributions()
    options = closed_set(field.annotation)
    found: BaseDistribution
    if options:
        if len(options) == 1:
            return None
        found = categorical([TypeAdapter(type(option)).dump_python(option, mode="json") for option in options])
        return found
    low, high = _bound(field, "ge"), _bound(field, "le")
    kind = bare(field.annotation)
    if kind not in (int, float) or low is None or high is None:
        return None
    extra = field.json_schema_extra
    log = bool(isinstance(extra, Mapping) and extra.get("log"))
    try:
        found = whole(math.ceil(low), math.floor(high), log=log) if kind is int else real(low, high, log=log)
    except ValueError as error:
        message = f"the hyperparameter `{name}` cannot be searched: {error}"
        raise DefinitionError(message) from error
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
