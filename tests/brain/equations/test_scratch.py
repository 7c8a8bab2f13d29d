"""Memory that is used again: no result lies in it, whatever else is computed before, after, beside or in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from llm_brain.brain import SynapseState, plastic_chunked
from llm_brain.brain.equations import scratch as scratch_module
from llm_brain.brain.equations.gating import add_gated
from llm_brain.brain.equations.neuron import Modulation, neuron_scan
from llm_brain.brain.equations.scratch import KEPT_BYTES, Scratch, scratch_like

few = settings(max_examples=15, deadline=None)
Shape = tuple[int, int, int]  # steps, rows, heads
SHAPES: tuple[Shape, ...] = ((7, 2, 2), (7, 2, 2), (5, 2, 2), (12, 1, 3))
SIZE = 3


def drawn(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


def neurons(shape: Shape, seed: int) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    time, rows, width = shape
    sources = drawn(seed, shape, shape, (time, rows, 1), (width,), (time, rows, 1), (width,), (rows, width))
    return sources, (neuron_scan(sources[0], sources[1], Modulation(*sources[2:6]), sources[6]),)


def synapses(shape: Shape, seed: int) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    time, rows, heads = shape
    sources = drawn(seed, *[(rows, heads, time, SIZE)] * 3, *[(rows, heads, time)] * 2, (heads,))
    query, key, value, dopamine, retention, decay = sources
    signals = {"dopamine": dopamine, "retention": retention.sigmoid(), "decay": decay.sigmoid()}
    read, after = plastic_chunked(query, key, value, **signals, state=None, chunk=3)
    return sources, (read, *after)


def carried_synapses(shape: Shape, seed: int) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    time, rows, heads = shape
    sources = drawn(seed, *[(rows, heads, time, SIZE)] * 3, *[(rows, heads, SIZE, SIZE)] * 2)
    query, key, value, eligibility, plastic = sources
    one = torch.full((rows, heads, time), 0.9).double()
    state = SynapseState(eligibility, plastic)
    read, after = plastic_chunked(query, key, value, dopamine=one, retention=one, decay=one[0, :, 0], state=state, chunk=3)
    return sources, (read, *after)


def gating(shape: Shape, seed: int) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    time, rows, heads = shape
    sources = drawn(seed, (time, rows, heads * SIZE), (time, rows, heads, SIZE), (time, rows, heads * SIZE))
    return sources, (add_gated(*sources),)


Module = Callable[[Shape, int], tuple[list[Tensor], tuple[Tensor, ...]]]
MODULES: tuple[Module, ...] = (neurons, synapses, carried_synapses, gating)


def learned(sources: list[Tensor], results: tuple[Tensor, ...]) -> list[Tensor]:
    return list(torch.autograd.grad(torch.stack([result.sin().sum() for result in results]).sum(), sources))


def kept_by_thread() -> dict[str, Scratch]:
    kept: dict[str, Scratch] = scratch_module._kept.__dict__  # noqa: SLF001 - what is kept is what is tested
    return kept


@pytest.fixture(autouse=True)
def empty_scratch() -> Iterator[None]:
    kept_by_thread().clear()
    yield
    kept_by_thread().clear()


def alone(module: Module, shape: Shape, seed: int) -> tuple[tuple[Tensor, ...], list[Tensor]]:
    """Compute with memory that nobody has used before, and copy what comes out."""
    kept_by_thread().clear()
    sources, results = module(shape, seed)
    found = tuple(result.detach().clone() for result in results), [part.clone() for part in learned(sources, results)]
    kept_by_thread().clear()
    return found


def assert_identical(found: object, expected: object) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@few
@given(
    runs=st.lists(st.tuples(st.sampled_from(MODULES), st.sampled_from(SHAPES), st.integers(0, 9)), min_size=2, max_size=5),
    order=st.randoms(use_true_random=False),
)
def test_forward_and_backward_of_many_modules_interleave_in_any_order(
    runs: list[tuple[Module, Shape, int]], order: object
) -> None:
    expected = [alone(*run) for run in runs]
    begun = [module(shape, seed) for module, shape, seed in runs]
    backward = list(range(len(runs)))
    order.shuffle(backward)  # type: ignore[attr-defined]
    gradients = {at: learned(*begun[at]) for at in backward}
    for at, (results, by_itself) in enumerate(expected):
        assert_identical(tuple(result.detach() for result in begun[at][1]), results)
        assert_identical(gradients[at], by_itself)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("shape", [(7, 2, 2), (30, 2, 2)])
def test_a_second_computation_changes_no_result_and_no_gradient_of_the_first(module: Module, shape: Shape) -> None:
    sources, results = module(shape, 0)
    gradients = learned(sources, results)
    copies = [part.detach().clone() for part in (*results, *gradients)]
    for seed in (1, 2):
        learned(*module(shape, seed))
        with torch.no_grad():
            module(shape, seed)
    assert_identical([part.detach() for part in (*results, *gradients)], copies)


@pytest.mark.parametrize("module", MODULES)
def test_two_threads_at_once_find_what_each_finds_alone(module: Module) -> None:
    expected = [alone(module, (40, 2, 2), seed) for seed in range(2)]
    together = threading.Barrier(2)

    def work(seed: int) -> list[tuple[tuple[Tensor, ...], list[Tensor]]]:
        together.wait()
        found = []
        for _ in range(10):
            sources, results = module((40, 2, 2), seed)
            found.append((tuple(result.detach() for result in results), learned(sources, results)))
        return found

    with ThreadPoolExecutor(2) as pool:
        for by_itself, found in zip(expected, pool.map(work, range(2)), strict=True):
            for one in found:
                assert_identical(one, by_itself)


def test_a_backward_in_another_thread_than_its_forward_finds_the_same() -> None:
    expected = [alone(module, (9, 2, 2), 0) for module in MODULES]
    with ThreadPoolExecutor(1) as pool:
        for module, (_, gradients) in zip(MODULES, expected, strict=True):
            assert_identical(pool.submit(learned, *module((9, 2, 2), 0)).result(), gradients)


@pytest.mark.parametrize("module", MODULES)
def test_inference_before_training_and_after_it_finds_the_same(module: Module) -> None:
    results, gradients = alone(module, (20, 2, 2), 0)
    for _ in range(2):
        with torch.inference_mode():
            torch.testing.assert_close(module((20, 2, 2), 0)[1], results, rtol=0, atol=1e-12)
        sources, found = module((20, 2, 2), 0)
        assert_identical(learned(sources, found), gradients)
        with torch.no_grad():
            torch.testing.assert_close(module((20, 2, 2), 0)[1], results, rtol=0, atol=1e-12)


def test_what_is_kept_is_lent_again_to_the_same_thread_and_to_no_other() -> None:
    like = torch.zeros(1)
    with scratch_like(like) as first:
        pass
    with scratch_like(like) as second:
        with scratch_like(like) as nested:
            assert nested is not second
    assert second is first
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(kept_by_thread).result()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_another_precision_gets_memory_of_its_own(dtype: torch.dtype) -> None:
    with scratch_like(torch.zeros(1)) as first:
        first.take("part", (3,))
    with scratch_like(torch.zeros(1, dtype=dtype)) as other:
        assert other is not first
        assert other.take("part", (3,)).dtype == dtype


def test_a_thread_keeps_no_more_than_the_bound_in_all() -> None:
    for dtype, share in ((torch.float32, 0.9), (torch.float64, 0.8), (torch.bfloat16, 0.7), (torch.float32, 1.1)):
        with scratch_like(torch.zeros(1, dtype=dtype)) as scratch:
            scratch.take("part", (int(share * KEPT_BYTES) // dtype.itemsize,))
        assert sum(kept.size() for kept in kept_by_thread().values()) <= KEPT_BYTES
    assert not kept_by_thread()


@pytest.mark.parametrize("module", MODULES)
def test_an_error_inside_leaves_all_as_usable_as_before(module: Module) -> None:
    expected = alone(module, (9, 2, 2), 0)
    sources, results = module((9, 2, 2), 0)
    with pytest.raises(ZeroDivisionError), scratch_like(sources[0]) as scratch:
        scratch.take("normed", (1,)).fill_(torch.nan)
        raise ZeroDivisionError
    query = torch.zeros(2, 2, 4, 3).requires_grad_()
    signal = torch.zeros(2, 2, 4)
    with pytest.raises(RuntimeError):
        plastic_chunked(query, query, query[:, :, :3], dopamine=signal, retention=signal, decay=torch.zeros(2))
    assert_identical(learned(sources, results), expected[1])
    again = module((9, 2, 2), 0)
    assert_identical(learned(*again), expected[1])


def test_each_asking_for_a_name_gives_a_tensor_of_the_shape_that_is_asked_for() -> None:
    scratch = Scratch(torch.zeros(1))
    first = scratch.take("part", (2, 3))
    assert scratch.take("part", torch.Size([2, 3])) is first
    assert scratch.take("part", (3, 2)).shape == (3, 2)
    assert scratch.take("other", (3, 2)) is not scratch.take("part", (3, 2))
    assert scratch.size() == 2 * 6 * 4
