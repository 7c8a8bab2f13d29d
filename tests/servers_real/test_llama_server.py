"""llama.cpp's own server, asked as a user would ask it: an implementation of the protocol that knows nothing of this one."""

from __future__ import annotations

import asyncio
import json
import math
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import BaseModel, Field

from llm_brain import llm_function
from llm_brain.backends import Message, OpenAIBackend, Reply, Request, Sampling
from llm_brain.errors import BackendError
from llm_brain.strategy import ModelImplementation
from tests.servers_real.conftest import of
from tests.servers_real.running import KEY, RealServer

pytestmark = pytest.mark.slow

HELLO = Request((Message("user", "Say hello."),), Sampling(max_tokens=12))
LONG = {"type": "array", "items": {"type": "string", "enum": ["a long, long string of words"]}, "minItems": 300}


class Person(BaseModel):
    name: Annotated[str, Field(max_length=20)]
    age: Annotated[int, Field(ge=0, le=120)]
    pet: Literal["cat", "dog"] | None


@llm_function
def invent(model: Any, country: str) -> Person:
    """Invent a person from a country."""
    raise NotImplementedError


@llm_function
def invent_some(model: Any, country: str) -> Annotated[list[Person], Field(min_length=3, max_length=3)]:
    """Invent three people from a country."""
    raise NotImplementedError


@llm_function
def is_even(model: Any, number: int) -> bool:
    """Tell whether a number is even."""
    raise NotImplementedError


def raw(server: RealServer, path: str, body: object = None) -> Any:
    """Ask the server without llm_brain."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.address}{path}", data, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        return json.load(answer)


def fault(backend: OpenAIBackend, request: Request = HELLO) -> BackendError:
    with pytest.raises(BackendError) as caught:
        backend.chat_completion(request)
    assert KEY not in str(caught.value)
    return caught.value


def test_a_chat_is_answered_and_its_tokens_are_told(model: OpenAIBackend) -> None:
    reply = model.chat_completion(HELLO)
    assert reply.text.strip()
    assert reply.finish_reason in ("stop", "length")
    assert reply.model == "smollm2"
    assert reply.usage is not None
    assert reply.usage.input_tokens > 10
    assert 0 < reply.usage.output_tokens <= 12
    assert not reply.failed


def test_the_same_seed_gives_the_same_words_and_another_sample_others(model: OpenAIBackend) -> None:
    def ask(sample: int) -> str:
        drawn = Sampling(temperature=1.5, max_tokens=24, seed=7)
        return model.chat_completion(Request((Message("user", "Tell me a story."),), drawn, sample=sample)).text

    assert len({ask(sample) for sample in range(3)}) > 1


def test_a_typed_function_returns_a_model_that_the_server_kept_to(model: OpenAIBackend) -> None:
    person = invent(model, "Norway")
    assert isinstance(person, Person)
    details = invent.using(model).with_details("Norway")
    assert details.attempts == 1
    assert not details.repaired


def test_a_list_of_models_is_streamed_item_by_item(model: OpenAIBackend) -> None:
    *partial, whole = invent_some.using(model).stream("Chile")
    assert len(partial) > 3
    assert [type(person) for person in whole] == [Person] * 3


def test_pieces_come_one_after_the_other_and_are_together_the_reply(model: OpenAIBackend) -> None:
    began = time.monotonic()
    pieces, arrived = list[str](), list[float]()
    replies = []
    for piece in model.stream(Request((Message("user", "Count to thirty."),), Sampling(max_tokens=80))):
        if isinstance(piece, Reply):
            replies.append(piece)
        else:
            pieces.append(piece)
            arrived.append(time.monotonic() - began)
    (reply,) = replies
    assert len(pieces) > 20
    assert "".join(pieces) == reply.text
    assert arrived[0] < arrived[-1] / 2  # not all at once, when it was complete
    assert reply.usage is not None
    assert reply.usage.output_tokens >= len(pieces)
    assert not reply.notes


def test_a_stream_says_what_a_call_says(model: OpenAIBackend) -> None:
    *_, streamed = model.stream(HELLO)
    assert isinstance(streamed, Reply)
    assert streamed.text == model.chat_completion(HELLO).text


def test_options_are_scored_as_the_servers_own_probabilities_say(llama: RealServer, model: OpenAIBackend) -> None:
    turns = ["Is snow white?", "yes", "Is coal white?", "no", "Is grass green?", "yes", "Is milk red?", "no", "Is the sky blue?"]
    messages = tuple(Message("assistant" if index % 2 else "user", text) for index, text in enumerate(turns))
    choice = model.choose_from_options(Request(messages), ["yes", "no"])
    told = [{"role": message.role, "content": message.content} for message in messages]
    asked = {"messages": told, "temperature": 0, "max_tokens": 1}
    answer = raw(llama, "/v1/chat/completions", {**asked, "logprobs": True, "top_logprobs": 20})
    likeliest = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    mass = {"yes": 0.0, "no": 0.0}
    for token in likeliest:
        word = token["token"].strip().casefold()
        if word in mass:
            mass[word] += math.exp(token["logprob"])
    assert choice.probabilities is not None
    assert sum(choice.probabilities) == pytest.approx(1)
    # What the server keeps of earlier prompts changes its arithmetic a little.
    assert choice.probabilities[0] == pytest.approx(mass["yes"] / sum(mass.values()), abs=0.05)
    assert choice.option == ("yes" if choice.probabilities[0] > 0.5 else "no")
    assert not choice.failed


def test_options_that_begin_alike_are_scored_under_letters(model: OpenAIBackend) -> None:
    options = ["very good", "very bad", "very strange\nand long"]
    listed = "\n".join(options)
    system = Message("system", f"Tell the mood.\nAnswer with exactly one of these lines and nothing else:\n{listed}")
    choice = model.choose_from_options(Request((system, Message("user", "I love it!"))), options)
    assert choice.option in options
    assert choice.probabilities is not None
    assert sum(choice.probabilities) == pytest.approx(1)
    assert max(choice.probabilities) == choice.probabilities[options.index(choice.option)]


def test_more_options_than_can_be_scored_are_kept_to_by_a_schema(model: OpenAIBackend) -> None:
    options = [f"the number {number}" for number in range(30)]
    choice = model.choose_from_options(Request((Message("user", "Which number?"),)), options)
    assert choice.option in options
    assert choice.probabilities is None


def test_a_yes_or_no_function_tells_its_probabilities(model: OpenAIBackend) -> None:
    details = is_even.using(model).with_details(4)
    assert details.value in (True, False)
    assert details.attempts == 1


def test_texts_become_vectors_in_their_order(llama_embeddings: RealServer) -> None:
    texts = ["The cat sat on the mat.", "A stock fell.", "", "Ein Kätzchen 🐈"]
    with closing(of(llama_embeddings)) as backend:
        together = backend.embed(texts[:2] + texts[3:])
        apart = [backend.embed([text]).vectors[0] for text in texts[:2] + texts[3:]]
        none = backend.embed([])
    assert together.vectors.dtype == np.float32
    assert together.vectors.shape == (3, 576)
    for row, alone in zip(together.vectors, apart, strict=True):
        assert float(row @ alone / np.linalg.norm(row) / np.linalg.norm(alone)) > 0.999
    assert together.usage is not None
    assert together.usage.input_tokens > 10
    assert none.vectors.shape == (0, 0)


def test_a_server_that_only_chats_gives_no_vectors_and_is_asked_once(model: OpenAIBackend) -> None:
    with pytest.raises(BackendError, match="embeddings") as caught:
        model.embed(["hello"])
    assert (caught.value.kind, caught.value.retryable, len(caught.value.attempts)) == ("bad_request", False, 1)


def test_a_wrong_key_is_told_once(llama: RealServer) -> None:
    with closing(of(llama, api_key="sk-another-key-altogether")) as backend:
        error = fault(backend)
    assert (error.kind, error.status, len(error.attempts)) == ("auth", 401, 1)
    assert "sk-another-key-altogether" not in str(error)


def test_a_wrong_path_is_told_with_the_address(llama: RealServer) -> None:
    with closing(of(llama, base_url=f"{llama.address}/v2")) as backend:
        error = fault(backend)
    assert (error.kind, error.status) == ("not_found", 404)
    assert f"{llama.address}/v2" in str(error)


def test_a_prompt_that_is_too_long_is_told_as_such(model: OpenAIBackend) -> None:
    error = fault(model, Request((Message("user", "word " * 6000),)))
    assert (error.kind, error.code, error.status, len(error.attempts)) == ("bad_request", "context_length_exceeded", 400, 1)


def test_a_schema_that_the_server_cannot_keep_is_told_in_words(llama: RealServer) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "no such type"}}}
    with closing(of(llama)) as backend:
        request = Request((Message("user", "Anything."),), Sampling(max_tokens=8), schema)
        first, second = (backend.chat_completion(request) for _ in range(2))
    assert [attempt.kind for attempt in first.failed] == ["bad_request"]
    assert not second.failed  # and from then on so at once
    assert second.usage is not None
    assert second.usage.input_tokens > 60  # the schema's words among them


def test_the_models_are_listed(llama: RealServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_brain.backends.hosted.catalogue import ask_servers

    monkeypatch.setenv("OPENAI_BASE_URL", llama.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (state,) = ask_servers(["openai"], timeout=30)
    assert (state.state, state.models) == ("reachable", ("smollm2",))


def test_a_stream_that_is_left_stops_the_server(llama: RealServer, model: OpenAIBackend) -> None:
    def busy() -> list[Any]:
        return [slot for slot in raw(llama, "/slots") if slot["is_processing"]]

    asked = Request((Message("user", "Write."),), Sampling(max_tokens=3500), LONG)
    with closing(model.stream(asked)) as stream:
        next(stream)
        next(stream)
        assert busy()
    until = time.monotonic() + 60
    while busy() and time.monotonic() < until:
        time.sleep(0.05)
    assert not busy()
    # The reply would have had more than 300 * 8 tokens.
    assert max(slot.get("n_prompt_tokens", 0) for slot in raw(llama, "/slots")) < 1500


def test_a_call_that_runs_out_of_time_is_a_timeout(llama: RealServer) -> None:
    with closing(of(llama, timeout=1.0)) as backend:
        error = fault(backend, Request((Message("user", "Write."),), Sampling(max_tokens=3500), LONG))
    assert error.kind == "timeout"


def numbered(number: int) -> Request:
    schema = {
        "type": "object",
        "properties": {"number": {"const": number}},
        "required": ["number"],
        "additionalProperties": False,
    }
    return Request((Message("user", f"The number is {number}."),), Sampling(max_tokens=60), schema)


def test_eight_calls_at_once_each_get_their_own_answer(model: OpenAIBackend) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda number: model.chat_completion(numbered(number)).text, range(8)))
    assert [json.loads(text)["number"] for text in replies] == list(range(8))


def test_eight_awaited_calls_at_once_each_get_their_own_answer(llama: RealServer) -> None:
    backend = of(llama)

    async def main() -> list[Reply]:
        return await asyncio.gather(*(backend.achat_completion(numbered(number)) for number in range(8)))

    assert [json.loads(reply.text)["number"] for reply in asyncio.run(main())] == list(range(8))


def test_many_inputs_are_mapped_in_their_order(model: OpenAIBackend) -> None:
    people = invent.using(ModelImplementation(model)).map(["Norway", "Chile", "Japan", "Kenya"])
    assert [type(person) for person in people] == [Person] * 4
