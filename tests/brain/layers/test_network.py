"""The network: parallel and step by step, in one call and in many, padded or not, in every layout that nn.GRU knows."""

from __future__ import annotations

import copy
import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

from llm_brain.brain import PlasticRNN, parameter_groups
from tests.brain.layers.networks import INPUT, WIDTH, a_life, assert_same_state, between, gradients, some_network

few = settings(max_examples=15, deadline=None)


def assert_close(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)


@few
@given(
    time=st.integers(1, 12),
    chunk=st.integers(1, 13),
    num_layers=st.integers(1, 2),
    conv_size=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_step_by_step_gives_what_the_parallel_form_gives_in_values_and_gradients(
    time: int, chunk: int, num_layers: int, conv_size: int, seed: int
) -> None:
    network, lived = some_network(seed, num_layers=num_layers, chunk=chunk, conv_size=conv_size), a_life(time, 2)
    output, after = network(**lived)
    outputs, state = [], network.initial_state(2)
    for t in range(time):
        now = {name: part[t] for name, part in lived.items()}
        said, state = network.step(now.pop("input"), state, **now)
        outputs.append(said)
    stepped = torch.stack(outputs)
    assert_close(stepped, output)
    assert_same_state(state, after)
    assert_close(gradients(network, stepped.sin().sum()), gradients(network, output.sin().sum()))


@few
@given(time=st.integers(1, 17), chunk=st.integers(1, 20), seed=st.integers(0, 99))
def test_the_length_of_a_chunk_changes_neither_values_nor_gradients(time: int, chunk: int, seed: int) -> None:
    network, lived = some_network(seed, chunk=chunk), a_life(time, 2)
    other = copy.deepcopy(network)
    for block in other.blocks():
        block.chunk = block.modulators.chunk = 64
    output, state = network(**lived)
    expected, after = other(**lived)
    assert_close(output, expected)
    assert_same_state(state, after)
    assert_close(gradients(network, output.sin().sum()), gradients(other, expected.sin().sum()))


@few
@given(
    first=st.integers(1, 8),
    second=st.integers(1, 8),
    chunk=st.integers(1, 9),
    conv_size=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_a_state_carried_across_two_calls_gives_one_long_call_in_values_and_gradients(
    first: int, second: int, chunk: int, conv_size: int, seed: int
) -> None:
    network, lived = some_network(seed, chunk=chunk, conv_size=conv_size), a_life(first + second, 2)
    expected, end = network(**lived)
    begun, state = network(**between(lived, 0, first))
    ended, state = network(**between(lived, first, first + second), state=state)
    found = torch.cat([begun, ended])
    assert_close(found, expected)
    assert_same_state(state, end)
    assert_close(gradients(network, found.sin().sum()), gradients(network, expected.sin().sum()))


@few
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any),
    extra=st.integers(0, 4),
    chunk=st.integers(1, 12),
    conv_size=st.integers(1, 4),
    carried=st.booleans(),
    seed=st.integers(0, 99),
)
def test_padding_changes_no_output_no_gradient_and_no_state(
    lengths: list[int], extra: int, chunk: int, conv_size: int, carried: bool, seed: int
) -> None:
    network, lived = some_network(seed, chunk=chunk, conv_size=conv_size), a_life(max(lengths) + extra, len(lengths))
    for row, length in enumerate(lengths):
        lived["input"][length:, row] = torch.nan
        lived["reward"][length:, row] = torch.inf
        lived["prediction_error"][length:, row] = torch.nan
    fresh = network.initial_state(len(lengths))
    before = network(**a_life(3, len(lengths)))[1].detach() if carried else None
    output, after = network(**lived, state=before, lengths=torch.tensor(lengths))
    whole = gradients(network, output.sin().sum())
    apart = [torch.zeros_like(part) for part in whole]
    for row, length in enumerate(lengths):
        one = slice(row, row + 1)
        assert (output[length:, row] == 0).all()
        if length == 0:
            assert_same_state(after.rows(one), (before or fresh).rows(one), exactly=True)
            continue
        alone, state = network(
            **{name: part[:length, one] for name, part in lived.items()}, state=None if before is None else before.rows(one)
        )
        assert_close(output[:length, one], alone)
        assert_same_state(after.rows(one), state)
        apart = [total + part for total, part in zip(apart, gradients(network, alone.sin().sum()), strict=True)]
    assert_close(whole, apart)


@few
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    conv_size=st.integers(1, 4),
    carried=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_packed_sequence_is_a_padded_one(lengths: list[int], conv_size: int, carried: bool, seed: int) -> None:
    network, padded = some_network(seed, conv_size=conv_size), a_life(max(lengths), len(lengths))["input"]
    before = network(**a_life(3, len(lengths)))[1].detach() if carried else None
    expected, after = network(padded, before, lengths=torch.tensor(lengths))
    packed = pack_padded_sequence(padded, torch.tensor(lengths), enforce_sorted=False)
    output, state = network(packed, before)
    assert isinstance(output, PackedSequence)
    unpacked, found_lengths = pad_packed_sequence(output)
    assert found_lengths.tolist() == lengths
    assert_close(unpacked, expected)
    assert_same_state(state, after)


def test_a_packed_sequence_comes_back_packed_as_a_gated_recurrent_unit_would_pack_it() -> None:
    network, unit = some_network(), nn.GRU(INPUT, WIDTH).double()
    sequences = [torch.randn(length, INPUT).double() for length in (2, 5, 3)]
    for packed in (pack_sequence(sequences, enforce_sorted=False), pack_sequence(sorted(sequences, key=len, reverse=True))):
        ours, theirs = network(packed)[0], unit(packed)[0]
        assert ours.data.shape == theirs.data.shape
        for mine, other in zip(ours[1:], theirs[1:], strict=True):
            torch.testing.assert_close(mine, other)


def test_the_batch_may_come_first() -> None:
    network, lived = some_network(), a_life(7, 3)
    expected, after = network(**lived, lengths=torch.tensor([7, 2, 4]))
    first = some_network(batch_first=True)
    output, state = first(**{name: part.transpose(0, 1) for name, part in lived.items()}, lengths=torch.tensor([7, 2, 4]))
    assert_close(output.transpose(0, 1), expected)
    assert_same_state(state, after)


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_single_sequence_needs_no_batch(batch_first: bool) -> None:
    network, lived = some_network(batch_first=batch_first), a_life(7, 1)
    expected, after = some_network()(**lived)
    output, state = network(**{name: part[:, 0] for name, part in lived.items()})
    assert_close(output, expected[:, 0])
    assert_same_state(state, after)
    again, _ = network(lived["input"][:, 0], state)
    assert again.shape == (7, WIDTH)


def test_it_stands_where_a_gated_recurrent_unit_stood() -> None:
    sequence = torch.randn(5, 3, INPUT)
    for layer in (nn.GRU(INPUT, WIDTH, 2), PlasticRNN(INPUT, WIDTH, 2, heads=2)):
        output, state = layer(sequence)
        assert output.shape == (5, 3, WIDTH)
        output, _ = layer(sequence, state)
        assert output.shape == (5, 3, WIDTH)


@pytest.mark.parametrize("expansion", [0, 1, 2])
def test_every_parameter_learns(expansion: int) -> None:
    network = some_network(expansion=expansion)
    found = gradients(network, network(**a_life(6, 3))[0].square().cos().sum())
    names = [name for name, _ in network.named_parameters()]
    assert [name for name, gradient in zip(names, found, strict=True) if not gradient.any()] == []


def test_no_gradient_flows_into_what_was_recorded() -> None:
    lived = a_life(6, 2)
    for name in ("reward", "prediction_error"):
        lived[name].requires_grad_()
    network = some_network()
    network(**lived)[0].sum().backward()
    network.step(lived["input"][0], network.initial_state(2), reward=lived["reward"][0])[0].sum().backward()
    assert lived["reward"].grad is None
    assert lived["prediction_error"].grad is None


@pytest.mark.parametrize("key_size", [1, 3, 8])
def test_a_key_may_have_another_length_than_a_value(key_size: int) -> None:
    torch.manual_seed(0)
    network, lived = PlasticRNN(INPUT, WIDTH, heads=2, key_size=key_size, chunk=4).double(), a_life(9, 2)
    expected, after = network(**lived)
    assert after.blocks[0].synapses.plastic.shape == (2, 2, WIDTH // 2, key_size)
    begun, state = network(**between(lived, 0, 5))
    ended, _ = network(**between(lived, 5, 9), state=state)
    assert_close(torch.cat([begun, ended]), expected)


def test_copies_pickles_and_saved_weights_say_the_same() -> None:
    network, lived = some_network(), a_life(6, 2)
    expected, _ = network(**lived)
    saved = io.BytesIO()
    torch.save(network.state_dict(), saved)
    saved.seek(0)
    loaded = some_network(seed=1)
    assert not torch.allclose(loaded(**lived)[0], expected)
    loaded.load_state_dict(torch.load(saved, weights_only=True))
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), loaded):
        torch.testing.assert_close(other(**lived)[0], expected, rtol=0, atol=0)


def test_training_goes_on_after_inference_at_the_same_length() -> None:
    network, lived = some_network(chunk=37), a_life(37, 2)
    lengths = torch.tensor([37, 12])
    with torch.inference_mode():
        network(**lived, lengths=lengths, state=network.initial_state(2))
    output, _ = network(**lived, lengths=lengths, state=network.initial_state(2))
    assert any(gradient.any() for gradient in gradients(network, output.sum()))


def test_a_second_call_disturbs_neither_the_output_nor_the_gradient_of_the_first() -> None:
    network, one, other = some_network(), a_life(11, 2), a_life(11, 2)
    expected, after = network(**one)
    gradient = gradients(network, expected.sin().sum())
    expected = expected.detach().clone()
    kept = after.filled({name: part.detach().clone() for name, part in after.tensors().items()})
    output, state = network(**one)
    second, _ = network(**other)
    with torch.no_grad():
        network(**other)
    gradients(network, second.sin().sum())
    network.step(other["input"][0], network.initial_state(2))
    torch.testing.assert_close(output, expected, rtol=0, atol=0)
    assert_same_state(state, kept, exactly=True)
    torch.testing.assert_close(gradients(network, output.sin().sum()), gradient, rtol=0, atol=0)


def test_threads_do_not_disturb_each_other() -> None:
    network, lives = some_network(), [a_life(40, 2) for _ in range(8)]
    expected = [gradients(network, network(**lived)[0].sin().sum()) for lived in lives]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda lived: gradients(network, network(**lived)[0].sin().sum()), lives))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    network, sequence = PlasticRNN(INPUT, WIDTH, heads=2, dropout=0.5), torch.randn(5, 2, INPUT)
    assert not torch.equal(network(sequence)[0], network(sequence)[0])
    network.eval()
    torch.testing.assert_close(network(sequence)[0], network(sequence)[0], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.int8, torch.uint8])
def test_lengths_may_be_of_any_whole_type(dtype: torch.dtype) -> None:
    network, lived, lengths = some_network(conv_size=3), a_life(7, 3), torch.tensor([7, 0, 2])
    expected, after = network(**lived, lengths=lengths)
    output, state = network(**lived, lengths=lengths.to(dtype))
    torch.testing.assert_close(output, expected, rtol=0, atol=0)
    assert_same_state(state, after, exactly=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.bool])
@pytest.mark.parametrize("name", ["reward", "prediction_error"])
def test_a_signal_may_be_of_another_type_than_the_input(name: str, dtype: torch.dtype) -> None:
    network, sequence = some_network().float(), torch.randn(5, 2, INPUT)
    signal = torch.randint(0, 2, (5, 2)).to(dtype)
    expected, after = network(sequence, **{name: signal.float()})
    output, state = network(sequence, **{name: signal})
    torch.testing.assert_close(output, expected, rtol=0, atol=0)
    again, _ = network.step(sequence[0], state, **{name: signal[0]})
    torch.testing.assert_close(again, network.step(sequence[0], after, **{name: signal[0].float()})[0], rtol=0, atol=0)


def test_matrices_decay_and_nothing_else_does() -> None:
    network = some_network()
    decayed, kept = parameter_groups(network, 0.01)
    assert {parameter.dim() for parameter in decayed["params"]} == {2}  # type: ignore[attr-defined]
    assert {parameter.dim() for parameter in kept["params"]} == {1}  # type: ignore[attr-defined]
    assert len(decayed["params"]) + len(kept["params"]) == len(list(network.parameters()))  # type: ignore[arg-type]
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.01, 0.0)
