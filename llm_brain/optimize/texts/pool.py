"""All texts that a study tried, under the names of their contents, and the descent of its trials."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_brain.optimize.proposers.contract import History
from llm_brain.optimize.study import Trial


@dataclass(frozen=True)
class Candidate:
    """Texts that were tried together, with whatever numbers.

    Attributes:
        key: The name of their contents.
        texts: Each under its name.
        trials: The numbers of the trials that had them.

    Example:
        >>> Candidate("0a", {"prompt": "Say yes."}, (0, 3)).trials
        (0, 3)
    """

    key: str
    texts: Mapping[str, str]
    trials: tuple[int, ...]


class TextPool:
    """The texts of a history.

    Args:
        history: What is known of the study.

    Attributes:
        candidates: What was tried, by key, oldest first.

    Example:
        >>> from pydantic import BaseModel
        >>> from llm_brain.optimize.space import Space
        >>> class Knobs(BaseModel):
        ...     fast: bool = False
        ...     prompt: str = "Say yes."
        >>> points = [Knobs().model_dump(), Knobs(fast=True).model_dump(), Knobs(prompt="Yes?").model_dump()]
        >>> trials = [Trial(number, "", None, point) for number, point in enumerate(points)]
        >>> pool = TextPool(History(Space(Knobs), trials))
        >>> [candidate.trials for candidate in pool.candidates.values()], pool.versions("prompt")
        ([(0, 1), (2,)], ('Say yes.', 'Yes?'))
    """

    def __init__(self, history: History[Any]) -> None:
        self._names = history.space.texts
        self._trials = {trial.number: trial for trial in history.trials}
        found: dict[str, list[int]] = {}
        for trial in history.trials:
            found.setdefault(text_key(self.texts_of(trial)), []).append(trial.number)
        self.candidates: Mapping[str, Candidate] = {
            key: Candidate(key, self.texts_of(self._trials[numbers[0]]), tuple(numbers)) for key, numbers in found.items()
        }

    def __getitem__(self, number: int) -> Trial[Any]:
        """Return a trial by its number."""
        return self._trials[number]

    def __contains__(self, texts: Mapping[str, str]) -> bool:
        """Tell whether texts were tried together."""
        return text_key(texts) in self.candidates

    def texts_of(self, trial: Trial[Any]) -> dict[str, str]:
        """Return the texts of a trial; those that its choices leave out are not there."""
        return {name: trial.point[name] for name in self._names if name in trial.point}

    def versions(self, name: str) -> tuple[str, ...]:
        """Return all texts of one name, oldest first."""
        return tuple(dict.fromkeys(found.texts[name] for found in self.candidates.values() if name in found.texts))

    def ancestors(self, number: int) -> tuple[int, ...]:
        """Return the numbers of the trials that a trial was made from, and so on, the nearest first."""
        found: dict[int, None] = {}
        waiting = [number]
        while waiting:
            trial = self._trials.get(waiting.pop(0))
            parents = [] if trial is None else [parent for parent in trial.parents if parent in self._trials]
            waiting += [parent for parent in parents if parent not in found and parent != number]
            found.update(dict.fromkeys(waiting))
        return tuple(found)

    def children(self, number: int, proposer: str) -> Sequence[Trial[Any]]:
        """Return the trials that a proposer made from a trial in the first place."""
        return [trial for trial in self._trials.values() if trial.parents[:1] == (number,) and trial.proposer == proposer]


def text_key(texts: Mapping[str, str]) -> str:
    """Give the name of the contents of texts.

    Example:
        >>> text_key({"a": "1", "b": "2"}) == text_key({"b": "2", "a": "1"})
        True
    """
    written = json.dumps(dict(texts), sort_keys=True)
    return hashlib.sha256(written.encode(errors="backslashreplace")).hexdigest()[:16]
