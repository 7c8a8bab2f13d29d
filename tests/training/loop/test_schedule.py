"""Learning rates over a training."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.training.loop.schedule import SCHEDULES, one_cycle

SHARES = st.floats(min_value=1e-6, max_value=1.0)


@pytest.mark.parametrize("name", SCHEDULES)
@given(done=SHARES)
def test_a_rate_is_never_above_the_largest_and_never_nothing(name: str, done: float) -> None:
    assert 0.0 < SCHEDULES[name](done) <= 1.0  # type: ignore[index]


@given(one=st.floats(0.1, 1.0), other=st.floats(0.1, 1.0))
def test_after_the_warm_up_it_only_falls(one: float, other: float) -> None:
    assert (one <= other) == (one_cycle(one) >= one_cycle(other)) or abs(one_cycle(one) - one_cycle(other)) < 1e-9


def test_it_rises_for_a_tenth_of_the_training() -> None:
    assert [round(one_cycle(share), 6) for share in (0.02, 0.05, 0.1)] == [0.2, 0.5, 1.0]
