"""Characters that are none, or do things: a value or a typed error, and a trace that is text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_brain.errors import BackendError
from llm_brain.tracing import record
from tests.backends.faults.functions import implementing, read_order, spans_of, summarize
from tests.servers import acts
from tests.servers.dialects import DIALECTS, Dialect
from tests.servers.faulty import Act, FaultyServer

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
ODD = {
    "lone-high": "a\ud83db",
    "lone-low": "a\ude00b",
    "reversed-pair": "a\ude00\ud83db",
    "nul": "a\0b",
    "ansi": "a\x1b[31mred\x1b[0m\x1b]0;title\x07b",
    "bidi": "a\u202edlrow\u202c\u2066\u2069b",
    "controls": "a\x01\x08\x7f\x85b",
    "byte-order-mark": "\ufeffa\ufeffb",
    "not-characters": "a\ufffe\uffff\U0010ffffb",
    "separators": "a\u2028\u2029b",
    "combining": "a" + "\u0301" * 500 + "b",
}


def says_odd(dialect: Dialect, text: str) -> Act:
    """Say a text with all its odd characters escaped, as servers write them that count in UTF-16."""
    body = json.dumps(dialect.body(text)).encode()
    events = [_escaped(one) for one in dialect.events(text)]
    return dialect.either(acts.answers(body), acts.streams(*events))


def _escaped(one: bytes) -> bytes:
    head, _, body = one.decode("utf-8", "surrogatepass").partition("data: {")
    return one if not body else f"{head}data: {json.dumps(json.loads('{' + body))}\n\n".encode()


def holding(text: str) -> str:
    return json.dumps({"item": text, "amount": 2, "price": 9.5}, ensure_ascii=False)


@dialects
@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("function", [summarize, read_order], ids=["text", "model"])
def test_odd_characters_are_a_value_or_told_and_the_trace_stays_text(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, function: Any, name: str
) -> None:
    text = ODD[name]
    stage = server.stage(says_odd(dialect, text if function is summarize else holding(text)))
    with record(tmp_path):
        got = value_or_fault(lambda: function(implementing(dialect, stage), "two lamps"))
    if isinstance(got, BackendError):
        assert got.kind == "validation"
        str(got).encode()
    else:
        said = got if isinstance(got, str) else got.item
        assert said.strip("\ufeff") == text.strip("\ufeff")
    assert len(spans_of(tmp_path)) >= 2
    for sent in stage.requests:
        sent.content.decode()


@dialects
@pytest.mark.parametrize("name", ODD)
def test_odd_characters_in_pieces_leave_the_trace_text(server: FaultyServer, tmp_path: Path, dialect: Dialect, name: str) -> None:
    stage = server.stage(says_odd(dialect, ODD[name]))
    with record(tmp_path):
        got = value_or_fault(lambda: list(summarize.using(implementing(dialect, stage)).stream("two lamps")))
    if isinstance(got, BackendError):
        assert got.kind == "validation"
    else:
        assert "".join(got).strip("\ufeff") == ODD[name].strip("\ufeff")
    assert spans_of(tmp_path)


def value_or_fault(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except BackendError as error:
        return error
