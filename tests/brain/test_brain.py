"""The brain as a whole: parallel and step by step, in one call and in many, padded or not, ablated or not."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from llm_brain.brain import (
    ABLATIONS,
    CHANNELS,
    Ablation,
    Brain,
    BrainConfig,
    BrainOutput,
    BrainState,
    Channel,
    Choice,
    ChoiceDistribution,
)
from llm_brain.errors import ArgumentError

few = settings(max_examples=15, deadline=None)


def small_brain(seed: int = 0, *, blocks: int = 2, chunk: int = 5, ablate: tuple[Ablation, ...] = ()) -> Brain:
    """Build a brain in float64 whose every parameter is off its starting value, so that no term hides behind a zero."""
    torch.manual_seed(seed)
    config = BrainConfig(input_size=6, answer=Choice(options=3), width=8, heads=2, blocks=blocks, chunk=chunk, ablate=ablate)
    brain = Brain(config).double().eval()
    with torch.no_grad():
        for parameter in brain.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return brain


def life(batch: int, time: int) -> dict[str, Tensor]:
    return {
        "inputs": torch.randn(batch, time, 6, dtype=torch.float64),
        "reward": torch.randn(batch, time, dtype=torch.float64),
        "prediction_error": torch.randn(batch, time, dtype=torch.float64),
    }


def logits(output: BrainOutput) -> Tensor:
    return cast("ChoiceDistribution", output.answer).logits


def parts(output: BrainOutput) -> tuple[Any, ...]:
    return (logits(output), *output[1:])


def assert_same(found: BrainOutput, expected: BrainOutput) -> None:
    torch.testing.assert_close(parts(found), parts(expected), rtol=1e-9, atol=1e-10)


@few
@given(time=st.integers(1, 12), chunk=st.integers(1, 13), blocks=st.integers(1, 2), seed=st.integers(0, 99))
def test_step_by_step_gives_what_the_parallel_form_gives(time: int, chunk: int, blocks: int, seed: int) -> None:
    brain = small_brain(seed, blocks=blocks, chunk=chunk)
    lived = life(2, time)
    expected = brain(**lived)
    outputs, state = [], brain.initial_state(2)
    for t in range(time):
        outputs.append(brain.step(lived["inputs"][:, t], state, lived["reward"][:, t], lived["prediction_error"][:, t]))
        state = outputs[-1].state
    features = torch.stack([output.features for output in outputs], dim=1)
    assert_same(outputs[-1]._replace(features=features), expected)


@few
@given(first=st.integers(1, 8), second=st.integers(1, 8), chunk=st.integers(1, 9), seed=st.integers(0, 99))
def test_a_state_carried_across_two_calls_gives_one_long_call(first: int, second: int, chunk: int, seed: int) -> None:
    brain = small_brain(seed, chunk=chunk)
    lived = life(2, first + second)
    expected = brain(**lived)
    before = brain(**{name: part[:, :first] for name, part in lived.items()})
    after = brain(**{name: part[:, first:] for name, part in lived.items()}, state=before.state)
    assert_same(after._replace(features=torch.cat([before.features, after.features], dim=1)), expected)


@few
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    extra=st.integers(0, 4),
    chunk=st.integers(1, 12),
    carried=st.booleans(),
    seed=st.integers(0, 99),
)
def test_padding_changes_no_output_no_gradient_and_no_state(
    lengths: list[int], extra: int, chunk: int, carried: bool, seed: int
) -> None:
    brain = small_brain(seed, chunk=chunk)
    lived = life(len(lengths), max(lengths) + extra)
    for row, length in enumerate(lengths):
        lived["inputs"][row, length:] = torch.nan
        lived["reward"][row, length:] = torch.inf
        lived["prediction_error"][row, length:] = torch.nan
    state = brain(**life(len(lengths), 3)).state.detach() if carried else None
    padded = brain(**lived, state=state, lengths=torch.tensor(lengths))
    whole = torch.autograd.grad(logits(padded).square().sum(), brain.network.project.weight)[0]
    apart = torch.zeros_like(whole)
    for row, length in enumerate(lengths):
        alone = brain(**{name: part[row : row + 1, :length] for name, part in lived.items()}, state=row_of(state, row))
        assert (padded.features[row, length:] == 0).all()
        assert_same(
            BrainOutput(
                ChoiceDistribution(logits(padded)[row : row + 1]),
                padded.value[row : row + 1],
                padded.features[row : row + 1, :length],
                padded.state.rows(slice(row, row + 1)),
            ),
            alone,
        )
        apart += torch.autograd.grad(logits(alone).square().sum(), brain.network.project.weight)[0]
    torch.testing.assert_close(whole, apart, rtol=1e-8, atol=1e-9)


def row_of(state: BrainState | None, row: int) -> BrainState | None:
    return None if state is None else state.rows(slice(row, row + 1))


def test_a_row_of_length_zero_keeps_its_state() -> None:
    brain = small_brain()
    before = brain(**life(2, 4)).state
    after = brain(**life(2, 3), state=before, lengths=torch.tensor([3, 0])).state
    torch.testing.assert_close(row_of(after, 1), row_of(before, 1), rtol=0, atol=0)


def test_every_parameter_learns() -> None:
    brain = small_brain()
    output = brain(**life(3, 6))
    (logits(output).square().sum() + output.value.square().sum()).backward()
    still = [name for name, parameter in brain.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert still == []


def test_the_value_is_a_baseline_that_shapes_nothing_but_its_own_head() -> None:
    brain = small_brain()
    brain(**life(3, 6)).value.sum().backward()
    touched = {name for name, parameter in brain.named_parameters() if parameter.grad is not None}
    assert touched == {"readout.expect.weight", "readout.expect.bias"}


def test_a_new_turn_keeps_what_was_learned_and_forgets_what_was_asked() -> None:
    brain = small_brain()
    state = brain(**life(2, 5)).state
    turn = state.next_turn()
    torch.testing.assert_close(turn.network, state.network)
    assert all((part == 0).all() for part in turn.reading)


def test_a_reward_for_the_turn_arrives_before_its_first_step() -> None:
    brain, lived = small_brain(), life(2, 4)
    at_first = torch.zeros(2, 4, dtype=torch.float64)
    at_first[:, 0] = torch.tensor([1.0, -1.0])
    assert_same(brain(lived["inputs"], reward=at_first[:, 0]), brain(lived["inputs"], reward=at_first))


def test_a_call_leaves_the_state_it_was_given_as_it_was() -> None:
    brain = small_brain()
    state = brain(**life(2, 5)).state.detach()
    kept = copy.deepcopy(state)
    with torch.inference_mode():
        brain(**life(2, 30), state=state)
    torch.testing.assert_close(state, kept, rtol=0, atol=0)


def test_training_goes_on_after_inference_at_the_same_length() -> None:
    brain, lived = small_brain(chunk=37), life(2, 37)
    with torch.inference_mode():
        brain(**lived, lengths=torch.tensor([37, 12]), state=brain.initial_state(2))
    logits(brain(**lived, lengths=torch.tensor([37, 12]), state=brain.initial_state(2))).sum().backward()
    assert brain.network.project.weight.grad is not None


@pytest.mark.parametrize("ablated", CHANNELS)
def test_an_ablation_freezes_the_channel_it_names_in_every_block_and_no_other(ablated: Channel) -> None:
    brain, lived = small_brain(), life(2, 6)
    with brain.record() as recording:
        whole = brain(**lived)
        brain.set_ablation([ablated])
        cut = brain(**lived)
        brain.set_ablation([])
        again = brain(**lived)
    assert not torch.allclose(logits(cut), logits(whole))
    assert_same(again, whole)
    before, after, _ = recording.calls(0)
    for channel in CHANNELS:
        frozen = bool((after.channel(channel) == 0.5).all())
        assert frozen == (channel == ablated)
        assert frozen or torch.equal(after.channel(channel), before.channel(channel))
    assert bool((recording.calls(1)[1].channel(ablated) == 0.5).all())
    assert torch.equal(after.dopamine, before.dopamine) == (ablated != "dopamine")


def test_a_recording_joins_calls_and_ends_with_its_block() -> None:
    brain = small_brain()
    state = brain.initial_state(2)
    with brain.record() as recording:
        state = brain(**life(2, 4), state=state).state
        brain.step(life(2, 1)["inputs"][:, 0], state)
    brain(**life(2, 4))
    assert recording.course(1).tonic.shape == (5, 2, 4)
    assert recording.course(1).dopamine.shape == (5, 2, 2)


def test_an_empty_recording_says_so() -> None:
    with small_brain().record() as recording:
        pass
    with pytest.raises(ValueError, match="nothing was recorded"):
        recording.course(0)


def test_tokens_stand_for_the_rows_of_the_table_that_was_handed_in() -> None:
    brain, table = small_brain(), torch.randn(20, 6, dtype=torch.float64)
    brain.set_embedding(table)
    tokens = torch.tensor([[3, 1, 4], [1, 5, 9]])
    assert_same(brain(tokens), brain(table[tokens]))
    assert "embedding" not in brain.state_dict()
    padded = torch.tensor([[3, 1, -100]])
    torch.testing.assert_close(logits(brain(padded, lengths=torch.tensor([2]))), logits(brain(padded[:, :2])))


def test_a_brain_can_learn_its_own_embedding() -> None:
    brain = Brain(BrainConfig(input_size=6, answer=Choice(options=2), vocabulary=20, width=8, heads=2))
    logits(brain(torch.tensor([[3, 1, 4]]))).sum().backward()
    assert brain.tokens is not None
    assert brain.tokens.weight.grad is not None
    with pytest.raises(ArgumentError, match="not both"):
        brain.set_embedding(torch.randn(20, 6))


@pytest.mark.parametrize(
    ("inputs", "lengths", "message"),
    [
        (torch.randn(2, 3, 5), None, "5 numbers each and this brain takes 6"),
        (torch.randn(2, 6), None, "pass vectors"),
        (torch.randn(2, 0, 6), None, "T at least one"),
        (torch.tensor([[1, 2]]), None, "no embedding for tokens"),
        (torch.randn(2, 3, 6), torch.tensor([3]), "lengths must be 2 whole numbers"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(inputs: Tensor, lengths: Tensor | None, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        small_brain()(inputs, lengths=lengths)


def test_a_reward_of_another_shape_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"must have shape \[2, 4\] or \[2\]"):
        small_brain()(life(2, 4)["inputs"], reward=torch.zeros(2, 3))


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_whatever_is_ablated_the_configuration_says_so_and_builds_the_same(ablation: Ablation) -> None:
    lived, later, built = life(2, 6), small_brain(), small_brain(ablate=(ablation,))
    later.set_ablation([ablation])
    assert later.config == built.config
    assert_same(later(**lived), built(**lived))


def test_a_state_is_taken_apart_and_put_together_by_rows_and_by_names() -> None:
    brain = small_brain()
    state = brain(**life(3, 5)).state
    torch.testing.assert_close(state.rows(torch.tensor([2, 0])).rows(slice(0, 1)), state.rows(slice(2, 3)), rtol=0, atol=0)
    begun = state.replace_rows(torch.tensor([False, True, False]), brain.initial_state(3))
    torch.testing.assert_close(begun.rows(slice(1, 2)), brain.initial_state(1), rtol=0, atol=0)
    torch.testing.assert_close(begun.rows(slice(2, 3)), state.rows(slice(2, 3)), rtol=0, atol=0)
    assert set(state.tensors()) >= {"network.blocks.1.synapses.plastic", "reading.total", "reading.weight", "reading.last"}
    torch.testing.assert_close(brain.initial_state(3).filled(state.tensors()), state, rtol=0, atol=0)
    with pytest.raises(ArgumentError, match=r"reading\.last.* absent"):
        state.filled({name: part for name, part in state.tensors().items() if name != "reading.last"})


@pytest.mark.parametrize(
    ("changes", "message"), [({"heads": 3}, "cannot be shared equally by 3 heads"), ({"ablate": ("hunger",)}, "ablate")]
)
def test_a_configuration_that_cannot_be_built_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BrainConfig(input_size=6, answer=Choice(options=3), width=8, **changes)


def test_a_configuration_reaches_the_network() -> None:
    config = BrainConfig(input_size=6, answer=Choice(options=3), width=8, blocks=2, heads=2, key_size=3, expansion=1, chunk=7)
    brain = Brain(config)
    block = brain.network.blocks()[1]
    assert (block.heads, block.key_size, block.expansion, block.chunk) == (2, 3, 1, 7)
    assert brain.initial_state(1).network.blocks[0].synapses.plastic.shape == (1, 2, 4, 3)


def test_a_state_is_detached_and_converted_whole() -> None:
    state = small_brain()(**life(2, 5)).state
    assert any(part.requires_grad for part in state.tensors().values())
    assert not any(part.requires_grad for part in state.detach().tensors().values())
    assert {part.dtype for part in state.to(torch.float32).tensors().values()} == {torch.float32}


def test_matrices_decay_and_nothing_else_does() -> None:
    brain = small_brain()
    decayed, kept = brain.parameter_groups(0.01)
    assert {parameter.dim() for parameter in decayed["params"]} == {2}  # type: ignore[attr-defined]
    assert {parameter.dim() for parameter in kept["params"]} == {1}  # type: ignore[attr-defined]
    assert kept["weight_decay"] == 0.0
