"""What a waiting group is going to earn: each answer's evaluation, its prediction, or both."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace

from llm_brain.training.feedback.allocation import Draw
from llm_brain.training.feedback.group import Group
from llm_brain.training.feedback.journal import Scores


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer is going to earn.

    Attributes:
        text: The answer, as JSON.
        future: Its evaluation; None where none was asked for.
        draw: What was predicted of it; None where its reward is the evaluation itself.

    Example:
        >>> Expected("1", draw=Draw(0.4, 0.0, asked=False)).reward()
        0.4
    """

    text: str
    future: Future[Scores] | None = None
    draw: Draw | None = None

    def is_in(self) -> bool:
        """Tell whether the reward is there."""
        return self.future is None or (self.future.done() and not self.future.cancelled())

    def reward(self) -> float | None:
        """Return the reward, or None where the evaluation failed."""
        score = None if self.future is None else self.future.result()[self.text]
        return score if self.draw is None else self.draw.reward(score)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A group that has not come back yet.

    Attributes:
        group: The group.
        expected: What each answer is going to earn; empty where a journal is going to tell.

    Example:
        >>> Waiting(Group(0, (1,), (1,), (-0.7,), 0), (Expected("1", draw=Draw(0.4, 0.0, asked=False)),)).rewarded().rewards
        (0.4,)
    """

    group: Group
    expected: tuple[Expected, ...]

    def is_in(self) -> bool:
        """Tell whether all rewards are there."""
        return bool(self.expected) and all(expected.is_in() for expected in self.expected)

    def rewarded(self) -> Group:
        """Return the group with its rewards."""
        return replace(self.group, rewards=tuple(expected.reward() for expected in self.expected))

    def futures(self) -> set[Future[Scores]]:
        """Return the evaluations that it waits for."""
        return {expected.future for expected in self.expected if expected.future is not None}
