"""Any model of LangChain's as a backend, a chat model or a text model: messages go in, text comes out.

A text model reads a chat as ChatML, turns between `<|im_start|>ROLE` and `<|im_end|>`, which most open models were trained on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from llm_brain.attempts import Usage
from llm_brain.backends.asking import iterate_now, run_now
from llm_brain.backends.contract import LanguageBackend, Message, Reply, Request
from llm_brain.backends.estimate import estimate_tokens
from llm_brain.backends.hosted.pieces import Stopping
from llm_brain.backends.openai.stream import usage_of
from llm_brain.errors import BackendError
from llm_brain.tracing.redaction import redact

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.language_models.llms import BaseLLM
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.outputs import LLMResult

TURN_BEGIN: Final = "<|im_start|>"
TURN_END: Final = "<|im_end|>"


class LangChainBackend(LanguageBackend):
    """A LangChain model behind our contract.

    Temperature, limits, retries and keys are the model's own: providers' classes name them differently, so a request's
    `sampling` and `schema` are not handed on. Calls are awaited and streamed natively.

    Args:
        model: Any `langchain_core.language_models.BaseChatModel`, or any text model (`BaseLLM`), which is asked in ChatML.
        model_id: The name in traces and caches; by default the one that the model was made with.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> model = LangChainBackend(FakeListChatModel(responses=["Paris"]), model_id="fake")
        >>> model.chat_completion(Request((Message("user", "The capital of France?"),))).text
        'Paris'
    """

    def __init__(self, model: BaseChatModel | BaseLLM, model_id: str | None = None) -> None:
        from langchain_core.language_models.llms import BaseLLM

        self.model = model
        self.model_id = model_id or _name(model)
        self._way: _Way = _TextModel(model, self.model_id) if isinstance(model, BaseLLM) else _ChatModel(model, self.model_id)

    @property
    def identity(self) -> str:
        """The model's class and its settings as LangChain identifies them, keys excepted."""
        kind = type(self.model)
        return f"{kind.__module__}.{kind.__qualname__} {redact(str(sorted(self._settings().items())))}"

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """Estimate, on the high side: LangChain's own default would download a tokenizer."""
        return estimate_tokens(text)

    def chat_completion(self, request: Request) -> Reply:
        """Invoke the model.

        Raises:
            BackendError: Of kind "server" when the model raises, "empty" when it says nothing.
        """
        return run_now(self._ask(request, awaited=False))

    async def achat_completion(self, request: Request) -> Reply:
        """Invoke the model, awaited."""
        return await self._ask(request, awaited=True)

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        """Stream from the model.

        Raises:
            BackendError: Of kind "incomplete" when the model raises in the middle; `raw` holds what had come.
        """
        return iterate_now(self._stream(request, awaited=False))

    def astream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
        """Stream from the model, awaited."""
        return self._stream(request, awaited=True)

    async def _ask(self, request: Request, *, awaited: bool) -> Reply:
        answer: Reply | BackendError
        try:
            answer = await self._way.ask(request, awaited=awaited)
        except Exception as error:  # noqa: BLE001 - each provider's class raises exceptions of its own
            answer = self._fault(error)
        # Raised out here: an exception of the provider's client would stay attached otherwise, and it may quote a key.
        if isinstance(answer, BackendError):
            raise answer
        return answer

    async def _stream(self, request: Request, *, awaited: bool) -> AsyncGenerator[str | Reply, None]:
        fault: BackendError | None = None
        said: list[str] = []
        try:
            async with aclosing(self._way.stream(request, awaited=awaited)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, str):
                        said.append(piece)
                    yield piece
        except Exception as error:  # noqa: BLE001 - as above
            fault = self._fault(error, "".join(said))
        if fault is not None:
            raise fault

    def _fault(self, error: Exception, said: str = "") -> BackendError:
        if isinstance(error, BackendError):
            return error
        told = redact(f"{self.model_id!r} failed: {type(error).__name__}: {error}")[:1000]
        if said:
            return BackendError(told, kind="incomplete", retryable=True, raw=redact(said))
        return BackendError(told, kind="server")

    def _settings(self) -> dict[str, Any]:
        try:
            return dict(self.model._identifying_params)  # noqa: SLF001 - what LangChain's own cache is keyed by
        except Exception:  # noqa: BLE001 - a provider's property
            return {}


class _ChatModel:
    """The way to ask a chat model."""

    def __init__(self, model: BaseChatModel, model_id: str) -> None:
        self._model = model
        self._model_id = model_id

    async def ask(self, request: Request, *, awaited: bool) -> Reply:
        turns = self._turns(request)
        return self._read(await self._model.ainvoke(turns) if awaited else self._model.invoke(turns))

    async def stream(self, request: Request, *, awaited: bool) -> AsyncGenerator[str | Reply, None]:
        turns = self._turns(request)
        whole: AIMessage | None = None
        given = self._model.astream(turns) if awaited else _at_once(self._model.stream(turns))
        async with aclosing(cast("AsyncGenerator[AIMessage, None]", given)) as messages:
            async for message in messages:
                whole = message if whole is None else _joined(whole, message)
                if text := str(message.text):
                    yield text
        if whole is None:
            raise _empty(self._model_id)
        yield self._read(whole)

    def _turns(self, request: Request) -> list[BaseMessage]:
        from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

        if request.form != "chat":
            message = f"{self._model_id!r} takes the turns of a chat, not a text to be continued"
            raise BackendError(message, kind="bad_request")
        kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
        return [kinds[message.role](content=message.content) for message in request.messages]

    def _read(self, message: AIMessage) -> Reply:
        text = str(message.text)
        if not text:
            raise _empty(self._model_id)
        told = message.response_metadata
        used = message.usage_metadata
        return Reply(
            text,
            _first(told, "finish_reason", "stop_reason", "done_reason") or "unknown",
            _first(told, "model_name", "model") or self._model_id,
            Usage(used["input_tokens"], used["output_tokens"]) if used else None,
        )


class _TextModel:
    """The way to ask a text model."""

    def __init__(self, model: BaseLLM, model_id: str) -> None:
        self._model = model
        self._model_id = model_id

    async def ask(self, request: Request, *, awaited: bool) -> Reply:
        prompt, stop = _prompt(request)
        result = await self._model.agenerate([prompt], stop=stop) if awaited else self._model.generate([prompt], stop=stop)
        return self._read(result, stop)

    async def stream(self, request: Request, *, awaited: bool) -> AsyncGenerator[str | Reply, None]:
        prompt, stop = _prompt(request)
        said: list[str] = []
        stopping = Stopping(stop or [])
        given = self._model.astream(prompt, stop=stop) if awaited else _at_once(self._model.stream(prompt, stop=stop))
        async with aclosing(cast("AsyncGenerator[str, None]", given)) as chunks:
            async for chunk in chunks:
                if text := stopping.feed(chunk):
                    said.append(text)
                    yield text
                if stopping.stopped:
                    break
        if rest := stopping.rest():
            said.append(rest)
            yield rest
        if not said:
            raise _empty(self._model_id)
        yield Reply("".join(said), "stop" if stopping.stopped else "unknown", self._model_id)

    def _read(self, result: LLMResult, stop: list[str] | None) -> Reply:
        generation = result.generations[0][0]
        stopping = Stopping(stop or [])  # some models do not stop where they are told to
        text = stopping.feed(generation.text) + stopping.rest()
        if not text:
            raise _empty(self._model_id)
        told = {**(result.llm_output or {}), **(generation.generation_info or {})}
        return Reply(
            text,
            "stop" if stopping.stopped else _first(told, "finish_reason", "stop_reason", "done_reason") or "unknown",
            _first(told, "model_name", "model") or self._model_id,
            usage_of(told.get("token_usage")),
        )


_Way: TypeAlias = "_ChatModel | _TextModel"


def chat_markup(messages: Sequence[Message]) -> str:
    r"""Write a chat as ChatML, up to where the assistant's turn begins.

    A marker inside of a message is broken by a space, so that no message can end its own turn.

    Example:
        >>> chat_markup([Message("user", "Hello")])
        '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n'
    """
    turns = [f"{TURN_BEGIN}{message.role}\n{message.content.replace('<|im_', '<| im_')}{TURN_END}\n" for message in messages]
    return "".join([*turns, f"{TURN_BEGIN}assistant\n"])


def _prompt(request: Request) -> tuple[str, list[str] | None]:
    if request.form == "completion":
        return request.messages[-1].content, None
    return chat_markup(request.messages), [TURN_END]


async def _at_once(items: Any) -> AsyncGenerator[Any, None]:
    try:
        for item in items:
            yield item
    finally:
        items.close()


def _joined(one: Any, other: Any) -> AIMessage:
    joined: AIMessage = one + other
    return joined


def _empty(model_id: str) -> BackendError:
    return BackendError(f"{model_id!r} answered with an empty reply", kind="empty", retryable=True)


def _first(told: dict[str, Any], *named: str) -> str | None:
    return next((value for name in named if isinstance(value := told.get(name), str) and value), None)


def _name(model: BaseChatModel | BaseLLM) -> str:
    named = (getattr(model, field, None) for field in ("model_name", "model", "model_id"))
    return next((name for name in named if isinstance(name, str) and name), type(model).__name__)
