"""Text as bytes: no vocabulary to choose, and every text comes back as it was."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from llm_brain.brain.text.codec import Decoded, before_end
from llm_brain.errors import ArgumentError

BYTES: Final = 256


class ByteCodec:
    """A text is its bytes in UTF-8, 0 to 255, and 256 ends it.

    Exact for every `str`: a lone surrogate, which UTF-8 proper does not know, is encoded like any other code point
    ("surrogatepass"). Symbols that are no UTF-8 become U+FFFD, and `Decoded.exact` is False.

    Example:
        >>> codec = ByteCodec()
        >>> codec.encode("é!").tolist()
        [195, 169, 33]
        >>> codec.decode(torch.tensor([195, 169, 256, 7])).text
        'é'
        >>> codec.decode(torch.tensor([195])).exact
        False
    """

    vocabulary: int = BYTES + 1
    end: int = BYTES

    def encode(self, text: str) -> Tensor:
        """Give a text's bytes, `[n]`."""
        return torch.tensor(list(text.encode("utf-8", "surrogatepass")), dtype=torch.long)

    def decode(self, encoded: Tensor) -> Decoded:
        """Give the text of bytes `[n]`, up to the first end.

        Raises:
            ArgumentError: A symbol is no byte.
        """
        symbols = before_end(encoded.tolist(), self.end)
        if any(not 0 <= symbol < BYTES for symbol in symbols):
            message = f"bytes are 0 to {BYTES - 1}, and {self.end} ends a text; got {symbols}"
            raise ArgumentError(message)
        found = bytes(symbols)
        try:
            return Decoded(found.decode("utf-8", "surrogatepass"), exact=True)
        except UnicodeDecodeError:
            return Decoded(found.decode("utf-8", "replace"), exact=False, similarity=0.0)
