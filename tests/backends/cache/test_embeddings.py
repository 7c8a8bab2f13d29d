"""Vectors are kept one text at a time: only texts without one are asked for, and models are never mixed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import (
    CachedBackend,
    Embeddings,
    LanguageBackend,
    Message,
    RecordedBackend,
    Recorder,
    Reply,
    Request,
    Usage,
)
from llm_brain.backends.cache.forms import told_vector, vector_of
from llm_brain.backends.cache.keeping import KeepingLayer
from llm_brain.errors import BackendError


class Embedding(LanguageBackend):
    """Makes of each text a vector of its own; remembers what it was asked."""

    model_id = "embedding"

    def __init__(self, served: str = "served-1", length: int = 3) -> None:
        self.served = served
        self.length = length
        self.asked: list[list[str]] = []
        self.gate: threading.Event | None = None
        self.failing = False

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        raise NotImplementedError

    def embed(self, texts: Sequence[str]) -> Embeddings:
        self.asked.append(list(texts))
        if self.gate is not None:
            self.gate.wait(10)
        if self.failing:
            message = "busy"
            raise BackendError(message, kind="server")
        return Embeddings(self.of(*texts), self.served, Usage(len(texts), 0))

    def of(self, *texts: str) -> np.ndarray:
        numbers = [np.random.default_rng(list(text.encode("utf-8", "surrogatepass"))) for text in texts]
        return np.array([number.normal(size=self.length) for number in numbers], dtype=np.float32).reshape(-1, self.length)


@pytest.fixture
def model() -> Embedding:
    return Embedding()


@pytest.fixture(params=["cache", "recording"])
def layer(request: pytest.FixtureRequest, model: Embedding, tmp_path: Path) -> Iterator[KeepingLayer]:
    if request.param == "recording":
        yield Recorder(model, tmp_path / "kept.jsonl")
        return
    cached = CachedBackend(model, tmp_path / "answers.sqlite")
    yield cached
    cached.close()


def blocking(layer: LanguageBackend, *texts: str) -> Embeddings:
    return layer.embed(texts)


def awaited(layer: LanguageBackend, *texts: str) -> Embeddings:
    return asyncio.run(layer.aembed(texts))


both = pytest.mark.parametrize("embed", [blocking, awaited])


@both
def test_only_texts_without_a_vector_are_asked_for(
    layer: KeepingLayer, model: Embedding, embed: Callable[..., Embeddings]
) -> None:
    first = embed(layer, "a", "b")
    assert not first.cached
    mixed = embed(layer, "b", "c", "a", "c")
    assert not mixed.cached
    again = embed(layer, "c", "a")
    assert again.cached
    assert model.asked == [["a", "b"], ["c"]]
    for found, texts in ((first, "ab"), (mixed, "bcac"), (again, "ca")):
        assert found.vectors.dtype == np.float32
        np.testing.assert_array_equal(found.vectors, model.of(*texts))
        assert found.model == "served-1"


def test_the_tokens_are_those_of_the_texts_that_were_asked_for(layer: KeepingLayer) -> None:
    assert layer.embed(["a", "b"]).usage == Usage(2, 0)
    assert layer.embed(["a", "c"]).usage == Usage(1, 0)
    assert layer.embed(["a", "c"]).usage is None


@both
def test_many_texts_are_kept_as_well(layer: KeepingLayer, model: Embedding, embed: Callable[..., Embeddings]) -> None:
    texts = [f"text {n}" for n in range(500)]
    embed(layer, *texts)
    found = embed(layer, *texts[::-1])
    assert found.cached
    np.testing.assert_array_equal(found.vectors, model.of(*texts[::-1]))


def test_no_texts_are_the_models_own_affair(layer: KeepingLayer, model: Embedding) -> None:
    assert layer.embed([]).vectors.shape == (0, 3)
    assert model.asked == [[]]


def test_a_failed_call_keeps_nothing(layer: KeepingLayer, model: Embedding) -> None:
    model.failing = True
    with pytest.raises(BackendError, match="busy"):
        layer.embed(["a"])
    model.failing = False
    assert not layer.embed(["a"]).cached


@pytest.mark.parametrize("change", [{"served": "served-2"}, {"length": 4}])
def test_vectors_of_different_models_are_never_put_together(
    model: Embedding, tmp_path: Path, change: dict[str, str | int]
) -> None:
    layer = CachedBackend(model, tmp_path / "answers.sqlite")
    layer.embed(["a", "b"])
    vars(model).update(change)
    found = layer.embed(["a", "new"])
    np.testing.assert_array_equal(found.vectors, model.of("a", "new"))
    assert found.model == model.served
    assert found.usage == Usage(3, 0)
    assert not layer.embed(["b", "a"]).cached  # of which one is kept of the first model, and one of the second
    assert layer.embed(["b", "a", "new"]).cached
    layer.close()


def test_a_model_that_gives_another_number_of_vectors_is_a_typed_error(layer: KeepingLayer, model: Embedding) -> None:
    model.of = lambda *texts: np.zeros((len(texts) + 1, 3), dtype=np.float32)  # type: ignore[method-assign]
    with pytest.raises(BackendError) as caught:
        layer.embed(["a"])
    assert caught.value.kind == "protocol"


def test_who_asks_the_same_at_once_waits_and_has_an_array_of_his_own(layer: KeepingLayer, model: Embedding) -> None:
    model.gate = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(layer.embed, ["a", "b"]) for _ in range(4)]
        while not model.asked:
            pass
        model.gate.set()
        found = [one.result(10) for one in waiting]
    assert len(model.asked) == 1
    assert sorted(one.cached for one in found) == [False, True, True, True]
    found[0].vectors[:] = 0
    for one in found[1:]:
        np.testing.assert_array_equal(one.vectors, model.of("a", "b"))


def test_what_a_caller_does_to_an_array_is_not_kept(layer: KeepingLayer, model: Embedding) -> None:
    layer.embed(["a"]).vectors[:] = 0
    layer.embed(["a"]).vectors[:] = 0
    np.testing.assert_array_equal(layer.embed(["a"]).vectors, model.of("a"))


def test_a_recording_plays_vectors_without_the_model(model: Embedding, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    Recorder(model, path).embed(["a", "b \ud800"])
    played = RecordedBackend(path)
    for found in (played.embed(["b \ud800", "a", "a"]), asyncio.run(played.aembed(["b \ud800", "a", "a"]))):
        np.testing.assert_array_equal(found.vectors, model.of("b \ud800", "a", "a"))
        assert (found.model, found.usage, found.cached) == ("served-1", None, False)
    assert played.embed([]).vectors.shape == (0, 0)
    with pytest.raises(BackendError, match="holds no answer") as caught:
        played.embed(["a", "another"])
    assert caught.value.kind == "not_found"


def test_a_person_can_write_a_vector_into_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "by-hand.jsonl"
    path.write_text(
        '{"recording": 1, "model": "by-hand"}\n'
        '{"kind": "embed", "text": "a", "answer": {"vector": [1, 0.5], "model": "m"}}\n'
        '{"kind": "embed", "text": "b", "answer": {"vector": [1, 0.5], "model": "n"}}\n',
        encoding="utf-8",
    )
    assert RecordedBackend(path).embed(["a"]).vectors.tolist() == [[1.0, 0.5]]
    with pytest.raises(BackendError, match="different models"):
        RecordedBackend(path).embed(["a", "b"])


numbers = st.floats(width=32)


@given(st.lists(numbers, max_size=20))
def test_a_vector_is_read_as_it_was_written_bit_by_bit(vector: list[float]) -> None:
    written = np.array(vector, dtype=np.float32)
    read, model = vector_of(told_vector(written, "m"))
    assert (read.tobytes(), str(read.dtype), model) == (written.tobytes(), "float32", "m")
