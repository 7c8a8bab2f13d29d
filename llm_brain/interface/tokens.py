"""Outputs that are tokens: logits over a vocabulary at each position, or ids, and the text that a tokenizer writes them as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from llm_brain.brain.heads.distribution import Distribution, drawn
from llm_brain.brain.text.tokens import TokenCodec
from llm_brain.errors import ArgumentError
from llm_brain.interface.outputs import Outputs, shaped
from llm_brain.interface.vectors import Vectors

IGNORED: Final = -100
"""What stands in targets where there is no token: torch's losses leave it out."""


@dataclass(frozen=True, slots=True, eq=False)
class TokensDistribution(Distribution[Tensor]):
    """Probabilities of texts whose tokens are drawn each by itself. Targets are rows of ids, `[B, T]`.

    What comes after the end changes no text: it has no likelihood and no entropy, and no reward is owed to it.

    Attributes:
        logits: One a token at each position, `[B, T, V]`.
        end: The token that ends a text; None: it has all T.

    Example:
        >>> text = TokensDistribution(torch.zeros(1, 2, 4), end=0)
        >>> text.log_prob(torch.tensor([[0, 3]])).exp().tolist(), text.log_prob(torch.tensor([[3, 0]])).exp().tolist()
        ([0.25], [0.0625])
    """

    logits: Tensor
    end: int | None = None

    def log_prob(self, target: Tensor) -> Tensor:
        """Give the log-probability of a text for each row, `[B]`: the sum over its tokens, up to the end and with it.

        Raises:
            ArgumentError: The target is no id of the vocabulary for each position.
        """
        vocabulary = self.logits.shape[-1]
        is_id = not target.is_floating_point() and bool(((target >= 0) & (target < vocabulary)).all())
        if target.shape != self.logits.shape[:-1] or not is_id:
            message = f"a target must be ids from 0 to {vocabulary - 1}, {list(self.logits.shape[:-1])}; got {target}"
            raise ArgumentError(message)
        chosen = torch.log_softmax(self.logits, dim=-1).gather(-1, target[..., None]).squeeze(-1)
        if self.end is None:
            return chosen.sum(dim=-1)
        is_end = (target == self.end).long()
        return chosen.masked_fill(is_end.cumsum(dim=-1) > is_end, 0.0).sum(dim=-1)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw a token for each position, `[B, T]`."""
        return drawn(self.logits, generator)

    def best(self) -> Tensor:
        """Give the likeliest token of each position, `[B, T]`."""
        return self.logits.argmax(dim=-1)

    def entropy(self, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002 - known without drawing
        """Give the entropy for each row, `[B]`: each position's, times the probability that the text is so long."""
        logs = torch.log_softmax(self.logits, dim=-1)
        spread = -(logs.exp() * logs).sum(dim=-1)
        if self.end is None:
            return spread.sum(dim=-1)
        goes_on = torch.cumprod(1 - logs[..., self.end].exp(), dim=-1)
        reached = torch.cat([torch.ones_like(goes_on[:, :1]), goes_on[:, :-1]], dim=-1)
        return (reached * spread).sum(dim=-1)


class Tokens(Outputs):
    """Outputs are logits [n, T, V] over a tokenizer's tokens, or their ids [n, T].

    The positions are drawn each by itself, given the input: this is for a network that gives its whole output at once, not for
    one that reads its own last token to give the next.

    Args:
        tokenizer: Has `decode(ids)`, and `encode(text)` where training data is generated: one of `tokenizers`, `transformers`,
            `tiktoken`, or your own.
        end: The id of the token that ends a text; what comes after it is no part of it.
        padding: The id of the token that means nothing, and is left out.

    Example:
        >>> from tokenizers import Tokenizer
        >>> from tokenizers.models import WordLevel
        >>> words = Tokens(Tokenizer(WordLevel({"<end>": 0, "tea": 1, "please": 2}, unk_token="<end>")), end=0)
        >>> words.answers(torch.tensor([[2, 1, 0, 2]]))
        ['please tea']
    """

    def __init__(self, tokenizer: Any, *, end: int | None = None, padding: int | None = None) -> None:
        self.codec = TokenCodec(tokenizer, end=end, padding=padding)
        self.end = end

    def answers(self, output: Tensor, vectors: Vectors | None = None) -> list[str]:  # noqa: ARG002
        """Write the likeliest tokens of each output, or its ids, as text."""
        ids = self._logits(output).argmax(dim=-1) if output.is_floating_point() else shaped(output, 2, None, "ids [n, T]")
        return self.said(ids)

    def distribution(self, output: Tensor, vectors: Vectors | None = None) -> TokensDistribution:  # noqa: ARG002
        """Give the distribution over texts: a token for each position, up to the end.

        Raises:
            ArgumentError: The outputs are ids, which have no probabilities.
        """
        if not output.is_floating_point():
            message = "ids have no probabilities that feedback could raise or lower: let the network give logits [n, T, V]"
            raise ArgumentError(message)
        return TokensDistribution(self._logits(output), self.end)

    def said(self, target: Tensor) -> list[str]:
        """Write rows of ids as text."""
        return [self._text(row) for row in target.tolist()]

    def takes(self, text: str, size: int) -> bool:
        """Tell whether a text has so few tokens that it fits."""
        return len(self._ids(text)) <= size

    def targets(self, texts: Sequence[str], size: int, vectors: Vectors) -> Tensor:  # noqa: ARG002
        """Turn texts into ids, [n, size]; after a text's last token stands -100, which torch's losses leave out."""
        rows = [self._ids(text) for text in texts]
        return torch.tensor([[*ids, *[IGNORED] * (size - len(ids))] for ids in rows])

    def _logits(self, output: Tensor) -> Tensor:
        return shaped(output, 3, None, "logits [n, T, V], one for each token of the vocabulary at each position")

    def _text(self, ids: Sequence[int]) -> str:
        return self.codec.text([token for token in ids if token != IGNORED])

    def _ids(self, text: str) -> list[int]:
        return self.codec.ids(text) if self.end is None else [*self.codec.ids(text), self.end]
