"""A span and what is inside of it as text: found by the beginning of its id, told in the order in which it happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_brain.errors import DataError
from llm_brain.tracing import Span, names, record, span
from llm_brain.tracing.as_text import span_lines


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Span, Span]:
    with record(tmp_path), span("outer", {names.KIND: "function"}) as outer:
        with span("chat m") as call:
            call.content(names.INPUT_MESSAGES, [{"role": "user", "parts": [{"type": "text", "content": "two\nlines"}]}])
            call.content(names.OUTPUT_MESSAGES, [{"role": "assistant", "parts": [{"type": "text", "content": "42"}]}])
            call.set(names.INPUT_TOKENS, 12)
        with pytest.raises(ValueError, match="broken"), span("second"):
            raise ValueError("broken")
    return tmp_path, outer, call


def test_a_tree_is_told_in_its_order_with_what_was_said(run: tuple[Path, Span, Span]) -> None:
    folder, outer, _ = run
    lines = list(span_lines(folder, outer.span_id))
    heads = [line.strip().split("  ")[0] for line in lines if "  ms" in line or " ms  " in line]
    assert heads == ["outer", "chat m", "second"]
    text = "\n".join(lines)
    assert "user: two\n          lines" in text
    assert "assistant: 42" in text
    assert f"{names.INPUT_TOKENS}: 12" in text
    assert "error: ValueError: broken" in text


def test_one_span_is_told_alone_and_a_trace_whole(run: tuple[Path, Span, Span]) -> None:
    folder, outer, call = run
    assert not any("outer" in line or "second" in line for line in span_lines(folder, call.span_id[:10]))
    assert list(span_lines(folder, outer.trace_id)) == list(span_lines(folder, outer.span_id))
    assert list(span_lines(folder, outer.trace_id[:12].upper())) == list(span_lines(folder, outer.span_id))


def test_what_cannot_be_found_is_told(run: tuple[Path, Span, Span]) -> None:
    folder, outer, _ = run
    for wrong, told in ((outer.span_id[:3], "at least 4"), ("zzzzzz", "no span's"), ("", "at least 4")):
        with pytest.raises(DataError, match=told):
            span_lines(folder, wrong)


def test_an_id_that_several_begin_with_is_not_guessed(tmp_path: Path) -> None:
    line = '{"schema":1,"trace_id":"%s","span_id":"%s","parent_id":null,"name":"x","start_ns":0,"end_ns":1,'
    line += '"status":"ok","attributes":{}}\n'
    (tmp_path / "spans").mkdir()
    file = tmp_path / "spans" / "1-1.jsonl"
    file.write_text(line % ("t1", "abcd1") + line % ("t2", "abcd2"))
    with pytest.raises(DataError, match="2 traces"):
        span_lines(tmp_path, "abcd")
    file.write_text(line % ("t1", "abcd1") + line % ("t1", "abcd2"))
    with pytest.raises(DataError, match="abcd1, abcd2"):
        span_lines(tmp_path, "abcd")
