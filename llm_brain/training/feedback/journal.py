r"""Which groups each step used, and what they earned, on disk: with it a resumed or replayed training is the same training.

    {"schema": 1, "fingerprint": "..."}
    {"group": 3, "digest": "...", "draws": [{"predicted": 0.5, "probability": 0.2, "asked": true}, null]}
    {"prompt": 0, "scores": {"\"good\"": 0.9}}
    {"step": 7, "used": [{"number": 3, "digest": "...", "rewards": [0.9, null]}], "stale": [1]}
    {"step": 8, "held_back": true}
    {"step": 9}

The first line names the training that the journal belongs to. A group's line holds what was predicted of it, where calls are
budgeted; a prompt's line an evaluation or a ranking that was answered. Each step has a line, also where nothing had arrived.

Evaluations arrive when they arrive, so what a step learns from depends on time. The journal is the truth: a step's line is
written, whole and in one call, before the step is told of its groups. The process may die at any time: what was written is
there, and a last line that was cut short is of something that has not happened, and is cut off.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from pydantic import TypeAdapter, ValidationError

from llm_brain.errors import CheckpointError
from llm_brain.training.feedback.allocation import Draw
from llm_brain.training.feedback.group import Group
from llm_brain.training.feedback.journal_lines import HEADER, LINE, Answered, Drawn, Told

SCHEMA: Final = 1

Question: TypeAlias = tuple[int, frozenset[str]]
"""A prompt, and the JSON of the answers that are evaluated together: one, or those that are ranked."""
Scores: TypeAlias = dict[str, float | None]
"""What each answer of a question earned; None where the evaluation failed."""


@dataclass(frozen=True, slots=True)
class Step:
    """What had arrived at a step.

    Attributes:
        used: The digest and the rewards of each group that it used, by number.
        stale: The numbers of the groups that were dropped.
        held_back: Whether it handed in nothing, since there was no room for more.

    Example:
        >>> Step().used
        {}
    """

    used: Mapping[int, tuple[str, tuple[float | None, ...]]] = field(default_factory=dict)
    stale: tuple[int, ...] = ()
    held_back: bool = False


class Journal:
    """What a training was told, step by step, in a file that only grows.

    Args:
        path: Of the file. It is begun where there is none, and read where there is one.
        fingerprint: Of the training: what must be equal for the journal to be its own.

    Attributes:
        reach: The last step that it tells of; -1 where it tells of none.
        evaluations: The last answer to each question that was asked.
        asked: How many times each was answered, by failures too.
        resolved: The numbers of the groups that were used or dropped.

    Raises:
        CheckpointError: The file is of another training, damaged, or cannot be read or written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     group = Group(0, ("good", "bad"), (0, 1), (-0.7, -0.7), version=0, number=4, rewards=(0.9, None))
        ...     with Journal(Path(folder, "journal.jsonl"), "settings and data") as journal:
        ...         journal.write_step(7, used=[group], stale=[1])
        ...     with Journal(Path(folder, "journal.jsonl"), "settings and data") as journal:
        ...         journal.reach, journal.step(7).used[4][1], journal.step(7).stale, journal.step(8)
        (7, (0.9, None), (1,), None)
    """

    def __init__(self, path: Path | str, fingerprint: str) -> None:
        self.path = Path(path)
        self.reach = -1
        self.evaluations: dict[Question, Scores] = {}
        self.asked: Counter[Question] = Counter()
        self.resolved: set[int] = set()
        self._steps: dict[int, Step] = {}
        self._draws: dict[int, tuple[str, tuple[Draw | None, ...]]] = {}
        self._lock = threading.Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(self.path, "a+")
        except OSError as error:
            message = f"the journal {self.path} cannot be opened: {error}. Make its folder writable, or name another one"
            raise CheckpointError(message) from error
        try:
            self._open(fingerprint)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Nothing can be written afterwards."""
        with self._lock:
            self._file.close()

    def step(self, step: int) -> Step | None:
        """Tell what had arrived at a step, or None where the journal does not reach so far.

        Raises:
            CheckpointError: It reaches farther, and has nothing of this step.
        """
        if step > self.reach:
            return None
        if step not in self._steps:
            message = (
                f"{self.path} reaches step {self.reach} and has no line of step {step}: it was written beside checkpoints of "
                f"which one is missing. Delete {self.path.parent} to begin anew"
            )
            raise CheckpointError(message)
        return self._steps[step]

    def draws(self, group: Group) -> tuple[Draw | None, ...] | None:
        """Tell what was predicted of a group when it was handed in, or None where that was not written.

        Raises:
            CheckpointError: The group of this number had other answers.
        """
        digest, draws = self._draws.get(group.number, (None, None))
        if digest is not None:
            self.check(group, digest)
        return draws

    @property
    def charged(self) -> int:
        """How many evaluations were paid for, or are going to be, where calls are budgeted: those of groups that still wait.

        What was drawn and never asked, after a refused key say, is neither.
        """
        drawn = {number: sum(draw is not None and draw.asked for draw in draws) for number, (_, draws) in self._draws.items()}
        waiting = sum(number for group, number in drawn.items() if group not in self.resolved)
        return min(sum(drawn.values()), self.asked.total() + waiting)

    def was_handed_in(self, number: int) -> bool:
        """Tell whether a group of this number was predicted of: it was handed in, whether or not its step has a line."""
        return number in self._draws

    def check(self, group: Group, digest: str) -> None:
        """Make sure that a group is the one that was written of.

        Raises:
            CheckpointError: It is another one.
        """
        if group.digest() != digest:
            message = (
                f"group {group.number} had other answers when {self.path} was written: the training does not repeat itself, "
                f"because of other versions or another device, say. Delete {self.path.parent} to begin anew"
            )
            raise CheckpointError(message)

    def write_step(self, step: int, used: Sequence[Group], stale: Sequence[int], *, held_back: bool = False) -> None:
        """Write what a step is about to be told.

        Args:
            step: The step, above `reach`.
            used: Its groups, with their rewards.
            stale: The numbers of those that it drops.
            held_back: Whether it handed in nothing, since there was no room for more.

        Raises:
            CheckpointError: It cannot be written, because the disk is full, say. What was there is untouched.
        """
        groups = [{"number": group.number, "digest": group.digest(), "rewards": group.rewards} for group in used]
        told = {"used": groups, "stale": list(stale), "held_back": held_back}
        self._write({"step": step} | {name: value for name, value in told.items() if value})
        self.reach = step

    def write_evaluation(self, prompt: int, scores: Scores) -> None:
        """Write what answers to a prompt earned, by their JSON: it has been paid for.

        Raises:
            CheckpointError: It cannot be written.
        """
        self._write({"prompt": prompt, "scores": scores})

    def write_draws(self, group: Group, draws: Sequence[Draw | None]) -> None:
        """Write what is predicted of a group, before anything is asked for it.

        Raises:
            CheckpointError: It cannot be written.
        """
        rows = [None if draw is None else asdict(draw) for draw in draws]
        self._write({"group": group.number, "digest": group.digest(), "draws": rows})

    def _open(self, fingerprint: str) -> None:
        try:
            self._file.seek(0)
            *lines, torn = self._file.readall().split(b"\n")
            if not lines and not torn.startswith(_BEGIN[: len(torn)]):
                message = f"{self.path} is not a journal: name another file, or delete it"
                raise CheckpointError(message)
            if torn:
                self._file.truncate(sum(len(line) + 1 for line in lines))
        except OSError as error:
            message = f"the journal {self.path} cannot be read: {error}"
            raise CheckpointError(message) from error
        if not lines:
            self._write({"schema": SCHEMA, "fingerprint": fingerprint})
            return
        header = self._parsed(HEADER, 1, lines[0])
        if header.schema_ != SCHEMA or header.fingerprint != fingerprint:
            message = (
                f"{self.path} belongs to a training of other settings, data or versions. Take those that it was begun with, name "
                f"another folder, or delete {self.path.parent} to begin anew"
            )
            raise CheckpointError(message)
        for number, line in enumerate(lines[1:], start=2):
            self._read(number, self._parsed(LINE, number, line))

    def _parsed(self, kind: TypeAdapter[Any], number: int, line: bytes) -> Any:
        try:
            return kind.validate_python(json.loads(line))
        except (ValidationError, ValueError, RecursionError) as error:
            raise self._damaged(number, str(error)) from error

    def _damaged(self, number: int, reason: str) -> CheckpointError:
        return CheckpointError(f"{self.path} is damaged at line {number}: {reason}. Delete {self.path.parent} to begin anew")

    def _read(self, number: int, line: Answered | Drawn | Told) -> None:
        if isinstance(line, Answered):
            question = (line.prompt, frozenset(line.scores))
            self.evaluations[question] = line.scores
            self.asked[question] += 1
        elif isinstance(line, Drawn):
            draws = tuple(None if row is None else Draw(**dict(row)) for row in line.draws)
            self._draws[line.group] = (line.digest, draws)
        else:
            if line.step <= self.reach:
                raise self._damaged(number, f"step {line.step} comes after step {self.reach}")
            used = {group.number: (group.digest, tuple(group.rewards)) for group in line.used}
            self._steps[line.step] = Step(used, tuple(line.stale), line.held_back)
            self.resolved |= used.keys() | set(line.stale)
            self.reach = line.step

    def _write(self, line: Mapping[str, object]) -> None:
        with self._lock:
            try:
                data = json.dumps(line, allow_nan=False).encode() + b"\n"
                before = self._file.seek(0, 2)
                if self._file.write(data) != len(data):
                    self._file.truncate(before)
                    message = "the disk is full"
                    raise OSError(message)  # noqa: TRY301 - told as any other failure to write is
            except (OSError, ValueError) as error:  # the latter of a closed file, and of what is not finite
                message = f"the journal {self.path} cannot be written: {error}. What was written is there: resume from it"
                raise CheckpointError(message) from error


_BEGIN: Final = b'{"schema": '
