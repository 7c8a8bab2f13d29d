"""Codecs: what comes back as it was, and what does not and says so."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE, WordLevel
from tokenizers.pre_tokenizers import Whitespace

from llm_brain.brain import ByteCodec, Codec, SymbolCodec, TokenCodec, VectorCodec, is_exact, pad
from llm_brain.errors import ArgumentError

many = settings(max_examples=100, deadline=None)
any_text = st.text(st.characters(), max_size=40) | st.text(st.characters(categories=["Cs", "Lu"]), max_size=8)


def byte_level() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE({letter: place for place, letter in enumerate([*alphabet, "<end>"])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


BYTE_LEVEL = TokenCodec(byte_level(), end=256)


def words(*, lowercase: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({"?": 0, "tea": 1, "please": 2, "<end>": 3}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    return tokenizer


@many
@given(text=any_text)
def test_bytes_bring_every_text_back_lone_surrogates_too(text: str) -> None:
    codec = ByteCodec()
    decoded = codec.decode(codec.encode(text))
    assert decoded == (text, True, 1.0)
    assert is_exact(codec, text)


@many
@given(symbols=st.lists(st.integers(0, 256), max_size=12))
def test_bytes_say_whether_they_were_a_text(symbols: list[int]) -> None:
    codec = ByteCodec()
    decoded = codec.decode(torch.tensor(symbols, dtype=torch.long))
    before = symbols[: symbols.index(256)] if 256 in symbols else symbols
    assert decoded.exact == (codec.encode(decoded.text).tolist() == before)


@pytest.mark.parametrize("symbols", [[257], [-1], [65, 300]])
def test_what_is_no_byte_is_refused(symbols: list[int]) -> None:
    with pytest.raises(ArgumentError, match="bytes are 0 to 255"):
        ByteCodec().decode(torch.tensor(symbols))


@many
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_tokenizer_of_bytes_brings_every_text_back(text: str) -> None:
    assert BYTE_LEVEL.vocabulary == 257
    assert BYTE_LEVEL.decode(BYTE_LEVEL.encode(text)) == (text, True, 1.0)


@many
@given(text=any_text)
def test_a_tokenizer_says_truly_whether_a_text_came_back(text: str) -> None:
    lone = any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)
    assert is_exact(BYTE_LEVEL, text) != lone


@pytest.mark.parametrize(
    ("text", "exact"), [("tea please", True), ("Tea please", False), ("tea  please", False), ("tea, please", False)]
)
def test_a_tokenizer_that_loses_something_says_so(text: str, exact: bool) -> None:
    assert is_exact(TokenCodec(words(lowercase=True), end=3), text) == exact


def test_tokens_that_no_text_is_encoded_to_are_not_exact() -> None:
    codec = TokenCodec(words(lowercase=True), end=3)
    assert codec.decode(torch.tensor([1, 2, 3, 0])) == ("tea please", True, 1.0)
    assert not codec.decode(torch.tensor([3])).text
    merged = TokenCodec(Tokenizer(BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")])))
    assert not merged.decode(torch.tensor([0, 1])).exact
    assert merged.decode(torch.tensor([2])).exact


def test_padding_is_no_part_of_a_text() -> None:
    assert TokenCodec(words(), end=3, padding=0).decode(torch.tensor([1, 0, 2, 0])).text == "tea please"


def test_a_tokenizer_that_does_not_count_its_tokens_is_named() -> None:
    class Odd:
        def encode(self, text: str) -> list[int]:
            return [len(text)]

    codec = TokenCodec(Odd())
    assert codec.encode("tea").tolist() == [3]
    with pytest.raises(ArgumentError, match="Odd does not tell how many tokens"):
        _ = codec.vocabulary


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(1, 8), size=st.integers(2, 6), seed=st.integers(0, 99))
def test_a_vector_is_read_as_the_nearest_text_with_its_similarity(rows: int, size: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    vectors, asked = torch.randn(rows, size, generator=generator), torch.randn(size, generator=generator)
    codec = VectorCodec([f"text {row}" for row in range(rows)], vectors)
    cosines = torch.cosine_similarity(vectors, asked[None])
    decoded = codec.decode(asked)
    assert decoded.text == f"text {int(cosines.argmax())}"
    assert decoded.similarity == pytest.approx(cosines.max().item(), abs=1e-5)
    assert not decoded.exact
    for row in range(rows):
        assert codec.decode(codec.encode(f"text {row}")).similarity == pytest.approx(1.0, abs=1e-5)


def test_a_known_texts_own_vector_is_exact() -> None:
    codec = VectorCodec(["tea", "train"], torch.tensor([[1.0, 0.5], [-2.0, 0.0]]))
    assert all(is_exact(codec, text) and codec.decode(codec.encode(text)).exact for text in codec.texts)
    assert not codec.decode(torch.tensor([2.0, 1.0])).exact


def test_vectors_of_texts_that_are_not_known_or_of_another_size_are_refused() -> None:
    codec = VectorCodec(["tea", "train"], torch.eye(2))
    with pytest.raises(ArgumentError, match="none of the 2 known texts"):
        codec.encode("rain")
    with pytest.raises(ArgumentError, match="2 numbers each"):
        codec.decode(torch.zeros(3))
    for texts in ([], ["tea", "tea"], ["tea"]):
        with pytest.raises(ArgumentError, match="a vector for each"):
            VectorCodec(texts, torch.eye(2))


def test_all_are_codecs_and_those_of_symbols_can_be_written() -> None:
    codecs = [ByteCodec(), TokenCodec(words(), end=3), VectorCodec(["tea"], torch.ones(1, 2))]
    assert all(isinstance(codec, Codec) for codec in codecs)
    assert [isinstance(codec, SymbolCodec) for codec in codecs] == [True, True, False]


def test_rows_are_padded_with_whole_numbers_even_where_there_are_none() -> None:
    tokens, lengths = pad([torch.tensor([5]), [6, 7], []], filling=9)
    assert tokens.tolist() == [[5, 9], [6, 7], [9, 9]]
    assert lengths.tolist() == [1, 2, 0]
    assert pad([[]])[0].shape == (1, 0)
    assert pad([[]])[0].dtype == torch.long
