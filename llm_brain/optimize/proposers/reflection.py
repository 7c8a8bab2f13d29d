"""Reflection on texts: a language model sees a text, what came of some runs with it, and writes a better one (GEPA).

    parent    drawn from the Pareto front over cases, each trial as often as it has wins; where all have failed, any of them
    text      one of the parent's in turn: a child goes on where its parent stood
    shown     a few cases, most of them such that the parent could do better on
    gate      other such cases, which the model did not see: the new text is run on them first, and goes on only where it beats
              its parent there, so that one which has only learned by heart what was shown costs a few runs

Numbers stay as the parent has them. What the model is asked:

    >>> functions = llm_strategy("local")(TextFunctions)()
    >>> question = functions.improve_text.prompt(TextReview[str](name="prompt", text="Add.", runs=[], must_keep=["{numbers}"]))
    >>> "Write a better text in place of the present one." in question, "{numbers}" in question
    (True, True)
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from random import Random
from typing import Annotated, Any, Final

from pydantic import Field

from llm_brain.errors import DataError
from llm_brain.optimize.objective import Outcome
from llm_brain.optimize.proposers.contract import History, Proposal
from llm_brain.optimize.study import Trial
from llm_brain.optimize.texts.pareto import ParetoFront
from llm_brain.optimize.texts.pool import TextPool
from llm_brain.optimize.texts.review import BetterText, Text, TextReview, TextRun
from llm_brain.optimize.texts.rules import LONGEST, check_text, default_text, longest, placeholders
from llm_brain.strategy.declarations import sampled
from llm_brain.strategy.decorator import llm_strategy

CASES: Final = 3
GATE: Final = 5
ATTEMPTS: Final = 3
"""How often the model is asked where it writes what was tried or cannot be used: each time of another text, with other cases."""
SHOWN: Final = 600
"""How many characters of an input, an output or a feedback are shown."""


class TextFunctions:
    """You improve the texts of a program: instructions, descriptions, patterns."""

    @sampled(0.7, top_p=0.9, max_tokens=1500)
    def improve_text(self, review: TextReview[Text]) -> BetterText[Text]:
        """Write a better text in place of the present one.

        It has to work for inputs that are not shown, too: find out from the runs and their feedback what the task is, write down
        the rules and facts that were missing, and keep what went well.
        """
        raise NotImplementedError


class ReflectionProposer:
    """Proposes texts that a language model wrote, having seen how runs with the present ones went.

    Args:
        model: Who writes: a model's name, a backend, an implementation.
        cases: How many cases it sees of a text.
        gate: On how many cases that were not shown a new text is run first: fewer save runs, and need more replies. None: on
            those that were shown, which needs the fewest replies.
        perfect: The highest score that there is, if it is known: a trial that has it on all cases is left as it is.
        most: How many characters a new text may have, where its field does not say less; always as many as the one before it.
        name: What the proposer is called in the study.

    Example:
        >>> from pydantic import BaseModel
        >>> from llm_brain.optimize.space import Space
        >>> from llm_brain.strategy import Details
        >>> class Polite:
        ...     name = "polite"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details(BetterText(reason="It was rude.", text=arguments["review"].text + " Please."), self.name)
        >>> class Knobs(BaseModel):
        ...     prompt: str = "Answer."
        >>> outcomes = [Outcome(0, 0, 0.0, feedback="rude")]
        >>> default = Trial(0, "default", Knobs(), {"prompt": "Answer."}, status="complete", score=0.0, outcomes=outcomes)
        >>> history = History(Space(Knobs), [default], cases=["Hello!"])
        >>> [proposal] = ReflectionProposer(Polite()).propose(history, seed=0)
        >>> proposal.hyperparameters, proposal.note, proposal.gate
        ({'prompt': 'Answer. Please.'}, 'It was rude.', (0,))
    """

    def __init__(
        self,
        model: Any = "local",
        *,
        cases: int = CASES,
        gate: int | None = GATE,
        perfect: float | None = None,
        most: int = LONGEST,
        name: str = "reflection",
    ) -> None:
        self.name = name
        self._cases, self._gate, self._perfect, self._most = cases, gate, perfect, most
        self._functions = llm_strategy(model)(TextFunctions)()

    def propose(self, history: History[Any], *, seed: int) -> Sequence[Proposal]:
        """Propose one text; nothing where no trial is over, all is perfect, or the model only writes what was tried.

        Raises:
            DataError: The model's text is empty, too long, or has lost a placeholder.
            LLMBrainError: The model gave no usable reply.
        """
        random, pool = Random(seed), TextPool(history)
        front = ParetoFront.of(history.trials)
        refusal: DataError | None = None
        failed = [] if front else [trial.number for trial in history.trials if trial.status == "failed" and trial.fidelity >= 1.0]
        for attempt in range(ATTEMPTS if (front or failed) and history.space.texts else 0):
            parent = pool[front.draw(random) if front else random.choice(failed)]
            texts = pool.texts_of(parent)
            scores = _by_case(parent).values()
            if not texts or not scores or (self._perfect is not None and min(scores) >= self._perfect):
                continue
            shown = _shown_cases(parent, history, self._cases, random)
            turn = len(pool.ancestors(parent.number)) + len(pool.children(parent.number, self.name)) + attempt
            name = list(texts)[turn % len(texts)]
            most = max(len(texts[name]), min(self._most, longest(history.space, name, self._most)))
            better = self._functions.improve_text(_review(history, parent, name, shown, most))
            text = better.text.strip()
            try:
                check_text(history.space, name, text, most)
            except DataError as error:
                refusal = error
                continue
            if {**texts, name: text} not in pool:
                gate = tuple(shown) if self._gate is None else gate_cases(parent, history, self._gate, random, shown)
                return [Proposal({**parent.point, name: text}, note=better.reason, parents=(parent.number,), gate=gate)]
        if refusal is not None:
            raise refusal
        return []


def gate_cases(
    parent: Trial[Any], history: History[Any], count: int, random: Random, shown: Sequence[int] = ()
) -> tuple[int, ...]:
    """Draw cases that the parent could do better on, such as were not shown first.

    Example:
        >>> from pydantic import BaseModel
        >>> from llm_brain.optimize.space import Space
        >>> class Knobs(BaseModel):
        ...     prompt: str = ""
        >>> parent = Trial(0, "", None, outcomes=[Outcome(case, 0, case % 2) for case in range(6)])
        >>> gate_cases(parent, History(Space(Knobs), [parent], cases="abcdef"), 2, Random(0), shown=[2])
        (0, 4)
    """
    failed = _could_be_better(parent, history)
    random.shuffle(failed)
    return tuple(sorted(sorted(failed, key=lambda case: case in shown)[:count]))


def _shown_cases(parent: Trial[Any], history: History[Any], count: int, random: Random) -> list[int]:
    """Draw cases to look at: two thirds of them such that the parent could do better on, the others any."""
    failed = _could_be_better(parent, history)
    chosen = random.sample(failed, min(len(failed), -(-2 * count // 3)))
    others = [case for case in _by_case(parent) if case not in chosen and case < len(history.cases)]
    return chosen + random.sample(others, min(len(others), count - len(chosen)))


def _could_be_better(parent: Trial[Any], history: History[Any]) -> list[int]:
    """List the cases without the highest score of the study, which counts as the highest that there is; or else all."""
    known = {case: score for case, score in _by_case(parent).items() if case < len(history.cases)}
    scores = [score for trial in history.trials for score in trial.scores.values()]
    highest = max(scores, default=0.0)
    return [case for case, score in known.items() if score < highest] or list(known)


def _by_case(trial: Trial[Any]) -> dict[int, float]:
    """Give the mean on each case that a trial ran on; where a run failed and counts as nothing, less than any score."""
    return {outcome.case: -math.inf for outcome in trial.outcomes} | trial.by_case()


def _review(history: History[Any], parent: Trial[Any], name: str, cases: Sequence[int], most: int) -> TextReview[Any]:
    # The worst of a case's runs says most about what to change.
    runs = {case: min(outcomes, key=_worth) for case, outcomes in _outcomes(parent, cases).items()}
    kind: type[TextReview[Any]] = _review_type(most)
    return kind(
        name=name,
        text=parent.point[name],
        runs=[_run(history.cases[case], runs[case]) for case in cases],
        must_keep=list(placeholders(default_text(history.space, name))),
    )


@functools.cache  # pydantic makes a class anew for every annotation
def _review_type(longest_text: int) -> Any:
    text: Any = Annotated[str, Field(max_length=longest_text)]
    return TextReview[text]


def _outcomes(trial: Trial[Any], cases: Sequence[int]) -> dict[int, list[Outcome]]:
    return {case: [outcome for outcome in trial.outcomes if outcome.case == case] for case in cases}


def _worth(outcome: Outcome) -> tuple[bool, float]:
    return outcome.score is not None, outcome.score or 0.0


def _run(given: Any, outcome: Outcome) -> TextRun:
    made = outcome.result if outcome.exception is None else outcome.exception
    return TextRun(given=_told(given), made=_told(made), score=outcome.score, feedback=_told(outcome.feedback))


def _told(value: Any) -> str:
    """Tell a value in words that fit into a question: the beginning and the end of a long one."""
    text = value if isinstance(value, str) else _written(value)
    half = SHOWN // 2
    return text if len(text) <= SHOWN else f"{text[:half]} ... {text[-half:]}"


def _written(value: Any) -> str:
    if hasattr(value, "model_dump_json"):
        return str(value.model_dump_json())
    return json.dumps(value, ensure_ascii=False, default=str)
