"""Unions before they are complete: the member that what has arrived belongs to, by its discriminator or by its keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_brain.strategy.shapes.records import Record
from llm_brain.strategy.shapes.shape import NOTHING, Growing, Memory, Shape


class Either(Shape):
    """A union.

    What is complete is checked as the union itself, so that its member is the one of the final value. Of what is growing, the
    discriminator tells the member where there is one; else it is the first that knows all keys so far, or most of them.

    Args:
        annotation: The type.
        members: The shapes of its members.
        discriminator: The key whose value tells the member, where the union has one.

    Example:
        >>> from dataclasses import dataclass
        >>> from llm_brain.strategy.shapes.of_types import shape_of
        >>> @dataclass
        ... class Cat:
        ...     name: str
        ...     lives: int
        >>> @dataclass
        ... class Dog:
        ...     name: str
        ...     tricks: list[str]
        >>> pet = shape_of(Cat | Dog)
        >>> pet.partial(Growing({"name": "Rex"}, "tricks", Growing(["sit"])), Memory())
        Dog(name='Rex', tricks=['sit'])
    """

    def __init__(self, annotation: Any, members: list[Shape], discriminator: str | None = None) -> None:
        super().__init__(annotation)
        self._members = list(_flat(members))
        self._discriminator = discriminator

    @property
    def members(self) -> list[Shape]:
        """The members, those of unions within it among them.

        Example:
            >>> [member.annotation for member in Either(int | bool, [Shape(int), Shape(bool)]).members]
            [<class 'int'>, <class 'bool'>]
        """
        return self._members

    def text(self, known: str) -> Any:
        """Show the beginning of a text where text is a member."""
        shown = (member.text(known) for member in self._members)
        return next((value for value in shown if value is not NOTHING), NOTHING)

    def partial(self, data: Growing, memory: Memory) -> Any:
        """Make a value of the member that fits what has arrived."""
        if not isinstance(data.held, dict):
            shown = (member.partial(data, memory) for member in self._members)
            return next((value for value in shown if value is not NOTHING), NOTHING)
        if self._discriminator is not None and self._discriminator not in data.held:
            return NOTHING
        members = [member for member in self._members if isinstance(member, Record)]
        if self._discriminator is not None:
            members = [member for member in members if self._discriminator in member.fields]
        members = [member for member in members if _constants_fit(member, data.held)]
        keys = data.held.keys() | ({data.key} if data.child is not None else set())
        # Sorting keeps the order of the union among those that fit equally well.
        members.sort(key=lambda member: -len(keys & member.fields.keys()))
        others = [member for member in self._members if not isinstance(member, Record)]
        ordered = [*members, *others] if members and keys & members[0].fields.keys() else [*others, *members]
        for member in ordered:
            value = member.partial(data, memory)
            if value is not NOTHING:
                return value
        return NOTHING


def _flat(members: list[Shape]) -> Iterator[Shape]:
    for member in members:
        if isinstance(member, Either):
            yield from member.members
        else:
            yield member


def _constants_fit(member: Record, held: dict[str, Any]) -> bool:
    """Tell whether the complete values that cannot be a member's are absent: its literals, numbers, dates and the like."""
    for key, (_, shape) in member.fields.items():
        value = held.get(key)
        if key in held and not isinstance(value, list | dict) and shape.whole(value) is NOTHING:
            return False
    return True
