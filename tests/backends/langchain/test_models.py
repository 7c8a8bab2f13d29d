"""Our models serve LangChain code as its own chat and text models do: called, awaited, streamed, stopped and in chains."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.language_models.llms import BaseLLM
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import CommaSeparatedListOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

import llm_brain.errors
from llm_brain.backends import LangChainBackend, LanguageBackend, Message, Reply, Request, Sampling, Usage, resolve_model
from llm_brain.backends.langchain.models import as_chat_model, as_llm
from llm_brain.errors import BackendError, ModelNameError
from llm_brain.tracing import read_spans, record


class Model(LanguageBackend):
    """Says its words one by one, and remembers the requests and how much of each stream was asked for."""

    model_id = "m-1"

    def __init__(self, *words: str, fault: BackendError | None = None) -> None:
        self.words = words or ("Wor", "ld")
        self.fault = fault
        self.requests: list[Request] = []
        self.given = 0

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(str(text).split())

    def chat_completion(self, request: Request) -> Reply:
        self.requests.append(request)
        if self.fault is not None:
            raise self.fault
        return Reply("".join(self.words), "stop", "served", Usage(12, 3))

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        for word in self.words:
            self.given += 1
            yield word
        yield self.chat_completion(request)


def awaited_pieces(model: Any, prompt: Any, **options: Any) -> list[Any]:
    async def main() -> list[Any]:
        return [piece async for piece in model.astream(prompt, **options)]

    return asyncio.run(main())


def test_a_chat_model_answers_with_its_words_its_usage_and_its_name() -> None:
    model = as_chat_model(Model())
    assert isinstance(model, BaseChatModel)
    for message in (model.invoke("Hello"), asyncio.run(model.ainvoke("Hello"))):
        assert (message.content, message.usage_metadata) == (
            "World",
            {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15},
        )
        assert message.response_metadata["finish_reason"] == "stop"
        assert message.response_metadata["model_name"] == "served"


def test_the_turns_of_a_chat_arrive_as_they_were() -> None:
    backend = Model()
    as_chat_model(backend).invoke(
        [
            SystemMessage("Be kind."),
            HumanMessage([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo?"}]),
            AIMessage("Hi."),
            ChatMessage("Well?", role="user"),
        ]
    )
    assert backend.requests[0].messages == (
        Message("system", "Be kind."),
        Message("user", "Hello?"),
        Message("assistant", "Hi."),
        Message("user", "Well?"),
    )


def test_a_chat_model_streams_piece_by_piece() -> None:
    model = as_chat_model(Model())
    for chunks in (list(model.stream("Hello")), awaited_pieces(model, "Hello")):
        assert [chunk.content for chunk in chunks if chunk.content] == ["Wor", "ld"]
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        assert whole.content == "World"
        assert (whole.usage_metadata or {}).get("total_tokens") == 15
        assert whole.response_metadata["finish_reason"] == "stop"


STOPPED = [(("one STOP two",), "one "), (("one ST", "OP two"), "one "), (("one ST",), "one ST"), (("STOP",), "")]


@pytest.mark.parametrize(("words", "said"), STOPPED)
def test_a_stop_word_ends_a_reply_before_it(words: tuple[str, ...], said: str) -> None:
    model = as_chat_model(Model(*words))
    assert model.bind(stop=["STOP"]).invoke("Hello").content == said
    assert model.invoke("Hello", stop=["never", "STOP"]).content == said
    assert asyncio.run(model.ainvoke("Hello", stop=["STOP"])).content == said
    for chunks in (list(model.stream("Hello", stop=["STOP"])), awaited_pieces(model.bind(stop=["STOP"]), "Hello")):
        assert "".join(chunk.content for chunk in chunks) == said


@pytest.mark.parametrize(("words", "said"), STOPPED)
def test_a_stop_word_ends_a_text_before_it(words: tuple[str, ...], said: str) -> None:
    model = as_llm(Model(*words))
    assert model.bind(stop=["STOP"]).invoke("Hello") == said
    assert asyncio.run(model.ainvoke("Hello", stop=["STOP"])) == said
    assert "".join(model.stream("Hello", stop=["STOP"])) == said
    assert "".join(awaited_pieces(model, "Hello", stop=["STOP"])) == said


def test_a_stopped_stream_asks_for_no_more() -> None:
    backend = Model("one ", "STOP", "two", "three")
    assert [chunk.content for chunk in as_chat_model(backend).stream("Hello", stop=["STOP"]) if chunk.content] == ["one "]
    assert backend.given == 2


def test_a_text_model_answers_hello_with_world() -> None:
    backend = Model()
    model = as_llm(backend)
    assert isinstance(model, BaseLLM)
    assert model.invoke("Hello") == asyncio.run(model.ainvoke("Hello")) == "World"
    assert [piece for piece in model.stream("Hello") if piece] == ["Wor", "ld"]
    assert [piece for piece in awaited_pieces(model, "Hello") if piece] == ["Wor", "ld"]
    assert {request.messages for request in backend.requests} == {(Message("user", "Hello"),)}


def test_both_work_in_a_chain() -> None:
    backend = Model("red, ", "green")
    chain = (
        ChatPromptTemplate([("system", "Be {how}."), ("user", "{what}?")])
        | as_chat_model(backend)
        | CommaSeparatedListOutputParser()
    )
    asked = {"how": "brief", "what": "Colours"}
    assert chain.invoke(asked) == asyncio.run(chain.ainvoke(asked)) == ["red", "green"]
    assert backend.requests[0].messages == (Message("system", "Be brief."), Message("user", "Colours?"))
    texts = PromptTemplate.from_template("{what}?") | as_llm(backend) | StrOutputParser()
    assert texts.invoke({"what": "Colours"}) == "red, green"
    assert "".join(texts.stream({"what": "Colours"})) == "red, green"
    assert chain.batch([asked] * 3) == [["red", "green"]] * 3


def test_sampling_is_the_models_own_unless_a_call_says_otherwise() -> None:
    backend = Model()
    model = as_chat_model(backend, Sampling(temperature=0.7, max_tokens=9))
    model.invoke("Hello")
    model.bind(temperature=0.1, seed=3).invoke("Hello")
    as_llm(backend, Sampling(max_tokens=5)).invoke("Hello", top_p=0.5)
    assert [request.sampling for request in backend.requests] == [
        Sampling(temperature=0.7, max_tokens=9),
        Sampling(temperature=0.1, max_tokens=9, seed=3),
        Sampling(top_p=0.5, max_tokens=5),
    ]


@pytest.mark.parametrize("make", [as_chat_model, as_llm])
def test_an_option_that_nobody_understands_is_refused(make: Any) -> None:
    backend = Model()
    with pytest.raises(BackendError, match=r"'logit_bias'.* stop, temperature") as caught:
        make(backend).invoke("Hello", logit_bias={})
    assert caught.value.kind == "bad_request"
    assert not backend.requests


PICTURE: Any = [{"type": "text", "text": "What is this?"}, {"type": "image", "url": "http://127.0.0.1/cat.png"}]
CALL: Any = [{"name": "look", "args": {}, "id": "1"}]


@pytest.mark.parametrize(
    "message",
    [HumanMessage(PICTURE), ToolMessage("12", tool_call_id="1"), AIMessage("", tool_calls=CALL), ChatMessage("x", role="owl")],
)
def test_what_is_no_text_is_refused_and_not_left_out(message: BaseMessage) -> None:
    backend = Model()
    with pytest.raises(BackendError, match=type(message).__name__) as caught:
        as_chat_model(backend).invoke([message])
    assert caught.value.kind == "bad_request"
    assert not backend.requests


@pytest.mark.parametrize("make", [as_chat_model, as_llm])
def test_a_fault_of_the_model_comes_through_as_it_is(make: Any) -> None:
    model = make(Model(fault=BackendError("busy", kind="server", retryable=True)))
    for ask in (
        lambda: model.invoke("Hello"),
        lambda: list(model.stream("Hello")),
        lambda: asyncio.run(model.ainvoke("Hello")),
        lambda: awaited_pieces(model, "Hello"),
    ):
        with pytest.raises(BackendError, match="busy") as caught:
            ask()
        assert caught.value.kind == "server"


@pytest.mark.parametrize("make", [as_chat_model, as_llm])
def test_each_call_is_a_span(make: Any, tmp_path: Path) -> None:
    model = make(Model())
    with record(tmp_path):
        model.invoke("Hello")
        list(model.stream("Hello"))
    assert [one.name for one in read_spans(tmp_path)] == ["chat m-1"] * 2


@pytest.mark.parametrize("make", [as_chat_model, as_llm])
def test_tokens_are_counted_by_the_model(make: Any) -> None:
    assert make(Model()).get_num_tokens("four words are here") == 4


@pytest.mark.parametrize("make", [as_chat_model, as_llm])
def test_callbacks_hear_each_piece(make: Any) -> None:
    class Listening(BaseCallbackHandler):
        def __init__(self) -> None:
            self.heard: list[Any] = []

        def on_llm_new_token(self, token: Any, **_: Any) -> None:
            self.heard.append(token)

    listening = Listening()
    list(make(Model()).stream("Hello", config={"callbacks": [listening]}))
    awaited_pieces(make(Model()), "Hello", config={"callbacks": [listening]})
    assert [token for token in listening.heard if token] == ["Wor", "ld"] * 2


def test_there_and_back_again_is_the_same_model() -> None:
    backend = Model()
    for model in (resolve_model(as_chat_model(backend)), resolve_model(as_llm(backend))):
        assert isinstance(model, LangChainBackend)
        assert model.chat_completion(Request((Message("user", "Hello"),))).text == "World"
        assert model.model_id == "m-1"
    back = as_chat_model(LangChainBackend(FakeListChatModel(responses=["fine"])))
    assert back.invoke("Hello").content == "fine"


def test_models_are_named_as_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert resolve_model(as_chat_model("openai:m-2")).model_id == "m-2"
    with pytest.raises(ModelNameError):
        as_llm("lokal")


def test_langchain_is_imported_only_where_it_is_asked_for() -> None:
    program = (
        "import sys, llm_brain.backends\n"
        "assert 'langchain_core' not in sys.modules\n"
        "import llm_brain.backends.langchain.backend\n"
        "assert 'langchain_core' not in sys.modules\n"
    )
    root = str(Path(llm_brain.errors.__file__).parents[1])
    assert subprocess.run([sys.executable, "-c", program], check=False, env={"PYTHONPATH": root}, timeout=60).returncode == 0
