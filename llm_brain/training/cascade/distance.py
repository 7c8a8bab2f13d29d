"""How strange an input is: the Mahalanobis distance of its features from those of earlier inputs.

    d(x)^2 = (x - m)^T ((1 - a) S + a mu I)^-1 (x - m),    mu = trace(S) / d

m and S are the mean and the covariance of the earlier features. The shrinkage a is that of Ledoit and Wolf (2004, A
well-conditioned estimator for large-dimensional covariance matrices): the share of S's scatter that few inputs and many features
explain by chance.
The scores of a `DriftMonitor` must be distances of inputs from others than themselves: fit on some, score the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from llm_brain.errors import ArgumentError

MATRIX = 2
# Of the mean variance; and of 1, where all features are the same.
LEAST_VARIANCE = 1e-9


class FeatureDistance:
    """The distance of features from those that it was fitted to.

    Args:
        mean: `[d]`.
        whitening: `[d, d]`, with which the squared distance is ||whitening (x - mean)||^2.

    Example:
        >>> distance = FeatureDistance.fit(torch.randn(100, 3, generator=torch.Generator().manual_seed(0)))
        >>> distance(torch.zeros(3)) < 1 < 5 < distance(torch.full((3,), 9.0))
        True
    """

    def __init__(self, mean: Tensor, whitening: Tensor) -> None:
        if mean.dim() != 1 or whitening.shape != (*mean.shape, *mean.shape):
            message = f"a mean of shape {tuple(mean.shape)} and a matrix of shape {tuple(whitening.shape)} do not fit together"
            raise ArgumentError(message)
        self.mean = mean
        self.whitening = whitening

    @classmethod
    def fit(cls, features: Tensor | Sequence[Tensor]) -> FeatureDistance:
        """Fit to the features of some inputs, `[n, d]`.

        Raises:
            ArgumentError: They are no matrix of at least one row.
        """
        rows = _finite(features) if isinstance(features, Tensor) else torch.stack([*map(_finite, features)])
        if rows.dim() != MATRIX or 0 in rows.shape:
            message = f"features of shape {tuple(rows.shape)}: give a row of features for each of one or more inputs"
            raise ArgumentError(message)
        mean = rows.mean(0)
        lower = torch.linalg.cholesky(shrunk_covariance(rows - mean))
        identity = torch.eye(len(mean), dtype=rows.dtype)
        # In the order in which it is read back from JSON, so that a product with it is the same to the last bit.
        return cls(mean, torch.linalg.solve_triangular(lower, identity, upper=False).contiguous())

    def __call__(self, features: Tensor) -> float:
        """Measure how far features `[d]` are from those it was fitted to, in standard deviations.

        Raises:
            ArgumentError: There are fewer or more features.
        """
        if features.shape != self.mean.shape:
            message = f"features of shape {tuple(features.shape)}: this distance is of {len(self.mean)} features"
            raise ArgumentError(message)
        return float((self.whitening @ (_finite(features) - self.mean)).norm())

    def state(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {"mean": self.mean.tolist(), "whitening": self.whitening.tolist()}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> FeatureDistance:
        """Build the distance of which this is the state.

        Raises:
            ArgumentError: It is none.
        """
        try:
            return cls(*(torch.tensor(state[name], dtype=torch.float64) for name in ("mean", "whitening")))
        except (KeyError, TypeError, ValueError) as error:
            message = f"this is no state of a distance: {type(error).__name__}: {error}"
            raise ArgumentError(message) from error


def shrunk_covariance(centred: Tensor) -> Tensor:
    """Estimate a covariance that can be inverted, from rows `[n, d]` of mean zero, however few.

    Example:
        >>> shrunk_covariance(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).diagonal().min() > 0
        tensor(True)
    """
    number, size = centred.shape
    covariance = centred.T @ centred / number
    identity = torch.eye(size, dtype=centred.dtype)
    variance = covariance.diagonal().mean()
    scatter = (covariance - variance * identity).square().sum()
    by_chance = (centred.square().sum(1).square().mean() - covariance.square().sum()) / number
    # Two rows, whose scatter is the same along their line, look certain.
    share = (by_chance / scatter).clamp(1 / number, 1) if scatter > 0 else torch.ones_like(scatter)
    floor = LEAST_VARIANCE * (variance if variance > 0 else 1.0)
    return (1 - share) * covariance + (share * variance + floor) * identity


def _finite(features: Tensor) -> Tensor:
    return torch.nan_to_num(features.detach().to("cpu", torch.float64), nan=0.0, posinf=1e30, neginf=-1e30)
