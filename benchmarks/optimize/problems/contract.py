"""What a problem is: a model of what is tuned, and the losses of a point, one that is seen and one that is hidden.

seen      the mean over the folds of a cross-validation on few rows: what an optimiser is told
hidden    the mean over learners that are fitted on other rows, fresh ones for each, as many as in the folds: what is reported

The hidden loss estimates what a configuration costs on such data, and not what one fit of it happened to cost. It is computed of
the best points only, so that it may take longer than a trial.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

WORST = 1e6
"""The loss of a point that breaks the task."""
SPLITS = 10

REPEATS = 4
"""How many learners the hidden loss is the mean of."""

Rows = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Losses:
    """The losses of a point, each computed when it is asked for."""

    seen: Callable[[], float]
    hidden: Callable[[], float]


@dataclass(frozen=True)
class Split:
    """Rows to choose on, in folds, and what the hidden test fits and scores on: other rows."""

    train: Rows
    folds: tuple[np.ndarray, ...]
    held: tuple[tuple[Rows, Rows], ...]


@dataclass(frozen=True)
class Problem:
    """A problem.

    Attributes:
        name: In the record.
        title: In tables.
        hyperparameters: Their defaults are the first trial of everybody.
        losses: From hyperparameters and the number of a split to the loss that is seen, and the hidden one.
        metric: What the loss is.
        optimum: The best point of a split, where it is known.
    """

    name: str
    title: str
    hyperparameters: type[BaseModel]
    losses: Callable[[Any, int], Losses]
    metric: str
    optimum: Callable[[int], BaseModel] | None = None


class Evaluation:
    """Evaluates points of a problem on one split, each once.

    Args:
        problem: The problem.
        split: Which split of its data.
    """

    def __init__(self, problem: Problem, split: int) -> None:
        self.problem, self.split = problem, split
        self._found: dict[tuple[str, str], float] = {}

    def seen(self, values: BaseModel) -> float:
        """Give the loss that is seen; `WORST` where the task breaks."""
        return self._loss(values, "seen")

    def hidden(self, values: BaseModel) -> float:
        """Give the hidden loss; `WORST` where the task breaks."""
        return self._loss(values, "hidden")

    def _loss(self, values: BaseModel, kind: Literal["seen", "hidden"]) -> float:
        key = (kind, json.dumps(values.model_dump(mode="json"), sort_keys=True))
        if key not in self._found:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                try:
                    losses = self.problem.losses(values, self.split)
                    found = losses.seen() if kind == "seen" else losses.hidden()
                except (ArithmeticError, ValueError, np.linalg.LinAlgError):
                    found = WORST
            self._found[key] = tidy(found)
        return self._found[key]


def tidy(loss: float) -> float:
    return min(float(loss), WORST) if np.isfinite(loss) else WORST


def known(loss: float) -> Losses:
    """Give the losses of a function without noise, of which nothing is hidden."""
    return Losses(lambda: loss, lambda: loss)


def split_rows(inputs: np.ndarray, targets: np.ndarray, split: int, *, train: int, folds: int = 3, test: int = 600) -> Split:
    """Draw the rows of a split.

    Args:
        inputs: A row each.
        targets: Classes as integers, or numbers.
        split: The same number gives the same rows.
        train: How many rows to choose on.
        folds: How many folds they come in.
        test: How many rows at most each learner of the hidden test is scored on.
    """
    random = np.random.default_rng([97, split])
    order = random.permutation(len(inputs))
    used, held = order[:train], order[train:]
    fitted = train - train // folds
    drawn = [random.permutation(held) for _ in range(REPEATS)]
    places = np.arange(train) % folds
    return Split(
        (inputs[used], targets[used]),
        tuple(np.flatnonzero(places == fold) for fold in range(folds)),
        tuple(
            ((inputs[rows[:fitted]], targets[rows[:fitted]]), (inputs[rows[fitted:][:test]], targets[rows[fitted:][:test]]))
            for rows in drawn
        ),
    )


def cross_validated(
    split: Split, fit: Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]], loss: Any
) -> Losses:
    """Give the losses of a learner: the mean on the folds that it is not fitted on, and that on rows which nobody sees.

    Args:
        split: The rows.
        fit: Gives what predicts.
        loss: Of predictions and targets.
    """

    def seen() -> float:
        inputs, targets = split.train
        found = []
        for fold in split.folds:
            left = np.ones(len(inputs), dtype=bool)
            left[fold] = False
            found.append(loss(fit(inputs[left], targets[left])(inputs[fold]), targets[fold]))
        return float(np.mean(found))

    def hidden() -> float:
        return float(np.mean([loss(fit(*fitted)(inputs), targets) for fitted, (inputs, targets) in split.held]))

    return Losses(seen, hidden)


def log_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Give the log loss; a probability is a thousandth at least, so that no single row decides."""
    picked = np.clip(probabilities[np.arange(len(targets)), targets], 1e-3, 1.0)
    return float(-np.log(picked).mean())


def squared(predictions: np.ndarray, targets: np.ndarray) -> float:
    return float(np.mean((predictions - targets) ** 2))


@cache
def bundled(name: str) -> Rows:
    """Load a data set that scikit-learn ships, standardised."""
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")()
    inputs, targets = np.asarray(loaded.data, float), np.asarray(loaded.target)
    inputs = (inputs - inputs.mean(0)) / np.maximum(inputs.std(0), 1e-9)
    if targets.dtype.kind == "f" and name == "diabetes":
        targets = (targets - targets.mean()) / targets.std()
    return inputs, targets
