"""Texts as vectors of another size than the model's: what the projection keeps, and how a text becomes a sequence."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.errors import ArgumentError
from llm_brain.interface.vectors import Vectors, projection
from tests.interface.models import SIZE, Scripted, vector_of

sizes = st.integers(1, 40)


@given(sizes, sizes, st.integers(0, 1000))
def test_a_projection_into_more_dimensions_keeps_every_distance(own: int, more: int, seed: int) -> None:
    points = torch.randn(6, own, generator=torch.Generator().manual_seed(seed))
    moved = points @ projection(own, own + more)
    assert torch.allclose(torch.pdist(moved), torch.pdist(points), rtol=1e-4)


@given(sizes, sizes)
def test_a_projection_into_fewer_dimensions_is_a_scaled_orthogonal_one(fewer: int, more: int) -> None:
    matrix = projection(fewer + more, fewer)
    assert torch.allclose(matrix.T @ matrix, torch.eye(fewer) * (fewer + more) / fewer, atol=1e-4)


def test_a_projection_into_fewer_dimensions_keeps_distances_about_as_well_as_the_lemma_says() -> None:
    points = torch.randn(100, 1536, generator=torch.Generator().manual_seed(7))
    ratio = torch.pdist(points @ projection(1536, 768)) / torch.pdist(points)
    assert abs(float(ratio.mean()) - 1) < 0.01
    bound = (8 * torch.tensor(100.0).log() / 768) ** 0.5
    assert 1 - bound < ratio.min()
    assert ratio.max() < 1 + bound


def test_the_projection_is_the_same_in_every_process() -> None:
    code = (
        "from llm_brain.interface.vectors import projection; print(projection(5, 2).sum().item(), projection(2, 5).sum().item())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert [float(number) for number in done.stdout.split()] == pytest.approx(
        [projection(5, 2).sum().item(), projection(2, 5).sum().item()]
    )
    torch.manual_seed(3)
    assert torch.equal(projection.__wrapped__(5, 2), projection(5, 2))


@pytest.mark.parametrize("size", [1, 5, SIZE, 30])
def test_equal_texts_have_equal_vectors_of_the_size_that_is_wanted(size: int) -> None:
    vectors = Vectors(Scripted(), size)(["tea", "rain", "tea"])
    assert vectors.shape == (3, size)
    assert torch.equal(vectors[0], vectors[2])
    assert not torch.equal(vectors[0], vectors[1])


def test_a_step_of_a_sequence_is_a_word_and_the_steps_after_the_last_word_are_zero() -> None:
    sequences = Vectors(Scripted()).sequences(["tea please", "rain"], 3)
    assert sequences[0, :2].tolist() == [vector_of("tea").tolist(), vector_of("please").tolist()]
    assert sequences[1, 0].tolist() == vector_of("rain").tolist()
    assert not sequences[0, 2].any()
    assert not sequences[1, 1:].any()


@given(st.integers(1, 30), st.integers(1, 8))
def test_a_text_with_more_words_than_steps_is_cut_into_even_runs_that_lose_no_word(words: int, length: int) -> None:
    model = Scripted()
    text = " ".join(f"w{number}" for number in range(words))
    sequence = Vectors(model).sequences([text], length)[0]
    pieces = model.embedded
    assert " ".join(pieces) == text
    assert len(pieces) == min(words, length) == int(sequence.any(dim=1).sum())
    lengths = [len(piece.split()) for piece in pieces]
    assert max(lengths) - min(lengths) <= 1


def test_a_word_that_stands_in_many_texts_is_asked_for_once() -> None:
    model = Scripted()
    Vectors(model).sequences(["the tea", "the rain", "the tea"], 4)
    assert model.embedded == ["the", "tea", "rain"]


@pytest.mark.parametrize("text", ["", "  \n"])
def test_a_text_without_words_is_no_sequence(text: str) -> None:
    with pytest.raises(ArgumentError, match="without a word"):
        Vectors(Scripted()).sequences([text], 3)
    with pytest.raises(ArgumentError, match="1 step or more"):
        Vectors(Scripted()).sequences(["tea"], 0)
