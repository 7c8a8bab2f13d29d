"""Layers do the same for blocking, awaited and streamed calls: spans, counts, kept answers, and one flight for all."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_brain.backends import (
    CachedBackend,
    Choice,
    LanguageBackend,
    Layer,
    LocalBackend,
    Message,
    OpenAIBackend,
    Reply,
    Request,
    Sampling,
    TracedBackend,
    Usage,
)
from llm_brain.backends.portal import in_thread, portal
from llm_brain.errors import BackendError
from llm_brain.tracing import SpanRecord, names, read_spans, record, span

HELLO = Request((Message("user", "Hello?"),))


class Model(LanguageBackend):
    """Answers natively both ways; remembers what was asked, and which streams were closed."""

    model_id = "m-1"
    context_length = 512
    choice_form = "completion"
    enforces_schema = True

    def __init__(self, *words: str, fault: BackendError | None = None) -> None:
        self.words = words or ("Hel", "lo")
        self.fault = fault
        self.asked: list[str] = []
        self.closed = 0
        self.gate: threading.Event | None = None

    @property
    def identity(self) -> str:
        return "here"

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        self._note("chat")
        if self.gate is not None:
            self.gate.wait(10)
        return self._reply(request)

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        assert isinstance(request, Request)
        self._note("choose")
        return Choice(options[0], (1.0, *[0.0] * (len(options) - 1)), "served")

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        self._note("stream")
        try:
            yield from self.words
            yield self._reply(request)
        finally:
            self.closed += 1

    async def achat_completion(self, request: Request) -> Reply:
        self._note("achat")
        if self.gate is not None:
            await in_thread(self.gate.wait, 10)
        return self._reply(request)

    async def achoose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        self._note("achoose")
        return replace(self.choose_from_options(request, options))

    async def astream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
        self._note("astream")
        try:
            for word in self.words:
                await asyncio.sleep(0)
                yield word
            yield self._reply(request)
        finally:
            self.closed += 1

    def _note(self, how: str) -> None:
        self.asked.append(how)

    def _reply(self, request: Request) -> Reply:
        assert isinstance(request, Request)
        if self.fault is not None:
            raise self.fault
        return Reply("".join(self.words), "stop", "served", Usage(12, 3))


def blocking(model: LanguageBackend) -> list[str | Reply]:
    return list(model.stream(HELLO))


def awaited(model: LanguageBackend) -> list[str | Reply]:
    async def main() -> list[str | Reply]:
        async with aclosing(model.astream(HELLO)) as pieces:
            return [piece async for piece in pieces]

    return asyncio.run(main())


def leave_blocking(model: LanguageBackend) -> None:
    with closing(model.stream(HELLO)) as pieces:
        next(pieces)


def leave_awaited(model: LanguageBackend) -> None:
    async def main() -> None:
        async with aclosing(model.astream(HELLO)) as pieces:
            await anext(pieces)

    asyncio.run(main())


both = pytest.mark.parametrize("stream", [blocking, awaited])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


@pytest.fixture
def layers(path: Path) -> Iterator[Callable[[LanguageBackend], TracedBackend]]:
    opened: list[CachedBackend] = []

    def make(model: LanguageBackend) -> TracedBackend:
        opened.append(CachedBackend(model, path))
        return TracedBackend(opened[-1])

    yield make
    for layer in opened:
        layer.close()


def by_name(folder: Path) -> dict[str, SpanRecord]:
    return {one.name: one for one in read_spans(folder)}


def test_a_layer_that_changes_nothing_passes_every_kind_of_call_on_as_it_came() -> None:
    model = Model()
    layer = Layer(Layer(model))
    assert (
        layer.chat_completion(HELLO)
        == asyncio.run(layer.achat_completion(HELLO))
        == Reply("Hello", "stop", "served", Usage(12, 3))
    )
    assert layer.choose_from_options(HELLO, ["a", "b"]) == asyncio.run(layer.achoose_from_options(HELLO, ["a", "b"]))
    assert blocking(layer) == awaited(layer) == ["Hel", "lo", layer.chat_completion(HELLO)]
    assert [how for how in model.asked if how != "choose"] == ["chat", "achat", "achoose", "stream", "astream", "chat"]
    assert (layer.model_id, layer.identity, layer.context_length) == ("m-1", "here", 512)
    assert (layer.choice_form, layer.enforces_schema) == ("completion", True)


def test_awaited_calls_are_spans_like_blocking_ones(tmp_path: Path) -> None:
    model = TracedBackend(Model())

    async def main() -> None:
        with span("outer"):
            await model.achat_completion(HELLO)
            await model.achoose_from_options(HELLO, ["a", "b"])

    with record(tmp_path):
        asyncio.run(main())
        model.chat_completion(HELLO)
        model.choose_from_options(HELLO, ["a", "b"])
    outer, *others = sorted(read_spans(tmp_path), key=lambda one: one.start_ns)
    assert [one.name for one in others] == ["chat m-1", "choose m-1", "chat m-1", "choose m-1"]
    assert [one.parent_id for one in others] == [outer.span_id, outer.span_id, None, None]
    assert others[0].attributes == others[2].attributes
    assert others[1].attributes == others[3].attributes
    assert (model.calls, model.cached_calls) == (4, 0)


@both
def test_a_stream_is_one_span_from_its_beginning_to_its_last_piece(tmp_path: Path, stream: Any) -> None:
    class Slow(Model):
        def stream(self, request: Request) -> Generator[str | Reply, None, None]:
            for piece in super().stream(request):
                time.sleep(0.02)
                yield piece

        async def astream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
            async for piece in super().astream(request):
                await asyncio.sleep(0.02)
                yield piece

    model = TracedBackend(Slow())
    with record(tmp_path), span("outer"):
        stream(model)
    spans = by_name(tmp_path)
    one, outer = spans["chat m-1"], spans["outer"]
    assert (one.status, one.parent_id) == ("ok", outer.span_id)
    assert one.attributes[names.INPUT_TOKENS] == 12
    assert one.attributes[names.RESPONSE_FINISH_REASONS] == ["stop"]
    assert "Hello" in str(one.attributes[names.OUTPUT_MESSAGES])
    assert one.end_ns - one.start_ns > 50_000_000
    assert outer.start_ns <= one.start_ns
    assert one.end_ns <= outer.end_ns
    assert (model.calls, model.cached_calls) == (1, 0)


def test_what_a_caller_does_between_pieces_is_no_part_of_the_call(tmp_path: Path) -> None:
    model = TracedBackend(Model())

    async def main() -> None:
        async with aclosing(model.astream(HELLO)) as pieces:
            async for _ in pieces:
                with span("mine, awaited"):
                    await asyncio.sleep(0)

    with record(tmp_path):
        with span("outer"):
            for _ in model.stream(HELLO):
                with span("mine"):
                    pass
            asyncio.run(main())
    spans = list(read_spans(tmp_path))
    (outer,) = (one for one in spans if one.name == "outer")
    assert len(spans) == 1 + 2 + 3 + 3
    assert {one.parent_id for one in spans if one is not outer} == {outer.span_id}


def test_spans_inside_of_a_stream_are_its_children(tmp_path: Path) -> None:
    class Inner(Model):
        def stream(self, request: Request) -> Generator[str | Reply, None, None]:
            for piece in super().stream(request):
                with span("inner"):
                    pass
                yield piece

        async def astream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
            async for piece in super().astream(request):
                with span("inner"):
                    await asyncio.sleep(0)
                yield piece

    model = TracedBackend(Inner())
    with record(tmp_path):
        blocking(model)
        awaited(model)
    spans = list(read_spans(tmp_path))
    calls = {one.span_id for one in spans if one.name == "chat m-1"}
    assert len(calls) == 2
    assert {one.parent_id for one in spans if one.name == "inner"} == calls


@pytest.mark.parametrize("leave", [leave_blocking, leave_awaited])
def test_a_stream_that_is_left_ends_its_span_without_an_error_and_closes_what_is_inside(
    tmp_path: Path, layers: Any, leave: Any
) -> None:
    model = Model()
    layer = layers(model)
    with record(tmp_path / "run"):
        leave(layer)
    (one,) = read_spans(tmp_path / "run")
    assert one.status == "ok"
    assert names.OUTPUT_MESSAGES not in one.attributes
    assert model.closed == 1
    assert layer.calls == 1


@both
def test_a_stream_that_fails_is_a_span_with_its_kind(tmp_path: Path, stream: Any) -> None:
    model = TracedBackend(Model(fault=BackendError("cut", kind="incomplete", raw="Hello")))
    with record(tmp_path), pytest.raises(BackendError, match="cut"):
        stream(model)
    (one,) = read_spans(tmp_path)
    assert (one.status, one.attributes[names.FAULT]) == ("error", "incomplete")
    assert model.calls == 1


def test_a_stream_that_never_begins_is_neither_asked_nor_told(tmp_path: Path, layers: Any) -> None:
    model = Model()
    layer = layers(model)
    with record(tmp_path / "run"):
        layer.stream(HELLO).close()
        asyncio.run(layer.astream(HELLO).aclose())
    assert not (tmp_path / "run").exists()
    assert (model.asked, layer.calls) == ([], 0)


def test_streams_that_are_mixed_keep_their_spans_apart(tmp_path: Path) -> None:
    model = TracedBackend(Model())
    with record(tmp_path):
        with span("first"):
            one = model.stream(HELLO)
            next(one)
        with span("second"):
            other = model.stream(HELLO)
            next(other)
            list(one)
        list(other)
    spans = list(read_spans(tmp_path))
    parents = {one.span_id: one.name for one in spans}
    assert sorted(parents[one.parent_id] for one in spans if one.parent_id) == ["first", "second"]


@both
@pytest.mark.parametrize("first", [blocking, awaited])
def test_a_streamed_reply_is_kept_and_comes_again_as_one_piece(layers: Any, first: Any, stream: Any) -> None:
    model = Model()
    layer = layers(model)
    *pieces, reply = first(layer)
    assert pieces == ["Hel", "lo"]
    assert stream(layer) == ["Hello", replace(reply, cached=True)]
    assert layer.chat_completion(HELLO) == asyncio.run(layer.achat_completion(HELLO)) == replace(reply, cached=True)
    assert len(model.asked) == 1
    assert (layer.calls, layer.cached_calls) == (1, 3)


@both
def test_a_reply_that_came_whole_is_streamed_from_the_file(layers: Any, stream: Any) -> None:
    model = Model()
    layer = layers(model)
    reply = layer.chat_completion(HELLO)
    assert stream(layer) == ["Hello", replace(reply, cached=True)]
    assert model.asked == ["chat"]


@pytest.mark.parametrize("leave", [leave_blocking, leave_awaited])
def test_a_stream_that_was_left_is_never_kept(layers: Any, leave: Any) -> None:
    model = Model()
    layer = layers(model)
    leave(layer)
    assert not layer.chat_completion(HELLO).cached


@both
def test_a_stream_that_failed_is_never_kept(layers: Any, stream: Any) -> None:
    model = Model(fault=BackendError("cut", kind="incomplete"))
    layer = layers(model)
    with pytest.raises(BackendError):
        stream(layer)
    model.fault = None
    assert not layer.chat_completion(HELLO).cached


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    assert condition()


def test_threads_and_tasks_that_ask_the_same_at_once_cost_one_call(path: Path) -> None:
    model = Model()
    model.gate = threading.Event()
    layer = CachedBackend(model, path)

    async def tasks() -> list[Reply]:
        return await asyncio.gather(*(layer.achat_completion(HELLO) for _ in range(5)))

    with ThreadPoolExecutor(6) as pool:
        loops = [pool.submit(asyncio.run, tasks()) for _ in range(3)]
        threads = [pool.submit(layer.chat_completion, HELLO) for _ in range(3)]
        until(lambda: model.asked)
        time.sleep(0.05)
        model.gate.set()
        replies = [reply for loop in loops for reply in loop.result(10)] + [thread.result(10) for thread in threads]
    layer.close()
    assert len(model.asked) == 1
    assert sorted(reply.cached for reply in replies) == [False] + [True] * 17
    assert {reply.text for reply in replies} == {"Hello"}


def test_awaited_choices_that_are_the_same_cost_one_call_and_are_kept(path: Path) -> None:
    model = Model()
    layer = CachedBackend(model, path)

    async def main() -> list[Choice]:
        return await asyncio.gather(*(layer.achoose_from_options(HELLO, ["a", "b"]) for _ in range(5)))

    assert sorted(choice.cached for choice in asyncio.run(main())) == [False] + [True] * 4
    assert layer.choose_from_options(HELLO, ["a", "b"]).cached
    layer.close()


def test_tasks_that_wait_on_a_call_that_fails_are_told_so(path: Path) -> None:
    model = Model(fault=BackendError("busy", kind="server"))
    model.gate = threading.Event()
    layer = CachedBackend(model, path)

    async def main() -> list[Reply | BaseException]:
        waiting = [asyncio.create_task(layer.achat_completion(HELLO)) for _ in range(4)]
        await asyncio.sleep(0.05)
        assert model.gate is not None
        model.gate.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    outcomes = asyncio.run(main())
    layer.close()
    assert [getattr(outcome, "kind", None) for outcome in outcomes] == ["server"] * 4
    assert len(model.asked) == 1


def test_when_the_one_who_asks_is_cancelled_another_one_asks(path: Path) -> None:
    model = Model()
    model.gate = threading.Event()
    layer = CachedBackend(model, path)

    async def main() -> list[Reply]:
        leader, *others = [asyncio.create_task(layer.achat_completion(HELLO)) for _ in range(4)]
        await asyncio.sleep(0.05)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert model.gate is not None
        model.gate.set()
        return await asyncio.gather(*others)

    replies = asyncio.run(main())
    layer.close()
    assert sorted(reply.cached for reply in replies) == [False, True, True]
    assert len(model.asked) == 2


def test_when_one_who_waits_is_cancelled_the_others_are_answered(path: Path) -> None:
    model = Model()
    model.gate = threading.Event()
    layer = CachedBackend(model, path)

    async def main() -> list[Reply]:
        leader, cancelled, other = [asyncio.create_task(layer.achat_completion(HELLO)) for _ in range(3)]
        await asyncio.sleep(0.05)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert model.gate is not None
        model.gate.set()
        return list(await asyncio.gather(leader, other))

    assert [reply.cached for reply in asyncio.run(main())] == [False, True]
    layer.close()
    assert len(model.asked) == 1


def soon(call: Callable[[], Any]) -> Any:
    """Call in a thread that nobody waits for, so that a deadlock fails this test and does not stop all of them."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()
    thread.join(10)
    assert results, "it waits for itself"
    return results[0]


@pytest.mark.parametrize("run", [asyncio.run, portal().run])
@pytest.mark.parametrize("within", ["blocking", "in the portal"])
def test_a_blocking_call_does_not_wait_for_a_task_of_the_loop_that_it_blocks(path: Path, run: Any, within: str) -> None:
    model = Model()
    gate = model.gate = threading.Event()
    layer = CachedBackend(model, path)

    async def main() -> list[str]:
        leader = asyncio.create_task(layer.achat_completion(HELLO))
        await asyncio.sleep(0.01)
        assert model.asked
        threading.Timer(0.1, gate.set).start()
        asked = layer.chat_completion(HELLO) if within == "blocking" else portal().run(layer.achat_completion(HELLO))
        return [asked.text, (await leader).text]

    assert soon(lambda: run(main())) == ["Hello", "Hello"]
    layer.close()
    assert len(model.asked) == 2


def completion(text: str) -> dict[str, Any]:
    return {"model": "m", "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


def test_event_loops_of_the_users_own_come_and_go_with_one_backend(wires: Any, layers: Any) -> None:
    wires.play = lambda wire: wire.reply(completion(wire.body["messages"][0]["content"]))
    model = layers(OpenAIBackend("m", base_url=wires.url, retries=0))

    async def main(n: int) -> list[str]:
        asked = [Request((Message("user", f"{n} {i}"),)) for i in range(4)]
        return [reply.text for reply in await asyncio.gather(*map(model.achat_completion, asked))]

    for n in range(3):
        assert asyncio.run(main(n)) == [f"{n} {i}" for i in range(4)]
        assert model.chat_completion(HELLO).text == "Hello?"
    assert (model.calls, model.cached_calls) == (13, 2)


def test_two_hundred_calls_are_in_flight_through_all_layers(wires: Any, layers: Any, tmp_path: Path) -> None:
    meeting = threading.Barrier(200, timeout=30)

    def play(wire: Any) -> None:
        meeting.wait()
        wire.reply(completion(wire.body["messages"][0]["content"]))

    wires.play = play
    model = layers(OpenAIBackend("m", base_url=wires.url, retries=0))
    asked = [Request((Message("user", f"n{n}"),)) for n in range(200)]

    async def main() -> list[Reply]:
        replies: list[Reply] = await asyncio.gather(*map(model.achat_completion, asked))
        return replies

    with record(tmp_path / "run"):
        assert [reply.text for reply in portal().run(main())] == [f"n{n}" for n in range(200)]
    assert len({one.span_id for one in read_spans(tmp_path / "run") if one.status == "ok"}) == 200
    assert all(model.chat_completion(request).cached for request in asked)


def test_a_thousand_calls_that_often_fail_are_all_accounted_for(path: Path, tmp_path: Path) -> None:
    class Moody(Model):
        async def achat_completion(self, request: Request) -> Reply:
            await asyncio.sleep(0)
            if request.sample % 10 < 3:
                raise BackendError("busy", kind="server", retryable=True)
            return Reply(f"n{request.sample}", "stop", "m")

    cached = CachedBackend(Moody(), path)
    layer = TracedBackend(cached)
    slots = asyncio.Semaphore(16)

    async def one(n: int) -> str:
        async with slots:
            return (await layer.achat_completion(replace(HELLO, sample=n))).text

    async def main() -> list[str | BaseException]:
        outcomes = await asyncio.gather(*map(one, range(1000)), return_exceptions=True)
        assert len(asyncio.all_tasks()) == 1
        return outcomes

    with record(tmp_path / "run"):
        outcomes = asyncio.run(main())
    cached.close()
    assert [outcome if isinstance(outcome, str) else getattr(outcome, "kind", None) for outcome in outcomes] == [
        "server" if n % 10 < 3 else f"n{n}" for n in range(1000)
    ]
    assert [one.status for one in read_spans(tmp_path / "run")].count("error") == 300
    assert layer.calls == 1000


def test_a_local_model_streams_what_it_would_have_said_at_once(tiny: LocalBackend) -> None:
    asked = Request((Message("user", "Hi"),), Sampling(max_tokens=12))
    whole = tiny.chat_completion(asked)

    async def main() -> list[str | Reply]:
        return [piece async for piece in tiny.astream(asked)]

    for pieces in (list(tiny.stream(asked)), asyncio.run(main())):
        assert pieces[-1] == whole
        assert "".join(piece for piece in pieces if isinstance(piece, str)) == whole.text


def test_a_local_model_answers_blocking_and_awaited_calls_in_the_same_batches(tiny: LocalBackend) -> None:
    asked = [Request((Message("user", f"Hi {n}"),), Sampling(max_tokens=4)) for n in range(6)]
    expected = [tiny.chat_completion(request).text for request in asked]

    async def main() -> list[str]:
        return [reply.text for reply in await asyncio.gather(*map(tiny.achat_completion, asked))]

    with ThreadPoolExecutor(6) as pool:
        blocking_replies = pool.map(tiny.chat_completion, asked)
        assert asyncio.run(main()) == expected
        assert [reply.text for reply in blocking_replies] == expected


def test_a_local_stream_that_is_left_disturbs_nobody(tiny: LocalBackend) -> None:
    asked = Request((Message("user", "Hi"),), Sampling(max_tokens=12))
    leave_blocking(_asking(tiny, asked))
    leave_awaited(_asking(tiny, asked))
    assert tiny.chat_completion(asked).text


def _asking(model: LanguageBackend, asked: Request) -> LanguageBackend:
    class Asking(Layer):
        def around_stream(self, request: Request, inner: Any) -> AsyncGenerator[str | Reply, None]:
            assert isinstance(request, Request)
            stream: AsyncGenerator[str | Reply, None] = inner.stream(asked)
            return stream

    return Asking(model)
