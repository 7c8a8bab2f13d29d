"""The demo as a user runs it: once, again, and stopped in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from examples.mood import demo
from llm_brain.tracing import read_spans


def start(run: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "examples.mood.demo", "--run", str(run), "--trials", "2"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_a_second_run_asks_the_model_nothing(tmp_path: Path) -> None:
    run = tmp_path / "demo"
    first = start(run)
    deadline = time.monotonic() + 120
    while not (run / "cache.sqlite").exists() and time.monotonic() < deadline:
        time.sleep(1)
    time.sleep(20)
    os.kill(first.pid, signal.SIGINT)
    stopped = time.monotonic()
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 130, output
    assert "Traceback" not in output
    assert time.monotonic() - stopped < 15

    second = start(run)
    output, _ = second.communicate(timeout=900)
    assert second.returncode == 0, output
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert summary["cached_calls"] > 100  # what the stopped run had paid for
    assert summary["trials"] == 2
    assert summary["brain_accuracy"] > 0.65
    assert summary["cascade_agreement"] > 0.8
    assert 0.0 < summary["cascade_model_share"] <= 1.0
    assert summary["cascade_accuracy"] > summary["brain_accuracy"]
    assert (run / "report.html").read_text(encoding="utf-8").count("<svg") >= 4
    assert {record.name for record in read_spans(run)} >= {"trial", "training epoch", "validation", "MoodReader.mood", "cascade"}
    validation = next(record for record in read_spans(run) if record.name == "validation")
    assert set(validation.attributes["llm_brain.metric.modulators"]) >= {"dopamine"}
    assert list((run / "wandb").glob("offline-run-*"))

    third = start(run)
    output, _ = third.communicate(timeout=300)
    assert third.returncode == 0, output
    again = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert again["model_calls"] == 0
    for name in ("brain_accuracy", "cascade_accuracy", "cascade_model_share"):
        assert again[name] == summary[name]


def test_a_run_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    assert demo.main(["--run", str(tmp_path / "file" / "run")]) == 1
    assert capsys.readouterr().out.startswith("stopped: ")
