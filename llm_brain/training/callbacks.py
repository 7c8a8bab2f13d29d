"""What a training tells while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Callback:
    """Is told of updates, epochs and evaluations. Override what is wanted; each method does nothing by itself.

    Updates and epochs are told in the training's own thread, evaluations in those that evaluate. An error ends the training.

    Example:
        >>> class Print(Callback):
        ...     def on_epoch(self, metrics):
        ...         print(f"epoch {metrics['epoch']}: loss {metrics['loss']:.3f}")
        >>> Print().on_epoch({"epoch": 1, "loss": 0.5})
        epoch 1: loss 0.500
    """

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Hear of an update: how many there were with it, and its metrics."""

    def on_epoch(self, metrics: Mapping[str, float]) -> None:
        """Hear of an epoch's metrics."""

    def on_evaluation(self, prompt: int, answer: Any, score: float | None) -> None:
        """Hear that an answer to a prompt was evaluated; None: that failed."""
