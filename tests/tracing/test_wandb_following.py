"""What a run's spans tell is shown in W&B while it goes on, without another line of code."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_brain.tracing import WandbRun, names, read_spans, record, span
from tests.tracing.wandb_logs import Logged, bytes_of, run_program

pytest.importorskip("wandb")
pytestmark = pytest.mark.usefixtures("wandb_home")

PROMPT, REPLY, REASON = "how is the weather in Gondar", "sunny in Gondar", "Gondar did not parse"


def train(steps: int = 3) -> None:
    with span("training epoch", {names.KIND: names.EPOCH_KIND, names.STEP: 0}) as epoch:
        for step in range(steps):
            with span("training step", {names.KIND: names.STEP_KIND, names.STEP: step}) as here:
                here.set(f"{names.METRIC}.reward", step / 2)
                here.set(f"{names.METRIC}.entropy", 1 / (step + 1))
                here.set(f"{names.METRIC}.modulators", {"dopamine": 0.1 * step})
                here.set(f"{names.METRIC}.staleness", [0, 1, 1])
        epoch.set(f"{names.METRIC}.mood", {"labels": ["glad", "sad"], "counts": [[8, 1], [2, 9]]})


def ask(error: Exception | None = None, seconds: float = 0.0) -> None:
    """A typed function that asks a model once."""
    try:
        with span("weather", {names.KIND: names.FUNCTION_KIND, names.FUNCTION: "weather"}) as function:
            function.content(names.ARGUMENTS, {"question": PROMPT})
            with span("chat smollm2", {names.KIND: names.CALL_KIND, names.REQUEST_MODEL: "smollm2"}) as call:
                call.content(names.INPUT_MESSAGES, [{"role": "user", "parts": [{"type": "text", "content": PROMPT}]}])
                time.sleep(seconds)
                if error is not None:
                    raise error
                call.content(names.OUTPUT_MESSAGES, [{"role": "assistant", "parts": [{"type": "text", "content": REPLY}]}])
                for name, value in {
                    names.INPUT_TOKENS: 12,
                    names.OUTPUT_TOKENS: 3,
                    names.COST: 0.25,
                    names.CACHED: False,
                }.items():
                    call.set(name, value)
            function.content(names.VALUE, REPLY)
    except ValueError:
        pass


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_metrics_become_curves_over_our_own_step(tmp_path: Path) -> None:
    with record(tmp_path), WandbRun(tmp_path) as run:
        train()
    assert run.lost == 0
    logged = Logged(tmp_path)
    assert logged.rows("step", "step/reward", "step/entropy", "step/modulators.dopamine") == [
        (step, step / 2, pytest.approx(1 / (step + 1)), pytest.approx(0.1 * step)) for step in range(3)
    ]
    assert [sum(values) for (values,) in logged.rows("step/staleness.values")] == [3, 3, 3]
    assert [row[2] for row in logged.table("epoch/mood_table")["data"]] == [8, 1, 2, 9]
    assert [one["step_metric"] for one in logged.of("metric") if one.get("glob_name") == "*"] == ["step"]


def test_calls_become_curves_over_their_number_and_one_table(tmp_path: Path) -> None:
    with record(tmp_path), WandbRun(tmp_path):
        ask()
        ask(ValueError(REASON))
        ask()
    logged = Logged(tmp_path)
    rows = logged.rows("calls/number", "calls/cost", "calls/failed", "calls/input_tokens")
    assert rows[1:4] == [(2, 0.25, 1, 12), (3, 0.5, 1, 24), (3, 0.5, 1, 24)]
    assert {name for name, axis in logged.axes().items() if axis == "calls/number"} >= {"calls/cost", "calls/seconds"}
    assert all("step" not in row for row in logged.history() if "calls/cost" in row)
    calls = [one for one in read_spans(tmp_path) if one.is_call]
    table = logged.table("calls")
    told = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [row["span_id"] for row in told] == [one.span_id for one in calls]
    assert [row["seconds"] for row in told] == pytest.approx([one.seconds for one in calls])
    ours = {"name": "chat smollm2", "model": "smollm2", "status": "ok", "cached": False, "input_tokens": 12, "output_tokens": 3}
    assert told[0].items() >= {**ours, "cost": 0.25, "error": None, "prompt": PROMPT, "reply": REPLY}.items()
    assert told[1].items() >= {"status": "error", "error": "ValueError", "prompt": PROMPT, "reply": None, "cost": None}.items()


def test_trials_become_a_curve_over_their_number_and_a_table(tmp_path: Path) -> None:
    with record(tmp_path), WandbRun(tmp_path):
        for number in range(2):
            with span("trial", {names.KIND: names.TRIAL_KIND, names.TRIAL: number}) as trial:
                train()
                trial.content(names.HYPERPARAMETERS, {"rate": 0.1})
                trial.set(names.SCORE, number / 2)
    logged = Logged(tmp_path)
    assert logged.rows("trial/number", "trial/score") == [(0, 0.0), (1, 0.5)]
    assert logged.axes()["trial/score"] == "trial/number"
    assert [row[:2] for row in logged.table("trials")["data"]] == [[0, 0.0], [1, 0.5]]
    assert logged.table("trials")["data"][0][5] == '{"rate": 0.1}'
    assert len(logged.rows("step/reward")) == len(logged.rows("training 2/step/reward")) == 3


def test_failed_slow_and_sampled_calls_become_trees(tmp_path: Path) -> None:
    with record(tmp_path), WandbRun(tmp_path):
        ask(ValueError(REASON))
        for _ in range(60):
            ask()
        ask(seconds=0.2)
    trees = Logged(tmp_path).trees()
    [failed] = trees["failed"]
    assert (failed["name"], failed["status_code"], failed["status_message"]) == ("weather", "ERROR", f"ValueError: {REASON}")
    [call] = failed["child_spans"]
    assert (call["name"], call["span_kind"]) == ("chat smollm2", "LLM")
    [result] = call["results"]
    assert PROMPT in json.dumps(result["inputs"])
    longest = max(trees["slow"], key=lambda tree: tree["end_time_ms"] - tree["start_time_ms"])
    assert longest["end_time_ms"] - longest["start_time_ms"] >= 200
    assert 19 <= len(trees["slow"]) <= 20  # the one that failed may be one of the slowest
    assert 1 <= len(trees["sample"]) <= 20


def test_the_spans_are_an_artefact_that_lies_in_the_folder(tmp_path: Path) -> None:
    with record(tmp_path), WandbRun(tmp_path):
        ask()
        [lines] = (tmp_path / "spans").glob("*.jsonl")
        kept = lines.read_bytes()
    [(name, payload)] = Logged(tmp_path).artifact_files("spans").items()
    assert (name, payload.read_bytes()) == (lines.name, kept)
    assert payload.is_relative_to(tmp_path / "wandb")


def test_curves_are_there_while_the_run_goes_on(tmp_path: Path) -> None:
    with record(tmp_path), WandbRun(tmp_path) as run:
        train()
        assert eventually(lambda: len(Logged(tmp_path).rows("step/reward")) == 3)
        assert run.catch_up()


def test_what_other_processes_write_is_shown_too(tmp_path: Path) -> None:
    program = """
import sys
from llm_brain.tracing import record, span
with record(sys.argv[1]), span("far away", {"llm_brain.step": 1, "llm_brain.metric.loss": 0.5}):
    pass
"""
    with record(tmp_path), WandbRun(tmp_path):
        assert run_program(program, tmp_path).returncode == 0
    assert Logged(tmp_path).rows("far away/loss", "step") == [(0.5, 1)]


def test_a_run_that_is_over_is_shown_when_it_is_entered_again(tmp_path: Path) -> None:
    with record(tmp_path):
        train()
        ask()
    with WandbRun(tmp_path) as run:
        assert run.catch_up()
    logged = Logged(tmp_path)
    assert len(logged.rows("step/reward")) == 3
    assert len(logged.table("calls")["data"]) == 1


def test_without_a_run_there_is_nothing_to_catch_up_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with WandbRun(tmp_path) as run:
        assert not run.catch_up()
    assert not run.catch_up()


def test_without_contents_not_one_byte_of_a_prompt_is_written(tmp_path: Path) -> None:
    with record(tmp_path, capture_content=False), WandbRun(tmp_path, config={"width": 64}):
        train()
        ask()
        ask(ValueError(REASON))
    assert len(Logged(tmp_path).table("calls")["data"]) == 2
    written = bytes_of(tmp_path)
    assert b"chat smollm2" in written
    assert b"Gondar" not in written


def test_keys_in_spans_are_redacted_before_they_reach_w_and_b(tmp_path: Path) -> None:
    with record(tmp_path), WandbRun(tmp_path):
        ask(ValueError("Authorization: Bearer abcdefgh12345678"))
    assert b"abcdefgh12345678" not in bytes_of(tmp_path)


def test_a_forked_child_neither_waits_nor_ends_the_run(tmp_path: Path) -> None:
    program = """
import os, sys, warnings
from llm_brain.tracing import WandbRun, record, span
warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks
with record(sys.argv[1]), WandbRun(sys.argv[1]) as run:
    if (child := os.fork()) == 0:
        with span("in the child", {"llm_brain.step": 1, "llm_brain.metric.loss": 0.5}):
            pass
        run.__exit__(None, None, None)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""
    done = run_program(program, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert Logged(tmp_path).rows("in the child/loss", "step") == [(0.5, 1)]


def test_spans_of_a_later_version_are_told_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "spans").mkdir()
    (tmp_path / "spans" / f"{os.getpid()}-1.jsonl").write_text('{"schema": 99}\n')
    with pytest.warns(UserWarning, match="W&B is losing data, and the run goes on: DataError"), WandbRun(tmp_path) as run:
        run.log({"loss": 0.5}, step=1)
    assert Logged(tmp_path).rows("loss", "step") == [(0.5, 1)]
