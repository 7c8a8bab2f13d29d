"""Values that come while they grow, and items that come as they are complete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from llm_brain.backends import LanguageBackend, Message, Reply, Request, Usage
from llm_brain.errors import BackendError, ReplyError
from llm_brain.strategy import Details, ModelImplementation, TypedFunction, inspect_function
from llm_brain.tracing import names, read_spans, record, span
from tests.strategy.conftest import returning


class City(BaseModel):
    name: str
    people: int = Field(ge=0)
    rivers: list[str]


class Streaming(LanguageBackend):
    """Says each reply in pieces of three characters; an exception among the replies breaks a stream off in the middle."""

    model_id = "streaming"

    def __init__(self, *replies: str | Exception, enforces_schema: bool = True) -> None:
        self.enforces_schema = enforces_schema
        self.requests: list[Request] = []
        self.closed = 0
        self._replies = replies

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        raise AssertionError(request)

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        reply = self._replies[len(self.requests)]
        self.requests.append(request)
        try:
            text = "a beginning" if isinstance(reply, Exception) else reply
            yield from (text[place : place + 3] for place in range(0, len(text), 3))
            if isinstance(reply, Exception):
                raise reply
            yield Reply(text, "stop", self.model_id, Usage(1, 1))
        finally:
            self.closed += 1


def made(returns: Any, *replies: str | Exception, **options: Any) -> tuple[TypedFunction[..., Any], Streaming]:
    backend = Streaming(*replies)
    return TypedFunction(returning(returns), ModelImplementation(backend, **options)), backend


OSLO = '{"name": "Oslo", "people": 717710, "rivers": ["Akerselva", "Alna"]}'


def test_a_model_grows_and_the_last_one_is_whole() -> None:
    function, _ = made(City, OSLO)
    parts = list(function.stream())
    assert len(parts) > 5
    assert all(isinstance(part, City) for part in parts)
    assert parts[-1] == City(name="Oslo", people=717710, rivers=["Akerselva", "Alna"])
    seen = [part.people for part in parts]
    assert set(seen) == {None, 717710}, "a number that is not complete is not shown"
    assert any(part.rivers == ["Akerselva"] for part in parts)


def test_text_comes_in_pieces_that_add_up() -> None:
    pieces = list(made(str, "A river runs through it.")[0].stream())
    assert len(pieces) > 3
    assert "".join(pieces) == "A river runs through it."


def test_a_list_comes_with_the_members_it_has() -> None:
    parts = list(made(list[int], '{"return_value": [1, 22, 333]}')[0].stream())
    assert parts[-1] == [1, 22, 333]
    assert [1] in parts
    assert [1, 2] not in parts


def test_a_choice_comes_at_once() -> None:
    class Choosing(Streaming):
        def chat_completion(self, request: Request) -> Reply:
            self.requests.append(request)
            return Reply("sad", "stop", self.model_id)

    function = TypedFunction(returning(Literal["happy", "sad"]), ModelImplementation(Choosing()))
    assert list(function.stream()) == ["sad"]


def test_a_value_that_does_not_fit_is_asked_for_again_and_begins_anew() -> None:
    function, backend = made(City, OSLO.replace("717710", "-1"), OSLO)
    parts = list(function.stream())
    assert parts[-1].people == 717710
    assert len(backend.requests) == 2
    assert "greater than or equal to 0" in backend.requests[1].messages[-1].content


def test_when_no_reply_fits_the_stream_ends_in_an_error_with_the_last_text() -> None:
    function, _ = made(City, "nothing", "nothing at all", max_attempts=2)
    with pytest.raises(ReplyError) as caught:
        list(function.stream())
    assert caught.value.raw == "nothing at all"
    assert len(caught.value.attempts) == 2


def test_text_that_does_not_fit_is_not_taken_back() -> None:
    function, backend = made(Annotated[str, Field(min_length=30)], "too short", "ok")
    with pytest.raises(ReplyError):
        list(function.stream())
    assert len(backend.requests) == 1


def test_a_stream_that_breaks_off_is_its_error() -> None:
    function, backend = made(str, BackendError("gone", kind="incomplete", retryable=True))
    stream = function.stream()
    assert next(stream)
    with pytest.raises(BackendError, match="gone"):
        list(stream)
    assert backend.closed == 1


def test_a_stream_that_is_left_early_is_closed() -> None:
    function, backend = made(City, OSLO)
    stream = function.stream()
    next(stream)
    stream.close()
    assert backend.closed == 1


def test_items_come_as_they_are_complete() -> None:
    function, _ = made(Iterator[City], f'{{"return_value": [{OSLO}, {OSLO.replace("Oslo", "Bergen")}]}}')
    items = function()
    assert next(items).name == "Oslo"
    assert [city.name for city in items] == ["Bergen"]


def test_an_item_that_does_not_fit_is_asked_for_again_while_none_has_been_given() -> None:
    bad = f'{{"return_value": [{OSLO.replace("717710", "-1")}]}}'
    function, backend = made(Iterator[City], bad, f'{{"return_value": [{OSLO}]}}')
    assert [city.name for city in function()] == ["Oslo"]
    assert len(backend.requests) == 2
    assert len(backend.requests[1].messages) == len(backend.requests[0].messages) + 2


def test_after_the_first_item_a_bad_one_is_an_error() -> None:
    function, backend = made(Iterator[int], '{"return_value": [1, "x"]}', '{"return_value": [1, 2]}')
    items = function()
    assert next(items) == 1
    with pytest.raises(ReplyError):
        next(items)
    assert len(backend.requests) == 1


def test_with_details_items_are_there_at_once() -> None:
    class Whole(Streaming):
        def chat_completion(self, request: Request) -> Reply:
            self.requests.append(request)
            return Reply('{"return_value": [1, 2]}', "stop", self.model_id)

    function = TypedFunction(returning(Iterator[int]), ModelImplementation(Whole()))
    assert list(function.with_details().value) == [1, 2]
    assert [list(items) for items in function.map([{}, {}])] == [[1, 2], [1, 2]]


def test_an_implementation_that_cannot_stream_gives_its_value() -> None:
    class Constant:
        name = "constant"

        def call(self, *_: Any, **__: Any) -> Details[Any]:
            return Details([1, 2], self.name)

    assert list(TypedFunction(returning(list[int]), Constant()).stream()) == [[1, 2]]
    assert list(TypedFunction(returning(Iterator[int]), Constant())()) == [1, 2]


def test_awaited_streams_are_the_same() -> None:
    class Awaited(Streaming):
        async def astream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
            for piece in self.stream(request):
                await asyncio.sleep(0)
                yield piece

    async def main(*replies: str) -> list[Any]:
        function = TypedFunction(returning(City), ModelImplementation(Awaited(*replies))).aio
        return [part async for part in function.stream()]

    bad = OSLO.replace("717710", "-1")
    assert asyncio.run(main(bad, OSLO)) == list(made(City, bad, OSLO)[0].stream())


def test_a_stream_is_a_span_and_what_the_caller_does_meanwhile_is_not_in_it(tmp_path: Path) -> None:
    function, _ = made(City, OSLO)
    with record(tmp_path), span("caller"):
        for _ in function.stream():
            with span("shown"):
                pass
    spans = list(read_spans(tmp_path))
    by_id = {one.span_id: one.name for one in spans}
    assert {by_id[one.parent_id or ""] for one in spans if one.name == "shown"} == {"caller"}
    (call,) = [one for one in spans if one.name.endswith("answer")]
    (chat,) = [one for one in spans if one.name.startswith("chat")]
    assert by_id[call.parent_id or ""] == "caller"
    assert chat.parent_id == call.span_id
    assert call.attributes[names.VALUE] == {"name": "Oslo", "people": 717710, "rivers": ["Akerselva", "Alna"]}


def test_the_arguments_of_a_stream_are_checked_when_it_is_asked_for() -> None:
    def count(to: int) -> Iterator[int]:
        """Count."""
        raise NotImplementedError

    function = TypedFunction(inspect_function(count), ModelImplementation(Streaming()))
    with pytest.raises(ValueError, match="to"):
        function("x")


def test_items_that_are_complete_only_with_the_end_of_the_reply_come_too() -> None:
    function, _ = made(Iterator[int], '{"return_value": [1, 22, 333')
    assert list(function()) == [1, 22, 333]
    assert list(made(Iterator[None], '{"return_value": [null, null]}')[0]()) == [None, None]
