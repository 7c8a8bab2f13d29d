"""A study with everything that can be looked at: numbers, a choice, a text; failures, refusals, lessons, forecasts, markup."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from llm_brain.optimize import (
    ImprovementProbability,
    Lesson,
    LessonSummary,
    LLMOptimizer,
    Proposal,
    Run,
    Score,
    Study,
    StudyBudget,
)
from tests.optimize.conftest import ScriptedModel

MARKUP = "<script>alert('the page')</script> & </style> \u202e"
KEY = "sk-proj-abcdefgh12345678"
LINES = ["Take the last sentence seriously.", MARKUP, "Answer with one of the options.", "Do not guess."]
CASES = [f"message {number}" for number in range(16)]


class Settings(BaseModel):
    temperature: float = Field(0.7, ge=0.0, le=1.0)
    order: Literal["given", "nearest"] = "given"
    prompt: str = "Read the message.\nAnswer with one word."


def answer(run: Run[str, Settings]) -> float:
    settings = run.hyperparameters
    if settings.temperature > 0.95:
        message = f"no JSON: <b>{KEY}</b>"
        raise ValueError(message)
    luck = random.Random(f"{run.seed} {settings}").gauss(0, 0.03)
    return (
        0.5 - abs(settings.temperature - 0.2) / 3 + (settings.order == "nearest") / 10 + settings.prompt.count("\n") / 20 + luck
    )


def judged(message: str, result: float) -> Score:
    return Score(result, feedback=f"{message}: {MARKUP}", dollars=0.001)


class Writer:
    """Adds a line to the best prompt."""

    name = "reflection"

    def propose(self, history: Any, *, seed: int) -> Iterator[Proposal]:
        best = history.best
        text = f"{best.point['prompt']}\n{LINES[seed % len(LINES)]}"
        yield Proposal({**best.point, "prompt": text}, note=f"I add a line: {MARKUP}", parents=(best.number,))


def scripted_model() -> ScriptedModel:
    lessons = LessonSummary(lessons=[Lesson(text=f"Be cool: {MARKUP}", trials=[0, 1])])
    return ScriptedModel(forecast=ImprovementProbability(considerations=[MARKUP], probability=0.7), lessons=lessons)


def desk(journal: Path, **changes: Any) -> LLMOptimizer[str, float, Settings]:
    given: dict[str, Any] = {
        "score": judged,
        "hyperparameters": Settings,
        "task_parameters": CASES,
        "result": float,
        "model": scripted_model(),
        "journal": journal,
        "proposers": [Writer()],
        "confirmations": 1,
        "seed": 18,
    }
    return LLMOptimizer(answer, **{**given, **changes})


@cache
def finished_desk() -> tuple[bytes, Study[Settings]]:
    """Run the study once for all tests: its journal, and what it told itself."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "desk.jsonl"
        study = desk(journal).run(StudyBudget(trials=16))
        return journal.read_bytes(), study


def write_desk(folder: Path, events: int | None = None) -> Path:
    """Put the journal there, or its first events."""
    journal = folder / "desk.jsonl"
    journal.write_bytes(b"".join(finished_desk()[0].splitlines(keepends=True)[:events]))
    return journal
