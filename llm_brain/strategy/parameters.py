"""Parameters as pydantic's `Field` declares them: `limit: int = Field(5, ge=1, description="how many")`."""

from __future__ import annotations

import inspect
from inspect import Parameter
from typing import Annotated, Any

from pydantic import Field
from pydantic.fields import FieldInfo

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


def _plain(default: Any) -> Any:
    if not isinstance(default, FieldInfo) or default.default_factory is not None:
        return default
    return Parameter.empty if default.is_required() else default.default
