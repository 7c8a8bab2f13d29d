"""Our models as LangChain's: what is given to code that wants a `BaseChatModel` or a `BaseLLM`.

LangChain's messages -> `Request` -> the backend, traced -> `Reply` -> LangChain's results. This module imports LangChain, so it
is itself imported only where one of its names is asked for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.llms import LLM
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult, GenerationChunk
from typing_extensions import override

from llm_brain.backends.asking import Asking, Awaiting, Blocking, iterate_now, run_now
from llm_brain.backends.contract import LanguageBackend, Message, Reply, Request, Sampling
from llm_brain.backends.hosted.pieces import Stopping
from llm_brain.backends.langchain.messages import chat_chunk, chat_result, sampling_of, text_chunk, turn_of
from llm_brain.backends.layers.traced import traced
from llm_brain.backends.registry import resolve_model


def as_chat_model(model: str | LanguageBackend, sampling: Sampling | None = None) -> BaseChatModel:
    """Make a LangChain chat model of one of our models.

    Of what LangChain hands on with a call, `stop`, `temperature`, `top_p`, `max_tokens` and `seed` are understood, and anything
    else is refused.

    Args:
        model: A model's name, or a backend.
        sampling: How replies are drawn, unless a call says otherwise.

    Raises:
        ModelNameError: It names no model.

    Example:
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("World", "stop", self.model_id)
        >>> as_chat_model(Model()).invoke("Hello").content
        'World'
    """
    return BackendChatModel(backend=traced(resolve_model(model)), sampling=sampling or Sampling())


def as_llm(model: str | LanguageBackend, sampling: Sampling | None = None) -> LLM:
    """Make a LangChain text model of one of our models: the text is the user's turn of a chat.

    Args:
        model: A model's name, or a backend.
        sampling: How replies are drawn, unless a call says otherwise.

    Raises:
        ModelNameError: It names no model.

    Example:
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("World", "stop", self.model_id)
        >>> as_llm(Model()).invoke("Hello")
        'World'
    """
    return BackendLLM(backend=traced(resolve_model(model)), sampling=sampling or Sampling())


class BackendChatModel(BaseChatModel):
    """One of our backends, as LangChain's chat models are used.

    Attributes:
        backend: What is asked.
        sampling: How replies are drawn, unless a call says otherwise.

    Example:
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("World", "stop", self.model_id)
        >>> [chunk.content for chunk in BackendChatModel(backend=Model()).stream("Hello")][0]
        'World'
    """

    backend: LanguageBackend
    sampling: Sampling = Sampling()

    @property
    def model_name(self) -> str:
        """The backend's name."""
        return self.backend.model_id

    @property
    @override
    def _llm_type(self) -> str:
        return "llm_brain"

    @property
    @override
    def _identifying_params(self) -> Mapping[str, Any]:
        return _identity(self.backend, self.sampling)

    @override
    def get_num_tokens(self, text: str) -> int:
        return self.backend.count_tokens(text)

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return chat_result(run_now(_ask(Blocking(self.backend), self._request(messages, kwargs), stop)))

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return chat_result(await _ask(Awaiting(self.backend), self._request(messages, kwargs), stop))

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for piece in _pieces(self.backend, self._request(messages, kwargs), stop):
            chunk = chat_chunk(piece)
            if run_manager is not None and isinstance(piece, str):
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(_stopped(Awaiting(self.backend), self._request(messages, kwargs), stop)) as pieces:
            async for piece in pieces:
                chunk = chat_chunk(piece)
                if run_manager is not None and isinstance(piece, str):
                    await run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk

    def _request(self, messages: Sequence[BaseMessage], options: Mapping[str, Any]) -> Request:
        return Request(tuple(map(turn_of, messages)), sampling_of(self.sampling, options))


class BackendLLM(LLM):
    """One of our backends, as LangChain's text models are used.

    Attributes:
        backend: What is asked.
        sampling: How replies are drawn, unless a call says otherwise.

    Example:
        >>> class Model(LanguageBackend):
        ...     model_id = "model"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply("World", "stop", self.model_id)
        >>> "".join(BackendLLM(backend=Model()).stream("Hello"))
        'World'
    """

    backend: LanguageBackend
    sampling: Sampling = Sampling()

    @property
    def model_name(self) -> str:
        """The backend's name."""
        return self.backend.model_id

    @property
    @override
    def _llm_type(self) -> str:
        return "llm_brain"

    @property
    @override
    def _identifying_params(self) -> Mapping[str, Any]:
        return _identity(self.backend, self.sampling)

    @override
    def get_num_tokens(self, text: str) -> int:
        return self.backend.count_tokens(text)

    @override
    def _call(
        self, prompt: str, stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> str:
        return run_now(_ask(Blocking(self.backend), self._request(prompt, kwargs), stop)).text

    @override
    async def _acall(
        self, prompt: str, stop: list[str] | None = None, run_manager: AsyncCallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> str:
        return (await _ask(Awaiting(self.backend), self._request(prompt, kwargs), stop)).text

    @override
    def _stream(
        self, prompt: str, stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        for piece in _pieces(self.backend, self._request(prompt, kwargs), stop):
            chunk = text_chunk(piece)
            if run_manager is not None and isinstance(piece, str):
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk

    @override
    async def _astream(
        self, prompt: str, stop: list[str] | None = None, run_manager: AsyncCallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> AsyncIterator[GenerationChunk]:
        async with aclosing(_stopped(Awaiting(self.backend), self._request(prompt, kwargs), stop)) as pieces:
            async for piece in pieces:
                chunk = text_chunk(piece)
                if run_manager is not None and isinstance(piece, str):
                    await run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk

    def _request(self, prompt: str, options: Mapping[str, Any]) -> Request:
        return Request((Message("user", prompt),), sampling_of(self.sampling, options))


async def _ask(asking: Asking, request: Request, stop: Sequence[str] | None) -> Reply:
    reply = await asking.chat(request)
    stopping = Stopping(stop or [])
    text = stopping.feed(reply.text) + stopping.rest()
    return replace(reply, text=text, finish_reason="stop") if stopping.stopped else reply


async def _stopped(asking: Asking, request: Request, stop: Sequence[str] | None) -> AsyncGenerator[str | Reply, None]:
    """Stream a reply up to the first stop word, where the model is left; at the end comes what there is of a reply."""
    stopping = Stopping(stop or [])
    async with aclosing(asking.stream(request)) as pieces:
        async for piece in pieces:
            text = stopping.feed(piece) if isinstance(piece, str) else stopping.rest()
            if text:
                yield text
            if stopping.stopped:
                yield Reply("", "stop", asking.backend.model_id)
                return
            if isinstance(piece, Reply):
                yield piece


def _pieces(backend: LanguageBackend, request: Request, stop: Sequence[str] | None) -> Generator[str | Reply, None, None]:
    return iterate_now(_stopped(Blocking(backend), request, stop))


def _identity(backend: LanguageBackend, sampling: Sampling) -> dict[str, Any]:
    return {"model_name": backend.model_id, "identity": backend.identity, **asdict(sampling)}
