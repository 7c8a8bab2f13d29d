"""The cache: the same question costs one call, another question is another call, and no damage costs an answer."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import llm_brain.errors
from llm_brain.backends import (
    CachedBackend,
    CacheWarning,
    Choice,
    LanguageBackend,
    Message,
    Reply,
    Request,
    Usage,
)
from llm_brain.errors import BackendError

HELLO = Request((Message("user", "Hello?"),))
TEXT = "Hi \ud800 \u2028 <é>"


class Counting(LanguageBackend):
    """Counts its calls; fails while `failing`, and waits for `gate` where there is one."""

    choice_form = "completion"
    enforces_schema = True

    def __init__(self, model_id: str = "counting", identity: str = "") -> None:
        self.model_id = model_id
        self.context_length = None
        self.asked = 0
        self.failing = False
        self.gate: threading.Event | None = None
        self._identity = identity

    @property
    def identity(self) -> str:
        return self._identity

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        self._ask()
        return Reply(f"{TEXT} {self.asked}", "stop", "served", Usage(len(request.messages), 2))

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        assert isinstance(request, Request)
        self._ask()
        return Choice(options[0], tuple(1 / len(options) for _ in options), "served")

    def _ask(self) -> None:
        self.asked += 1
        if self.gate is not None:
            self.gate.wait(10)
        if self.failing:
            raise BackendError("busy", kind="server", retryable=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "answers.sqlite"


@pytest.fixture
def model() -> Counting:
    return Counting()


@contextlib.contextmanager
def cached(model: LanguageBackend, path: Path) -> Any:
    layer = CachedBackend(model, path)
    try:
        yield layer
    finally:
        layer.close()


def test_the_second_answer_comes_from_the_file_and_says_so(model: Counting, path: Path) -> None:
    with cached(model, path) as layer:
        first = layer.chat_completion(HELLO)
        assert not first.cached
        assert layer.chat_completion(HELLO) == replace(first, cached=True)
    with cached(model, path) as another:
        assert another.chat_completion(HELLO) == replace(first, cached=True)
    assert model.asked == 1


def test_a_choice_is_kept_with_its_probabilities(model: Counting, path: Path) -> None:
    with cached(model, path) as layer:
        first = layer.choose_from_options(HELLO, ["a", "b", "c"])
        assert layer.choose_from_options(HELLO, ["a", "b", "c"]) == replace(first, cached=True)
        layer.choose_from_options(HELLO, ["a", "c", "b"])
        layer.chat_completion(HELLO)
    assert model.asked == 3


def test_everything_else_is_the_inner_backends_own(model: Counting, path: Path) -> None:
    with cached(model, path) as layer:
        assert (layer.model_id, layer.choice_form, layer.enforces_schema) == ("counting", "completion", True)
        assert layer.count_tokens("four") == 4
        assert layer.context_length is None
        model.context_length = 99
        assert layer.context_length == 99
        assert layer.path == path


def until_asked(model: Counting) -> None:
    end = time.monotonic() + 10
    while model.asked == 0 and time.monotonic() < end:
        time.sleep(0.001)


def test_threads_that_ask_the_same_at_once_cost_one_call(model: Counting, path: Path) -> None:
    model.gate = threading.Event()
    with cached(model, path) as layer, ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(layer.chat_completion, HELLO) for _ in range(8)]
        until_asked(model)
        model.gate.set()
        replies = [future.result(10) for future in futures]
    assert model.asked == 1
    assert sorted(reply.cached for reply in replies) == [False] + [True] * 7
    assert len({reply.text for reply in replies}) == 1


def test_different_questions_do_not_wait_for_each_other(model: Counting, path: Path) -> None:
    meeting = threading.Barrier(3, timeout=10)

    class Meeting(Counting):
        def _ask(self) -> None:
            meeting.wait()

    with cached(Meeting(), path) as layer, ThreadPoolExecutor(3) as pool:
        replies = list(pool.map(layer.chat_completion, [replace(HELLO, sample=sample) for sample in range(3)]))
    assert not any(reply.cached for reply in replies)
    assert not model.asked


def test_a_failed_call_is_never_cached(model: Counting, path: Path) -> None:
    model.failing = True
    with cached(model, path) as layer:
        for _ in range(2):
            with pytest.raises(BackendError, match="busy"):
                layer.chat_completion(HELLO)
        model.failing = False
        assert not layer.chat_completion(HELLO).cached
    assert model.asked == 3


def test_threads_that_wait_on_a_call_that_fails_are_told_so(model: Counting, path: Path) -> None:
    model.failing, model.gate = True, threading.Event()
    with cached(model, path) as layer, ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(layer.chat_completion, HELLO) for _ in range(4)]
        until_asked(model)
        model.gate.set()
        for future in futures:
            with pytest.raises(BackendError, match="busy"):
                future.result(10)


class StoppedError(BaseException):
    """Stands for Ctrl-C, which pytest would take for its own."""


def test_an_interruption_stops_its_own_thread_and_the_others_ask_themselves(path: Path) -> None:
    gate = threading.Event()

    class StoppedOnce(Counting):
        def _ask(self) -> None:
            super()._ask()
            if self.asked == 1:
                gate.wait(10)
                raise StoppedError

    model = StoppedOnce()
    with cached(model, path) as layer, ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(layer.chat_completion, HELLO) for _ in range(2)]
        until_asked(model)
        gate.set()
        outcomes = [future.exception(10) for future in futures]
    assert sorted((type(outcome) for outcome in outcomes), key=str) == sorted([StoppedError, type(None)], key=str)
    assert model.asked == 2


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_while_a_question_was_being_asked_can_ask_it_too(model: Counting, path: Path) -> None:
    model.gate = threading.Event()
    with cached(model, path) as layer, ThreadPoolExecutor(1) as pool:
        asking = pool.submit(layer.chat_completion, HELLO)
        until_asked(model)
        child = os.fork()
        if child == 0:
            try:
                model.gate = None
                os._exit(0 if layer.chat_completion(HELLO).text else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        model.gate.set()
        asking.result(10)
        assert layer.chat_completion(HELLO).cached


@pytest.mark.parametrize(
    "damage", [b"this is no database at all, it is a text" * 99, b"\0" * 5000, b"SQLite format 3\0junk" * 300]
)
def test_a_damaged_file_is_moved_aside_with_one_warning_and_a_fresh_one_is_used(
    model: Counting, path: Path, damage: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    with cached(model, path) as layer:
        with pytest.warns(CacheWarning, match="moved to") as heard:
            layer.chat_completion(HELLO)
        assert len(heard) == 1
        assert layer.chat_completion(HELLO).cached
    assert [file.read_bytes() for file in path.parent.glob("answers.sqlite.corrupt-*")] == [damage]


def test_a_file_that_is_damaged_while_in_use_is_replaced_too(model: Counting, path: Path) -> None:
    questions = [replace(HELLO, sample=sample) for sample in range(200)]
    with cached(model, path) as layer:
        for question in questions:
            layer.chat_completion(question)
    content = bytearray(path.read_bytes())
    content[4096 : len(content) - 4096] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    with cached(model, path) as layer:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            replies = [layer.chat_completion(question) for question in questions]
        assert len([one for one in heard if one.category is CacheWarning]) == 1
        assert all(reply.text.startswith("Hi") for reply in replies)
        assert all(layer.chat_completion(question).cached for question in questions)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE answers SET value = replace(value, 'stop', 'oops')",
        "UPDATE answers SET checksum = 'no'",
        "UPDATE answers SET value = x'00ff'",
        "UPDATE answers SET value = ''",
    ],
)
def test_a_row_that_was_tampered_with_is_a_miss(model: Counting, path: Path, change: str) -> None:
    with cached(model, path) as layer:
        layer.chat_completion(HELLO)
        with contextlib.closing(sqlite3.connect(path)) as file, file:
            file.execute(change)
        assert not layer.chat_completion(HELLO).cached
        assert layer.chat_completion(HELLO).cached


@pytest.mark.parametrize(
    "change", ["PRAGMA user_version = 1", "PRAGMA user_version = 99", "CREATE TABLE other (x)", "DROP TABLE answers"]
)
def test_a_file_of_another_version_or_program_is_moved_aside_whole(model: Counting, path: Path, change: str) -> None:
    with cached(model, path) as layer:
        layer.chat_completion(HELLO)
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        file.execute(change)
    with cached(model, path) as layer:
        with pytest.warns(CacheWarning, match="another version"):
            assert not layer.chat_completion(HELLO).cached
        assert layer.chat_completion(HELLO).cached


def test_where_no_file_can_be_made_answers_are_given_with_one_warning(model: Counting, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with cached(model, tmp_path / "file" / "answers.sqlite") as layer:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            assert [layer.chat_completion(HELLO).cached for _ in range(3)] == [False] * 3
    assert [one.category for one in heard] == [CacheWarning]


def test_where_warnings_are_errors_the_answer_is_given_all_the_same(model: Counting, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with cached(model, tmp_path) as layer:
            assert layer.chat_completion(HELLO).text.startswith("Hi")


PRELUDE = """
import resource, sys, warnings
from llm_brain.backends import CachedBackend, LanguageBackend, Message, Reply, Request
class Model(LanguageBackend):
    model_id = "model"
    def count_tokens(self, text): return 1
    def chat_completion(self, request): return Reply(f"answer {request.sample} " + "x" * 2000, "stop", "model")
layer = CachedBackend(Model(), sys.argv[1])
questions = [Request((Message("user", "Hello?"),), sample=sample) for sample in range(200)]
"""
FULL_DISK = """
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    replies = [layer.chat_completion(question).text for question in questions]
assert all(text.startswith(f"answer {n} ") for n, text in enumerate(replies))
assert len(heard) == 1, heard
"""
ASK_ALL = """
warnings.simplefilter("error")
for question in questions[:: int(sys.argv[2])]:
    assert layer.chat_completion(question).text.startswith(f"answer {question.sample} ")
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    here = {**os.environ, "PYTHONPATH": str(Path(llm_brain.errors.__file__).parents[1])}
    return subprocess.Popen([sys.executable, "-c", PRELUDE + program, *arguments], env=here, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be limited here")
def test_on_a_full_disk_every_answer_is_given_with_one_warning(path: Path) -> None:
    process = start(FULL_DISK, str(path))
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 0, told


def test_processes_side_by_side_lose_nothing(path: Path) -> None:
    processes = [start(ASK_ALL, str(path), step) for step in ("1", "-1", "1")]
    for process in processes:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM answers").fetchone() == (200,)
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_processes_that_find_a_damaged_file_together_move_it_aside_once(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"junk" * 5000)
    program = ASK_ALL.replace('"error"', '"ignore"')
    processes = [start(program, str(path), "1") for _ in range(3)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(list(path.parent.glob("*.corrupt-*"))) == 1
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM answers").fetchone() == (200,)
