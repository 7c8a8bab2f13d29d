"""Who evaluates a brain's answers while it learns, and how it is validated."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from llm_brain.errors import DefinitionError
from llm_brain.training.brain_learner import BrainLearner
from llm_brain.training.calls import call_arguments
from llm_brain.training.data import Pair
from llm_brain.training.loop.results import Validation
from llm_brain.training.subject import Subject


class Judging:
    """The teacher of a subject, as a training asks it: by prompts and by what the brain answers.

    Args:
        subject: What is taught.
        learner: The brain.
        learned: The pairs whose texts are prompts.
        validated: The pairs that it is validated with.
        is_judged: Whether a teacher scores the validation; where none does, the answers of the pairs are the measure.

    Attributes:
        rank: Puts answers to a prompt in order, where the teacher does; else None.

    Example:
        >>> from llm_brain.brain import Brain, BrainConfig
        >>> from llm_brain.strategy import llm_strategy
        >>> from llm_brain.training import ByteReader
        >>> @llm_strategy("local")
        ... def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> subject, reader = Subject.of(mood), ByteReader()
        >>> config = BrainConfig(input_size=32, vocabulary=reader.vocabulary, answer=subject.kind.answer, width=8, heads=1)
        >>> learner = BrainLearner(Brain(config), reader, subject.kind, [])
        >>> Judging(subject, learner, [], [Pair("It works.", True)], is_judged=False).validate().score in (0.0, 1.0)
        True
    """

    def __init__(
        self, subject: Subject, learner: BrainLearner, learned: Sequence[Pair], validated: Sequence[Pair], *, is_judged: bool
    ) -> None:
        self._subject, self._learner, self._validated = subject, learner, validated
        self._spec = subject.function.spec
        self._learned = learned
        self.is_judged = is_judged
        self._order = subject.teaching.rank
        self.rank = None if self._order is None else self._rank

    def check(self) -> None:
        """Make sure that a teacher can be asked about every call, before it is asked about any.

        Raises:
            ArgumentError: The arguments of a call are not known, and its text does not tell them.
        """
        if self.is_judged:
            for pair in (*self._learned, *self._validated):
                self._called(pair)

    def evaluate(self, prompt: int, answer: Any) -> float:
        """Score an answer to a prompt."""
        return self._subject.teaching.evaluate(self._called(self._learned[prompt]), answer)

    def validate(self) -> Validation:
        """Let the brain answer the pairs that were set aside, and score that."""
        texts, answers = [pair.text for pair in self._validated], [pair.answer for pair in self._validated]
        with self._learner.brain.record() as recording:
            given = self._learner.answers(texts)
        agreement = sum(map(operator.eq, given, answers)) / len(answers)
        metrics = {"modulators": recording.levels(), "agreement": agreement}
        if not self.is_judged:
            return Validation(agreement, metrics)
        called = [self._called(pair) for pair in self._validated]
        return Validation(self._subject.teaching.score(list(zip(called, given, strict=True))), metrics)

    def _rank(self, prompt: int, answers: Sequence[Any]) -> list[int]:
        if self._order is None:
            message = "the teacher has no `rank_outputs`"
            raise DefinitionError(message)
        return self._order(self._called(self._learned[prompt]), answers)

    def _called(self, pair: Pair) -> Mapping[str, Any]:
        return call_arguments(self._spec, pair.text) if pair.arguments is None else pair.arguments
