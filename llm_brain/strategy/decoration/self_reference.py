"""Records that hold records of their own kind: in an implemented class, those that are read from data are implemented, too."""

from __future__ import annotations

import copy
import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from llm_brain.strategy.annotations.parts import is_union


def let_it_contain_itself(made: Any, interface: type, names: Mapping[str, Any]) -> None:
    """Let the fields of a pydantic model or a dataclass that hold objects of its own class hold objects of the class made of it.

    Args:
        made: The class that was made.
        interface: The class that it was made of, and a subclass of.
        names: Names beyond the interface's module in which its annotations are looked up.

    Example:
        >>> class Node(BaseModel):
        ...     below: list["Node"] = []
        >>> class Made(Node): ...
        >>> let_it_contain_itself(Made, Node, {})
        >>> Made.model_validate({"below": [{"below": []}]})
        Made(below=[Made(below=[])])
    """
    if issubclass(made, BaseModel):
        before = {name: field.annotation for name, field in made.model_fields.items()}
        changed = _changed(before, interface, made)
        for name, annotation in changed.items():
            made.model_fields[name].annotation = annotation
        if changed:
            made.model_rebuild(force=True)
    elif "__dataclass_fields__" in vars(interface):
        try:
            hints = typing.get_type_hints(interface, localns={**names, interface.__name__: interface}, include_extras=True)
        except (NameError, TypeError):  # then it cannot be read from data either
            return
        changed = _changed({field.name: hints[field.name] for field in fields(made)}, interface, made)
        if changed:
            made.__dataclass_fields__ = dict(made.__dataclass_fields__)
        for name, annotation in changed.items():
            made.__dataclass_fields__[name] = copy.copy(made.__dataclass_fields__[name])
            made.__dataclass_fields__[name].type = annotation


def _changed(annotations: Mapping[str, Any], interface: type, made: type) -> dict[str, Any]:
    redirected = {name: _redirected(annotation, interface, made) for name, annotation in annotations.items()}
    return {name: annotation for name, annotation in redirected.items() if annotation is not annotations[name]}


def _redirected(annotation: Any, interface: type, made: type) -> Any:
    if annotation is interface:
        return made
    before = get_args(annotation)
    after = tuple(_redirected(part, interface, made) for part in before)
    if all(one is other for one, other in zip(before, after, strict=True)):
        return annotation
    origin: Any = Union if is_union(annotation) else get_origin(annotation)
    return origin[after]
