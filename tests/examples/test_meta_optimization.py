"""The research example runs from its first trial to its verdict, and tells what happened; a writer stands for the model."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from examples.research import meta_optimization as example
from examples.research.meta_optimization import (
    ASSIGNMENTS,
    UNSEEN,
    AtOnce,
    Paragraph,
    PointByPoint,
    Style,
    Task,
    freshness,
    score,
)
from llm_brain.optimize import ImprovementProbability, Lesson, LessonSummary, OptimizationStep, Run, TaskReflection
from llm_brain.strategy import Details

PROPOSED = example.Assignment(topic="learning chess", audience="adults", points=["king", "queen"])


class Author:
    """Writes what it is told and nothing else, and finds out that points are named when it is asked for each of them."""

    name = "author"

    def call(self, spec: Any, arguments: Mapping[str, Any], *, state: Any = None, sample: int = 0) -> Details[Any]:
        del state, sample
        match spec.name:
            case "paragraph":
                told: Any = example.Text(
                    text=f"{arguments['topic']} is something that {arguments['audience']} like to read about."
                )
            case "sentence":
                told = example.Sentence(text=f"There is no {arguments['point']} without {arguments['topic']}, as all know.")
            case "is_good":
                return Details(True, self.name, probabilities={True: 0.75, False: 0.25})
            case "reflect_on_task_run":
                said = dict.fromkeys(TaskReflection.model_fields, "Ask for each point.")
                told = TaskReflection(**said)
            case "suggest_next_optimization_step":
                told = OptimizationStep(
                    suggestion="point by point",
                    hyperparameter_suggestions=[Style(way=PointByPoint())],
                    task_parameters_suggestions=[PROPOSED],
                )
            case "probability_for_improvement":
                told = ImprovementProbability(considerations=[], probability=0.5)
            case _:
                told = LessonSummary(lessons=[Lesson(text="Points have to be asked for.", trials=[1])])
        return Details(told, self.name)


def test_a_study_tells_of_trials_reflections_forecasts_cases_lessons_and_the_verdict(tmp_path: Path) -> None:
    shown = io.StringIO()
    study = example.study_writing(Author(), tmp_path, 5, Console(file=shown, width=120))
    assert study.verdict is not None
    assert study.trials[study.verdict.trial].hyperparameters.way == PointByPoint()
    assert list(study.cases) == [*ASSIGNMENTS, PROPOSED]
    told = shown.getvalue()
    for said in (
        "trial 0, by default",
        "trial 1, by model",
        "way.plan: point by point",
        "reflection: Ask for each point.",
        "proposed, to be tried on: topic='learning chess'",
        "forecast: better than all before with 50%",
        "Points have to be asked for. (trials 1)",
        "4 forecasts: a Brier score of 0.250",
        f"On {len(UNSEEN)} assignments that no proposer has read: Trial",
        "is better than the default",
    ):
        assert said in told


def test_a_paragraph_is_worth_more_when_it_names_its_points() -> None:
    task, assignment = Task(Author()), ASSIGNMENTS[0]
    at_once = score(assignment, task(Run(assignment, Style())))
    by_points = score(assignment, task(Run(assignment, Style(way=PointByPoint()))))
    assert by_points.value > at_once.value
    assert at_once.feedback.startswith("it does not name flowers and honey; it has 11 words")
    assert "it does not name" not in by_points.feedback


def test_the_instruction_is_what_the_writer_is_asked() -> None:
    asked = []

    class Listener(Author):
        def call(self, spec: Any, arguments: Mapping[str, Any], *, state: Any = None, sample: int = 0) -> Details[Any]:
            asked.append(spec.instruction)
            return super().call(spec, arguments, state=state, sample=sample)

    Task(Listener())(Run(ASSIGNMENTS[0], Style(way=AtOnce(instruction="Tell {audience} all of it."))))
    assert asked[0] == "Tell {audience} all of it."


@pytest.mark.parametrize(("text", "share"), [("so it goes, so it goes", 0.75), ("never twice the same", 1.0), ("", 0.0)])
def test_what_repeats_itself_is_less_fresh(text: str, share: float) -> None:
    assert freshness(text) == pytest.approx(share)


def test_a_paragraph_of_any_length_has_a_score_between_0_and_1() -> None:
    for words in (0, 1, 40, 4000):
        paragraph = Paragraph(text="x " * words, named=0, fitting=max(0, 1 - words), fresh=0, liked=0)
        assert 0 <= score(ASSIGNMENTS[0], paragraph).value <= 1


@pytest.mark.slow
def test_the_embedded_model_comes_to_a_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert example.main(["--run", str(tmp_path), "--trials", "3"]) == 0
    shown = capsys.readouterr().out
    assert "trial 2, by" in shown
    assert "assignments that no proposer has read" in shown
