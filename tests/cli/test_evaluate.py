"""`llm-brain evaluate` as a person types it: a folder, a function, a gold set."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from llm_brain.cli import app
from llm_brain.cli.function_file import load_function
from llm_brain.errors import ArgumentError, CheckpointError, DataError
from tests.cli.desk import write_desk


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_desk(tmp_path)
    monkeypatch.chdir(tmp_path)
    settings = ("--set", "epochs=12", "--set", "held_out=0.5", "--set", "patience=9", "--brain", "width=32")
    pairs = ("--pairs", "pairs.jsonl", "--reader", "bytes", "--folder", "lesson")
    taught = CliRunner().invoke(app, ["teach", "desk.py:Desk.route", *pairs, *settings])
    assert taught.exit_code == 0, taught.output
    return tmp_path


def evaluate(*arguments: str, gold: str = "gold.jsonl", where: str = "lesson") -> Result:
    return CliRunner().invoke(app, ["evaluate", where, "desk.py:Desk.route", "--gold", gold, *arguments])


def row(result: Result, name: str) -> list[str]:
    (found,) = re.findall(rf"^{name}  +(.*%.*)$", result.stdout, re.MULTILINE)
    return re.split(r"  +", found.strip())


def test_the_brain_answers_the_gold_set_and_nobody_else_is_asked(folder: Path) -> None:
    result = evaluate()
    assert result.exit_code == 0, result.output
    right, interval, _, asked, failed = row(result, "brain")
    assert 0 <= float(right.rstrip("%")) <= 100
    low, high = (float(end.rstrip("%")) for end in interval.split(" to "))
    assert low <= float(right.rstrip("%")) <= high
    assert (asked, failed) == ("0", "0")
    counts = re.findall(r"^(?:billing|repairs) +(\d+) +(\d+)$", result.stdout, re.MULTILINE)
    assert sum(int(count) for line in counts for count in line) == 12
    assert not (folder / "asked.txt").exists()


def test_the_model_is_asked_each_call_once_whoever_wants_to_know(folder: Path) -> None:
    result = evaluate("--with-model", "--cascade", "0.8")
    assert result.exit_code == 0, result.output
    assert row(result, "rules")[0] == "100.0%"
    assert row(result, "rules")[3] == "12"
    assert 0 <= int(row(result, "cascade at 0.8")[3]) <= 12
    assert len((folder / "asked.txt").read_text().splitlines()) == 12


@pytest.mark.usefixtures("folder")
def test_on_a_narrow_terminal_no_number_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    model = load_function("desk.py:Desk.route").implementation
    monkeypatch.setattr(model, "name", "rules that somebody wrote by hand")
    result = evaluate("--with-model", "--cascade", "0.8")
    assert result.exit_code == 0, result.output
    assert re.search(r"right, of 12 +95% interval  ms a call  model calls  failed$", result.stdout, re.MULTILINE)
    assert row(result, "rules that someb…")[3] == "12"
    assert "right, down; given, across  billing  repairs" in result.stdout


def test_too_few_calibration_pairs_are_said_before_anybody_is_asked(folder: Path) -> None:
    result = evaluate("--cascade", "0.99", "--with-model")
    assert isinstance(result.exception, ArgumentError)
    assert "10 of 40 pairs were set aside for a cascade, and --cascade 0.99 takes 99: teach with 396 pairs" in str(
        result.exception
    )
    assert not (folder / "asked.txt").exists()


def test_a_line_of_the_gold_set_that_does_not_fit_is_named(folder: Path) -> None:
    (folder / "gold.jsonl").write_text('{"message": "I paid.", "answer": "billing"}\n{"message": "Hm.", "answer": "sales"}\n')
    result = evaluate()
    assert isinstance(result.exception, DataError)
    assert "line 2 of gold.jsonl does not fit" in str(result.exception)


@pytest.mark.usefixtures("folder")
def test_a_folder_without_a_finished_teaching_says_so() -> None:
    result = evaluate(where="nowhere")
    assert isinstance(result.exception, CheckpointError)
    assert "nowhere holds no finished teaching" in str(result.exception)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("share", ["0", "1", "1.5"])
def test_an_agreement_that_cannot_be_is_a_wrong_use(share: str) -> None:
    assert evaluate("--cascade", share).exit_code == 2


def test_calls_that_the_lesson_has_seen_are_told(folder: Path) -> None:
    assert "12 of the 12 calls are among the pairs of the lesson" in evaluate().stdout
    (folder / "new.jsonl").write_text('{"message": "The wall is crooked.", "answer": "repairs"}\n')
    assert "among the pairs" not in evaluate(gold="new.jsonl").stdout


RATED = """
from typing import Annotated

from pydantic import Field

from llm_brain import llm_strategy


@llm_strategy("local")
def heat(message: str) -> Annotated[float, Field(ge=0, le=1)]:
    '''Tell how hot it is.'''
"""


def test_of_numbers_the_mean_error_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heat.py").write_text(RATED)
    lines = [
        json.dumps({"message": f"{word} {n}", "answer": value}) for n in range(8) for word, value in (("hot", 0.9), ("cold", 0.1))
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    small = ("--reader", "bytes", "--set", "epochs=2", "--brain", "width=16", "--folder", "lesson")
    taught = CliRunner().invoke(app, ["teach", "heat.py:heat", "--pairs", "pairs.jsonl", *small])
    assert re.search(r"validation +0\.000, agreement .*, loss -?\d+\.\d{3}, after 2 epochs", taught.stdout), taught.output
    result = CliRunner().invoke(app, ["evaluate", "lesson", "heat.py:heat", "--gold", "pairs.jsonl"])
    assert result.exit_code == 0, result.output
    assert re.search(r"mean absolute error.*\nbrain +0\.\d+", result.stdout), result.output
