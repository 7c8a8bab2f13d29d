"""A trained brain as the implementer of an interface: one text in, a value of the return type out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import torch

from llm_brain.brain.checkpoint import load_brain, save_brain
from llm_brain.brain.heads.answers import Answer, Record, Text
from llm_brain.brain.heads.choice import ChoiceDistribution
from llm_brain.brain.model import Brain
from llm_brain.brain.text.bytes import ByteCodec
from llm_brain.brain.text.codec import SymbolCodec
from llm_brain.errors import CheckpointError, DefinitionError
from llm_brain.strategy.annotations.names import type_name
from llm_brain.strategy.implementation import Details
from llm_brain.training.answers import AnswerType, answer_for
from llm_brain.training.reading import TokenReader

if TYPE_CHECKING:
    from llm_brain.strategy.signature import FunctionSpec


class Student:
    """A brain that implements the typed function it was taught: one text in, a value of the function's return type out.

    Hand it in where a model's name would stand: `Interface.using(student)`.

    Args:
        brain: Trained.
        reader: How it reads text.
        function: The qualified name of the function it was taught ("MoodReader.mood").
        returns: The type of its answers; see `answer_for`.
        codec: How it writes text, where it does; `ByteCodec` when omitted.

    Raises:
        DefinitionError: A brain cannot answer with that type, or this one answers with another.

    Example:
        >>> from tokenizers import Tokenizer
        >>> from tokenizers.models import WordLevel
        >>> from llm_brain.brain import BrainConfig, Choice
        >>> reader = TokenReader(Tokenizer(WordLevel({"?": 0, "good": 1}, unk_token="?")), torch.eye(2))
        >>> brain = Brain(BrainConfig(input_size=2, answer=Choice(options=2), width=8, heads=1), embedding=reader.table)
        >>> student = Student(brain, reader, "Reader.praises", bool)
        >>> student.name
        'brain'
    """

    def __init__(
        self,
        brain: Brain,
        reader: TokenReader,
        function: str,
        returns: Any,
        *,
        codec: SymbolCodec | None = None,
        name: str = "brain",
    ) -> None:
        self._kind_of = partial(answer_for, codec=codec or ByteCodec(), longest=_longest(brain.config.answer))
        kind = self._kind_of(returns)
        if kind.answer != brain.config.answer:
            message = f"the brain answers with {brain.config.answer!r}, and {function} with {kind.answer!r}"
            raise DefinitionError(message)
        self.name = name
        self.brain = brain.eval()
        self.reader = reader
        self.function = function
        self.meaning = kind.meaning()
        self._accepted: tuple[FunctionSpec, AnswerType] | None = None

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details:
        """Answer one call.

        Raises:
            DefinitionError: It is another function than the one that was taught, it takes more than one text, or the object
                has a state, which the brain does not read.
        """
        del sample  # the brain's answer is its best: every sample is the same
        kind = self._kind(spec)
        if state:
            message = (
                f"{spec.qualified_name} was called on an object with a state ({', '.join(state)}), which a brain does not read"
            )
            raise DefinitionError(message)
        (text,) = arguments.values()
        with torch.inference_mode():
            answer = self.brain(torch.tensor([self.reader.tokens(text)])).answer
            (value,) = kind.values(answer.best())
            if not isinstance(answer, ChoiceDistribution):
                return Details(value, self.name)
            options = kind.values(torch.arange(answer.logits.shape[1]))
            return Details(value, self.name, probabilities=dict(zip(options, answer.probabilities[0].tolist(), strict=True)))

    def save(self, folder: Path) -> None:
        """Write the brain and what it implements; the embedding table stays with the language model it came from.

        Raises:
            CheckpointError: The folder cannot be written.
        """
        save_brain(self.brain, folder, {"function": self.function, "meaning": self.meaning})

    @classmethod
    def load(cls, folder: Path, reader: TokenReader, returns: Any, *, codec: SymbolCodec | None = None) -> Student:
        """Read a student that was saved.

        Args:
            folder: Where it lies.
            reader: How it reads text: with the table that it was trained with.
            returns: The type of its answers.
            codec: How it writes text, where it does.

        Raises:
            CheckpointError: The folder holds no brain, a damaged one, one that implements nothing or gives other answers, or one
                that read by another embedding table.
        """
        brain, extra = load_brain(folder, embedding=reader.table)
        function, meaning = extra.get("function"), extra.get("meaning")
        if not isinstance(function, str) or meaning is None:
            message = f"the brain in {folder} implements no function: it was not saved by `Student.save`"
            raise CheckpointError(message)
        try:
            student = cls(brain, reader, function, returns, codec=codec)
            if student.meaning == meaning:
                return student
        except DefinitionError as error:
            message = f"the brain in {folder} does not fit {type_name(returns)}: {error}"
            raise CheckpointError(message) from error
        message = f"the brain in {folder} gives the answers {meaning}, and those of {type_name(returns)} are {student.meaning}"
        raise CheckpointError(message)

    def _kind(self, spec: FunctionSpec) -> AnswerType:
        """Check that it is the function that was taught, once, and return the type of its answers."""
        if self._accepted is None or self._accepted[0] is not spec:
            self._accepted = (spec, self._checked(spec))
        return self._accepted[1]

    def _checked(self, spec: FunctionSpec) -> AnswerType:
        message = f"this brain was taught {self.function} with the answers {self.meaning}; it cannot implement "
        if spec.qualified_name != self.function:
            raise DefinitionError(message + spec.qualified_name)
        given = spec.parameters.values()
        types = [get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation for annotation in given]
        if types != [str]:
            raise DefinitionError(message + "it with other parameters than one text")
        kind = None if spec.likelihood_of else self._kind_of(spec.returns)
        if kind is None or kind.answer != self.brain.config.answer or kind.meaning() != self.meaning:
            raise DefinitionError(message + f"it with the answers of {type_name(spec.returns)}")
        return kind


def _longest(answer: Answer) -> int:
    """Find how many symbols the texts of an answer have at most."""
    if isinstance(answer, Record):
        return max(map(_longest, answer.fields.values()))
    return answer.longest if isinstance(answer, Text) else 1
