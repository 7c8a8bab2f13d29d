"""Problems to build and tune an optimiser on: other data and other learners than the reported ones, and in no reported table."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from benchmarks.optimize.problems.contract import (
    Losses,
    Problem,
    Split,
    bundled,
    cross_validated,
    known,
    log_loss,
    split_rows,
    squared,
)
from benchmarks.optimize.problems.learners import ard_ridge

LOG: JsonDict = {"log": True}


class RidgeModel(BaseModel):
    kind: Literal["ridge"] = "ridge"
    penalty: float = Field(1.0, ge=1e-3, le=1e4, json_schema_extra=LOG)


class NetModel(BaseModel):
    kind: Literal["net"] = "net"
    penalty: float = Field(0.1, ge=1e-4, le=10.0, json_schema_extra=LOG)
    mix: float = Field(0.5, ge=0.0, le=1.0)


class HuberModel(BaseModel):
    kind: Literal["huber"] = "huber"
    penalty: float = Field(1e-2, ge=1e-4, le=1e4, json_schema_extra=LOG)
    bend: float = Field(1.35, ge=1.01, le=5.0)


class Linears(BaseModel):
    """Linear regression of diabetes on products of its inputs."""

    products: bool = True
    squares: float = Field(1.0, ge=1e-3, le=1.0, json_schema_extra=LOG, description="how much squares are shrunk beforehand")
    sex: float = Field(1.0, ge=1e-3, le=10.0, json_schema_extra=LOG)
    model: Annotated[RidgeModel | NetModel | HuberModel, Field(discriminator="kind")] = RidgeModel()


def linears(values: Linears, split: int) -> Losses:
    from sklearn.linear_model import ElasticNet, HuberRegressor, Ridge

    def more(inputs: np.ndarray) -> np.ndarray:
        scaled = inputs * np.where(np.arange(inputs.shape[1]) == 1, values.sex, 1.0)
        columns = [scaled, values.squares * scaled**2]
        if values.products:
            left, right = np.triu_indices(scaled.shape[1], 1)
            columns.append(scaled[:, left] * scaled[:, right])
        return np.concatenate(columns, axis=1)

    def fit(inputs: np.ndarray, targets: np.ndarray) -> Any:
        learner: Any = None
        match values.model:
            case RidgeModel(penalty=penalty):
                learner = Ridge(penalty)
            case NetModel(penalty=penalty, mix=mix):
                learner = ElasticNet(alpha=penalty, l1_ratio=mix, max_iter=200)
            case HuberModel(penalty=penalty, bend=bend):
                learner = HuberRegressor(epsilon=bend, alpha=penalty, max_iter=15)
        learner.fit(more(inputs), targets)
        return lambda asked: learner.predict(more(asked))

    return cross_validated(diabetes(split), fit, squared)


@cache
def diabetes(split: int) -> Split:
    return split_rows(*bundled("diabetes"), split + 50, train=150)


class Tree(BaseModel):
    """A tree that classifies wine-like blobs."""

    criterion: Literal["gini", "entropy", "log_loss"] = "gini"
    depth: int = Field(12, ge=1, le=12)
    leaf: int = Field(1, ge=1, le=40, json_schema_extra=LOG)
    split: int = Field(2, ge=2, le=60, json_schema_extra=LOG)
    pruned: float = Field(1e-4, ge=1e-5, le=0.1, json_schema_extra=LOG)
    features: float = Field(1.0, ge=0.1, le=1.0)
    balanced: bool = False
    smoothing: float = Field(1e-2, ge=1e-3, le=30.0, json_schema_extra=LOG)


def tree(values: Tree, split: int) -> Losses:
    from sklearn.tree import DecisionTreeClassifier

    def fit(inputs: np.ndarray, targets: np.ndarray) -> Any:
        learner = DecisionTreeClassifier(
            criterion=values.criterion, max_depth=values.depth, min_samples_leaf=values.leaf, min_samples_split=values.split,
            ccp_alpha=values.pruned, max_features=values.features, class_weight="balanced" if values.balanced else None,
            random_state=0,
        )  # fmt: skip
        learner.fit(inputs, targets)
        counts = learner.tree_.n_node_samples[:, None] * learner.tree_.value[:, 0] + values.smoothing
        shares = counts / counts.sum(1, keepdims=True)
        return lambda asked: shares[learner.apply(asked)]

    return cross_validated(blobs(split), fit, log_loss)


@cache
def blobs(split: int) -> Split:
    from sklearn.datasets import make_classification

    inputs, targets = make_classification(
        1200, 8, n_informative=4, n_classes=3, flip_y=0.1, weights=[0.5, 0.3], random_state=split
    )
    return split_rows(inputs, targets, split, train=200)


class Similarity(BaseModel):
    """Kernel ridge regression of an impedance with a scale for each of its four inputs."""

    ridge: float = Field(1.0, ge=1e-6, le=10.0, json_schema_extra=LOG)
    frequency: float = Field(0.5, ge=0.01, le=10.0, json_schema_extra=LOG)
    resistance: float = Field(0.5, ge=0.01, le=10.0, json_schema_extra=LOG)
    inductance: float = Field(0.5, ge=0.01, le=10.0, json_schema_extra=LOG)
    capacity: float = Field(0.5, ge=0.01, le=10.0, json_schema_extra=LOG)


def similarity(values: Similarity, split: int) -> Losses:
    by_input = np.array([values.frequency, values.resistance, values.inductance, values.capacity])
    return cross_validated(impedance(split), ard_ridge(values.ridge, by_input), squared)


@cache
def impedance(split: int) -> Split:
    from sklearn.datasets import make_friedman2

    inputs, targets = make_friedman2(720, noise=40.0, random_state=split)
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    return split_rows(inputs, (targets - targets.mean()) / targets.std(), split, train=120)


class Wine(BaseModel):
    """Softmax regression of wine by hand: the rate, how fast it falls, momentum, penalty, steps, noise on inputs."""

    rate: float = Field(0.01, ge=1e-4, le=10.0, json_schema_extra=LOG)
    fall: float = Field(0.0, ge=0.0, le=1.0)
    momentum: float = Field(0.0, ge=0.0, le=0.99)
    penalty: float = Field(1e-3, ge=1e-5, le=1.0, json_schema_extra=LOG)
    steps: int = Field(20, ge=5, le=80, json_schema_extra=LOG)
    start: Literal["zeros", "small", "large"] = "small"


def wine(values: Wine, split: int) -> Losses:
    def fit(inputs: np.ndarray, targets: np.ndarray) -> Any:
        random = np.random.default_rng(0)
        scale = {"zeros": 0.0, "small": 0.1, "large": 1.0}[values.start]
        weights, moved = scale * random.standard_normal((inputs.shape[1], 3)), np.zeros((inputs.shape[1], 3))
        for step in range(values.steps):
            slope = inputs.T @ (softmax(inputs @ weights) - np.eye(3)[targets]) / len(inputs) + values.penalty * weights
            moved = values.momentum * moved + slope
            weights = weights - values.rate / (1 + values.fall * step) * moved
        return lambda asked: softmax(asked @ weights)

    return cross_validated(wines(split), fit, log_loss)


def softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    found: np.ndarray = exponents / exponents.sum(1, keepdims=True)
    return found


@cache
def wines(split: int) -> Split:
    inputs, targets = bundled("wine")
    noisy = inputs + 2.0 * np.random.default_rng([8, split]).standard_normal(inputs.shape)
    return split_rows(noisy, targets, split, train=90)


class Hills(BaseModel):
    """Hartmann's function of six numbers."""

    x_0: float = Field(0.5, ge=0.0, le=1.0)
    x_1: float = Field(0.5, ge=0.0, le=1.0)
    x_2: float = Field(0.5, ge=0.0, le=1.0)
    x_3: float = Field(0.5, ge=0.0, le=1.0)
    x_4: float = Field(0.5, ge=0.0, le=1.0)
    x_5: float = Field(0.5, ge=0.0, le=1.0)


HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
SLOPES = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]])
CENTRES = 1e-4 * np.array([
    [1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381],
])  # fmt: skip


def hills(values: Hills, split: int) -> Losses:
    order, turned = changed(split)
    x = np.array([getattr(values, f"x_{place}") for place in range(6)])
    x = np.where(turned, 1 - x, x)[order]
    return known(-float(HEIGHTS @ np.exp(-(SLOPES * (x - CENTRES) ** 2).sum(1))))


def highest(split: int) -> Hills:
    """Give the known optimum, its inputs in the split's order."""
    order, turned = changed(split)
    x = np.empty(6)
    x[order] = [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573]
    return Hills(**{f"x_{place}": value for place, value in enumerate(np.where(turned, 1 - x, x).tolist())})


def changed(split: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng([4, split])
    return random.permutation(6), random.random(6) < 0.5


class Controller(BaseModel):
    """A controller of a heater with delay: gains, a filter, a limit, and which form it has.

    The default is careful, so that there is something to gain: near the best there is no share of a gain to measure.
    """

    gain: float = Field(0.1, ge=0.01, le=100.0, json_schema_extra=LOG)
    integral: float = Field(0.01, ge=1e-3, le=10.0, json_schema_extra=LOG)
    derivative: float = Field(0.01, ge=1e-3, le=10.0, json_schema_extra=LOG)
    filtering: float = Field(0.5, ge=0.01, le=1.0)
    form: Literal["parallel", "series"] = "parallel"
    windup: bool = True


def controller(values: Controller, split: int) -> Losses:
    random = np.random.default_rng([6, split])
    lag, gains, noise = random.uniform(3, 8, 40), random.uniform(0.5, 2.0, 40), random.standard_normal((60, 40))
    state, heat, total, slope = np.zeros(40), np.zeros(40), np.zeros(40), np.zeros(40)
    past, before, cost = [np.zeros(40)] * 3, np.ones(40), np.zeros(40)
    factor = values.gain if values.form == "series" else 1.0
    for step in range(60):
        error = 1.0 - state - 0.02 * noise[step]
        slope = (1 - values.filtering) * slope + values.filtering * (error - before)
        wanted = values.gain * error + factor * (values.integral * total + values.derivative * slope)
        given = np.clip(wanted, -3, 3)
        total = total + (error if not values.windup else np.where(wanted == given, error, 0.0))
        before, past = error, [*past[1:], given]
        heat = heat + (gains * past[0] - heat) / lag
        state = state + (heat - state) / 3
        cost += np.abs(1 - state) + 0.05 * np.abs(given - past[-2])
    return Losses(lambda: float(np.log(cost[:8].mean())), lambda: float(np.log(cost[8:].mean())))


DEVELOPMENT = (
    Problem("dev_linears", "diabetes, choice of a regression", Linears, linears, "squared error"),
    Problem("dev_tree", "a tree", Tree, tree, "log loss"),
    Problem("dev_similarity", "kernel ridge, 5 scales", Similarity, similarity, "squared error"),
    Problem("dev_wine", "softmax by hand", Wine, wine, "log loss"),
    Problem("dev_hills", "Hartmann's function", Hills, hills, "function", highest),
    Problem("dev_controller", "a controller with delay", Controller, controller, "log cost"),
)
