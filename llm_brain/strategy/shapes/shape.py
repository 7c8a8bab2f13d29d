"""How a value of a type looks before it is complete: what has arrived, in the containers that the type asks for.

What is complete is checked as the whole reply will be, validators included; around what is still growing, containers are built
as they are, without their validators. What does not fit is left out, as if it had not arrived.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from pydantic import TypeAdapter

from llm_brain.strategy.finite import is_finite
from llm_brain.strategy.reading.reader import Reader


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Final = _Nothing()


@dataclass(frozen=True, slots=True)
class OpenText:
    """A text that is still growing.

    Example:
        >>> OpenText("Par").known
        'Par'
    """

    known: str


@dataclass(frozen=True, slots=True)
class Growing:
    """An object or array that is still growing.

    Attributes:
        held: Its complete fields or elements.
        key: The key of the field that is growing; empty in an array.
        child: The field or element that is growing, where something is known of it.

    Example:
        >>> reader = Reader('{"a": 1, "b": ["x')
        >>> reader.read()
        >>> growing(reader)
        Growing(held={'a': 1}, key='b', child=Growing(held=[], key='', child=OpenText(known='x')))
    """

    held: Any
    key: str = ""
    child: Growing | OpenText | None = None


def growing(reader: Reader) -> Growing | OpenText | None:
    """Show what a reader holds of a value that is not complete.

    Example:
        >>> growing(Reader("{")) is None
        True
    """
    text = reader.open_text
    node: Growing | OpenText | None = None if text is None else OpenText(text)
    for frame in reversed(reader.stack):
        node = Growing(frame.held, frame.key if frame.expects == "value" else "", node)
    return node


@dataclass(slots=True)
class Progress:
    """What was made of a container's complete parts at earlier looks, so that each is looked at once.

    Example:
        >>> Progress().count
        0
    """

    count: int = 0
    parts: Any = None
    defaults: dict[str, Any] | None = None
    whole: Any = field(default=NOTHING)
    is_whole: bool = False


class Memory:
    """Progress by container and shape: a union may look at one container as several shapes.

    Example:
        >>> memory, held = Memory(), [1]
        >>> memory.of(held, Shape(int)) is memory.of(held, Shape(int))
        False
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[Any, Shape, Progress]] = {}

    def of(self, held: Any, shape: Shape) -> Progress:
        """Return the progress with a container, new where it has not been looked at as this shape.

        Example:
            >>> Memory().of([], Shape(int)).count
            0
        """
        key = (id(held), id(shape))
        known = self._known.get(key)
        if known is None:
            # The container and the shape are kept, lest others take their identities.
            known = self._known[key] = (held, shape, Progress())
        return known[2]


class Shape:
    """A type that has no value before it is complete: a number, a date, an enum. The other shapes are derived from it.

    Args:
        annotation: The type.

    Example:
        >>> Shape(int).of("12", Memory()), Shape(int).of("x", Memory()), Shape(int).of(OpenText("1"), Memory())
        (12, NOTHING, NOTHING)
    """

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation

    def of(self, data: Any, memory: Memory) -> Any:
        """Make a value of JSON data or of what has arrived of it; `NOTHING` where there is none yet.

        Example:
            >>> Shape(bool).of(OpenText("Par"), Memory()), Shape(int).of(3, Memory())
            (NOTHING, 3)
        """
        if isinstance(data, OpenText):
            return self.text(data.known)
        if isinstance(data, Growing):
            return self.partial(data, memory)
        if not isinstance(data, list | dict):
            return self.whole(data)
        progress = memory.of(data, self)
        if not progress.is_whole:
            progress.whole, progress.is_whole = self.whole(data), True
            if progress.whole is NOTHING:
                progress.whole = self.partial(Growing(data), memory)
        return progress.whole

    def whole(self, data: Any) -> Any:
        """Check complete data; `NOTHING` where it does not fit.

        Example:
            >>> Shape(bool).whole(data=True), Shape(bool).whole([])
            (True, NOTHING)
        """
        if type(data) is self.annotation and self.annotation in {int, float, bool}:
            return data
        if self._adapter is None:
            return NOTHING
        try:
            text = json.dumps(data)
            try:
                value = self._adapter.validate_json(text, strict=True)
            except ValueError:
                value = self._adapter.validate_json(text)
            return value if is_finite(value) else NOTHING
        except Exception:  # noqa: BLE001 - whatever a validator of the user's own raises, the data does not fit
            return NOTHING

    def text(self, known: str) -> Any:  # noqa: ARG002 - for the shapes that have a use for it
        """Make a value of the beginning of a text.

        Example:
            >>> Shape(int).text("1")
            NOTHING
        """
        return NOTHING

    def partial(self, data: Growing, memory: Memory) -> Any:  # noqa: ARG002 - as above
        """Make a value of a container that is growing, or does not fit as a whole.

        Example:
            >>> Shape(int).partial(Growing([1]), Memory())
            NOTHING
        """
        return NOTHING

    @cached_property
    def _adapter(self) -> TypeAdapter[Any] | None:
        try:
            return TypeAdapter(self.annotation)
        except Exception:  # noqa: BLE001 - a type that needs its model's configuration, or names that are not known here
            return None
