"""A study as its journal tells it: nothing is run, asked or written, and the program that began it need not be there.

A journal may be read while its study goes on; a line that is being written is left for later.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from llm_brain.errors import DataError
from llm_brain.optimize.levelling import levelled
from llm_brain.optimize.models import ImprovementProbability, Lesson, TaskReflection
from llm_brain.optimize.objective import Outcome
from llm_brain.optimize.study import Study, Trial, Verdict

Event = dict[str, Any]
PURPOSES: Final = {
    "outcome": "task",
    "check": "comparison in the end",
    "proposed": "proposals",
    "asked": "proposals",
    "reflected": "reflections",
    "learned": "reflections",
    "forecast": "forecasts",
}
"""What the events of a journal were for."""


@dataclass
class Spent:
    """What something took.

    Attributes:
        tokens: What models read and wrote.
        dollars: What it cost.
        seconds: How long it took, as far as the journal tells.
        times: How often it was done.

    Example:
        >>> Spent(tokens=3).tokens
        3
    """

    tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0
    times: int = 0

    def add(self, event: Mapping[str, Any]) -> None:
        """Add what an event of a journal took."""
        self.tokens += int(event.get("tokens", 0))
        self.dollars += float(event.get("dollars", 0.0))
        self.seconds += float(event.get("seconds", 0.0))
        self.times += event["event"] not in ("asked", "spent")  # an answer that is not tried, a run that did not end


@dataclass
class Recorded:
    """What a journal tells of a study.

    Attributes:
        name: The journal's, without its ending.
        begun: The first event: seed, space, defaults, cases and rules.
        study: Its trials, those that are under way included, and lessons; the verdict, if all trials that are over were compared.
            Hyperparameters are points: their model is not there.
        learned: All lessons ever written down, by the trial after which they were.
        by_purpose, by_proposer: What was spent, for what and on whose trials.
        told_at: When each trial was over, and when it was proposed, in seconds since the study began.
        refused: Why proposals were not tried after the last trial, where nobody had one that could be.

    Example:
        >>> import tempfile
        >>> from llm_brain.optimize import LLMOptimizer, StudyBudget
        >>> from pydantic import BaseModel, Field
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.5, ge=0.0, le=1.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     journal = Path(folder) / "hill.jsonl"
        ...     optimizer = LLMOptimizer(
        ...         lambda run: 1 - abs(run.hyperparameters.rate - 0.3), score=lambda _, result: result, hyperparameters=Knobs,
        ...         task_parameters="a hill", result=float, model=None, journal=journal)
        ...     _ = optimizer.run(StudyBudget(trials=3))
        ...     recorded = read_recorded(journal)
        >>> recorded.name, len(recorded.study.trials), recorded.study.trials[0].point
        ('hill', 3, {'rate': 0.5})
    """

    name: str
    begun: Event
    study: Study[Any]
    learned: dict[int, list[Lesson]] = field(default_factory=dict)
    by_purpose: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    by_proposer: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    told_at: dict[int, tuple[float, float | None]] = field(default_factory=dict)
    seconds: float = 0.0
    refused: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The names of the texts that are tuned."""
        return tuple(name for name, told in self.begun["space"].items() if told["distribution"] is None)

    @property
    def finished(self) -> list[Trial[Any]]:
        """The trials that are over."""
        return [trial for trial in self.study.trials if trial.status != "running"]


def read_recorded(journal: Path) -> Recorded:
    """Read a study from its journal.

    Raises:
        DataError: There is no such journal, or it cannot be read, or it is none of a study.
    """
    events = read_events(journal)
    if not events or events[0]["event"] != "study":
        message = f"{journal} is no journal of a study: name the file that was given to `LLMOptimizer(journal=...)`"
        raise DataError(message)
    try:
        return _recorded(journal.stem, events)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        message = f"{journal} was written by another version, and cannot be read: {error!r:.300}"
        raise DataError(message) from error


def read_events(journal: Path) -> list[Event]:
    """Read the events of a journal without touching it. A torn last line is left out.

    Raises:
        DataError: There is no such file, or a line before the last is damaged.
    """
    try:
        content = journal.read_bytes()
    except OSError as error:
        message = f"the journal {journal} cannot be read: {error}"
        raise DataError(message) from error
    return list(parse_events(content[: content.rfind(b"\n") + 1].splitlines(), str(journal)))


def parse_events(lines: Iterable[bytes], where: str) -> Iterable[Event]:
    """Read whole lines of a journal.

    Raises:
        DataError: One of them is no event.
    """
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
            if not isinstance(event, dict) or not isinstance(event.get("event"), str):
                message = "it is not an event"
                raise ValueError(message)  # noqa: TRY301, TRY004 - one treatment for all damage
        except (ValueError, RecursionError) as error:
            message = f"line {number} of {where} is damaged: {error}"
            raise DataError(message) from error
        yield event


def _recorded(name: str, events: Sequence[Event]) -> Recorded:
    begun = events[0]
    study: Study[Any] = Study(cases=list(begun["cases"]))
    recorded = Recorded(name, begun, study)
    trials: dict[int, Trial[Any]] = {}
    new: dict[int, list[Outcome]] = {}
    verdicts = {event["trial"]: event["verdict"] for event in events if event["event"] == "verdict"}
    for event in events[1:]:
        recorded.seconds = max(recorded.seconds, event.get("at", 0.0))
        if event["event"] == "nobody":
            recorded.refused = tuple(event["refused"])
        elif event["event"] == "proposed":
            trial = trials[event["trial"]] = _proposed(event, begun["failure_score"])
            recorded.refused = ()
            recorded.told_at[trial.number] = (event.get("at", 0.0), None)
            study.cases = [*study.cases, *event.get("cases", ())]
        elif event.get("trial") in trials:
            _tell(recorded, trials, new, event)
        _spend(recorded, trials, event)
    for number, outcomes in new.items():
        trials[number].outcomes.extend(sorted(outcomes, key=_unit))
    study.trials = [trials[number] for number in sorted(trials)]
    for number, score in levelled(recorded.finished, len(begun["cases"])).items():
        trials[number].score = score
    if recorded.learned:
        study.lessons = recorded.learned[max(recorded.learned)]
    told = verdicts.get(len(recorded.finished))
    study.verdict = None if told is None else Verdict(**told)
    return recorded


def _proposed(event: Event, failure_score: float | None) -> Trial[Any]:
    return Trial(
        event["trial"],
        event["proposer"],
        event["point"],
        dict(event["point"]),
        tuple(event.get("parents", ())),
        event.get("note", ""),
        event.get("fidelity", 1.0),
        refused=tuple(event.get("refused", ())),
        failure_score=failure_score,
    )


def _tell(recorded: Recorded, trials: Mapping[int, Trial[Any]], new: dict[int, list[Outcome]], event: Event) -> None:
    trial = trials[event["trial"]]
    kind, told = event["event"], event.get("told")
    if kind in ("outcome", "check"):
        fields = {name: value for name, value in event.items() if name in Outcome.__dataclass_fields__}
        (trial.checked if kind == "check" else new.setdefault(trial.number, [])).append(Outcome(**fields))
    elif kind == "finished":
        trial.status, trial.score = event["status"], event["score"]
        _take_over(trials, new, ended=trial.number)
        recorded.told_at[trial.number] = (recorded.told_at[trial.number][0], event.get("at"))
    elif told is None:
        return
    elif kind == "reflected":
        trial.reflection = TaskReflection.model_construct(**told)
    elif kind == "forecast":
        trial.forecast = ImprovementProbability.model_construct(**told)
    elif kind == "learned":
        recorded.learned[trial.number] = [Lesson.model_construct(**lesson) for lesson in told]


def _take_over(trials: Mapping[int, Trial[Any]], new: dict[int, list[Outcome]], *, ended: int) -> None:
    """Give trials their new outcomes when a trial has ended, as the study does: its own, and those of the best beside it."""
    for number in sorted(new):
        trial = trials[number]
        if trial.status == "running":
            continue
        trial.outcomes.extend(sorted(new.pop(number), key=_unit))
        scores = trial.scores
        if number != ended and trial.status == "complete" and len(scores) == len(trial.outcomes):
            trial.score = sum(scores.values()) / len(scores)


def _unit(outcome: Outcome) -> tuple[int, int]:
    return outcome.case, outcome.replicate


def _spend(recorded: Recorded, trials: Mapping[int, Trial[Any]], event: Event) -> None:
    kind: str = event.get("purpose") or event["event"]  # what a run had spent before its error counts as the run does
    purpose = PURPOSES.get(kind)
    if purpose is None:
        return
    recorded.by_purpose[purpose].add(event)
    if kind == "asked":
        recorded.by_proposer[event["proposer"]].add(event)
    elif kind in ("outcome", "proposed") and event["trial"] in trials:
        recorded.by_proposer[trials[event["trial"]].proposer].add(event)
