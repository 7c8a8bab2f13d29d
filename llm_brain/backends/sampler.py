"""One row of a generation: draws tokens under a grammar, and knows when the reply is finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from llm_brain.backends.contract import Sampling

if TYPE_CHECKING:
    from llm_brain.backends.grammar import Grammar


class RowSampler:
    """Draws the tokens of one reply.

    Args:
        sampling: Temperature, nucleus, length limit and seed.
        grammar: What the text must conform to, or None for free text.
        end_tokens: Token ids by which the model ends its reply.

    Attributes:
        tokens: The reply so far, without the ending token.
        ended: Whether the model ended the reply by itself, rather than the length limit.

    Example:
        >>> row = RowSampler(Sampling(max_tokens=2), None, frozenset({9}))
        >>> logits = torch.zeros(10); logits[3] = 5.0
        >>> row.draw(logits), row.finished, row.draw(logits), row.finished
        (3, False, 3, True)
    """

    def __init__(self, sampling: Sampling, grammar: Grammar | None, end_tokens: frozenset[int]) -> None:
        self.tokens: list[int] = []
        self.ended = False
        self._sampling = sampling
        self._grammar = grammar
        self._end_tokens = end_tokens
        self._random = torch.Generator()
        if sampling.seed is not None:
            self._random.manual_seed(sampling.seed)
        else:
            self._random.seed()

    @property
    def finished(self) -> bool:
        """Whether the reply is complete or has reached its length limit."""
        return self.ended or len(self.tokens) >= self._sampling.max_tokens

    def draw(self, logits: torch.Tensor) -> int:
        """Draw the next token from logits of shape [vocabulary]."""
        if self._grammar is not None:
            logits = self._grammar.mask(logits)
        token = self._pick(logits)
        if token in self._end_tokens:
            self.ended = True
            return token
        self.tokens.append(token)
        if self._grammar is not None:
            self._grammar.accept(token)
            self.ended = self._grammar.complete
        return token

    def _pick(self, logits: torch.Tensor) -> int:
        if self._sampling.temperature <= 0:
            return int(logits.argmax())
        # The nucleus is searched among the likeliest thousand: sorting a whole vocabulary for each row costs more than
        # the model's own step, and what lies beyond has no weight at usual temperatures.
        values, indices = logits.topk(min(1000, logits.shape[-1]))
        probabilities = torch.softmax(values / self._sampling.temperature, dim=-1)
        outside = probabilities.cumsum(dim=-1) - probabilities >= self._sampling.top_p
        probabilities = probabilities.masked_fill(outside, 0.0)
        return int(indices[torch.multinomial(probabilities, 1, generator=self._random)])
