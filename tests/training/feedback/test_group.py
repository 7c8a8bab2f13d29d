"""That groups become tensors, and are told apart by what was drawn."""

import pytest

from llm_brain.errors import ArgumentError
from llm_brain.training.feedback import Group, group_tensors


def test_groups_become_tensors_with_a_mask_for_what_failed() -> None:
    rewards, known, behaviour = group_tensors([Group(0, ("a", "b"), (0, 1), (-0.5, -1.0), 0, rewards=(0.5, None))])
    assert known.tolist() == [[True, False]]
    assert rewards[known].tolist() == [0.5]
    assert behaviour.tolist() == [[-0.5, -1.0]]


@pytest.mark.parametrize("groups", [[], [Group(0, (1,), (1,), (0.0,), 0, rewards=(1.0,)), Group(0, (1,), (1,), (0.0,), 0)]])
def test_groups_of_different_sizes_are_refused(groups: list[Group]) -> None:
    with pytest.raises(ArgumentError, match="one size"):
        group_tensors(groups)


def test_equal_draws_have_equal_digests_and_others_have_not() -> None:
    drawn = Group(0, ("a", {"b": 1}), (0, 1), (0.0, 0.0), 0)
    assert drawn.digest() == Group(0, ("a", {"b": 1}), (0, 1), (-0.5, -1.0), 3, number=7).digest()
    others = [Group(1, drawn.answers, (0, 1), (0.0, 0.0), 0), Group(0, drawn.answers[::-1], (0, 1), (0.0, 0.0), 0)]
    assert drawn.digest() not in {other.digest() for other in others}
