"""Build a cascade: how far the brain is trusted is found out on held-out answers, before the first call."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_brain.strategy.implementation import Implementation
from llm_brain.training.cascade.confident import Answered, Confident, HeldOut
from llm_brain.training.cascade.implementation import Agrees, Cascade
from llm_brain.training.cascade.trust import Observation, Trust

if TYPE_CHECKING:
    from llm_brain.backends.contract import LanguageBackend


def cascade(
    brain: Confident,
    model: str | LanguageBackend | Implementation | Any,
    *,
    agreement: float = 0.95,
    held_out: Iterable[HeldOut] = (),
    agrees: Agrees = operator.eq,
    answers: Path | str | None = None,
    audit: float = 0.01,
    false_alarm: float = 0.01,
    recent: int | None = None,
    seed: int = 0,
) -> Cascade:
    """Let a brain answer where it is sure enough, and ask a model elsewhere.

    Over the draw of the held-out calls and of a new one that is exchangeable with them, the answer is the model's with a
    probability of at least `agreement`; see `conformal`. Where inputs change, the model answers everything, until `recent` of
    its answers are there, on which the threshold is calibrated anew; see `trust`.

    Args:
        brain: Such as a `Student`.
        model: What `llm_strategy` takes.
        agreement: On which share of all calls, those that the model answers included, the answer shall be the model's.
        held_out: Calls that the brain was not trained on, with the model's answers, as they will come in use. With none, the
            model answers the first `recent` calls, which are then held out.
        agrees: Whether two answers are as good as the same; equality when omitted, which for numbers is too strict. What it
            raises, a call raises.
        answers: A file to which each answer of the model is added as a pair, to teach the brain with.
        audit: Of which share of the calls of which the brain is sure the model is asked, too, so that `stats` tells the agreement
            on them. Where the model then fails, the brain's answer is given.
        false_alarm: The chance that a change of inputs is ever told where there is none.
        recent: On how many answers of the model the threshold is calibrated anew; 5 / (1 - agreement) when omitted.
        seed: Of what is drawn.

    Returns:
        An implementation: `Triage.using(cascade(...))`. Functions that the brain was not taught, the model answers.

    Raises:
        ArgumentError: The held-out calls are too few to hold `agreement`, or an argument is out of its range.
        ModelNameError: The model's name is not one that can be resolved.

    Example:
        >>> import torch
        >>> from collections import namedtuple
        >>> from llm_brain.strategy import Details, llm_strategy
        >>> class Length:
        ...     name, function = "length", "angry"
        ...     def text(self, spec, arguments, state):
        ...         return arguments["message"]
        ...     def answer(self, text):
        ...         return Answered(Details(len(text) > 5, self.name), 0.9 if len(text) > 8 else 0.5, torch.ones(1))
        >>> class Model:
        ...     name = "model"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details("!" in arguments["message"], self.name)
        >>> @llm_strategy("local")
        ... def angry(message: str) -> bool:
        ...     '''Tell whether it is angry.'''
        >>> Pair = namedtuple("Pair", ["text", "answer"])
        >>> known = [Pair("It broke!", True), Pair("It works", False), Pair("I waited!", True)]
        >>> both = cascade(Length(), Model(), agreement=0.75, held_out=known, audit=0.0)
        >>> details = llm_strategy(both)(angry).map_details(["Nobody came!", "Thanks"])
        >>> [(one.value, one.implementation) for one in details]
        [(True, 'length'), (False, 'model')]
    """
    trust = Trust(agreement, false_alarm=false_alarm, recent=recent, audit=audit, seed=seed)
    observations = [_observed(brain.answer(pair.text), pair.answer, agrees) for pair in held_out]
    if observations:
        trust.calibrate(observations)
    return Cascade(brain, model, trust, agrees=agrees, answers=answers)


def _observed(answered: Answered, answer: Any, agrees: Agrees) -> Observation:
    return Observation(answered.confidence, bool(agrees(answered.details.value, answer)), answered.features)
