"""Evaluations that never block a step: they are handed in, answered in the background, and used when they arrive.

A group is K answers to one prompt. What it earned comes back with the version of the brain that drew it and the
log-probabilities under that version. Groups that are older than `max_staleness` updates are dropped and counted; their
evaluations are kept, so that the next time the brain gives the same answer its reward is known at once. A failed evaluation is
None, and asked for again when the same answer is drawn again, up to three times in all. After a refused key, an empty account
or a spent budget nothing more is asked.
"""

from __future__ import annotations

import contextvars
import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Self

import torch

from llm_brain.errors import LLMBrainError
from llm_brain.strategy.mapping import concerns_all_calls
from llm_brain.tracing.names import ARGUMENTS, EVALUATION_KIND, KIND, SCORE
from llm_brain.tracing.spans import span

Evaluate = Callable[[str, int], float]
MOST_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Group:
    """K answers to one prompt, with their rewards.

    Attributes:
        prompt: The prompt.
        answers: Indices of options, K of them.
        behaviour: The log-probability of each answer when it was drawn.
        version: How many updates the brain had seen when it drew them.
        rewards: Evaluations; None where one failed.

    Example:
        >>> Group("It broke.", (0, 1), (-0.7, -0.7), 0, (0.1, None)).rewards[1] is None
        True
    """

    prompt: str
    answers: tuple[int, ...]
    behaviour: tuple[float, ...]
    version: int
    rewards: tuple[float | None, ...] = ()


@dataclass
class FeedbackCounts:
    """What became of the groups and evaluations.

    Attributes:
        submitted: Groups that were handed in.
        used: Groups that came back with their rewards.
        stale: Groups that were too old when their rewards came.
        failed: Evaluations that gave no score.
        staleness: How many updates old each used group was.

    Example:
        >>> FeedbackCounts().used
        0
    """

    submitted: int = 0
    used: int = 0
    stale: int = 0
    failed: int = 0
    staleness: list[int] = field(default_factory=list)


class FeedbackPool:
    """Evaluates answers in the background.

    Args:
        evaluate: Scores an answer (an option's index) to a prompt; called from many threads. An error of this package fails
            the evaluation; any other error is a fault of the evaluator and comes out of `arrived`.
        score_range: What scores are clamped to.
        max_staleness: How many updates a group may be old and still be used.
        workers: The most evaluations in flight.

    Example:
        >>> with FeedbackPool(lambda prompt, answer: float(answer == 1), max_staleness=4) as pool:
        ...     pool.submit([Group("It broke.", (0, 1), (-0.7, -0.7), version=0)])
        ...     pool.wait()
        ...     pool.arrived(version=1)[0].rewards
        (0.0, 1.0)
    """

    def __init__(
        self,
        evaluate: Evaluate,
        *,
        score_range: tuple[float, float] = (0.0, 1.0),
        max_staleness: int = 4,
        workers: int = 32,
    ) -> None:
        self.counts = FeedbackCounts()
        self._evaluate = evaluate
        self._range = score_range
        self._max_staleness = max_staleness
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="llm_brain-feedback")
        self._known: dict[tuple[str, int], Future[float | None]] = {}
        self._asked: Counter[tuple[str, int]] = Counter()
        self._waiting: list[tuple[Group, list[Future[float | None]]]] = []
        self._lock = threading.Lock()
        self._gave_up = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, groups: Sequence[Group]) -> None:
        """Hand in groups. Returns at once; an answer that was evaluated before is not evaluated again."""
        for group in groups:
            futures = {answer: self._evaluation(group.prompt, answer) for answer in set(group.answers)}
            self._waiting.append((group, [futures[answer] for answer in group.answers]))
            self.counts.submitted += 1

    def arrived(self, version: int) -> list[Group]:
        """Take the groups whose evaluations are all in, without waiting for any.

        Args:
            version: How many updates the brain has seen now.
        """
        ready, waiting = [], []
        for group, futures in self._waiting:
            if version - group.version > self._max_staleness:
                self.counts.stale += 1
            elif all(_is_in(future) for future in futures):
                ready.append(replace(group, rewards=tuple(future.result() for future in futures)))
                self.counts.used += 1
                self.counts.staleness.append(version - group.version)
            else:
                waiting.append((group, futures))
        self._waiting = waiting
        return ready

    @property
    def pending(self) -> int:
        """How many evaluations are asked for and not in yet."""
        return sum(not future.done() for future in self._known.values())

    def wait(self) -> None:
        """Wait until every evaluation is in that was not given up."""
        wait([future for future in self._known.values() if not future.cancelled()])

    def close(self) -> None:
        """Give up what has not begun, and wait for nothing."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _evaluation(self, prompt: str, answer: int) -> Future[float | None]:
        """Return the evaluation of an answer: the one that is known or under way, or else a new one."""
        key = (prompt, answer)
        future = self._known.get(key)
        failed = future is not None and _is_in(future) and future.exception() is None and future.result() is None
        if future is None or (failed and self._asked[key] < MOST_ATTEMPTS):
            context = contextvars.copy_context()
            future = self._known[key] = self._pool.submit(lambda: context.run(self._score, prompt, answer))
            self._asked[key] += 1
        return future

    def _score(self, prompt: str, answer: int) -> float | None:
        try:
            score = math.nan if self._gave_up else self._evaluated(prompt, answer)
        except LLMBrainError as error:
            if concerns_all_calls(error):
                self._gave_up = True
            score = math.nan
        if math.isnan(score):
            with self._lock:
                self.counts.failed += 1
            return None
        low, high = self._range
        return min(max(score, low), high)

    def _evaluated(self, prompt: str, answer: int) -> float:
        with span("evaluation", {KIND: EVALUATION_KIND}) as here:
            here.content(ARGUMENTS, {"prompt": prompt, "answer": answer})
            score = self._evaluate(prompt, answer)
            here.set(SCORE, score)
        return score


def group_tensors(groups: Sequence[Group]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lay groups of equal size out as tensors for `objectives.rloo`.

    Returns:
        answers, rewards, known and behaviour, each [n, K].

    Example:
        >>> group_tensors([Group("a", (0, 1), (-0.7, -0.7), 0, (1.0, None))])[2].tolist()
        [[True, False]]
    """
    answers = torch.tensor([group.answers for group in groups])
    rewards = torch.tensor([[0.0 if reward is None else reward for reward in group.rewards] for group in groups])
    known = torch.tensor([[reward is not None for reward in group.rewards] for group in groups])
    behaviour = torch.tensor([group.behaviour for group in groups])
    return answers, rewards, known, behaviour


def _is_in(future: Future[float | None]) -> bool:
    return future.done() and not future.cancelled()
