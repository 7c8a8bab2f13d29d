"""Streams that break: such a reply is never taken for a whole one, is asked for again, and is not given twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_brain.attempts import FaultKind
from tests.backends.faults.playing import RETRIES, Case, Played, ask, every, play_all
from tests.backends.faults.promises import check_always
from tests.servers import acts
from tests.servers.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect
from tests.servers.faulty import Act, FaultyServer, Wire

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


def said(dialect: Dialect, *pieces: str) -> list[bytes]:
    """Return the events of a reply up to its last word, without any end."""
    events = dialect.events(*pieces, end=None, closed=False)
    return events if dialect is OPENAI else events[:-1]


def begun(*then: bytes, end: str = "end") -> Callable[[Dialect], Act]:
    """Say the first words of a story and go on in this way."""
    return lambda dialect: acts.streams(*said(dialect, "Once upon", " a ti"), *then, then=end)


def begun_with(then: Callable[[Dialect], bytes], end: str = "end") -> Callable[[Dialect], Act]:
    return lambda dialect: begun(then(dialect), end=end)(dialect)


def bad_chunk(dialect: Dialect) -> Act:
    async def act(wire: Wire) -> None:
        await wire.begin_events()
        await wire.chunk(b"".join(said(dialect, "Once upon", " a ti")))
        await asyncio.sleep(0.05)
        await wire.send(b"zz\r\n")
        wire.close()

    return act


def died(data: bytes, name: bytes = b"event: error\n") -> Callable[[Dialect], bytes]:
    """Say that something is wrong without the dialect's own words, and go on to the end as if nothing were."""
    return lambda dialect: (
        name + b"data: " + data + b"\n\n" + b"".join(dialect.events("me")[-4 if dialect is ANTHROPIC else -3 :])
    )


def streamed(name: str, act: Callable[[Dialect], Act], kinds: FaultKind | set[FaultKind] = "incomplete", words: str = "") -> Case:
    return Case(name, act, kinds, words=words, modes=("streamed",))


BROKEN = [
    streamed("cut", begun(end="close")),
    streamed("reset", begun(end="reset")),
    streamed("ended", begun()),
    streamed("closed", begun_with(lambda dialect: dialect.ending.encode())),
    streamed("error", begun_with(lambda dialect: dialect.error_event("the model died")), words="the model died"),
    streamed("error-and-cut", begun_with(lambda dialect: dialect.error_event("the model died"), "close"), words="the model died"),
    streamed("no-json", begun_with(lambda dialect: b'data: {"id": "c1", "choi\n\n' + b"".join(dialect.events("me")[-2:]))),
    streamed("page", begun(b"data: <html>\n\n")),
    streamed("not-utf-8", begun(b'data: {"id": "\xff"}\n\n')),
    streamed("deep", begun(b"data: " + b"[" * 100_000 + b"\n\n")),
    streamed("bad-chunk", bad_chunk),
    streamed("named-error", begun_with(died(b'{"message": "the model died", "code": 500}')), words="the model died"),
    streamed("named-error-in-words", begun_with(died(b"the model died")), words="the model died"),
    streamed("named-error-without-words", begun_with(died(b""))),
    streamed("bare-error", begun_with(died(b'{"message": "the model died", "code": 500}', name=b"")), words="the model died"),
    streamed("begun-again", begun_with(lambda dialect: b"".join(dialect.events("Once upon", " a time")))),
    streamed("begun-again-otherwise", begun_with(lambda dialect: b"".join(dialect.events("No", " way", id="c2")))),
    streamed("another-id", begun_with(lambda dialect: b"".join(dialect.events("No", " way", id="c2")[dialect is OPENAI :]))),
]
NOTHING: set[FaultKind] = {"incomplete", "protocol", "connection", "empty"}
WORDLESS = [
    streamed("nothing", lambda _: acts.streams(), NOTHING),
    streamed("comments", lambda _: acts.streams(b": hello\n\n"), NOTHING),
    streamed("only-closing", lambda dialect: acts.streams(dialect.ending.encode()), NOTHING),
    streamed("cut-before", lambda dialect: acts.streams(*said(dialect), then="close"), NOTHING),
    streamed("reset-before", lambda dialect: acts.streams(*said(dialect), then="reset"), NOTHING),
    streamed("error-before", lambda dialect: acts.streams(dialect.error_event("the model died")), "server", "the model died"),
    streamed("page-instead", lambda _: acts.streams(b"<html><body>Bad gateway</body></html>"), "protocol"),
    streamed("list", lambda _: acts.streams(b"data: []\n\n"), "protocol"),
    streamed("null", lambda _: acts.streams(b"data: null\n\n"), "protocol"),
]


@pytest.fixture(scope="module")
def broken(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, BROKEN, tmp_path_factory.mktemp("broken"))


@pytest.fixture(scope="module")
def wordless(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, WORDLESS, tmp_path_factory.mktemp("wordless"))


@pytest.fixture(scope="module")
def mended(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, [*BROKEN, *WORDLESS], tmp_path_factory.mktemp("mended"), then_well=True)


@pytest.mark.parametrize("name", every(BROKEN))
def test_a_reply_that_breaks_off_is_asked_for_again_and_told_with_what_had_come(broken: Played, name: str) -> None:
    case, _, mode = every(BROKEN)[name]
    outcome = broken.of(name)
    check_always(outcome)
    fault = outcome.fault
    assert fault.kind in case.allowed(mode)
    assert (fault.raw, fault.retryable, len(outcome.requests)) == ("Once upon a ti", True, 1 + RETRIES)
    assert case.words in str(fault)
    assert [attempt.perhaps_billed for attempt in fault.attempts] == [True] * 3


@pytest.mark.parametrize("name", every(WORDLESS))
def test_a_stream_that_never_says_a_word_is_asked_for_again(wordless: Played, name: str) -> None:
    case, _, mode = every(WORDLESS)[name]
    outcome = wordless.of(name)
    check_always(outcome)
    fault = outcome.fault
    assert fault.kind in case.allowed(mode)
    assert (fault.raw, fault.retryable, outcome.pieces, len(outcome.requests)) == (None, True, [], 1 + RETRIES)
    assert case.words in str(fault)


@pytest.mark.parametrize("name", every(WORDLESS))
def test_a_stream_that_says_nothing_once_costs_no_answer(mended: Played, name: str) -> None:
    outcome = mended.of(name)
    check_always(outcome)
    assert outcome.answer.text == "Hello!"
    assert len(outcome.answer.failed) == 1


@dialects
def test_what_had_been_given_already_is_not_given_again(server: FaultyServer, tmp_path: Path, dialect: Dialect) -> None:
    story = "Once upon a time there was a brain."
    stage = server.stage(begun(end="close")(dialect), begun(end="reset")(dialect), dialect.says(story))
    outcome = ask(stage, dialect, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.answer.text == "".join(outcome.pieces) == story
    assert [attempt.kind for attempt in outcome.answer.failed] == ["incomplete", "incomplete"]


@dialects
def test_of_two_replies_that_begin_otherwise_no_third_is_made(server: FaultyServer, tmp_path: Path, dialect: Dialect) -> None:
    stage = server.stage(begun(end="close")(dialect), dialect.says("A brain there was, once upon a time."))
    outcome = ask(stage, dialect, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.fault.kind == "incomplete"
    assert outcome.fault.raw == "Once upon a ti"


@pytest.mark.parametrize(("deadline", "dialect"), [(0.5, OPENAI), (0.8, ANTHROPIC)])
def test_a_stream_that_falls_silent_is_told_at_the_deadline_with_what_had_come(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, deadline: float
) -> None:
    outcome = ask(server.stage(begun(end="hang")(dialect)), dialect, "streamed", tmp_path, deadline=deadline)
    check_always(outcome)
    assert outcome.fault.kind in ("incomplete", "timeout")
    assert outcome.fault.raw == "Once upon a ti"
    assert deadline - 0.05 <= outcome.seconds


@dialects
@pytest.mark.parametrize("then", ["end", "close", "reset", "hang"])
def test_a_finish_reason_without_the_closing_event_is_an_answer_and_flagged(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, then: str
) -> None:
    outcome = ask(
        server.stage(acts.streams(*dialect.events("Hel", "lo!", closed=False), then=then)), dialect, "streamed", tmp_path
    )
    check_always(outcome)
    assert (outcome.answer.text, outcome.answer.finish_reason) == ("Hello!", "stop")
    (note,) = outcome.answer.notes
    assert "closing event" in note
    (span,) = outcome.spans
    assert note in json.dumps(span["attributes"])


@dialects
def test_a_whole_stream_is_not_flagged(server: FaultyServer, tmp_path: Path, dialect: Dialect) -> None:
    outcome = ask(server.stage(dialect.says()), dialect, "streamed", tmp_path)
    assert outcome.answer.notes == ()


@dialects
@pytest.mark.parametrize("name", [b"event: error\n", b""])
def test_an_error_after_the_finish_reason_costs_no_answer_and_is_flagged(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, name: bytes
) -> None:
    late = name + b'data: {"error": {"message": "too late", "code": 500}}\n\n'
    outcome = ask(
        server.stage(acts.streams(*dialect.events("Hello!", closed=False), late, dialect.ending.encode())),
        dialect,
        "streamed",
        tmp_path,
    )
    check_always(outcome)
    assert outcome.answer.text == "Hello!"
    assert len(outcome.answer.notes) == 1
