"""A brain and a model in the place of a model: users notice nothing but the bill."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from llm_brain.errors import ArgumentError, BackendError, MissingKeyError, ModelNameError
from llm_brain.strategy import Details, Implementation, use_model
from llm_brain.tracing import record
from llm_brain.tracing.reader import read_spans
from llm_brain.training.cascade import Cascade, Confident, UntaughtError, cascade
from tests.training.cascade.conftest import Oracle, Unsteady, built, pairs, right, sorter, texts


def lost(one: Cascade, messages: list[str]) -> float:
    """Tell the share of answers that are not the model's."""
    urgent = sorter(one).urgent
    wrong: int = sum(urgent(message) != right(message) for message in messages)
    return wrong / len(messages)


@pytest.mark.parametrize("agreement", [0.8, 0.95])
def test_it_agrees_with_the_model_as_often_as_was_asked_for(agreement: float) -> None:
    losses, shares = [], []
    for seed in range(150):
        one = built(agreement=agreement, held_out=pairs(f"held out {seed}", 100), seed=seed)
        losses.append(lost(one, texts(f"new {seed}", 20)))
        shares.append(one.stats.share)
    mean = sum(losses) / len(losses)
    error = math.sqrt(sum((loss - mean) ** 2 for loss in losses)) / len(losses)
    assert mean <= 1 - agreement + 3 * error
    assert sum(shares) / len(shares) > 0.1


def test_the_threshold_is_met_exactly_and_the_bill_is_the_models() -> None:
    brain, model = Unsteady(), Oracle()
    one = built(brain, model)
    messages = texts("new", 300)
    asked = [message for message in messages if brain.sure(message) < one.trust.threshold]
    details = sorter(one).urgent.map_details(messages)
    assert sorted(model.asked) == sorted(asked)
    assert [detail.implementation for detail in details] == ["model" if text in asked else "brain" for text in messages]
    assert (one.stats.answered, one.stats.asked) == (300 - len(asked), len(asked))
    assert 0 < one.stats.share < 1


def test_users_notice_nothing() -> None:
    one = built(held_out=pairs("held out", 400), agreement=0.8)
    urgent = sorter(one).urgent
    for message in texts("new", 50):
        details = urgent.with_details(message)
        assert type(details.value) is bool
        assert sum(details.probabilities.values()) == pytest.approx(1)
    assert {type(value) for value in urgent.map(texts("new", 50))} == {bool}
    assert list(urgent.stream("new 3")) == [urgent("new 3")]
    assert isinstance(one, Implementation)
    assert isinstance(one.brain, Confident)
    assert one.name == "cascade(brain, model)"
    with pytest.raises(ArgumentError):
        urgent(3)


class Awaited(Oracle):
    """A model that can be awaited, and only so."""

    def call(self, spec: Any, arguments: Any, *, state: Any = None, sample: int = 0) -> Details[bool]:
        raise NotImplementedError

    async def acall(self, spec: Any, arguments: Any, *, state: Any = None, sample: int = 0) -> Details[bool]:
        await asyncio.sleep(0)
        return super().call(spec, arguments, state=state, sample=sample)


class Writer(Oracle):
    """A model that writes word by word."""

    words = ("A", " word", " more")

    def call(self, spec: Any, arguments: Any, *, state: Any = None, sample: int = 0) -> Details[Any]:
        if spec.name == "urgent":
            return super().call(spec, arguments, state=state, sample=sample)
        return Details("".join(self.words), self.name)

    async def stream(
        self, spec: Any, arguments: Any, *, state: Any = None, sample: int = 0, awaited: bool
    ) -> AsyncGenerator[str, None]:
        del spec, arguments, state, sample, awaited
        for word in self.words:
            yield word


def test_functions_that_the_brain_was_not_taught_are_the_models() -> None:
    one = built(model=Writer(), held_out=())
    made = sorter(one)
    assert made.summary("new 1") == "A word more"
    assert asyncio.run(made.summary.aio("new 1")) == "A word more"
    assert list(made.summary.stream("new 1")) == ["A", " word", " more"]
    assert one.stats.asked == one.stats.answered == 0
    assert list(made.urgent.stream("new 1")) == [right("new 1")]

    async def streamed() -> list[bool]:
        return [value async for value in made.urgent.aio.stream("new 1")]

    assert asyncio.run(streamed()) == [right("new 1")]
    assert one.stats.asked == 2


@pytest.mark.parametrize("model", [Oracle, Awaited])
def test_awaited_it_answers_as_called(model: Callable[[], Any]) -> None:
    messages = texts("new", 60)
    expected = [sorter(built()).urgent(message) for message in messages]

    async def answers() -> list[bool]:
        urgent = sorter(built(model=model())).urgent.aio
        return [*[await urgent(message) for message in messages[:20]], *await urgent.map(messages[20:])]

    assert asyncio.run(answers()) == expected


def test_many_threads_lose_no_count_and_no_answer(tmp_path: Path) -> None:
    one = built(held_out=(), recent=100, agreement=0.8, answers=tmp_path / "answers.jsonl", audit=0.1)
    messages = texts("new", 400)
    said = sorter(one).urgent.map(messages, concurrency=16)
    assert one.stats.answered + one.stats.asked == 400
    assert one.trust.threshold < 1
    assert sum(map(bool.__ne__, said, map(right, messages))) / 400 < 0.25
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == one.stats.asked


def test_the_models_answers_become_training_data(tmp_path: Path) -> None:
    brain = Unsteady()
    one = built(brain, answers=tmp_path / "answers.jsonl")
    messages = texts("new", 50)
    sorter(one).urgent.map(messages, concurrency=1)
    written = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    unsure = [message for message in messages if brain.sure(message) < one.trust.threshold]
    assert written == [
        {"text": text, "answer": right(text), "probabilities": [float(right(text)), 1.0 - right(text)], "source": "asked"}
        for text in unsure
    ]


def test_without_held_out_answers_the_first_ones_are_held_out() -> None:
    one = built(held_out=(), agreement=0.9, recent=60)
    urgent = sorter(one).urgent
    urgent.map(texts("new", 60), concurrency=1)
    assert (one.stats.asked, one.stats.answered) == (60, 0)
    assert one.trust.threshold == built(held_out=pairs("new", 60), agreement=0.9).trust.threshold
    urgent.map(texts("more", 100))
    assert one.stats.answered > 0


def test_when_inputs_change_trust_falls_and_is_won_back_on_the_models_new_answers() -> None:
    # Where inputs have shifted, the brain is as sure as before, and wrong unless it is very sure.
    brain = Unsteady(right_where=lambda text: not text.startswith("shifted") or brain.sure(text) > 0.8)
    one = built(brain, agreement=0.9, recent=100)
    assert lost(one, texts("new", 100)) == 0
    assert one.trust.threshold < 0.1
    assert one.stats.share > 0.9
    sorter(one).urgent.map(texts("shifted", 60))
    assert one.stats.alarms == 1
    assert one.trust.threshold == math.inf
    assert lost(one, texts("shifted again", 40)) == 0
    assert lost(one, texts("shifted more", 300)) <= 0.1
    assert one.trust.threshold > 0.7
    assert one.stats.alarms == 1


def test_the_guarantee_holds_again_after_a_change() -> None:
    losses = []
    for seed in range(60):
        one = built(agreement=0.8, held_out=pairs(f"held out {seed}", 100), recent=50, seed=seed)
        urgent = sorter(one).urgent
        changed = iter(texts(f"shifted {seed}", 400))
        while one.stats.alarms == 0 or one.trust.threshold == math.inf:
            urgent(next(changed))
        losses.append(lost(one, texts(f"shifted later {seed}", 20)))
    mean = sum(losses) / len(losses)
    assert mean <= 0.2 + 3 * math.sqrt(sum((loss - mean) ** 2 for loss in losses)) / len(losses)


def test_more_agreement_asks_more() -> None:
    levels = [built(agreement=agreement).trust.threshold for agreement in (0.5, 0.7, 0.9, 0.99)]
    assert all(lower <= higher for lower, higher in pairwise(levels))
    assert levels[0] < levels[-1]


def test_agreement_may_mean_nearly_the_same() -> None:
    held_out = pairs("held out", 100)
    assert (
        built(held_out=held_out, agrees=lambda one, other: isinstance(one, bool) == isinstance(other, bool)).trust.threshold < 0.1
    )

    def broken(one: Any, other: Any) -> bool:
        raise ZeroDivisionError(one, other)

    with pytest.raises(ZeroDivisionError):
        built(held_out=held_out, agrees=broken)


def test_where_the_model_fails_the_call_fails() -> None:
    brain, model = Unsteady(), Oracle(fails=lambda text: text == "new 7")
    one = built(brain, model, held_out=())
    with pytest.raises(BackendError, match="503"):
        sorter(one).urgent("new 7")
    with pytest.raises(BackendError, match="503"):
        asyncio.run(sorter(one).urgent.aio("new 7"))
    assert one.stats.asked == one.stats.answered == 0


def test_an_audit_gives_the_models_answer_and_where_the_model_fails_the_brains() -> None:
    brain = Unsteady(lambda _: 1.0)
    one = built(brain, audit=1.0)
    assert sorter(one).urgent.with_details("new 1").implementation == "model"
    assert (one.stats.audited, one.stats.audits_agreed, one.stats.answered) == (1, 1, 0)
    failing = built(brain, Oracle(fails=lambda _: True), audit=1.0)
    assert sorter(failing).urgent.with_details("new 1").implementation == "brain"
    assert asyncio.run(sorter(failing).urgent.aio.with_details("new 1")).implementation == "brain"
    assert (failing.stats.audited, failing.stats.answered) == (0, 2)


def test_a_model_without_its_key_is_missed_only_where_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    sure, unsure = Unsteady(lambda _: 1.0), Unsteady(lambda text: 0.0 if text == "new 1" else 1.0)
    for audit in (0.0, 1.0):
        urgent = sorter(built(sure, "openai:gpt-4o-mini", audit=audit)).urgent
        assert urgent.with_details("new 1").implementation == "brain"
        assert asyncio.run(urgent.aio.with_details("new 1")).implementation == "brain"
    urgent = sorter(built(unsure, "openai:gpt-4o-mini")).urgent
    with pytest.raises(MissingKeyError):
        urgent("new 1")
    with pytest.raises(MissingKeyError):
        asyncio.run(urgent.aio("new 1"))


class Stateless(Unsteady):
    """Was taught that of an object without a state."""

    def text(self, spec: Any, arguments: Any, state: Any) -> str:
        if state:
            message = "it knows no state"
            raise UntaughtError(message)
        return super().text(spec, arguments, state)


def test_calls_on_objects_that_the_brain_was_not_taught_are_the_models() -> None:
    one = built(Stateless(lambda _: 1.0))
    made = sorter(one)
    assert made.urgent.with_details("new 1").implementation == "brain"
    made.customer = "Ada"
    assert made.urgent.with_details("new 1").implementation == "model"
    assert asyncio.run(made.urgent.aio.with_details("new 1")).implementation == "model"
    assert list(made.urgent.stream("new 1")) == [right("new 1")]
    assert (one.stats.answered, one.stats.asked) == (1, 0)


def test_within_use_model_it_does_not_ask_itself() -> None:
    one = built()
    plain = sorter(Oracle())
    with use_model(one):
        assert {detail.implementation for detail in plain.urgent.map_details(texts("new", 30))} == {"brain", "model"}


def test_a_model_is_named_as_everywhere() -> None:
    assert cascade(Unsteady(), "local").name == "cascade(brain, local)"
    with pytest.raises(ModelNameError):
        cascade(Unsteady(), "lokal")
    with pytest.raises(ArgumentError, match="5 held-out answers are too few"):
        built(held_out=pairs("held out", 5))


def test_the_trace_tells_who_answered_and_how_sure_the_brain_was(tmp_path: Path) -> None:
    brain = Unsteady()
    one = built(brain)
    with record(tmp_path):
        sorter(one).urgent.map(texts("new", 20), concurrency=1)
    told = [found.attributes for found in read_spans(tmp_path) if found.name == "cascade"]
    assert [attributes["llm_brain.confidence"] for attributes in told] == [brain.sure(text) for text in texts("new", 20)]
    assert Counter(attributes["llm_brain.implementation"] for attributes in told) == {
        "brain": one.stats.answered,
        "model": one.stats.asked,
    }
    assert {attributes["llm_brain.reason"] for attributes in told} == {"sure", "unsure"}


def test_the_trace_tells_that_the_brain_answered_where_an_audit_failed(tmp_path: Path) -> None:
    with record(tmp_path):
        sorter(built(Unsteady(lambda _: 1.0), Oracle(fails=lambda _: True), audit=1.0)).urgent("new 1")
    (told,) = (found.attributes for found in read_spans(tmp_path) if found.name == "cascade")
    assert (told["llm_brain.implementation"], told["llm_brain.reason"]) == ("brain", "sure")
