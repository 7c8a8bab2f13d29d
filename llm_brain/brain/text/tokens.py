"""Text as the tokens of a tokenizer that is handed in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from llm_brain.brain.text.codec import Decoded, before_end
from llm_brain.errors import ArgumentError


class TokenCodec:
    """A text is a tokenizer's tokens, without any that the tokenizer would add.

    Exact where the tokenizer is: one that lowers case, drops accents or knows not every word loses something. `is_exact` tells
    for a text, and `Decoded.exact` for tokens. A lone surrogate, which tokenizers do not take, is read as a question mark.

    Args:
        tokenizer: Has `encode(text)` and `decode(ids)`: one of `tokenizers`, `transformers`, `tiktoken`, or your own.
        end: The id of the token that ends a text; what comes after it is no part of it.
        padding: The id of a token that means nothing, and is left out of a text.

    Example:
        >>> from tokenizers import Tokenizer
        >>> from tokenizers.models import WordLevel
        >>> codec = TokenCodec(Tokenizer(WordLevel({"<end>": 0, "tea": 1, "please": 2}, unk_token="<end>")), end=0)
        >>> codec.encode("tea").tolist(), codec.decode(torch.tensor([1, 0, 2]))
        ([1], Decoded(text='tea', exact=True, similarity=1.0))
    """

    def __init__(self, tokenizer: Any, *, end: int | None = None, padding: int | None = None) -> None:
        self.tokenizer = tokenizer
        self.end = end
        self.padding = padding
        # Some add and leave out special tokens, or mend spaces, unless they are told not to; others know no such option.
        has_special = hasattr(tokenizer, "get_vocab")
        self._encoding = {"add_special_tokens": False} if has_special else {}
        self._decoding = {"skip_special_tokens": False} if has_special else {}
        if hasattr(tokenizer, "clean_up_tokenization_spaces"):
            self._decoding["clean_up_tokenization_spaces"] = False

    @property
    def vocabulary(self) -> int:
        """How many tokens there are: one more than the largest id.

        Raises:
            ArgumentError: The tokenizer does not tell.
        """
        if hasattr(self.tokenizer, "get_vocab"):
            return int(1 + max(self.tokenizer.get_vocab().values()))
        if hasattr(self.tokenizer, "n_vocab"):
            return int(self.tokenizer.n_vocab)
        message = f"a {type(self.tokenizer).__name__} does not tell how many tokens it has: give it `get_vocab()` or `n_vocab`"
        raise ArgumentError(message)

    def ids(self, text: str) -> list[int]:
        """Give a text's tokens as a list.

        Example:
            >>> from tokenizers import Tokenizer
            >>> from tokenizers.models import WordLevel
            >>> TokenCodec(Tokenizer(WordLevel({"?": 0, "tea": 1}, unk_token="?"))).ids("tea")
            [1]
        """
        if not text.isascii():
            text = text.encode(errors="replace").decode()
        encoded = self.tokenizer.encode(text, **self._encoding)
        return list(getattr(encoded, "ids", encoded))

    def encode(self, text: str) -> Tensor:
        """Give a text's tokens, `[n]`, without an end."""
        return torch.tensor(self.ids(text), dtype=torch.long)

    def text(self, ids: list[int]) -> str:
        """Write tokens, up to the first end, as a text.

        Example:
            >>> from tokenizers import Tokenizer
            >>> from tokenizers.models import WordLevel
            >>> TokenCodec(Tokenizer(WordLevel({"?": 0, "tea": 1}, unk_token="?")), padding=0).text([1, 0])
            'tea'
        """
        written: str = self.tokenizer.decode(self._kept(ids), **self._decoding)
        return written

    def decode(self, encoded: Tensor) -> Decoded:
        """Give the text of tokens `[n]`, up to the first end."""
        ids: list[int] = encoded.tolist()
        text = self.text(ids)
        exact = self.ids(text) == self._kept(ids)
        return Decoded(text, exact=exact, similarity=float(exact))

    def _kept(self, ids: list[int]) -> list[int]:
        return [token for token in before_end(ids, self.end) if token != self.padding]
