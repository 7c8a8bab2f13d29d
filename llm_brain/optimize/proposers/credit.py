"""What a proposer is worth: how its trials did beside those that were there before, in this study and in earlier ones.

rank of a trial       the share of the earlier trials that it beat: a half is what a proposer gets that knows nothing
credit                the mean rank of its trials, or of the last of them, drawn towards a half while they are few
reputation            the credits of earlier studies, in a file: they count as some trials of this one
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llm_brain._atomic import write_atomically
from llm_brain.errors import DataError
from llm_brain.optimize.study import Trial

DOUBT: Final = 4.0
"""How many trials of rank one half everybody begins with."""
MEMORY: Final = 6.0
"""The most trials that a reputation counts as."""


@dataclass(frozen=True)
class Credit:
    """What is known of a proposer.

    Attributes:
        trials: How many trials it had.
        ranks: The sum of their ranks.

    Example:
        >>> Credit(4, 4.0).mean
        0.75
    """

    trials: float = 0.0
    ranks: float = 0.0

    @property
    def mean(self) -> float:
        """The mean rank, drawn towards a half while there are few trials."""
        return (self.ranks + DOUBT / 2) / (self.trials + DOUBT)

    def __add__(self, other: Credit) -> Credit:
        return Credit(self.trials + other.trials, self.ranks + other.ranks)

    def __sub__(self, other: Credit) -> Credit:
        return Credit(self.trials - other.trials, self.ranks - other.ranks)


def credits_of(trials: Sequence[Trial[Any]], *, latest: int | None = None) -> dict[str, Credit]:
    """Give every proposer's credit from a study's trials, oldest first.

    Args:
        trials: Those that are over.
        latest: How many of each proposer's trials count, the last ones; None: all.

    Example:
        >>> def trial(number, proposer, score):
        ...     return Trial(number, proposer, None, status="complete", score=score)
        >>> credits_of([trial(0, "default", 0.5), trial(1, "model", 0.7), trial(2, "core", 0.6)])["model"]
        Credit(trials=1.0, ranks=1.0)
    """
    ranks: dict[str, list[float]] = {}
    for place, trial in enumerate(trials):
        earlier = [other for other in trials[:place] if other.fidelity == trial.fidelity]
        if earlier:
            beaten = sum(_value(other) < _value(trial) for other in earlier)
            equal = sum(_value(other) == _value(trial) for other in earlier)
            ranks.setdefault(trial.proposer, []).append((beaten + equal / 2) / len(earlier))
    counted = {name: told if latest is None else told[-latest:] for name, told in ranks.items()}
    return {name: Credit(float(len(told)), sum(told)) for name, told in counted.items()}


def read_reputation(path: Path) -> dict[str, Credit]:
    """Read what earlier studies thought of proposers; nobody is known where there is no file.

    Raises:
        DataError: The file is damaged.

    Example:
        >>> read_reputation(Path("no such file.json"))
        {}
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {name: _forgetting(Credit(float(each["trials"]), float(each["ranks"]))) for name, each in told.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"the reputations in {path} cannot be read: {error!r:.200}. Move the file away to begin anew"
        raise DataError(message) from error


def write_reputation(path: Path, before: Mapping[str, Credit], now: Mapping[str, Credit]) -> None:
    """Write what is thought of proposers after a study.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_reputation(Path(folder) / "r.json", {}, {"model": Credit(4.0, 3.0)})
        ...     read_reputation(Path(folder) / "r.json")["model"].trials
        4.0
    """
    together = {name: before.get(name, Credit()) + now.get(name, Credit()) for name in (*before, *now)}
    told = {name: {"trials": credit.trials, "ranks": round(credit.ranks, 6)} for name, credit in sorted(together.items())}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(told, indent=2).encode() + b"\n")


def _forgetting(credit: Credit) -> Credit:
    share = min(1.0, MEMORY / credit.trials) if credit.trials > 0 else 0.0
    return Credit(credit.trials * share, credit.ranks * share)


def _value(trial: Trial[Any]) -> float:
    return float("-inf") if trial.score is None else trial.score
