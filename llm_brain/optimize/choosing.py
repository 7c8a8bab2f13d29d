"""What is tried next: whose turn it is, what they propose, and whether it can be used.

proposal -> is it valid? -> was it tried? -> is it hopeless? -> a trial
a no costs no trial: the next proposal, and then the next proposer, is looked at
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ValidationError

from llm_brain.errors import LLMBrainError
from llm_brain.optimize.effects import reading
from llm_brain.optimize.plan import MOST_CASES, Plan, as_json
from llm_brain.optimize.proposers.arbitration import CORE, UNASKED, shares, silenced, turn
from llm_brain.optimize.proposers.contract import History, Proposal, Proposer
from llm_brain.optimize.proposers.credit import Credit
from llm_brain.optimize.proposers.veto import is_hopeless, is_repeated
from llm_brain.optimize.seeds import seed_for
from llm_brain.optimize.silence import Silence
from llm_brain.optimize.study import Trial
from llm_brain.strategy.words import explain

MOST_PROPOSALS: Final = 60
ROUNDS: Final = 4
"""How often everybody is asked, with other seeds, where nothing can be used."""
LONGEST_REASON: Final = 200
Answer: TypeAlias = dict[str, Any]
"""What came of asking a proposer: what was `found`, if anything can be used, and the `reasons` why the rest cannot."""


class ProposalWarning(UserWarning):
    """Nobody has anything left to propose.

    Example:
        >>> issubclass(ProposalWarning, UserWarning)
        True
    """


def choose(
    plan: Plan,
    history: History[Any],
    begun: Sequence[Trial[Any]],
    *,
    core: Proposer,
    proposers: Sequence[Proposer],
    reputation: Mapping[str, Credit],
    silence: Silence,
    ask: Callable[[str, int, Callable[[], Answer]], Answer],
) -> dict[str, Any]:
    """Choose what the next trial tries.

    Args:
        plan: The study's.
        history: What is shown to whoever proposes.
        begun: All trials that were begun.
        core: The classical sampler.
        proposers: All others.
        reputation: What earlier studies thought of them.
        silence: Who is asked no more in this run.
        ask: Given whose turn it is, which time, and what gives the answer: returns the answer, or what the journal has of it.

    Returns:
        As the journal has it: the proposer, the point, where it comes from, and what was refused; without a point where nobody
        had anything to propose that could be used.
    """
    number = len(begun)
    tried = {plan.space.key(trial.hyperparameters) for trial in begun}
    named = {proposer.name: proposer for proposer in proposers}
    has_core = bool(plan.space.knobs)
    shared = shares(list(named), history.trials, reputation, core=has_core)
    order = turn(shared, begun, silenced(begun, list(named)))
    if has_core:
        named[CORE] = core
    refused: list[str] = []
    for attempt in range(ROUNDS):
        for name in order:
            if name not in named or name in silence or (name == CORE and attempt):
                continue
            seed = seed_for(plan.seed, name, number, attempt)
            told = ask(name, attempt, lambda: _answer(plan, history, named[name], seed, tried=tried, silence=silence))  # noqa: B023 - called here
            with reading():
                if told["found"] is not None:
                    return {"proposer": name, **told["found"], "refused": refused}
                refused += [f"{name}: {reason}" for reason in told["reasons"]]  # nothing proposed is nothing refused
    return {"proposer": None, "refused": refused}


def _answer(plan: Plan, history: History[Any], proposer: Proposer, seed: int, *, tried: set[str], silence: Silence) -> Answer:
    """Ask a proposer: the first of its proposals that can be used, or why none can."""
    reasons: list[str] = []
    for proposal in _proposed(proposer, history, seed, reasons, silence):
        found = _checked(plan, history, proposal, tried, reasons, vetoes=proposer.name != CORE)
        if found is not None:
            return {"found": found, "reasons": []}
    return {"found": None, "reasons": list(dict.fromkeys(reasons))}


def _proposed(proposer: Proposer, history: History[Any], seed: int, reasons: list[str], silence: Silence) -> Iterable[Any]:
    """Give what a proposer proposes, as far as it comes."""
    try:
        yield from islice(proposer.propose(history, seed=seed), MOST_PROPOSALS)
    except Exception as error:  # noqa: BLE001 - a faulty proposer costs no trial and ends no study
        silence.after(proposer.name, error)
        unasked = UNASKED if proposer.name in silence else ""
        reasons.append(f"{unasked}{type(error).__name__}: {error}"[:LONGEST_REASON])


def _checked(
    plan: Plan, history: History[Any], proposal: Any, tried: set[str], reasons: list[str], *, vetoes: bool
) -> dict[str, Any] | None:
    """Check a proposal: what the journal has of it, or None where it cannot be used, with the reason."""
    if not isinstance(proposal, Proposal):
        reasons.append(f"a proposal is a `Proposal`, and this is a {type(proposal).__name__}")
        return None
    space = plan.space
    try:
        told = proposal.hyperparameters
        # What a model says about fields that are not tuned is left out; a name in a mapping that nobody knows is a mistake.
        values = space.values(space.point(told) if isinstance(told, BaseModel) else told)
        point = space.point(values)
        cases = [as_json(plan.case_type.validate_python(case)) for case in proposal.task_parameters]
        for case in cases:
            plan.case(case)  # the study reads it so
        known = {trial.number for trial in history.trials}
        parents = [int(parent) for parent in proposal.parents if parent in known]
        gate = [case for case in dict.fromkeys(proposal.gate) if case in range(len(history.cases))]
        note = str(proposal.note)
    except ValidationError as error:
        reasons.append(f"not valid: {explain(error)}"[:LONGEST_REASON])
    except LLMBrainError as error:
        reasons.append(str(error)[:LONGEST_REASON])
    except Exception as error:  # noqa: BLE001 - whatever a proposer made up
        reasons.append(f"not usable: {type(error).__name__}: {error}"[:LONGEST_REASON])
    else:
        seen = [as_json(case) for case in history.cases]
        new = [case for place, case in enumerate(cases) if case not in seen and case not in cases[:place]]
        if space.key(values) in tried or (vetoes and is_repeated(history, point)):
            reasons.append("it was tried before")
        elif vetoes and is_hopeless(history, point):
            reasons.append("its neighbours are among the worst")
        else:
            room = max(0, MOST_CASES - len(history.cases))
            return {"point": point, "parents": parents, "note": note, "gate": gate, "cases": new[:room]}
    return None
