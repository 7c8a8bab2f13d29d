"""What a study found and what it took: the verdict, who proposed what, costs, forecasts, lessons, refusals."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from llm_brain.optimize.forecasts import forecasts_of, score_forecasts
from llm_brain.optimize.proposers.credit import credits_of
from llm_brain.optimize.recorded import Recorded, Spent
from llm_brain.optimize.report.pictures import NARROW, WIDE, calibration, colours, interval
from llm_brain.optimize.study import Trial
from llm_brain.optimize.telling import changed_lines, changes, number, verdict_words

MOST_REFUSALS: Final = 20
_HALF: Final = (430.0, 330.0)


def findings(recorded: Recorded) -> dict[str, Any]:
    """Tell the verdict, and what the recommended trial changes.

    Example:
        >>> from llm_brain.optimize.study import Study
        >>> findings(Recorded("hill", {"space": {}, "default": {}}, Study()))["words"]
        'Nothing is compared with the default yet: the study goes on.'
    """
    study = recorded.study
    verdict, best = study.verdict, study.best
    point = {} if best is None else best.point
    changed = [
        {
            "name": change.name,
            "is_text": change.name in recorded.texts,
            "before": None if change.before is None else number(change.before),
            "after": None if change.after is None else number(change.after),
            "lines": changed_lines(str(change.before or ""), str(change.after or "")) if change.name in recorded.texts else [],
        }
        for change in changes(recorded.begun["default"], point)
        if best is not None
    ]
    return {
        "words": verdict_words(verdict),
        "state": "open" if verdict is None else "better" if verdict.trial else "same",
        "trial": None if best is None else best.number,
        "changed": changed,
        "wide": None if verdict is None else interval(verdict, WIDE),
        "narrow": None if verdict is None else interval(verdict, NARROW),
    }


def tiles(recorded: Recorded) -> list[tuple[str, str, str]]:
    """Give the numbers at the top of the page, each with what it is and what belongs to it.

    Example:
        >>> from llm_brain.optimize.study import Study
        >>> [name for name, _, _ in tiles(Recorded("hill", {}, Study()))]
        ['trials', 'runs', 'spent', 'time']
    """
    trials, study = recorded.study.trials, recorded.study
    counts = Counter(trial.status for trial in trials)
    others = ", ".join(f"{counts[status]} {status}" for status in ("stopped", "failed", "running") if counts[status])
    runs = sum(len(trial.outcomes) for trial in trials)
    checks = sum(len(trial.checked) for trial in trials)
    tokens = sum(spent.tokens for spent in recorded.by_purpose.values())
    found = [
        ("trials", f"{len(trials):,}", others),
        ("runs", f"{runs:,}", f"and {checks:,} to compare in the end" if checks else f"on {len(study.cases):,} cases"),
        (
            "spent",
            dollars_words(sum(spent.dollars for spent in recorded.by_purpose.values())),
            f"{tokens:,} tokens" if tokens else "",
        ),
        ("time", seconds_words(recorded.seconds), f"{seconds_words(sum(trial.seconds for trial in trials))} in runs"),
    ]
    best = study.best
    if best is not None and best.score is not None and trials[0].score is not None:
        found.insert(0, ("score", number(best.score), f"the default {number(trials[0].score)}"))
    return found


def proposers(recorded: Recorded) -> list[dict[str, Any]]:
    """Tell of each proposer how many trials it had, how good they were, and what they took."""
    trials, colour = recorded.finished, colours(recorded.study.trials)
    credit = credits_of(trials)
    best, better = float("-inf"), Counter[str]()
    for trial in trials:
        if trial.status == "complete" and trial.fidelity >= 1 and trial.score is not None and trial.score > best:
            better[trial.proposer] += trial.number > 0
            best = trial.score
    refused = Counter(line.partition(": ")[0] for trial in recorded.study.trials for line in trial.refused)
    names = [*colour, *(name for name in refused if name not in colour)]
    return [
        {
            "name": name,
            "colour": colour.get(name, 6),
            "trials": len(mine := [trial for trial in trials if trial.proposer == name]),
            "better": better[name],
            "best": _best(mine),
            "credit": f"{credit[name].mean:.2f}" if name in credit and credit[name].trials else None,
            "refused": refused[name],
            **_spent(recorded.by_proposer.get(name, Spent())),
        }
        for name in names
    ]


def purposes(recorded: Recorded) -> list[dict[str, Any]]:
    """Tell what was spent for what, with the share of each in the dollars, or else in tokens, or else in seconds."""
    found = recorded.by_purpose
    unit = next((unit for unit in ("dollars", "tokens") if any(getattr(spent, unit) for spent in found.values())), "seconds")
    whole = sum(getattr(spent, unit) for spent in found.values()) or 1.0
    return [
        {"name": name, "times": spent.times, "share": f"{100 * getattr(spent, unit) / whole:.1f}", "unit": unit, **_spent(spent)}
        for name, spent in sorted(found.items(), key=lambda item: -getattr(item[1], unit))
    ]


def forecasts(recorded: Recorded) -> dict[str, Any] | None:
    """Tell how good the forecasts were; None where there are none."""
    told = forecasts_of(recorded.finished)
    score = score_forecasts(told)
    if score is None:
        return None
    if score.brier >= score.base_brier:
        words = "The forecasts tell less than the base rate: whoever says that every time is nearer to what happens."
    else:
        words = "The forecasts tell more than the base rate."
    return {
        "words": words,
        "score": score,
        "rows": [
            ("as they were told", number(score.brier)),
            ("read in the light of those before", number(score.recalibrated_brier)),
            (f"the base rate ({score.base_rate:.0%}) every time", number(score.base_brier)),
        ],
        "picture": calibration(told, _HALF),
    }


def lessons(recorded: Recorded) -> list[dict[str, Any]]:
    """Give the last lessons, and since when each is known."""
    since: dict[str, int] = {}
    for after, told in sorted(recorded.learned.items()):
        for lesson in told:
            since.setdefault(lesson.text, after)
    return [{"text": lesson.text, "trials": lesson.trials, "since": since.get(lesson.text)} for lesson in recorded.study.lessons]


def refusals(recorded: Recorded) -> list[dict[str, Any]]:
    """Count the reasons why proposals were not tried, the most frequent first, with the trials before which that was.

    Example:
        >>> from llm_brain.optimize.study import Study
        >>> trials = [Trial(n, "core", None, refused=("model: no answer",)) for n in range(2)]
        >>> refusals(Recorded("hill", {}, Study(trials)))
        [{'proposer': 'model', 'reason': 'no answer', 'times': 2, 'trials': [0, 1]}]
    """
    where: dict[str, list[int]] = {}
    for trial in recorded.study.trials:
        for line in trial.refused:
            where.setdefault(line, []).append(trial.number)
    for line in recorded.refused:
        where.setdefault(line, []).append(len(recorded.study.trials))
    ordered = sorted(where.items(), key=lambda item: -len(item[1]))[:MOST_REFUSALS]
    return [
        {"proposer": name, "reason": reason, "times": len(found), "trials": found[:6]}
        for (name, _, reason), found in ((line.partition(": "), found) for line, found in ordered)
    ]


def dollars_words(value: float) -> str:
    """Write an amount of dollars.

    Example:
        >>> dollars_words(0.0), dollars_words(0.00123), dollars_words(12.5)
        ('$0', '$0.0012', '$12.50')
    """
    return "$0" if not value else f"${value:,.2f}" if value >= 1 else f"${value:.2g}"


def seconds_words(value: float) -> str:
    """Write how long something took.

    Example:
        >>> seconds_words(0.0123), seconds_words(75.0), seconds_words(9000.0)
        ('12 ms', '75 s', '2 h 30 min')
    """
    if value < 1:
        return f"{1000 * value:.0f} ms"
    if value < 120:  # noqa: PLR2004 - two minutes
        return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"  # noqa: PLR2004 - two digits
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - two hours


def gain_over(trial: Trial[Any], default: Trial[Any] | None) -> float | None:
    """Tell how much better a trial is than the default; None where they cannot be compared.

    Example:
        >>> gain_over(Trial(1, "core", None, score=0.75), Trial(0, "default", None, score=0.5))
        0.25
    """
    if default is None or trial.score is None or default.score is None or trial is default or trial.fidelity < default.fidelity:
        return None
    return trial.score - default.score


def _best(trials: list[Trial[Any]]) -> str | None:
    whole = [trial for trial in trials if trial.status == "complete" and trial.fidelity >= 1]
    scores = [trial.score for trial in whole if trial.score is not None]
    return number(max(scores)) if scores else None


def _spent(spent: Spent) -> dict[str, str]:
    return {
        "tokens": f"{spent.tokens:,}",
        "dollars": dollars_words(spent.dollars),
        "seconds": seconds_words(spent.seconds) if spent.seconds else "",
    }
