"""A trained brain as the implementer of an interface: text in, one of the options out, with their probabilities."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import torch

from llm_brain.brain.checkpoint import load_brain, save_brain
from llm_brain.brain.model import Brain
from llm_brain.errors import CheckpointError, DefinitionError
from llm_brain.strategy.annotations.closed_sets import said
from llm_brain.strategy.implementation import Details
from llm_brain.strategy.words import json_text
from llm_brain.training.reading import TokenReader

if TYPE_CHECKING:
    from llm_brain.strategy.signature import FunctionSpec


class Student:
    """A brain that implements the typed function it was taught: one text in, one of a closed set out.

    Hand it in where a model's name would stand: `Interface.using(student)`.

    Args:
        brain: Trained.
        reader: How it reads text.
        function: The qualified name of the function it was taught ("MoodReader.mood").
        options: The values that it chooses from, in the order of its outputs.

    Raises:
        DefinitionError: The brain has not one output for each option.

    Example:
        >>> from tokenizers import Tokenizer
        >>> from tokenizers.models import WordLevel
        >>> from llm_brain.brain import BrainConfig
        >>> reader = TokenReader(Tokenizer(WordLevel({"?": 0, "good": 1}, unk_token="?")), torch.eye(2))
        >>> brain = Brain(BrainConfig(input_size=2, choices=2, width=8, heads=1, head_size=4), embedding=reader.table)
        >>> student = Student(brain, reader, "Reader.mood", ["happy", "unhappy"])
        >>> student.name
        'brain'
    """

    def __init__(self, brain: Brain, reader: TokenReader, function: str, options: Sequence[Any], *, name: str = "brain") -> None:
        if len(options) != brain.config.choices:
            message = f"the brain chooses between {brain.config.choices} answers, and {function} has {len(options)}"
            raise DefinitionError(message)
        self.name = name
        self.brain = brain.eval()
        self.reader = reader
        self.function = function
        self.options = tuple(options)
        self._texts = tuple(json_text(said(option)) for option in self.options)
        self._accepted: FunctionSpec | None = None

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details:
        """Answer one call.

        Raises:
            DefinitionError: It is another function than the one that was taught, it takes more than one text, or the object
                has a state, which the brain does not read.
        """
        del sample  # the brain's answer is its likeliest: every sample is the same
        if spec is not self._accepted:
            self._check(spec)
        if state:
            message = (
                f"{spec.qualified_name} was called on an object with a state ({', '.join(state)}), which a brain does not read"
            )
            raise DefinitionError(message)
        (text,) = arguments.values()
        with torch.inference_mode():
            logits = self.brain(torch.tensor([self.reader.tokens(text)])).logits
        probabilities = torch.softmax(logits[0], dim=-1).tolist()
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        options = spec.options or ()  # the function's own: after `load`, those of the brain may be plain values for an Enum's
        return Details(options[best], self.name, probabilities=dict(zip(options, probabilities, strict=True)))

    def save(self, folder: Path) -> None:
        """Write the brain and what it implements; the embedding table stays with the language model it came from.

        Raises:
            CheckpointError: The folder cannot be written.
        """
        save_brain(self.brain, folder, {"function": self.function, "options": [json.loads(text) for text in self._texts]})

    @classmethod
    def load(cls, folder: Path, reader: TokenReader) -> Student:
        """Read a student that was saved.

        Raises:
            CheckpointError: The folder holds no brain, a damaged one, one that implements nothing, or one that read by another
                embedding table.
        """
        brain, extra = load_brain(folder, embedding=reader.table)
        function, options = extra.get("function"), extra.get("options")
        if not isinstance(function, str) or not isinstance(options, list) or len(options) != brain.config.choices:
            message = f"the brain in {folder} implements no function: it was not saved by `Student.save`"
            raise CheckpointError(message)
        return cls(brain, reader, function, options)

    def _check(self, spec: FunctionSpec) -> None:
        message = f"this brain was taught {self.function} with the answers {', '.join(self._texts)}; it cannot implement "
        if spec.qualified_name != self.function:
            raise DefinitionError(message + spec.qualified_name)
        if spec.likelihood_of or spec.option_texts != self._texts:
            raise DefinitionError(message + f"it with the answers {', '.join(spec.option_texts) or 'of an open type'}")
        given = spec.parameters.values()
        types = [get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation for annotation in given]
        if types != [str]:
            raise DefinitionError(message + "it with other parameters than one text")
        self._accepted = spec
