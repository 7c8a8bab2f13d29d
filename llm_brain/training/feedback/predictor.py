r"""What an answer will probably earn: Bayesian linear regression on hashed words of the prompt, the answer, and both together.

.. math::
    R \sim N(\mu + w^\top x, \sigma^2), \quad w \sim N(0, \tau^2 I), \quad
    \Sigma = (X^\top X / \sigma^2 + I / \tau^2)^{-1}, \quad m = \Sigma X^\top (R - \mu) / \sigma^2

The uncertainty is the predictive standard deviation sqrt(sigma^2 + x^T Sigma x) (Bishop 2006, Pattern Recognition and Machine
Learning, 3.3; features by signed hashing: Weinberger et al. 2009).
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable
from typing import Final, Protocol

import torch

_WORD: Final = re.compile(r"\w+")
_MOST_WORDS: Final = 64
_BATCH: Final = 64


class RewardPredictor(Protocol):
    """Predicts what an answer earns, and learns from what answers earned. Called from one thread.

    Example:
        >>> class Average:
        ...     total, number = 0.5, 1
        ...     def predict(self, prompt: str, answer: str) -> tuple[float, float]:
        ...         return self.total / self.number, 1 / self.number
        ...     def learn(self, prompt: str, answer: str, score: float) -> None:
        ...         self.total, self.number = self.total + score, self.number + 1
        >>> predictor: RewardPredictor = Average()
        >>> predictor.learn("It broke.", "bad", 1.0)
        >>> predictor.predict("It broke.", "bad")
        (0.75, 0.5)
    """

    def predict(self, prompt: str, answer: str) -> tuple[float, float]:
        """Return the expected score of an answer to a prompt, and how uncertain it is, as a standard deviation."""
        ...

    def learn(self, prompt: str, answer: str, score: float) -> None:
        """Learn what an answer earned."""
        ...


class LinearRewardPredictor:
    """Bayesian linear regression on hashed words.

    Args:
        dimensions: Of the hashed features.
        prior_mean: What an answer of which nothing is known is expected to earn.
        prior_deviation: Its standard deviation.
        noise: The standard deviation of the same answer's score.

    Example:
        >>> predictor = LinearRewardPredictor()
        >>> for word in ("good", "fine", "great"):
        ...     predictor.learn(f"a {word} film", "positive", 1.0)
        >>> near, far = predictor.predict("a good film", "positive"), predictor.predict("no way", "negative")
        >>> near[0] > 0.8, near[1] < far[1]
        (True, True)
    """

    def __init__(
        self, dimensions: int = 512, *, prior_mean: float = 0.5, prior_deviation: float = 0.5, noise: float = 0.1
    ) -> None:
        self._dimensions, self._prior_mean, self._noise = dimensions, prior_mean, noise**2
        self._mean = torch.zeros(dimensions, dtype=torch.float64)
        self._covariance = torch.eye(dimensions, dtype=torch.float64) * prior_deviation**2
        self._new: list[tuple[torch.Tensor, float]] = []

    def predict(self, prompt: str, answer: str) -> tuple[float, float]:
        """Return the expected score of an answer to a prompt, and the predictive standard deviation."""
        self._update()
        row = hashed_features(prompt, answer, self._dimensions)
        variance = self._noise + max(0.0, float(row @ self._covariance @ row))
        return self._prior_mean + float(row @ self._mean), math.sqrt(variance)

    def learn(self, prompt: str, answer: str, score: float) -> None:
        """Learn what an answer earned; updates are made in batches."""
        self._new.append((hashed_features(prompt, answer, self._dimensions), score - self._prior_mean))
        if len(self._new) >= _BATCH:
            self._update()

    def _update(self) -> None:
        """Condition on the new rows by the Woodbury identity: the matrix that is inverted is as large as they are many."""
        if not self._new:
            return
        rows = torch.stack([row for row, _ in self._new])
        errors = torch.tensor([score for _, score in self._new], dtype=torch.float64) - rows @ self._mean
        self._new = []
        spread = rows @ self._covariance
        gain = torch.linalg.solve(spread @ rows.T + self._noise * torch.eye(len(rows), dtype=torch.float64), spread).T
        self._mean = self._mean + gain @ errors
        covariance = self._covariance - gain @ spread
        self._covariance = (covariance + covariance.T) / 2


def hashed_features(prompt: str, answer: str, dimensions: int) -> torch.Tensor:
    """Describe an answer to a prompt by its words, hashed with signs into a fixed number of features.

    Args:
        prompt: The prompt.
        answer: The answer.
        dimensions: How many features.

    Returns:
        [dimensions], float64, of length about 1: the words of the prompt, those of the answer, and each with each.

    Example:
        >>> hashed_features("a good film", "positive", 64).shape
        torch.Size([64])
    """
    asked, answered = _words(prompt), _words(answer)
    features = torch.zeros(dimensions, dtype=torch.float64)
    together = [f"{one} {other}" for one in asked for other in answered]
    for kind, words in (("prompt", asked), ("answer", answered), ("both", together)):
        features += _hashed((f"{kind} {word}" for word in words), len(words), dimensions)
    return features / math.sqrt(3)


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word.lower() for word in _WORD.findall(text)))[:_MOST_WORDS]


def _hashed(words: Iterable[str], number: int, dimensions: int) -> torch.Tensor:
    hashes = torch.tensor([zlib.crc32(word.encode()) for word in words], dtype=torch.int64)
    signs = (1 - 2 * (hashes >> 31)).to(torch.float64) / math.sqrt(max(1, number))
    return torch.zeros(dimensions, dtype=torch.float64).index_add_(0, (hashes & 0x7FFFFFFF) % dimensions, signs)
