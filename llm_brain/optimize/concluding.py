"""How a study ends: which runs compare the finalists with the default, and what follows from them.

finalists, default    run once more, where that was planned
a finalist fails      it is out: nobody is compared only where it happened to succeed
the default fails     what it was run on without a failure is compared; where that is nothing, the best finalist is recommended
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, Final

from llm_brain.optimize.objective import Outcome
from llm_brain.optimize.plan import Plan
from llm_brain.optimize.runs import Need
from llm_brain.optimize.selection import CONFIDENCE, finalists, verdict
from llm_brain.optimize.study import Trial, Verdict, scores_of

LONGEST_REASON: Final = 160


def comparison(plan: Plan, trials: Sequence[Trial[Any]]) -> list[Need]:
    """Tell which runs are needed in the end: none where nobody is to be compared, or no fresh runs were planned.

    Example:
        >>> from pydantic import BaseModel
        >>> from llm_brain.optimize.objective import Objective
        >>> from llm_brain.optimize.space import Space
        >>> class Knobs(BaseModel):
        ...     fast: bool = False
        >>> plan = Plan(Space(Knobs), Objective(len, max, int, Knobs), ["a", "b"], confirmations=1)
        >>> trials = [Trial(number, "", Knobs(), status="complete", score=0.5) for number in range(2)]
        >>> [tuple(need) for need in comparison(plan, trials)], comparison(plan, trials[:1])
        ([(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)], [])
    """
    chosen = finalists(trials)
    default = [trial for trial in trials[:1] if trial.score is not None]  # one that has failed would fail again
    return [
        Need(trial.number, case, replicate)
        for replicate in range(plan.checked_times if chosen else 0)
        for case in range(len(plan.checks))
        for trial in (*default, *chosen)
    ]


def concluded(plan: Plan, trials: Sequence[Trial[Any]]) -> Verdict:
    """Say what a study has found.

    Args:
        plan: The study's.
        trials: All of them, the default first; those that were compared have what came of it in `checked`.

    Raises:
        MissingDependencyError: scipy is not installed.
    """
    default, chosen, is_fresh = trials[0], finalists(trials), plan.checked_times > 0
    if not chosen:
        failure = "" if default.score is not None else f"it failed ({_why(default.outcomes)}), and "
        return _without_pairs(0, f"{failure}no other trial is complete", is_fresh=False)
    made = {trial.number: trial.checked if is_fresh else trial.outcomes for trial in (default, *chosen)}
    scores = {number: scores_of(outcomes, plan.rules.failure_score) for number, outcomes in made.items()}
    lost = len(made[0]) - len(scores[0])
    is_alone = default.score is None or not scores[0]
    told = [f"the default failed ({_why(default.checked or default.outcomes)})"] if is_alone else []
    if lost and not is_alone:
        told.append(f"the default failed in {lost} of its {len(made[0])} runs ({_why(made[0])})")
    failed = [trial.number for trial in chosen if len(scores[trial.number]) < len(made[trial.number])]
    if failed:
        who = f"trial{'' if len(failed) == 1 else 's'} {', '.join(map(str, failed))}"
        told.append(f"{who} failed in the comparison ({_why(made[failed[0]])})")
    whole = [trial for trial in chosen if trial.number not in failed]
    if not whole:
        return _without_pairs(0, "; ".join(told), is_fresh=is_fresh)
    if is_alone:
        best = max(whole, key=lambda trial: fmean(scores[trial.number].values())) if is_fresh else whole[0]
        return _without_pairs(best.number, "; ".join(told), is_fresh=is_fresh)
    complete = sum(trial.status == "complete" for trial in trials[1:])
    candidates = {trial.number: scores[trial.number] for trial in whole}
    found = verdict(scores[0], candidates, is_fresh=is_fresh, considered=1 if is_fresh else complete)
    return replace(found, reason="; ".join(told))


def _without_pairs(trial: int, reason: str, *, is_fresh: bool) -> Verdict:
    return Verdict(trial, trial, 0.0, None, None, CONFIDENCE, 0, is_fresh, reason)


def _why(outcomes: Sequence[Outcome]) -> str:
    exceptions = [outcome.exception for outcome in outcomes if outcome.exception]
    return " ".join(exceptions[0].split())[:LONGEST_REASON] if exceptions else "it has no score"
