"""That a small brain learns, in seconds."""

from __future__ import annotations

import torch
from torch import Tensor

from llm_brain.brain import Brain, BrainConfig, Choice

KINDS, LONGEST = 4, 12


def sentences(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw padded rows of tokens; a row's class is the token that follows its marker (token 0)."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, KINDS + 1, (count, LONGEST), generator=generator)
    lengths = torch.randint(4, LONGEST + 1, (count,), generator=generator)
    at = (torch.rand(count, generator=generator) * (lengths - 1)).long()
    rows = torch.arange(count)
    tokens[rows, at] = 0
    return tokens, lengths, tokens[rows, at + 1] - 1


def test_a_small_brain_learns_which_token_follows_a_marker() -> None:
    torch.manual_seed(0)
    config = BrainConfig(input_size=16, answer=Choice(options=KINDS), vocabulary=KINDS + 1, width=32, heads=2, dropout=0.0)
    brain = Brain(config)
    optimizer = torch.optim.AdamW(brain.parameter_groups(0.01), lr=1e-2)
    tokens, lengths, targets = sentences(512, seed=1)
    for step in range(120):
        rows = torch.arange(64) + 64 * (step % 8)
        loss = -brain(tokens[rows], lengths=lengths[rows]).answer.log_prob(targets[rows]).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(brain.parameters(), 1.0)
        optimizer.step()
    tokens, lengths, targets = sentences(400, seed=2)
    with torch.inference_mode():
        chosen = brain.eval()(tokens, lengths=lengths).answer.best()
    assert (chosen == targets).double().mean() > 0.95
