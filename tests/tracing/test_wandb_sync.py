"""A run that was offline is uploaded with `wandb sync`, and one that is online arrives by itself."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_brain.tracing import WandbRun, names, record, span
from tests.tracing.wandb_logs import wandb_command
from tests.tracing.wandb_server import WandbServer

pytest.importorskip("wandb")
pytestmark = pytest.mark.usefixtures("wandb_home")


@pytest.fixture
def server() -> Iterator[WandbServer]:
    with WandbServer() as server:
        yield server


def recorded(folder: Path, steps: int = 5) -> dict[str, bytes]:
    """Record a run and show it; return the files of spans as they were."""
    with record(folder), WandbRun(folder, name="a run", config={"width": 64, "api_key": "a secret"}) as run:
        for step in range(steps):
            with span("training step", {names.KIND: names.STEP_KIND, names.STEP: step, "llm_brain.metric.reward": step / 2}):
                pass
        with span("chat smollm2", {names.KIND: names.CALL_KIND, names.REQUEST_MODEL: "smollm2"}):
            pass
        run.log({"mine": 1.5}, step=3)
        run.summary({"best": 2.0})
        kept = {path.name: path.read_bytes() for path in (folder / "spans").iterdir()}
    assert run.lost == 0
    return kept


def sync(folder: Path, server: WandbServer) -> str:
    """Upload the one run in the folder; return its id."""
    [offline] = (folder / "wandb").glob("offline-run-*")
    said = wandb_command("sync", str(offline), **server.settings())
    assert "Finished syncing" in said.stderr
    return offline.name.rpartition("-")[2]


def uploaded(server: WandbServer, run: str) -> dict[str, bytes]:
    """The files of spans that have arrived."""
    prefix = f"spans-{run}/"
    return {path.removeprefix(prefix): content for path, content in server.files.items() if path.startswith(prefix)}


def check_all_arrived(server: WandbServer, run: str, kept: dict[str, bytes], steps: int = 5) -> None:
    assert server.rows(run, "step", "step/reward") == [(step, step / 2) for step in range(steps)]
    assert server.rows(run, "step", "mine") == [(3, 1.5)]
    assert server.config[run]["width"] == {"value": 64}
    assert server.config[run]["api_key"] == {"value": "[redacted]"}
    assert json.loads(server.files["run/wandb-summary.json"])["best"] == 2.0
    tables = [json.loads(content) for path, content in server.files.items() if path.startswith("run/media/table/calls")]
    assert [len(table["data"]) for table in tables] == [1]
    [(tree,)] = server.rows(run, "traces/slow")
    assert json.loads(tree["root_span_dumps"])["name"] == "chat smollm2"
    assert {name: content for name, content in uploaded(server, run).items() if name != "manifest"} == kept
    assert sorted(server.committed) == [f"run-{run}-calls", f"spans-{run}"]


def test_what_was_recorded_offline_arrives_with_wandb_sync(tmp_path: Path, server: WandbServer) -> None:
    kept = recorded(tmp_path / "run")
    check_all_arrived(server, sync(tmp_path / "run", server), kept)


def test_without_a_mode_nobody_is_asked_anything(tmp_path: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.settings().items():
        monkeypatch.setenv(name, value)
    recorded(tmp_path)
    assert server.requests == []


def test_what_is_recorded_online_arrives_by_itself(tmp_path: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WANDB_MODE": "online", **server.settings()}.items():
        monkeypatch.setenv(name, value)
    kept = recorded(tmp_path)
    [run] = server.history
    check_all_arrived(server, run, kept)


def test_a_folder_that_was_moved_keeps_its_curves_and_loses_its_artefacts(tmp_path: Path, server: WandbServer) -> None:
    recorded(tmp_path / "before")
    shutil.move(tmp_path / "before", tmp_path / "after")
    run = sync(tmp_path / "after", server)
    assert len(server.rows(run, "step/reward")) == 5
    assert any(path.startswith("run/media/table/calls") for path in server.files)
    assert server.committed == []


def test_a_folder_that_was_moved_is_whole_again_when_it_is_entered_again(tmp_path: Path, server: WandbServer) -> None:
    kept = recorded(tmp_path / "before")
    shutil.move(tmp_path / "before", tmp_path / "after")
    shutil.rmtree(tmp_path / "after" / "wandb")
    with WandbRun(tmp_path / "after") as run:
        run.catch_up()
    uploaded_run = sync(tmp_path / "after", server)
    assert len(server.rows(uploaded_run, "step/reward")) == 5
    assert {name: content for name, content in uploaded(server, uploaded_run).items() if name != "manifest"} == kept
