"""Text and containers before they are complete: the beginning of a text, the elements and entries that have arrived."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from llm_brain.strategy.shapes.shape import NOTHING, Growing, Memory, Shape


class Text(Shape):
    """Text, shown as far as it is known.

    Example:
        >>> Text(str).text("Hello, wor")
        'Hello, wor'
    """

    def text(self, known: str) -> Any:
        """Show the text so far."""
        # Half of a pair of surrogates is no text yet.
        return known[:-1] if "\ud800" <= known[-1:] <= "\udfff" else known


class Anything(Text):
    """Any JSON value.

    Example:
        >>> from llm_brain.strategy.shapes.shape import OpenText
        >>> Anything(Any).partial(Growing({"a": 1}, "b", OpenText("x")), Memory())
        {'a': 1, 'b': 'x'}
    """

    def whole(self, data: Any) -> Any:
        """Show complete data as it is."""
        return data

    def partial(self, data: Growing, memory: Memory) -> Any:
        """Show what has arrived."""
        child = NOTHING if data.child is None else self.of(data.child, memory)
        if isinstance(data.held, dict):
            return {**data.held, **({} if child is NOTHING else {data.key: child})} or NOTHING
        return [*data.held, *(() if child is NOTHING else (child,))] or NOTHING


class Array(Shape):
    """A list, set, deque or tuple of any length: the elements so far.

    Args:
        annotation: The type.
        item: The shape of an element.
        make: What makes the container of a list.

    Example:
        >>> Array(list[int], Shape(int), list).partial(Growing([1, "x", 2]), Memory())
        [1, 2]
    """

    def __init__(self, annotation: Any, item: Shape, make: Callable[[list[Any]], Any]) -> None:
        super().__init__(annotation)
        self._item = item
        self._make = make

    def partial(self, data: Growing, memory: Memory) -> Any:
        """Make a container of the elements that fit."""
        if not isinstance(data.held, list):
            return NOTHING
        progress = memory.of(data.held, self)
        parts: list[Any] = progress.parts if progress.parts is not None else []
        made = (self._item.of(each, memory) for each in data.held[progress.count :])
        parts += [each for each in made if each is not NOTHING]
        progress.parts, progress.count = parts, len(data.held)
        # In a set the beginning of a text would be a member of its own.
        child = NOTHING if data.child is None or self._make in {set, frozenset} else self._item.of(data.child, memory)
        if not parts and child is NOTHING:
            return NOTHING
        found = [*parts, *(() if child is NOTHING else (child,))]
        try:
            return found if self._make is list else self._make(found)
        except TypeError:  # members of a set that cannot be hashed while they grow
            return NOTHING


class Row(Shape):
    """A tuple of a fixed length: None stands for the elements that have not arrived.

    Example:
        >>> Row(tuple[int, str], [Shape(int), Text(str)]).partial(Growing([1]), Memory())
        (1, None)
    """

    def __init__(self, annotation: Any, items: list[Shape]) -> None:
        super().__init__(annotation)
        self._items = items

    def partial(self, data: Growing, memory: Memory) -> Any:
        """Make a tuple of the elements that fit."""
        if not isinstance(data.held, list):
            return NOTHING
        elements = [*data.held, *(() if data.child is None else (data.child,))]
        made = [item.of(each, memory) for item, each in zip(self._items, elements, strict=False)]
        if all(each is NOTHING for each in made):
            return NOTHING
        return tuple(None if each is NOTHING else each for each in made) + (None,) * (len(self._items) - len(made))


class Table(Shape):
    """A dictionary: the entries so far.

    Example:
        >>> from llm_brain.strategy.shapes.shape import OpenText
        >>> Table(dict[int, str], int, Text(str)).partial(Growing({"1": "a"}, "2", OpenText("b")), Memory())
        {1: 'a', 2: 'b'}
    """

    def __init__(self, annotation: Any, key: Any, value: Shape, make: Callable[[dict[Any, Any]], Any] = dict) -> None:
        super().__init__(annotation)
        self._keys: Shape | None = None if key is str else Shape(dict[key, None])
        self._value = value
        self._make = make

    def partial(self, data: Growing, memory: Memory) -> Any:
        """Make a dictionary of the entries that fit."""
        if not isinstance(data.held, dict):
            return NOTHING
        progress = memory.of(data.held, self)
        parts: dict[Any, Any] = progress.parts if progress.parts is not None else {}
        if len(data.held) > progress.count:
            for key, value in islice(data.held.items(), progress.count, None):
                parts.update(self._entry(key, value, memory))
        progress.parts, progress.count = parts, len(data.held)
        found = {**parts, **({} if data.child is None else self._entry(data.key, data.child, memory))}
        return self._make(found) if found else NOTHING

    def _entry(self, key: str, data: Any, memory: Memory) -> dict[Any, Any]:
        value = self._value.of(data, memory)
        if value is NOTHING:
            return {}
        keys = {key: None} if self._keys is None else self._keys.whole({key: None})
        return {} if keys is NOTHING else dict.fromkeys(keys, value)
