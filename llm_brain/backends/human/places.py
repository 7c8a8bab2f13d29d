"""The places of an answer that can be corrected: found by what a person types, changed, taken out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llm_brain.backends.human.entries import Misread
from llm_brain.backends.human.rules import Path, complaint, part_of_key, shown_path
from llm_brain.backends.human.schema import Part

_MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class Place:
    """A place of an answer.

    Attributes:
        path: Where it is.
        part: What may stand there.
        is_optional: Whether the answer would be one without it.

    Example:
        >>> Place(("price",), Part({"type": "number"})).path
        ('price',)
    """

    path: Path
    part: Part
    is_optional: bool = False


def places_of(value: Any, part: Part, path: Path = (), *, is_optional: bool = False) -> Iterator[Place]:
    """Go through the places of an answer that can be changed, the empty ones included: skipped fields, the end of a list.

    Example:
        >>> part = Part({"properties": {"name": {"type": "string"}, "tags": {"items": {"type": "string"}}}})
        >>> [shown_path(place.path) for place in places_of({"tags": ["a"]}, part)]
        ['answer', 'name', 'tags', 'tags[0]', 'tags[1]']
    """
    if is_optional or part.kind != "options" or len(part.values) > 1:
        yield Place(path, part, is_optional)
    fitting = (member for member in part.alternatives if complaint(value, member) is None)
    inner = part if len(part.alternatives) == 1 else next(fitting, Part({}))
    if isinstance(value, dict) and inner.kind == "object":
        for name, held in inner.properties.items():
            may_go = name not in inner.required
            if name in value:
                yield from places_of(value[name], held, (*path, name), is_optional=may_go)
            else:
                yield Place((*path, name), held, may_go)
        for key in value.keys() - inner.properties.keys():
            may_go = len(value) > inner.fewest
            yield from places_of(value[key], part_of_key(key, inner) or Part({}), (*path, key), is_optional=may_go)
    if isinstance(value, list) and inner.kind == "list":
        for place, item in enumerate(value):
            may_go = len(value) > inner.fewest and place >= len(inner.first)
            yield from places_of(item, inner.item(place), (*path, place), is_optional=may_go)
        if len(value) < inner.most:
            yield Place((*path, len(value)), inner.item(len(value)))


def find_place(typed: str, value: Any, part: Part) -> Place:
    """Find the place that a person names: in full, or by an end or a beginning that no other place has.

    Raises:
        Misread: There is none, or there are several.

    Example:
        >>> part = Part({"properties": {"order": {"properties": {"price": {"type": "number"}}}}})
        >>> find_place("price", {"order": {"price": 3}}, part).path
        ('order', 'price')
    """
    places = {shown_path(place.path): place for place in places_of(value, part)}
    folded = typed.casefold()
    end = folded if folded.startswith("[") else f".{folded}"
    for meant in (
        [name for name in places if name == typed],
        [name for name in places if name.casefold() == folded],
        [name for name in places if name.casefold().endswith(end)],
        [name for name in places if name.casefold().startswith(folded)],
    ):
        if len(meant) == 1:
            return places[meant[0]]
        if meant:
            message = f"{typed!r} may be {_listed(meant)}: type more of it"
            raise Misread(message)
    message = f"there is no {typed!r}: Enter sends the answer, one of these changes it: {_listed(list(places))}"
    raise Misread(message)


def changed(value: Any, path: Path, new: Any) -> Any:
    """Return a value in which something else stands at a place.

    Example:
        >>> changed({"tags": ["a", "b"]}, ("tags", 1), "c")
        {'tags': ['a', 'c']}
    """
    if not path:
        return new
    step, *rest = path
    if isinstance(step, int):
        inner = changed(value[step] if step < len(value) else None, tuple(rest), new)
        return [*value[:step], inner, *value[step + 1 :]]
    return {**value, step: changed(value.get(step), tuple(rest), new)}


def removed(value: Any, place: Place) -> Any:
    """Return a value without what stands at a place.

    Raises:
        Misread: It must be there, or is not.

    Example:
        >>> removed({"tags": ["a", "b"]}, Place(("tags", 0), Part({}), is_optional=True))
        {'tags': ['b']}
    """
    if not place.is_optional:
        message = f"{shown_path(place.path)} cannot be taken out"
        raise Misread(message)
    return _without(value, place.path)


def _without(value: Any, path: Path) -> Any:
    step, *rest = path
    if rest:
        return changed(value, (step,), _without(value[step], tuple(rest)))
    if isinstance(step, int):
        return [*value[:step], *value[step + 1 :]]
    return {key: held for key, held in value.items() if key != step}


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
