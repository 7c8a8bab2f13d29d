"""The scores of each case in each trial, as a map of colours: which cases are hard, and which trials win where."""

from __future__ import annotations

import json
from typing import Any, Final

from llm_brain.optimize.recorded import Recorded
from llm_brain.optimize.study import Trial
from llm_brain.optimize.telling import number

SHADES: Final = 10
MOST_TRIALS: Final = 150
LABEL: Final = 27
ROW, LEFT, TOP = 18, 190, 22


def case_map(recorded: Recorded) -> dict[str, Any] | None:
    """Lay the map out; None where there is one case, or nothing was run.

    Of more than `MOST_TRIALS` trials the first one and the best ones are shown.

    Example:
        >>> from llm_brain.optimize.objective import Outcome
        >>> from llm_brain.optimize.study import Study
        >>> trial = Trial(0, "default", None, status="complete", score=0.5, outcomes=[Outcome(0, 0, 0.0), Outcome(1, 0, 1.0)])
        >>> found = case_map(Recorded("hill", {}, Study([trial], cases=["easy", {"steep": True}])))
        >>> [(row["label"], [cell["shade"] for cell in row["cells"]]) for row in found["rows"]]
        [('easy', ['0']), ('true', ['9'])]
    """
    trials = [trial for trial in recorded.finished if trial.outcomes]
    cases = list(recorded.study.cases)
    if len(cases) < 2 or not trials:  # noqa: PLR2004 - one case is the history once more
        return None
    left_out = max(0, len(trials) - MOST_TRIALS)
    if left_out:
        best = sorted(trials[1:], key=lambda trial: -(trial.score if trial.score is not None else -1e300))
        trials = sorted([trials[0], *best[: MOST_TRIALS - 1]], key=lambda trial: trial.number)
    scores = {trial.number: trial.by_case() for trial in trials}
    known = [score for by_case in scores.values() for score in by_case.values()]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    step = max(7, min(20, (940 - LEFT - 10) // len(trials)))
    rows = []
    for case, told in enumerate(cases):
        label = _label(told)
        cells = [
            {"x": LEFT + place * step, **_cell(trial, case, scores[trial.number], low, high)}
            for place, trial in enumerate(trials)
        ]
        rows.append({
            "label": label if len(label) <= LABEL else label[: LABEL - 1] + "…",
            "title": f"case {case}: {json.dumps(told, ensure_ascii=False)}"[:500],
            "y": TOP + case * ROW,
            "cells": [cell for cell in cells if cell["shade"]],
        })  # fmt: skip
    every = max(1, -(-28 // step))
    heads = [
        {"x": LEFT + place * step + step / 2, "trial": trial.number} for place, trial in enumerate(trials) if place % every == 0
    ]
    return {
        "rows": rows,
        "heads": heads,
        "width": LEFT + len(trials) * step + 10,
        "height": TOP + len(cases) * ROW + 4,
        "cell": (step - 1, ROW - 2),
        "low": number(low),
        "high": number(high),
        "left_out": left_out,
    }


def _label(case: Any) -> str:
    if isinstance(case, dict):
        return "; ".join(map(_label, case.values()))
    return case if isinstance(case, str) else json.dumps(case, ensure_ascii=False)


def _cell(trial: Trial[Any], case: int, by_case: dict[int, float], low: float, high: float) -> dict[str, Any]:
    if case in by_case:
        share = (by_case[case] - low) / ((high - low) or 1.0)
        shade, said = str(min(SHADES - 1, int(share * SHADES))), number(by_case[case])
    elif any(outcome.case == case for outcome in trial.outcomes):
        shade, said = "failed", "failed"
    else:
        shade, said = "", ""
    return {"shade": shade, "trial": trial.number, "title": f"trial {trial.number}, case {case}: {said}"}
