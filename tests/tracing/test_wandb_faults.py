"""What may happen to W&B while a run goes on: the run goes on, somebody is told, and the spans have everything."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_brain.tracing import TracingWarning, WandbRun, read_spans, record, span
from tests.tracing.wandb_logs import ROOT, Logged, run_program, wandb_command
from tests.tracing.wandb_server import WandbServer

pytest.importorskip("wandb")
pytestmark = pytest.mark.usefixtures("wandb_home")

STEPS = 200


def steps_shown(folder: Path) -> set[int]:
    return {step for step, _ in Logged(folder).rows("step", "training/loss")}


KILLED = """
import os, signal, sys, time
from llm_brain.tracing import WandbRun, record, span

with record(sys.argv[1]), WandbRun(sys.argv[1]) as run:
    for step in range(200):
        with span("training", {"llm_brain.step": step, "llm_brain.metric.loss": 0.5}):
            pass
    run.catch_up()
    time.sleep(float(sys.argv[3]))
    if sys.argv[2] == "with its helper":
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill(folder: Path, how: str, seconds: float) -> None:
    """Run a program that is killed with `kill -9` some time after its last step; all of its steps are on disk."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(folder), how, str(seconds)]
    with subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL) as program:
        assert program.wait(30) == -signal.SIGKILL
    assert len(list(read_spans(folder))) == STEPS


@pytest.mark.parametrize("how", ["alone", "with its helper"])
def test_killed_at_once_w_and_b_loses_the_last_rows_and_the_next_run_shows_all(tmp_path: Path, how: str) -> None:
    kill(tmp_path, how, seconds=0)
    shown = steps_shown(tmp_path)
    assert shown == set(range(len(shown)))  # the first ones, and none that came later
    [before] = (tmp_path / "wandb").glob("offline-run-*")
    with record(tmp_path), WandbRun(tmp_path):
        pass
    shutil.rmtree(before)
    assert steps_shown(tmp_path) == set(range(STEPS))


@pytest.mark.parametrize("how", ["alone", "with its helper"])
def test_what_is_older_than_two_seconds_outlives_a_kill(tmp_path: Path, how: str) -> None:
    kill(tmp_path, how, seconds=2)
    assert steps_shown(tmp_path) == set(range(STEPS))


FULL = """
import os, sys, time, warnings
from llm_brain.tracing import WandbRun, record, span

warnings.simplefilter("always")
with record(sys.argv[1]), WandbRun(sys.argv[1]) as run:
    run.log({"first": 1}, step=0)
    run.catch_up()
    time.sleep(1.5)
    filling = os.path.join(sys.argv[1], "filling")
    with open(filling, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4_000)):
                pass
        except OSError:
            pass
    start = time.monotonic()
    for step in range(2_000):
        run.log({"middle": 1}, step=step)
    waited = time.monotonic() - start
    run.catch_up()
    time.sleep(1.5)
    os.remove(filling)
    run.log({"last": 1}, step=9_999)
    with span("training", {"llm_brain.step": 1, "llm_brain.metric.loss": 0.5}):
        pass
print(waited < 1.0, run.lost > 0)
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="a small disk of its own needs unshare")
def test_a_full_disk_is_told_and_w_and_b_writes_no_more_even_when_there_is_room_again(tmp_path: Path) -> None:
    folder, kept = tmp_path / "disk", tmp_path / "kept"
    folder.mkdir()
    mount = 'mount -t tmpfs -o size=2m none "$0" && kept="$1" && shift && "$@"; code=$?; cp -r "$0" "$kept"; exit $code'
    mounted = ["unshare", "--mount", "sh", "-c", mount, str(folder), str(kept)]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no disk may be mounted here")
    shutil.rmtree(kept)
    done = run_program(FULL, folder, before=mounted)
    assert (done.stdout, done.returncode) == ("True True\n", 0), done.stderr
    assert done.stderr.count("TracingWarning") == 1
    assert f"the disk of {folder} is full; of what comes now W&B shows nothing" in done.stderr
    logged = Logged(kept)
    assert len(logged.rows("first")) == 1
    assert len(logged.rows("middle")) < 2_000
    assert logged.rows("last") == []
    assert [one.name for one in read_spans(kept)] == ["training"]


@pytest.mark.slow
def test_a_server_that_does_not_answer_leaves_an_offline_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_no_server(tmp_path, monkeypatch, server.getsockname()[1])


@pytest.mark.slow
def test_a_server_that_is_dead_leaves_an_offline_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    check_no_server(tmp_path, monkeypatch, port)


def check_no_server(folder: Path, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
    start = time.monotonic()
    with pytest.warns(TracingWarning, match=r"W&B \(online\) did not start") as heard:
        train(folder, steps=1)
    assert time.monotonic() - start < 20
    assert [one.category for one in heard] == [TracingWarning]
    logged = Logged(folder, "offline-run-*")
    assert (logged.rows("training/loss"), logged.rows("mine", "step")) == ([(0.5,)], [(0, 0)])


def train(folder: Path, steps: int, server: WandbServer | None = None) -> None:
    """Record a run, from the start of which the server may be dead."""
    with record(folder), WandbRun(folder) as run:
        if server is not None:
            server.die()
        start = time.monotonic()
        for step in range(steps):
            with span("training", {"llm_brain.step": step, "llm_brain.metric.loss": 0.5}):
                pass
            run.log({"mine": step}, step=step)
        assert time.monotonic() - start < 2.0


@pytest.mark.slow
def test_a_server_that_dies_changes_nothing_and_the_run_can_be_uploaded_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WandbServer() as server:
        for name, value in {"WANDB_MODE": "online", **server.settings()}.items():
            monkeypatch.setenv(name, value)
        start = time.monotonic()
        with pytest.warns(TracingWarning, match="W&B is losing data, and the run goes on") as heard:
            train(tmp_path, 1_000, server)
        assert time.monotonic() - start < 45
    assert len(heard) == 1
    assert len(list(read_spans(tmp_path))) == 1_000
    monkeypatch.delenv("WANDB_MODE")
    [online] = (tmp_path / "wandb").glob("run-*")
    with WandbServer() as another:
        wandb_command("sync", "--include-online", str(online), **another.settings())
        [run] = another.history
        assert sorted(another.rows(run, "step", "mine")) == [(step, step) for step in range(1_000)]
        assert sorted(another.rows(run, "step", "training/loss")) == [(step, 0.5) for step in range(1_000)]
