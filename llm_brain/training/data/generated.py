"""Pairs that the teacher writes, and that are judged before anything is learned from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from llm_brain.errors import ArgumentError, LLMBrainError
from llm_brain.strategy.implementation import Details
from llm_brain.training.data.pairs import Pair, PairSet
from llm_brain.training.data.sources import Draft, Drafts, Tell
from llm_brain.training.data.varied import combinations
from llm_brain.training.many import in_threads

if TYPE_CHECKING:
    from llm_brain.training.subject import Subject

GOOD_ENOUGH: Final = 0.5
"""The least evaluation with which a written answer is taken."""


class Generated:
    """Pairs that the teacher's `generate_training_pair` writes.

    Every written pair is judged before it is used. Where the answers form a closed set, the function's own model answers the
    written input, and the pair is kept where the two agree, with the model's probabilities. Elsewhere it is kept where the
    teacher's evaluation of it is `GOOD_ENOUGH`.

    Args:
        number: How many are asked for; fewer come.
        seed: Draws the order of the combinations.
        varied: What the teacher's method takes, and values of it: every combination before any repeats.

    Raises:
        ArgumentError: The number is below 1, or a text stands where several values should.

    Example:
        >>> from llm_brain.strategy import Details, llm_strategy
        >>> from llm_brain.training.subject import Subject
        >>> class Words:
        ...     name = "words"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         happy = 0.9 if "love" in arguments["message"] else 0.1
        ...         return Details(happy > 0.5, self.name, probabilities={True: happy, False: 1 - happy})
        >>> @llm_strategy(Words())
        ... def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> class Teacher:
        ...     def generate_training_pair(self, product):
        ...         return f"I love my {product}.", True
        >>> subject = Subject.of(mood, Teacher())
        >>> pairs = PairSet(subject.kind)
        >>> Generated(2, product=["kettle", "sofa"]).gather(subject, pairs, lambda stage, total: lambda: None)
        >>> sorted(pair.text for pair in pairs.pairs), pairs.pairs[0].probabilities[0]
        (['I love my kettle.', 'I love my sofa.'], 0.9)
    """

    def __init__(self, number: int, *, seed: int = 0, **varied: Sequence[str]) -> None:
        if number < 1:
            message = f"ask for 1 pair or more, got {number}"
            raise ArgumentError(message)
        for name, values in varied.items():
            if isinstance(values, str):
                message = f"`{name}` is one text: give a list of what the pairs are varied by"
                raise ArgumentError(message)
        self.number = number
        self.seed = seed
        self.varied: Mapping[str, Sequence[str]] = varied

    def gather(self, subject: Subject, into: PairSet, tell: Tell) -> None:
        """Have the pairs written and judged, and add those that are kept."""
        inputs = combinations(self.varied, self.number, seed=self.seed)
        written = subject.teaching.write_all(inputs, tell("the teacher writes pairs", len(inputs)))
        drafts = Drafts(subject, into)
        for told in written:
            if isinstance(told, LLMBrainError):
                into.refuse("reply did not fit", because=told)
                continue
            try:
                drafts.add(*told)
            except ArgumentError as error:
                into.refuse("malformed", because=error)
        judge = _by_agreement if into.options else _by_evaluation
        judge(subject, drafts, into, tell)


def _by_agreement(subject: Subject, drafts: Drafts, into: PairSet, tell: Tell) -> None:
    for draft, details in zip(drafts.kept, drafts.answered(_STAGE, tell), strict=True):
        if not isinstance(details, Details):
            into.refuse("not judged", because=details)
        elif (type(details.value), details.value) != (type(draft.answer), draft.answer):
            into.refuse("judge disagrees")
        else:
            into.add(Pair(draft.text, draft.answer, subject.probabilities(details), _SOURCE, draft.arguments))


def _by_evaluation(subject: Subject, drafts: Drafts, into: PairSet, tell: Tell) -> None:
    def evaluate(draft: Draft) -> Any:
        return subject.teaching.evaluate(draft.arguments, draft.answer)

    scores = in_threads(evaluate, [{"draft": draft} for draft in drafts.kept], tell(_STAGE, len(drafts.kept)))
    for draft, score in zip(drafts.kept, scores, strict=True):
        if isinstance(score, LLMBrainError):
            into.refuse("not judged", because=score)
        elif score < GOOD_ENOUGH:
            into.refuse("judge disagrees")
        else:
            into.add(Pair(draft.text, draft.answer, (), _SOURCE, draft.arguments))


_SOURCE: Final = "generated"
_STAGE: Final = "the written pairs are judged"
