"""Parameters as pydantic's `Field` declares them: `limit: int = Field(5, ge=1, description="how many")`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from inspect import Parameter
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.fields import FieldInfo
from typing_extensions import TypedDict

from llm_brain.strategy.annotations.parts import gathered

_SAID = ("title", "description", "examples")


def declared_type(annotation: Any, default: Any) -> Any:
    """Return a parameter's type with what a `Field` as its default says about it: its constraints, its description.

    Example:
        >>> declared_type(int, Field(5, description="how many")).__metadata__[0].description
        'how many'
        >>> declared_type(int, 5)
        <class 'int'>
    """
    if not isinstance(default, FieldInfo):
        return annotation
    said: dict[str, Any] = {name: getattr(default, name) for name in _SAID if getattr(default, name) is not None}
    parts = [*default.metadata, *([Field(**said)] if said else [])]
    return Annotated[(annotation, *parts)] if parts else annotation


def declared_signature(signature: inspect.Signature) -> inspect.Signature:
    """Return a signature in which a `Field` as a default is the default that it declares, or none where it declares none.

    A field that makes its default anew for each call stays, for `made_defaults`.

    Example:
        >>> def search(text=Field(description="what"), limit=Field(5)): ...
        >>> str(declared_signature(inspect.signature(search)))
        '(text, limit=5)'
    """
    parameters = [parameter.replace(default=_plain(parameter.default)) for parameter in signature.parameters.values()]
    # Unlike Python's own, a parameter without a default may stand after one that has one: it must be given all the same.
    return inspect.Signature(parameters, return_annotation=signature.return_annotation, __validate_parameters__=False)


def made_defaults(arguments: dict[str, Any]) -> dict[str, Any]:
    """Make the defaults that are made anew for each call.

    Example:
        >>> made_defaults({"limit": 5, "tags": Field(default_factory=list)})
        {'limit': 5, 'tags': []}
    """
    return {
        name: value.get_default(call_default_factory=True, validated_data={}) if isinstance(value, FieldInfo) else value
        for name, value in arguments.items()
    }


def arguments_adapter(parameters: Mapping[str, Any]) -> TypeAdapter[dict[str, Any]]:
    """Make what checks the arguments of a call. An iterable is checked as a list, at once and not while somebody iterates.

    Example:
        >>> from collections.abc import Iterable
        >>> arguments_adapter({"numbers": Iterable[int]}).validate_python({"numbers": ("1", 2)})
        {'numbers': [1, 2]}
    """
    # A TypedDict takes every name that a parameter may have; a model refuses some and warns of others.
    make: Any = TypedDict
    named = make("Arguments", {name: gathered(annotation) for name, annotation in parameters.items()})
    named.__pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)
    return TypeAdapter(named)


def _plain(default: Any) -> Any:
    if not isinstance(default, FieldInfo) or default.default_factory is not None:
        return default
    return Parameter.empty if default.is_required() else default.default
