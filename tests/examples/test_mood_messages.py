"""The example's data is what its page says it is."""

from __future__ import annotations

import re
from pathlib import Path

from llm_brain.training import read_messages

FOLDER = Path("examples/mood")


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def test_the_gold_set_is_balanced_and_a_quarter_of_it_is_hard() -> None:
    gold = read_messages(FOLDER / "gold.jsonl", "message", "mood")
    assert len(gold) >= 200
    for hard in (True, False):
        moods = [line["mood"] for line in gold if line["hard"] is hard]
        assert moods.count("happy") == moods.count("unhappy")
    assert sum(bool(line["hard"]) for line in gold) == len(gold) // 4
    assert all(bool(line["why"]) == line["hard"] for line in gold)


def test_the_pool_has_no_labels() -> None:
    pool = read_messages(FOLDER / "pool.jsonl", "message")
    assert len(pool) >= 400
    assert {tuple(line) for line in pool} == {("message",)}


def test_no_message_stands_in_two_files_or_twice_in_one() -> None:
    texts = [
        " ".join(words(line["message"]))
        for name in ("gold", "dev", "pool")
        for line in read_messages(FOLDER / f"{name}.jsonl", "message")
    ]
    assert len(texts) == len(set(texts))


def test_no_pool_message_shares_two_phrases_of_five_words_with_the_gold_set() -> None:
    def phrases(text: str) -> set[tuple[str, ...]]:
        row = words(text)
        return {tuple(row[start : start + 5]) for start in range(len(row) - 4)}

    gold = set().union(*(phrases(line["message"]) for line in read_messages(FOLDER / "gold.jsonl", "message")))
    shared = [
        line["message"] for line in read_messages(FOLDER / "pool.jsonl", "message") if len(phrases(line["message"]) & gold) > 1
    ]
    assert shared == []
