"""llm_brain's optimiser on texts: reflection, merging and blind edits, by its public interface."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, create_model

from llm_brain import LLMOptimizer
from llm_brain.optimize.budget import StudyBudget
from llm_brain.optimize.objective import Run, Score
from llm_brain.optimize.proposers.contract import Proposer
from llm_brain.optimize.texts.review import BetterText
from llm_brain.strategy import Details, FunctionSpec

Metric = Callable[[dict[str, str], Any], tuple[Any, float, str]]
Rewrite = Callable[[str, str, Sequence[Mapping[str, Any]]], str]


class Scripted:
    """Answers the question for a better text by a rule."""

    name = "scripted"

    def __init__(self, rewrite: Rewrite) -> None:
        self._rewrite = rewrite

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[BetterText[str]]:
        del spec, state, sample
        review = arguments["review"]
        runs = [{"Inputs": run.given, "Generated Outputs": run.made, "Feedback": run.feedback} for run in review.runs]
        return Details(BetterText(reason="", text=self._rewrite(review.name, review.text, runs)), self.name)


def optimise(
    start: dict[str, str],
    cases: Sequence[Any],
    metric: Metric,
    proposers: Sequence[Proposer],
    *,
    budget: int,
    seed: int,
    longest: int,
    **options: Any,
) -> tuple[dict[str, str], int]:
    """Run a study, and give the texts that it recommends and how often texts were run."""
    fields: dict[str, Any] = {name: (str, Field(text, max_length=longest)) for name, text in start.items()}
    texts: type[BaseModel] = create_model("Texts", **fields)
    calls = 0

    def task(run: Run[int, Any]) -> tuple[Any, float, str]:
        nonlocal calls
        calls += 1
        return metric(dict(run.hyperparameters), cases[run.task_parameters])

    optimizer: Any
    with tempfile.TemporaryDirectory() as folder:
        optimizer = LLMOptimizer(
            task,
            score=lambda _, made: Score(made[1], feedback=made[2]),
            hyperparameters=texts,
            task_parameters=list(range(len(cases))),
            result=tuple[Any, float, str],
            model=None,
            journal=Path(folder) / "study.jsonl",
            proposers=proposers,
            seed=seed,
            **options,
        )
        study = optimizer.run(StudyBudget(evaluations=budget))
    assert study.best is not None
    return dict(study.best.hyperparameters), calls
