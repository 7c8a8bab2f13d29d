"""The files of a run: what is in them, what becomes of them on a full disk, and how they are read again."""

import json
import logging
import os
import subprocess
import sys
import tempfile
import tracemalloc
import warnings
from contextvars import copy_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.errors import DataError
from llm_brain.tracing import TracingWarning, names, read_spans, record, span


def only_file(folder: Path) -> Path:
    [path] = (folder / "spans").iterdir()
    return path


def write_spans(folder: Path, count: int) -> Path:
    with record(folder):
        for number in range(count):
            with span(f"step {number}"):
                pass
    return only_file(folder)


def test_a_line_is_what_the_contract_says(tmp_path: Path) -> None:
    with record(tmp_path), pytest.raises(KeyError), span("chat", {"n": 1}):
        raise KeyError("lost")
    path = only_file(tmp_path)
    pid, start = path.stem.split("-")
    assert (int(pid), path.suffix) == (os.getpid(), ".jsonl")
    line = json.loads(path.read_bytes())
    assert list(line) == [
        "schema", "trace_id", "span_id", "parent_id", "name", "start_ns", "end_ns", "status", "error", "attributes",
    ]  # fmt: skip
    assert line["schema"] == names.SCHEMA_VERSION == 1
    assert abs(line["start_ns"] - int(start)) < 5e9
    assert line["error"] == {"type": "KeyError", "message": "'lost'"}


def test_a_span_without_an_error_has_no_such_field(tmp_path: Path) -> None:
    assert "error" not in json.loads(write_spans(tmp_path, 1).read_bytes())


def test_a_torn_last_line_is_skipped_in_silence(tmp_path: Path) -> None:
    path = write_spans(tmp_path, 3)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cut in range(1, len(last), 7):
            path.write_bytes(whole[:-cut] if cut > 1 else whole[:-2])
            assert [one.name for one in read_spans(tmp_path)] == ["step 0", "step 1"]


@given(st.lists(st.binary(max_size=60), max_size=6), st.data())
def test_lines_that_are_not_spans_are_counted_and_the_others_are_read(junk: list[bytes], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        path = write_spans(Path(name), 4)
        lines = path.read_bytes().splitlines(keepends=True)
        for line in junk:
            lines.insert(data.draw(st.integers(0, len(lines))), line.replace(b"\n", b"") + b"\n")
        path.write_bytes(b"".join(lines))
        assert [one.name for one in read_spans(name)] == [f"step {number}" for number in range(4)]
    assert len(heard) <= 1


@pytest.mark.parametrize(
    "line", ["[]", "null", "1", '"x"', "{}", '{"schema": 1}', "[" * 100_000, '{"schema": {}}', "NaN", "9" * 5_000]
)
def test_any_other_json_is_not_a_span(tmp_path: Path, line: str) -> None:
    path = write_spans(tmp_path, 1)
    path.write_bytes(line.encode() + b"\n" + path.read_bytes())
    with pytest.warns(TracingWarning, match="1 lines are not spans"):
        assert len(list(read_spans(tmp_path))) == 1


def test_spans_of_a_later_version_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = write_spans(tmp_path, 1)
    path.write_bytes(path.read_bytes().replace(b'"schema":1', b'"schema":2'))
    with pytest.raises(DataError, match="upgrade llm_brain"):
        list(read_spans(tmp_path))


def test_a_folder_that_is_not_there_is_an_error_and_an_empty_run_is_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_spans(tmp_path / "typo")
    with record(tmp_path):
        pass
    assert list(read_spans(tmp_path)) == []


def test_spans_are_read_one_at_a_time(tmp_path: Path) -> None:
    spans = read_spans(write_spans(tmp_path, 3).parents[1])
    assert next(spans).name == "step 0"
    with only_file(tmp_path).open("ab") as file:
        file.write(only_file(tmp_path).read_bytes().splitlines(keepends=True)[0].replace(b"step 0", b"step 9"))
    assert [one.name for one in spans] == ["step 1", "step 2", "step 9"]


def test_a_full_disk_is_told_once_and_loses_only_spans(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with record(tmp_path) as tracer:
        with span("written"):
            pass
        late = copy_context()
    # Spans that end after the run go to the same file, which is the device that is always full now.
    path = only_file(tmp_path)
    path.unlink()
    path.symlink_to("/dev/full")
    with caplog.at_level(logging.WARNING), pytest.warns(TracingWarning, match="No space left on device") as heard:
        answers = [late.run(_span_and_answer, f"lost {number}") for number in range(5)]
    assert answers == [42] * 5
    assert (tracer.written, tracer.lost) == (1, 5)
    assert len(heard) == len(caplog.records) == 1


def _span_and_answer(name: str) -> int:
    with span(name):
        return 42


LIMITED = """
import resource, sys, warnings
from llm_brain.tracing import record, span
warnings.simplefilter("error")  # even so nothing is raised
with record(sys.argv[1]) as tracer:
    with span("first"):
        pass
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    for number in range(6):
        with span("too much", {"text": "x" * 400}):
            pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with span("room again"):
        pass
print(tracer.written, tracer.lost)
"""


def test_a_line_cut_by_a_full_disk_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], check=True, capture_output=True, text=True, env=environment
    )
    written, lost = map(int, done.stdout.split())
    assert written + lost == 8
    assert lost >= 5
    assert done.stderr.count("spans are being lost, and calls go on") == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spans = [one.name for one in read_spans(tmp_path)]
    assert spans[0] == "first"
    assert spans[-1] == "room again"
    assert len(spans) == written


def test_a_folder_that_cannot_be_made_loses_spans_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.warns(TracingWarning, match="calls go on"), record(tmp_path / "file") as tracer, span("chat"):
        answer = 42
    assert (answer, tracer.lost) == (42, 1)


def test_names_are_distinct() -> None:
    values = [value for name, value in vars(names).items() if name.isupper() and name != "SCHEMA_URL" and isinstance(value, str)]
    assert len(values) == len(set(values))
    assert all(value.startswith(("gen_ai.", "llm_brain.", "server.", "error.", "http.")) or "." not in value for value in values)


def test_a_long_run_is_read_in_little_memory(tmp_path: Path) -> None:
    with record(tmp_path), span("chat", {"text": "x" * 500}):
        pass
    line = only_file(tmp_path).read_bytes()
    with only_file(tmp_path).open("ab") as file:
        for _ in range(200):
            file.write(line * 100)
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_spans(tmp_path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 20_001
    assert peak < 2_000_000 < len(line) * 20_001
