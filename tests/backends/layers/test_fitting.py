"""A prompt that is too long is cut by the declared policy, and the answer says so; one that fits is left alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.attempts import Attempt, Usage
from llm_brain.backends import CachedBackend, Choice, LanguageBackend, Message, OpenAIBackend, Reply, Request, Sampling
from llm_brain.backends.layers.fitting import FittedBackend
from llm_brain.errors import BackendError, DefinitionError


class Small(LanguageBackend):
    """Takes so many characters, and refuses what is longer; a token is a character, and a turn takes two more."""

    model_id = "small"

    def __init__(self, context_length: int | None = 100, *, limit: int | None = None) -> None:
        self.context_length = context_length
        self.limit = limit or context_length or 100
        self.asked: list[Request] = []

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text) if isinstance(text, str) else sum(len(turn.content) + 2 for turn in text)

    def chat_completion(self, request: Request) -> Reply:
        self.asked.append(request)
        prompt = request.messages[-1].content if request.form == "completion" else request.messages
        if self.count_tokens(prompt) + request.sampling.max_tokens > self.limit:
            attempts = [Attempt("too long", "bad_request", status=400)]
            raise BackendError("too long", kind="bad_request", code="context_length_exceeded", status=400, attempts=attempts)
        return Reply("Hello.", "stop", self.model_id, Usage(1, 1), notes=("from a test",))

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        self.chat_completion(request)
        return Choice(options[0], None, self.model_id)

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        reply = self.chat_completion(request)
        yield "Hel"
        yield "lo."
        yield reply


def turns(*contents: str) -> tuple[Message, ...]:
    """Make turns out of "role: content", where a role is its first letter."""
    roles = {"s": "system", "u": "user", "a": "assistant"}
    return tuple(Message(roles[text[0]], text[3:]) for text in contents)  # type: ignore[arg-type]


def request(*contents: str, **options: Any) -> Request:
    return Request(turns(*contents), Sampling(max_tokens=10), **options)


TALK = request("s: Be kind.", "u: " + "a" * 30, "a: one", "u: " + "b" * 30, "a: two", "u: " + "c" * 20, "a: three", "u: last?")
LONG = request("s: Be kind.", "u: 0123456789" + "x" * 200 + "9876543210")


async def streamed(model: LanguageBackend, asked: Request) -> Reply | str:
    async with aclosing(model.astream(asked)) as pieces:
        return [piece async for piece in pieces][-1]


WAYS: dict[str, Callable[[LanguageBackend, Request], Any]] = {
    "chat": lambda model, asked: model.chat_completion(asked),
    "chat, awaited": lambda model, asked: asyncio.run(model.achat_completion(asked)),  # type: ignore[arg-type]
    "choice": lambda model, asked: model.choose_from_options(asked, ["a", "b"]),
    "stream": lambda model, asked: list(model.stream(asked))[-1],
    "stream, awaited": lambda model, asked: asyncio.run(streamed(model, asked)),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_of_asking_is_cut_once_and_says_so(way: Callable[[LanguageBackend, Request], Any]) -> None:
    inner = Small()
    answer = way(FittedBackend(inner, cut="turns"), TALK)
    assert inner.asked == [TALK, replace(TALK, messages=(TALK.messages[0], *TALK.messages[3:]))]
    assert answer.notes[-1] == "the oldest 2 of 8 turns were dropped: with its reply the prompt was longer than 100 tokens"
    assert [attempt.status for attempt in answer.failed] == [400]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("cut", ["turns", "middle"])
def test_a_prompt_that_fits_is_not_touched(way: Callable[[LanguageBackend, Request], Any], cut: Any) -> None:
    inner = Small(1000)
    answer = way(FittedBackend(inner, cut=cut), TALK)
    assert inner.asked == [TALK]
    assert answer == way(Small(1000), TALK)


def test_the_notes_of_the_backend_itself_stay() -> None:
    assert FittedBackend(Small(), cut="turns").chat_completion(TALK).notes[0] == "from a test"


def test_no_more_turns_are_dropped_than_needed_and_the_rest_begins_with_a_question() -> None:
    inner = Small(80)
    FittedBackend(inner, cut="turns").chat_completion(TALK)
    assert [turn.role for turn in inner.asked[-1].messages] == ["system", "user", "assistant", "user"]
    assert inner.asked[-1].messages[1].content == "c" * 20


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_last_two_questions_are_never_dropped(way: Callable[[LanguageBackend, Request], Any]) -> None:
    correction = request("s: Be kind.", "u: " + "q" * 90, "a: forty", "u: That does not fit. Answer again.")
    for asked in (correction, replace(correction, messages=correction.messages[:2])):
        inner = Small()
        with pytest.raises(BackendError) as caught:
            way(FittedBackend(inner, cut="turns"), asked)
        assert caught.value.code == "context_length_exceeded"
        assert inner.asked == [asked]


def test_the_middle_of_the_longest_turn_is_left_out_with_a_mark() -> None:
    inner = Small(120)
    reply = FittedBackend(inner, cut="middle").chat_completion(LONG)
    text = inner.asked[-1].messages[-1].content
    assert text.startswith("0123456789x")
    assert text.endswith("x9876543210")
    assert "x[... 155 characters left out ...]x" in text
    assert reply.notes[-1].startswith("155 of 220 characters of a turn were left out: ")
    assert inner.asked[-1].messages[0] == LONG.messages[0]


@given(
    st.lists(st.tuples(st.sampled_from("sua"), st.text(max_size=80)), max_size=8),
    st.integers(1, 150),
    st.sampled_from(["turns", "middle"]),
    st.sampled_from([None, {"type": "object"}]),
)
def test_what_is_asked_again_fits_and_what_is_left_stands_as_it_was(
    said: list[tuple[str, str]], length: int, cut: Any, schema: Any
) -> None:
    asked = request(*(f"{role}: {text}" for role, text in [*said, ("u", "last?")]), schema=schema)
    inner = Small(length)
    model = FittedBackend(inner, cut=cut)
    reply = None
    with contextlib.suppress(BackendError):
        reply = model.chat_completion(asked)
    if reply is None:
        assert inner.asked == [asked]
        return
    assert len(inner.asked) == 1 + (len(reply.notes) == 2) <= 2
    sent = inner.asked[-1]
    assert replace(sent, messages=()) == replace(asked, messages=())
    if cut == "turns":
        left = iter(asked.messages)
        assert all(turn in left for turn in sent.messages)
        assert [turn for turn in sent.messages if turn.role == "system"] == [t for t in asked.messages if t.role == "system"]
        assert sent.messages[-1] == asked.messages[-1]
    else:
        changed = [(old, new) for old, new in zip(asked.messages, sent.messages, strict=True) if old != new]
        assert len(changed) == (len(reply.notes) == 2)
        for old, new in changed:
            begin, mark, end = new.content.partition("[... ")
            assert mark
            assert old.content.startswith(begin)
            assert old.content.endswith(end.partition(" left out ...]")[2])


def test_as_much_as_fits_is_kept_of_the_middle() -> None:
    inner = Small(120)
    FittedBackend(inner, cut="middle").chat_completion(LONG)
    # A number of one more digit may take the place of a letter.
    assert 118 <= inner.count_tokens(inner.asked[-1].messages) + 10 <= 120


def test_a_text_to_be_continued_is_cut_in_its_middle_too() -> None:
    inner = Small(60)
    reply = FittedBackend(inner, cut="middle").chat_completion(request("u: " + "y" * 100, form="completion"))
    assert len(reply.notes) == 2
    assert len(inner.asked[-1].messages[-1].content) <= 50


def test_one_policy_around_another_is_tried_when_the_inner_one_is_not_enough() -> None:
    inner = Small()
    model = FittedBackend(FittedBackend(inner, cut="turns"), cut="middle")
    assert len(model.chat_completion(TALK).notes) == 2
    assert len(inner.asked[-1].messages) == 6
    assert "left out" in model.chat_completion(LONG).notes[-1]


def test_the_room_for_the_reply_and_for_the_schema_is_left() -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    inner = Small(200)
    FittedBackend(inner, cut="middle").chat_completion(replace(LONG, schema=schema))
    assert inner.count_tokens(inner.asked[-1].messages) + 10 + len(json.dumps(schema)) // 3 <= 200


@pytest.mark.parametrize(
    ("inner", "asked"),
    [
        (Small(None), LONG),  # nobody knows how much to cut
        (Small(10), LONG),  # the reply alone is longer
        (Small(40), LONG),  # and so is the rest
        (Small(1000, limit=50), LONG),  # the model counts otherwise, or its length was told wrongly
        (Small(), request("s: " + "z" * 200)),  # there is no turn of the user's
    ],
)
@pytest.mark.parametrize("cut", ["turns", "middle"])
def test_what_cannot_be_cut_is_refused_as_it_was(inner: Small, asked: Request, cut: Any) -> None:
    with pytest.raises(BackendError) as caught:
        FittedBackend(inner, cut=cut).chat_completion(asked)
    assert caught.value.code == "context_length_exceeded"
    assert len(caught.value.attempts) == 1


def test_other_failures_are_nobodys_reason_to_cut() -> None:
    class Busy(Small):
        def chat_completion(self, request: Request) -> Reply:
            self.asked.append(request)
            raise BackendError("busy", kind="server")

    inner = Busy()
    with pytest.raises(BackendError, match="busy"):
        FittedBackend(inner, cut="middle").chat_completion(LONG)
    assert len(inner.asked) == 1


def test_a_failure_of_the_second_request_tells_of_both() -> None:
    class Second(Small):
        def chat_completion(self, request: Request) -> Reply:
            if self.asked:
                raise BackendError("busy", kind="server", attempts=[Attempt("busy", "server", status=503)])
            return super().chat_completion(request)

    with pytest.raises(BackendError, match="busy") as caught:
        FittedBackend(Second(), cut="middle").chat_completion(LONG)
    assert [attempt.status for attempt in caught.value.attempts] == [400, 503]


def test_a_stream_that_was_begun_is_not_begun_again() -> None:
    class Breaking(Small):
        async def astream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
            self.asked.append(request)
            yield "Hel"
            raise BackendError("too long", kind="bad_request", code="context_length_exceeded")

    inner = Breaking()
    with pytest.raises(BackendError):
        asyncio.run(streamed(FittedBackend(inner, cut="middle"), LONG))
    assert len(inner.asked) == 1


def test_only_declared_policies_are_taken() -> None:
    with pytest.raises(DefinitionError, match="'turns' or 'middle', got 'end'"):
        FittedBackend(Small(), cut="end")  # type: ignore[arg-type]


def test_a_cache_around_it_keeps_the_answers_of_different_policies_apart(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    models = [CachedBackend(FittedBackend(Small(1000), cut=cut), path) for cut in ("turns", "middle")]  # type: ignore[arg-type]
    assert [model.chat_completion(TALK).cached for model in (*models, *models)] == [False, False, True, True]
    for model in models:
        model.close()


def test_a_server_that_refuses_a_long_prompt_is_asked_again_with_less(server: Any) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        if len(body["messages"][-1]["content"]) > 3000:
            error = {"message": "This model's maximum context length is 1000 tokens", "code": "context_length_exceeded"}
            return 400, {"content-type": "application/json"}, json.dumps({"error": error}).encode()
        said = {"message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
        return 200, {"content-type": "application/json"}, json.dumps({"model": "m-1", "choices": [said]}).encode()

    server.answer = answer
    hosted = OpenAIBackend("m-1", base_url=server.url, api_key="a made-up key", context_length=1000)
    reply = FittedBackend(hosted, cut="middle").chat_completion(request("u: " + "word " * 700))
    assert reply.text == "Hello."
    assert len(reply.notes) == 1
    assert len(server.requests) == 2
    assert "characters left out" in server.requests[1]["messages"][0]["content"]
    hosted.close()


def test_a_model_on_this_machine_is_asked_again_with_less(tiny: LanguageBackend) -> None:
    asked = Request((Message("user", "word " * 80),), Sampling(max_tokens=20))
    with pytest.raises(BackendError):
        tiny.chat_completion(asked)
    reply = FittedBackend(tiny, cut="middle").chat_completion(asked)
    assert reply.usage is not None
    assert 225 < reply.usage.input_tokens <= 236
    assert "longer than 256 tokens" in reply.notes[0]
