"""The table of all trials, with everything that is known of each."""

from __future__ import annotations

from typing import Any, Final

from llm_brain.optimize.recorded import Recorded
from llm_brain.optimize.report.pictures import colours
from llm_brain.optimize.report.summary import dollars_words, gain_over, seconds_words
from llm_brain.optimize.study import PROMOTION, Trial
from llm_brain.optimize.telling import alike, change_words, changes, number

MOST_EXCEPTIONS: Final = 3


def trial_rows(recorded: Recorded) -> list[dict[str, Any]]:
    """Give the trials as rows, the first one first.

    Example:
        >>> from llm_brain.optimize.study import Study
        >>> trials = [Trial(0, "default", None, {"rate": 0.5}, status="complete", score=0.25)]
        >>> [(row["number"], row["score"], row["changed"]) for row in trial_rows(Recorded("hill", {"space": {}}, Study(trials)))]
        [(0, '0.2500', [])]
    """
    trials, colour = recorded.study.trials, colours(recorded.study.trials)
    by_number = {trial.number: trial for trial in trials}
    default = trials[0] if trials else None
    best = recorded.study.best
    scores = [trial.score for trial in trials if trial.score is not None]
    write = alike(scores)
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    return [
        {
            "number": trial.number,
            "proposer": trial.proposer,
            "colour": colour[trial.proposer],
            "status": trial.status,
            "is_best": trial is best,
            "score": None if trial.score is None else write(trial.score),
            "share": "0" if trial.score is None else f"{100 * (trial.score - low) / ((high - low) or 1.0):.1f}",
            "gain": "" if (gain := gain_over(trial, default)) is None else ("+" if gain >= 0 else "") + write(gain),
            "fidelity": number(trial.fidelity) if trial.fidelity < 1 else "",
            "runs": len(trial.outcomes),
            "tokens": f"{trial.tokens:,}" if trial.tokens else "",
            "dollars": dollars_words(trial.dollars) if trial.dollars else "",
            "seconds": seconds_words(trial.seconds),
            "forecast": "" if trial.forecast is None else f"{trial.forecast.probability:.0%}",
            "parents": list(trial.parents),
            "note": trial.note,
            "changed": _changed(trial, default, by_number, recorded.texts),
            "values": [(name, number(value)) for name, value in trial.point.items() if name not in recorded.texts],
            "texts": [(name, str(trial.point[name])) for name in recorded.texts if name in trial.point],
            "refused": list(trial.refused),
            "exceptions": _exceptions(trial),
            "reflection": None if trial.reflection is None else _reflected(trial),
            "considerations": [] if trial.forecast is None else list(trial.forecast.considerations),
        }
        for trial in trials
    ]


def _changed(
    trial: Trial[Any], default: Trial[Any] | None, by_number: dict[int, Trial[Any]], texts: tuple[str, ...]
) -> list[str]:
    """Say what differs from the first parent, or else from the default."""
    if trial.proposer == PROMOTION:
        return [f"trial {trial.parents[0]} again"] if trial.parents else []
    before = by_number.get(trial.parents[0]) if trial.parents else default
    if before is None or before is trial:
        return []
    return [change_words(change, texts) for change in changes(before.point, trial.point)]


def _exceptions(trial: Trial[Any]) -> list[str]:
    found: dict[str, list[int]] = {}
    for outcome in trial.outcomes:
        if outcome.exception:
            found.setdefault(outcome.exception, []).append(outcome.case)
    return [
        f"{exception} (case {', '.join(map(str, sorted(set(cases))[:8]))})"
        for exception, cases in list(found.items())[:MOST_EXCEPTIONS]
    ]


def _reflected(trial: Trial[Any]) -> list[tuple[str, str]]:
    reflection = trial.reflection
    told = {
        "feedback": "Result",
        "evaluation": "Evaluation",
        "hyperparameter_suggestion": "To change",
        "hyperparameter_missing": "Missing",
    }
    return [(head, str(said)) for name, head in told.items() if (said := getattr(reflection, name, ""))]
