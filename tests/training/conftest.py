"""One thread for tensors of this size, and a toy: a tokenizer of eight words, a random table, a tiny brain."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from llm_brain.brain import Brain, BrainConfig, Choice
from llm_brain.training import TokenReader

WORDS = ["?", "the", "it", "film", "good", "great", "bad", "awful"]


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def reader() -> TokenReader:
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    return TokenReader(tokenizer, torch.randn(len(WORDS), 8, generator=torch.Generator().manual_seed(0)))


@pytest.fixture
def new_brain(reader: TokenReader) -> Callable[[], Brain]:
    def build() -> Brain:
        torch.manual_seed(0)
        return Brain(BrainConfig(input_size=8, answer=Choice(options=2), width=16, heads=2, dropout=0.1), embedding=reader.table)

    return build
