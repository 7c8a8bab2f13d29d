"""Small learners that scikit-learn has not, or has only at many times the cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Fit = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]


def ard_ridge(ridge: float, scales: np.ndarray) -> Fit:
    """Kernel ridge regression; the Gaussian kernel's inputs are multiplied by their scales."""

    def fit(inputs: np.ndarray, targets: np.ndarray) -> Any:
        mine = inputs * scales
        inner = np.exp(-0.5 * distances(mine, mine))
        weights = np.linalg.solve(inner + ridge * np.eye(len(mine)), targets)
        return lambda asked: np.exp(-0.5 * distances(asked * scales, mine)) @ weights

    return fit


def neighbours(count: int, sharpness: float, weights: np.ndarray) -> Fit:
    """Regression by the mean of the nearest; the nearer, the more."""

    def fit(inputs: np.ndarray, targets: np.ndarray) -> Any:
        mine = inputs * weights

        def predict(asked: np.ndarray) -> np.ndarray:
            far = distances(asked * weights, mine)
            nearest = np.argpartition(far, count - 1, axis=1)[:, :count]
            near = np.take_along_axis(far, nearest, axis=1)
            share = np.exp(-sharpness * (near - near.min(axis=1, keepdims=True)))
            found: np.ndarray = (share * targets[nearest]).sum(1) / share.sum(1)
            return found

        return predict

    return fit


def distances(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Give the squared distances between rows."""
    found: np.ndarray = np.maximum((ones**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * ones @ others.T, 0.0)
    return found


def network(
    *,
    classes: int,
    rate: float,
    decay: float,
    hidden: int,
    batch: int,
    tanh: bool,
    start: float,
    kind: str,
    epochs: int = 5,
    **more: Any,
) -> Fit:
    """One hidden layer and a softmax, by SGD with momentum or by Adam."""

    def fit(inputs: np.ndarray, targets: np.ndarray) -> Any:
        random = np.random.default_rng(0)
        sizes = [(inputs.shape[1], hidden), (1, hidden), (hidden, classes), (1, classes)]
        weights = [start * random.standard_normal(size) if size[0] > 1 else np.zeros(size) for size in sizes]
        moved, squares, step = [np.zeros(size) for size in sizes], [np.zeros(size) for size in sizes], 0
        truth = np.eye(classes)[targets]
        for _ in range(epochs):
            order = random.permutation(len(inputs))
            for place in range(0, len(order), batch):
                rows, step = order[place : place + batch], step + 1
                slopes = backward(weights, inputs[rows], truth[rows], tanh=tanh)
                for at, slope in enumerate(slopes):
                    slope += decay * weights[at]  # noqa: PLW2901 - in place
                    if kind == "adam":
                        moved[at] = more["beta_1"] * moved[at] + (1 - more["beta_1"]) * slope
                        squares[at] = more["beta_2"] * squares[at] + (1 - more["beta_2"]) * slope**2
                        mean, square = moved[at] / (1 - more["beta_1"] ** step), squares[at] / (1 - more["beta_2"] ** step)
                        weights[at] -= rate * mean / (np.sqrt(square) + 1e-8)
                    else:
                        moved[at] = more["momentum"] * moved[at] + slope
                        weights[at] -= rate * (slope + more["momentum"] * moved[at] if more["nesterov"] else moved[at])
        return lambda asked: forward(weights, asked, tanh=tanh)[1]

    return fit


def forward(weights: list[np.ndarray], inputs: np.ndarray, *, tanh: bool) -> tuple[np.ndarray, np.ndarray]:
    drive = inputs @ weights[0] + weights[1]
    hidden = np.tanh(drive) if tanh else np.maximum(drive, 0)
    logits = hidden @ weights[2] + weights[3]
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return hidden, exponents / exponents.sum(1, keepdims=True)


def backward(weights: list[np.ndarray], inputs: np.ndarray, truth: np.ndarray, *, tanh: bool) -> list[np.ndarray]:
    hidden, told = forward(weights, inputs, tanh=tanh)
    error = (told - truth) / len(inputs)
    below = (error @ weights[2].T) * ((1 - hidden**2) if tanh else (hidden > 0))
    return [inputs.T @ below, below.sum(0, keepdims=True), hidden.T @ error, error.sum(0, keepdims=True)]
