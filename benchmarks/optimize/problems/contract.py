"""What a problem is: a model of what is tuned, and the losses of a point, one that is seen and one that is hidden."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from pydantic import BaseModel

WORST = 1e6
"""The loss of a point that breaks the task."""
SPLITS = 10

Losses = tuple[float, float]
Rows = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Split:
    """Rows to choose on, in folds, and rows that only the hidden test sees."""

    train: Rows
    folds: tuple[np.ndarray, ...]
    test: Rows


@dataclass(frozen=True)
class Problem:
    """A problem.

    Attributes:
        name: In the record.
        title: In tables.
        hyperparameters: Their defaults are the first trial of everybody.
        losses: From hyperparameters and the number of a split to the loss that is seen, and the hidden one.
        metric: What the loss is.
    """

    name: str
    title: str
    hyperparameters: type[BaseModel]
    losses: Callable[[Any, int], Losses]
    metric: str


class Evaluation:
    """Evaluates points of a problem on one split, each once.

    Args:
        problem: The problem.
        split: Which split of its data.
    """

    def __init__(self, problem: Problem, split: int) -> None:
        self.problem, self.split = problem, split
        self.seen: dict[str, Losses] = {}

    def losses(self, values: BaseModel) -> Losses:
        """Give the loss that is seen and the hidden one; `WORST` where the task breaks."""
        key = json.dumps(values.model_dump(mode="json"), sort_keys=True)
        if key not in self.seen:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                try:
                    found = self.problem.losses(values, self.split)
                except (ArithmeticError, ValueError, np.linalg.LinAlgError):
                    found = (WORST, WORST)
            self.seen[key] = (tidy(found[0]), tidy(found[1]))
        return self.seen[key]


def tidy(loss: float) -> float:
    return min(float(loss), WORST) if np.isfinite(loss) else WORST


def split_rows(inputs: np.ndarray, targets: np.ndarray, split: int, *, train: int, folds: int = 3, test: int = 2000) -> Split:
    """Draw the rows of a split.

    Args:
        inputs: A row each.
        targets: Classes as integers, or numbers.
        split: The same number gives the same rows.
        train: How many rows to choose on.
        folds: How many folds they come in.
        test: How many rows at most are for the hidden test.
    """
    order = np.random.default_rng([97, split]).permutation(len(inputs))
    used, held = order[:train], order[train : train + test]
    places = np.arange(train) % folds
    return Split(
        (inputs[used], targets[used]),
        tuple(np.flatnonzero(places == fold) for fold in range(folds)),
        (inputs[held], targets[held]),
    )


def cross_validated(
    split: Split, fit: Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]], loss: Any
) -> Losses:
    """Fit once a fold.

    Args:
        split: The rows.
        fit: Gives what predicts.
        loss: Of predictions and targets.

    Returns:
        The mean loss on the folds left out, and that of the folds' mean prediction on the hidden rows.
    """
    (inputs, targets), (test_inputs, test_targets) = split.train, split.test
    seen, hidden = [], []
    for fold in split.folds:
        left = np.ones(len(inputs), dtype=bool)
        left[fold] = False
        predict = fit(inputs[left], targets[left])
        seen.append(loss(predict(inputs[fold]), targets[fold]))
        hidden.append(predict(test_inputs))
    return float(np.mean(seen)), float(loss(np.mean(hidden, axis=0), test_targets))


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
