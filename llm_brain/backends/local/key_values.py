"""Attention's keys and values of tokens that have been read: those of one text, and those of the rows being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, DynamicLayer

COLUMNS_AT_ONCE = 64
"""By how many tokens the rows' memory grows: growing copies it, and columns that hold nothing yet cost attention."""

_ROWS, _TOKENS = 0, 2  # the dimensions of a layer's keys and values: [rows, heads, tokens, features]


@dataclass(frozen=True, slots=True)
class KeyValues:
    """What a model keeps of one text it has read.

    Attributes:
        layers: Keys and values of each layer, each of shape [1, heads, tokens, features].

    Example:
        >>> text = KeyValues(((torch.zeros(1, 2, 5, 4), torch.zeros(1, 2, 5, 4)),))
        >>> text.length, text.first(3).length, text.bytes
        (5, 3, 320)
    """

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    @classmethod
    def of(cls, cache: Cache) -> KeyValues:
        """Take what a cache of one row holds. It shares the cache's memory."""
        return cls(tuple((layer.keys, layer.values) for layer in _layers(cache)))

    @property
    def length(self) -> int:
        """How many tokens were read."""
        return self.layers[0][0].shape[_TOKENS]

    @property
    def bytes(self) -> int:
        """How much memory they take, where they do not share it."""
        return sum(part.numel() * part.element_size() for layer in self.layers for part in layer)

    def first(self, tokens: int) -> KeyValues:
        """Take the first tokens only. They share this one's memory."""
        return KeyValues(tuple((keys[:, :, :tokens], values[:, :, :tokens]) for keys, values in self.layers))

    def copied(self) -> KeyValues:
        """Give them memory of their own, and no more than they need."""
        return KeyValues(tuple((keys.contiguous().clone(), values.contiguous().clone()) for keys, values in self.layers))

    def as_cache(self, rows: int) -> DynamicCache:
        """Make a cache in which each of some rows begins with this text. The rows share its memory until they grow."""
        cache = DynamicCache()
        for keys, values in self.layers:
            layer = DynamicLayer()
            layer.lazy_initialization(keys, values)
            layer.keys = keys.expand(rows, -1, -1, -1)
            layer.values = values.expand(rows, -1, -1, -1)
            cache.layers.append(layer)
        return cache


class Slots:
    """The keys and values of the rows that are being written, each in a slot of its own.

    Rows join and leave without the others being touched. The slots in use are always the first ones, so that a forward pass
    takes them as one piece of memory.

    Attributes:
        cache: What a model is given as its cache; each forward pass adds one token to each row, after `advance`.
        columns: How many columns of its slot each row has filled, padding included.

    Example:
        >>> slots = Slots()
        >>> for tokens in (3, 70):
        ...     text = KeyValues(((torch.ones(1, 2, tokens, 4), torch.ones(1, 2, tokens, 4)),))
        ...     slots.add(text.as_cache(rows=1), torch.ones(1, tokens, dtype=torch.bool))
        >>> slots.remove(0)  # the last one takes its place
        >>> slots.columns, slots.width
        ([70], 128)
    """

    def __init__(self) -> None:
        self.columns: list[int] = []
        self.cache = Cache(layers=[])
        self._visible = torch.zeros(0, 0, dtype=torch.bool)
        self._places: tuple[torch.Tensor, torch.Tensor] = (torch.empty(0), torch.empty(0))

    @property
    def width(self) -> int:
        """For how many columns there is memory in each row."""
        return self._visible.shape[1]

    def add(self, cache: Cache, visible: torch.Tensor) -> None:
        """Put rows that have been read behind the others. Their keys and values are copied.

        Args:
            cache: Holds what was read.
            visible: Which of its columns are tokens and no padding. Shape [rows, columns].
        """
        begin = len(self.columns)
        rows, columns = visible.shape
        self.columns += [columns] * rows
        if not self.cache.layers:
            self._visible = visible.new_zeros(0, 0)
            self.cache.layers.extend(_SlotLayer(self, layer.keys, layer.values) for layer in _layers(cache))
        self._make_room()
        self._visible[begin : begin + rows] = False
        self._visible[begin : begin + rows, :columns] = visible
        for layer, read in zip(_layers(self.cache), _layers(cache), strict=True):
            layer.keys[begin : begin + rows, :, :columns] = read.keys
            layer.values[begin : begin + rows, :, :columns] = read.values

    def remove(self, row: int) -> None:
        """Take a row out. The last one moves to its place."""
        last = len(self.columns) - 1
        columns = self.columns[last]
        if row != last:
            for layer in _layers(self.cache):
                layer.keys[row, :, :columns] = layer.keys[last, :, :columns]
                layer.values[row, :, :columns] = layer.values[last, :, :columns]
            self._visible[row] = self._visible[last]
            self.columns[row] = columns
        del self.columns[last]

    def rewind(self, row: int, tokens: int) -> None:
        """Take back the last tokens of a row."""
        self.columns[row] -= tokens
        self._visible[row, self.columns[row] :] = False

    def advance(self) -> torch.Tensor:
        """Make room for one more token in each row, which the next forward pass has to bring.

        Returns:
            Which columns each row sees, its new token's included. Shape [rows, width].
        """
        self.columns = [filled + 1 for filled in self.columns]
        self._make_room()
        device = self._visible.device
        rows, columns = torch.arange(len(self.columns), device=device), torch.tensor(self.columns, device=device) - 1
        self._places = rows, columns
        self._visible[rows, columns] = True
        return self._visible[: len(rows)]

    def put(self, layer: Any, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Write each row's new token into a layer, and return the layer's keys and values; a model calls this."""
        rows, columns = self._places
        layer.keys[rows, :, columns] = keys[:, :, 0]
        layer.values[rows, :, columns] = values[:, :, 0]
        return layer.keys[: len(rows)], layer.values[: len(rows)]

    def _make_room(self) -> None:
        """Fit the memory to the rows: too small, it grows in steps; much too wide, since a long row has left, it shrinks."""
        needed = -(-max(self.columns) // COLUMNS_AT_ONCE) * COLUMNS_AT_ONCE
        rows, width = self._visible.shape
        fitting = len(self.columns) <= rows and needed <= width <= 2 * needed
        if fitting:
            return
        size = rows if len(self.columns) <= rows else max(len(self.columns), 2 * rows), needed
        self._visible = _resized(self._visible[:, None, :, None], size)[:, 0, :, 0]
        for layer in _layers(self.cache):
            layer.keys, layer.values = _resized(layer.keys, size), _resized(layer.values, size)


class _SlotLayer(CacheLayerMixin):
    """One layer of `Slots`, in the form that transformers' models ask for."""

    def __init__(self, slots: Slots, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._slots = slots
        self.keys = keys.new_zeros(0, keys.shape[1], 0, keys.shape[3])
        self.values = values.new_zeros(0, values.shape[1], 0, values.shape[3])
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Do nothing: slots are made before they are used."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add a token to each row, and return the keys and values of all columns."""
        return self._slots.put(self, key_states, value_states)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:  # noqa: ARG002 - the base class's name
        """Tell how many columns there are, and that none is left out before them."""
        return self._slots.width, 0

    def get_seq_length(self) -> int:
        """Tell how far the fullest row has come."""
        return max(self._slots.columns, default=0)

    def get_max_length(self) -> int:
        """Tell that there is no limit."""
        return -1


def common_length(texts: Sequence[Sequence[int]]) -> int:
    """Count the tokens that all texts begin with.

    Example:
        >>> common_length([[1, 2, 3], [1, 2, 4, 5], [1, 2]])
        2
    """
    first, last = min(map(list, texts)), max(map(list, texts))  # lexicographic extremes share what all share
    low, high = 0, min(len(first), len(last))
    while low < high:  # halving compares slices, which is faster by far than token by token
        middle = (low + high + 1) // 2
        if first[low:middle] == last[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _resized(held: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    # Zeros, as what stands in masked columns is multiplied by 0, which would not silence a NaN.
    made = held.new_zeros(size[0], held.shape[1], size[1], held.shape[3])
    rows, columns = min(size[0], held.shape[_ROWS]), min(size[1], held.shape[_TOKENS])
    made[:rows, :, :columns] = held[:rows, :, :columns]
    return made


def _layers(cache: Cache) -> list[Any]:
    return cache.layers
