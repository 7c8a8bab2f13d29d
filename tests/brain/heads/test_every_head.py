"""What holds for the answers of every head."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_brain.brain import Answer, BrainConfig, Choice, Number, Record, Text
from llm_brain.errors import ArgumentError
from tests.brain.heads.brains import ANSWERS, asked, brain_for, row_of, seeded

few = settings(max_examples=5, deadline=None)
every_answer = pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)


def all_of(answer: Answer) -> list[Any]:
    """List every answer of a small type as a target of one row."""
    if isinstance(answer, Choice):
        return [torch.tensor([option]) for option in range(answer.options)]
    if isinstance(answer, Number):
        return [torch.tensor([float(number)]) for number in range(int(answer.low), int(answer.high) + 1)]
    if isinstance(answer, Record):
        fields = [all_of(field) for field in answer.fields.values()]
        return [dict(zip(answer.fields, row, strict=True)) for row in itertools.product(*fields)]
    symbols = [symbol for symbol in range(answer.vocabulary) if symbol != answer.end]
    texts = [text for length in range(answer.longest + 1) for text in itertools.product(symbols, repeat=length)]
    return [torch.tensor([[*text, answer.end]]) for text in texts]


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "share"])
@few
@given(seed=st.integers(0, 99))
def test_the_probabilities_of_all_answers_sum_to_one(name: str, seed: int) -> None:
    answer, targets = ANSWERS[name], all_of(ANSWERS[name])
    brain, inputs = brain_for(answer, seed=seed), torch.randn(1, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        if isinstance(answer, Number):  # all at once: there may be many
            logs = brain(inputs.expand(len(targets), -1, -1)).answer.log_prob(torch.cat(targets))
        else:
            once = brain(inputs).answer
            logs = torch.cat([once.log_prob(target) for target in targets])
    assert logs.exp().sum().item() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", ["choice", "stars", "text", "record"])
def test_each_answer_is_drawn_as_often_as_it_is_probable(name: str) -> None:
    number, answer = 20_000, ANSWERS[name]
    brain, inputs, targets = brain_for(answer), torch.randn(1, 5, 6, dtype=torch.float64), all_of(answer)
    with torch.no_grad():
        once = brain(inputs).answer
        expected = torch.cat([once.log_prob(target) for target in targets]).exp()
        drawn = brain(inputs.expand(number, -1, -1)).answer.sample(seeded())
    counts = Counter(keys_of(drawn, answer))
    found = torch.tensor([counts[keys_of(target, answer)[0]] for target in targets], dtype=torch.float64)
    deviation = (found - number * expected) / (number * expected * (1 - expected)).sqrt()
    assert deviation[number * expected > 10].abs().max() < 4.5
    assert found[number * expected < 1e-3].sum() <= 1


def keys_of(target: Any, answer: Answer) -> list[Any]:
    """Give each row of a target as a value that can be counted."""
    if isinstance(answer, Record):
        return list(zip(*(keys_of(target[name], field) for name, field in answer.fields.items()), strict=True))
    if isinstance(answer, Text):
        return [tuple(row[: row.index(answer.end)]) for row in target.tolist()]
    return list(target.tolist())


@pytest.mark.parametrize("name", ANSWERS)
@few
@given(rows=st.integers(1, 4), seed=st.integers(0, 99))
def test_what_is_drawn_and_what_is_best_lie_inside_the_type(name: str, rows: int, seed: int) -> None:
    answer = asked(ANSWERS[name], rows, seed=seed)
    for target in (answer.sample(seeded(seed)), answer.best()):
        logs = answer.log_prob(target)
        assert logs.shape == (rows,)
        assert logs.isfinite().all()


@every_answer
def test_the_same_seed_draws_the_same(answer: Answer) -> None:
    distribution = asked(answer, 4)
    torch.testing.assert_close(distribution.sample(seeded(3)), distribution.sample(seeded(3)), rtol=0, atol=0)


@every_answer
def test_the_best_answer_needs_no_luck(answer: Answer) -> None:
    distribution = asked(answer, 4)
    torch.testing.assert_close(distribution.best(), distribution.best(), rtol=0, atol=0)


@pytest.mark.parametrize("name", ANSWERS)
@few
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_padding_changes_no_answer(name: str, lengths: list[int], seed: int) -> None:
    brain = brain_for(ANSWERS[name], seed=seed)
    inputs = torch.randn(len(lengths), max(lengths) + 2, 6, dtype=torch.float64)
    for row, length in enumerate(lengths):
        inputs[row, length:] = torch.nan
    with torch.no_grad():
        padded = brain(inputs, lengths=torch.tensor(lengths)).answer
        target = padded.sample(seeded(seed))
        alone = [brain(inputs[row : row + 1, :length]).answer for row, length in enumerate(lengths)]
        expected = [answer.log_prob(row_of(target, slice(row, row + 1))) for row, answer in enumerate(alone)]
        torch.testing.assert_close(padded.log_prob(target), torch.cat(expected), rtol=1e-9, atol=1e-10)


@every_answer
def test_step_by_step_gives_the_answer_of_the_whole(answer: Answer) -> None:
    brain, inputs = brain_for(answer, blocks=2), torch.randn(2, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        whole = brain(inputs).answer
        output = brain.step(inputs[:, 0], brain.initial_state(2))
        for t in range(1, 5):
            output = brain.step(inputs[:, t], output.state)
        target = whole.sample(seeded())
        torch.testing.assert_close(output.answer.log_prob(target), whole.log_prob(target), rtol=1e-9, atol=1e-10)


@every_answer
def test_the_likelihood_of_answers_teaches_every_parameter(answer: Answer) -> None:
    brain = brain_for(answer, blocks=2)
    observed = torch.randn(2, 16, 7, dtype=torch.float64)
    output = brain(torch.randn(16, 7, 6, dtype=torch.float64), reward=observed[0], prediction_error=observed[1])
    (output.answer.log_prob(output.answer.sample(seeded())).sum() + output.value.sum()).backward()
    still = [name for name, parameter in brain.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert still == []


@every_answer
def test_the_gradient_of_the_likelihood_is_right(answer: Answer) -> None:
    brain = brain_for(answer)
    inputs = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    target = brain(inputs).answer.sample(seeded())
    assert torch.autograd.gradcheck(lambda x: brain(x).answer.log_prob(target), (inputs,))


@pytest.mark.parametrize("name", ["choice", "stars", "text", "record"])
def test_the_entropy_is_the_mean_of_the_likelihood_of_what_is_drawn(name: str) -> None:
    answer = asked(ANSWERS[name], 1)
    logs = torch.cat([answer.log_prob(target) for target in all_of(ANSWERS[name])])
    exact = -(logs.exp() * logs).sum().item()
    draws = torch.cat([answer.entropy(seeded(seed)) for seed in range(300 if name in {"text", "record"} else 1)])
    margin = 1e-9 if len(draws) == 1 else 5 * draws.std().item() / len(draws) ** 0.5
    assert draws.mean().item() == pytest.approx(exact, abs=margin)


@every_answer
def test_an_answer_leaves_the_brain_and_its_state_as_they_were(answer: Answer) -> None:
    brain = brain_for(answer)
    with torch.no_grad():
        output = brain(torch.randn(2, 5, 6, dtype=torch.float64))
        before = {name: part.clone() for name, part in output.state.tensors().items()}
        output.answer.sample(seeded())
        output.answer.log_prob(output.answer.best())
    torch.testing.assert_close(output.state.tensors(), before, rtol=0, atol=0)


@every_answer
def test_a_configuration_with_any_answer_comes_back_from_json(answer: Answer) -> None:
    config = BrainConfig(input_size=6, answer=answer)
    assert BrainConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("answer", "target"),
    [
        (ANSWERS["choice"], torch.tensor([3, 0])),
        (ANSWERS["choice"], torch.tensor([0.0, 1.0])),
        (ANSWERS["choice"], torch.tensor([0])),
        (ANSWERS["stars"], torch.tensor([0.0, 1.0])),
        (ANSWERS["stars"], torch.tensor([1.5, 1.0])),
        (ANSWERS["share"], torch.tensor([2.1, 1.0])),
        (ANSWERS["share"], torch.tensor([float("nan"), 1.0])),
        (ANSWERS["text"], torch.tensor([[0, 2, 2, 2, 1]] * 2)),
        (ANSWERS["text"], torch.tensor([[0, 2]] * 2)),
        (ANSWERS["text"], torch.tensor([[0, 4, 1]] * 2)),
        (ANSWERS["text"], torch.tensor([[0, -1, 1]] * 2)),
        (ANSWERS["text"], torch.tensor([[0, 1]])),
        (ANSWERS["text"], torch.zeros(2, 0, dtype=torch.long)),
        (ANSWERS["record"], {"urgent": torch.tensor([0, 0])}),
    ],
)
def test_a_target_outside_of_the_type_is_refused(answer: Answer, target: Any) -> None:
    with pytest.raises(ArgumentError, match="a target"):
        asked(answer, 2).log_prob(target)


@every_answer
def test_dropout_is_for_training_only(answer: Answer) -> None:
    brain, inputs = brain_for(answer, dropout=0.5), torch.randn(2, 5, 6, dtype=torch.float64)
    target = brain(inputs).answer.best()
    assert torch.equal(brain(inputs).answer.log_prob(target), brain(inputs).answer.log_prob(target))
    brain.train()
    assert not torch.equal(brain(inputs).answer.log_prob(target), brain(inputs).answer.log_prob(target))
