"""One text in as few steps as can be: the brain's own answers, whatever its shape, and whatever happens to it meanwhile."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from llm_brain.brain import Answer, Brain, BrainConfig, Choice, Number, Record, Text
from llm_brain.brain import quick as quick_module
from llm_brain.brain.quick import LONGEST, QuickBrain
from llm_brain.errors import ArgumentError

WORDS = 40
RECORD = Record(fields={"kind": Choice(options=3), "stars": Number(low=1, high=5, whole=True), "share": Number(low=0, high=1)})


def small_brain(answer: Answer = RECORD, **shape: Any) -> Brain:
    """Build a brain whose every parameter is off its starting value, so that no term hides behind a zero."""
    torch.manual_seed(0)
    told: dict[str, Any] = {"vocabulary": WORDS, "input_size": 6, "width": 8, "heads": 2, "dropout": 0.2, **shape}
    brain = Brain(BrainConfig(answer=answer, **told)).eval()
    with torch.no_grad():
        for parameter in brain.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return brain


def tensors(answer: Any) -> Iterator[Tensor]:
    if hasattr(answer, "fields"):
        for field in answer.fields.values():
            yield from tensors(field)
    else:
        yield answer.logits


def assert_answers_as(brain: Brain, quick: QuickBrain, tokens: list[int]) -> None:
    assert quick.is_ready(tokens)
    found = quick.read(tokens)
    with torch.no_grad():
        expected = brain(torch.tensor([tokens]))
    both = [*tensors(found.answer), found.features], [*tensors(expected.answer), expected.features]
    torch.testing.assert_close(*both, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"blocks": 2},
        {"expansion": 0},
        {"heads": 1},
        {"key_size": 3},
        {"answer": Choice(options=2), "chunk": 4},
        {"eligibility_decay": (0.01, 0.99)},
    ],
    ids=str,
)
@pytest.mark.parametrize("length", [1, 2, 13, 100, LONGEST])
def test_its_answers_are_those_of_the_brain(shape: dict[str, Any], length: int) -> None:
    brain = small_brain(**shape)
    quick, random = QuickBrain(brain), torch.Generator().manual_seed(length)
    for _ in range(2):  # with tokens that are new to it, and with some that are not
        assert_answers_as(brain, quick, torch.randint(WORDS, (length,), generator=random).tolist())


def test_it_reads_a_table_that_was_handed_in_and_another_one_later() -> None:
    brain = small_brain(vocabulary=None)
    brain.set_embedding(torch.randn(WORDS, 6))
    quick = QuickBrain(brain)
    assert_answers_as(brain, quick, [3, 1, 4])
    brain.set_embedding(torch.randn(WORDS, 6))
    assert_answers_as(brain, quick, [3, 1, 4])


@pytest.mark.parametrize("part", ["network", "tokens", "readout", "head"])
def test_it_follows_a_brain_that_learns_on(part: str) -> None:
    brain = small_brain()
    quick = QuickBrain(brain)
    assert_answers_as(brain, quick, [3, 1, 4])
    with torch.no_grad():
        for parameter in getattr(brain, part).parameters():
            parameter.mul_(0.5)
    assert_answers_as(brain, quick, [3, 1, 4])


def scale(brain: Brain) -> None:
    for parameter in brain.network.parameters():
        parameter.data = parameter.data * 0.5


@pytest.mark.parametrize("change", [scale, Brain.double], ids=["other memory", "other precision"])
def test_it_notices_weights_that_are_put_in_the_place_of_others(change: Callable[[Brain], object]) -> None:
    brain = small_brain()
    quick = QuickBrain(brain)
    assert_answers_as(brain, quick, [3, 1, 4])
    change(brain)
    assert_answers_as(brain, quick, [3, 1, 4])


def test_it_forgets_on_demand_what_it_computed_from_weights_that_were_changed_unseen() -> None:
    brain = small_brain()
    quick = QuickBrain(brain)
    assert_answers_as(brain, quick, [3, 1, 4])
    for parameter in brain.network.parameters():
        parameter.data.mul_(0.5)
    quick.forget()
    assert_answers_as(brain, quick, [3, 1, 4])


def test_a_longer_text_after_a_shorter_one_is_read_right() -> None:
    brain = small_brain()
    quick = QuickBrain(brain)
    for length in (2, 30, 3, 31):
        assert_answers_as(brain, quick, list(range(length)))


def test_it_forgets_tokens_rather_than_to_grow_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_module, "MOST_TOKENS", 7)
    brain = small_brain()
    quick = QuickBrain(brain)
    for start in (0, 3, 6, 9, 0):
        assert_answers_as(brain, quick, list(range(start, start + 5)))
    assert_answers_as(brain, quick, list(range(12)))  # more at once than it would keep


def test_many_threads_are_answered_as_one_is() -> None:
    brain = small_brain(Choice(options=3))
    quick, random = QuickBrain(brain), torch.Generator().manual_seed(0)
    texts = [torch.randint(WORDS, (9,), generator=random).tolist() for _ in range(60)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda tokens: next(tensors(quick.read(tokens).answer)), texts))
    with torch.no_grad():
        torch.testing.assert_close(torch.cat(found), next(tensors(brain(torch.tensor(texts)).answer)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "shape", [{"conv_size": 2}, {"answer": Text(vocabulary=4, end=0, longest=2)}, {"ablate": ("dopamine",)}], ids=str
)
def test_it_leaves_to_the_brain_what_it_cannot_do(shape: dict[str, Any]) -> None:
    assert not QuickBrain(small_brain(**shape)).is_ready([3, 1])


def test_it_leaves_a_text_in_a_record_to_the_brain() -> None:
    record = Record(fields={"title": Text(vocabulary=4, end=0, longest=2)})
    assert not QuickBrain(small_brain(record)).is_ready([3, 1])


def test_it_is_ready_for_texts_that_have_tokens_and_not_too_many() -> None:
    quick = QuickBrain(small_brain())
    assert [quick.is_ready([1] * length) for length in (0, 1, LONGEST, LONGEST + 1)] == [False, True, True, False]


def test_it_stands_back_while_the_brain_is_trained_ablated_or_recorded() -> None:
    brain = small_brain()
    quick = QuickBrain(brain)
    with brain.record():
        assert not quick.is_ready([3, 1])
    brain.set_ablation(["plasticity"])
    assert not quick.is_ready([3, 1])
    brain.set_ablation([])
    brain.train()
    assert not quick.is_ready([3, 1])
    brain.eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert not quick.is_ready([3, 1])
    assert quick.is_ready([3, 1])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda quick: pickle.loads(pickle.dumps(quick))])
def test_a_copy_answers_as_its_own_brain_does(copied: Callable[[QuickBrain], QuickBrain]) -> None:
    brain = small_brain()
    quick = QuickBrain(brain)
    quick.read([3, 1])
    other = copied(quick)
    with torch.no_grad():
        brain.readout.attention.add_(1.0)
    assert_answers_as(brain, quick, [3, 1, 4])
    assert_answers_as(small_brain(), other, [3, 1, 4])


def test_a_brain_with_another_network_answers_by_itself() -> None:
    brain = small_brain()
    network: Any = torch.nn.GRU(6, 8)
    brain.network = network
    assert not QuickBrain(brain).is_ready([3, 1])


def test_a_brain_whose_weights_do_not_tell_when_they_change_answers_by_itself() -> None:
    with torch.inference_mode():
        assert not QuickBrain(Brain(small_brain().config).eval()).is_ready([3, 1])


def test_a_token_without_a_vector_is_an_error_as_with_the_brain() -> None:
    with pytest.raises(ArgumentError, match="the tokens go from 1 to 99"):
        QuickBrain(small_brain()).read([1, 99])
    with pytest.raises(ArgumentError, match="no embedding for tokens"):
        QuickBrain(small_brain(vocabulary=None)).read([1])


def test_what_it_gives_can_be_kept_while_it_reads_on() -> None:
    quick = QuickBrain(small_brain())
    first = quick.read([3, 1, 4])
    before = first.features.clone()
    quick.read([4, 1, 3])
    assert torch.equal(first.features, before)
