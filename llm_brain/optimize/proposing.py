"""What the next trial tries, and when that is known: each answer stands in the journal before anything depends on it.

trial n is proposed    knowing the trials 0 .. n - parallel, whichever are over by then
nobody has anything    all are asked again with each further trial that is told, until all before it are
then still nobody      the study ends; the next run asks anew, as whoever was silent may answer then
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from llm_brain.optimize.choosing import Answer, ProposalWarning, choose
from llm_brain.optimize.effects import Effects, reading
from llm_brain.optimize.fidelity import promotion
from llm_brain.optimize.plan import Plan
from llm_brain.optimize.proposers.arbitration import CORE, REFUSALS, silenced
from llm_brain.optimize.proposers.contract import History, Proposer
from llm_brain.optimize.proposers.credit import Credit
from llm_brain.optimize.silence import Silence, tell_silence
from llm_brain.optimize.study import DEFAULT, PROMOTION, Trial


class Proposing:
    """Finds out what the next trial tries.

    Args:
        plan: The study's.
        effects: Its journal.
        silence: Who is asked no more.
        core: The classical sampler.
        proposers: All others.
        reputation: What earlier studies thought of them.
    """

    def __init__(
        self,
        plan: Plan,
        effects: Effects,
        silence: Silence,
        *,
        core: Proposer,
        proposers: Sequence[Proposer],
        reputation: Mapping[str, Credit],
    ) -> None:
        self._plan, self._effects, self._silence = plan, effects, silence
        self._core, self._proposers, self._reputation = core, proposers, reputation
        self._knows = 0
        self._drawing = 0.0
        self._is_over = False
        self._ended = Counter(event.get("trial") for event in effects.store.events if event["event"] == "nobody")

    def next(
        self, begun: Sequence[Trial[Any]], told: int, history: Callable[[int], History[Any]]
    ) -> tuple[dict[str, Any], History[Any]] | None:
        """Find out what the next trial tries; None while that cannot be known, and where nobody has anything.

        Args:
            begun: All trials that were begun.
            told: How many of them are told.
            history: Gives what is known when so many are.

        Returns:
            As the journal has it, and what was known.

        Raises:
            DataError: The journal does not fit the study.
            OSError: The journal cannot be written.
        """
        number = len(begun)
        known = self._effects.known("proposed", trial=number)
        if known is not None:
            with reading():
                self._knows = known["knows"]
                if self._knows not in range(number + 1):
                    message = f"trial {number} was proposed knowing {self._knows} trials"
                    raise ValueError(message)
            return (known, history(self._knows)) if self._knows <= told else None
        # Where an earlier run ended, all that were under way then are over: what is asked anew is asked with all that is known.
        self._knows = max(self._knows, number if self._ended[number] else number - self._plan.parallel + 1)
        while self._knows <= told and not self._is_over:
            shown = history(self._knows)
            found = self._proposed(begun, shown)
            if found["proposer"] is not None:
                return self._effects.write("proposed", trial=number, knows=self._knows, **found), shown
            if self._knows == number:
                self._end(number, found["refused"])
            self._knows += 1
        return None

    def _proposed(self, begun: Sequence[Trial[Any]], history: History[Any]) -> dict[str, Any]:
        space, fidelities = self._plan.space, self._plan.fidelities
        if not begun:
            return {"proposer": DEFAULT, "point": space.point(space.default), "fidelity": 1.0}
        promoted = {parent for trial in begun if trial.proposer == PROMOTION for parent in trial.parents}
        found = promotion(history.trials, promoted, fidelities)
        if found is not None:
            trial, fidelity = found
            return {"proposer": PROMOTION, "point": trial.point, "parents": [trial.number], "fidelity": fidelity}
        self._drawing = 0.0
        told = choose(
            self._plan,
            history,
            begun,
            core=self._core,
            proposers=self._proposers,
            reputation=self._reputation,
            silence=self._silence,
            ask=lambda name, attempt, answer: self._asked(len(begun), name, attempt, answer),
        )
        if told["proposer"] is not None:
            self._tell_silenced(begun, told)
        return {**told, "fidelity": fidelities[0], "seconds": round(self._drawing, 6)}

    def _asked(self, number: int, name: str, attempt: int, answer: Callable[[], Answer]) -> Answer:
        if name == CORE:  # it would draw the same again, and costs nothing
            began = time.perf_counter()
            drawn = answer()
            self._drawing += time.perf_counter() - began
            return drawn
        about = {"trial": number, "proposer": name, "knows": self._knows, "attempt": attempt, "ended": self._ended[number]}
        return self._effects.once("asked", answer, **about)

    def _tell_silenced(self, begun: Sequence[Trial[Any]], told: Mapping[str, Any]) -> None:
        """Say it when somebody was refused once too often."""
        names = [proposer.name for proposer in self._proposers]
        new: Trial[Any] = Trial(len(begun), told["proposer"], None, refused=tuple(told["refused"]))
        for name in sorted(set(silenced([*begun, new], names)) - set(silenced(begun, names))):
            why = next(line for line in reversed(new.refused) if line.startswith(f"{name}: ")).removeprefix(f"{name}: ")
            tell_silence(name, f"{REFUSALS} trials in a row none could be used, the last time as {why}", about="proposals")

    def _end(self, number: int, refused: Sequence[str]) -> None:
        self._effects.write("nobody", trial=number, refused=list(refused))
        self._is_over = True
        trials = f"{number} trial{'' if number == 1 else 's'}"
        why = f": {refused[-1]}" if refused else ""
        message = f"the study ends after {trials}, as nobody proposes anything new that can be used{why}"
        with suppress(ProposalWarning):  # where warnings are errors: a study goes on without it
            warnings.warn(message, ProposalWarning, stacklevel=2)
