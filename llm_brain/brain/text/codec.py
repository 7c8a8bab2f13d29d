"""What every codec can do, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor


class Decoded(NamedTuple):
    """A text that a tensor was decoded to, and how faithful that is.

    Attributes:
        text: The text.
        exact: Whether encoding the text gives back just what was decoded.
        similarity: How near the text's encoding is to what was decoded, where that is a matter of degree: a cosine, at most 1.

    Example:
        >>> from llm_brain.brain import ByteCodec
        >>> ByteCodec().decode(torch.tensor([104, 105]))
        Decoded(text='hi', exact=True, similarity=1.0)
    """

    text: str
    exact: bool
    similarity: float = 1.0


@runtime_checkable
class Codec(Protocol):
    """Turns a text into a tensor and a tensor into a text.

    Example:
        >>> from llm_brain.brain import ByteCodec
        >>> isinstance(ByteCodec(), Codec)
        True
    """

    def encode(self, text: str) -> Tensor:
        """Turn a text into symbols `[n]`, without an end, or into a vector `[d]`."""
        ...

    def decode(self, encoded: Tensor) -> Decoded:
        """Turn symbols `[n]`, up to the first end, or a vector `[d]` into a text."""
        ...


@runtime_checkable
class SymbolCodec(Codec, Protocol):
    """A codec whose tensors are symbols, which a brain can read and write.

    Attributes:
        vocabulary: How many symbols there are, with the one that ends a text.
        end: The symbol that ends a text; None where there is none.

    Example:
        >>> from llm_brain.brain import ByteCodec
        >>> isinstance(ByteCodec(), SymbolCodec)
        True
    """

    @property
    def vocabulary(self) -> int:
        """How many symbols there are."""
        ...

    @property
    def end(self) -> int | None:
        """The symbol that ends a text."""
        ...


def is_exact(codec: Codec, text: str) -> bool:
    """Tell whether a text comes back from its encoding just as it was.

    Example:
        >>> from llm_brain.brain import ByteCodec
        >>> is_exact(ByteCodec(), "naïve")
        True
    """
    return codec.decode(codec.encode(text)).text == text


def pad(rows: Sequence[Sequence[int] | Tensor], filling: int = 0) -> tuple[Tensor, Tensor]:
    """Lay rows of different lengths into one tensor.

    Args:
        rows: Symbols.
        filling: What stands after a row's last symbol.

    Returns:
        The tensor `[n, longest]` and the lengths `[n]`.

    Example:
        >>> pad([[5], [6, 7]])[0].tolist()
        [[5, 0], [6, 7]]
    """
    lists = [row.tolist() if isinstance(row, Tensor) else list(row) for row in rows]
    width = max(map(len, lists), default=0)
    padded = torch.tensor([[*row, *[filling] * (width - len(row))] for row in lists], dtype=torch.long)
    return padded.view(len(lists), width), torch.tensor([len(row) for row in lists], dtype=torch.long)


def before_end(symbols: list[int], end: int | None) -> list[int]:
    """List the symbols that come before the first end.

    Example:
        >>> before_end([5, 9, 0, 5], 0)
        [5, 9]
    """
    return symbols[: symbols.index(end)] if end in symbols else symbols
