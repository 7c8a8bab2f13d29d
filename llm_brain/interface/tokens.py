"""Outputs that are tokens: logits over a vocabulary at each position, or ids, and the text that a tokenizer writes them as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

from llm_brain.brain.text.tokens import TokenCodec
from llm_brain.errors import ArgumentError
from llm_brain.interface.outputs import Drawn, Outputs, shaped
from llm_brain.interface.vectors import Vectors
from llm_brain.training.objectives import entropy

IGNORED: Final = -100
"""What stands in targets where there is no token: torch's losses leave it out."""


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
        return [self._text(row) for row in ids.tolist()]

    def draw(self, output: Tensor, number: int, random: torch.Generator, vectors: Vectors | None = None) -> Drawn:  # noqa: ARG002
        """Draw a token for each position, and write them as text.

        Raises:
            ArgumentError: The outputs are ids, which have no probabilities.
        """
        if not output.is_floating_point():
            message = "ids have no probabilities that feedback could raise or lower: let the network give logits [n, T, V]"
            raise ArgumentError(message)
        logs = torch.log_softmax(self._logits(output), dim=-1)
        flat = logs.detach().exp().flatten(0, 1).cpu()
        ids = torch.multinomial(flat, number, replacement=True, generator=random).to(logs.device)
        ids = ids.view(*logs.shape[:2], number).transpose(1, 2)
        chosen = logs[:, None].expand(-1, number, -1, -1).gather(-1, ids[..., None]).squeeze(-1)
        texts = [[self._text(row) for row in answers] for answers in ids.tolist()]
        return Drawn(texts, (chosen * self._counted(ids)).sum(dim=-1), entropy(logs.flatten(0, 1)))

    def takes(self, text: str, size: int) -> bool:
        """Tell whether a text has so few tokens that it fits."""
        return len(self._ids(text)) <= size

    def targets(self, texts: Sequence[str], size: int, vectors: Vectors) -> Tensor:  # noqa: ARG002
        """Turn texts into ids, [n, size]; after a text's last token stands -100, which torch's losses leave out."""
        rows = [self._ids(text) for text in texts]
        return torch.tensor([[*ids, *[IGNORED] * (size - len(ids))] for ids in rows])

    def _logits(self, output: Tensor) -> Tensor:
        return shaped(output, 3, None, "logits [n, T, V], one for each token of the vocabulary at each position")

    def _counted(self, ids: Tensor) -> Tensor:
        """Mark the tokens up to the end and with it: what comes after it changes no text, and no reward is owed to it."""
        if self.end is None:
            return torch.ones_like(ids)
        is_end = (ids == self.end).long()
        return (is_end.cumsum(dim=-1) - is_end == 0).long()

    def _text(self, ids: Sequence[int]) -> str:
        return self.codec.text([token for token in ids if token != IGNORED])

    def _ids(self, text: str) -> list[int]:
        return self.codec.ids(text) if self.end is None else [*self.codec.ids(text), self.end]
