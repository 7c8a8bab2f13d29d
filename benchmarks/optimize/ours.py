"""Our optimiser in the benchmark: its core alone, with scripted proposers, and with the embedded model."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmarks.optimize.obfuscated import obfuscated
from benchmarks.optimize.plan import split_of
from benchmarks.optimize.problems import Problem
from benchmarks.optimize.rows import Row
from benchmarks.optimize.scripted import Scripted
from llm_brain.backends import CachedBackend, LocalBackend
from llm_brain.backends.embedded import weights_folder
from llm_brain.optimize import LLMOptimizer, StudyBudget
from llm_brain.optimize.advice import Advisor, ModelProposer
from llm_brain.optimize.proposers.contract import Proposer

ANSWERS = Path(__file__).parent / ".answers"
"""What the embedded model answered, so that no answer is paid for twice."""


def ours(problem: Problem, row: Row, seed: int, trials: int, loss: Callable[[BaseModel], float]) -> dict[str, int]:
    """Run a study; every run of its task is one trial.

    Args:
        problem: What is optimised.
        row: Which of ours.
        seed: Of the run.
        trials: How many.
        loss: What is seen of a point. A trial that races or reruns anything would call it more often than once.

    Returns:
        How many trials each proposer had, and how many proposals were refused.
    """
    model: type[BaseModel] = problem.hyperparameters
    back: Callable[[Any], BaseModel] = lambda values: values  # noqa: E731 - one of two
    if row.is_obfuscated:
        model, back = obfuscated(model)
    asked = "the task" if row.is_obfuscated else f"{problem.title}: {problem.metric}, as low as possible"
    drawn = int.from_bytes(hashlib.sha256(f"{problem.name} {seed}".encode()).digest()[:4]) % 2**31
    with tempfile.TemporaryDirectory() as folder:
        optimizer: LLMOptimizer[Any, Any, Any] = LLMOptimizer(
            lambda run: loss(back(run.hyperparameters)),
            score=lambda _, found: -found,
            hyperparameters=model,
            task_parameters=asked,
            result=float,
            model=None,  # it suggests, and is not asked for reflections and forecasts: these take four times as long
            proposers=proposers(problem, row, seed, model),
            journal=Path(folder) / "study.jsonl",
            seed=drawn,
            core=row.core,
        )
        study = optimizer.run(StudyBudget(trials=trials))
    return dict(Counter(trial.proposer for trial in study.trials), refused=sum(len(trial.refused) for trial in study.trials))


def proposers(problem: Problem, row: Row, seed: int, model: type[BaseModel]) -> list[Proposer]:
    """Give whom a row has beside its core."""
    if row.proposer is None:
        return []
    if row.proposer == "embedded":
        ANSWERS.mkdir(exist_ok=True)
        backend = CachedBackend(LocalBackend(weights_folder()), ANSWERS / f"{problem.name}.sqlite")
        return [ModelProposer(Advisor(backend, str, float, model))]
    return [Scripted(row.proposer, problem, split_of(seed))]
