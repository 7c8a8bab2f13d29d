"""`llm-brain teach` as a person types it: a file, sources, a folder."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from llm_brain.cli import app
from llm_brain.errors import DataError, DefinitionError, LLMBrainError
from llm_brain.tracing import record
from tests.cli.conftest import COMMAND, CommandLine
from tests.cli.desk import PAIRS, write_desk

SMALL = ("--reader", "bytes", "--set", "epochs=2", "--brain", "width=16", "--brain", "heads=2")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_desk(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def teach(*arguments: str, function: str = "desk.py:Desk.route") -> Result:
    return CliRunner().invoke(app, ["teach", function, *SMALL, *arguments])


def error_of(result: Result, kind: type[LLMBrainError]) -> str:
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def test_given_pairs_are_taught_and_it_is_told_what_was_taken_and_what_not(folder: Path) -> None:
    result = teach("--pairs", "pairs.jsonl", "--folder", "runs/desk")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    assert "accepted given 40" in told
    assert "answer billing 20 repairs 20" in told
    assert "refused malformed 1 duplicate 1" in told
    assert re.search(r"validation \d\.\d{3}, agreement with pairs that were set aside, after 2 epochs", told)
    assert "student runs/desk/student" in told
    assert (folder / "runs" / "desk" / "student" / "brain.json").is_file()
    assert not (folder / "asked.txt").exists()


def test_what_a_cascade_kept_is_taught_too(folder: Path) -> None:
    lines = [{"text": message, "answer": team, "probabilities": [], "source": "asked"} for message, team in [*PAIRS, PAIRS[0]]]
    (folder / "more.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = teach("--pairs", "more.jsonl")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    assert "accepted asked 40" in told
    assert "refused duplicate 1" in told


@pytest.mark.usefixtures("folder")
def test_nothing_is_thinned_out_where_that_is_not_wanted() -> None:
    kept = [("I paid twice.", "billing"), *((f"My lamp broke {place}.", "repairs") for place in range(40))]
    Path("odd.jsonl").write_text("\n".join(json.dumps({"message": message, "answer": team}) for message, team in kept))
    assert "unbalanced" not in teach("--pairs", "odd.jsonl", "--no-balance", "--folder", "one").stdout
    kept += [(f"I paid for my lamp {place}.", "billing") for place in range(9)]
    Path("odd.jsonl").write_text("\n".join(json.dumps({"message": message, "answer": team}) for message, team in kept))
    assert "unbalanced" in teach("--pairs", "odd.jsonl", "--folder", "two").stdout


@pytest.mark.parametrize("pool", ["pool.txt", "pool.jsonl"])
def test_the_model_answers_inputs_of_either_kind_of_file(folder: Path, pool: str) -> None:
    result = teach("--inputs", pool)
    assert result.exit_code == 0, result.output
    assert sorted((folder / "asked.txt").read_text().splitlines()) == sorted(message for message, _ in PAIRS)
    assert "unlabelled  40" in result.stdout
    assert "runs/Desk.route/student" in result.stdout


def test_the_teacher_writes_evaluates_and_validates(folder: Path) -> None:
    things = ("--vary", "thing=door,window,roof,wall,stair,floor")
    result = teach("--inputs", "pool.txt", "--generate", "6", *things, "--teacher", "desk.py:Judge")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    assert "generated 6" in told
    assert "by the teacher, after 2 epochs" in told
    (journal,) = (folder / "runs" / "Desk.route").glob("journal-*")
    assert len(journal.read_text().splitlines()) > 1


@pytest.mark.usefixtures("folder")
def test_one_epoch_is_one() -> None:
    assert "after 1 epoch\n" in teach("--pairs", "pairs.jsonl", "--set", "epochs=1").stdout


@pytest.mark.usefixtures("folder")
def test_of_a_class_a_method_is_to_be_named() -> None:
    said = error_of(teach("--pairs", "pairs.jsonl", function="desk.py:Desk"), DefinitionError)
    assert said == "Desk of desk.py is no function: name a method, 'Desk.route'"


@pytest.mark.usefixtures("folder")
def test_what_was_asked_in_use_is_learned_from_its_traces() -> None:
    from llm_brain import typed
    from llm_brain.cli.function_file import load_function

    with record("runs/monday"):
        typed(load_function("desk.py:Desk.route")).map([message for message, _ in PAIRS])
    result = teach("--traces", "runs/monday", "--folder", "runs/desk")
    assert result.exit_code == 0, result.output
    assert "traced   40" in result.stdout


def test_settings_come_from_a_file_and_are_changed_one_by_one(folder: Path) -> None:
    (folder / "lesson.yaml").write_text("training: {epochs: 1, seed: 3}\nbrain: {width: 32}\n")
    result = teach("--pairs", "pairs.jsonl", "--config", "lesson.yaml", "--set", "epochs=3", "--folder", "one")
    assert "after 3 epochs" in result.stdout, result.output
    assert json.loads((folder / "one" / "student" / "brain.json").read_text())["config"]["width"] == 16


@pytest.mark.usefixtures("folder")
def test_no_source_is_a_wrong_use() -> None:
    result = teach()
    assert result.exit_code == 2
    assert "nothing to learn from" in result.stderr
    assert teach("--pairs", "pairs.jsonl", "--vary", "thing=door").exit_code == 2
    assert teach("--generate", "2", "--vary", "thing").exit_code == 2
    assert teach("--pairs", "pairs.jsonl", "--set", "epochs").exit_code == 2


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        (("--set", "epoch=2"), DataError, "`training` does not fit: `epoch`"),
        (("--set", "epochs=none"), DataError, "`training` does not fit: `epochs`"),
        (("--brain", "heads=5"), DataError, "a width of 16 cannot be shared equally by 5 heads"),
        (("--brain", "vocabulary=5"), DataError, "the task decides `vocabulary`"),
        (("--config", "nowhere.yaml"), DataError, "there is no config at nowhere.yaml"),
        (("--inputs", "nowhere.txt"), DataError, "nowhere.txt cannot be read"),
        (("--traces", "nowhere"), DataError, "nowhere"),
        (("--teacher", "desk.py:Nobody"), DefinitionError, "desk.py holds no 'Nobody'"),
        (("--teacher", "desk.py:Picky"), DefinitionError, "the teacher Picky of desk.py cannot be called without arguments"),
    ],
)
def test_what_does_not_fit_is_said_before_anybody_is_asked(
    folder: Path, wrong: tuple[str, ...], kind: type[LLMBrainError], said: str
) -> None:
    assert said in error_of(teach("--pairs", "pairs.jsonl", "--inputs", "pool.txt", *wrong), kind)
    assert not (folder / "asked.txt").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("desk.py:Desk.rout", "did you mean 'Desk.route'?"),
        ("desk.py:Judge.evaluate_output", "is no typed function"),
        ("nowhere.py:Desk.route", "there is no file nowhere.py"),
        ("desk.py", "names nothing in a file"),
    ],
)
def test_a_function_that_is_not_there_is_one_line(function: str, said: str) -> None:
    assert said in error_of(teach("--pairs", "pairs.jsonl", function=function), DefinitionError)


def test_ctrl_c_is_status_130_and_the_same_command_goes_on(llm_brain: CommandLine) -> None:
    write_desk(llm_brain.folder)
    many = ("--pairs", "pairs.jsonl", "--set", "epochs=150", "--set", "patience=1000", "--folder", "runs/desk")
    arguments = ["teach", "desk.py:Desk.route", "--reader", "bytes", "--brain", "width=16", "--brain", "heads=2", *many]
    state = llm_brain.folder / "runs" / "desk" / "training.json"
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=llm_brain.environment, cwd=llm_brain.folder
    ) as process:
        assert process.stderr is not None
        until = time.monotonic() + 60
        while not state.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert b"The same command goes on where it was" in process.stderr.read()
    result = llm_brain(*arguments)
    assert result.returncode == 0, result.stderr
    assert "after 150 epochs" in result.stdout
