"""Following a run: each span once, whole lines only, whichever process writes, in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.errors import DataError
from llm_brain.tracing import TracingWarning, record, span
from llm_brain.tracing import following as module
from llm_brain.tracing.following import Following


def line(name: str, **more: object) -> bytes:
    told = {
        "schema": 1, "trace_id": "0a" * 16, "span_id": "0b" * 8, "parent_id": None, "name": name, "start_ns": 1, "end_ns": 2,
        "status": "ok", "attributes": {}, **more,
    }  # fmt: skip
    return json.dumps(told).encode() + b"\n"


def spans_folder(folder: Path) -> Path:
    made = folder / "spans"
    made.mkdir(exist_ok=True)
    return made


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def names_of(following: Following) -> list[str]:
    return [one.name for one in following.new()]


def test_each_span_comes_once(tmp_path: Path) -> None:
    following = Following(tmp_path)
    assert names_of(following) == []
    with record(tmp_path):
        for name in ("a", "b"):
            with span(name):
                pass
        assert names_of(following) == ["a", "b"]
        assert names_of(following) == []
        with span("c"):
            pass
    assert names_of(following) == ["c"]
    assert names_of(following) == []


def test_a_line_that_is_being_written_is_left_for_the_next_time(tmp_path: Path) -> None:
    path = spans_folder(tmp_path) / "1-1.jsonl"
    following = Following(tmp_path)
    whole = line("late")
    append(path, line("early") + whole[:20])
    assert names_of(following) == ["early"]
    append(path, whole[20:-1])
    assert names_of(following) == []
    append(path, b"\n")
    assert names_of(following) == ["late"]


def test_files_of_processes_that_begin_later_are_found(tmp_path: Path) -> None:
    folder = spans_folder(tmp_path)
    following = Following(tmp_path)
    append(folder / "9-100.jsonl", line("first"))
    assert names_of(following) == ["first"]
    append(folder / "1-200.jsonl", line("third"))
    append(folder / "9-100.jsonl", line("second"))
    append(folder / "notes.txt", b"not spans\n")
    assert names_of(following) == ["second", "third"]


def test_another_process_is_followed(tmp_path: Path) -> None:
    following = Following(tmp_path)
    program = "import sys; from llm_brain.tracing import record, span\nwith record(sys.argv[1]), span('over there'): pass"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert names_of(following) == ["over there"]


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 400))
def test_nothing_is_lost_or_doubled_however_the_bytes_arrive(cuts: list[int], step: int) -> None:
    import tempfile

    wanted = [f"span {number}" for number in range(len(cuts))]
    text = b"".join(line(name, attributes={"text": "é\u2028" * (50 * cut)}) for name, cut in zip(wanted, cuts, strict=True))
    with tempfile.TemporaryDirectory() as name:
        path = spans_folder(Path(name)) / "1-1.jsonl"
        following = Following(name)
        got: list[str] = []
        for start in range(0, len(text), step * 7):
            append(path, text[start : start + step * 7])
            got += names_of(following)
        assert got == wanted
        assert following.skipped == 0


def test_a_call_keeps_a_bounded_number_of_spans_and_the_rest_comes_later(tmp_path: Path) -> None:
    one = line("much", attributes={"text": "x" * 10_000})
    count = 3 * module.MAX_BYTES // len(one)
    append(spans_folder(tmp_path) / "1-1.jsonl", one * count)
    following = Following(tmp_path)
    got = [len(following.new()) for _ in range(6)]
    assert sum(got) == count
    assert max(got) * len(one) <= module.MAX_BYTES + len(one)
    assert following.new() == []


def test_a_line_longer_than_what_a_call_reads_is_read_whole(tmp_path: Path) -> None:
    long = line("long", attributes={"text": "x" * (module.MAX_BYTES + 1_000)})
    path = spans_folder(tmp_path) / "1-1.jsonl"
    append(path, line("before") + long + line("after"))
    following = Following(tmp_path)
    got: list[str] = []
    while new := names_of(following):
        got += new
    assert got == ["before", "long", "after"]


def test_lines_that_are_not_spans_are_counted_and_told_once(tmp_path: Path) -> None:
    append(spans_folder(tmp_path) / "1-1.jsonl", b"junk\n\n[]\n" + line("good") + b"\xff\xfe\n")
    following = Following(tmp_path)
    with pytest.warns(TracingWarning, match="not a span") as heard:
        assert names_of(following) == ["good"]
    assert (following.skipped, len(heard)) == (3, 1)


def test_a_flood_of_junk_does_not_read_as_the_end(tmp_path: Path) -> None:
    append(spans_folder(tmp_path) / "1-1.jsonl", b"x" * 99 + b"\n")
    append(spans_folder(tmp_path) / "1-1.jsonl", (b"y" * 999 + b"\n") * (3 * module.MAX_BYTES // 1_000) + line("good"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TracingWarning)
        assert names_of(Following(tmp_path)) == ["good"]


def test_a_later_version_is_an_error_that_says_so(tmp_path: Path) -> None:
    append(spans_folder(tmp_path) / "1-1.jsonl", line("new", schema=999))
    with pytest.raises(DataError, match="upgrade"):
        Following(tmp_path).new()


def test_what_was_there_before_can_be_left_out(tmp_path: Path) -> None:
    path = spans_folder(tmp_path) / "1-1.jsonl"
    half = line("being written")
    append(path, line("old", attributes={"text": "x" * 200_000}) + half[:30])
    append(spans_folder(tmp_path) / "2-2.jsonl", half[:30])
    following = Following(tmp_path)
    following.skip()
    append(path, half[30:] + line("new"))
    append(spans_folder(tmp_path) / "2-2.jsonl", half[30:])
    assert names_of(following) == ["being written", "new", "being written"]
    assert following.skipped == 0


def test_a_file_that_goes_away_is_no_error(tmp_path: Path) -> None:
    path = spans_folder(tmp_path) / "1-1.jsonl"
    append(path, line("gone"))
    following = Following(tmp_path)
    assert names_of(following) == ["gone"]
    path.unlink()
    assert names_of(following) == []
