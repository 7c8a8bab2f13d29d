"""A process in the middle of a call: interrupted, forked, or with a clock that jumps."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import acts
from tests.servers.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect
from tests.servers.faulty import FaultyServer, Stage

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
BEGUN = """
import asyncio, json, os, signal, sys, threading, time
from llm_brain.backends.layers.traced import TracedBackend
from llm_brain.errors import BackendError
from llm_brain.tracing import record
from tests.backends.faults.playing import HELLO, model_of
from tests.servers.dialects import DIALECTS
url, name, folder = sys.argv[1:]
(dialect,) = [one for one in DIALECTS if one.name == name]
"""
WAYS = {
    "blocking": "model.chat_completion(HELLO)",
    "streamed": "list(model.stream(HELLO))",
    "awaited": "asyncio.run(model.achat_completion(HELLO))",
}


def run(code: str, stage: Stage, dialect: Dialect, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BEGUN + code, stage.url, dialect.name, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until_asked(stage: Stage, process: subprocess.Popen[str], requests: int = 1) -> None:
    until = time.monotonic() + 30
    while len(stage.requests) < requests:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(("way", "dialect"), [*((way, OPENAI) for way in WAYS), ("streamed", ANTHROPIC)])
def test_ctrl_c_in_a_call_stops_it_within_a_second_and_its_span_is_written(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, way: str
) -> None:
    stage = server.stage(acts.hangs)
    code = f"""
model = TracedBackend(model_of(dialect, url, timeout=60.0))
with record(folder):
    {WAYS[way]}
"""
    process = run(code, stage, dialect, tmp_path)
    until_asked(stage, process)
    time.sleep(0.1)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=10)
    assert time.monotonic() - begun < 1.0 + 0.5  # the half is for an interpreter to end on a busy machine
    assert told.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode == -signal.SIGINT
    (span,) = [json.loads(line) for path in tmp_path.rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert (span["name"], span["status"]) == ("chat m-1", "error")


def test_ctrl_c_between_attempts_stops_the_waiting(server: FaultyServer, tmp_path: Path) -> None:
    stage = server.stage(OPENAI.fails(503, retry_after="30"))
    process = run("model_of(dialect, url, timeout=60.0).chat_completion(HELLO)", stage, OPENAI, tmp_path)
    until_asked(stage, process)
    time.sleep(0.2)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert time.monotonic() - begun < 1.5
    assert (process.returncode, len(stage.requests)) == (-signal.SIGINT, 1)


FORKED = """
model = model_of(dialect, url, timeout=20.0)
assert model.chat_completion(HELLO).text == "Hello!"
{before}
child = os.fork()
if child == 0:
    signal.alarm(15)
    texts = [model.chat_completion(HELLO).text for _ in range(2)]
    texts.append(asyncio.run(model.achat_completion(HELLO)).text)
    os._exit(0 if texts == ["Hello!"] * 3 else 1)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), model.chat_completion(HELLO).text)
"""
ASKING = """
def ask():
    for _ in range(40):
        model.chat_completion(HELLO)
threading.Thread(target=ask, daemon=True).start()
time.sleep(0.1)
"""
BEFORE = {"idle": "", "asking": ASKING}


@pytest.mark.parametrize(("before", "dialect"), [("idle", ANTHROPIC), ("asking", OPENAI)])
def test_a_fork_after_a_client_was_made_can_ask_and_so_can_its_parent(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, before: str
) -> None:
    stage = server.stage(acts.later(dialect.says(), 0.01))
    process = run(FORKED.format(before=BEFORE[before]), stage, dialect, tmp_path)
    said, told = process.communicate(timeout=40)
    assert (said.split(), process.returncode) == (["0", "Hello!"], 0), told


JUMPING = """
real = time.time
jumps = iter(range(10**9))
time.time = lambda: real() + (-1) ** next(jumps) * 1e9  # thirty years forth and back
time.time_ns = lambda: int(time.time() * 1e9)
for path in json.loads(url):
    model = TracedBackend(model_of(dialect, path, timeout=1.5))
    begun = time.monotonic()
    with record(folder):
        try:
            model.chat_completion(HELLO)
            told = "answered"
        except BackendError as error:
            told = error.kind
    print(json.dumps([told, time.monotonic() - begun]))
"""


def test_a_clock_that_jumps_changes_no_wait_no_deadline_and_no_duration(server: FaultyServer, tmp_path: Path) -> None:
    firsts = [OPENAI.fails(503), acts.hangs, OPENAI.fails(429, retry_after="0.7")]
    urls = [server.stage(first, OPENAI.says()).url for first in firsts]
    process = run(JUMPING, Stage(json.dumps(urls)), OPENAI, tmp_path)
    said, problem = process.communicate(timeout=30)
    assert process.returncode == 0, problem
    told = [json.loads(line) for line in said.splitlines()]
    assert [kind for kind, _ in told] == ["answered", "timeout", "answered"]
    for (_, seconds), least in zip(told, (0.1, 1.4, 0.69), strict=True):
        assert least <= seconds <= 2.5
    spans = [json.loads(line) for path in tmp_path.rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert [span["attributes"]["llm_brain.kind"] for span in spans].count("call") == 3
    assert all(0 <= span["end_ns"] - span["start_ns"] <= 3e9 for span in spans)


def test_a_process_ends_at_once_when_its_last_call_is_answered(server: FaultyServer, tmp_path: Path) -> None:
    stage = server.stage(OPENAI.says())
    process = run("model_of(dialect, url).chat_completion(HELLO); print(time.monotonic())", stage, OPENAI, tmp_path)
    said, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (0, "")
    assert time.monotonic() - float(said) < 3.0
