"""`llm-brain optimize` as a person types it: a file, a budget, a journal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner, Result

from llm_brain.cli import app
from llm_brain.errors import DataError, DefinitionError
from llm_brain.tracing import read_spans
from tests.cli.conftest import COMMAND, CommandLine

HILL = """
import time
from pathlib import Path

from pydantic import BaseModel, Field

from llm_brain.optimize import LLMOptimizer


class Knobs(BaseModel):
    rate: float = Field(0.9, ge=0.0, le=1.0)
    greeting: str = "Dear customer,\\nhow are you?"


def climb(run):
    time.sleep({pause})
    return 1 - abs(run.hyperparameters.rate - 0.3) + 0.001 * int(run.task_parameters[-1])


def make(name="hill.jsonl"):
    return LLMOptimizer(
        climb, score=lambda _, result: result, hyperparameters=Knobs, task_parameters=["case 1", "case 2", "case 3"],
        result=float, model=None, journal=Path(name), core="random")


hill = make()
again = hill
"""


BROKEN = """
import sys

def make():
    return 1 + ""

def leave():
    sys.exit(3)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "hill.py").write_text(HILL.replace("{pause}", "0"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "hill", raising=False)  # another test's
    return tmp_path


def optimize(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["optimize", *arguments])


def test_a_study_is_run_shown_line_by_line_and_ends_with_a_verdict(folder: Path) -> None:
    result = optimize("hill.py", "--trials", "5")
    assert result.exit_code == 0, result.output
    assert [line.split()[:3] for line in result.stderr.splitlines()][:2] == [["trial", "0", "default"], ["trial", "1", "core"]]
    assert "scored higher than the default by" in result.stdout
    assert "rate  0.9" in result.stdout
    assert "llm-brain optimize report hill.jsonl" in result.stdout
    assert (folder / "hill.jsonl").is_file()


@pytest.mark.parametrize("arguments", [("run", "hill.py"), ("hill.py:make",), ("--trials", "2", "hill.py:hill")])
def test_the_verb_may_be_left_out_and_a_name_or_a_function_be_given(folder: Path, arguments: tuple[str, ...]) -> None:
    result = optimize(*arguments, *(() if "--trials" in arguments else ("--trials", "2")))
    assert result.exit_code == 0, result.output
    assert (folder / "hill.jsonl").is_file()


@pytest.mark.usefixtures("folder")
def test_the_result_can_be_had_as_json() -> None:
    told = json.loads(optimize("hill.py", "--trials", "4", "--json").stdout)
    assert told["hyperparameters"].keys() == {"rate", "greeting"}
    assert told["verdict"]["trial"] == told["trial"]
    assert told["spending"]["trials"] == 4


@pytest.mark.usefixtures("folder")
def test_with_fewer_trials_than_the_journal_has_the_words_and_the_json_are_about_the_same_trials() -> None:
    optimize("hill.py", "--trials", "9")
    told = json.loads(optimize("hill.py", "--trials", "3", "--json").stdout)
    shown = optimize("hill.py", "--trials", "3").stdout
    assert 0 < told["trial"] < 3
    assert shown.startswith(f"Trial {told['trial']} ")
    assert f"trial {told['trial']}\n" in shown


def test_why_a_trial_failed_stands_in_its_line(folder: Path) -> None:
    (folder / "fails.py").write_text(HILL.replace("time.sleep({pause})", "raise OSError('no such\\nhill')"))
    result = optimize("fails.py", "--trials", "2")
    first, second = result.stderr.splitlines()
    assert "failed" in first
    assert first.endswith("OSError: no such hill; the defaults")
    assert "OSError: no such hill; rate 0." in second


def test_its_runs_are_recorded(folder: Path) -> None:
    assert optimize("hill.py", "--trials", "2", "--run", "runs/hill").exit_code == 0
    assert [one.kind for one in read_spans(folder / "runs" / "hill")] == ["trial", "trial", "study"]


def test_the_page_and_the_view_are_made_from_the_journal_alone(folder: Path) -> None:
    optimize("hill.py", "--trials", "3")
    (folder / "hill.py").unlink()
    result = optimize("report", "hill.jsonl", "--out", "pages/hill.html")
    assert result.stdout.split() == ["pages/hill.html"]
    assert "<h1>hill</h1>" in (folder / "pages" / "hill.html").read_text()
    shown = optimize("view", "hill.jsonl", "--storage", "sqlite:///all.db", "--name", "the hill")
    assert "optuna-dashboard sqlite:///all.db" in shown.stdout
    assert len(optuna.load_study(study_name="the hill", storage="sqlite:///all.db").trials) == 3


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("out", "written"), [("pages/", "pages/hill.html"), (".", "hill.html"), ("there", "there/hill.html"), ("page", "page")]
)
def test_a_page_is_written_into_a_folder_too(out: str, written: str) -> None:
    optimize("hill.py", "--trials", "1")
    Path("there").mkdir()
    assert optimize("report", "hill.jsonl", "--out", out).stdout.split() == [written]
    assert Path(written).read_text().startswith("<!")


@pytest.mark.usefixtures("folder")
def test_no_page_is_written_over_the_journal() -> None:
    optimize("hill.py", "--trials", "1")
    before = Path("hill.jsonl").read_bytes()
    Path("hill.html").write_bytes(before)
    for arguments in (
        ("hill.jsonl", "--out", "hill.jsonl"),
        ("hill.jsonl", "--out", "../" + Path.cwd().name + "/hill.jsonl"),
        ("hill.html",),
    ):
        result = optimize("report", *arguments)
        assert isinstance(result.exception, DataError)
        assert "is the journal: name another file" in str(result.exception)
    assert Path("hill.jsonl").read_bytes() == Path("hill.html").read_bytes() == before


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("storage", ["foo", "sqlite:////nowhere/at/all/x.db", "postgresql://me@127.0.0.1:9/x"])
def test_a_storage_that_cannot_be_opened_is_one_line(storage: str) -> None:
    optimize("hill.py", "--trials", "1")
    result = optimize("view", "hill.jsonl", "--storage", storage)
    assert isinstance(result.exception, DataError)
    assert str(result.exception).startswith(f"the storage {storage} cannot be opened: ")
    assert "\n" not in str(result.exception)


def test_a_study_whose_runs_are_made_in_processes_is_run_from_its_file(llm_brain: CommandLine) -> None:
    content = HILL.replace("{pause}", "0").replace("score=lambda _, result: result", "score=as_it_is")
    content = content.replace("model=None", "model=None, executor=ProcessExecutor(1)")
    imports = "from llm_brain.optimize.executors import ProcessExecutor\n\ndef as_it_is(_, result):\n    return result\n"
    (llm_brain.folder / "spread.py").write_text(imports + content)
    result = llm_brain("optimize", "spread.py", "--trials", "2")
    assert result.returncode == 0, result.stderr
    assert "trial   1  core" in result.stderr


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("budget", [(), ("--trials", "0"), ("--dollars", "-1")])
def test_a_study_without_an_end_is_a_wrong_use(budget: tuple[str, ...]) -> None:
    assert optimize("hill.py", *budget).exit_code == 2


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere.py", "there is no file nowhere.py"),
        ("hill.py:nobody", "holds no 'nobody'"),
        ("hill.py:climb", "cannot be called without arguments"),
        ("hill.py:climb", "climb of hill.py cannot be called without arguments (missing a required argument: 'run')"),
        ("hill.py:Knobs", "is of type Knobs"),
        ("broken.py:make", "make of broken.py, line 5, cannot be called: TypeError: unsupported operand"),
        ("broken.py:leave", "leave of broken.py, line 8, cannot be called: SystemExit: 3"),
        ("two.py", "several optimisers: hill, other"),
        ("none.py", "no optimiser that is made when it is run, and a function that gives one has to be named"),
        ("memory.py", "needs a journal that is a file"),
    ],
)
def test_a_file_without_an_optimiser_is_one_line(folder: Path, place: str, said: str) -> None:
    (folder / "two.py").write_text("from hill import hill, make\nother = make('other.jsonl')")
    (folder / "none.py").write_text("from hill import make")
    (folder / "memory.py").write_text("from hill import hill\nhill.journal = [1]")
    (folder / "broken.py").write_text(BROKEN)
    result = optimize(place, "--trials", "2")
    assert isinstance(result.exception, DefinitionError), result.output
    assert said in str(result.exception)


@pytest.mark.usefixtures("folder")
def test_a_journal_that_is_none_is_one_line() -> None:
    Path("other.jsonl").write_text('{"event": "trained"}\n')
    for verb in ("report", "view"):
        for journal in ("nowhere.jsonl", "other.jsonl"):
            assert isinstance(optimize(verb, journal).exception, DataError)


def test_ctrl_c_is_status_130_and_the_same_command_goes_on(llm_brain: CommandLine) -> None:
    (llm_brain.folder / "hill.py").write_text(HILL.replace("{pause}", "0.05"))
    arguments = ["optimize", "hill.py", "--trials", "6"]
    journal = llm_brain.folder / "hill.jsonl"
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=llm_brain.environment, cwd=llm_brain.folder
    ) as process:
        assert process.stderr is not None
        until = time.monotonic() + 60
        while not (journal.exists() and journal.read_bytes().count(b'"finished"') > 1) and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read().splitlines()[-1] == b"stopped. The same command goes on where it was: hill.jsonl is kept"
    result = llm_brain(*arguments)
    assert result.returncode == 0, result.stderr
    assert "in hill.jsonl already; the study goes on with them" in result.stderr
    assert result.stderr.splitlines()[-1].split()[:2] == ["trial", "5"]
