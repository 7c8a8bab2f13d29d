"""Vectors over HTTP: one a text, in the order of the texts, however many there are and however the server sends them."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_brain.backends import OpenAIBackend, Usage
from llm_brain.backends.estimate import estimate_tokens
from llm_brain.backends.openai.embedding import MOST_TEXTS, MOST_TOKENS, batches, embedding_body, read_embeddings
from llm_brain.errors import BackendError

URL = "http://127.0.0.1/v1"


def body(*vectors: object, **more: object) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return {"object": "list", "data": data, "model": "served", "usage": {"prompt_tokens": 7, "total_tokens": 7}, **more}


def numbering(server: Any) -> None:
    """Answer with a vector for each text that tells which one it was, the last one first."""

    def answer(sent: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        answered = body(*([float(text), 1.0] for text in sent["input"]))
        answered["data"].reverse()
        return 200, {}, json.dumps(answered).encode()

    server.answer = answer


def backend(server: Any, **options: Any) -> OpenAIBackend:
    return OpenAIBackend("m", **{"base_url": server.url, "timeout": 20.0, **options})


def fault(server: Any, texts: int = 2, **options: Any) -> BackendError:
    with pytest.raises(BackendError) as caught:
        backend(server, **options).embed(["a text"] * texts)
    return caught.value


def test_each_text_gets_its_own_vector(server: Any) -> None:
    numbering(server)
    embeddings = backend(server).embed(["3", "1", "2"])
    assert embeddings.vectors.tolist() == [[3, 1], [1, 1], [2, 1]]
    assert embeddings.vectors.dtype == np.float32
    assert (embeddings.model, embeddings.usage) == ("served", Usage(7, 0))
    assert server.requests == [{"model": "m", "input": ["3", "1", "2"], "encoding_format": "float"}]


def test_awaited_vectors_are_the_same(server: Any) -> None:
    numbering(server)
    assert asyncio.run(backend(server).aembed(["3", "1"])).vectors.tolist() == [[3, 1], [1, 1]]


def test_many_texts_go_in_several_requests_and_come_back_in_their_order(server: Any) -> None:
    numbering(server)
    many = MOST_TEXTS * 2 + 3
    embeddings = backend(server).embed([str(number) for number in range(many)])
    assert embeddings.vectors[:, 0].tolist() == list(range(many))
    assert [len(sent["input"]) for sent in server.requests] == [MOST_TEXTS, MOST_TEXTS, 3]
    assert embeddings.usage == Usage(21, 0)


def test_no_texts_are_no_vectors_and_no_request(server: Any) -> None:
    embeddings = backend(server).embed([])
    assert embeddings.vectors.shape == (0, 0)
    assert not server.requests


def test_an_answer_with_vectors_may_be_longer_than_a_reply(server: Any) -> None:
    server.says(body(*([[0.1234567890123] * 1000] * 400)))  # 6 MB
    assert backend(server).embed(["a text"] * 400).vectors.shape == (400, 1000)


def test_an_answer_that_is_longer_than_vectors_can_be_is_too_large(server: Any) -> None:
    server.says(body([0.1234567890123] * 600_000))
    assert fault(server, 1, retries=0).kind == "too_large"


def test_base64_is_read_as_well(server: Any) -> None:
    sent = np.array([[1.5, -2.0], [0.25, 3.0]], dtype="<f4")
    server.says(body(*(base64.b64encode(vector.tobytes()).decode() for vector in sent)))
    assert backend(server).embed(["a", "b"]).vectors.tolist() == sent.tolist()


def test_only_openai_is_asked_for_base64() -> None:
    assert embedding_body(["a"], "m", in_base64=True)["encoding_format"] == "base64"
    assert embedding_body(["a"], "m", in_base64=False)["encoding_format"] == "float"


@pytest.mark.parametrize(
    "answered",
    [
        {},
        [],
        {"data": None},
        {"data": []},
        body([1.0]),
        body([1.0], [2.0], [3.0]),
        body([1.0], [1.0, 2.0]),
        body([], []),
        body(1.0, 2.0),
        body([1.0], None),
        body([1.0], ["a"]),
        body([True], [False]),
        body([[1.0]], [[2.0]]),
        body([1.0], "AACAPw=="),
        body("not base64!", "AACAPw=="),
        body("AACA", "AACA"),
        body("AACAPw==", "AADAfw=="),  # a NaN
        body([1e300], [1.0]),
        body([10**400], [1.0]),
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 2, "embedding": [2.0]}]},
        {"data": [{"index": "0", "embedding": [1.0]}, {"index": 1, "embedding": [2.0]}]},
        {"data": [{"index": [0], "embedding": [1.0]}, {"index": 1, "embedding": [2.0]}]},
        {"data": [{"embedding": [1.0]}, {"index": 1, "embedding": [2.0]}]},
        {"data": ["a", "b"]},
        b'{"data": [{"index": 0, "embedding": [NaN]}, {"index": 1, "embedding": [1]}]}',
        b"<html>busy</html>",
        b"",
    ],
)
def test_what_is_no_vector_for_each_text_is_a_protocol_error(server: Any, answered: object) -> None:
    server.says(answered)
    error = fault(server, retries=0)
    assert (error.kind, error.retryable, len(error.attempts)) == ("protocol", True, 1)
    assert len(str(error)) < 1200


def test_an_answer_without_vectors_is_asked_for_again(server: Any) -> None:
    def answer(_: object) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps({} if len(server.requests) == 1 else body([1.0])).encode()

    server.answer = answer
    assert backend(server).embed(["a"]).vectors.tolist() == [[1]]


def test_vectors_without_an_index_are_in_the_order_of_the_texts(server: Any) -> None:
    server.says({"data": [{"embedding": [1]}, {"embedding": [2]}]})
    embeddings = backend(server).embed(["a", "b"])
    assert embeddings.vectors.tolist() == [[1], [2]]
    assert (embeddings.usage, embeddings.model) == (None, "m")


@pytest.mark.parametrize("usage", [None, {}, [], {"prompt_tokens": -1}, {"prompt_tokens": "7"}, {"prompt_tokens": True}])
def test_junk_for_usage_is_unknown_usage(server: Any, usage: object) -> None:
    server.says(body([1.0], usage=usage))
    assert backend(server).embed(["a"]).usage is None


def test_batches_of_which_one_does_not_tell_its_tokens_have_unknown_usage(server: Any) -> None:
    def answer(sent: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        answered = body(*([1.0] for _ in sent["input"]))
        if len(sent["input"]) < MOST_TEXTS:
            del answered["usage"]
        return 200, {}, json.dumps(answered).encode()

    server.answer = answer
    assert backend(server).embed(["a"] * (MOST_TEXTS + 1)).usage is None


def test_batches_whose_vectors_differ_in_length_are_a_protocol_error(server: Any) -> None:
    def answer(sent: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps(body(*([1.0] * (1 + len(sent["input"]) % 2) for _ in sent["input"]))).encode()

    server.answer = answer
    assert fault(server, MOST_TEXTS + 1).kind == "protocol"


@pytest.mark.parametrize(
    ("status", "answered", "kind", "requests"),
    [
        (401, {"error": {"message": "Incorrect API key"}}, "auth", 1),
        (404, {"error": {"message": "The model `m` does not exist"}}, "not_found", 1),
        (400, {"error": {"message": "the input length exceeds the context length"}}, "bad_request", 1),
        (
            501,
            {"error": {"message": "This server does not support embeddings.", "type": "not_supported_error"}},
            "bad_request",
            1,
        ),
        (500, {}, "server", 2),
    ],
)
def test_faults_are_those_of_every_call(server: Any, status: int, answered: object, kind: str, requests: int) -> None:
    server.says(answered, status)
    assert fault(server, retries=1).kind == kind
    assert len(server.requests) == requests


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 400_000), max_size=15))
def test_batches_are_all_texts_in_order_and_none_is_more_than_a_server_takes(sizes: list[int]) -> None:
    texts = [chr(97 + index % 26) * size for index, size in enumerate(sizes)]
    cut = list(batches(texts))
    assert [text for batch in cut for text in batch] == texts
    for batch in cut:
        assert batch
        assert len(batch) <= MOST_TEXTS
        assert len(batch) == 1 or sum(map(estimate_tokens, batch)) <= MOST_TOKENS


numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    st.integers(1, 5).flatmap(lambda d: st.lists(st.lists(numbers, min_size=d, max_size=d), min_size=1, max_size=5)), st.randoms()
)
def test_either_form_in_any_order_gives_the_same_vectors(vectors: list[list[float]], random: Any) -> None:
    texts = len(vectors)
    coded = [base64.b64encode(np.array(vector, dtype="<f4").tobytes()).decode() for vector in vectors]
    for form in (vectors, coded):
        answered = body(*form)
        random.shuffle(answered["data"])
        read = read_embeddings(json.dumps(answered).encode(), texts, model="m", base_url=URL)
        assert np.array_equal(read.vectors, np.array(vectors, dtype=np.float32))
