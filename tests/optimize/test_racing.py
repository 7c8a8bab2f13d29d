"""A race stops what is clearly worse, and nothing else."""

import random

from hypothesis import given
from hypothesis import strategies as st

from llm_brain.optimize.racing import blocks, estimate, is_worse


@given(st.integers(0, 500))
def test_blocks_are_all_units_in_order_and_double(number: int) -> None:
    units = [(case, 0) for case in range(number)]
    cut = blocks(units)
    assert [unit for block in cut for unit in block] == units
    assert len(cut) <= 8
    assert all(len(block) >= 8 for block in cut) or number < 8


def test_a_trial_that_is_worse_nearly_everywhere_is_worse() -> None:
    best = {(case, 0): 0.8 + case / 100 for case in range(16)}
    worse = {unit: score - 0.1 for unit, score in best.items()}
    assert is_worse(worse, best, looks=3)
    assert not is_worse(best, worse, looks=3)
    assert not is_worse(dict(list(worse.items())[:3]), best)


def test_equals_are_stopped_no_more_often_than_the_level_says() -> None:
    draw, stopped, races = random.Random(0), 0, 400
    for _ in range(races):
        scores = [{(case, 0): draw.random() for case in range(64)} for _ in range(2)]
        stopped += any(is_worse(dict(list(scores[0].items())[:end]), scores[1], looks=3) for end in (8, 16, 32))
    assert stopped / races <= 0.05 + 0.025


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20), st.floats(-0.5, 0.5))
def test_an_estimate_is_the_bests_mean_and_the_difference_where_both_have_run(scores: list[float], apart: float) -> None:
    best = {(case, 0): score for case, score in enumerate(scores)}
    known = {unit: score + apart for unit, score in list(best.items())[:3]}
    assert abs(estimate(known, best) - (sum(scores) / len(scores) + apart)) < 1e-9
