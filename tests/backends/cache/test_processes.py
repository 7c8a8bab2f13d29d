"""Processes side by side on one cache: nothing is lost, whichever is killed, forked, or holds the file for itself."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import llm_brain.errors
from llm_brain.backends import CachedBackend, CacheWarning, LanguageBackend, Message, Reply, Request
from llm_brain.backends.cache import answers
from llm_brain.backends.cache.answers import AnswerStore

HELLO = Request((Message("user", "Hello?"),))
HERE = {**os.environ, "PYTHONPATH": str(Path(llm_brain.errors.__file__).parents[1])}


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", program, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=HERE, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


class Model(LanguageBackend):
    model_id = "m"

    def __init__(self) -> None:
        self.asked = 0

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        self.asked += 1
        return Reply(f"answer {request.sample}", "stop", "m")


ASK = """
import sys
from llm_brain.backends import CachedBackend, LanguageBackend, Message, Reply, Request
class Model(LanguageBackend):
    model_id = "m"
    def count_tokens(self, text): return 1
    def chat_completion(self, request): return Reply(f"answer {request.sample}", "stop", "m")
layer = CachedBackend(Model(), sys.argv[1])
for sample in range(int(sys.argv[2]), int(sys.argv[3])):
    assert layer.chat_completion(Request((Message("user", "Hello?"),), sample=sample)).text == f"answer {sample}"
"""


@pytest.mark.parametrize("count", [2, 4])
def test_processes_write_ten_thousand_answers_and_none_is_lost(path: Path, count: int) -> None:
    share = 10_000 // count
    processes = [start(ASK, path, n * share, (n + 1) * share) for n in range(count)]
    for process in processes:
        assert process.communicate(timeout=120)[1] == ""
        assert process.returncode == 0
    model = Model()
    layer = CachedBackend(model, path)
    assert len(layer) == 10_000
    for sample in range(10_000):
        reply = layer.chat_completion(Request(HELLO.messages, sample=sample))
        assert (reply.text, reply.cached) == (f"answer {sample}", True)
    layer.close()
    assert model.asked == 0
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


WRITE = """
import os, sys
from llm_brain.backends.cache.answers import AnswerStore
store = AnswerStore(sys.argv[1])
number = 0
while True:
    store.put(f"{sys.argv[2]} {number}", {"text": "x" * (number * 37 % 6000), "number": number})
    os.write(1, f"{sys.argv[2]} {number}\\n".encode())
    number += 1
"""


def kill_while_writing(path: Path, rounds: int) -> None:
    """Kill two writers again and again; whatever they said was kept has to be there."""
    moments = random.Random(rounds)
    reported: list[str] = []
    for number in range(rounds):
        writers = [start(WRITE, path, f"{number}.{n}") for n in range(2)]
        firsts = [writer.stdout.readline() for writer in writers]  # type: ignore[union-attr]
        time.sleep(moments.uniform(0, 0.15))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
        for writer, first in zip(writers, firsts, strict=True):
            said = first + writer.communicate(timeout=60)[0]
            reported += [line for line in said.splitlines(keepends=True) if line.endswith("\n")]
        store = AnswerStore(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for key in reported:
                kept = store.get(key.strip())
                assert kept is not None, key
                assert kept["number"] == int(key.split()[1])
        store.close()
    assert len(reported) > 2 * rounds
    assert not list(path.parent.glob("*corrupt*"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal here")
def test_what_was_kept_before_a_kill_is_there(path: Path) -> None:
    kill_while_writing(path, 3)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal here")
def test_what_was_kept_before_any_of_many_kills_is_there(path: Path) -> None:
    kill_while_writing(path, 40)


HOLD = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute("PRAGMA locking_mode = EXCLUSIVE")
file.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.readline()
file.execute("COMMIT")
file.close()
print("free", flush=True)
sys.stdin.readline()
"""


@contextmanager
def held(path: Path) -> Iterator[Callable[[], None]]:
    """Have another process lock the file for itself; give what makes it let go."""
    holder = start(HOLD, path)
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    def let_go() -> None:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "free\n"

    try:
        yield let_go
    finally:
        holder.kill()
        holder.communicate()


def test_while_another_process_has_locked_the_file_one_call_waits_and_the_next_ones_do_not(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PATIENCE", 1.5)
    model = Model()
    layer = CachedBackend(model, path)
    layer.chat_completion(HELLO)
    layer.close()
    with held(path) as let_go:
        began = time.monotonic()
        with pytest.warns(CacheWarning, match="locked by another process"):
            layer.chat_completion(HELLO)
        first = time.monotonic() - began
        assert not any(layer.chat_completion(HELLO).cached for _ in range(5))
        assert first > 1.4
        assert time.monotonic() - began - first < 1.4  # each of ten looks and writes is tried once
        assert model.asked == 7
        let_go()
        assert layer.chat_completion(HELLO).cached
        assert not layer.chat_completion(Request(HELLO.messages, sample=1)).cached
        assert layer.chat_completion(Request(HELLO.messages, sample=1)).cached
    layer.close()


def test_an_event_loop_goes_on_while_a_call_in_it_waits_for_another_process(path: Path) -> None:
    model = Model()
    layer = CachedBackend(model, path)
    layer.chat_completion(HELLO)
    layer.close()

    async def main() -> tuple[Reply, int]:
        asking = asyncio.create_task(layer.achat_completion(HELLO))
        turns = 0
        while not asking.done():
            await asyncio.sleep(0.002)
            turns += 1
        return await asking, turns

    with held(path) as let_go:
        soon = threading.Timer(0.5, let_go)
        soon.start()
        reply, turns = asyncio.run(main())
        soon.join()
    layer.close()
    assert reply.cached
    assert model.asked == 1
    assert turns > 10


def test_a_call_that_is_cancelled_as_it_waits_for_another_process_is_over_at_once(path: Path) -> None:
    layer = CachedBackend(Model(), path)
    layer.chat_completion(HELLO)
    layer.close()

    async def main() -> float:
        asking = asyncio.create_task(layer.achat_completion(HELLO))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return time.monotonic() - began

    with held(path) as let_go:
        assert asyncio.run(main()) < 0.5 * answers.PATIENCE
        let_go()
    layer.close()


def test_a_reader_in_the_middle_of_a_look_keeps_nobody_from_writing(path: Path) -> None:
    store = AnswerStore(path)
    store.put("a", 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM answers").fetchall()
        store.put("b", 2)
        assert store.get("b") == 2
    store.close()


REPLACE = """
import sys
from pathlib import Path
from llm_brain.backends.cache.answers import AnswerStore
path = Path(sys.argv[1])
for suffix in ("-wal", "-shm", ""):
    Path(f"{path}{suffix}").rename(f"{path}.old{suffix}")
store = AnswerStore(path)
store.put("of the other process", 1)
print("replaced", flush=True)
sys.stdin.readline()
assert store.get("of this process") == 2
store.put("last", 3)
store.close()
"""


def test_a_file_that_another_process_has_replaced_is_left_for_the_new_one(path: Path) -> None:
    store = AnswerStore(path)
    store.put("before", 0)
    other = start(REPLACE, path)
    assert other.stdout is not None
    assert other.stdout.readline() == "replaced\n"
    assert store.get("before") is None
    assert store.get("of the other process") == 1
    store.put("of this process", 2)
    assert other.communicate("\n", timeout=60)[1] == ""
    assert [store.get(key) for key in ("of the other process", "of this process", "last")] == [1, 2, 3]
    store.close()


MEET = """
import sys, warnings
from llm_brain.backends.cache.answers import AnswerStore
warnings.simplefilter("ignore")
store = AnswerStore(sys.argv[1])
assert store.get("key 0") == {"text": "x" * 500, "number": 0}
print("open", flush=True)
sys.stdin.readline()
for number in [*range(400), *range(400)]:
    value = {"text": "x" * 500, "number": number}
    assert store.get(f"key {number}") in (None, value)
    store.put(f"key {number}", value)
"""
SPOIL = """
import os, sys
with open(sys.argv[1], "r+b") as file:
    size = os.fstat(file.fileno()).st_size
    for at in range(8 * 4096, size, 3 * 4096):
        file.seek(at)
        file.write(os.urandom(4096))
"""


def test_processes_that_meet_damage_together_while_the_file_is_open_end_with_one_good_file(path: Path) -> None:
    store = AnswerStore(path)
    for number in range(400):
        store.put(f"key {number}", {"text": "x" * 500, "number": number})
    store.close()
    processes = [start(MEET, path) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
    subprocess.run([sys.executable, "-c", SPOIL, path], check=True)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(list(path.parent.glob("*.corrupt-*[0-9]"))) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(store.get(f"key {number}") is not None for number in range(400))
    store.close()


FORK = """
import os, sys
from llm_brain.backends.cache.answers import AnswerStore
store = AnswerStore(sys.argv[1])
store.put("of the parent", 1)
if os.fork() == 0:
    assert store.get("of the parent") == 1
    store.put("of the child", 2)
    os.write(1, b"forked\\n")
    sys.stdin.readline()
    for number in range(300):
        store.put(f"child {number}", "x" * 3000)
    assert store.get("of a third process") == 3
    store.close()
    os._exit(0)
assert store.get("of the parent") == 1
os.wait()
"""
END_OF_PARENT = FORK.replace("os.wait()", "store.close()")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("program", [FORK, END_OF_PARENT])
def test_a_forked_child_shares_the_file_with_its_parent_and_with_others(path: Path, program: str) -> None:
    family = start(program, path)
    assert family.stdout is not None
    assert family.stdout.readline() == "forked\n"
    if program is END_OF_PARENT:
        assert family.wait(60) == 0
    store = AnswerStore(path)
    store.put("of a third process", 3)
    store.close()
    assert family.communicate("\n", timeout=60)[1] == ""
    assert [store.get(key) for key in ("of the parent", "of the child", "of a third process")] == [1, 2, 3]
    assert store.count() == 303
    store.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_waits_for_the_threads_that_are_writing(path: Path) -> None:
    store = AnswerStore(path)
    is_over = threading.Event()

    def write(name: str) -> None:
        number = 0
        while not is_over.is_set():
            store.put(f"{name} {number}", "x" * 500)
            number += 1

    threads = [threading.Thread(target=write, args=(str(n),)) for n in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(5):
            child = os.fork()
            if child == 0:
                store.put(f"child {number}", number)
                os._exit(0 if store.get(f"child {number}") == number else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert [store.get(f"child {number}") for number in range(5)] == list(range(5))
    store.close()


def test_sixteen_threads_find_and_write_all_answers(path: Path) -> None:
    model: Any = Model()
    layer = CachedBackend(model, path)
    problems: list[BaseException] = []

    def ask(n: int) -> None:
        try:
            for sample in [*range(n, 160, 16), *range(160)]:
                assert layer.chat_completion(Request(HELLO.messages, sample=sample)).text == f"answer {sample}"
        except BaseException as error:  # noqa: BLE001 - asserted on below
            problems.append(error)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert model.asked == 160
    assert len(layer) == 160
    layer.close()
