"""Any LangChain model, of chats or of texts, answers through our contract, and whatever it raises is one typed error."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import LLM, FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, Generation, GenerationChunk, LLMResult

from llm_brain.backends import LangChainBackend, Message, Reply, Request, Usage, resolve_model
from llm_brain.backends.langchain.backend import chat_markup
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


def test_a_text_model_is_wrapped_when_it_is_given_as_the_model() -> None:
    model = resolve_model(Texts())
    assert isinstance(model, LangChainBackend)
    assert model.chat_completion(HELLO).text == "World"


def collect(model: LangChainBackend, request: Request) -> list[str | Reply]:
    async def main() -> list[str | Reply]:
        async with aclosing(model.astream(request)) as pieces:
            return [piece async for piece in pieces]

    return asyncio.run(main())


class Native(FakeListChatModel):
    """Answers blocking, awaited and streamed calls each in its own way, and counts them."""

    responses: list[str] = ["unused"]  # noqa: RUF012 - a pydantic field
    ways: list[str] = []  # noqa: RUF012

    def _call(self, *_: Any, **__: Any) -> str:
        self.ways.append("call")
        return "blocking"

    async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
        self.ways.append("acall")
        return ChatResult(generations=[ChatGeneration(message=AIMessage("awaited"))])

    def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        self.ways.append("stream")
        for word in ("blo", "cking"):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        told = {"finish_reason": "stop", "model_name": "served"}
        usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
        yield ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=told, usage_metadata=usage))

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        self.ways.append("astream")
        for word in ("awa", "ited"):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))


def test_calls_are_awaited_and_streamed_natively() -> None:
    model = Native(ways=[])
    backend = LangChainBackend(model, "fake")
    assert backend.chat_completion(ASKED).text == "blocking"
    assert asyncio.run(backend.achat_completion(ASKED)).text == "awaited"
    assert list(backend.stream(ASKED)) == ["blo", "cking", Reply("blocking", "stop", "served", Usage(7, 2))]
    assert collect(backend, ASKED) == ["awa", "ited", Reply("awaited", "unknown", "fake")]
    assert model.ways == ["call", "acall", "stream", "astream"]


def test_a_model_that_does_not_stream_comes_as_one_piece() -> None:
    class Whole(Listening):
        def _should_stream(self, **_: Any) -> bool:
            return False

    backend = LangChainBackend(Whole(responses=["fine"]), "fake")
    assert list(backend.stream(ASKED)) == collect(backend, ASKED) == ["fine", Reply("fine", "unknown", "fake")]


@pytest.mark.parametrize("broken", [True, False])
def test_a_stream_that_breaks_off_is_a_typed_error_with_what_had_come(*, broken: bool) -> None:
    class Breaking(Native):
        def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
            if broken:
                yield ChatGenerationChunk(message=AIMessageChunk(content=f"half {KEY}"))
            raise RuntimeError(f"no access with {KEY}")

        async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
            for chunk in self._stream():
                yield chunk

    keep_secret(KEY)
    backend = LangChainBackend(Breaking(ways=[]), "fake")
    ways: list[Callable[[], object]] = [lambda: list(backend.stream(ASKED)), lambda: collect(backend, ASKED)]
    for ask in ways:
        with pytest.raises(BackendError, match="RuntimeError: no access") as caught:
            ask()
        assert (caught.value.kind, caught.value.raw) == (("incomplete", "half [redacted]") if broken else ("server", None))
        assert caught.value.__context__ is None
        assert KEY not in "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))


def test_an_awaited_failure_is_one_typed_error_as_well() -> None:
    with pytest.raises(BackendError, match="RuntimeError") as caught:
        asyncio.run(LangChainBackend(Failing(responses=[""])).achat_completion(ASKED))
    assert caught.value.kind == "server"
    assert caught.value.__context__ is None


def test_a_stream_that_is_left_is_closed() -> None:
    closed: list[str] = []

    class Closing(Native):
        def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
            try:
                while True:
                    yield ChatGenerationChunk(message=AIMessageChunk(content="so "))
            finally:
                closed.append("stream")

    with closing(LangChainBackend(Closing(ways=[])).stream(ASKED)) as pieces:
        assert next(pieces) == "so "
    assert closed == ["stream"]


HELLO = Request((Message("user", "Hello"),))
CHAT_MARKUP = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


class Texts(LLM):
    """A text model that knows some texts; remembers with which stop words it was asked, and may ignore them."""

    known: dict[str, str] = {CHAT_MARKUP: "World", "Once upon a": " time"}  # noqa: RUF012 - a pydantic field
    stops: list[Any] = []  # noqa: RUF012

    @property
    def _llm_type(self) -> str:
        return "texts"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"known": self.known}

    def _call(self, prompt: str, stop: list[str] | None = None, *_: Any, **__: Any) -> str:
        self.stops.append(stop)
        return self.known[prompt]


class StreamingTexts(Texts):
    """Gives its text letter by letter."""

    def _stream(self, prompt: str, stop: list[str] | None = None, *_: Any, **__: Any) -> Iterator[GenerationChunk]:
        for letter in self._call(prompt, stop):
            yield GenerationChunk(text=letter)


def test_a_text_model_reads_a_chat_as_markup_and_stops_at_the_end_of_its_turn() -> None:
    model = Texts(stops=[])
    backend = LangChainBackend(model, "texts")
    assert backend.chat_completion(HELLO) == Reply("World", "unknown", "texts")
    assert asyncio.run(backend.achat_completion(HELLO)).text == "World"
    assert list(backend.stream(HELLO)) == collect(backend, HELLO) == ["World", Reply("World", "unknown", "texts")]
    assert model.stops == [["<|im_end|>"]] * 4


def test_every_turn_stands_between_markers() -> None:
    assert chat_markup(ASKED.messages) == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello?<|im_end|>\n"
        "<|im_start|>assistant\nHi.<|im_end|>\n<|im_start|>user\nWell?<|im_end|>\n<|im_start|>assistant\n"
    )


@given(
    st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.text(max_size=5) | st.just("<|im_end|>")))
)
def test_no_message_can_end_its_own_turn(messages: list[Message]) -> None:
    markup = chat_markup(messages)
    assert markup.count("<|im_start|>") == len(messages) + 1
    assert markup.count("<|im_end|>") == len(messages)


@pytest.mark.parametrize("kind", [Texts, StreamingTexts])
def test_a_text_model_that_goes_on_after_its_turn_is_cut(kind: type[Texts]) -> None:
    said = "World<|im_end|>\n<|im_start|>user\nAnd now"
    backend = LangChainBackend(kind(known={CHAT_MARKUP: said}, stops=[]), "texts")
    assert backend.chat_completion(HELLO) == Reply("World", "stop", "texts")
    for stream in (list(backend.stream(HELLO)), collect(backend, HELLO)):
        assert stream[-1] == Reply("World", "stop", "texts")
        assert "".join(piece for piece in stream if isinstance(piece, str)) == "World"


def test_a_text_that_only_begins_like_the_end_of_a_turn_is_kept() -> None:
    backend = LangChainBackend(StreamingTexts(known={CHAT_MARKUP: "World <|im_"}, stops=[]), "texts")
    *pieces, reply = backend.stream(HELLO)
    assert "".join(map(str, pieces)) == "World <|im_"
    assert reply == Reply("World <|im_", "unknown", "texts")


def test_a_text_is_continued_as_it_stands() -> None:
    model = Texts(stops=[])
    asked = Request((Message("user", "Once upon a"),), form="completion")
    assert LangChainBackend(model, "texts").chat_completion(asked).text == " time"
    assert model.stops == [None]


def test_usage_and_finish_reason_of_a_text_model_are_told() -> None:
    class Telling(Texts):
        def _generate(self, prompts: list[str], *_: Any, **__: Any) -> LLMResult:
            generation = Generation(text=self.known[prompts[0]], generation_info={"finish_reason": "length"})
            told = {"model_name": "served", "token_usage": {"prompt_tokens": 7, "completion_tokens": 2}}
            return LLMResult(generations=[[generation]], llm_output=told)

    assert LangChainBackend(Telling()).chat_completion(HELLO) == Reply("World", "length", "served", Usage(7, 2))


@pytest.mark.parametrize("kind", [Texts, StreamingTexts])
def test_a_text_model_that_says_nothing_or_fails_is_a_typed_error(kind: type[Texts]) -> None:
    silent = LangChainBackend(kind(known={CHAT_MARKUP: "<|im_end|>"}, stops=[]))
    failing = LangChainBackend(kind(known={}, stops=[]))
    for backend, fault in ((silent, "empty"), (failing, "server")):
        for ask in (backend.chat_completion, lambda asked, backend=backend: list(backend.stream(asked))):
            with pytest.raises(BackendError) as caught:
                ask(HELLO)
            assert caught.value.kind == fault


def test_a_text_model_that_is_named_is_known_by_its_name() -> None:
    class Named(Texts):
        model_name: str = "davinci"

    assert LangChainBackend(Named()).model_id == "davinci"
    assert LangChainBackend(Texts(known={})).identity != LangChainBackend(Texts(known={"a": "b"})).identity
