"""Between a language model and a network: the first half of `LLMInterface`, which needs no judge.

a prompt               -> get_response             -> a text
a text                 -> response_to_model_input  -> a network's input
a network's output     -> model_output_to_prompt   -> a text
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from llm_brain.backends.configuration.settings import TrainingSection, ValidationSection
from llm_brain.backends.contract import LanguageBackend, Message, Reply, Request, Sampling
from llm_brain.backends.layers.traced import traced
from llm_brain.backends.registry import resolve_model
from llm_brain.errors import ArgumentError, BackendError, DefinitionError
from llm_brain.interface.teacher import standard_function, with_answers
from llm_brain.interface.words import settings_of_words, vectors_backend

if TYPE_CHECKING:
    from torch import Tensor

    from llm_brain.interface.judging import Evaluate
    from llm_brain.interface.outputs import Outputs
    from llm_brain.interface.vectors import Vectors

Provider: TypeAlias = Literal["local", "openai", "huggingface", "anthropic", "human"]
TEACHER_METHODS: Final = ("evaluate_output", "generate_training_pair")


class Translator:
    """A language model that answers prompts, and stands between texts and a network's tensors.

    `LLMInterface` says how it is made.

    Example:
        >>> from llm_brain.interface import LLMInterface
        >>> LLMInterface(provider="local", embedding_dim=64)
        LLMInterface('smollm2-135m-instruct', embedding_dim=64)
    """

    def __init__(
        self,
        *,
        provider: Provider | None = None,
        api_endpoint: str | None = None,
        model_name: str | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.7,
        embedding_dim: int | None = 768,
        api_key: str | None = None,
        backend: Any = None,
        embedding_backend: Any = None,
        outputs: Outputs | None = None,
        teacher: object | None = None,
        accept_cut_text: bool = False,
    ) -> None:
        words = {"provider": provider, "api_endpoint": api_endpoint, "model_name": model_name, "api_key": api_key}
        numbers = {"max_tokens": max_tokens, "temperature": temperature, "embedding_dim": embedding_dim}
        given = {name: word for name, word in words.items() if word or (name == "provider" and word is not None)}
        settings = settings_of_words(given, numbers, has_backend=backend is not None)
        if backend is None:
            backend = settings.backend()
            embedding_backend = embedding_backend or vectors_backend(settings)
        if teacher is not None and not any(hasattr(teacher, name) for name in TEACHER_METHODS):
            message = f"a teacher has a method `{'` or `'.join(TEACHER_METHODS)}`, or both, and {teacher!r:.100} has neither"
            raise DefinitionError(message)
        self.backend = traced(resolve_model(backend))
        self.sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
        self.embedding_dim = embedding_dim
        self.outputs = outputs
        self.validation = ValidationSection()
        self.training = TrainingSection()
        self._embedding_backend = embedding_backend
        self._teacher = teacher
        self._accepts_cut_text = accept_cut_text

    def __repr__(self) -> str:
        return f"LLMInterface({self.backend.model_id!r}, embedding_dim={self.embedding_dim})"

    @classmethod
    def from_config(
        cls, source: str | os.PathLike[str] | Mapping[str, Any], *, outputs: Outputs | None = None, teacher: object | None = None
    ) -> Self:
        """Make one of a file of the one-file form, see `llm_brain.backends.configuration.loading.load_settings`.

        Its `validation:` and `training:` are what methods take when they are not told.

        Args:
            source: The file's path, or its content.
            outputs: As for the constructor.
            teacher: As for the constructor.

        Raises:
            DataError: The file is not there or cannot be used; the message names the key and what was expected.
            MissingKeyError: The provider needs a key, and there is none.

        Example:
            >>> from llm_brain.interface import LLMInterface
            >>> interface = LLMInterface.from_config({"llm": {"provider": "local"}, "training": {"feedback_weight": 0.25}})
            >>> interface.embedding_dim, interface.training.feedback_weight
            (768, 0.25)
        """
        from llm_brain.backends.configuration.loading import load_settings

        settings = load_settings(source)
        made = cls(
            backend=settings.backend(),
            embedding_backend=vectors_backend(settings),
            max_tokens=settings.llm.max_tokens,
            temperature=settings.llm.temperature,
            embedding_dim=settings.llm.embedding_dim,
            outputs=outputs,
            teacher=teacher,
        )
        made.validation, made.training = settings.validation, settings.training
        return made

    def get_response(self, prompt: str, *, streaming: bool = False, callback: Callable[[str], object] | None = None) -> str:
        """Answer a prompt with text.

        Args:
            prompt: What is asked.
            streaming: Whether the text is given to `callback` piece by piece, too.
            callback: Takes each piece.

        Returns:
            The whole text.

        Raises:
            ArgumentError: There is a callback and no streaming, or the other way round.
            BackendError: There is no usable reply. A text that was cut off is one of kind "length", and is in its `raw`; a stream
                that broke off is one of kind "incomplete".

        Example:
            >>> from llm_brain.interface import LLMInterface
            >>> interface = LLMInterface(max_tokens=4, temperature=0, accept_cut_text=True)
            >>> pieces = []
            >>> text = interface.get_response("Name a colour.", streaming=True, callback=pieces.append)
            >>> text == "".join(pieces)
            True
        """
        if streaming != (callback is not None):
            message = "streaming needs a `callback`, which takes the pieces, and a callback needs `streaming=True`"
            raise ArgumentError(message)
        request = Request((Message("user", prompt),), self.sampling)
        reply = self.backend.chat_completion(request) if callback is None else _streamed(self.backend, request, callback)
        if reply.finish_reason == "length" and not self._accepts_cut_text:
            message = (
                f"the reply of {self.backend.model_id!r} was cut off by its length limit of {self.sampling.max_tokens} tokens: "
                "raise `max_tokens`, or make the LLMInterface with accept_cut_text=True, which takes what there is"
            )
            self.backend.forget(request)
            raise BackendError(message, kind="length", raw=reply.text, usage=reply.usage)
        return reply.text

    def get_embedding(self, text: str) -> Tensor:
        """Turn a text into a vector.

        Returns:
            [embedding_dim], float32.

        Raises:
            ArgumentError: It is no text.
            BackendError: The model gives no vectors.

        Example:
            >>> from llm_brain.interface import LLMInterface
            >>> LLMInterface(embedding_dim=64).get_embedding("a cup of tea").shape
            torch.Size([64])
        """
        return self.vectors([_one_text(text)])[0]

    def response_to_model_input(self, response: str) -> Tensor:
        """Turn a text into a network's input: its vector, as a batch of one.

        Where `embedding_dim` is not the model's own size, the vector is multiplied by a fixed random orthogonal matrix, which
        keeps distances. There is no way back from the vector to the text.

        Returns:
            [1, embedding_dim], float32.

        Raises:
            BackendError: The model gives no vectors.

        Example:
            >>> from llm_brain.interface import LLMInterface
            >>> LLMInterface(embedding_dim=64).response_to_model_input("a cup of tea").shape
            torch.Size([1, 64])
        """
        return self.vectors([_one_text(response)])

    def model_output_to_prompt(self, output: Tensor, *, outputs: Outputs | None = None) -> str:
        """Say in words what a network's output means: for a language model, or a person, to read.

        Args:
            output: Of one input, or of several, which are numbered.
            outputs: What outputs mean.

        Raises:
            ArgumentError: Nothing says what outputs mean, or this one has another shape.

        Example:
            >>> import torch
            >>> from llm_brain.interface import Labels, LLMInterface
            >>> interface = LLMInterface(outputs=Labels(["happy", "unhappy"]))
            >>> interface.model_output_to_prompt(torch.tensor([2.0, 0.4]))
            'happy (83.2%), unhappy (16.8%)'
            >>> LLMInterface().model_output_to_prompt(torch.tensor([2.0, 0.4]))
            Traceback (most recent call last):
            ...
            llm_brain.errors.ArgumentError: say what the network's outputs mean, here or to LLMInterface: outputs=...
        """
        meaning = self._meaning(outputs)
        if not hasattr(output, "detach"):
            message = f"a network's output is a tensor, and this is of type {type(output).__name__}: give torch.tensor(...)"
            raise ArgumentError(message)
        texts = meaning.read(output.detach(), self.vectors)
        return texts[0] if len(texts) == 1 else "\n".join(f"{number}. {text}" for number, text in enumerate(texts, start=1))

    @cached_property
    def vectors(self) -> Vectors:
        """How texts become vectors of `embedding_dim` numbers; `vectors.sequences` turns each into several, a word at a time."""
        from llm_brain.interface.vectors import Vectors

        chosen = self._embedding_backend is not None
        backend = traced(resolve_model(self._embedding_backend)) if chosen else self.backend
        return Vectors(backend, self.embedding_dim, chosen=chosen)

    def _meaning(self, outputs: Outputs | None) -> Outputs:
        """Return what outputs mean, as it was declared here or for all methods."""
        meaning = outputs or self.outputs
        if meaning is None:
            message = (
                "say what the network's outputs mean, here or to LLMInterface: outputs=Labels([...]) for the logits of classes, "
                "Tokens(tokenizer) for logits over tokens or their ids, NearestTexts([...]) for vectors, Described(function) for "
                "anything else"
            )
            raise ArgumentError(message)
        return meaning

    @cached_property
    def _evaluate(self) -> Evaluate:
        """Who judges: the teacher's own function, or the standard one, which is greedy."""
        own: Evaluate | None = getattr(self._teacher, "evaluate_output", None)
        return own or standard_function(self.backend, "evaluate_output", replace(self.sampling, temperature=0.0, seed=0))

    def _write(self, meaning: Outputs) -> Callable[[str], Any]:
        """Return who writes pairs: the teacher's own function, or the standard one, with answers of the right kind."""
        own: Callable[[str], Any] | None = getattr(self._teacher, "generate_training_pair", None)
        standard = standard_function(self.backend, "generate_training_pair", replace(self.sampling, seed=0))
        return with_answers(own or standard, meaning.type)


# A word that is misspelt is answered with the name that the caller knows.
Translator.__init__.__qualname__ = "LLMInterface.__init__"


def _one_text(text: str) -> str:
    if not isinstance(text, str):
        message = f"give one text, got one of type {type(text).__name__}: several become vectors by `vectors([...])`"
        raise ArgumentError(message)
    return text


def _streamed(backend: LanguageBackend, request: Request, callback: Callable[[str], object]) -> Reply:
    with closing(backend.stream(request)) as pieces:
        for piece in pieces:
            if isinstance(piece, Reply):
                return piece
            callback(piece)
    message = f"the stream of {backend.model_id!r} ended without its whole reply"
    raise BackendError(message, kind="incomplete")
