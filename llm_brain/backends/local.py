"""A language model on this machine: a transformers folder behind the backend contract."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias, cast

from llm_brain.attempts import Usage
from llm_brain.backends.asking import Asking, Awaiting, Blocking, run_now
from llm_brain.backends.batching import Batcher
from llm_brain.backends.contract import Choice, LanguageBackend, Message, Reply, Request, Sampling
from llm_brain.backends.embedded import MANIFEST
from llm_brain.backends.portal import in_thread
from llm_brain.errors import BackendError, LLMBrainError

if TYPE_CHECKING:
    from llm_brain.backends.engine import Engine
    from llm_brain.backends.grammar import Grammar, GrammarCompiler

_Answer: TypeAlias = "Reply | list[float]"
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"  # what a tokenizer makes of a character whose last bytes are still to come


@dataclass(frozen=True, slots=True)
class _Question:
    """A prompt in tokens, and what is asked of it: the options to score, or the sampling and grammar to generate by."""

    prompt: list[int]
    options: tuple[list[int], ...] = ()
    sampling: Sampling | None = None
    grammar: Grammar | None = None
    pieces: SimpleQueue[str | None] | None = None  # where the text so far is put, for who wants to see it grow


class LocalBackend(LanguageBackend):
    """Any causal language model in a folder, run by transformers.

    Calls that come at the same time are gathered into batches. Options are scored by their true log-probabilities, and a
    reply with a schema is decoded under it. The model is loaded at the first call.

    Args:
        folder: Holds config.json, model.safetensors and tokenizer.json.
        model_id: The name in traces and caches; the folder's name by default.
        largest_batch: The most calls in one forward pass.

    Example:
        >>> from llm_brain.backends import LocalBackend, Message, Request
        >>> from llm_brain.backends.embedded import weights_folder
        >>> model = LocalBackend(weights_folder(), model_id="smollm2")
        >>> question = Request((Message("user", "The capital of France is"),), form="completion")
        >>> model.choose_from_options(question, [" Paris", " a potato"]).option
        ' Paris'
    """

    choice_form = "completion"
    enforces_schema = True

    def __init__(self, folder: str | Path, *, model_id: str | None = None, largest_batch: int = 32) -> None:
        self.folder = Path(folder)
        self.model_id = model_id or self.folder.name
        self._loading = threading.Lock()
        self._engine: Engine | None = None
        self._batcher: Batcher[_Question, _Answer] = Batcher(
            self._answer,
            kind=lambda question: question.sampling is None,
            size=lambda question: len(question.prompt),
            largest=largest_batch,
        )

    @property
    def engine(self) -> Engine:
        """The loaded model and its tokenizer.

        Raises:
            WeightsError: The folder does not hold a model that can be loaded.
        """
        with self._loading:
            if self._engine is None:
                from llm_brain.backends.engine import Engine

                self._engine = Engine(self.folder)
                self.context_length = self._engine.context_length
            return self._engine

    @cached_property
    def _grammars(self) -> GrammarCompiler:
        from llm_brain.backends.grammar import GrammarCompiler

        return GrammarCompiler(self.engine.tokenizer, self.engine.model.config.vocab_size)

    @property
    def identity(self) -> str:
        """The hashes of the folder's files where a manifest lists them, or else their sizes and times of change."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        try:
            listed = self.folder / MANIFEST
            if listed.is_file():
                return hashlib.sha256(listed.read_bytes()).hexdigest()
            files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(self.folder.iterdir())]
        except OSError:
            files = []  # the engine says what is wrong with the folder
        return hashlib.sha256(repr((str(self.folder), files)).encode()).hexdigest()

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """Count the tokens of a text, or of a chat, with the model's own tokenizer and format."""
        return len(self.engine.encode(text) if isinstance(text, str) else self._chat(text))

    def chat_completion(self, request: Request) -> Reply:
        """Generate a reply; under the request's schema, where it has one."""
        return cast("Reply", run_now(self._ask(self._to_generate(request), Blocking(self))))

    async def achat_completion(self, request: Request) -> Reply:
        """Generate a reply, awaited: no thread waits for it."""
        await self._loaded()
        return cast("Reply", await self._ask(self._to_generate(request), Awaiting(self)))

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Choose the likeliest option, and tell how likely each one is.

        The probabilities are the softmax of the options' summed log-probabilities as the prompt's continuation. In a chat each
        is ended by what ends a turn, so that an option that begins another one is not favoured; in a text that is
        continued, options are scored as they stand.
        """
        return run_now(self._choose(request, options, Blocking(self)))

    async def achoose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Choose the likeliest option, awaited: no thread waits for it."""
        await self._loaded()
        return await self._choose(request, options, Awaiting(self))

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        """Generate a reply, and give its text token by token."""
        pieces: SimpleQueue[str | None] = SimpleQueue()
        question = replace(self._to_generate(request), pieces=pieces)
        future = self._batcher.submit(question)
        future.add_done_callback(lambda _: pieces.put(None))
        said = 0
        while (text := pieces.get()) is not None:
            if len(text) > said:
                yield text[said:]
                said = len(text)
        reply = cast("Reply", run_now(self._ask(question, Blocking(self), future)))
        if reply.text[said:]:
            yield reply.text[said:]
        yield reply

    async def _choose(self, request: Request, options: Sequence[str], asking: Asking) -> Choice:
        if not options:
            message = f"{self.model_id!r} was given no options to choose from"
            raise BackendError(message, kind="bad_request")
        prompt = self._prompt(request)
        end = [] if request.form == "completion" else self.engine.end_of_turn()
        encoded = tuple([*self.engine.encode(option), *end] for option in options)
        self._check_length(len(prompt), max(map(len, encoded)))
        scores = cast("list[float]", await self._ask(_Question(prompt, options=encoded), asking))
        probabilities = _softmax(scores)
        best = max(range(len(options)), key=probabilities.__getitem__)
        usage = Usage(len(prompt), sum(len(option) for option in encoded))
        return Choice(options[best], probabilities, self.model_id, usage)

    def _to_generate(self, request: Request) -> _Question:
        prompt = self._prompt(request)
        self._check_length(len(prompt), request.sampling.max_tokens)
        # Compiled here and not in the batch, where a schema that cannot be enforced would fail the other callers too.
        grammar = None if request.schema is None else self._grammars.compile(request.schema)
        return _Question(prompt, sampling=_seeded(request), grammar=grammar)

    async def _loaded(self) -> None:
        """Load the model in a thread: it takes seconds, in which an event loop has other things to do."""
        if self._engine is None:
            await in_thread(getattr, self, "engine")

    def _prompt(self, request: Request) -> list[int]:
        if request.form == "completion":
            return self.engine.encode(request.messages[-1].content)
        return self._chat(request.messages)

    def _chat(self, messages: Sequence[Message]) -> list[int]:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self.engine.encode_chat(turns)
        except Exception as error:  # a chat template is a program of the model's publisher
            message = f"{self.model_id!r} cannot take this as a chat: {error}"
            raise BackendError(message, kind="bad_request") from error

    async def _ask(self, question: _Question, asking: Asking, asked: Future[_Answer] | None = None) -> _Answer:
        future = asked or self._batcher.submit(question)
        try:
            return await asking.wait(future)
        except LLMBrainError:
            raise
        except Exception as error:  # torch raises what it likes, when memory runs out, say
            message = f"{self.model_id!r} failed on this machine: {type(error).__name__}: {error}"
            raise BackendError(message, kind="server") from error
        finally:
            future.cancel()  # where nobody waits any more; what has ended stays as it is

    def _check_length(self, prompt: int, reply: int) -> None:
        if not prompt:
            message = f"the prompt for {self.model_id!r} is empty: there is nothing to answer or to continue"
            raise BackendError(message, kind="bad_request")
        limit = self.engine.context_length
        if prompt + reply > limit:
            message = (
                f"the prompt has {prompt} tokens and its reply may have {reply}, but {self.model_id!r} takes {limit} "
                "together: shorten the arguments or the examples"
            )
            raise BackendError(message, kind="bad_request")

    def _answer(self, questions: Sequence[_Question]) -> Sequence[_Answer]:
        prompts = [question.prompt for question in questions]
        if questions[0].sampling is None:
            return list(self.engine.score(prompts, [question.options for question in questions]))
        grammars = [question.grammar for question in questions]
        samplings = [question.sampling or Sampling() for question in questions]

        def decode(tokens: Sequence[int]) -> str:
            return str(self.engine.tokenizer.decode(list(tokens), skip_special_tokens=True))

        def watch(row: int, tokens: Sequence[int]) -> None:
            pieces = questions[row].pieces
            if pieces is not None and not (text := decode(tokens)).endswith(_UNFINISHED):
                pieces.put(text)

        return [
            Reply(
                decode(generated.tokens),
                "stop" if generated.ended else "length",
                self.model_id,
                Usage(len(prompt), len(generated.tokens)),
            )
            for prompt, generated in zip(prompts, self.engine.generate(prompts, samplings, grammars, watch), strict=True)
        ]


def _seeded(request: Request) -> Sampling:
    """Give each sample of a question its own seed, so that a sample can be drawn again."""
    seed = request.sampling.seed
    return request.sampling if seed is None else replace(request.sampling, seed=seed + request.sample)


def _softmax(scores: Sequence[float]) -> tuple[float, ...]:
    from math import exp

    top = max(scores)
    weights = [exp(score - top) for score in scores]
    return tuple(weight / sum(weights) for weight in weights)
