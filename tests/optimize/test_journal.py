"""The journal: what was appended is there, whatever happens next, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.errors import DataError
from llm_brain.optimize.journal import Journal


def written(path: Path, events: int = 3) -> bytes:
    journal = Journal(path)
    for number in range(events):
        journal.append("finished", trial=number, note="é \u2028\n")
    return path.read_bytes()


def test_events_are_read_back_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "studies" / "study.jsonl"
    assert Journal(path).events == []
    written(path)
    assert Journal(path).events == [{"event": "finished", "trial": number, "note": "é \u2028\n"} for number in range(3)]


def test_a_torn_last_line_is_cut_off_wherever_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    content = written(path)
    start = content.rindex(b"\n", 0, -1) + 1
    for end in range(start, len(content)):
        path.write_bytes(content[:end])
        journal = Journal(path)
        assert len(journal.events) == 2
        assert path.read_bytes() == content[:start]
    journal.append("finished", trial=2, note="é \u2028\n")
    assert path.read_bytes() == content


def test_a_tail_of_zeros_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    content = written(path)
    path.write_bytes(content + bytes(512))
    assert len(Journal(path).events) == 3
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", [b"{", b"", b"5", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_a_damaged_line_in_the_middle_is_named_and_nothing_is_cut(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    lines = written(path).splitlines(keepends=True)
    path.write_bytes(lines[0] + damage + b"\n" + lines[2])
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"line 2 of .* is damaged"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_journal_that_cannot_be_opened_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened"):
        Journal(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be opened"):
        Journal(tmp_path / "file" / "study.jsonl")


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("journal") / "study.jsonl"
    Journal(path).append("finished", note=text)
    assert Journal(path).events == [{"event": "finished", "note": text}]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from llm_brain.optimize.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
journal = Journal(path)
before = path.read_bytes()
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
try:
    journal.append("finished", trial=3, note="x" * 5000)
except OSError as error:
    print(type(error).__name__, path.read_bytes() == before, len(journal.events))
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
journal.append("finished", trial=3)
"""


def test_a_full_disk_raises_and_leaves_the_file_as_it_was_and_fit_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    content = written(path)
    result = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["OSError", "True", "3"]
    assert path.read_bytes().startswith(content)
    assert [event["trial"] for event in Journal(path).events] == [0, 1, 2, 3]
