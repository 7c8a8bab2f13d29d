"""A conversation never changes: each question gives a longer one, branches are independent, and replies may be typed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import FrozenInstanceError
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llm_brain.backends import CachedBackend, Choice, LanguageBackend, Message, Reply, Request, Sampling, TracedBackend
from llm_brain.errors import BackendError, DefinitionError, LLMBrainError, ModelNameError, ReplyError
from llm_brain.strategy.conversation import Conversation, NoReplyError
from llm_brain.strategy.transcripts import transcript_tree
from llm_brain.tracing import read_spans, record


class Scripted(LanguageBackend):
    """Says the given replies one after the other, the last one for ever; an exception among them is raised."""

    model_id = "scripted"

    def __init__(self, *replies: str | Exception, enforces_schema: bool = False) -> None:
        self.replies = replies
        self.enforces_schema = enforces_schema
        self.requests: list[Request] = []

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        reply = self.replies[min(len(self.requests), len(self.replies) - 1)]
        self.requests.append(request)
        if isinstance(reply, Exception):
            raise reply
        return Reply(reply, "stop", self.model_id)


def turns(talk: Conversation) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in talk.messages]


def test_a_question_gives_the_reply_and_a_longer_conversation_and_changes_nothing() -> None:
    start = Conversation(Scripted("Hi!", "Fine."), (Message("system", "Be kind."),))
    text, second = start.ask("Hello?")
    assert (text, second.reply) == ("Hi!", "Hi!")
    assert turns(second) == [("system", "Be kind."), ("user", "Hello?"), ("assistant", "Hi!")]
    text, third = second.ask("How are you?")
    assert text == third.reply == "Fine."
    assert len(start.messages) == 1
    assert len(second.messages) == 3
    with pytest.raises(FrozenInstanceError):
        start.messages = ()  # type: ignore[misc]


def test_the_model_is_told_all_that_was_said() -> None:
    backend = Scripted("Hi!")
    _, talk = Conversation(backend, sampling=Sampling(temperature=0.7)).ask("Hello?")
    talk.ask("And?", sample=2)
    assert [message.content for message in backend.requests[1].messages] == ["Hello?", "Hi!", "And?"]
    assert (backend.requests[1].sampling, backend.requests[1].sample) == (Sampling(temperature=0.7), 2)


@pytest.mark.parametrize("messages", [(), (Message("system", "Be kind."),), (Message("user", "Hello?"),)])
def test_the_reply_of_a_conversation_without_one_is_a_typed_error(messages: tuple[Message, ...]) -> None:
    with pytest.raises(NoReplyError, match="no reply yet") as caught:
        _ = Conversation(Scripted(""), messages).reply
    assert isinstance(caught.value, LLMBrainError)


def test_two_questions_to_one_conversation_are_two_branches() -> None:
    _, talk = Conversation(Scripted("Hi!", "one", "two")).ask("Hello?")
    (first, one), (second, two) = talk.ask("This?"), talk.ask("That?")
    assert (first, second) == ("one", "two")
    assert turns(one)[:2] == turns(two)[:2] == turns(talk)
    assert turns(one)[2:] == [("user", "This?"), ("assistant", "one")]
    assert turns(two)[2:] == [("user", "That?"), ("assistant", "two")]


def test_conversations_are_equal_when_the_same_was_said_to_the_same_model() -> None:
    start = Conversation(backend := Scripted("Hi!"))
    assert Conversation(start.model, ()) == start
    assert start.ask("Hello?")[1] == start.ask("Hello?")[1] != start
    assert backend.requests[0] == backend.requests[1]
    assert len({start, start.ask("Hello?")[1], start.ask("Hello?")[1]}) == 2


def test_a_failed_question_leaves_the_conversation_to_be_asked_again() -> None:
    talk = Conversation(Scripted(BackendError("busy", kind="server"), "Hi!"))
    with pytest.raises(BackendError, match="busy"):
        talk.ask("Hello?")
    assert talk.ask("Hello?")[0] == "Hi!"


def test_a_model_may_be_named() -> None:
    assert Conversation("local").backend.model_id == "smollm2-135m-instruct"
    with pytest.raises(ModelNameError):
        Conversation("lokal")


AtLeastFive = Annotated[int, Field(ge=5)]


def test_a_value_that_does_not_fit_is_asked_for_again_and_then_is_an_error() -> None:
    backend = Scripted("3")
    with pytest.raises(ReplyError, match="none of 3 replies of 'scripted' fits") as caught:
        Conversation(backend).ask_for(AtLeastFive, "How many?")
    assert caught.value.raw == "3"
    assert len(caught.value.attempts) == len(backend.requests) == 3
    assert "greater than or equal to 5" in backend.requests[1].messages[-1].content
    with pytest.raises(ReplyError):
        Conversation(backend := Scripted("3")).ask_for(AtLeastFive, "How many?", max_attempts=1)
    assert len(backend.requests) == 1


@pytest.mark.parametrize("replies", [("7",), ('{"return_value": 7}',), ("3", "7"), ("no idea", "```json\n7\n```")])
def test_a_value_that_fits_is_returned_checked(replies: tuple[str, ...]) -> None:
    backend = Scripted(*replies)
    value, talk = Conversation(backend).ask_for(AtLeastFive, "How many?")
    assert value == 7
    assert len(backend.requests) == len(replies)
    assert turns(talk) == [("user", "How many?"), ("assistant", replies[-1])]


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Owl(BaseModel):
    name: str
    age: int = Field(description="in years")


@pytest.mark.parametrize(
    ("kind", "reply", "value"),
    [
        (str, " Hello! ", "Hello!"),
        (bool, "true", True),
        (Colour, "red", Colour.RED),
        (Literal["yes", "no"], "No.", "no"),
        (list[int], '{"return_value": [1, 2]}', [1, 2]),
        (Owl, '{"name": "Ada", "age": 3}', Owl(name="Ada", age=3)),
        (Owl | None, "null", None),
        (dict[str, float], '{"a": 0.5}', {"a": 0.5}),
    ],
)
@pytest.mark.parametrize("awaited", [False, True])
def test_values_of_many_types_are_read(kind: Any, reply: str, value: object, *, awaited: bool) -> None:
    start = Conversation(Scripted(reply))
    got, talk = asyncio.run(start.aask_for(kind, "Well?")) if awaited else start.ask_for(kind, "Well?")
    assert got == value
    assert turns(talk)[0] == ("user", "Well?")
    assert talk.reply.casefold() in reply.casefold()


def test_the_form_of_the_answer_is_said_once_and_not_kept() -> None:
    backend = Scripted('{"name": "Ada", "age": 3}', "Who?")
    _, talk = Conversation(backend).ask_for(Owl, "Which owl?")
    talk.ask("And?")
    asked = backend.requests[0].messages[-1].content
    assert asked.startswith("Which owl?\n\n")
    assert "in years" in asked
    assert backend.requests[0].schema is not None
    assert [message.content for message in backend.requests[1].messages] == ["Which owl?", '{"name": "Ada", "age": 3}', "And?"]


def test_a_model_that_enforces_schemas_is_not_told_of_them_in_words() -> None:
    backend = Scripted('{"name": "Ada", "age": 3}', enforces_schema=True)
    Conversation(backend).ask_for(Owl, "Which owl?")
    assert backend.requests[0].messages[-1].content == "Which owl?"
    assert backend.requests[0].schema is not None


def test_a_closed_set_is_chosen_from_with_the_whole_conversation() -> None:
    class Choosing(Scripted):
        choice_form = "completion"

        def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
            self.requests.append(request)
            return Choice(options[-1], (0.25, 0.75), self.model_id)

    backend = Choosing("Hi!")
    _, talk = Conversation(backend).ask("Hello?")
    value, longer = talk.ask_for(Literal["yes", "no"], "Are you there?")
    assert (value, longer.reply) == ("no", "no")
    assert backend.requests[1].form == "chat"
    assert [message.content for message in backend.requests[1].messages[:2]] == ["Hello?", "Hi!"]


@pytest.mark.parametrize("kind", [object(), "NoSuchType"])
def test_what_is_no_type_is_an_error_before_any_call(kind: Any) -> None:
    backend = Scripted("1")
    with pytest.raises(DefinitionError):
        Conversation(backend).ask_for(kind, "Well?")
    assert not backend.requests


def test_a_conversation_is_awaited_just_as_well() -> None:
    async def main() -> list[str]:
        text, talk = await Conversation(Scripted("Hi!", "7")).aask("Hello?")
        number, talk = await talk.aask_for(AtLeastFive, "How many?")
        return [text, str(number), *(message.content for message in talk.messages)]

    assert asyncio.run(main()) == ["Hi!", "7", "Hello?", "Hi!", "How many?", "7"]


def test_each_question_is_a_span_and_repeats_come_from_a_cache(tmp_path: Path) -> None:
    backend = Scripted("Hi!")
    layer = CachedBackend(backend, tmp_path / "answers.sqlite")
    model = TracedBackend(layer)
    with record(tmp_path / "run"):
        for _ in range(2):
            _, talk = Conversation(model).ask("Hello?")
            talk.ask("And?")
    layer.close()
    assert [one.name for one in read_spans(tmp_path / "run")] == ["chat scripted"] * 4
    assert len(backend.requests) == 2
    assert (model.calls, model.cached_calls) == (2, 2)


def said(*contents: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[place % 2], "content": content} for place, content in enumerate(contents)]


def test_a_linear_conversation_is_one_list_however_often_it_is_told() -> None:
    _, one = Conversation(Scripted("a")).ask("1")
    _, two = one.ask("2")
    tree: Any = transcript_tree([one, two, one])
    assert tree == {"messages": said("1", "a", "2", "a"), "children": []}
    assert tree == transcript_tree([two])


def test_a_fork_has_two_children_and_what_came_before_stands_once() -> None:
    _, talk = Conversation(Scripted("a")).ask("1")
    branches = [talk.ask("2")[1], talk.ask("3")[1], talk.ask("2")[1].ask("4")[1]]
    tree: Any = transcript_tree(branches)
    assert tree == {
        "messages": said("1", "a"),
        "children": [{"messages": said("2", "a", "4", "a"), "children": []}, {"messages": said("3", "a"), "children": []}],
    }
    assert json.loads(json.dumps(tree)) == tree


def test_conversations_with_nothing_in_common_are_children_of_an_empty_root() -> None:
    talks = [Conversation(Scripted("a")).ask(text)[1] for text in ("1", "2")]
    tree: Any = transcript_tree(talks)
    assert tree == {
        "messages": [],
        "children": [{"messages": said("1", "a"), "children": []}, {"messages": said("2", "a"), "children": []}],
    }
    assert transcript_tree([]) == transcript_tree([Conversation(Scripted("a"))]) == {"messages": [], "children": []}


def test_a_very_long_conversation_with_a_branch_at_every_turn_is_a_tree_as_well() -> None:
    turns_of_all = tuple(Message("user", str(n)) for n in range(3000))
    model = Scripted("a")
    talks = [Conversation(model, (*turns_of_all[:n], Message("user", "branch"))) for n in range(0, 3000, 2)]
    tree = transcript_tree([*talks, Conversation(model, turns_of_all)])
    assert len(tree["children"]) == 2


def paths(tree: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    here = (*before, *(message["content"] for message in tree["messages"]))
    return [path for child in tree["children"] for path in paths(child, here)] or [here]


@given(st.lists(st.lists(st.sampled_from("ab"), max_size=4).map(tuple), max_size=6))
def test_every_conversation_is_a_path_of_the_tree_and_no_fork_is_without_need(conversations: list[tuple[str, ...]]) -> None:
    model = Scripted("a")
    tree = transcript_tree(Conversation(model, tuple(Message("user", text) for text in texts)) for texts in conversations)
    found = paths(tree)
    longest = {
        texts for texts in conversations if not any(other != texts and other[: len(texts)] == texts for other in conversations)
    }
    assert sorted(found) == sorted(longest or {()})
    forks = [tree]
    while forks:
        node = forks.pop()
        assert len(node["children"]) != 1
        assert len({child["messages"][0]["content"] for child in node["children"]}) == len(node["children"])
        forks.extend(node["children"])
