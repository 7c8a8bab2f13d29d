"""Merging: two trials that improved different texts of a common ancestor become one that has both (GEPA).

    text = the one of the two that is not the ancestor's, if only one of them changed it
           that of the better one, if both did

The numbers are those of the better one. Where both only changed the same texts, there is nothing to merge.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final

from llm_brain.optimize.proposers.contract import History, Proposal
from llm_brain.optimize.study import Trial
from llm_brain.optimize.texts.pareto import ParetoFront
from llm_brain.optimize.texts.pool import TextPool

GATE: Final = 5


class MergeProposer:
    """Proposes what two trials of the Pareto front have learned apart from each other.

    Args:
        gate: How many cases a merged trial is run on first: some that each parent is better on, and some others.
        name: What the proposer is called in the study.

    Example:
        >>> from pydantic import BaseModel
        >>> from llm_brain.optimize.objective import Outcome
        >>> from llm_brain.optimize.space import Space
        >>> class Knobs(BaseModel):
        ...     persona: str = "You read."
        ...     question: str = "Who?"
        >>> def trial(number, knobs, *scores, parents=()):
        ...     outcomes = [Outcome(case, 0, score) for case, score in enumerate(scores)]
        ...     point = knobs.model_dump()
        ...     return Trial(number, "", knobs, point, parents, status="complete", score=sum(scores), outcomes=outcomes)
        >>> default = trial(0, Knobs(), 0.0, 0.0)
        >>> one = trial(1, Knobs(persona="You read well."), 1.0, 0.0, parents=(0,))
        >>> other = trial(2, Knobs(question="Who is it?"), 0.0, 1.0, parents=(0,))
        >>> [proposal] = MergeProposer().propose(History(Space(Knobs), [default, one, other], cases="ab"), seed=0)
        >>> proposal.hyperparameters
        {'persona': 'You read well.', 'question': 'Who is it?'}
    """

    def __init__(self, *, gate: int = GATE, name: str = "merge") -> None:
        self.name = name
        self._gate = gate

    def propose(self, history: History[Any], *, seed: int) -> Sequence[Proposal]:
        """Propose one merged trial; nothing where there is none that was not tried."""
        random, pool = Random(seed), TextPool(history)
        pairs = list(itertools.combinations(ParetoFront.of(history.trials).wins, 2))
        random.shuffle(pairs)
        for one, other in pairs:
            for texts, ancestor in _merged(pool, one, other):
                if texts not in pool:
                    return [self._proposal(history, (pool[one], pool[other]), texts, ancestor, random)]
        return []

    def _proposal(
        self, history: History[Any], pair: tuple[Trial[Any], Trial[Any]], texts: Mapping[str, str], ancestor: int, random: Random
    ) -> Proposal:
        one, other = pair
        gate = _gate(one, other, len(history.cases), self._gate, random)
        better = _better(one, other)
        # The gate compares with the first parent: it has to beat the one that is better there.
        first, second = sorted((one, other), key=lambda trial: -sum(trial.by_case()[case] for case in gate))
        note = f"what {one.number} and {other.number} changed of {ancestor}"
        return Proposal({**better.point, **texts}, note=note, parents=(first.number, second.number), gate=gate)


def _merged(pool: TextPool, one: int, other: int) -> Iterator[tuple[dict[str, str], int]]:
    """Give the texts of two trials as one, and the common ancestor that tells who changed what."""
    above, above_other = pool.ancestors(one), pool.ancestors(other)
    if one in above_other or other in above:
        return
    texts, others = pool.texts_of(pool[one]), pool.texts_of(pool[other])
    better = pool.texts_of(_better(pool[one], pool[other]))
    for ancestor in above:
        before = pool.texts_of(pool[ancestor])
        if ancestor not in above_other or not before.keys() == texts.keys() == others.keys():
            continue
        changed = {name for name, text in texts.items() if text != before[name]}
        changed_other = {name for name, text in others.items() if text != before[name]}
        if changed - changed_other and changed_other - changed:
            mixed = {name: texts[name] for name in changed - changed_other}
            yield {**better, **mixed, **{name: others[name] for name in changed_other - changed}}, ancestor


def _better(one: Trial[Any], other: Trial[Any]) -> Trial[Any]:
    return max(one, other, key=lambda trial: (trial.score or 0.0, -trial.number))


def _gate(one: Trial[Any], other: Trial[Any], cases: int, count: int, random: Random) -> tuple[int, ...]:
    """Draw cases on which the parents differ, either way, and some on which they do not."""
    scores, others = one.by_case(), other.by_case()
    common = [case for case in scores if case in others and case < cases]
    kinds: dict[int, list[int]] = {1: [], -1: [], 0: []}
    for case in common:
        kinds[(scores[case] > others[case]) - (scores[case] < others[case])].append(case)
    each = math.ceil(count / len(kinds))
    chosen = [case for kind in kinds.values() for case in random.sample(kind, min(each, len(kind)))][:count]
    rest = [case for case in common if case not in chosen]
    return tuple(sorted(chosen + random.sample(rest, min(len(rest), count - len(chosen)))))
