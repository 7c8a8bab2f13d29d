"""MNIST-1D (Greydanus and Kobak 2020): ten digits as noisy curves of forty points, one point a step; the answer
is the mean of what is said at each.

The data is made by the package's own generator, with its defaults: 4000 curves, of which every tenth is for validation, and
1000 for the test. The package lives in an environment of its own; nothing is downloaded but the package.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.brain.learning.training import Supervised
from benchmarks.environments import Environment, make_environments, run

FOLDER = Path(__file__).parents[1]
ENVIRONMENT = Environment(FOLDER / ".environments" / "mnist1d", FOLDER / "tasks" / "mnist1d.txt")
FILE = FOLDER / ".environments" / "mnist1d.npz"
MAKE = """
import sys, numpy
from mnist1d.data import get_dataset_args, make_dataset
made = make_dataset(get_dataset_args())
numpy.savez(sys.argv[1], **{name: made[name] for name in ("x", "y", "x_test", "y_test")})
"""


def prepare() -> None:
    """Make the data, once."""
    if not FILE.is_file():
        make_environments([ENVIRONMENT])
        run([str(ENVIRONMENT.python), "-c", MAKE, str(FILE)])


@functools.cache
def curves(split: str) -> tuple[Tensor, Tensor]:
    """Give all curves of a split, `[40, N, 1]`, and their digits."""
    made = np.load(FILE)
    if split == "test":
        x, y = made["x_test"], made["y_test"]
    else:
        held_out = np.arange(len(made["y"])) % 10 == 0
        chosen = held_out if split == "validation" else ~held_out
        x, y = made["x"][chosen], made["y"][chosen]
    return torch.tensor(x.T[:, :, None], dtype=torch.float32), torch.tensor(y)


def draw(split: str, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Give curves `[40, B, 1]` and digits `[B]`."""
    x, y = curves(split)
    chosen = torch.randperm(len(y), generator=generator)[:size]
    return x[:, chosen], y[chosen]


def loss(output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the answer, which is averaged over the steps."""
    return functional.cross_entropy(output.mean(0), target)


def score(output: Tensor, target: Tensor) -> Tensor:
    """Share of right answers."""
    return (output.mean(0).argmax(-1) == target).float().mean()


MNIST1D = Supervised(
    title="MNIST-1D",
    metric="accuracy",
    draw=draw,
    loss=loss,
    score=score,
    inputs=1,
    outputs=10,
    models=("ours", "ours_conv", "gru", "gru_conv"),
    hidden=64,
    layers=2,
    steps=1000,
    size=50,
    tested=1000,
)
