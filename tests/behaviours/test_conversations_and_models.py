"""What is expected of conversations, recorded models and LangChain's models: behaviours 37 to 41, and 4 for conversations.

Names differ: a chain of chat messages is a `Conversation`, which never changes, so that a branch of it is another question to
it; the tree of what was said is `transcript_tree`; a fake model is a recording, made by a `Recorder` and played by a
`RecordedBackend`; and what is not recorded, or is no reply yet, is an error of this package rather than an assertion.
"""

# mypy: disable-error-code="empty-body"
from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.language_models.llms import LLM, BaseLLM
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import Field

from llm_brain import llm_function, llm_strategy
from llm_brain.backends import LangChainBackend, Message, Reply, Request, as_chat_model, as_llm
from llm_brain.backends.cache.recorded import RecordedBackend, Recorder
from llm_brain.errors import BackendError, LLMBrainError, ReplyError
from llm_brain.strategy.conversation import Conversation
from llm_brain.strategy.transcripts import TranscriptNode, transcript_tree
from tests.strategy.conftest import Answering, Scripted

REPLIES = {"Hello": "World", "How are you?": "Fine, and you?", "What is new?": "Nothing much."}
HELLO = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "World"}]


def polite() -> Answering:
    """Make a model that has a reply to each of a few phrases."""
    return Answering(lambda request: REPLIES[request.messages[-1].content], model_id="polite")


def turns(talk: Conversation) -> list[str]:
    return [message.content for message in talk.messages]


def test_a_question_gives_the_reply_and_a_longer_conversation_and_leaves_the_first_as_it_was() -> None:  # 37
    model = polite()
    start = Conversation(model)
    text, longer = start.ask("Hello")
    assert (text, longer.reply, turns(longer)) == ("World", "World", ["Hello", "World"])
    assert start.messages == ()
    longer.ask("How are you?")
    assert [message.content for message in model.requests[1].messages] == ["Hello", "World", "How are you?"]
    with pytest.raises(FrozenInstanceError):
        longer.messages = ()  # type: ignore[misc]


@pytest.mark.parametrize("messages", [(), (Message("user", "Hello"),)])
def test_a_conversation_without_a_reply_has_none_to_show(messages: tuple[Message, ...]) -> None:  # 37
    with pytest.raises(LLMBrainError, match="no reply yet"):
        _ = Conversation(polite(), messages).reply


def test_two_questions_to_one_conversation_are_two_branches_of_it() -> None:  # 37
    _, talk = Conversation(polite()).ask("Hello")
    branch = copy.copy(talk)
    assert branch == talk
    _, one = branch.ask("How are you?")
    _, other = branch.ask("What is new?")
    assert turns(one) == ["Hello", "World", "How are you?", "Fine, and you?"]
    assert turns(other) == ["Hello", "World", "What is new?", "Nothing much."]
    assert branch == talk != one != other


def test_a_linear_conversation_is_one_list_of_messages() -> None:  # 38
    _, talk = Conversation(polite()).ask("Hello")
    _, longer = talk.ask("How are you?")
    more = [{"role": "user", "content": "How are you?"}, {"role": "assistant", "content": "Fine, and you?"}]
    assert transcript_tree([talk]) == TranscriptNode(messages=HELLO, children=[])
    assert transcript_tree([talk, longer]) == TranscriptNode(messages=[*HELLO, *more], children=[])


def test_a_conversation_that_forks_has_two_children_and_what_they_share_stands_once() -> None:  # 38
    _, talk = Conversation(polite()).ask("Hello")
    forks = [talk.ask(question)[1] for question in ("How are you?", "What is new?")]
    children = [
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": REPLIES[question]}], "children": []}
        for question in ("How are you?", "What is new?")
    ]
    assert json.loads(json.dumps(transcript_tree([talk, *forks]))) == {"messages": HELLO, "children": children}
    assert transcript_tree(forks) == transcript_tree([talk, *forks])


AtLeastFive = Annotated[int, Field(ge=5)]


def test_a_reply_outside_of_its_bounds_is_an_error_and_one_within_them_the_value() -> None:  # 39
    small, large = Scripted('{"return_value": 3}'), Scripted('{"return_value": 7}')
    with pytest.raises(ReplyError, match="greater than or equal to 5") as caught:
        Conversation(small).ask_for(AtLeastFive, "How many?", max_attempts=1)
    assert (len(small.requests), json.loads(caught.value.raw or "")) == (1, {"return_value": 3})
    value, longer = Conversation(large).ask_for(AtLeastFive, "How many?")
    assert (value, turns(longer)[0], longer.reply) == (7, "How many?", '{"return_value": 7}')


def test_a_reply_outside_of_its_bounds_is_asked_for_again_unless_it_is_told_otherwise() -> None:  # 39
    model = Scripted('{"return_value": 3}', '{"return_value": 7}')
    value, longer = Conversation(model).ask_for(AtLeastFive, "How many?")
    assert (value, len(model.requests), len(longer.messages)) == (7, 2, 2)


class Continuing(LLM):
    """A text model: it continues what it is given, on and on, and remembers it."""

    text: str = "World<|im_end|>\n<|im_start|>user\nAnd then"
    asked: list[tuple[str, list[str] | None]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "continuing"

    def _call(self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any) -> str:
        del run_manager, kwargs
        self.asked.append((prompt, stop))
        return self.text


def test_a_chat_model_is_asked_as_a_text_model() -> None:  # 40
    for model in (polite(), LangChainBackend(FakeListChatModel(responses=["World"]))):
        text_model = as_llm(model)
        assert isinstance(text_model, BaseLLM)
        assert text_model.invoke("Hello") == "World"


def test_a_text_model_is_asked_as_a_chat_model_with_markers_around_the_turns_and_a_stop_after_its_own() -> None:  # 40
    text_model = Continuing()
    chat_model = as_chat_model(LangChainBackend(text_model))
    assert isinstance(chat_model, BaseChatModel)
    assert chat_model.invoke([SystemMessage("Be brief."), HumanMessage("Hello")]).content == "World"
    [(prompt, stop)] = text_model.asked
    turns = ["<|im_start|>system\nBe brief.<|im_end|>\n", "<|im_start|>user\nHello<|im_end|>\n", "<|im_start|>assistant\n"]
    assert (prompt, stop) == ("".join(turns), ["<|im_end|>"])


def test_a_langchain_model_of_either_kind_implements_a_class() -> None:  # 40
    class Quiz:
        def count(self, text: str) -> int:
            """Count the words."""
            raise NotImplementedError

    reply = '{"return_value": 3}'
    for model in (FakeListChatModel(responses=[reply]), Continuing(text=f"{reply}<|im_end|>")):
        assert llm_strategy(model)(Quiz)().count("one two three") == 3


def recorded(folder: Path, model: Scripted, *phrases: str) -> RecordedBackend:
    """Record a model's replies to some phrases, and give the recording."""
    recorder = Recorder(model, folder / "recording.jsonl")
    for phrase in phrases:
        Conversation(recorder).ask(phrase)
    return RecordedBackend(folder / "recording.jsonl")


Ask = Callable[[RecordedBackend, str, list[str] | None], str]
ASK: dict[str, Ask] = {
    "as a text model": lambda model, text, stop: as_llm(model).invoke(text, stop=stop),
    "as a chat model": lambda model, text, stop: str(as_chat_model(model).invoke(text, stop=stop).content),
}


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
def test_a_recording_answers_what_was_recorded_and_stops_where_it_is_told_to(ask: Ask, tmp_path: Path) -> None:  # 41
    model = recorded(tmp_path, polite(), "Hello", "How are you?")
    assert ask(model, "How are you?", None) == "Fine, and you?"
    assert ask(model, "How are you?", [","]) == "Fine"
    assert ask(model, "Hello", ["?"]) == "World"


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
def test_a_recording_does_not_answer_what_was_not_recorded(ask: Ask, tmp_path: Path) -> None:  # 41
    model = recorded(tmp_path, polite(), "Hello", "How are you?")
    with pytest.raises(BackendError, match=r"no answer to this request.*How are you\?") as caught:
        ask(model, "How are they?", None)
    assert caught.value.kind == "not_found"


def test_a_recorded_reply_comes_in_pieces_that_add_up_to_it(tmp_path: Path) -> None:  # 41
    *pieces, whole = recorded(tmp_path, polite(), "How are you?").stream(Request((Message("user", "How are you?"),)))
    assert len(pieces) > 1
    assert isinstance(whole, Reply)
    assert "".join(map(str, pieces)) == whole.text == "Fine, and you?"


def test_two_identical_questions_are_one_call_of_the_recorded_model_and_none_when_played(
    tmp_path: Path,
) -> None:  # 41
    @llm_function
    def add(model: str, a: int, b: int) -> int:
        """Add two numbers."""
        raise NotImplementedError

    model, path = Scripted('{"return_value": 3}'), tmp_path / "sums.jsonl"
    recorder = Recorder(model, path)
    assert [add(recorder, 1, 2), add(recorder, 1, 2), add(Recorder(model, path), 1, 2)] == [3, 3, 3]
    assert len(model.requests) == 1
    assert add(RecordedBackend(path), 1, 2) == add(f"recorded:{path}", 1, 2) == 3
    with pytest.raises(BackendError, match="no answer to this request"):
        add(RecordedBackend(path), 1, 3)
    assert len(model.requests) == 1


def test_a_function_asks_its_question_within_the_conversation_that_it_is_given_for_a_model() -> None:  # 4
    @llm_function
    def count(talk: Conversation, word: str) -> int:
        """Count how often the word was said."""
        raise NotImplementedError

    model = Scripted("World", '{"return_value": 1}')
    _, talk = Conversation(model).ask("Hello")
    assert count(talk, "Hello") == 1
    assert [message.content for message in model.requests[1].messages[:2]] == ["Hello", "World"]
    assert 'word: "Hello"' in model.requests[1].messages[-1].content
    assert turns(talk) == ["Hello", "World"]
