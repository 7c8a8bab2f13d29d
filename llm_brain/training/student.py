"""A trained brain as the implementer of an interface: a call in, a value of the return type out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from llm_brain.brain.checkpoint import load_brain, save_brain
from llm_brain.brain.heads.answers import Answer, Record, Text
from llm_brain.brain.heads.choice import ChoiceDistribution
from llm_brain.brain.heads.distribution import Distribution
from llm_brain.brain.model import Brain
from llm_brain.brain.quick import QuickAnswer, QuickBrain
from llm_brain.brain.text.bytes import ByteCodec
from llm_brain.brain.text.codec import SymbolCodec, pad
from llm_brain.errors import CheckpointError, DefinitionError
from llm_brain.strategy.annotations.names import type_name
from llm_brain.strategy.implementation import Details
from llm_brain.training.answers import AnswerType, answer_for
from llm_brain.training.call_form import CallForm, parameters_read
from llm_brain.training.calls import call_text
from llm_brain.training.cascade.confident import Answered, UntaughtError
from llm_brain.training.reading import Reader

if TYPE_CHECKING:
    from llm_brain.brain.state import BrainOutput
    from llm_brain.strategy.signature import FunctionSpec


class Student:
    """A brain that implements the typed function it was taught.

    Hand it in where a model's name would stand: `Interface.using(student)`.

    Args:
        brain: Trained.
        reader: How it reads text.
        function: The qualified name of the function it was taught ("MoodReader.mood").
        returns: The type of its answers; see `answer_for`.
        codec: How it writes text, where it does; `ByteCodec` when omitted.
        form: What the calls were made of that it was taught, so that others are refused; None: nobody knows.

    Raises:
        DefinitionError: A brain cannot answer with that type, or this one answers with another.

    Example:
        >>> from tokenizers import Tokenizer
        >>> from tokenizers.models import WordLevel
        >>> from llm_brain.brain import BrainConfig, Choice
        >>> from llm_brain.training import TokenReader
        >>> reader = TokenReader(Tokenizer(WordLevel({"?": 0, "good": 1}, unk_token="?")), torch.eye(2))
        >>> brain = Brain(BrainConfig(input_size=2, answer=Choice(options=2), width=8, heads=1), embedding=reader.table)
        >>> student = Student(brain, reader, "Reader.praises", bool)
        >>> student.name, student.answer_all(["good"])[0] in (True, False)
        ('brain', True)
    """

    def __init__(
        self,
        brain: Brain,
        reader: Reader,
        function: str,
        returns: Any,
        *,
        codec: SymbolCodec | None = None,
        form: CallForm | None = None,
        name: str = "brain",
    ) -> None:
        self._kind_of = partial(answer_for, codec=codec or ByteCodec(), longest=_longest(brain.config.answer))
        kind = self._kind_of(returns)
        if kind.answer != brain.config.answer:
            message = f"the brain answers with {brain.config.answer!r}, and {function} with {kind.answer!r}"
            raise DefinitionError(message)
        self.name = name
        self.brain = brain.eval()
        self._quick = QuickBrain(brain)
        self.reader = reader
        self._device = next(brain.parameters()).device
        self.function = function
        self.form = form
        self.kind: AnswerType = kind
        self.meaning = kind.meaning()
        self._accepted: tuple[FunctionSpec, AnswerType] | None = None

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer one call.

        Raises:
            DefinitionError: It is another function than the one that was taught.
            UntaughtError: It was taught with a state of the object, and there is none, or the other way round.
        """
        del sample  # the brain's answer is its best: every sample is the same
        text = self.text(spec, arguments, state)
        with torch.inference_mode():
            return self._details(self._read(text).answer, self._kind(spec))

    def text(self, spec: FunctionSpec, arguments: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> str:
        """Write a call as the text that the brain reads.

        Raises:
            DefinitionError: It is a call of another function than the one that was taught.
            UntaughtError: It was taught with a state of the object, and there is none, or the other way round.
        """
        self._kind(spec)
        if self.form is not None and not self.form.fits_state(state):
            taught = f"with the state of an object ({', '.join(self.form.state)})" if self.form.state else "without a state"
            asked = f"with one ({', '.join(state)})" if state else "without one"
            message = (
                f"this brain was taught {self.function} {taught}, and is asked {asked}: teach the method of an object that is as "
                f"those in use, `{spec.name}` of one"
            )
            raise UntaughtError(message)
        return call_text(spec, arguments, state)

    def answer(self, text: str) -> Answered:
        """Answer a text, and tell how sure the brain is of it and what it made of the text.

        The confidence is the probability of an answer of a closed set. For any other it is the logarithm of its probability or
        density, since those of a long text are too small for a number, and those of a narrow number too large.

        Example:
            >>> from llm_brain.brain import BrainConfig
            >>> from llm_brain.training import ByteReader, answer_for
            >>> reader, kind = ByteReader(), answer_for(bool)
            >>> brain = Brain(BrainConfig(input_size=32, vocabulary=reader.vocabulary, answer=kind.answer, width=8, heads=1))
            >>> Student(brain, reader, "praises", bool).answer("good").confidence >= 0.5
            True
        """
        with torch.inference_mode():
            output = self._read(text)
            details = self._details(output.answer, self.kind)
            surest = output.answer.log_prob(output.answer.best())
            confidence = surest.exp() if isinstance(output.answer, ChoiceDistribution) else surest
            return Answered(details, float(confidence), output.features[0].mean(dim=0).cpu())

    def forget(self) -> None:
        """Forget what was computed from the brain's weights, after something wrote into `parameter.data` in place.

        Any other change of the weights is noticed.
        """
        self._quick.forget()

    def answer_all(self, texts: Sequence[str], *, batch_size: int = 256) -> list[Any]:
        """Answer many texts, in batches of similar length, which is the fastest way to have a thousand answers.

        Args:
            texts: Calls, as `text` writes them.
            batch_size: The most texts at once.
        """
        rows = [self.reader.tokens(text) for text in texts]
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        values: list[Any] = [None] * len(rows)
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                places = order[start : start + batch_size]
                tokens, lengths = pad([rows[place] for place in places])
                output: BrainOutput = self.brain(tokens.to(self._device), lengths=lengths.to(self._device))
                found = self.kind.values(output.answer.best())
                for place, value in zip(places, found, strict=True):
                    values[place] = value
        return values

    def save(self, folder: Path) -> None:
        """Write the brain and what it implements; an embedding table stays with the language model it came from.

        Raises:
            CheckpointError: The folder cannot be written.
        """
        told = {"function": self.function, "meaning": self.meaning, "reader": self.reader.describe()}
        if self.form is not None:
            told["form"] = self.form.described()
        save_brain(self.brain, folder, told)

    @classmethod
    def load(cls, folder: Path, reader: Reader, returns: Any, *, codec: SymbolCodec | None = None) -> Student:
        """Read a student that was saved.

        Args:
            folder: Where it lies.
            reader: How it reads text: the one that it was trained with.
            returns: The type of its answers.
            codec: How it writes text, where it does.

        Raises:
            CheckpointError: The folder holds no brain, a damaged one, one that implements nothing or gives other answers, or one
                that read in another way.
        """
        brain, extra = load_brain(folder, embedding=reader.table)
        function, meaning = extra.get("function"), extra.get("meaning")
        if not isinstance(function, str) or meaning is None:
            message = f"the brain in {folder} implements no function: it was not saved by `Student.save`"
            raise CheckpointError(message)
        if extra.get("reader") != reader.describe():
            message = f"the brain in {folder} read by {extra.get('reader')}, and the reader is {reader.describe()}"
            raise CheckpointError(message)
        try:
            form = CallForm.restored(extra["form"]) if "form" in extra else None
            student = cls(brain, reader, function, returns, codec=codec, form=form)
            if student.meaning == meaning:
                return student
        except DefinitionError as error:
            message = f"the brain in {folder} does not fit {type_name(returns)}: {error}"
            raise CheckpointError(message) from error
        message = f"the brain in {folder} gives the answers {meaning}, and those of {type_name(returns)} are {student.meaning}"
        raise CheckpointError(message)

    def _read(self, text: str) -> QuickAnswer:
        tokens = self.reader.tokens(text)
        if self._quick.is_ready(tokens):
            return self._quick.read(tokens)
        output: BrainOutput = self.brain(torch.tensor([tokens], device=self._device))
        return QuickAnswer(output.answer, output.features)

    def _details(self, answer: Distribution[Any], kind: AnswerType) -> Details[Any]:
        (value,) = kind.values(answer.best())
        if not isinstance(answer, ChoiceDistribution):
            return Details(value, self.name)
        options = kind.values(torch.arange(answer.logits.shape[1]))
        return Details(value, self.name, probabilities=dict(zip(options, answer.probabilities[0].tolist(), strict=True)))

    def _kind(self, spec: FunctionSpec) -> AnswerType:
        """Check that it is the function that was taught, once, and return the type of its answers."""
        if self._accepted is None or self._accepted[0] is not spec:
            self._accepted = (spec, self._checked(spec))
        return self._accepted[1]

    def _checked(self, spec: FunctionSpec) -> AnswerType:
        message = f"this brain was taught {self.function} with the answers {self.meaning}; it cannot implement "
        if spec.qualified_name != self.function:
            raise DefinitionError(message + spec.qualified_name)
        if self.form is not None and self.form.parameters != parameters_read(spec):
            message = f"this brain was taught {self.function}{self.form}; it cannot implement {spec.line}: teach it anew"
            raise DefinitionError(message)
        kind = None if spec.likelihood_of else self._kind_of(spec.returns)
        if kind is None or kind.answer != self.brain.config.answer or kind.meaning() != self.meaning:
            raise DefinitionError(message + f"it with the answers of {type_name(spec.returns)}")
        return kind


def _longest(answer: Answer) -> int:
    """Find how many symbols the texts of an answer have at most."""
    if isinstance(answer, Record):
        return max(map(_longest, answer.fields.values()))
    return answer.longest if isinstance(answer, Text) else 1
