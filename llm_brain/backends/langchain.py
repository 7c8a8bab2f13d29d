"""Any chat model of LangChain's as a backend: messages go in, text comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_brain.backends.contract import LanguageBackend, Reply, Request, Usage
from llm_brain.backends.estimate import estimate_tokens
from llm_brain.errors import BackendError
from llm_brain.tracing.redaction import redact

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage


class LangChainBackend(LanguageBackend):
    """A LangChain chat model behind our contract.

    Temperature, limits, retries and keys are the chat model's own: providers' classes name them differently, so a request's
    `sampling` and `schema` are not handed on.

    Args:
        chat_model: Any `langchain_core.language_models.BaseChatModel`.
        model_id: The name in traces and caches; by default the one that the chat model was made with.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from llm_brain.backends import Message, Request
        >>> model = LangChainBackend(FakeListChatModel(responses=["Paris"]), model_id="fake")
        >>> model.chat_completion(Request((Message("user", "The capital of France?"),))).text
        'Paris'
    """

    def __init__(self, chat_model: BaseChatModel, model_id: str | None = None) -> None:
        self.chat_model = chat_model
        self.model_id = model_id or _name(chat_model)

    @property
    def identity(self) -> str:
        """The chat model's class and its settings as LangChain identifies them, keys excepted."""
        kind = type(self.chat_model)
        return f"{kind.__module__}.{kind.__qualname__} {redact(str(sorted(self._settings().items())))}"

    def count_tokens(self, text: str) -> int:
        """Estimate, on the high side: LangChain's own default would download a tokenizer."""
        return estimate_tokens(text)

    def chat_completion(self, request: Request) -> Reply:
        """Invoke the chat model.

        Raises:
            BackendError: Of kind "server" when the chat model raises, "empty" when it says nothing.
        """
        answer = self._answer(request)
        # Raised out here: an exception of the provider's client would stay attached otherwise, and it may quote a key.
        if isinstance(answer, BackendError):
            raise answer
        return answer

    def _answer(self, request: Request) -> Reply | BackendError:
        if request.form != "chat":
            message = f"{self.model_id!r} takes the turns of a chat, not a text to be continued"
            return BackendError(message, kind="bad_request")
        try:
            message_of_model = self.chat_model.invoke(_turns(request))
            return self._read(message_of_model)
        except BackendError as error:
            return error
        except Exception as error:  # noqa: BLE001 - each provider's class raises exceptions of its own
            told = redact(f"{self.model_id!r} failed: {type(error).__name__}: {error}")
            return BackendError(told[:1000], kind="server")

    def _read(self, message: AIMessage) -> Reply:
        text = str(message.text)
        if not text:
            told = f"{self.model_id!r} answered with an empty reply"
            raise BackendError(told, kind="empty", retryable=True)
        told_about = message.response_metadata
        finish = told_about.get("finish_reason") or told_about.get("stop_reason") or told_about.get("done_reason")
        served = told_about.get("model_name") or told_about.get("model")
        used = message.usage_metadata
        return Reply(
            text,
            finish if isinstance(finish, str) else "unknown",
            served if isinstance(served, str) else self.model_id,
            Usage(used["input_tokens"], used["output_tokens"]) if used else None,
        )

    def _settings(self) -> dict[str, Any]:
        try:
            return dict(self.chat_model._identifying_params)  # noqa: SLF001 - what LangChain's own cache is keyed by
        except Exception:  # noqa: BLE001 - a provider's property
            return {}


def _turns(request: Request) -> list[BaseMessage]:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    return [kinds[message.role](content=message.content) for message in request.messages]


def _name(chat_model: BaseChatModel) -> str:
    named = (getattr(chat_model, field, None) for field in ("model_name", "model", "model_id"))
    return next((name for name in named if isinstance(name, str) and name), type(chat_model).__name__)
