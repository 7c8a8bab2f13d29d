"""The plastic synapses: the chunk-parallel form is the loop, exactly; and the rule does what its three factors say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.brain import SynapseState, plastic_chunked, plastic_loop, plastic_step
from llm_brain.errors import ArgumentError


def arguments(batch: int, heads: int, time: int, key: int, value: int, seed: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return {
        "query": normal(batch, heads, time, key),
        "key": normal(batch, heads, time, key),
        "value": normal(batch, heads, time, value),
        "dopamine": normal(batch, heads, time).tanh(),
        "retention": normal(batch, heads, time).sigmoid(),
        "decay": normal(heads).sigmoid(),
    }


def some_state(batch: int, heads: int, key: int, value: int) -> SynapseState:
    return SynapseState(*torch.randn(2, batch, heads, value, key, dtype=torch.float64).unbind())


def values_and_gradients(
    form: Any, inputs: dict[str, Tensor], state: SynapseState | None, real: Tensor, **more: Any
) -> list[Tensor]:
    """Give what a form computes, padding aside, and the gradient of all that it was given."""
    output, after = form(**inputs, state=state, **more)
    seen = output * real[:, None, :, None]
    loss = seen.square().sum() + after.plastic.sin().sum() + after.eligibility.cos().sum()
    sources = [*inputs.values(), *(state or ())]
    return [seen, *after, *torch.autograd.grad(loss, sources, allow_unused=True, materialize_grads=True)]


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    heads=st.integers(1, 3),
    time=st.integers(1, 12),
    key=st.integers(1, 4),
    value=st.integers(1, 4),
    chunk=st.integers(1, 13),
    carried=st.booleans(),
    padded=st.booleans(),
    seed=st.integers(0, 999),
)
def test_the_chunked_form_is_the_loop_in_values_and_gradients(
    batch: int, heads: int, time: int, key: int, value: int, chunk: int, carried: bool, padded: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    inputs = {name: part.requires_grad_() for name, part in arguments(batch, heads, time, key, value, seed).items()}
    state = SynapseState(*(part.requires_grad_() for part in some_state(batch, heads, key, value))) if carried else None
    lengths = torch.randint(0, time + 1, (batch,)) if padded else None
    real = torch.ones(batch, time) if lengths is None else (torch.arange(time) < lengths[:, None]).double()
    slow = values_and_gradients(plastic_loop, inputs, state, real, lengths=lengths)
    fast = values_and_gradients(plastic_chunked, inputs, state, real, lengths=lengths, chunk=chunk)
    for expected, found in zip(slow, fast, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("chunk", [*range(1, 32, 3), 31, 32, 100])
@pytest.mark.parametrize("carried", [True, False])
def test_no_chunk_length_changes_values_or_gradients_of_a_prime_number_of_steps(chunk: int, carried: bool) -> None:
    inputs = {name: part.requires_grad_() for name, part in arguments(2, 2, 31, 4, 4, seed=7).items()}
    torch.manual_seed(0)
    state = SynapseState(*(part.requires_grad_() for part in some_state(2, 2, 4, 4))) if carried else None
    slow = values_and_gradients(plastic_loop, inputs, state, torch.ones(2, 31))
    fast = values_and_gradients(plastic_chunked, inputs, state, torch.ones(2, 31), chunk=chunk)
    for expected, found in zip(slow, fast, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-11)


@settings(max_examples=20, deadline=None)
@given(first=st.integers(1, 9), second=st.integers(1, 9), chunk=st.integers(1, 10), seed=st.integers(0, 99))
def test_a_state_carried_across_two_calls_gives_one_long_call(first: int, second: int, chunk: int, seed: int) -> None:
    inputs = arguments(2, 2, first + second, 3, 3, seed)
    decay = inputs.pop("decay")
    expected, end = plastic_chunked(**inputs, decay=decay, chunk=chunk)
    begun, state = plastic_chunked(**{name: part[:, :, :first] for name, part in inputs.items()}, decay=decay, chunk=chunk)
    ended, state = plastic_chunked(
        **{name: part[:, :, first:] for name, part in inputs.items()}, decay=decay, state=state, chunk=chunk
    )
    torch.testing.assert_close(torch.cat([begun, ended], dim=2), expected, rtol=0, atol=1e-11)
    torch.testing.assert_close(state, end, rtol=0, atol=1e-11)


@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("lengths", [None, torch.tensor([5, 2])])
@pytest.mark.parametrize("chunk", [2, 5])
def test_the_chunked_form_passes_gradcheck(carried: bool, lengths: Tensor | None, chunk: int) -> None:
    torch.manual_seed(1)
    inputs = arguments(2, 2, 5, 2, 2, seed=1)
    state = some_state(2, 2, 2, 2) if carried else ()
    real = torch.ones(2, 5) if lengths is None else (torch.arange(5) < lengths[:, None]).double()

    def run(*parts: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(inputs, parts, strict=False))
        before = SynapseState(*parts[-2:]) if carried else None
        output, after = plastic_chunked(**named, state=before, chunk=chunk, lengths=lengths)
        return output * real[:, None, :, None], *after

    assert torch.autograd.gradcheck(run, [part.requires_grad_() for part in (*inputs.values(), *state)])


@pytest.mark.parametrize("decay", [0.0, 1.0])
@pytest.mark.parametrize("retention", [0.0, 1.0])
@pytest.mark.parametrize("padded", [True, False])
def test_the_forms_agree_where_everything_or_nothing_is_kept(decay: float, retention: float, padded: bool) -> None:
    inputs = arguments(2, 2, 11, 3, 3, seed=5)
    inputs["decay"].fill_(decay)
    inputs["retention"].fill_(retention)
    for part in inputs.values():
        part.requires_grad_()
    lengths = torch.tensor([11, 4]) if padded else None
    real = torch.ones(2, 11) if lengths is None else (torch.arange(11) < lengths[:, None]).double()
    torch.manual_seed(3)
    state = SynapseState(*(part.requires_grad_() for part in some_state(2, 2, 3, 3)))
    slow = values_and_gradients(plastic_loop, inputs, state, real, lengths=lengths)
    fast = values_and_gradients(plastic_chunked, inputs, state, real, lengths=lengths, chunk=4)
    for expected, found in zip(slow, fast, strict=True):
        assert found.isfinite().all()
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-11)


def test_without_eligibility_only_the_pair_of_the_step_is_committed() -> None:
    inputs = arguments(1, 2, 6, 3, 3, seed=8)
    inputs["decay"].zero_()
    inputs["retention"].fill_(1.0)
    _, state = plastic_chunked(**inputs, chunk=4)
    key = inputs["key"] / (inputs["key"].square().sum(-1, keepdim=True) + 1e-6).sqrt()
    pairs = inputs["value"][..., :, None] * key[..., None, :]
    torch.testing.assert_close(state.plastic, (inputs["dopamine"][..., None, None] * pairs).sum(2), rtol=0, atol=1e-12)
    torch.testing.assert_close(state.eligibility, pairs[:, :, -1], rtol=0, atol=1e-12)


def test_strong_forgetting_over_a_long_chunk_leaves_gradients_finite() -> None:
    inputs = {name: part.float() for name, part in arguments(1, 2, 64, 4, 4, seed=3).items()}
    for kept, decay in ((1e-13, 1e-9), (1e-38, 1e-38), (0.0, 0.0)):
        inputs["retention"] = torch.full((1, 2, 64), kept, requires_grad=True)
        inputs["decay"] = torch.full((2,), decay, requires_grad=True)
        output, _ = plastic_chunked(**inputs)
        gradients = torch.autograd.grad(output.square().sum(), (inputs["retention"], inputs["decay"]))
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_two_thousand_steps_in_single_precision_stay_finite_and_near_the_loop() -> None:
    inputs = arguments(1, 1, 2048, 8, 8, seed=4)
    inputs["key"] = torch.nn.functional.normalize(inputs["key"], dim=-1)
    inputs["retention"] = 0.98 + 0.02 * inputs["retention"]
    expected, _ = plastic_loop(**inputs)
    single = {name: part.float().requires_grad_() for name, part in inputs.items()}
    found, state = plastic_chunked(**single)
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-3)
    for gradient in torch.autograd.grad(found.square().mean() + state.plastic.sum(), [*single.values()]):
        assert gradient.isfinite().all()


def test_the_value_may_be_longer_or_shorter_than_the_key() -> None:
    for key, value in ((2, 5), (5, 2)):
        output, state = plastic_chunked(**arguments(3, 2, 7, key, value, seed=0), chunk=3)
        assert output.shape == (3, 2, 7, value)
        assert state.plastic.shape == state.eligibility.shape == (3, 2, value, key)


def test_what_stands_in_padding_reaches_no_state() -> None:
    inputs, state = arguments(2, 2, 9, 3, 3, seed=5), some_state(2, 2, 3, 3)
    lengths = torch.tensor([4, 0])
    _, expected = plastic_chunked(**inputs, state=state, lengths=lengths, chunk=4)
    noise = (torch.arange(9) >= lengths[:, None])[:, None, :].double()
    for name in ("key", "value"):
        inputs[name] = inputs[name] + noise[..., None]
    for name in ("dopamine", "retention"):
        inputs[name] = inputs[name] - 0.1 * noise
    _, found = plastic_chunked(**inputs, state=state, lengths=lengths, chunk=4)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    for before, after in zip(state, found, strict=True):
        torch.testing.assert_close(after[1], before[1], rtol=0, atol=0)


def test_a_reward_commits_a_pair_that_is_past() -> None:
    key, value = torch.eye(4)[None, None, :1], torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
    silence = torch.zeros(1, 1, 2, 4)
    keys, values = torch.cat([key, silence], dim=2), torch.cat([value, silence], dim=2)
    queries = torch.cat([silence, key], dim=2)
    forever, decay = torch.ones(1, 1, 3), torch.tensor([0.5])

    def recalled(*dopamine: float) -> list[float]:
        output, _ = plastic_chunked(queries, keys, values, dopamine=torch.tensor([[dopamine]]), retention=forever, decay=decay)
        read: list[float] = output[0, 0, 2].tolist()
        return [round(number, 4) for number in read]

    assert recalled(0, 0, 0) == [0, 0, 0, 0]
    assert recalled(0, 1, 0) == [0.5, 1, 1.5, 2]
    assert recalled(0, -1, 0) == [-0.5, -1, -1.5, -2]


def test_a_step_leaves_the_old_state_as_it_was() -> None:
    inputs, state = arguments(1, 2, 1, 3, 3, seed=2), some_state(1, 2, 3, 3)
    before = SynapseState(*(part.clone() for part in state))
    plastic_step(**{name: part if name == "decay" else part[:, :, 0] for name, part in inputs.items()}, state=state)
    torch.testing.assert_close(state, before, rtol=0, atol=0)


def test_a_chunked_call_leaves_what_it_was_given_as_it_was() -> None:
    inputs, state = arguments(2, 2, 9, 3, 3, seed=2), some_state(2, 2, 3, 3)
    kept = {name: part.clone() for name, part in inputs.items()}
    before = SynapseState(*(part.clone() for part in state))
    for requires_grad in (False, True):
        for part in inputs.values():
            part.requires_grad_(requires_grad)
        output, after = plastic_chunked(**inputs, state=state, chunk=4)
        if requires_grad:
            (output.sum() + after.plastic.sum()).backward()
    torch.testing.assert_close(state, before, rtol=0, atol=0)
    for name, part in inputs.items():
        torch.testing.assert_close(part.detach(), kept[name], rtol=0, atol=0)


@pytest.mark.parametrize(("time", "chunk"), [(0, 4), (4, 0), (4, -1)])
def test_no_step_and_a_chunk_of_none_are_refused(time: int, chunk: int) -> None:
    with pytest.raises(ArgumentError, match="at least one"):
        plastic_chunked(**arguments(1, 1, time, 2, 2, seed=0), chunk=chunk)


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("lengths", [None, torch.tensor([31, 8])])
@pytest.mark.parametrize("chunk", [1, 2, 7, 16, 31])
def test_without_gradients_the_chunked_form_is_the_loop_too(
    guard: type[torch.no_grad], carried: bool, lengths: Tensor | None, chunk: int
) -> None:
    torch.manual_seed(1)
    inputs, state = arguments(2, 2, 31, 3, 4, seed=9), some_state(2, 2, 3, 4) if carried else None
    expected, end = plastic_loop(**inputs, state=state, lengths=lengths)
    with guard():
        output, after = plastic_chunked(**inputs, state=state, lengths=lengths, chunk=chunk)
        plastic_chunked(**arguments(2, 2, 31, 3, 4, seed=10), chunk=chunk)
    real = torch.ones(2, 31) if lengths is None else (torch.arange(31) < lengths[:, None]).double()
    real = real[:, None, :, None]
    torch.testing.assert_close(output * real, expected * real, rtol=0, atol=1e-11)
    torch.testing.assert_close(after, end, rtol=0, atol=1e-11)


@pytest.mark.parametrize("of", ["output", "eligibility", "plastic"])
@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("chunk", [3, 7])
def test_each_result_alone_teaches_what_it_teaches_in_the_loop(of: str, carried: bool, chunk: int) -> None:
    torch.manual_seed(2)
    inputs = {name: part.requires_grad_() for name, part in arguments(2, 2, 7, 3, 2, seed=6).items()}
    state = SynapseState(*(part.requires_grad_() for part in some_state(2, 2, 3, 2))) if carried else None
    found = []
    for form, more in ((plastic_loop, {}), (plastic_chunked, {"chunk": chunk})):
        output, after = form(**inputs, state=state, **more)  # type: ignore[operator]
        result = output if of == "output" else getattr(after, of)
        sources = [*inputs.values(), *(state or ())]
        found.append(torch.autograd.grad(result.sin().sum(), sources, allow_unused=True, materialize_grads=True))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("only", ["query", "key", "value", "dopamine", "retention", "decay", "eligibility", "plastic"])
def test_any_input_may_be_the_only_one_that_learns(only: str) -> None:
    torch.manual_seed(2)
    inputs, state = arguments(2, 2, 7, 3, 2, seed=6), some_state(2, 2, 3, 2)
    source = {**inputs, **state._asdict()}[only].requires_grad_()
    found = []
    for form, more in ((plastic_loop, {}), (plastic_chunked, {"chunk": 3})):
        output, after = form(**inputs, state=state, **more)  # type: ignore[operator]
        loss = output.sin().sum() + after.plastic.sin().sum() + after.eligibility.cos().sum()
        found.append(torch.autograd.grad(loss, source))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-11)


def test_inputs_and_gradients_may_lie_in_memory_in_any_order() -> None:
    inputs = arguments(2, 3, 7, 4, 4, seed=6)
    for name in ("query", "value"):
        inputs[name] = inputs[name].transpose(0, 3).contiguous().transpose(0, 3)
    inputs["key"] = inputs["key"][:1].expand(2, 3, 7, 4)
    inputs["dopamine"], inputs["retention"] = (inputs[name][:, :1].expand(2, 3, 7) for name in ("dopamine", "retention"))
    sources = [part.requires_grad_() for part in inputs.values()]
    found = []
    for form, more in ((plastic_loop, {}), (plastic_chunked, {"chunk": 3})):
        output, after = form(**inputs, **more)  # type: ignore[operator]
        found.append(torch.autograd.grad(output.sum() + after.plastic[..., 0].sum(), sources))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-11)


def test_asking_for_a_second_derivative_is_refused() -> None:
    inputs = {name: part.requires_grad_() for name, part in arguments(1, 1, 4, 2, 2, seed=0).items()}
    output, _ = plastic_chunked(**inputs)
    (gradient,) = torch.autograd.grad(output.square().sum(), inputs["key"], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
