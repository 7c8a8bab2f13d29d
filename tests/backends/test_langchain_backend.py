"""Any LangChain chat model answers through our contract, and whatever it raises is one typed error."""

from __future__ import annotations

import sys
import traceback
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage

from llm_brain.backends import LangChainBackend, Message, Request, Usage, resolve_model
from llm_brain.errors import BackendError
from llm_brain.tracing import keep_secret

KEY = "Vb3-Kd0_pW9xLm4T"
ASKED = Request((Message("system", "Be kind."), Message("user", "Hello?"), Message("assistant", "Hi."), Message("user", "Well?")))


class Listening(FakeListChatModel):
    """Keeps the messages that it was asked with."""

    heard: list[Any] = []  # noqa: RUF012 - a pydantic field

    def _call(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> str:
        self.heard.extend((message.type, message.content) for message in messages)
        return super()._call(messages, *args, **kwargs)


class Failing(FakeListChatModel):
    """Raises, and quotes a key."""

    def _call(self, *_: Any, **__: Any) -> str:
        message = f"no access with {KEY}"
        raise RuntimeError(message)


def says(message: AIMessage) -> LangChainBackend:
    return LangChainBackend(GenericFakeChatModel(messages=iter([message])), model_id="fake")


def test_messages_go_in_and_text_comes_out() -> None:
    model = Listening(responses=["fine"])
    reply = LangChainBackend(model, "fake").chat_completion(ASKED)
    assert (reply.text, reply.model, reply.usage, reply.finish_reason) == ("fine", "fake", None, "unknown")
    assert model.heard == [("system", "Be kind."), ("human", "Hello?"), ("ai", "Hi."), ("human", "Well?")]


def test_usage_finish_reason_and_the_served_model_are_told() -> None:
    message = AIMessage(
        "fine",
        usage_metadata={"input_tokens": 7, "output_tokens": 2, "total_tokens": 9},
        response_metadata={"finish_reason": "stop", "model_name": "served"},
    )
    reply = says(message).chat_completion(ASKED)
    assert (reply.usage, reply.finish_reason, reply.model) == (Usage(7, 2), "stop", "served")


def test_the_text_is_put_together_from_its_parts() -> None:
    parts: list[Any] = [{"type": "text", "text": "fi"}, {"type": "image", "url": "x"}, {"type": "text", "text": "ne"}]
    assert says(AIMessage(parts)).chat_completion(ASKED).text == "fine"


def test_an_option_is_chosen_by_its_text() -> None:
    assert LangChainBackend(FakeListChatModel(responses=["No."])).choose_from_options(ASKED, ["yes", "no"]).option == "no"


def test_an_empty_reply_is_an_error() -> None:
    with pytest.raises(BackendError) as caught:
        says(AIMessage("")).chat_completion(ASKED)
    assert caught.value.kind == "empty"


def test_whatever_the_chat_model_raises_is_one_typed_error_without_its_key() -> None:
    keep_secret(KEY)
    with pytest.raises(BackendError, match="RuntimeError: no access") as caught:
        LangChainBackend(Failing(responses=[""])).chat_completion(ASKED)
    assert caught.value.kind == "server"
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_models_of_other_settings_have_other_identities() -> None:
    one, same, other = (LangChainBackend(FakeListChatModel(responses=[text])) for text in ("a", "a", "b"))
    assert one.identity == same.identity != other.identity


def test_a_chat_model_is_wrapped_when_it_is_given_as_the_model() -> None:
    model = resolve_model(FakeListChatModel(responses=["fine"]))
    assert isinstance(model, LangChainBackend)
    assert model.model_id == "FakeListChatModel"
    assert "langchain_core" in sys.modules
