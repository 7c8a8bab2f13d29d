"""The problems that are reported. None of them may decide how an optimiser is built: `development.py` is for that.

Every default leaves something to gain that is large beside the noise of the hidden test: else a share of it would be noise.
"""

from __future__ import annotations

import math
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
from benchmarks.optimize.problems.curves import Curves, curves
from benchmarks.optimize.problems.forecasts import Smoothing, forecasts
from benchmarks.optimize.problems.learners import ard_ridge, neighbours, network

LOG: JsonDict = {"log": True}


class Linear(BaseModel):
    kind: Literal["linear"] = "linear"
    scale: float = Field(1.0, ge=0.01, le=10.0, json_schema_extra=LOG)


class Gaussian(BaseModel):
    kind: Literal["rbf"] = "rbf"
    gamma: float = Field(0.1, ge=1e-4, le=10.0, json_schema_extra=LOG)


class Polynomial(BaseModel):
    kind: Literal["poly"] = "poly"
    degree: int = Field(3, ge=2, le=5)
    gamma: float = Field(0.1, ge=1e-3, le=1.0, json_schema_extra=LOG)
    offset: float = Field(0.0, ge=0.0, le=3.0)


class Kernels(BaseModel):
    """A support vector regression: which kernel, and how it is set."""

    cost: float = Field(0.3, ge=1e-2, le=100.0, json_schema_extra=LOG)
    epsilon: float = Field(0.1, ge=1e-3, le=1.0, json_schema_extra=LOG)
    kernel: Annotated[Linear | Gaussian | Polynomial, Field(discriminator="kind")] = Gaussian()


def kernels(values: Kernels, split: int) -> Losses:
    from sklearn.svm import SVR

    def fit(inputs: np.ndarray, targets: np.ndarray) -> Any:
        kernel = values.kernel
        if isinstance(kernel, Linear):
            learner, factor = SVR(kernel="linear", C=values.cost, epsilon=values.epsilon, max_iter=5000), kernel.scale
        elif isinstance(kernel, Gaussian):
            learner, factor = SVR(gamma=kernel.gamma, C=values.cost, epsilon=values.epsilon, max_iter=5000), 1.0
        else:
            learner = SVR(kernel="poly", degree=kernel.degree, gamma=kernel.gamma, coef0=kernel.offset, C=values.cost,
                          epsilon=values.epsilon, max_iter=5000)  # fmt: skip
            factor = 1.0
        learner.fit(factor * inputs, targets)
        return lambda asked: learner.predict(factor * asked)

    return cross_validated(friedman(120, split), fit, squared)


class Logistic(BaseModel):
    kind: Literal["logistic"] = "logistic"
    cost: float = Field(1.0, ge=1e-4, le=100.0, json_schema_extra=LOG)


class Neighbours(BaseModel):
    kind: Literal["neighbours"] = "neighbours"
    count: int = Field(5, ge=1, le=40, json_schema_extra=LOG)
    weights: Literal["uniform", "distance"] = "uniform"
    power: Literal[1, 2] = 2


class Discriminant(BaseModel):
    kind: Literal["discriminant"] = "discriminant"
    shrinkage: float = Field(0.1, ge=0.0, le=1.0)


class Bayes(BaseModel):
    kind: Literal["bayes"] = "bayes"
    smoothing: float = Field(1e-3, ge=1e-6, le=10.0, json_schema_extra=LOG)


class Pipeline(BaseModel):
    """Digits: how many components are kept, whether they are whitened, and which classifier reads them."""

    components: int = Field(10, ge=3, le=60, json_schema_extra=LOG)
    whiten: bool = False
    estimator: Annotated[Logistic | Neighbours | Discriminant | Bayes, Field(discriminator="kind")] = Neighbours()


def pipeline(values: Pipeline, split: int) -> Losses:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier

    def fit(inputs: np.ndarray, targets: np.ndarray) -> Any:
        mean = inputs.mean(0)
        _, sizes, directions = np.linalg.svd(inputs - mean, full_matrices=False)
        kept = directions[: values.components].T
        if values.whiten:
            kept = kept / np.maximum(sizes[: values.components], 1e-6) * np.sqrt(len(inputs))
        learner: Any = None
        match values.estimator:
            case Logistic(cost=cost):
                learner = LogisticRegression(C=cost, max_iter=25)
            case Neighbours(count=count, weights=weights, power=power):
                learner = KNeighborsClassifier(count, weights=weights, p=power, algorithm="brute")
            case Discriminant(shrinkage=shrinkage):
                learner = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
            case Bayes(smoothing=smoothing):
                learner = GaussianNB(var_smoothing=smoothing)
        learner.fit((inputs - mean) @ kept, targets)
        return lambda asked: learner.predict_proba((asked - mean) @ kept)

    return cross_validated(digits(split), fit, log_loss)


@cache
def digits(split: int) -> Split:
    inputs, targets = bundled("digits")
    return split_rows(inputs / 4, targets, split, train=160, folds=2)


class Scales(BaseModel):
    """Kernel ridge regression with a scale for each input, of which half do not matter."""

    ridge: float = Field(1.0, ge=1e-5, le=10.0, json_schema_extra=LOG)
    scale_0: float = Field(1.0, ge=0.01, le=5.0, json_schema_extra=LOG)
    scale_1: float = Field(1.0, ge=0.01, le=5.0, json_schema_extra=LOG)
    scale_2: float = Field(1.0, ge=0.01, le=5.0, json_schema_extra=LOG)
    scale_3: float = Field(1.0, ge=0.01, le=5.0, json_schema_extra=LOG)
    scale_4: float = Field(1.0, ge=0.01, le=5.0, json_schema_extra=LOG)
    scale_5: float = Field(1.0, ge=0.01, le=5.0, json_schema_extra=LOG)
    scale_6: float = Field(1.0, ge=0.01, le=5.0, json_schema_extra=LOG)
    scale_7: float = Field(1.0, ge=0.01, le=5.0, json_schema_extra=LOG)


def scales(values: Scales, split: int) -> Losses:
    by_input = np.array([getattr(values, f"scale_{place}") for place in range(8)])
    return cross_validated(friedman(120, split), ard_ridge(values.ridge, by_input), squared)


@cache
def friedman(train: int, split: int, folds: int = 3) -> Split:
    from sklearn.datasets import make_friedman1

    inputs, targets = make_friedman1(2 * train + 600, n_features=8, noise=1.0, random_state=1000 + split)
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    order = np.random.default_rng(split).permutation(inputs.shape[1])
    return split_rows(inputs[:, order], (targets - targets.mean()) / targets.std(), split, train=train, folds=folds)


class Momentum(BaseModel):
    kind: Literal["sgd"] = "sgd"
    momentum: float = Field(0.5, ge=0.0, le=0.99)
    nesterov: bool = False


class Adam(BaseModel):
    kind: Literal["adam"] = "adam"
    beta_1: float = Field(0.9, ge=0.0, le=0.99)
    beta_2: float = Field(0.999, ge=0.5, le=0.9999)


class Network(BaseModel):
    """A small network on digits, trained for few epochs."""

    rate: float = Field(0.05, ge=1e-4, le=1.0, json_schema_extra=LOG)
    decay: float = Field(1e-4, ge=1e-6, le=1.0, json_schema_extra=LOG)
    hidden: int = Field(16, ge=4, le=64, json_schema_extra=LOG)
    batch: int = Field(32, ge=8, le=64, json_schema_extra=LOG)
    activation: Literal["relu", "tanh"] = "relu"
    start: float = Field(0.3, ge=0.01, le=3.0, json_schema_extra=LOG)
    solver: Annotated[Momentum | Adam, Field(discriminator="kind")] = Momentum()


def trained(values: Network, split: int) -> Losses:
    solver = values.solver
    told = solver.model_dump()
    return cross_validated(
        digits(split),
        network(classes=10, rate=values.rate, decay=values.decay, hidden=values.hidden, batch=values.batch,
                tanh=values.activation == "tanh", start=values.start, **told),
        log_loss,
    )  # fmt: skip


class Constant(BaseModel):
    kind: Literal["constant"] = "constant"


class Falling(BaseModel):
    kind: Literal["invscaling"] = "invscaling"
    power: float = Field(0.5, ge=0.05, le=1.0)


class Descent(BaseModel):
    """Logistic regression by stochastic gradient descent: the rate, how it falls, and the penalty."""

    rate: float = Field(0.1, ge=1e-5, le=10.0, json_schema_extra=LOG)
    decay: float = Field(1e-4, ge=1e-7, le=1.0, json_schema_extra=LOG)
    penalty: Literal["l2", "l1", "elasticnet"] = "l2"
    epochs: int = Field(10, ge=1, le=30, json_schema_extra=LOG)
    averaged: bool = False
    schedule: Annotated[Constant | Falling, Field(discriminator="kind")] = Constant()


def descent(values: Descent, split: int) -> Losses:
    from sklearn.linear_model import SGDClassifier

    def fit(inputs: np.ndarray, targets: np.ndarray) -> Any:
        power = values.schedule.power if isinstance(values.schedule, Falling) else 0.5
        learner = SGDClassifier(loss="log_loss", penalty=values.penalty, alpha=values.decay, max_iter=values.epochs, tol=None,
                                learning_rate=values.schedule.kind, eta0=values.rate, power_t=power, average=values.averaged,
                                random_state=0)  # fmt: skip
        learner.fit(inputs, targets)
        return learner.predict_proba

    return cross_validated(cancer(split), fit, log_loss)


@cache
def cancer(split: int) -> Split:
    inputs, targets = bundled("breast_cancer")
    noise = np.random.default_rng([5, split]).random(len(targets)) < 0.1  # labels with faults: else nearly everything is perfect
    return split_rows(inputs, np.where(noise, 1 - targets, targets), split, train=120)


class Boosting(BaseModel):
    """Boosted trees."""

    rate: float = Field(0.1, ge=0.01, le=1.0, json_schema_extra=LOG)
    trees: int = Field(5, ge=2, le=10, json_schema_extra=LOG)
    depth: int = Field(3, ge=1, le=6)
    leaf: int = Field(1, ge=1, le=30, json_schema_extra=LOG)
    features: float = Field(1.0, ge=0.1, le=1.0)
    rows: float = Field(1.0, ge=0.3, le=1.0)
    loss: Literal["squared_error", "huber"] = "squared_error"


def boosting(values: Boosting, split: int) -> Losses:
    from sklearn.ensemble import GradientBoostingRegressor

    def fit(inputs: np.ndarray, targets: np.ndarray) -> Any:
        learner = GradientBoostingRegressor(
            loss=values.loss, learning_rate=values.rate, n_estimators=values.trees, max_depth=values.depth,
            min_samples_leaf=values.leaf, max_features=values.features, subsample=values.rows, random_state=0,
        )  # fmt: skip
        learner.fit(inputs, targets)
        return learner.predict

    return cross_validated(friedman(100, split, folds=2), fit, squared)


class Weighing(BaseModel):
    """Nearest neighbours with a weight for each of six directions."""

    count: int = Field(3, ge=1, le=40, json_schema_extra=LOG)
    sharpness: float = Field(0.1, ge=0.01, le=10.0, json_schema_extra=LOG)
    weight_0: float = Field(1.0, ge=0.1, le=10.0, json_schema_extra=LOG)
    weight_1: float = Field(1.0, ge=0.1, le=10.0, json_schema_extra=LOG)
    weight_2: float = Field(1.0, ge=0.1, le=10.0, json_schema_extra=LOG)
    weight_3: float = Field(1.0, ge=0.1, le=10.0, json_schema_extra=LOG)
    weight_4: float = Field(1.0, ge=0.1, le=10.0, json_schema_extra=LOG)
    weight_5: float = Field(1.0, ge=0.1, le=10.0, json_schema_extra=LOG)


def weighing(values: Weighing, split: int) -> Losses:
    by_input = np.array([getattr(values, f"weight_{place}") for place in range(6)])
    return cross_validated(diabetes(split), neighbours(values.count, values.sharpness, by_input), squared)


@cache
def diabetes(split: int) -> Split:
    inputs, targets = bundled("diabetes")
    return split_rows(inputs[:, [2, 8, 3, 6, 0, 5]], targets, split, train=180)


class Valley(BaseModel):
    """Six numbers on a curved valley's floor; no noise, and nothing is hidden."""

    x_0: float = Field(-1.0, ge=-2.0, le=2.0)
    x_1: float = Field(-1.0, ge=-2.0, le=2.0)
    x_2: float = Field(-1.0, ge=-2.0, le=2.0)
    x_3: float = Field(-1.0, ge=-2.0, le=2.0)
    x_4: float = Field(-1.0, ge=-2.0, le=2.0)
    x_5: float = Field(-1.0, ge=-2.0, le=2.0)


def valley(values: Valley, split: int) -> Losses:
    """Rosenbrock's function around a point that depends on the split, its logarithm."""
    x = np.array([getattr(values, f"x_{place}") for place in range(6)]) - moved(split)
    return known(float(np.log1p(np.sum(20 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))))


def valley_floor(split: int) -> Valley:
    """Give the lowest point: all ones, moved."""
    return Valley(**{f"x_{place}": 1.0 + by for place, by in enumerate(moved(split).tolist())})


def moved(split: int) -> np.ndarray:
    return np.random.default_rng([3, split]).uniform(-0.6, 0.6, 6)


class Ring(BaseModel):
    kind: Literal["ring"] = "ring"
    radius: float = Field(1.0, ge=0.1, le=3.0)
    width: float = Field(1.0, ge=0.05, le=3.0, json_schema_extra=LOG)


class Ridge(BaseModel):
    kind: Literal["ridge"] = "ridge"
    angle: float = Field(0.0, ge=-3.0, le=3.0)
    length: int = Field(4, ge=1, le=16)


MODES: tuple[Literal["a", "b", "c", "d"], ...] = ("a", "b", "c", "d")


class Mixed(BaseModel):
    """Numbers, choices and a part that depends on a choice, all of which interact; no noise, and nothing is hidden."""

    gain: float = Field(1.0, ge=1e-3, le=1e3, json_schema_extra=LOG)
    loss: float = Field(1.0, ge=1e-3, le=1e3, json_schema_extra=LOG)
    steps: int = Field(32, ge=1, le=256, json_schema_extra=LOG)
    mode: Literal["a", "b", "c", "d"] = "a"
    inner: bool = False
    shift: float = Field(0.0, ge=-1.0, le=1.0)
    form: Annotated[Ring | Ridge, Field(discriminator="kind")] = Ring()


def mixed(values: Mixed, split: int) -> Losses:
    aims, by_mode = drawn_aims(split)
    costs = by_mode[MODES.index(values.mode)]
    gain, lost = np.log10(values.gain) - aims[0], np.log10(values.loss) - aims[1]
    product, quotient = gain + lost, gain - lost
    steps = np.log2(values.steps) - 4 - aims[2]
    total = 0.15 * quotient**2 + 3 * product**2 + 0.2 * (steps - product) ** 2 + costs + 0.5 * (values.inner == (product > 0))
    turned = 2 * (values.shift - aims[3] / 2)
    if isinstance(values.form, Ring):
        total += 0.3 + (values.form.radius - 1.5 - turned / 2) ** 2 + 0.2 * np.log(values.form.width / 0.3) ** 2
    else:
        total += (values.form.angle - 1.5 * turned) ** 2 + 0.02 * (values.form.length - 9 - 4 * aims[2]) ** 2
    total += 0.3 * turned**2
    return known(float(np.log1p(total)))


def mixed_best(split: int) -> Mixed:
    """Give the best point: every term is nothing, but for what whole numbers leave."""
    aims, by_mode = drawn_aims(split)
    found = []
    for steps in (math.floor(2 ** (4 + aims[2])), math.ceil(2 ** (4 + aims[2]))):
        product = 0.2 / 3.2 * float(np.log2(steps) - 4 - aims[2])  # it pays for a part of what whole steps leave
        gain, loss = (float(10 ** (aim + product / 2)) for aim in aims[:2])
        ridge = Ridge(angle=0.0, length=round(9 + 4 * float(aims[2])))
        mode = MODES[int(np.argmin(by_mode))]
        found.append(
            Mixed(gain=gain, loss=loss, steps=steps, mode=mode, inner=product <= 0, shift=float(aims[3]) / 2, form=ridge)
        )
    return min(found, key=lambda values: mixed(values, split).seen())


def drawn_aims(split: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng([11, split])
    return random.uniform(-1.5, 1.5, 4), random.permutation([0.0, 0.4, 0.8, 1.2])


REPORTED = (
    Problem("kernels", "support vectors, choice of a kernel", Kernels, kernels, "squared error"),
    Problem("pipeline", "digits, choice of a classifier", Pipeline, pipeline, "log loss"),
    Problem("scales", "kernel ridge, 9 scales", Scales, scales, "squared error"),
    Problem("network", "small network, choice of a solver", Network, trained, "log loss"),
    Problem("descent", "logistic regression by SGD", Descent, descent, "log loss"),
    Problem("boosting", "boosted trees", Boosting, boosting, "squared error"),
    Problem("weighing", "neighbours, 6 weights", Weighing, weighing, "squared error"),
    Problem("curves", "two curves, a basis for each", Curves, curves, "squared error"),
    Problem("forecasts", "exponential smoothing, trend and season", Smoothing, forecasts, "log squared error"),
    Problem("valley", "valley in 6 dimensions", Valley, valley, "function", valley_floor),
    Problem("mixed", "interactions of all kinds", Mixed, mixed, "function", mixed_best),
)
