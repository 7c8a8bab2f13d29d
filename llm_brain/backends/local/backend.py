"""A language model on this machine: a transformers folder, or a GGUF file, behind the backend contract."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property
from math import exp
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar, cast

from llm_brain.attempts import Usage
from llm_brain.backends.asking import Asking, Awaiting, Blocking, run_now
from llm_brain.backends.contract import Choice, Embeddings, LanguageBackend, Message, Reply, Request, Sampling
from llm_brain.backends.embedded import MANIFEST
from llm_brain.backends.local.batching import Batcher
from llm_brain.backends.local.files import check_files
from llm_brain.backends.local.jobs import Answer, Embedding, Job, Scoring, Worker, Writing
from llm_brain.backends.local.loading import check_batch, check_device, check_options, places
from llm_brain.backends.local.locks import ProcessLock
from llm_brain.backends.portal import in_thread
from llm_brain.backends.validity import check_choices, check_texts
from llm_brain.errors import BackendError, DefinitionError, LLMBrainError, missing_dependency

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llm_brain.backends.local.engine import Engine
    from llm_brain.backends.local.grammar import GrammarCompiler

Result = TypeVar("Result")


class LocalBackend(LanguageBackend):
    """Any causal language model in a folder, run by transformers.

    Calls that come at the same time are gathered into batches, and calls that come later join them. What prompts begin with
    is read once. Options are scored by their true log-probabilities, and a reply with a schema is decoded under it. The model
    is loaded at the first call.

    Args:
        folder: Holds config.json, model.safetensors and tokenizer.json; or a GGUF file.
        model_id: The name in traces and caches; the folder's name by default.
        context_length: The most tokens that a prompt and its reply may have together; what the model takes, or less.
        largest_batch: The most calls in one forward pass.
        device: Where to compute: "cpu", "cuda", or "auto" for a GPU where there is one.
        model_kwargs: Options of transformers' `from_pretrained` for the model: `dtype`, `attn_implementation` ("sdpa" or
            "eager") and some more.
        tokenizer_kwargs: The same for the tokenizer: `chat_template`, say.

    Raises:
        DefinitionError: An option is unknown or unsafe, or has a value that cannot be used.
        WeightsError: The folder is not there, or a file is missing in it.

    Example:
        >>> from llm_brain.backends import LocalBackend, Message, Request
        >>> from llm_brain.backends.embedded import weights_folder
        >>> model = LocalBackend(weights_folder(), model_id="smollm2")
        >>> question = Request((Message("user", "The capital of France is"),), form="completion")
        >>> model.choose_from_options(question, [" Paris", " a potato"]).option
        ' Paris'
        >>> model.embed(["Paris", "Rome"]).vectors.shape
        (2, 576)
    """

    choice_form = "completion"
    enforces_schema = True

    def __init__(
        self,
        folder: str | Path,
        *,
        model_id: str | None = None,
        context_length: int | None = None,
        largest_batch: int = 32,
        device: str = "auto",
        model_kwargs: Mapping[str, Any] | None = None,
        tokenizer_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        given: object = folder
        if not isinstance(given, str | Path) or not str(given):
            message = f"a model's folder, or its GGUF file, is a path, got {folder!r:.80}"
            raise DefinitionError(message)
        self.folder = Path(folder).expanduser()
        self.model_id = model_id or self.folder.name
        self.context_length = context_length
        self._device = device
        self._options = dict(model_kwargs or {}), dict(tokenizer_kwargs or {})
        check_options(*self._options)
        check_device(device)
        check_batch(largest_batch, context_length)
        check_files(self.folder, **places(*self._options))
        self._loading = ProcessLock()
        self._engine: Engine | None = None
        self._grammars: GrammarCompiler | None = None
        worker = Worker(lambda: self.engine, self.model_id, largest_batch)
        self._batcher: Batcher[Job, Answer] = Batcher(worker.work, kind=type)

    def __repr__(self) -> str:
        named = "" if self.model_id == self.folder.name else f", model_id={self.model_id!r}"
        return f"LocalBackend({str(self.folder)!r}{named})"

    @property
    def engine(self) -> Engine:
        """The loaded model and its tokenizer.

        Raises:
            WeightsError: The folder does not hold a model that can be loaded.
            DefinitionError: The device is not there.
            MissingDependencyError: transformers is not installed.
        """
        with self._loading:
            if self._engine is None:
                try:
                    from llm_brain.backends.local.engine import Engine
                except ModuleNotFoundError as error:
                    raise missing_dependency(error.name or "transformers", extra="local") from error

                model_kwargs, tokenizer_kwargs = self._options
                self._engine = Engine(
                    self.folder, device=self._device, model_kwargs=model_kwargs, tokenizer_kwargs=tokenizer_kwargs
                )
                own = self._engine.context_length
                self.context_length = min(own, self.context_length or own)
            return self._engine

    @property
    def identity(self) -> str:
        """The hashes of the folder's files where a manifest lists them, or else their sizes and times of change."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        options = "" if not any(self._options) else repr(self._options)
        try:
            listed = self.folder / MANIFEST
            if listed.is_file():
                return hashlib.sha256(listed.read_bytes() + options.encode()).hexdigest()
            found = [self.folder] if self.folder.is_file() else sorted(self.folder.iterdir())
            files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in found]
        except OSError:
            files = []  # the engine says what is wrong with the folder
        return hashlib.sha256((repr((str(self.folder), files)) + options).encode()).hexdigest()

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """Count the tokens of a text, or of a chat, with the model's own tokenizer and format."""
        return len(self.engine.encode(text) if isinstance(text, str) else self._chat(text))

    def cost(self, usage: Usage | None, model: str) -> float | None:  # noqa: ARG002 - the contract's parameters
        """Tell that nobody is paid."""
        return 0.0

    def chat_completion(self, request: Request) -> Reply:
        """Generate a reply; under the request's schema, where it has one."""
        return run_now(self._reply(self._to_write(request), Blocking(self)))

    async def achat_completion(self, request: Request) -> Reply:
        """Generate a reply, awaited: no thread waits for it."""
        return await self._reply(await in_thread(self._to_write, request), Awaiting(self))

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Choose the likeliest option, and tell how likely each one is.

        The probabilities are the softmax of the options' summed log-probabilities as the prompt's continuation. In a chat each
        is ended by what ends a turn, so that an option that begins another one is not favoured; in a text that is
        continued, options are scored as they stand.
        """
        return run_now(self._choose(self._to_score(request, options), options, Blocking(self)))

    async def achoose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Choose the likeliest option, awaited: no thread waits for it."""
        return await self._choose(await in_thread(self._to_score, request, options), options, Awaiting(self))

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Turn each text into the mean of the model's last hidden states over its tokens."""
        return run_now(self._vectors(self._to_embed(texts), Blocking(self)))

    async def aembed(self, texts: Sequence[str]) -> Embeddings:
        """Turn texts into vectors, awaited: no thread waits for them."""
        return await self._vectors(await in_thread(self._to_embed, texts), Awaiting(self))

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        """Generate a reply, and give its text token by token. A stream that is closed early ends the work on it."""
        pieces: SimpleQueue[str | None] = SimpleQueue()
        future = self._batcher.submit(replace(self._to_write(request), pieces=pieces))
        future.add_done_callback(lambda _: pieces.put(None))
        said = 0
        try:
            while (piece := pieces.get()) is not None:
                if piece:
                    said += len(piece)
                    yield piece
            reply = cast("Reply", run_now(self._answer(future, Blocking(self))))
            if reply.text[said:]:
                yield reply.text[said:]
            yield reply
        finally:
            future.cancel()

    async def _reply(self, job: Writing, asking: Asking) -> Reply:
        return cast("Reply", await self._answer(self._batcher.submit(job), asking))

    async def _choose(self, job: Scoring, options: Sequence[str], asking: Asking) -> Choice:
        probabilities = _softmax(cast("list[float]", await self._answer(self._batcher.submit(job), asking)))
        best = max(range(len(options)), key=probabilities.__getitem__)
        usage = Usage(len(job.prompt), sum(map(len, job.options)))
        return Choice(options[best], probabilities, self.model_id, usage)

    async def _vectors(self, jobs: Sequence[Embedding], asking: Asking) -> Embeddings:
        import numpy as np

        futures = [self._batcher.submit(job) for job in jobs]
        try:
            rows = [cast("NDArray[np.float32]", await self._answer(future, asking)) for future in futures]
        finally:
            for future in futures:
                future.cancel()
        vectors = np.stack(rows) if rows else np.zeros((0, self.engine.width), dtype=np.float32)
        return Embeddings(vectors, self.model_id, Usage(sum(len(job.text) for job in jobs), 0))

    async def _answer(self, future: Future[Answer], asking: Asking) -> Answer:
        try:
            return await asking.wait(future)
        except LLMBrainError:
            raise
        except Exception as error:  # torch raises what it likes, when memory runs out, say
            message = f"{self.model_id!r} failed on this machine: {type(error).__name__}: {error}"
            raise BackendError(message, kind="server") from error
        finally:
            future.cancel()  # where nobody waits any more, its work ends; what has ended stays as it is

    def _to_write(self, request: Request) -> Writing:
        prompt = self._prompt(request)
        self._check_length(len(prompt), request.sampling.max_tokens)
        # Compiled here and not in the batch, where a schema that cannot be enforced would fail the other callers too.
        grammar = None if request.schema is None else self._compiler().compile(request.schema)
        return Writing(prompt, _seeded(request), grammar)

    def _compiler(self) -> GrammarCompiler:
        engine = self.engine
        with self._loading:
            if self._grammars is None:
                from llm_brain.backends.local.grammar import GrammarCompiler

                self._grammars = GrammarCompiler(engine.tokenizer, engine.vocabulary)
            return self._grammars

    def _to_score(self, request: Request, options: Sequence[str]) -> Scoring:
        if not options:
            message = f"{self.model_id!r} was given no options to choose from"
            raise BackendError(message, kind="bad_request")
        check_choices(options)
        prompt = self._prompt(request)
        end = [] if request.form == "completion" else self.engine.end_of_turn()
        encoded = tuple([*self.engine.encode(option), *end] for option in options)
        self._check_length(len(prompt), max(map(len, encoded)))
        return Scoring(prompt, encoded)

    def _to_embed(self, texts: Sequence[str]) -> list[Embedding]:
        check_texts(texts, "texts")
        jobs = [Embedding(self.engine.encode(text)) for text in texts]
        for job in jobs:
            self._check_length(len(job.text), 0)
        return jobs

    def _prompt(self, request: Request) -> list[int]:
        if request.form == "completion":
            return self.engine.encode(request.messages[-1].content)
        return self._chat(request.messages)

    def _chat(self, messages: Sequence[Message]) -> list[int]:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        engine = self.engine
        try:
            return engine.encode_chat(turns)
        except Exception as error:  # a chat template is a program of the model's publisher
            whose = "by the chat_template of tokenizer_kwargs " if "chat_template" in self._options[1] else ""
            message = f"{self.model_id!r} cannot take this as a chat {whose}({type(error).__name__}): {error}"
            raise BackendError(message, kind="bad_request") from error

    def _check_length(self, prompt: int, reply: int) -> None:
        if not prompt:
            message = f"the text for {self.model_id!r} is empty: there is nothing to answer, to continue or to embed"
            raise BackendError(message, kind="bad_request")
        own = self.engine.context_length
        limit = min(own, self.context_length or own)
        if prompt + reply > limit:
            which = f"the prompt has {prompt} tokens and its reply may have {reply}" if reply else f"the text has {prompt} tokens"
            message = f"{which}, but {self.model_id!r} takes {limit} together: shorten the prompt"
            raise BackendError(message, kind="bad_request", code="context_length_exceeded")


def _seeded(request: Request) -> Sampling:
    """Give each sample of a question its own seed, so that a sample can be drawn again."""
    seed = request.sampling.seed
    return request.sampling if seed is None else replace(request.sampling, seed=seed + request.sample)


def _softmax(scores: Sequence[float]) -> tuple[float, ...]:
    top = max(scores)
    weights = [exp(score - top) for score in scores]
    return tuple(weight / sum(weights) for weight in weights)
