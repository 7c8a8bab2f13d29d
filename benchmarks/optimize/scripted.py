"""Proposers that stand for language models of known quality: what they propose is drawn, from what the reference search knows.

random        valid points, uniformly
weak          a third invalid, a quarter tried already, the rest uniform
medium        half uniform, half around the best point that is known, from far
strong        around the best point that is known
misleading    around a bad point
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import BaseModel

from benchmarks.optimize.problems import Problem
from benchmarks.optimize.references import reference
from benchmarks.optimize.spaces import Values, drawn, knobs_of, near, nested
from llm_brain.optimize.proposers.contract import History, Proposal

INVALID, REPEATED = 0.35, 0.25
KINDS = ("random", "weak", "medium", "strong", "misleading")


class Scripted:
    """A proposer of one of the kinds.

    Args:
        kind: Of `KINDS`.
        problem: What it proposes for.
        split: Of the problem: what the best and the bad point are.
    """

    def __init__(self, kind: str, problem: Problem, split: int) -> None:
        self.name = kind
        self._model = problem.hyperparameters
        self._knobs = knobs_of(problem.hyperparameters)
        self._known = reference(problem.name, split)

    def propose(self, history: History[Any], *, seed: int) -> Iterator[Proposal]:
        """Propose one point, as a model that is asked once does."""
        random = np.random.default_rng(seed)
        chance = random.random()
        if self.name == "weak" and chance < INVALID:
            yield Proposal(self._invalid(random))
        elif self.name == "weak" and chance < INVALID + REPEATED and history.trials:
            yield Proposal(history.trials[int(random.integers(len(history.trials)))].hyperparameters)
        else:
            yield Proposal(self._values(self._drawn(random)))

    def _drawn(self, random: np.random.Generator) -> Values:
        if self.name == "strong":
            return near(self._knobs, self._known["best"], random, 0.1, flips=0.05)
        if self.name == "medium" and random.random() < 0.5:
            return near(self._knobs, self._known["best"], random, 0.25, flips=0.2)
        if self.name == "misleading":
            return near(self._knobs, self._known["bad"], random, 0.1, flips=0.05)
        return drawn(self._knobs, random)

    def _values(self, values: Values) -> BaseModel:
        return self._model.model_validate(nested(self._knobs, values))

    def _invalid(self, random: np.random.Generator) -> dict[str, Any]:
        numbers = [knob for knob in self._knobs if not knob.choices and knob.parent is None]
        knob = numbers[int(random.integers(len(numbers)))]
        return {".".join(knob.path): knob.high * 10 + 1}
