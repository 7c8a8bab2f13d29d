"""Which pairs are learned from, which validate, and which calibrate."""

from collections.abc import Iterable

import pytest

from llm_brain.errors import DataError
from llm_brain.training import Pair, PairSet, answer_for
from llm_brain.training.splitting import set_aside, split_pairs


def pairs_of(places: Iterable[int]) -> PairSet:
    pairs = PairSet(answer_for(bool))
    for place in places:
        pairs.add(Pair(f"text {place}", place % 2 == 0))
    return pairs


@pytest.mark.parametrize("number", [4, 5, 23, 100])
def test_parts_of_the_pairs_are_apart_and_all_of_them(number: int) -> None:
    pairs = pairs_of(range(number))
    parts = split_pairs(pairs, 0.3, seed=1)
    assert sorted(pair.text for part in parts for pair in part) == sorted(pair.text for pair in pairs.pairs)
    assert all(parts)
    assert split_pairs(pairs, 0.3, seed=1) == parts


def test_what_is_held_out_is_not_learned_from_though_it_stands_among_the_pairs() -> None:
    learned, validated, calibration = set_aside(pairs_of(range(10)), pairs_of(range(7, 12)), seed=0)
    assert [pair.text for pair in learned] == [f"text {place}" for place in range(7)]
    assert len(validated) == 2
    assert {pair.text for pair in validated + calibration} == {f"text {place}" for place in range(7, 12)}


def test_a_text_that_is_written_otherwise_is_held_out_all_the_same() -> None:
    aside = PairSet(answer_for(bool))
    for place in range(4):
        aside.add(Pair(f"TEXT {place}!", True))
    learned, _, _ = set_aside(pairs_of(range(10)), aside, seed=0)
    assert [pair.text for pair in learned] == [f"text {place}" for place in range(4, 10)]


def test_one_pair_that_is_held_out_cannot_both_validate_and_calibrate() -> None:
    with pytest.raises(DataError, match="1 pairs are held out: give 2 at least"):
        set_aside(pairs_of(range(10)), pairs_of(range(1)), seed=0)
