"""The texts of a study, version by version: which was made from which, by whom and why, and what it was worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from llm_brain.optimize.recorded import Recorded
from llm_brain.optimize.study import Trial
from llm_brain.optimize.telling import Line, changed_lines

LONGEST: Final = 400
"""The most lines of a comparison that are shown."""


@dataclass
class Version:
    """A text that was tried.

    Attributes:
        name: The hyperparameter's.
        number: From 1, the default's, in the order in which they were tried.
        text: What it says.
        trial: The first trial with it.
        before: The number of the version that it was made from; None for the first one.
        beside: The numbers of the others that it was made from, of a merge.
        lines: What differs from that.
        trials: All trials with it.

    Example:
        >>> Version("prompt", 1, "Say yes.", Trial(0, "default", None)).best is None
        True
    """

    name: str
    number: int
    text: str
    trial: Trial[Any]
    before: int | None = None
    beside: tuple[int, ...] = ()
    lines: list[Line] = field(default_factory=list)
    trials: list[Trial[Any]] = field(default_factory=list)

    @property
    def best(self) -> float | None:
        """The best score of a trial with it, of those at the highest fidelity that it was run at."""
        scored = [trial for trial in self.trials if trial.score is not None]
        highest = max((trial.fidelity for trial in scored), default=0.0)
        return max((trial.score or 0.0 for trial in scored if trial.fidelity == highest), default=None)


def versions(recorded: Recorded) -> dict[str, list[Version]]:
    """Give the versions of each text, the default's first; texts that nobody changed are not there.

    Example:
        >>> from llm_brain.optimize.study import Study
        >>> trials = [Trial(0, "default", None, {"p": "Yes."}), Trial(1, "model", None, {"p": "Yes!"}, parents=(0,))]
        >>> found = versions(Recorded("desk", {"space": {"p": {"distribution": None}}}, Study(trials)))["p"]
        >>> [(version.number, version.before, [line.mark for line in version.lines]) for version in found]
        [(1, None, []), (2, 1, ['-', '+'])]
    """
    found: dict[str, list[Version]] = {}
    by_number = {trial.number: trial for trial in recorded.study.trials}
    for name in recorded.texts:
        known: dict[str, Version] = {}
        for trial in recorded.study.trials:
            if name not in trial.point:
                continue
            text = str(trial.point[name])
            if text not in known:
                known[text] = _version(name, text, trial, by_number, known)
            known[text].trials.append(trial)
        if len(known) > 1:
            found[name] = list(known.values())
    return found


def way_to(version: Version, all_of_it: list[Version]) -> list[Version]:
    """Give the versions from the first one to this one, each made from the one before."""
    way = [version]
    while way[0].before is not None:
        way.insert(0, all_of_it[way[0].before - 1])
    return way


def _version(name: str, text: str, trial: Trial[Any], by_number: dict[int, Trial[Any]], known: dict[str, Version]) -> Version:
    """Describe a new text: compared with that of the first parent that has another, or else with the first version."""
    made_from = [str(by_number[parent].point[name]) for parent in trial.parents if name in by_number[parent].point]
    numbers = list(dict.fromkeys(known[told].number for told in made_from if told in known)) or [1][: len(known)]
    before = list(known.values())[numbers[0] - 1] if numbers else None
    lines = [] if before is None else changed_lines(before.text, text)
    if len(lines) > LONGEST:
        lines = [*lines[:LONGEST], Line("…", f"{len(lines) - LONGEST} more lines of the comparison")]
    return Version(name, len(known) + 1, text, trial, None if before is None else before.number, tuple(numbers[1:]), lines)
