"""Draws the next token of each row of a batch, all of them in one go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch

from llm_brain.backends.local.row import Row

LIKELIEST: Final = 1000
"""Among how many tokens a nucleus is searched: to sort a whole vocabulary takes as long as a model's own step."""


def draw(rows: Sequence[Row], logits: torch.Tensor) -> list[int]:
    """Draw a token for each row: the likeliest where its temperature is 0, and by chance elsewhere.

    Args:
        rows: What is being written.
        logits: What may come next, in float32. Shape [rows, vocabulary].

    Example:
        >>> from llm_brain.backends.contract import Sampling
        >>> logits = torch.zeros(2, 10); logits[:, 3] = 5.0
        >>> draw([Row([1], Sampling()), Row([1], Sampling(temperature=0.01, seed=0))], logits)
        [3, 3]
    """
    tokens: list[int] = logits.argmax(dim=-1).tolist()
    for chosen, pick in ((_is_free, _by_chance), (_is_nucleus, _by_nucleus)):
        places = [place for place, row in enumerate(rows) if chosen(row)]
        if places:
            drawn = pick([rows[place] for place in places], logits[places])
            for place, token in zip(places, drawn.tolist(), strict=True):
                tokens[place] = token
    return tokens


def _is_free(row: Row) -> bool:
    return row.sampling.temperature > 0 and row.sampling.top_p >= 1


def _is_nucleus(row: Row) -> bool:
    return row.sampling.temperature > 0 and row.sampling.top_p < 1


def _by_chance(rows: Sequence[Row], logits: torch.Tensor) -> torch.Tensor:
    return _pick(rows, _probabilities(rows, logits))


def _by_nucleus(rows: Sequence[Row], logits: torch.Tensor) -> torch.Tensor:
    likeliest, tokens = logits.topk(min(LIKELIEST, logits.shape[1]))
    probabilities = _probabilities(rows, likeliest)
    enough = torch.tensor([[row.sampling.top_p] for row in rows])
    # The likeliest one stays whatever `top_p` is, 0 included.
    outside = probabilities.cumsum(dim=1) - probabilities >= enough
    outside[:, 0] = False
    picked = _pick(rows, probabilities.masked_fill(outside, 0.0))
    return tokens.gather(1, picked[:, None])[:, 0]


def _probabilities(rows: Sequence[Row], logits: torch.Tensor) -> torch.Tensor:
    temperatures = torch.tensor([[row.sampling.temperature] for row in rows])
    # The largest becomes 0, so that no temperature makes it infinite.
    return torch.softmax((logits - logits.amax(dim=1, keepdim=True)) / temperatures, dim=1)


def _pick(rows: Sequence[Row], probabilities: torch.Tensor) -> torch.Tensor:
    """Invert each row's cumulative distribution at the row's own number, which no other row has a part in."""
    cumulative = probabilities.double().cumsum(dim=1)
    numbers = torch.tensor([[row.uniform()] for row in rows], dtype=torch.float64)
    return torch.searchsorted(cumulative, numbers * cumulative[:, -1:], right=True)[:, 0]
