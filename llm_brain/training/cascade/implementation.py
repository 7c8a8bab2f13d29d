"""A brain that answers where it is sure, and a model that is asked where it is not: an implementation like any other."""

from __future__ import annotations

import json
import operator
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from llm_brain._atomic import write_atomically
from llm_brain.backends.portal import in_thread
from llm_brain.errors import ArgumentError, CheckpointError, LLMBrainError
from llm_brain.strategy.answering import BoundCall
from llm_brain.strategy.implementation import Details, Implementation
from llm_brain.strategy.selection import NamedModel, as_implementation
from llm_brain.tracing.names import CASCADE_KIND, CONFIDENCE, IMPLEMENTATION, KIND, REASON
from llm_brain.tracing.spans import Span, span
from llm_brain.training.cascade.confident import Confident, UntaughtError
from llm_brain.training.cascade.growth import AnswersFile
from llm_brain.training.cascade.trust import CascadeStats, Reason, Trust, Verdict

if TYPE_CHECKING:
    from llm_brain.backends.contract import LanguageBackend
    from llm_brain.strategy.signature import FunctionSpec

Agrees = Callable[[Any, Any], bool]
FILE = "cascade.json"
FORMAT = 1
# What a saved cascade's brain said to these tells it from another brain, to which its threshold would not apply.
PROBES = ("It works.", "It broke on the first day, and nobody answers the phone.")
CLOSENESS = 1e-2


class Cascade:
    """An implementation: a brain, a model, and how far the brain is trusted. Build it with `cascade`.

    What the brain was not taught, another function or one of an object with a state where it knows none, the model answers, and
    `stats` leaves it out. The value of the one that it was
    taught comes at once where it is streamed.

    Args:
        brain: Answers where it is sure.
        model: Answers elsewhere. Where it fails, so does the call.
        trust: Decides where that is.
        agrees: Whether two answers are as good as the same.
        answers: A file to which each answer of the model is added.

    Attributes:
        trust: Its `threshold` is the confidence from which on the brain answers; its `level`, the evidence that inputs have
            changed.

    Example:
        >>> import tempfile
        >>> from llm_brain.training.cascade.confident import Answered
        >>> class Sure:
        ...     name, function = "sure", "Triage.mood"
        ...     def text(self, spec, arguments, state):
        ...         return arguments["message"]
        ...     def answer(self, text):
        ...         return Answered(Details("happy", self.name), 0.9, torch.ones(1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Cascade(Sure(), "local", Trust(0.9)).save(Path(folder))
        ...     loaded = Cascade.load(Path(folder), Sure(), "local")
        >>> loaded.name, loaded.trust.agreement, loaded.stats.asked
        ('cascade(sure, local)', 0.9, 0)
    """

    def __init__(
        self,
        brain: Confident,
        model: str | LanguageBackend | Implementation | Any,
        trust: Trust,
        *,
        agrees: Agrees = operator.eq,
        answers: Path | str | None = None,
    ) -> None:
        self.brain = brain
        self.model = as_implementation(model)
        self.trust = trust
        self.name = f"cascade({brain.name}, {self.model.name})"
        self._agrees = agrees
        self._answers = None if answers is None else AnswersFile(answers)

    @property
    def stats(self) -> CascadeStats:
        """Who answered how often, how often audits agreed, and how often inputs were found to have changed."""
        return self.trust.stats

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer one call.

        Raises:
            LLMBrainError: The brain is unsure, and the model gave no answer.
        """
        text = self._text(spec, arguments, state)
        if text is None:
            return self._bound(spec, arguments, state, sample).ask()
        with span("cascade") as here:
            opinion = self._opinion(spec, text)
            if not opinion.verdict.asks:
                return self._own(opinion, here)
            try:
                details = self._bound(spec, arguments, state, sample).ask()
            except LLMBrainError:
                if opinion.verdict.reason != "audit":
                    raise
                return self._own(opinion, here)
            return self._models(opinion, details, here)

    async def acall(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer one call, awaited; the brain thinks in a thread."""
        text = self._text(spec, arguments, state)
        if text is None:
            return await self._bound(spec, arguments, state, sample).ask_awaited()
        with span("cascade") as here:
            opinion = await in_thread(self._opinion, spec, text)
            if not opinion.verdict.asks:
                return self._own(opinion, here)
            try:
                details = await self._bound(spec, arguments, state, sample).ask_awaited()
            except LLMBrainError:
                if opinion.verdict.reason != "audit":
                    raise
                return self._own(opinion, here)
            return await in_thread(self._models, opinion, details, here)

    async def stream(
        self,
        spec: FunctionSpec,
        arguments: Mapping[str, Any],
        *,
        state: Mapping[str, Any] | None = None,
        sample: int = 0,
        awaited: bool,
    ) -> AsyncGenerator[Any, None]:
        """Answer one call, and give the value while it grows, where it is the model's to answer alone."""
        is_taught = self._text(spec, arguments, state) is not None
        grows: Callable[..., AsyncGenerator[Any, None]] | None = None if is_taught else getattr(self._model(), "stream", None)
        if grows is None:
            answer = self.acall(spec, arguments, state=state, sample=sample) if awaited else None
            value = (self.call(spec, arguments, state=state, sample=sample) if answer is None else await answer).value
            for item in [value] if spec.items is None else list(value):
                yield item
            return
        async with aclosing(grows(spec, arguments, state=state, sample=sample, awaited=awaited)) as pieces:
            async for piece in pieces:
                yield piece

    def save(self, folder: Path) -> None:
        """Write how far the brain is trusted, and by what inputs. Brain and model are not written.

        Raises:
            CheckpointError: The folder cannot be written.
        """
        saved = {"cascade": FORMAT, "trust": self.trust.state(), "brain": _said(self.brain)}
        try:
            write_atomically(folder / FILE, json.dumps(saved))
        except OSError as error:
            message = f"the cascade cannot be saved in {folder}: {error}"
            raise CheckpointError(message) from error

    @classmethod
    def load(
        cls,
        folder: Path,
        brain: Confident,
        model: str | LanguageBackend | Implementation | Any,
        *,
        agrees: Agrees = operator.eq,
        answers: Path | str | None = None,
    ) -> Cascade:
        """Read a cascade that was saved.

        Args:
            folder: Where it lies.
            brain: The very brain that it was saved with.
            model: The model that the brain is to agree with.
            agrees: As it was.
            answers: A file to which each answer of the model is added.

        Raises:
            CheckpointError: The folder holds no cascade, a damaged one, or one of another brain.
        """
        path = folder / FILE
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(saved, dict) or saved.get("cascade") != FORMAT:
                message = f"{path} is no cascade of the format {FORMAT}"
                raise CheckpointError(message)
            trust, said = Trust.restored(saved["trust"]), torch.tensor(saved["brain"], dtype=torch.float64)
        except OSError as error:
            message = f"there is no cascade in {folder}: {error}"
            raise CheckpointError(message) from error
        except (ArgumentError, KeyError, TypeError, ValueError, RecursionError) as error:
            message = f"the cascade in {folder} is damaged: {error}. Build it anew, with held-out answers"
            raise CheckpointError(message) from error
        now = torch.tensor(_said(brain), dtype=torch.float64)
        if said.shape != now.shape or not torch.allclose(said, now, rtol=CLOSENESS, atol=CLOSENESS, equal_nan=True):
            message = f"the cascade in {folder} was calibrated for another brain than {brain.name!r}: build it anew"
            raise CheckpointError(message)
        return cls(brain, model, trust, agrees=agrees, answers=answers)

    def _text(self, spec: FunctionSpec, arguments: Mapping[str, Any], state: Mapping[str, Any] | None) -> str | None:
        """Write a call as the brain reads it; None for one that it was not taught."""
        if spec.qualified_name != self.brain.function:
            return None
        try:
            return self.brain.text(spec, arguments, state)
        except UntaughtError:
            return None

    def _bound(self, spec: FunctionSpec, arguments: Mapping[str, Any], state: Mapping[str, Any] | None, sample: int) -> BoundCall:
        # Made where the model is asked, and no sooner: the brain answers without a key that only the model needs.
        return BoundCall(spec, arguments, state, sample, self._model())

    def _model(self) -> Implementation:
        # Not the scope's choice: within `use_model(this cascade)` it would ask itself.
        return self.model.resolve() if isinstance(self.model, NamedModel) else self.model

    def _opinion(self, spec: FunctionSpec, text: str) -> _Opinion:
        answered = self.brain.answer(text)
        return _Opinion(spec, text, answered.details, self.trust.judge(answered.confidence, answered.features))

    def _own(self, opinion: _Opinion, here: Span) -> Details[Any]:
        self.trust.count()
        return _told(opinion, opinion.details, here, "sure")  # so was the brain of which an audit failed

    def _models(self, opinion: _Opinion, details: Details[Any], here: Span) -> Details[Any]:
        if self._answers is not None:
            self._answers.append(opinion.spec, opinion.text, details)
        self.trust.learn(opinion.verdict, agrees=bool(self._agrees(opinion.details.value, details.value)))
        return _told(opinion, details, here, opinion.verdict.reason)


@dataclass(frozen=True, slots=True, eq=False)
class _Opinion:
    """What the brain says to a call, and whether it is believed."""

    spec: FunctionSpec
    text: str
    details: Details[Any]
    verdict: Verdict


def _told(opinion: _Opinion, details: Details[Any], here: Span, reason: Reason) -> Details[Any]:
    if here.recording:
        here.tell(
            {
                KIND: CASCADE_KIND,
                IMPLEMENTATION: details.implementation,
                CONFIDENCE: opinion.verdict.confidence,
                REASON: reason,
            }
        )
    return details


def _said(brain: Confident) -> list[list[float]]:
    answers = [brain.answer(text) for text in PROBES]
    return [[float(answer.confidence), *answer.features.tolist()] for answer in answers]
