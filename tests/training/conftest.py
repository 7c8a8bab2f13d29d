"""One thread for tensors of this size, and a toy: a tokenizer of eight words, a random table, a task that a tiny brain learns."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from llm_brain.brain import Brain, BrainConfig, Choice
from llm_brain.training import Lesson, Pair, TokenReader

WORDS = ["?", "the", "it", "film", "good", "great", "bad", "awful"]
GOOD = {"good", "great"}


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


def sentence(draw: random.Random) -> tuple[str, int]:
    word = draw.choice(WORDS[4:])
    words = [draw.choice(WORDS[1:4]) for _ in range(draw.randint(1, 4))]
    words.insert(draw.randint(0, len(words)), word)
    return " ".join(words), int(word not in GOOD)


def truth(prompt: str) -> int:
    return int(not GOOD & set(prompt.split()))


@pytest.fixture
def lesson() -> Lesson:
    draw = random.Random(0)
    made = [sentence(draw) for _ in range(96)]
    pairs = [Pair(text, answer, (0.9, 0.1) if answer == 0 else (0.1, 0.9), "labelled") for text, answer in made[:64]]
    return Lesson(
        pairs=pairs,
        prompts=[text for text, _ in made[:16]],
        held_out=[text for text, _ in made[64:]],
        evaluate=lambda prompt, answer: float(answer == truth(prompt)),
        validate=lambda answers: sum(answer == truth(text) for text, answer in answers) / len(answers),
    )
