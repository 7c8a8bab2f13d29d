"""What can be tuned of a pydantic model: numbers with bounds, closed sets of values, and texts.

rate: float = Field(0.1, ge=1e-4, le=1.0)     a knob; with `json_schema_extra={"log": True}` on a logarithmic scale
kind: Literal["plain", "fancy"] = "plain"     a knob, as are booleans and Enums
prompt: str = "Say ..."                       a text: a language model rewrites it, no sampler does
tree: Tree = Tree()                           a model inside: its fields are called `tree.depth`, ...
model: Tree | Line = Field(Tree(), discriminator="kind")
a choice of models: `model.kind`, and what only one of them has, `model[tree].depth`; `| None` is a choice, too
share: float = Field(0.5, ge=0, le=1, multiple_of=0.05)
a knob that has these values alone
size: int = Field(4, ge=1, le=8, frozen=True) a frozen field is not tuned, nor is anything else: it stays the object that it is
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from llm_brain.errors import DataError, DefinitionError
from llm_brain.optimize.parts import Part, parts_of
from llm_brain.strategy.words import explain

Values = TypeVar("Values", bound=BaseModel)
Point = dict[str, Any]
"""Values by name, as JSON has them; those that a choice of models leaves out are not in it."""


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
        self.parts = tuple(parts_of(model))
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
        try:
            self.values(self.point(self.default))  # what every trial does
        except ValidationError as error:
            message = f"the defaults of {model.__name__} are not valid when they are given back: {explain(error)}"
            raise DefinitionError(message) from error

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
        """The model with its defaults, which pydantic itself takes as they are written."""
        return cast("Values", _Opened(self.model()).closed())

    def point(self, values: BaseModel) -> Point:
        """Give the tunable values of a model, without those that its choices leave out."""
        found: Point = {}
        for part in self.parts:
            if _is_active(part, found):
                inside: Any = values
                for step in part.path:
                    inside = None if inside is None else getattr(inside, step)  # of a choice there may be no model
                found[part.name] = part.told(inside)
        return found

    def values(self, point: Mapping[str, Any]) -> Values:
        """Make a model of a point; what the point does not name keeps its default.

        Raises:
            DataError: There is no hyperparameter of a name, or no model of a choice.
            ValidationError: The values are out of bounds, of another type, or refused by the model's validators.
        """
        names = {part.name for part in self.parts}
        for name in point:
            if name not in names:
                message = f"there is no hyperparameter `{name}`: there are {', '.join(sorted(names))}"
                raise DataError(message)
        made = _Opened(self.default)
        told: Point = {}
        for part in self.parts:
            if not _is_active(part, told):
                continue
            *way, last = part.path
            if part.models is not None:
                told[part.name] = _choose(made, part, point)
                continue
            inside = made.inside(way)
            if part.name in point:
                inside.fields[last] = part.read(point[part.name])
        return cast("Values", made.closed())

    def given(self, values: BaseModel) -> dict[str, Any]:
        """Give what of a model a scope of `Hyperparameters` is entered with: each outermost field that is tuned, whole.

        Example:
            >>> from pydantic import Field
            >>> class Knobs(BaseModel):
            ...     fast: bool = False
            ...     name: str = Field("fixed", frozen=True)
            >>> Space(Knobs).given(Knobs())
            {'fast': False}
        """
        return {part.path[0]: getattr(values, part.path[0]) for part in self.parts}

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


class _Opened:
    """A model whose fields are being set. What nobody sets stays the very object that it was."""

    def __init__(self, model: BaseModel) -> None:
        self.kind = type(model)
        self.fields: dict[str, Any] = {name: getattr(model, name) for name in self.kind.model_fields} | (model.model_extra or {})

    def inside(self, way: Sequence[str]) -> _Opened:
        """Open the model that lies there."""
        opened = self
        for step in way:
            if not isinstance(opened.fields[step], _Opened):
                opened.fields[step] = _Opened(opened.fields[step])
            opened = opened.fields[step]
        return opened

    def closed(self, way: tuple[str, ...] = ()) -> BaseModel:
        """Make the model, the ones inside first.

        Raises:
            ValidationError: The values do not fit; they are named by their whole way.
        """
        made = {name: value.closed((*way, name)) if isinstance(value, _Opened) else value for name, value in self.fields.items()}
        try:
            return self.kind.model_validate(made, by_name=True, by_alias=False)
        except ValidationError as error:
            if not way:
                raise
            problems = [_problem(one, way) for one in error.errors(include_url=False, include_context=False)]
            raise ValidationError.from_exception_data(error.title, problems) from error


def _problem(inside: Any, way: tuple[str, ...]) -> InitErrorDetails:
    """Say what is wrong in a model as the one around it would, in the words that are made already."""
    return InitErrorDetails(
        type=PydanticCustomError(inside["type"], inside["msg"]), loc=(*way, *inside["loc"]), input=inside["input"]
    )


def _choose(made: _Opened, tag: Part, point: Mapping[str, Any]) -> Any:
    """Let a choice have the model that a point names, if it is another one, with its own defaults; return the tag's value."""
    models = tag.models or {}
    *way, field, last = tag.path
    holder = made.inside(way)
    now = tag.told(getattr(holder.fields[field], last, None))
    told = tag.told(point.get(tag.name, now))
    if told not in models:
        message = f"`{tag.name}` is one of {', '.join(map(repr, models))}, and not {told!r:.80}"
        raise DataError(message)
    if told != now:
        kind = models[told]
        holder.fields[field] = None if kind is None else kind()
        if kind is not None:
            made.inside((*way, field)).fields[last] = tag.read(told)
    return told


def _is_active(part: Part, found: Mapping[str, Any]) -> bool:
    return part.condition is None or (part.condition[0] in found and found[part.condition[0]] == part.condition[1])
