"""The file of answers: shared by many, whole after a crash, and never the reason why a call fails."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from llm_brain.strategy import Details, Hidden, inspect_function
from llm_brain.training.cascade import AnswersWarning
from llm_brain.training.cascade.growth import AnswersFile


class Mood(Enum):
    HAPPY = "happy"
    UNHAPPY = "unhappy"


class Urgency(Enum):
    LOW = (1, 0)
    HIGH = (2, 0)


class Review(BaseModel):
    mood: Mood
    stars: int


def praises(message: str) -> bool:
    """Tell whether it praises."""
    raise NotImplementedError


SPEC = inspect_function(praises)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1]]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, True),
        (Mood.HAPPY, "happy"),
        (Urgency.HIGH, "HIGH"),
        (3.5, 3.5),
        ("line\u2028end\n", "line\u2028end\n"),
        (Review(mood=Mood.HAPPY, stars=4), {"mood": "happy", "stars": 4}),
    ],
)
def test_an_answer_is_a_pair_as_a_lesson_reads_it(value: Any, written: Any, tmp_path: Path) -> None:
    file = AnswersFile(tmp_path / "new" / "answers.jsonl")
    file.append(SPEC, "It\nworks \ud800 é.", Details(value, "model"))
    expected = {"text": "It\nworks \ud800 é.", "answer": written, "probabilities": [], "source": "asked"}
    assert lines(file.path) == [expected]


@pytest.mark.parametrize(
    ("probabilities", "written"),
    [({False: 0.75, True: 0.25}, [0.25, 0.75]), ({True: 0.25, False: 0.75}, [0.25, 0.75]), ({False: 1.0}, [])],
)
def test_probabilities_are_written_in_the_order_of_the_options(
    probabilities: dict[bool, float], written: list[float], tmp_path: Path
) -> None:
    file = AnswersFile(tmp_path / "answers.jsonl")
    file.append(SPEC, "It works.", Details(False, "model", probabilities=probabilities))
    assert lines(file.path)[0]["probabilities"] == written


def test_threads_with_files_of_their_own_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    files = [AnswersFile(path) for _ in range(3)]

    def work(number: int) -> None:
        files[number % 3].append(SPEC, f"text {number} " + "long " * 200, Details(True, "model"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(150)))
    assert sorted(int(line["text"].split()[1]) for line in lines(path)) == list(range(150))


WRITER = """
import sys
from llm_brain.strategy import Details, inspect_function
from llm_brain.training.cascade.growth import AnswersFile
def praises(message: str) -> bool:
    '''Tell whether it praises.'''
for number in range(40):
    AnswersFile(sys.argv[1]).append(inspect_function(praises), f"{sys.argv[2]} {number} " + "x" * 9000, Details(True, "model"))
"""


def test_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("one", "two")]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    assert sorted(line["text"].split(" x")[0] for line in lines(path)) == sorted(
        f"{name} {number}" for name in ("one", "two") for number in range(40)
    )


@pytest.mark.parametrize("torn", [b'{"text": "ha', b"\xff\xfe", b'{"text": "' + b"x" * 10_000])
@pytest.mark.parametrize("before", [b"", b'{"text": "first"}\n'])
def test_what_a_crash_left_of_a_line_is_cut_off(before: bytes, torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_bytes(before + torn)
    AnswersFile(path).append(SPEC, "second", Details(True, "model"))
    assert [line["text"] for line in lines(path)] == ["first", "second"][not before :]


def test_a_line_whose_end_a_hand_left_out_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_bytes(b'{"text": "first"}')
    AnswersFile(path).append(SPEC, "second", Details(True, "model"))
    assert [line["text"] for line in lines(path)] == ["first", "second"]


def test_a_file_that_cannot_be_written_is_told_once_and_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    file = AnswersFile(tmp_path / "folder")
    with pytest.warns(AnswersWarning, match="could not be kept"):
        file.append(SPEC, "It works.", Details(True, "model"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        file.append(SPEC, "It broke.", Details(True, "model"))


def test_where_warnings_are_errors_it_still_fails_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AnswersFile(tmp_path).append(SPEC, "It works.", Details(True, "model"))


def test_an_answer_without_a_form_in_json_is_told(tmp_path: Path) -> None:
    with pytest.warns(AnswersWarning, match="cannot be written as JSON"):
        AnswersFile(tmp_path / "answers.jsonl").append(SPEC, "It works.", Details(object(), "model"))
    assert not (tmp_path / "answers.jsonl").exists()


FULL_DISK = """
import resource, signal, sys, warnings
from llm_brain.strategy import Details, inspect_function
from llm_brain.training.cascade.growth import AnswersFile
def praises(message: str) -> bool:
    '''Tell whether it praises.'''
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = AnswersFile(sys.argv[1])
file.append(inspect_function(praises), "first", Details(True, "model"))
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for _ in range(3):
        file.append(inspect_function(praises), "x" * 500, Details(True, "model"))
print([type(one.message).__name__ for one in told])
"""


def test_a_full_disk_leaves_no_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "['AnswersWarning']"
    assert [line["text"] for line in lines(path)] == ["first"]


def test_what_is_hidden_is_not_written(tmp_path: Path) -> None:
    def opens(key: Annotated[str, Hidden]) -> bool:
        """Tell whether the key opens it."""
        raise NotImplementedError

    with pytest.warns(AnswersWarning, match="it hides some of its values"):
        AnswersFile(tmp_path / "answers.jsonl").append(inspect_function(opens), "secret", Details(True, "model"))
    assert not (tmp_path / "answers.jsonl").exists()
