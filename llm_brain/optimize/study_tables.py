"""A study as tables: trials, versions of texts, reflections, lessons, refusals; and its settings and findings by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm_brain.optimize.recorded import Recorded
from llm_brain.optimize.report.lineage import Version, versions
from llm_brain.optimize.study import Trial
from llm_brain.optimize.telling import verdict_words

Table = tuple[Sequence[str], list[list[Any]]]
RUN_COLUMNS: Final = ("case", "replicate", "score", "feedback", "exception", "seconds", "tokens", "dollars", "result")


def run_rows(trial: Trial[Any]) -> list[list[Any]]:
    """Give the runs of a trial: a cell for each of `RUN_COLUMNS`.

    Example:
        >>> from llm_brain.optimize.objective import Outcome
        >>> run_rows(Trial(0, "default", None, outcomes=[Outcome(2, 0, 0.5, "too long")]))
        [[2, 0, 0.5, 'too long', None, 0.0, 0, 0.0, None]]
    """
    return [[getattr(outcome, name) for name in RUN_COLUMNS] for outcome in trial.outcomes]


def study_tables(recorded: Recorded, spans: Mapping[int, tuple[str, str]]) -> dict[str, Table]:
    """Give the tables of a study.

    Args:
        recorded: The study.
        spans: The trace and the span of each trial, where they were recorded.

    Example:
        >>> from llm_brain.optimize.study import Study
        >>> trials = [Trial(0, "default", None, {"rate": 0.5}, status="complete", score=0.8)]
        >>> columns, rows = study_tables(Recorded("hill", {"space": {}}, Study(trials)), {})["trials"]
        >>> columns[:4], rows[0][:4]
        (('trial', 'proposer', 'status', 'score'), [0, 'default', 'complete', 0.8])
    """
    trials = recorded.study.trials
    texts = [version for of_name in versions(recorded).values() for version in of_name]
    return {
        "trials": (
            (
                "trial",
                "proposer",
                "status",
                "score",
                "hyperparameters",
                "parents",
                "note",
                "tokens",
                "dollars",
                "seconds",
                "span_id",
            ),
            [_trial_row(trial, spans) for trial in trials],
        ),
        "texts": (
            ("name", "version", "from", "trial", "proposer", "why", "best", "trials", "text", "difference"),
            [_text_row(version) for version in texts],
        ),
        "reflections": (
            ("trial", "feedback", "evaluation", "suggestion", "missing", "span_id"),
            [_reflection_row(trial, spans) for trial in trials if trial.reflection is not None],
        ),
        "lessons": (("lesson", "trials"), [[lesson.text, list(lesson.trials)] for lesson in recorded.study.lessons]),
        "refusals": (("before trial", "reason"), [[trial.number, line] for trial in trials for line in trial.refused]),
    }


def study_config(begun: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a study is, as settings.

    Example:
        >>> study_config({"seed": 3, "cases": ["a", "b"], "at": 0.1})
        {'seed': 3, 'cases': 2}
    """
    told = {name: value for name, value in begun.items() if name not in ("event", "at", "id", "settings", "reputation")}
    return told | {name: len(told[name]) for name in ("cases", "selection") if name in told}


def study_summary(recorded: Recorded) -> dict[str, Any]:
    """Give what a study found and what it took.

    Example:
        >>> from llm_brain.optimize.study import Study
        >>> study_summary(Recorded("hill", {}, Study()))["verdict"]
        'Nothing is compared with the default yet: the study goes on.'
    """
    study, verdict = recorded.study, recorded.study.verdict
    found: dict[str, Any] = {"verdict": verdict_words(verdict), "trials": len(study.trials)}
    if verdict is not None:
        found |= {
            "gain": verdict.gain if verdict.pairs else None,
            "gain_low": verdict.low,
            "gain_high": verdict.high,
            "recommended": verdict.trial,
        }
    if study.best is not None:
        found |= {"score": study.best.score, "best": dict(study.best.point)}
    spent = list(recorded.by_purpose.values())
    found |= {"tokens": sum(one.tokens for one in spent), "dollars": sum(one.dollars for one in spent)}
    return {name: value for name, value in {**found, "seconds": recorded.seconds}.items() if value is not None}


def _trial_row(trial: Trial[Any], spans: Mapping[int, tuple[str, str]]) -> list[Any]:
    told = [trial.number, trial.proposer, trial.status, trial.score, trial.point, list(trial.parents), trial.note]
    return [*told, trial.tokens, trial.dollars, trial.seconds, _span(trial, spans)]


def _text_row(version: Version) -> list[Any]:
    difference = "\n".join(f"{line.mark} {line.text}" for line in version.lines)
    made = [version.name, version.number, version.before, version.trial.number, version.trial.proposer, version.trial.note]
    return [*made, version.best, [trial.number for trial in version.trials], version.text, difference]


def _reflection_row(trial: Trial[Any], spans: Mapping[int, tuple[str, str]]) -> list[Any]:
    fields = ("feedback", "evaluation", "hyperparameter_suggestion", "hyperparameter_missing")
    return [trial.number, *(getattr(trial.reflection, name, None) for name in fields), _span(trial, spans)]


def _span(trial: Trial[Any], spans: Mapping[int, tuple[str, str]]) -> str | None:
    return spans[trial.number][1] if trial.number in spans else None
