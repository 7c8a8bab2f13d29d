"""What is kept of an answer, and what those are told who wait for another caller's."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import (
    Attempt,
    CachedBackend,
    CacheWarning,
    Choice,
    LanguageBackend,
    Message,
    Recorder,
    Reply,
    Request,
    Sampling,
    Usage,
)
from llm_brain.backends.cache.forms import OF_THE_CALL, choice_of, reply_of, told
from llm_brain.backends.cache.keeping import KeepingLayer
from llm_brain.backends.cache.patience import BusyError, in_thread_of_its_own, patiently
from llm_brain.tracing import keep_secret

HELLO = Request((Message("user", "Hello?"),))
FULL_REPLY = Reply(
    "42",
    "stop",
    "served",
    Usage(100, 20, 50, 30),
    latency=1.5,
    failed=(Attempt("busy", "server", 503),),
    notes=("no event closed the stream",),
)
FULL_CHOICE = Choice(
    "yes",
    (0.75, 0.25),
    "served",
    Usage(7, 1, 2, 3),
    latency=0.5,
    failed=(Attempt("busy", "server", 503),),
    notes=("another model answered",),
)

texts = st.text(max_size=9) | st.just("\ud800")
usages = st.none() | st.builds(Usage, *[st.integers(0, 10**12)] * 4)
replies = st.builds(Reply, texts, texts, texts, usages, notes=st.lists(texts, max_size=2).map(tuple))
odds = st.none() | st.lists(st.floats(allow_nan=False), min_size=1, max_size=4).map(tuple)
choices = st.builds(Choice, texts, odds, texts, usages)


@given(replies)
def test_a_reply_is_read_as_it_was_written(reply: Reply) -> None:
    assert reply_of(json.loads(json.dumps(told(reply)))) == replace(reply, cached=True)


@given(choices)
def test_a_choice_is_read_as_it_was_written(choice: Choice) -> None:
    assert choice_of(json.loads(json.dumps(told(choice)))) == replace(choice, cached=True)


@pytest.mark.parametrize(("answer", "read"), [(FULL_REPLY, reply_of), (FULL_CHOICE, choice_of)])
def test_every_field_is_either_kept_or_left_to_the_call(answer: Any, read: Callable[[Any], Any]) -> None:
    # A new field has to be decided on: it fails here until it is kept, or one of those that belong to the call.
    found = read(json.loads(json.dumps(told(answer))))
    for field in fields(answer):
        value = getattr(answer, field.name)
        if field.name in OF_THE_CALL:
            assert field.name not in told(answer)
            assert getattr(found, field.name) == (True if field.name == "cached" else field.default)
        else:
            assert value != field.default
            assert getattr(found, field.name) == value
    assert found.usage == answer.usage


def test_what_is_empty_is_not_written() -> None:
    assert told(Reply("", "stop", "m")) == {"text": "", "finish_reason": "stop", "model": "m"}
    assert told(Choice("yes", None, "m", Usage(0, 0)))["usage"] == {"input_tokens": 0, "output_tokens": 0}


class Model(LanguageBackend):
    """Answers what it is to answer, when it may."""

    model_id = "m"

    def __init__(self, reply: Reply = FULL_REPLY) -> None:
        self.reply = reply
        self.asked = 0
        self.gate: threading.Event | None = None

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        assert isinstance(request, Request)
        self.asked += 1
        if self.gate is not None:
            self.gate.wait(10)
        return self.reply

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        assert isinstance(request, Request)
        return replace(FULL_CHOICE, option=options[0])


@pytest.fixture(params=["cache", "recording"])
def layers(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    opened: list[CachedBackend] = []

    def make(model: LanguageBackend) -> KeepingLayer:
        if request.param == "recording":
            return Recorder(model, tmp_path / "answers.jsonl")
        opened.append(CachedBackend(model, tmp_path / "answers.sqlite"))
        return opened[-1]

    yield make
    for layer in opened:
        layer.close()


def test_a_kept_answer_tells_what_the_model_said_and_not_how_its_call_went(layers: Any) -> None:
    layer = layers(Model())
    assert layer.chat_completion(HELLO) == FULL_REPLY
    assert layer.choose_from_options(HELLO, ["yes", "no"]) == FULL_CHOICE
    expected = replace(FULL_REPLY, cached=True, latency=None, failed=())
    for again in (layer, layers(Model(Reply("another", "stop", "m")))):
        found = again.chat_completion(HELLO)
        assert (found, found.latency) == (expected, None)
        assert list(again.stream(HELLO)) == ["42", expected]
        assert again.choose_from_options(HELLO, ["yes", "no"]) == replace(FULL_CHOICE, cached=True, latency=None, failed=())


def test_those_who_wait_for_anothers_call_are_told_what_a_kept_answer_tells(layers: Any) -> None:
    model = Model()
    model.gate = threading.Event()
    layer = layers(model)
    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(layer.chat_completion, HELLO) for _ in range(3)]
        while not model.asked:
            time.sleep(0.001)
        time.sleep(0.05)
        model.gate.set()
        found = sorted((one.result(10) for one in asking), key=lambda reply: reply.cached)
    assert model.asked == 1
    assert found == [FULL_REPLY, *[replace(FULL_REPLY, cached=True, latency=None, failed=())] * 2]
    assert [reply.latency for reply in found] == [1.5, None, None]


def test_streams_of_the_same_question_wait_for_nobody_and_the_next_one_costs_nothing(layers: Any) -> None:
    class Streaming(Model):
        def stream(self, request: Request) -> Generator[str | Reply, None, None]:
            yield from "42"
            yield self.chat_completion(request)

    model = Streaming()
    layer = layers(model)
    with closing(layer.stream(HELLO)) as one, closing(layer.stream(HELLO)) as other:
        # The same reader goes through both by turns: if one waited for the other, it would wait for ever.
        pieces = list(zip(one, other, strict=True))
    assert pieces == [("4", "4"), ("2", "2"), (FULL_REPLY, FULL_REPLY)]
    assert model.asked == 2
    assert list(layer.stream(HELLO))[-1].cached
    assert model.asked == 2


def test_an_answer_in_which_a_key_stands_is_given_but_not_written_to_the_cache(tmp_path: Path) -> None:
    key = "Zq7-hT2_mV9xLk3R"
    keep_secret(key)
    layer = CachedBackend(Model(Reply(f"Your key is {key}.", "stop", "m")), tmp_path / "answers.sqlite")
    with pytest.warns(CacheWarning, match="looks like a key"):
        replies = [layer.chat_completion(HELLO) for _ in range(2)]
    assert [reply.text for reply in replies] == [f"Your key is {key}."] * 2
    assert [reply.cached for reply in replies] == [False, False]
    layer.close()
    assert not any(key.encode() in file.read_bytes() for file in tmp_path.iterdir())


def test_a_prompt_is_not_written_to_the_cache(tmp_path: Path) -> None:
    layer = CachedBackend(Model(), tmp_path / "answers.sqlite")
    layer.chat_completion(Request((Message("user", "a very private question"),)))
    layer.close()
    assert not any(b"private" in file.read_bytes() for file in tmp_path.iterdir())


def test_an_answer_that_is_no_json_is_given_but_not_kept(tmp_path: Path) -> None:
    layer = CachedBackend(Model(Reply("42", object(), "m")), tmp_path / "answers.sqlite")  # type: ignore[arg-type]
    with pytest.warns(CacheWarning, match="JSON"):
        assert [layer.chat_completion(HELLO).text for _ in range(2)] == ["42", "42"]
    layer.close()


def test_a_hit_takes_less_than_a_hundred_microseconds(tmp_path: Path) -> None:
    properties = {f"field_{n}": {"type": "string", "description": f"The field number {n} of the answer"} for n in range(8)}
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    asked = Request((Message("system", "Judge it. " * 50), Message("user", "What a day! " * 125)), Sampling(), schema)
    layer = CachedBackend(Model(replace(FULL_REPLY, text="x" * 400)), tmp_path / "answers.sqlite")
    layer.chat_completion(asked)
    best = float("inf")
    for _ in range(50):
        began = time.process_time()
        for _ in range(50):
            assert layer.chat_completion(asked).cached
        best = min(best, (time.process_time() - began) / 50)
    layer.close()
    assert best < 100e-6


class Stuck(KeepingLayer):
    """Keeps answers in memory, where somebody is in the way of whoever is not patient."""

    def __init__(self, backend: LanguageBackend) -> None:
        super().__init__(backend)
        self.answers: dict[str, Any] = {}
        self.threads: set[str] = set()

    def key(self, question: Any) -> str:
        return repr(question)

    def kept(self, key: str, *, patient: bool) -> Any:
        self._wait(patient)
        return self.answers.get(key)

    def keep(self, key: str, question: Any, answer: Any, *, patient: bool) -> None:
        assert question.kind in repr(question)
        self._wait(patient)
        self.answers[key] = answer

    def _wait(self, patient: bool) -> None:
        if not patient:
            raise BusyError
        self.threads.add(threading.current_thread().name)


def test_whoever_awaits_has_a_thread_wait_and_whoever_blocks_waits() -> None:
    blocking, awaited = Stuck(Model()), Stuck(Model())
    here = threading.current_thread().name
    assert [blocking.chat_completion(HELLO).cached for _ in range(2)] == [False, True]
    assert blocking.threads == {here}

    async def main() -> list[bool]:
        return [(await awaited.achat_completion(HELLO)).cached for _ in range(2)]

    assert asyncio.run(main()) == [False, True]
    assert here not in awaited.threads


def test_what_goes_wrong_in_a_thread_of_its_own_is_raised_where_it_is_waited_for() -> None:
    future: Future[int] = in_thread_of_its_own(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        future.result(10)


def test_patience_has_an_end() -> None:
    tried: list[float] = []

    def attempt() -> None:
        tried.append(time.monotonic())
        raise BusyError

    with pytest.raises(BusyError):
        patiently(attempt, 0.2)
    assert tried[-1] - tried[0] >= 0.15
    assert len(tried) > 2
    with pytest.raises(BusyError):
        patiently(attempt, 0.0)
