"""Which pairs are taken, which are refused and counted, and what a damaged file of records says."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.errors import DataError
from llm_brain.training import Pair, PairSet, read_messages
from llm_brain.training.data import cycle_inputs, keep_agreed, split


def pair(text: str, answer: int = 0) -> Pair:
    return Pair(text, answer, (0.9, 0.1) if answer == 0 else (0.1, 0.9), "labelled")


@pytest.mark.parametrize("again", ["it broke", "  It   broke. ", "IT BROKE!", "It broke…"])
def test_a_text_that_differs_by_case_and_punctuation_only_is_a_duplicate(again: str) -> None:
    pairs = PairSet(options=2)
    assert pairs.add(pair("It broke."))
    assert not pairs.add(pair(again))
    assert dict(pairs.refused) == {"duplicate": 1}


@pytest.mark.parametrize(("one", "other"), [("नमस्ते कि", "नमस्ते की"), ("Fine 🙂", "Fine 🙁"), ("1 + 1", "1 = 1"), ("cafe", "café")])
def test_marks_and_symbols_tell_texts_apart(one: str, other: str) -> None:
    pairs = PairSet(options=2)
    assert pairs.add(pair(one))
    assert pairs.add(pair(other))


def test_the_two_ways_to_write_an_accent_are_one_text() -> None:
    pairs = PairSet(options=2)
    assert pairs.add(pair("café"))
    assert not pairs.add(pair("cafe\u0301"))


def test_pairs_that_a_set_begins_with_are_known_to_it() -> None:
    assert not PairSet(options=2, pairs=[pair("It broke.")]).add(pair("it broke"))


@pytest.mark.parametrize(
    "bad",
    [
        Pair("a", 0, (float("nan"), 0.5), "labelled"),
        Pair("a", 0, (float("inf"), 0.5), "labelled"),
        Pair("a", 0, (1.5, -0.5), "labelled"),
        Pair("a", 0, (0.2, 0.2), "labelled"),
        Pair("a", 0, (0.2, 0.3, 0.5), "labelled"),
        Pair("a", 0, (), "labelled"),
        Pair("a", 2, (0.5, 0.5), "labelled"),
        Pair("a", -1, (0.5, 0.5), "labelled"),
        Pair("\ud800", 0, (0.5, 0.5), "labelled"),
    ],
)
def test_a_pair_that_cannot_be_learned_from_is_refused_and_counted(bad: Pair) -> None:
    pairs = PairSet(options=2)
    assert not pairs.add(bad)
    assert (pairs.pairs, dict(pairs.refused)) == ([], {"malformed": 1})


@given(st.lists(st.text(max_size=8)))
def test_every_pair_that_is_offered_is_kept_or_counted(texts: list[str]) -> None:
    pairs = PairSet(options=2)
    kept = [pairs.add(pair(text)) for text in texts]
    assert sum(kept) == len(pairs.pairs)
    assert len(pairs.pairs) + pairs.refused.total() == len(texts)
    assert not any(PairSet(options=2, pairs=pairs.pairs).add(known) for known in pairs.pairs)


@given(st.lists(st.integers(0, 2), max_size=40), st.floats(1.0, 3.0), st.integers(0, 3))
def test_no_answer_has_more_than_its_share_after_balancing(answers: list[int], most: float, seed: int) -> None:
    pairs = PairSet(options=3)
    for number, answer in enumerate(answers):
        pairs.add(Pair(f"text {number}", answer, (0.2, 0.3, 0.5), "labelled"))
    pairs.balance(most=most, seed=seed)
    counts = [sum(kept.answer == answer for kept in pairs.pairs) for answer in range(3)]
    assert counts == [answers.count(answer) for answer in range(3)] or max(counts) <= most * min(counts)
    assert min(counts) == min(answers.count(answer) for answer in range(3))
    assert len(pairs.pairs) + pairs.refused.total() == len(answers)
    assert [int(kept.text.split()[1]) for kept in pairs.pairs] == sorted(int(kept.text.split()[1]) for kept in pairs.pairs)


def test_only_pairs_that_the_judge_agrees_with_are_kept_with_its_probabilities() -> None:
    pairs = PairSet(options=2)
    candidates = [pair("agreed"), pair("refused", 1), pair("unknown"), pair("Agreed!")]
    keep_agreed(candidates, lambda texts: [(0.8, 0.2) if text != "unknown" else None for text in texts], pairs)
    assert [(kept.text, kept.probabilities) for kept in pairs.pairs] == [("agreed", (0.8, 0.2))]
    assert dict(pairs.refused) == {"judge disagrees": 1, "not judged": 1, "duplicate": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"message": "a"}\n{"message": \n', "line 2 of .* is not JSON"),
        (b'{"message": "a"}\n\n{"text": "b"}\n', "line 3 of .* has no field `message`"),
        (b'["a"]\n', "line 1 of .* is not a JSON object"),
        (b'{"message": 5}\n', "the field `message` in line 1 of .* is not a text"),
        (b'{"message": "\\ud800"}\n', "the field `message` in line 1 of .* is not a text"),
        (b"[" * 100_000, "line 1 of .* is not JSON"),
        (b"\xff\n", "cannot be read"),
    ],
)
def test_a_damaged_line_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_messages(path, "message")


def test_a_file_that_is_not_there_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_messages(tmp_path / "none.jsonl")


def test_a_byte_order_mark_and_line_separators_inside_texts_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_text('\ufeff{"message": "a\u2028b"}\r\n{"message": "c"}\r\n', encoding="utf-8")
    assert [record["message"] for record in read_messages(path, "message")] == ["a\u2028b", "c"]


def test_saved_pairs_are_read_back_whatever_their_texts(tmp_path: Path) -> None:
    path = tmp_path / "sets" / "pairs.jsonl"
    pairs = PairSet(options=2)
    for text in ("a\u2028b", "c\nd", 'say "e"', "é 🙂", "f\x85g"):
        assert pairs.add(pair(text))
    pairs.save(path)
    records = read_messages(path, "text", "source")
    assert [record["text"] for record in records] == [kept.text for kept in pairs.pairs]
    assert list(tmp_path.glob("**/.*")) == []
    assert json.loads(path.read_text(encoding="utf-8").split("\n")[0])["probabilities"] == [0.9, 0.1]


@given(st.lists(st.text(max_size=3)), st.integers(0, 10), st.integers(0, 3))
def test_a_split_loses_nothing(texts: list[str], held_out: int, seed: int) -> None:
    rest, aside = split(texts, held_out, seed=seed)
    assert sorted([*rest, *aside]) == sorted(texts)
    assert len(aside) == min(held_out, len(texts))


def test_no_combination_is_drawn_twice_until_all_were() -> None:
    drawn = cycle_inputs({"product": ["kettle", "lamp"], "mood": ["happy", "unhappy"]}, 6)
    assert len({tuple(inputs.items()) for inputs in drawn[:4]}) == 4
    assert drawn[4:] == drawn[:2]


def test_nothing_to_combine_is_a_data_error() -> None:
    with pytest.raises(DataError, match="`mood` has no values"):
        cycle_inputs({"product": ["kettle"], "mood": []}, 3)
