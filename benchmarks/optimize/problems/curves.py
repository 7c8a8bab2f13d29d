"""A sum of two curves, each in a basis of its own choice: what is tuned depends on two choices at once."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from benchmarks.optimize.problems.contract import Losses, Split, cross_validated, split_rows, squared

LOG: JsonDict = {"log": True}


class Bumps(BaseModel):
    kind: Literal["bumps"] = "bumps"
    count: int = Field(4, ge=2, le=30, json_schema_extra=LOG)
    width: float = Field(1.0, ge=0.1, le=10.0, json_schema_extra=LOG)


class Waves(BaseModel):
    kind: Literal["waves"] = "waves"
    count: int = Field(2, ge=1, le=15, json_schema_extra=LOG)
    period: float = Field(2.0, ge=0.2, le=8.0, json_schema_extra=LOG)


class Hinges(BaseModel):
    kind: Literal["hinges"] = "hinges"
    count: int = Field(2, ge=1, le=30, json_schema_extra=LOG)


Basis = Annotated[Bumps | Waves | Hinges, Field(discriminator="kind")]


class Curves(BaseModel):
    """Ridge regression on the bases of two inputs, and on the products of one of them with the other input."""

    penalty_0: float = Field(1.0, ge=1e-4, le=100.0, json_schema_extra=LOG)
    penalty_1: float = Field(1.0, ge=1e-4, le=100.0, json_schema_extra=LOG)
    products: Literal["none", "first", "second"] = "none"
    basis_0: Basis = Bumps()
    basis_1: Basis = Bumps()


def curves(values: Curves, split: int) -> Losses:
    def columns(inputs: np.ndarray) -> np.ndarray:
        first = expanded(inputs[:, 0], values.basis_0) / np.sqrt(values.penalty_0)
        second = expanded(inputs[:, 1], values.basis_1) / np.sqrt(values.penalty_1)
        made = [np.full((len(inputs), 1), 10.0), first, second]  # the constant is hardly penalised
        match values.products:
            case "first":
                made.append(first * inputs[:, 1:])
            case "second":
                made.append(second * inputs[:, :1])
        return np.concatenate(made, axis=1)

    def fit(inputs: np.ndarray, targets: np.ndarray) -> Any:
        made = columns(inputs)
        weights = np.linalg.solve(made.T @ made + np.eye(made.shape[1]), made.T @ targets)
        return lambda asked: columns(asked) @ weights

    return cross_validated(drawn_curves(split), fit, squared)


def expanded(inputs: np.ndarray, basis: Bumps | Waves | Hinges) -> np.ndarray:
    """Give the columns of a basis for inputs between -1 and 1.

    Args:
        inputs: Numbers, of shape [rows].
        basis: Which.

    Returns:
        Of shape [rows, columns].
    """
    match basis:
        case Bumps(count=count, width=width):
            centres = np.linspace(-1, 1, count)
            return np.asarray(np.exp(-0.5 * ((inputs[:, None] - centres) / (width * 2 / count)) ** 2))
        case Waves(count=count, period=period):
            angles = 2 * np.pi / period * inputs[:, None] * np.arange(1, count + 1)
            return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
        case Hinges(count=count):
            places = np.linspace(-1, 1, count, endpoint=False)
            return np.maximum(inputs[:, None] - places, 0.0)


@cache
def drawn_curves(split: int) -> Split:
    """Draw rows: a wave of the first input, a bend of the second one, a product, and noise."""
    random = np.random.default_rng([17, split])
    period, bend, weight = random.uniform(0.5, 1.2), random.uniform(-0.5, 0.5), random.uniform(0.5, 1.5)
    inputs = random.uniform(-1, 1, (1000, 2))
    targets = np.sin(2 * np.pi * inputs[:, 0] / period) + 2 * np.abs(inputs[:, 1] - bend) + weight * inputs[:, 0] * inputs[:, 1]
    targets += 0.4 * random.standard_normal(len(targets))
    return split_rows(inputs, (targets - targets.mean()) / targets.std(), split, train=90)
