"""Streams: the text is exact, however it is written and cut, and whatever else comes with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_brain.backends import Reply
from tests.backends.faults.playing import HELLO, USAGE, ask, model_of
from tests.backends.faults.promises import check_always
from tests.servers import acts
from tests.servers.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect, event, named
from tests.servers.faulty import Act, FaultyServer

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
TEXT = 'Grüße, 世界! 😀 <b>\u2028\n\n\ttab \\n "quoted" 👩‍👩‍👧'


def joined(dialect: Dialect, text: str = TEXT, **fields: Any) -> bytes:
    return b"".join(dialect.events(*text, **fields))


def in_pieces(whole: bytes, size: int) -> Act:
    return acts.streams(*(whole[at : at + size] for at in range(0, len(whole), size)))


def escaped(whole: bytes) -> bytes:
    """Write the events' JSON in ASCII."""
    lines = whole.split(b"\n")
    return b"\n".join(
        b"data: " + json.dumps(json.loads(line[6:])).encode() if line.startswith(b"data: {") else line for line in lines
    )


def with_halves(dialect: Dialect) -> bytes:
    """Cut a character between its two UTF-16 halves, as servers do that count in them."""
    return b"".join(dialect.events("a", "\ud83d", "\ude00", "b"))


def with_nulls(dialect: Dialect) -> bytes:
    first, *rest = dialect.events(*TEXT)
    if dialect is OPENAI:
        odd = [
            OPENAI.chunk(None),
            OPENAI.chunk({}),
            OPENAI.chunk({"content": None}),
            event({"choices": None}),
            event({"choices": []}),
        ]
    else:
        odd = [named("content_block_delta", index=0, delta=None), named("content_block_delta"), named("novelty", x=[1])]
    return first + b"".join(piece + b"".join(odd) for piece in rest[:-3]) + b"".join(rest[-3:])


def over_lines(whole: bytes) -> bytes:
    """Write each event's JSON over several lines of data."""
    return whole.replace(b'{"id"', b'{\ndata: "id"').replace(b'{"type": "content', b'{\ndata: "type": "content')


WRITTEN: dict[str, Callable[[Dialect], bytes]] = {
    "plain": joined,
    "ascii": lambda dialect: escaped(joined(dialect)),
    "crlf": lambda dialect: joined(dialect).replace(b"\n", b"\r\n"),
    "cr": lambda dialect: joined(dialect).replace(b"\n", b"\r"),
    "comments": lambda dialect: b": hello\n\n:\n" + joined(dialect).replace(b"data:", b": still here\ndata:"),
    "other-fields": lambda dialect: joined(dialect).replace(b"data:", b"id: 7\nretry: 10\nunknown: x\nodd\ndata:"),
    "byte-order-mark": lambda dialect: b"\xef\xbb\xbf" + joined(dialect),
    "without-space": lambda dialect: joined(dialect).replace(b"data: ", b"data:"),
    "without-names": lambda dialect: b"".join(
        line + b"\n" for line in joined(dialect).split(b"\n") if not line.startswith(b"event:")
    ),
    "blank-lines": lambda dialect: b"\n\n" + joined(dialect).replace(b"\n\n", b"\n\n\n\n"),
    "several-lines": lambda dialect: over_lines(joined(dialect)),
    "null-deltas": with_nulls,
    "without-last-blank-line": lambda dialect: joined(dialect).rstrip(b"\n"),
    "empty-pieces": lambda dialect: b"".join(dialect.events("", *TEXT, "", "")),
}


CUT = [*((name, 5) for name in WRITTEN), ("plain", 1), ("crlf", 1), ("plain", 10_000), ("null-deltas", 10_000)]


@dialects
@pytest.mark.parametrize(("name", "size"), CUT)
def test_the_text_is_exact_however_it_is_written_and_cut(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, name: str, size: int
) -> None:
    outcome = ask(server.stage(in_pieces(WRITTEN[name](dialect), size)), dialect, "streamed", tmp_path)
    check_always(outcome)
    reply = outcome.answer
    assert (reply.text, reply.finish_reason, reply.usage) == (TEXT, "stop", USAGE)
    assert "".join(outcome.pieces) == TEXT
    assert len(outcome.requests) == 1


@dialects
@pytest.mark.parametrize("size", [1, 10_000])
def test_halves_of_a_character_that_come_apart_are_put_together(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, size: int
) -> None:
    outcome = ask(server.stage(in_pieces(escaped(with_halves(dialect)), size)), dialect, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.answer.text == "a😀b"


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=5), data=st.data())
@dialects
def test_any_text_cut_anywhere_is_the_same_text(
    server: FaultyServer, dialect: Dialect, texts: list[str], data: st.DataObject
) -> None:
    whole = b"".join(dialect.events("x", *texts))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    parts = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True) if start < stop]
    stage = server.stage(acts.streams(*parts))
    *pieces, reply = model_of(dialect, stage.url, timeout=10.0).stream(HELLO)
    assert isinstance(reply, Reply)
    assert "".join(map(str, pieces)) == reply.text == "x" + "".join(texts)


@dialects
@pytest.mark.parametrize("text", ["Hello!", "aaaa", "hahaha", "no no no no"])
def test_chunks_that_come_doubled_are_never_doubled_text(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, text: str
) -> None:
    events = dialect.events(*text)
    outcome = ask(server.stage(acts.streams(*(one for one in events for _ in range(2)))), dialect, "streamed", tmp_path)
    check_always(outcome)
    if outcome.error is None:
        assert outcome.answer.text == text


@dialects
@pytest.mark.parametrize("text", ["aaaa", "hahaha", "no no no no", "  ", "00000000", "aabbccdd"])
def test_a_model_that_repeats_itself_is_believed(server: FaultyServer, tmp_path: Path, dialect: Dialect, text: str) -> None:
    outcome = ask(server.stage(acts.streams(*dialect.events(*text))), dialect, "streamed", tmp_path)
    assert outcome.answer.text == text


def without_role(text: str) -> list[bytes]:
    """Return a reply whose first event is its first word, as some servers send it."""
    return OPENAI.events(*text)[1:]


@pytest.mark.parametrize("text", ["1122", "aabb", "--==x", "aabbcc", "aab", "  ||"])
def test_a_model_that_begins_with_pairs_is_believed(server: FaultyServer, tmp_path: Path, text: str) -> None:
    outcome = ask(server.stage(acts.streams(*without_role(text))), OPENAI, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.answer.text == "".join(outcome.pieces) == text


@pytest.mark.parametrize("text", ["Hello!", "1122", "aaaa"])
def test_doubled_chunks_that_begin_with_text_are_never_doubled_text(server: FaultyServer, tmp_path: Path, text: str) -> None:
    twice = [one for one in without_role(text) for _ in range(2)]
    outcome = ask(server.stage(acts.streams(*twice)), OPENAI, "streamed", tmp_path)
    check_always(outcome)
    if outcome.error is None:
        assert outcome.answer.text == text


@dialects
def test_what_comes_after_the_closing_event_is_not_read(server: FaultyServer, tmp_path: Path, dialect: Dialect) -> None:
    events = dialect.events("Hello!")
    outcome = ask(server.stage(acts.streams(*events, *dialect.events(" And more."))), dialect, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.answer.text == "Hello!"


@dialects
def test_filler_between_words_is_left_out(server: FaultyServer, tmp_path: Path, dialect: Dialect) -> None:
    events = [part for one in dialect.events(*"Hello!") for part in (dialect.filler(), one, dialect.filler())]
    outcome = ask(server.stage(acts.streams(*events)), dialect, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.answer.text == "Hello!"


def test_a_reply_of_several_blocks_is_their_text(server: FaultyServer, tmp_path: Path) -> None:
    start, _, ping, *_ = ANTHROPIC.events()
    thinking = [
        named("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
        named("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Let me see."}),
        named("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "x"}),
        named("content_block_stop", index=0),
    ]
    rest = [one.replace(b'"index": 0', b'"index": 1') for one in ANTHROPIC.events("Hel", "lo!")[1:]]
    outcome = ask(server.stage(acts.streams(start, ping, *thinking, *rest)), ANTHROPIC, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.answer.text == "Hello!"


def test_another_choices_words_are_not_mixed_in(server: FaultyServer, tmp_path: Path) -> None:
    role, *words, stop, usage, done = OPENAI.events(*"Hello!")
    others = [one.replace(b'"index": 0', b'"index": 1') for one in OPENAI.events(*"Never.")[1:7]]
    mixed = [one for pair in zip(words, others, strict=True) for one in pair]
    outcome = ask(server.stage(acts.streams(role, *mixed, stop, usage, done)), OPENAI, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.answer.text == "Hello!"


def repeated(events: list[bytes], times: int = 2) -> list[bytes]:
    return [one for one in events for _ in range(times)]


def roles_everywhere() -> list[bytes]:
    return [OPENAI.chunk({"role": "assistant", "content": word}) for word in ("Hel", "lo")]


def marked(events: list[bytes], again: int) -> list[bytes]:
    """Give each event an id, and send one of them again."""
    numbered = [b"id: %d\n" % at + one for at, one in enumerate(events)]
    return [*numbered[: again + 1], *numbered[again:]]


PARTLY: dict[str, tuple[Dialect, list[bytes]]] = {
    "words": (OPENAI, [*OPENAI.events()[:1], *repeated(OPENAI.events("Hel", "lo")[1:3]), *OPENAI.events()[1:]]),
    "one-word": (OPENAI, [*OPENAI.events()[:1], *repeated(OPENAI.events("Hello")[1:2]), *OPENAI.events()[1:]]),
    "many-characters": (OPENAI, [*OPENAI.events()[:1], *repeated(OPENAI.events(*"abcdef")[1:7]), *OPENAI.events()[1:]]),
    "thrice": (OPENAI, repeated(OPENAI.events("Hel", "lo"), 3)),
    "words-with-roles": (OPENAI, [*repeated(roles_everywhere()), *OPENAI.events()[1:]]),
    "blocks": (ANTHROPIC, [ANTHROPIC.events()[0], *repeated(ANTHROPIC.events("Hel", "lo")[1:6]), *ANTHROPIC.events()[-2:]]),
    "deltas": (ANTHROPIC, [*ANTHROPIC.events()[:3], *repeated(ANTHROPIC.events("Hel", "lo")[3:5]), *ANTHROPIC.events()[3:]]),
    "thrice-anthropic": (ANTHROPIC, repeated(ANTHROPIC.events("Hel", "lo"), 3)),
}


@pytest.mark.parametrize("name", PARTLY)
def test_words_that_come_doubled_while_the_rest_does_not_are_never_doubled_text(
    server: FaultyServer, tmp_path: Path, name: str
) -> None:
    dialect, events = PARTLY[name]
    outcome = ask(server.stage(acts.streams(*events)), dialect, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.fault.kind == "incomplete"
    assert len(outcome.requests) == 3


@dialects
def test_a_stream_that_comes_thrice_costs_no_answer_where_the_next_one_does_not(
    server: FaultyServer, tmp_path: Path, dialect: Dialect
) -> None:
    name = "thrice" if dialect is OPENAI else "thrice-anthropic"
    stage = server.stage(acts.streams(*PARTLY[name][1]), dialect.says("HelHelHellololo!"))
    outcome = ask(stage, dialect, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.answer.text == "HelHelHellololo!"


@dialects
@pytest.mark.parametrize("place", [3, 4])
def test_an_event_that_comes_again_under_its_id_is_left_out(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, place: int
) -> None:
    outcome = ask(server.stage(acts.streams(*marked(dialect.events(*"Hello!"), place))), dialect, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.answer.text == "Hello!"


@dialects
@pytest.mark.parametrize("every", [100, 3, 1])
def test_ids_that_are_no_event_s_own_say_nothing(server: FaultyServer, tmp_path: Path, dialect: Dialect, every: int) -> None:
    numbered = [b"id: %d\n" % (at // every) + one for at, one in enumerate(dialect.events(*"no, no!!! ooh"))]
    outcome = ask(server.stage(acts.streams(*numbered)), dialect, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.answer.text == "no, no!!! ooh"


@dialects
@pytest.mark.parametrize(
    "pieces", [("ha", "ha"), ("Say", " ha", "ha", "ha", "ha"), ("no", "no", "no"), ("a", "a", "b", "b", "!")]
)
def test_a_model_that_says_the_same_again_is_believed(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, pieces: tuple[str, ...]
) -> None:
    outcome = ask(server.stage(acts.streams(*dialect.events(*pieces))), dialect, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.answer.text == "".join(pieces)


@pytest.mark.parametrize("role", ["everywhere", "at the end"])
def test_a_role_or_an_id_that_is_in_each_event_begins_no_other_reply(server: FaultyServer, tmp_path: Path, role: str) -> None:
    words = [{"content": word} for word in ("One", ", two", ", three")]
    if role == "everywhere":
        words = [{"role": "assistant", **word} for word in words]
    sent = [OPENAI.chunk(word, id=f"c{at}") for at, word in enumerate(words)]
    last = OPENAI.chunk({"role": "assistant", "content": ""}, "stop", id="c9")
    outcome = ask(server.stage(acts.streams(*sent, last, OPENAI.ending.encode())), OPENAI, "streamed", tmp_path)
    check_always(outcome)
    assert outcome.answer.text == "One, two, three"
