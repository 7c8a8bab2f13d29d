"""FastChat: controller, worker and server, as its documentation starts them. It knows neither schemas nor log-probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from llm_brain.backends import Message, OpenAIBackend, Reply, Request, Sampling
from llm_brain.errors import BackendError
from tests.servers_real.conftest import of
from tests.servers_real.running import KEY, RealServer

pytestmark = pytest.mark.slow

HELLO = Request((Message("user", "Say hello."),), Sampling(max_tokens=8))


@pytest.fixture
def model(fastchat: RealServer) -> Iterator[OpenAIBackend]:
    with closing(of(fastchat)) as backend:
        yield backend


def fault(backend: OpenAIBackend, request: Request = HELLO) -> BackendError:
    with closing(backend), pytest.raises(BackendError) as caught:
        backend.chat_completion(request)
    assert KEY not in str(caught.value)
    return caught.value


def test_a_chat_is_answered_and_its_tokens_are_told(model: OpenAIBackend) -> None:
    reply = model.chat_completion(HELLO)
    assert reply.text.strip()
    assert reply.usage is not None
    assert 0 < reply.usage.output_tokens <= 8
    assert not reply.failed


def test_a_stream_is_whole_though_it_tells_no_tokens(model: OpenAIBackend) -> None:
    *pieces, reply = model.stream(HELLO)
    assert isinstance(reply, Reply)
    assert "".join(str(piece) for piece in pieces) == reply.text
    assert reply.text.strip()
    assert reply.usage is None
    assert not reply.notes


def test_without_log_probabilities_the_option_is_the_one_that_is_named(model: OpenAIBackend) -> None:
    turns = ["Is snow white?", "yes", "Is coal white?", "no", "Is grass green?", "yes", "Is milk red?", "no", "Is the sky blue?"]
    messages = tuple(Message("assistant" if index % 2 else "user", text) for index, text in enumerate(turns))
    choice = model.choose_from_options(Request(messages), ["yes", "no"])
    assert choice.option in ("yes", "no")
    assert choice.probabilities is None
    assert not choice.failed


def test_the_models_are_listed(fastchat: RealServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_brain.backends.hosted.catalogue import ask_servers

    monkeypatch.setenv("OPENAI_BASE_URL", fastchat.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (state,) = ask_servers(["openai"], timeout=30)
    assert (state.state, state.models) == ("reachable", ("smollm2",))


def test_a_wrong_key_is_told_once(fastchat: RealServer) -> None:
    error = fault(of(fastchat, api_key="sk-another-key-altogether"))
    assert (error.kind, error.status, len(error.attempts)) == ("auth", 401, 1)


def test_another_models_name_is_not_found_though_the_status_is_another(fastchat: RealServer) -> None:
    error = fault(OpenAIBackend("another", base_url=fastchat.base_url, api_key=KEY))
    assert (error.kind, error.code, len(error.attempts)) == ("not_found", "40301", 1)
    assert "smollm2" in str(error)  # it says which there are


def test_a_prompt_that_is_too_long_is_told_as_such(fastchat: RealServer) -> None:
    error = fault(of(fastchat), Request((Message("user", "word " * 9000),)))
    assert (error.kind, error.code, len(error.attempts)) == ("bad_request", "context_length_exceeded", 1)


def test_a_temperature_out_of_range_is_a_bad_request(fastchat: RealServer) -> None:
    error = fault(of(fastchat), Request(HELLO.messages, Sampling(temperature=9.0)))
    assert (error.kind, len(error.attempts)) == ("bad_request", 1)
    assert "maximum of 2" in str(error)
