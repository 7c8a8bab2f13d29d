"""Texts: what is given in parallel is what is written step by step."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from llm_brain.brain import Brain, BrainConfig, Record, Text, TextDistribution
from llm_brain.brain.equations.norms import rms_norm
from tests.brain.heads.brains import brain_for, seeded

few = settings(max_examples=20, deadline=None)


def step_by_step(answer: TextDistribution, symbols: list[int]) -> Tensor:
    """Write the log-probability of one text down as the equations say it, with the network in step mode."""
    head, network, state = answer.head, answer.prompt.network, answer.prompt.state
    vector = head.begin + head.about(answer.prompt.pooled)
    total = torch.zeros((), dtype=torch.float64)
    for symbol in symbols:
        features, state = network.step(rms_norm(vector), state)
        total = total + torch.log_softmax(head.score(features), dim=-1)[0, symbol]
        vector = head.read(torch.tensor([symbol]))
    return total


@few
@given(
    texts=st.lists(st.lists(st.sampled_from([0, 2, 3]), max_size=5), min_size=1, max_size=4),
    seed=st.integers(0, 99),
    padding=st.sampled_from([0, 1, 2, -100]),
)
def test_the_parallel_form_gives_what_single_steps_give(texts: list[list[int]], seed: int, padding: int) -> None:
    brain = brain_for(Text(vocabulary=4, end=1, longest=5), seed=seed, blocks=2)
    inputs = torch.randn(len(texts), 4, 6, dtype=torch.float64)
    width = 1 + max(map(len, texts))
    target = torch.tensor([[*text, 1, *[padding] * (width - 1 - len(text))] for text in texts])
    with torch.no_grad():
        found = brain(inputs).answer.log_prob(target)
        for row, text in enumerate(texts):
            answer = cast("TextDistribution", brain(inputs[row : row + 1]).answer)
            expected = step_by_step(answer, [*text, 1][:5])  # a text of five symbols ends by itself
            torch.testing.assert_close(found[row], expected, rtol=1e-10, atol=1e-11)


def test_a_text_of_full_length_needs_no_end() -> None:
    answer = brain_for(Text(vocabulary=4, end=1, longest=3))(torch.randn(1, 4, 6, dtype=torch.float64)).answer
    assert torch.equal(answer.log_prob(torch.tensor([[0, 2, 3]])), answer.log_prob(torch.tensor([[0, 2, 3, 1]])))


@few
@given(seed=st.integers(0, 99), rows=st.integers(1, 5))
def test_the_best_text_takes_the_likeliest_symbol_at_every_step(seed: int, rows: int) -> None:
    brain = brain_for(Text(vocabulary=4, end=1, longest=4), seed=seed)
    inputs = torch.randn(rows, 4, 6, dtype=torch.float64)
    with torch.no_grad():
        together = brain(inputs).answer.best()
        for row in range(rows):
            answer = cast("TextDistribution", brain(inputs[row : row + 1]).answer)
            written: list[int] = []
            while len(written) < 4 and 1 not in written:
                written.append(max(range(4), key=lambda symbol: step_by_step(answer, [*written, symbol]).item()))
            whole = written if 1 in written else [*written, 1]
            assert together[row].tolist() == whole + [1] * (together.shape[1] - len(whole))


def test_every_text_ends_and_none_is_too_long() -> None:
    brain = brain_for(Text(vocabulary=4, end=1, longest=6))
    drawn = brain(torch.randn(200, 4, 6, dtype=torch.float64)).answer.sample(seeded())
    assert drawn.shape[1] <= 7
    assert (drawn == 1).any(dim=1).all()
    ended = (drawn == 1).cumsum(dim=1) > 0
    assert (drawn[ended] == 1).all()


def test_each_text_of_a_record_begins_with_a_marker_of_its_own() -> None:
    text = Text(vocabulary=5, end=0, longest=4)
    brain = brain_for(Record(fields={"title": text, "body": text}))
    answer = brain(torch.randn(50, 4, 6, dtype=torch.float64)).answer.best()
    assert not torch.equal(answer["title"], answer["body"])


def test_a_brain_learns_to_write_what_it_reads() -> None:
    torch.manual_seed(0)
    brain = Brain(
        BrainConfig(input_size=16, answer=Text(vocabulary=4, end=0, longest=3), vocabulary=4, width=32, heads=2, dropout=0.0)
    )
    optimizer = torch.optim.AdamW(brain.parameter_groups(0.01), lr=1e-2)
    for _ in range(150):
        symbols = torch.randint(1, 4, (64, 3))
        optimizer.zero_grad()
        (-brain(symbols).answer.log_prob(symbols).mean()).backward()
        torch.nn.utils.clip_grad_norm_(brain.parameters(), 1.0)
        optimizer.step()
    symbols = torch.randint(1, 4, (200, 3))
    with torch.no_grad():
        written = brain.eval()(symbols).answer.best()
    assert (written[:, :3] == symbols).all(dim=1).double().mean() > 0.9


@pytest.mark.parametrize("options", [{"end": 4}, {"end": -1}, {"vocabulary": 1, "end": 0}, {"longest": 0}])
def test_a_text_without_an_end_or_a_length_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Text(**{"vocabulary": 4, "end": 1, "longest": 3, **options})
