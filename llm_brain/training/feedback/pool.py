"""Evaluations never block a step: groups are handed in, evaluated in the background, and used when they arrive.

A group comes back with the version of the network that drew it and the log-probabilities under that version. One that is older
than `max_staleness` updates is dropped and counted. What had begun to be evaluated for it is remembered, so that the same
answer's reward is known at once when it is drawn again; what had not is given up, so that the queue never grows old. A reward is
None where its evaluation failed. With a journal, a resumed training is told what it was told before.

With an allocation, a fixed number of calls is spent on the answers that a predictor is unsure of, and no group is too old. A
group waits because one of its answers was drawn to be asked for: to drop it would leave out the correction, and bias the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

from llm_brain.errors import ArgumentError, CheckpointError
from llm_brain.training.feedback.allocation import Allocation, Draw
from llm_brain.training.feedback.counts import FeedbackCounts
from llm_brain.training.feedback.evaluations import Evaluate, Evaluations, OnEvaluation, OnFailure, Rank
from llm_brain.training.feedback.expected import Expected, Waiting
from llm_brain.training.feedback.group import Group
from llm_brain.training.feedback.journal import Journal, Step


class FeedbackPool:
    """Evaluates answers in the background. All of it is called from one thread; an evaluation that hangs ends with the process.

    Args:
        evaluate: Scores an answer to a prompt (told by its place); called from many threads. An error of this package fails the
            evaluation; any other, and a `DefinitionError`, is a fault of the evaluator and comes out of `arrived`.
        rank: Orders a group's different answers by one call, in place of a call for each. What an answer earns is then its rank
            among the others: the best has the top of the range, the worst its bottom, equal answers share.
        score_range: What scores are clamped to.
        max_staleness: How many updates a group may be old and still be used; with an allocation any age is allowed.
        workers: The most evaluations in flight.
        journal: What earlier processes of this training were told. What it holds of a step is told again and asks nothing.
        on_failure: What becomes of an evaluation that fails: "skip" makes its reward None, "raise" lets the first error come out
            of `arrived`.
        allocation: Decides which answers are evaluated. The rewards of the others are predictions, and those that were drawn
            are corrected, which takes them out of the score range at times; see `Allocation`.
        prompt_text: Tells a prompt's text by its place, for the trace; by default the place stands there.
        on_evaluation: Told of each prompt, answer and score that was asked for, from the thread that evaluated it.

    Attributes:
        counts: What became of the groups and evaluations in this process.

    Raises:
        ArgumentError: Both `rank` and `allocation` are given, or there are no workers.

    Example:
        >>> with FeedbackPool(lambda prompt, answer: float(answer == "bad"), max_staleness=4) as pool:
        ...     pool.submit([Group(0, ("good", "bad"), (0, 1), (-0.7, -0.7), version=0)])
        ...     pool.wait()
        ...     pool.arrived(version=1)[0].rewards
        True
        (0.0, 1.0)
    """

    def __init__(
        self,
        evaluate: Evaluate,
        *,
        rank: Rank | None = None,
        score_range: tuple[float, float] = (0.0, 1.0),
        max_staleness: int = 4,
        workers: int = 16,
        journal: Journal | None = None,
        on_failure: OnFailure = "skip",
        allocation: Allocation | None = None,
        on_evaluation: OnEvaluation | None = None,
        prompt_text: Callable[[int], str] = str,
    ) -> None:
        if rank is not None and allocation is not None:
            message = "a ranking takes one call for a whole group, and an allocation is of calls for single answers: give one"
            raise ArgumentError(message)
        self.counts = FeedbackCounts()
        self._ranks = rank is not None
        self._middle = sum(score_range) / 2
        self._max_staleness, self._workers = max_staleness, workers
        self._journal, self._allocation = journal, allocation
        self._evaluations = Evaluations(
            evaluate,
            rank=rank,
            score_range=score_range,
            workers=workers,
            counts=self.counts,
            journal=journal,
            on_failure=on_failure,
            on_evaluation=on_evaluation,
            prompt_text=prompt_text,
        )
        if allocation is not None and journal is not None:
            allocation.spent += journal.charged
        self._waiting: list[Waiting] = []
        self._next = 0
        self._told = -1
        self._held_back = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def has_room(self, version: int) -> bool:
        """Tell whether more groups are worth handing in: not while as many evaluations are in flight as may be.

        What would wait for a worker grows stale, and drawing it is work. What was said goes into the journal with the step, so
        that a replay hands in what was handed in.

        Args:
            version: How many updates the network has seen now; `arrived` is asked about the same one afterwards.

        Raises:
            CheckpointError: The journal is of another training.
        """
        entry = None if self._journal is None else self._journal.step(version)
        if entry is not None:
            self._held_back = entry.held_back
        elif self._journal is not None and self._journal.was_handed_in(self._next):
            self._held_back = False  # by a process that died before it wrote the step's line
        else:
            self._held_back = self.pending >= self._workers
        return not self._held_back

    def submit(self, groups: Sequence[Group]) -> None:
        """Hand in groups, which get running numbers. Returns at once; what is remembered is not asked again.

        Raises:
            ArgumentError: An answer has no JSON form.
            CheckpointError: The journal cannot be written, or is of a training that drew other answers.
        """
        self._learn()
        for group in groups:
            self._hold(replace(group, number=self._next, rewards=()))
            self._next += 1
            self.counts.submitted += 1

    def restore(self, groups: Sequence[Group], next_number: int) -> None:
        """Hand in again what was waiting when a checkpoint was made, with its numbers.

        Args:
            groups: What `waiting` gave.
            next_number: What the attribute was then: that of the next group.

        Raises:
            ArgumentError: A group has a number that is still to be given, or groups were handed in before.
            CheckpointError: As for `submit`.
        """
        if self._next or any(group.number >= next_number for group in groups):
            message = f"groups are restored into a new pool, and have numbers below {next_number}"
            raise ArgumentError(message)
        self._learn()
        for group in sorted(groups, key=lambda group: group.number):
            self._hold(group)
        self._next = next_number

    def arrived(self, version: int) -> list[Group]:
        """Take the groups whose rewards are all in, without waiting for any.

        Args:
            version: How many updates the network has seen now. With a journal it rises from call to call.

        Returns:
            The groups with their rewards, in the order in which they were handed in.

        Raises:
            CheckpointError: The journal is of another training, or cannot be written. Nothing was taken.
            ArgumentError: The version does not rise.
            LLMBrainError: An evaluation failed and is not to be skipped.
        """
        if self._evaluations.error is not None:
            raise self._evaluations.error
        entry = None
        if self._journal is not None:
            if version <= self._told:
                message = f"with a journal each version is asked about once, in their order: {version} came after {self._told}"
                raise ArgumentError(message)
            entry = self._journal.step(version)
        used, stale = self._live(version) if entry is None else self._replayed(entry)
        if self._journal is not None and entry is None:
            self._journal.write_step(version, used, sorted(stale), held_back=self._held_back)
        self._told = version
        self.counts.held_back += self._held_back
        self._held_back = False
        gone = stale | {group.number for group in used}
        dropped = [waiting for waiting in self._waiting if waiting.group.number in stale]
        self._waiting = [waiting for waiting in self._waiting if waiting.group.number not in gone]
        self._give_up(dropped)
        self.counts.used += len(used)
        self.counts.stale += len(stale)
        self.counts.staleness.update(version - group.version for group in used)
        return used

    def waiting(self) -> list[Group]:
        """Return the groups that have not come back yet, for a checkpoint."""
        return [waiting.group for waiting in self._waiting]

    @property
    def next_number(self) -> int:
        """The number of the next group, for a checkpoint."""
        return self._next

    @property
    def pending(self) -> int:
        """How many evaluations are asked for and not in yet."""
        return self._evaluations.pending

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every evaluation is in that was not given up.

        Args:
            timeout: The longest, in seconds.

        Returns:
            Whether they are.
        """
        begun = time.monotonic()
        try:
            return self._evaluations.wait(timeout)
        finally:
            self.counts.seconds_waited += time.monotonic() - begun

    def metrics(self) -> dict[str, float]:
        """Return what became of groups and evaluations as numbers, by name."""
        if self._allocation is not None:
            self.counts.budget_spent = self._allocation.is_spent
        return self.counts.metrics() | {"pending": float(self.pending)}

    def close(self) -> None:
        """Give up what has not begun, and wait for nothing."""
        self._evaluations.close()

    def _live(self, version: int) -> tuple[list[Group], set[int]]:
        stale = {waiting.group.number for waiting in self._waiting if self._is_stale(version - waiting.group.version)}
        rest = [waiting for waiting in self._waiting if waiting.group.number not in stale]
        return [waiting.rewarded() for waiting in rest if waiting.is_in()], stale

    def _is_stale(self, age: int) -> bool:
        return self._allocation is None and age > self._max_staleness

    def _give_up(self, dropped: Sequence[Waiting]) -> None:
        """Cancel the evaluations that have not begun and that nobody else waits for."""
        wanted = {future for waiting in self._waiting for future in waiting.futures()}
        for future in {future for waiting in dropped for future in waiting.futures()} - wanted:
            future.cancel()

    def _replayed(self, entry: Step) -> tuple[list[Group], set[int]]:
        waiting = {waiting.group.number: waiting.group for waiting in self._waiting}
        missing = (entry.used.keys() | set(entry.stale)) - waiting.keys()
        if missing or self._journal is None:
            message = f"the journal tells of groups {sorted(missing)}, which were not handed in: it belongs to another training"
            raise CheckpointError(message)
        for number, (digest, _) in entry.used.items():
            self._journal.check(waiting[number], digest)
        return [replace(waiting[number], rewards=rewards) for number, (_, rewards) in entry.used.items()], set(entry.stale)

    def _hold(self, group: Group) -> None:
        resolved = self._journal is not None and group.number in self._journal.resolved
        self._waiting.append(Waiting(group, () if resolved else self._expected(group)))

    def _expected(self, group: Group) -> tuple[Expected, ...]:
        """Ask for what a group earns, each different answer once."""
        answers = dict(zip(group.texts(), group.answers, strict=True))
        if self._ranks:
            if len(answers) == 1:  # nothing to be ranked: no better and no worse than itself
                return tuple(Expected(text, draw=Draw(self._middle, 0.0, asked=False)) for text in group.texts())
            ranking = self._evaluations.ask(group.prompt, answers)
            return tuple(Expected(text, ranking) for text in group.texts())
        draws = self._draws(group)
        found = {}
        for text, answer in answers.items():
            draw = draws.get(text)
            skipped = draw is not None and not draw.asked
            found[text] = Expected(text, None if skipped else self._evaluations.ask(group.prompt, {text: answer}), draw)
        return tuple(found[text] for text in group.texts())

    def _draws(self, group: Group) -> dict[str, Draw | None]:
        """Decide which answers are asked for: as it was decided before, where the group was handed in before."""
        if self._allocation is None:
            return {}
        texts = list(dict.fromkeys(group.texts()))
        before = None if self._journal is None else self._journal.draws(group)
        if before is not None:
            return dict(zip(texts, before, strict=True))
        if self._evaluations.gave_up:
            self._allocation.stop()
        unknown = [text for text in texts if self._evaluations.known(group.prompt, [text]) is None]
        drawn = dict(zip(unknown, self._allocation.draws(group.number, group.prompt, unknown, len(group.answers)), strict=True))
        self.counts.predicted += sum(not draw.asked for draw in drawn.values())
        draws = {text: drawn.get(text) for text in texts}
        if self._journal is not None:
            self._journal.write_draws(group, list(draws.values()))
        return draws

    def _learn(self) -> None:
        for prompt, text, score in self._evaluations.learned():
            if self._allocation is not None:
                self._allocation.learn(prompt, text, score)
