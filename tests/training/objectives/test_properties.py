"""What holds for every objective, whatever the rewards are and whichever evaluations failed."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.errors import ArgumentError
from llm_brain.training.objectives import (
    OBJECTIVES,
    Objective,
    Samples,
    group_mean_advantages,
    leave_one_out_advantages,
    objective,
    standardised_advantages,
)

EVERY = pytest.mark.parametrize("name", sorted(OBJECTIVES))
COMPARING = pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - {"reinforce"}))
SCORES = st.integers(0, 20).map(lambda twentieths: twentieths / 20)  # evaluators give round numbers, and ties


@st.composite
def groups(draw: st.DrawFn, scores: st.SearchStrategy[float] = SCORES) -> Samples:
    prompts, answers = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    many = prompts * answers

    def tensor(values: st.SearchStrategy[float]) -> Tensor:
        return torch.tensor(draw(st.lists(values, min_size=many, max_size=many)), dtype=torch.float64).view(prompts, answers)

    logs = tensor(st.floats(-5, -0.1))
    known = tensor(st.booleans().map(float)).bool()
    older, reference = logs + tensor(st.floats(-1, 1)), logs + tensor(st.floats(-1, 1))
    baseline = torch.tensor(draw(st.lists(st.floats(0, 1), min_size=prompts, max_size=prompts)), dtype=torch.float64)
    return Samples(logs, tensor(scores), known, older, baseline=baseline, reference=reference)


def changed(samples: Samples, change: Callable[[Tensor], Tensor] = lambda tensor: tensor, **others: Tensor) -> Samples:
    names = ("log_probabilities", "rewards", "known", "behaviour", "reference")
    return Samples(**({name: change(getattr(samples, name)) for name in names} | {"baseline": samples.baseline} | others))


def gradient(loss: Objective, samples: Samples) -> Tensor:
    logs = samples.log_probabilities.clone().requires_grad_()
    return torch.autograd.grad(loss(changed(samples, log_probabilities=logs)), logs)[0]


@EVERY
@given(samples=groups())
def test_loss_and_gradient_are_finite_and_float64_stays_float64(name: str, samples: Samples) -> None:
    assert OBJECTIVES[name](samples).dtype == torch.float64
    assert bool(OBJECTIVES[name](samples).isfinite())
    assert bool(gradient(OBJECTIVES[name], samples).isfinite().all())


@EVERY
@given(samples=groups(), junk=st.sampled_from([0.0, 1.0, -1e30, math.nan, math.inf]))
def test_what_stands_for_an_unknown_reward_does_not_matter(name: str, samples: Samples, junk: float) -> None:
    other = changed(samples, rewards=samples.rewards.masked_fill(~samples.known, junk))
    assert float(OBJECTIVES[name](other)) == float(OBJECTIVES[name](samples))
    assert torch.equal(gradient(OBJECTIVES[name], other), gradient(OBJECTIVES[name], samples))


@EVERY
@given(samples=groups())
def test_an_answer_whose_evaluation_failed_has_no_gradient_even_where_it_is_impossible(name: str, samples: Samples) -> None:
    logs = samples.log_probabilities.masked_fill(~samples.known, -math.inf)
    found = gradient(OBJECTIVES[name], changed(samples, log_probabilities=logs))
    assert (found[~samples.known] == 0).all()
    assert bool(found.isfinite().all())


@EVERY
@given(samples=groups(), random=st.randoms(use_true_random=False))
def test_the_order_of_the_answers_does_not_matter(name: str, samples: Samples, random: object) -> None:
    order = list(range(samples.rewards.shape[1]))
    random.shuffle(order)  # type: ignore[attr-defined]
    other = changed(samples, lambda tensor: tensor[:, order])
    torch.testing.assert_close(OBJECTIVES[name](other), OBJECTIVES[name](samples))
    torch.testing.assert_close(gradient(OBJECTIVES[name], other), gradient(OBJECTIVES[name], samples)[:, order])


@COMPARING
@given(samples=groups(), shift=st.integers(-64, 64))
def test_a_constant_added_to_all_rewards_changes_nothing(name: str, samples: Samples, shift: int) -> None:
    other = changed(samples, rewards=samples.rewards + shift)
    torch.testing.assert_close(gradient(OBJECTIVES[name], other), gradient(OBJECTIVES[name], samples), rtol=1e-9, atol=1e-9)


@COMPARING
@given(samples=groups(), column=st.integers(0, 1))
def test_a_prompt_with_one_known_reward_has_no_gradient(name: str, samples: Samples, column: int) -> None:
    known = torch.zeros_like(samples.known)
    known[:, column] = True
    assert not gradient(OBJECTIVES[name], changed(samples, known=known)).any()


@COMPARING
@given(samples=groups(), score=st.floats(-1, 1))
def test_rewards_that_are_all_alike_have_no_gradient(name: str, samples: Samples, score: float) -> None:
    assert not gradient(OBJECTIVES[name], changed(samples, rewards=torch.full_like(samples.rewards, score))).any()


@EVERY
def test_where_nothing_is_known_loss_and_gradient_are_zero(name: str) -> None:
    unknown = torch.full((2, 3), math.nan)
    logs = torch.zeros(2, 3)
    samples = Samples(logs, unknown, torch.zeros(2, 3).bool(), logs, baseline=torch.zeros(2), reference=logs)
    assert float(OBJECTIVES[name](samples)) == 0.0
    assert not gradient(OBJECTIVES[name], samples).any()


@pytest.mark.parametrize("advantages", [leave_one_out_advantages, group_mean_advantages, standardised_advantages])
@given(samples=groups(st.floats(0, 1)))
def test_advantages_of_a_prompt_sum_to_zero_whatever_failed(
    advantages: Callable[[Tensor, Tensor], Tensor], samples: Samples
) -> None:
    found = advantages(samples.rewards, samples.known)
    assert found.sum(dim=1).abs().max() < 1e-9
    assert (found[~samples.known] == 0).all()


@given(samples=groups(), scale=st.sampled_from([0.125, 0.5, 4.0]))
def test_grpo_alone_does_not_see_how_large_the_differences_are(samples: Samples, scale: float) -> None:
    found = standardised_advantages(samples.rewards * scale, samples.known)
    torch.testing.assert_close(found, standardised_advantages(samples.rewards, samples.known), rtol=0.1, atol=1e-9)
    means = group_mean_advantages(samples.rewards * scale, samples.known)
    torch.testing.assert_close(means, scale * group_mean_advantages(samples.rewards, samples.known))


@EVERY
def test_an_objective_is_found_by_its_name(name: str) -> None:
    assert objective(name) is OBJECTIVES[name]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ArgumentError, match=r"no objective 'rlo'.*best_of_k, dpo, grpo, grpo_without_std, reinforce, rloo"):
        objective("rlo")


@pytest.mark.parametrize("name", ["rewards", "known", "behaviour", "reference"])
def test_shapes_that_do_not_fit_are_refused(name: str) -> None:
    parts = dict.fromkeys(("log_probabilities", "rewards", "known", "behaviour", "reference"), torch.zeros(2, 3))
    with pytest.raises(ArgumentError, match=rf"{name} must be \[2, 3\]"):
        Samples(**(parts | {name: torch.zeros(2, 1)}))


def test_a_baseline_of_another_shape_and_samples_without_groups_are_refused() -> None:
    two, three = torch.zeros(2, 3), torch.zeros(3)
    with pytest.raises(ArgumentError, match=r"one number a prompt, \[2\]"):
        Samples(two, two, two.bool(), two, baseline=three)
    with pytest.raises(ArgumentError, match=r"\[prompts, answers\]"):
        Samples(three, three, three.bool(), three)
