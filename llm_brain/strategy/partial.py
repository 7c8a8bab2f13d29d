"""The value of a reply while it comes: pieces of text, a value with what has arrived of it, or the items of an iterator.

JSON is read once, piece by piece, mistakes included; after each piece the value so far is built anew out of the parts that were
made before. So the cost of a piece does not grow with the text before it, but for copying the containers that are still open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import TypeAdapter

from llm_brain.strategy.parsing import Unparsable, check
from llm_brain.strategy.reading.beginning import AfterThinking, JsonStream
from llm_brain.strategy.reading.reader import Reader
from llm_brain.strategy.shapes.containers import Anything, Table
from llm_brain.strategy.shapes.of_types import shape_of
from llm_brain.strategy.shapes.records import Record
from llm_brain.strategy.shapes.shape import NOTHING, Growing, Memory, Shape, growing
from llm_brain.strategy.signature import WRAPPER_FIELD, FunctionSpec

_WRAPPED_TEXT = f'{{"{WRAPPER_FIELD}"'


class PartialReader:
    """Gives values out of a reply while it comes.

    Text comes in pieces that add up to it, without the thinking before it and the blanks around it. Items of an iterator come
    once each, complete and checked. Any other value comes as far as it has arrived, whenever that has changed: models and
    dataclasses as instances of themselves, in which a field that has not arrived has its default, or None (a model's
    `model_fields_set` names those that have); texts as far as they are known; numbers, dates, literals and enums when they are
    complete. What does not fit is left out.

    The whole reply is for `parse_reply`, which also reads what cannot be read while it comes.

    Args:
        spec: The function that was asked.

    Example:
        >>> from pydantic import BaseModel
        >>> from llm_brain.strategy import inspect_function
        >>> class Person(BaseModel):
        ...     name: str
        ...     age: int
        >>> def invent() -> Person:
        ...     '''Invent a person.'''
        >>> reader = PartialReader(inspect_function(invent))
        >>> [part for piece in ('{"name": "A', 'da", "age": 3', "6}") for part in reader.feed(piece)]
        [Person(name='A', age=None), Person(name='Ada', age=None), Person(name='Ada', age=36)]
    """

    def __init__(self, spec: FunctionSpec) -> None:
        self._parts: _Texts | _Items | _Values
        self._parts = _Texts() if spec.is_text else _Values(spec) if spec.items is None else _Items(spec)

    @property
    def given(self) -> int:
        """How many values were given: of an iterator's items, those that need not be given again at the end.

        Example:
            >>> from llm_brain.strategy import inspect_function
            >>> def invent() -> str:
            ...     '''Invent a name.'''
            >>> PartialReader(inspect_function(invent)).given
            0
        """
        return self._parts.given

    def feed(self, piece: str) -> Iterable[Any]:
        """Take a piece of the reply, and give what it brings.

        Raises:
            Unparsable: An item does not fit, or there is no reading on to the next. No other value fails here.

        Example:
            >>> from collections.abc import Iterator
            >>> from llm_brain.strategy import inspect_function
            >>> def count() -> Iterator[int]:
            ...     '''Count.'''
            >>> reader = PartialReader(inspect_function(count))
            >>> [list(reader.feed(piece)) for piece in ('{"return_value": [1, 2', "3, 4]}")]
            [[1], [23, 4]]
        """
        return self._parts.feed(piece)


class _Texts:
    def __init__(self) -> None:
        self.given = 0
        self._after = AfterThinking()
        self._held: str | None = ""
        self._blanks = ""

    def feed(self, piece: str) -> list[str]:
        text = self._after.feed(piece)
        if self._held is not None:
            self._held += text
            squeezed = "".join(self._held[: 4 * len(_WRAPPED_TEXT)].split())
            if not self._held or _WRAPPED_TEXT.startswith(squeezed) or squeezed.startswith(_WRAPPED_TEXT):
                return []  # it may turn out to be wrapped, which is only told at the end
            text, self._held = self._held, None
        # Blanks wait until it is clear that they do not end the text.
        text = self._blanks + text
        shown = text.rstrip()
        self._blanks = text[len(shown) :]
        self.given += bool(shown)
        return [shown] if shown else []


class _Values:
    def __init__(self, spec: FunctionSpec) -> None:
        self.given = 0
        self._json = JsonStream()
        self._shape = _shape(spec)
        self._is_wrapped = spec.is_wrapped
        self._memory = Memory()
        self._last: Any = NOTHING
        self._is_over = False

    def feed(self, piece: str) -> list[Any]:
        if self._is_over:
            return []
        self._json.feed(piece)
        value: Any = NOTHING
        while (reader := self._json.reader) is not None:
            value = self._value(reader)
            if not reader.done:
                break
            if value is not NOTHING:
                self._is_over = True
                break
            self._memory = Memory()
            self._json.skip()
        if self._json.problem is not None:
            self._is_over = True  # what was read last was read wrongly
            return []
        if value is NOTHING or _are_same(value, self._last):
            return []
        self._last = value
        self.given += 1
        return [value]

    def _value(self, reader: Reader) -> Any:
        data: Any = reader.value if reader.done else growing(reader)
        held = data.held if isinstance(data, Growing) else data
        if isinstance(held, dict) and self._may_be_wrapped():
            first = next(iter(held), None)
            if isinstance(data, Growing) and data.key == WRAPPER_FIELD and (self._is_wrapped or first is None):
                data = data.child
            elif WRAPPER_FIELD in held and (self._is_wrapped or first == WRAPPER_FIELD):
                data = held[WRAPPER_FIELD]
            elif self._is_wrapped and isinstance(self._shape, Anything):
                return NOTHING  # the wrapper may come yet
        if data is None and not reader.done:
            return NOTHING
        return self._shape.of(data, self._memory)

    def _may_be_wrapped(self) -> bool:
        if isinstance(self._shape, Record):
            return WRAPPER_FIELD not in self._shape.fields
        return self._is_wrapped or not isinstance(self._shape, Table)


class _Items:
    def __init__(self, spec: FunctionSpec) -> None:
        self.given = 0
        self._json = JsonStream()
        self._adapter = _item_adapter(spec)

    def feed(self, piece: str) -> Iterator[Any]:
        self._json.feed(piece)
        items = self._items()
        while items is None and self._json.reader is not None and self._json.reader.done:
            self._json.skip()
            items = self._items()
        return self._checked(items or [])

    def _checked(self, items: list[Any]) -> Iterator[Any]:
        while self.given < len(items):
            place = self.given
            try:
                value = check(items[place], self._adapter.validate_json)
            except Unparsable as error:
                message = f"item {place}: {error}"
                raise Unparsable(message) from error
            self.given += 1
            yield value
        if self._json.problem is not None:
            message = f"the reply is no JSON: {self._json.problem}"
            raise Unparsable(message)

    def _items(self) -> list[Any] | None:
        """Return the complete items so far; None where what is read is no array of items."""
        reader = self._json.reader
        if reader is None:
            return None
        held: Any = reader.value
        if not reader.done:
            outer, *inner = reader.stack
            held = outer.held
            if outer.opener == "{" and outer.key == WRAPPER_FIELD and outer.expects == "value" and inner:
                held = inner[0].held
        if isinstance(held, dict):
            held = held.get(WRAPPER_FIELD)
        return held if isinstance(held, list) else None


def _are_same(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # noqa: BLE001 - a class may compare as it likes
        return False


def _shape(spec: FunctionSpec) -> Shape:
    known: dict[str, Any] = vars(spec)
    if "_shape" not in known:
        known["_shape"] = shape_of(spec.returns)
    shape: Shape = known["_shape"]
    return shape


def _item_adapter(spec: FunctionSpec) -> TypeAdapter[Any]:
    known: dict[str, Any] = vars(spec)
    if "_item_adapter" not in known:
        kind: Any = spec.items
        known["_item_adapter"] = TypeAdapter(kind)
    adapter: TypeAdapter[Any] = known["_item_adapter"]
    return adapter
