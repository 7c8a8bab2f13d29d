"""`transformers serve`: a server that takes log-probabilities and schemas without a word, and keeps to neither."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from llm_brain.backends import Message, OpenAIBackend, Reply, Request, Sampling
from llm_brain.errors import BackendError
from tests.servers_real.conftest import of
from tests.servers_real.running import RealServer

pytestmark = pytest.mark.slow

HELLO = Request((Message("user", "Say hello."),), Sampling(max_tokens=8))


@pytest.fixture
def model(transformers: RealServer) -> Iterator[OpenAIBackend]:
    with closing(of(transformers)) as backend:
        yield backend


def test_a_chat_is_answered_and_its_tokens_are_told(model: OpenAIBackend) -> None:
    reply = model.chat_completion(HELLO)
    assert reply.text.strip()
    assert reply.usage is not None
    assert 0 < reply.usage.output_tokens <= 8
    assert not reply.failed


def test_a_stream_without_its_closing_event_is_whole_and_noted(model: OpenAIBackend) -> None:
    *pieces, reply = model.stream(HELLO)
    assert isinstance(reply, Reply)
    assert len(pieces) > 2
    assert "".join(str(piece) for piece in pieces) == reply.text
    assert reply.usage is not None
    assert reply.notes == ("the stream ended without its closing event",)


def test_without_log_probabilities_the_option_is_the_one_that_is_named(model: OpenAIBackend) -> None:
    turns = ["Is snow white?", "yes", "Is coal white?", "no", "Is grass green?", "yes", "Is milk red?", "no", "Is the sky blue?"]
    messages = tuple(Message("assistant" if index % 2 else "user", text) for index, text in enumerate(turns))
    for _ in range(2):
        choice = model.choose_from_options(Request(messages), ["yes", "no"])
        assert choice.option in ("yes", "no")
        assert choice.probabilities is None
        assert not choice.failed


def test_a_schema_that_is_paid_no_heed_to_is_told_in_words_the_next_time(model: OpenAIBackend) -> None:
    schema = {"type": "object", "properties": {"greeting": {"type": "string"}}, "required": ["greeting"]}
    first, second = (model.chat_completion(Request((Message("user", "Say hi."),), Sampling(), schema)) for _ in range(2))
    assert "{" not in first.text
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens + 20


def test_another_models_name_is_a_bad_request(transformers: RealServer) -> None:
    with closing(OpenAIBackend("another", base_url=transformers.base_url)) as backend, pytest.raises(BackendError) as caught:
        backend.chat_completion(HELLO)
    assert (caught.value.kind, caught.value.status, len(caught.value.attempts)) == ("bad_request", 400, 1)
    assert "pinned" in str(caught.value)


def test_a_server_without_vectors_says_so(model: OpenAIBackend) -> None:
    with pytest.raises(BackendError) as caught:
        model.embed(["hello"])
    assert (caught.value.kind, len(caught.value.attempts)) == ("not_found", 1)
