"""That an order becomes scores that lie evenly in their range."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.errors import BackendError
from llm_brain.training.feedback import rank_scores


@given(st.integers(2, 9).flatmap(lambda number: st.permutations(range(number))))
def test_the_best_has_the_top_the_worst_the_bottom_and_the_steps_are_even(order: list[int]) -> None:
    scores = rank_scores(order, len(order), (-1.0, 3.0))
    falling = [scores[place] for place in order]
    assert (falling[0], falling[-1]) == (3.0, -1.0)
    step = 4 / (len(order) - 1)
    assert [one - other for one, other in pairwise(falling)] == pytest.approx([step] * (len(order) - 1))


@pytest.mark.parametrize("order", [[], [0, 1, 1], [1, 2, 3], [0, 1]])
def test_what_is_no_order_of_all_answers_is_refused(order: list[int]) -> None:
    with pytest.raises(BackendError, match="each place"):
        rank_scores(order, 3)
