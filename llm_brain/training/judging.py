"""Who evaluates a brain's answers while it learns, and how it is validated."""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_brain.brain.heads.answers import Choice
from llm_brain.errors import CheckpointError, DefinitionError, LLMBrainError
from llm_brain.strategy.words import json_text
from llm_brain.training.brain_learner import BrainLearner
from llm_brain.training.calls import call_arguments
from llm_brain.training.data import Pair
from llm_brain.training.loop.results import Validation
from llm_brain.training.many import answered
from llm_brain.training.remembering import Remembered
from llm_brain.training.subject import Subject


class Judging:
    """The teacher of a subject, as a training asks it: by prompts and by what the brain answers.

    Args:
        subject: What is taught.
        learner: The brain.
        learned: The pairs whose texts are prompts.
        validated: The pairs that it is validated with.
        is_judged: Whether a teacher scores the validation; where none does, the answers of the pairs are the measure.
        folder: Where scores of the validation are remembered: each answer to an input is scored once.

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
        >>> pairs = [Pair("It works.", True)]
        >>> Judging(subject, learner, [], pairs, is_judged=False, folder=Path("lesson")).validate().score in (0.0, 1.0)
        True
    """

    def __init__(
        self,
        subject: Subject,
        learner: BrainLearner,
        learned: Sequence[Pair],
        validated: Sequence[Pair],
        *,
        is_judged: bool,
        folder: Path,
    ) -> None:
        self._subject, self._learner, self._validated = subject, learner, validated
        self._spec = subject.function.spec
        self._learned = learned
        self.is_judged = is_judged
        self._order = subject.teaching.rank
        self.rank = None if self._order is None else self._rank
        self._teacher = subject.teaching.describe() if is_judged else None
        asked = hashlib.sha256(json.dumps(self._teacher).encode()).hexdigest()
        self._remembered = Remembered(folder / f"scores-{asked[:12]}.jsonl")

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
        """Let the brain answer the pairs that were set aside, and score that.

        Raises:
            BackendError: All scores failed.
            LLMBrainError: One did by what concerns all calls.
        """
        answers = [pair.answer for pair in self._validated]
        with self._learner.brain.record() as recording:
            given = self._learner.answers([pair.text for pair in self._validated])
        agreement = sum(map(operator.eq, given, answers)) / len(answers)
        metrics = {"modulators": recording.levels(), "agreement": agreement}
        tie = 0.0
        if not isinstance(self._subject.kind.answer, Choice):
            # Hardly ever is a number or a text the very same: how likely they are tells one brain from another.
            tie = self._learner.likelihood(self._validated)
            metrics["loss"] = -tie
        if not self.is_judged:
            return Validation(agreement, metrics, tie)
        scores = self._scores(given)
        return Validation(sum(scores) / len(scores), metrics | {"failed": len(given) - len(scores)}, tie)

    def describe(self) -> dict[str, Any]:
        """Say in JSON who evaluates, and what validates: a training goes on only where both are the same."""
        validated = [[pair.text, json_text(pair.answer)] for pair in self._validated]
        return {"validated": validated, "teacher": self._teacher}

    def _scores(self, given: Sequence[Any]) -> list[float]:
        """Have answers scored, those that were not scored before; what failed is left out."""

        def one(pair: Pair, answer: Any) -> float:
            def ask() -> float:
                return self._subject.teaching.score(self._called(pair), answer)

            return self._remembered.score(pair.text, json_text(answer), ask)

        told = answered(one, [{"pair": pair, "answer": answer} for pair, answer in zip(self._validated, given, strict=True)])
        failed = [error for error in told if isinstance(error, LLMBrainError)]
        for error in failed:
            if len(failed) == len(told) or isinstance(error, CheckpointError):
                raise error
        return [score for score in told if not isinstance(score, LLMBrainError)]

    def _rank(self, prompt: int, answers: Sequence[Any]) -> list[int]:
        if self._order is None:
            message = "the teacher has no `rank_outputs`"
            raise DefinitionError(message)
        return self._order(self._called(self._learned[prompt]), answers)

    def _called(self, pair: Pair) -> Mapping[str, Any]:
        return call_arguments(self._spec, pair.text) if pair.arguments is None else pair.arguments
