"""Which pairs are taken, which are refused and counted, and that they come back from disk as they were."""

import json
import math
import pickle
import threading
from enum import Enum
from pathlib import Path
from statistics import median_low
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_serializer
from rich.console import Console

from llm_brain.errors import DataError
from llm_brain.training import answer_for
from llm_brain.training.data import Pair, PairSet, combinations, read_messages, refusals_table, split

Mood = Literal["happy", "unhappy"]
Share = Annotated[float, Field(ge=-1, le=1)]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


class Colour(Enum):
    RED = (255, 0)
    GREEN = (0, 255)


class Detail(BaseModel):
    share: Share = Field(alias="part", exclude=True)
    colour: Colour | None


class Review(BaseModel):
    title: str
    detail: Detail
    stars: int = Field(ge=1, le=5)

    @field_serializer("stars")
    def words(self, stars: int) -> str:
        return f"{stars} stars"


REVIEWS = st.builds(
    lambda title, share, colour, stars: Review(title=title, detail=Detail(part=share, colour=colour), stars=stars),
    TEXTS,
    st.floats(-1, 1),
    st.sampled_from([*Colour, None]),
    st.integers(1, 5),
)
KINDS: dict[str, tuple[Any, Any]] = {
    "bool": (bool, st.booleans()),
    "literal": (Literal["a", 1] | None, st.sampled_from(["a", 1, None])),
    "enum": (Colour, st.sampled_from(Colour)),
    "float": (Share, st.floats(-1, 1)),
    "int": (Annotated[int, Field(ge=-5, le=5)], st.integers(-5, 5)),
    "text": (str, TEXTS),
    "model": (Review, REVIEWS),
}


def pair(text: str, answer: Any = "happy") -> Pair:
    return Pair(text, answer, (0.9, 0.1) if answer == "happy" else (0.1, 0.9))


def moods() -> PairSet:
    return PairSet(answer_for(Mood))


@pytest.mark.parametrize("again", ["it broke", "  It   broke. ", "IT BROKE!", "It broke…", "“It broke”"])
def test_a_text_that_differs_by_case_and_punctuation_only_is_a_duplicate(again: str) -> None:
    pairs = moods()
    assert pairs.add(pair("It broke."))
    assert not pairs.add(pair(again))
    assert dict(pairs.refused) == {"duplicate": 1}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("नमस्ते कि", "नमस्ते की"),
        ("Fine 🙂", "Fine 🙁"),
        ("1 + 1", "1 = 1"),
        ("cafe", "café"),
        ("number: -1", "number: 1"),
        ("1.5 hours", "15 hours"),
        ("(())", "(()"),
    ],
)
def test_marks_symbols_and_signs_tell_texts_apart(one: str, other: str) -> None:
    pairs = moods()
    assert pairs.add(pair(one))
    assert pairs.add(pair(other))


def test_the_two_ways_to_write_an_accent_are_one_text() -> None:
    pairs = moods()
    assert pairs.add(pair("café"))
    assert not pairs.add(pair("cafe\u0301"))


@pytest.mark.parametrize(
    "bad",
    [
        Pair("a", "happy", (float("nan"), 0.5)),
        Pair("a", "happy", (float("inf"), 0.5)),
        Pair("a", "happy", (1.5, -0.5)),
        Pair("a", "happy", (0.2, 0.2)),
        Pair("a", "happy", (0.2, 0.3, 0.5)),
        Pair("a", "glad"),
        Pair("a", 0),
        Pair("a", ["happy"]),
        Pair("\ud800", "happy"),
    ],
)
def test_a_pair_that_cannot_be_learned_from_is_refused_and_counted(bad: Pair) -> None:
    pairs = moods()
    assert not pairs.add(bad)
    assert (pairs.pairs, dict(pairs.refused)) == ([], {"malformed": 1})


@pytest.mark.parametrize(
    ("returns", "answer"), [(Share, 1.5), (Share, float("nan")), (Share, "1"), (str, "\ud800"), (str, "a" * 65), (Share, 10**400)]
)
def test_answers_of_every_kind_are_checked(returns: Any, answer: Any) -> None:
    pairs = PairSet(answer_for(returns))
    assert not pairs.add(Pair("a", answer))
    assert dict(pairs.refused) == {"malformed": 1}


def test_only_a_closed_set_has_probabilities() -> None:
    assert not PairSet(answer_for(Share)).add(Pair("a", 0.5, (1.0,)))
    assert moods().add(Pair("a", "happy"))


@given(st.lists(st.text(max_size=8)))
def test_every_pair_that_is_offered_is_kept_or_counted(texts: list[str]) -> None:
    pairs = moods()
    kept = [pairs.add(pair(text)) for text in texts]
    assert sum(kept) == len(pairs)
    assert len(pairs) + pairs.refused.total() == len(texts)
    assert all(pairs.refusal(known.text) == "duplicate" for known in pairs.pairs)


@given(st.lists(st.integers(0, 2), max_size=40), st.floats(1.0, 3.0), st.integers(0, 3))
def test_no_answer_has_more_than_its_share_after_balancing(answers: list[int], most: float, seed: int) -> None:
    pairs = PairSet(answer_for(Literal["a", "b", "c"]))
    for number, answer in enumerate(answers):
        pairs.add(Pair(f"text {number}", "abc"[answer]))
    pairs.balance(most=most, seed=seed)
    counts = [sum(kept.answer == answer for kept in pairs.pairs) for answer in "abc"]
    before = [answers.count(answer) for answer in range(3)]
    assert counts == before or max(counts) <= most * median_low(before)
    assert min(counts) == min(before)
    assert len(pairs) + pairs.refused.total() == len(answers)
    numbers = [int(kept.text.split()[1]) for kept in pairs.pairs]
    assert numbers == sorted(numbers)


def test_a_rare_answer_does_not_cost_the_pairs_of_all_others() -> None:
    pairs = PairSet(answer_for(Literal["a", "b", "c"]))
    for number in range(61):
        pairs.add(Pair(f"text {number}", "ab"[number % 2] if number < 60 else "c"))
    pairs.balance()
    assert len(pairs) == 61


def test_only_those_among_which_it_is_asked_are_dropped() -> None:
    pairs = moods()
    for number in range(20):
        pairs.add(Pair(f"text {number}", "happy" if number % 10 else "unhappy"))
    among = pairs.pairs[:10]
    kept = pairs.balance(most=2.0, among=among)
    assert len(kept) == 3
    assert pairs.pairs[3:] == [Pair(f"text {number}", "happy" if number % 10 else "unhappy") for number in range(10, 20)]
    assert dict(pairs.refused) == {"unbalanced": 7}


def test_probabilities_that_say_another_answer_are_left_out() -> None:
    pairs = moods()
    for number, likely in enumerate([(0.2, 0.8), (0.5, 0.5), (0.8, 0.2)]):
        assert pairs.add(Pair(f"text {number}", "happy", likely))
    assert [pair.probabilities for pair in pairs.pairs] == [(), (0.5, 0.5), (0.8, 0.2)]


def test_answers_that_are_no_closed_set_are_not_balanced() -> None:
    pairs = PairSet(answer_for(Share))
    for number in range(9):
        pairs.add(Pair(f"text {number}", float(number == 0)))
    pairs.balance(most=1.0)
    assert len(pairs) == 9


@pytest.mark.parametrize("name", KINDS)
def test_saved_pairs_come_back_equal_whatever_their_answers(name: str, tmp_path: Path) -> None:
    returns, answers = KINDS[name]
    kind = answer_for(returns)
    path = tmp_path / "sets" / "pairs.jsonl"

    @given(st.lists(st.tuples(TEXTS, answers), max_size=6))
    def round_trip(drawn: list[tuple[str, Any]]) -> None:
        pairs = PairSet(kind)
        for text, answer in drawn:
            even = (1 / max(1, len(pairs.options)),) * len(pairs.options)
            pairs.add(Pair(text, answer, even, "traced"))
        pairs.save(path)
        again = PairSet.load(path, kind, returns).pairs
        assert again == pairs.pairs
        assert [type(each.answer) for each in again] == [type(each.answer) for each in pairs.pairs]

    round_trip()
    assert list(tmp_path.glob("**/.*")) == []


def test_line_ends_inside_of_texts_are_no_ends_of_lines(tmp_path: Path) -> None:
    pairs = moods()
    for text in ("a\u2028b", "c\nd", 'say "e"', "é 🙂", "f\x85g"):
        assert pairs.add(pair(text))
    pairs.save(tmp_path / "pairs.jsonl")
    assert PairSet.load(tmp_path / "pairs.jsonl", pairs.kind, Mood).pairs == pairs.pairs
    assert json.loads((tmp_path / "pairs.jsonl").read_text(encoding="utf-8").split("\n")[0])["probabilities"] == [0.9, 0.1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "b", "answer": "glad", "probabilities": [], "source": "given"}', "line 2 of .* does not fit"),
        ('{"text": 5, "answer": "happy", "probabilities": [], "source": "given"}', "line 2 of .* does not fit"),
        ('{"text": "b", "answer": "happy", "probabilities": ["x"], "source": "given"}', "line 2 of .* does not fit"),
        ('{"text": "b", "answer": "happy", "probabilities": null, "source": "given"}', "line 2 of .* does not fit"),
        ('{"text": "b", "answer": "happy", "probabilities": [0.5], "source": "given"}', "line 2 of .* is malformed"),
        ('{"text": "", "answer": "happy", "probabilities": [], "source": "given"}', "line 2 of .* is empty"),
        ('{"text": "A!", "answer": "happy", "probabilities": [], "source": "given"}', "line 2 of .* is duplicate"),
        ('{"text": "b", "answer": "happy"}', "line 2 of .* has no field `probabilities`"),
        ('{"text": "b", ', "line 2 of .* is not JSON"),
    ],
)
def test_a_damaged_line_of_saved_pairs_is_named(line: str, said: str, tmp_path: Path) -> None:
    pairs = moods()
    pairs.add(pair("a"))
    path = tmp_path / "pairs.jsonl"
    pairs.save(path)
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=said):
        PairSet.load(path, pairs.kind, Mood)


def test_the_counts_tell_sources_answers_and_reasons() -> None:
    pairs = moods()
    pairs.add(Pair("a", "happy", source="generated"))
    pairs.add(Pair("b", "happy", source="traced"))
    pairs.refuse("judge disagrees", 3)
    counts = pairs.counts()
    assert (counts.accepted, counts.answers) == ({"generated": 1, "traced": 1}, {"happy": 2, "unhappy": 0})
    assert counts.refused == {"judge disagrees": 3}


def test_the_table_shows_each_count(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = moods()
    pairs.add(Pair("a", "happy", source="generated"))
    pairs.refuse("judge disagrees", 3)
    Console(width=60).print(refusals_table(pairs))
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    assert [[word.strip() for word in row if word.strip()] for row in rows] == [
        ["accepted", "generated", "1"],
        ["answer", "happy", "1"],
        ["unhappy", "0"],
        ["refused", "judge disagrees", "3"],
    ]


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
def test_a_damaged_line_of_messages_is_named(content: bytes, said: str, tmp_path: Path) -> None:
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


@given(st.lists(st.text(max_size=3)), st.integers(0, 10), st.integers(0, 3))
def test_a_split_loses_nothing(texts: list[str], held_out: int, seed: int) -> None:
    rest, aside = split(texts, held_out, seed=seed)
    assert sorted([*rest, *aside]) == sorted(texts)
    assert len(aside) == min(held_out, len(texts))


@given(st.lists(st.integers(1, 4), max_size=3), st.integers(1, 60), st.integers(0, 3))
def test_no_combination_is_drawn_twice_until_all_were(sizes: list[int], number: int, seed: int) -> None:
    values = {f"name {place}": [f"{value}" for value in range(size)] for place, size in enumerate(sizes)}
    drawn = [tuple(one.items()) for one in combinations(values, number, seed=seed)]
    total = math.prod(sizes)
    assert len(set(drawn[:total])) == min(number, total)
    assert all(one == drawn[place % total] for place, one in enumerate(drawn))


def test_of_very_many_combinations_as_many_are_drawn_as_are_wanted() -> None:
    values = {name: [str(number) for number in range(1000)] for name in ("topic", "persona", "document")}
    assert len({tuple(one.items()) for one in combinations(values, 50)}) == 50


def test_nothing_to_combine_is_a_data_error() -> None:
    with pytest.raises(DataError, match="`mood` has no values"):
        combinations({"product": ["kettle"], "mood": []}, 3)


def test_a_pair_is_sent_to_another_process_without_its_arguments() -> None:
    pair = Pair("It works.", True, (0.75, 0.25), "traced", {"message": "It works.", "connection": threading.Lock()})
    sent = pickle.loads(pickle.dumps(pair))
    assert sent == pair
    assert sent.arguments is None


@pytest.mark.parametrize(
    ("pair", "fault"),
    [
        (Pair("It works.", True, (0.6, 0.2)), "the probabilities (0.6, 0.2) are not 1 together"),
        (Pair("It works.", True, (1.0,)), "1 probabilities are given of 2 options"),
        (Pair("It works.", "yes"), "a value is none of True, False"),
        (Pair("\ud800", True), "no valid Unicode"),
    ],
)
def test_what_is_wrong_with_the_first_pair_that_is_refused_is_told(pair: Pair, fault: str) -> None:
    pairs = PairSet(answer_for(bool))
    pairs.add(pair)
    pairs.refuse("malformed", because="another")
    assert pairs.refusals().startswith("2 malformed (the first: ")
    assert fault in pairs.refusals()
    assert "another" not in pairs.refusals()
