"""Blind edits of texts: a sentence is deleted, doubled, swapped with another, or taken from another text. No model is asked.

Such edits are rarely better, and cost nothing but the runs on their gate. They find what reflection does not look for: sentences
that do harm, an order that matters, a good sentence of a text that was otherwise left behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from llm_brain.errors import DataError
from llm_brain.optimize.proposers.contract import History, Proposal
from llm_brain.optimize.proposers.reflection import gate_cases
from llm_brain.optimize.texts.pareto import ParetoFront
from llm_brain.optimize.texts.pool import TextPool
from llm_brain.optimize.texts.rules import check_text

ATTEMPTS: Final = 20
GATE: Final = 3
_SENTENCE: Final = re.compile(r".+?(?:[.!?](?=\s)|(?=\n)|\Z)\s*", re.DOTALL)


class EditProposer:
    """Proposes blind edits of a text of the Pareto front.

    Args:
        gate: How many cases an edited text is run on first.
        proposals: How many are proposed at once; the first that was not tried is tried.
        name: What the proposer is called in the study.

    Example:
        >>> from pydantic import BaseModel
        >>> from llm_brain.optimize.objective import Outcome
        >>> from llm_brain.optimize.space import Space
        >>> from llm_brain.optimize.study import Trial
        >>> class Knobs(BaseModel):
        ...     prompt: str = "Be brief. Be kind."
        >>> outcomes = [Outcome(0, 0, 0.5)]
        >>> default = Trial(0, "default", Knobs(), Knobs().model_dump(), status="complete", score=0.5, outcomes=outcomes)
        >>> proposals = EditProposer(proposals=20).propose(History(Space(Knobs), [default], cases=["Hello!"]), seed=0)
        >>> {proposal.note: proposal.hyperparameters["prompt"] for proposal in proposals}["swap in prompt"]
        'Be kind. Be brief.'
    """

    def __init__(self, *, gate: int = GATE, proposals: int = 4, name: str = "edits") -> None:
        self.name = name
        self._gate = gate
        self._proposals = proposals

    def propose(self, history: History[Any], *, seed: int) -> Sequence[Proposal]:
        """Propose some edits that were not tried; nothing where no trial is complete or the texts are too short."""
        random, pool = Random(seed), TextPool(history)
        front = ParetoFront.of(history.trials)
        found: dict[str, Proposal] = {}
        for _ in range(ATTEMPTS if front and history.space.texts else 0):
            parent = pool[front.draw(random)]
            texts = pool.texts_of(parent)
            gate = gate_cases(parent, history, self._gate, random)
            if not texts or not gate:
                continue
            name = random.choice(list(texts))
            kind = random.choice(list(_EDITS))
            others = [part for text in pool.versions(name) if text != texts[name] for part in sentences(text)]
            text = "".join(_EDITS[kind](sentences(texts[name]), others, random)).strip()
            if {**texts, name: text} in pool or not _is_allowed(history, name, text):
                continue
            point = {**parent.point, name: text}
            found.setdefault(text, Proposal(point, note=f"{kind} in {name}", parents=(parent.number,), gate=gate))
            if len(found) == self._proposals:
                break
        return list(found.values())


def sentences(text: str) -> list[str]:
    r"""Cut a text into its sentences and lines; together they are the text again.

    Example:
        >>> sentences("Be brief. Is 1.5 more?\n- an example\nEnd")
        ['Be brief. ', 'Is 1.5 more?\n', '- an example\n', 'End']
    """
    return _SENTENCE.findall(text)


def _is_allowed(history: History[Any], name: str, text: str) -> bool:
    try:
        check_text(history.space, name, text)
    except DataError:
        return False
    return True


def _delete(parts: list[str], _others: Sequence[str], random: Random) -> list[str]:
    if len(parts) < 2:  # noqa: PLR2004 - nothing would be left
        return parts
    gone = random.randrange(len(parts))
    return parts[:gone] + parts[gone + 1 :]


def _swap(parts: list[str], _others: Sequence[str], random: Random) -> list[str]:
    if len(parts) < 2:  # noqa: PLR2004 - there is nothing to swap
        return parts
    one, other = sorted(random.sample(range(len(parts)), 2))
    moved = list(map(_apart, parts))
    moved[one], moved[other] = moved[other], moved[one]
    return moved


def _duplicate(parts: list[str], _others: Sequence[str], random: Random) -> list[str]:
    return [*map(_apart, parts), random.choice(parts)] if parts else parts


def _import(parts: list[str], others: Sequence[str], random: Random) -> list[str]:
    new = [part for part in others if part.strip() not in {own.strip() for own in parts}]
    if not new:
        return parts
    place = random.randint(0, len(parts))
    moved = list(map(_apart, parts))
    return [*moved[:place], _apart(random.choice(new)), *moved[place:]]


def _apart(part: str) -> str:
    return part if part[-1:].isspace() else f"{part} "


_EDITS: Final[dict[str, Callable[[list[str], Sequence[str], Random], list[str]]]] = {
    "delete": _delete,
    "swap": _swap,
    "duplicate": _duplicate,
    "import": _import,
}
