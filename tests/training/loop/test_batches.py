"""Which examples and prompts a step takes."""

from hypothesis import given
from hypothesis import strategies as st

from llm_brain.training.loop.batches import PromptBatches, length_batches
from llm_brain.training.loop.randomness import seed_of

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=70)


@given(lengths=LENGTHS, size=st.integers(1, 9), seed=st.integers(0, 99))
def test_every_index_stands_in_one_batch(lengths: list[int], size: int, seed: int) -> None:
    batches = length_batches(lengths, size, seed)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)


def test_a_batch_holds_rows_of_similar_length() -> None:
    lengths = [1, 100] * 32
    batches = length_batches(lengths, 4, seed=0)
    assert all(len({lengths[index] for index in batch}) == 1 for batch in batches)


@given(lengths=LENGTHS, size=st.integers(1, 9), steps=st.lists(st.integers(0, 40), max_size=9))
def test_the_prompts_of_a_step_depend_on_the_step_alone(lengths: list[int], size: int, steps: list[int]) -> None:
    in_order = PromptBatches(lengths, size, seed=3)
    whole = [in_order.at(step) for step in range(41)]
    anyhow = PromptBatches(lengths, size, seed=3)
    assert [anyhow.at(step) for step in steps] == [whole[step] for step in steps]


@given(lengths=LENGTHS, size=st.integers(1, 9))
def test_all_prompts_have_had_their_turn_before_one_has_a_second(lengths: list[int], size: int) -> None:
    batches = PromptBatches(lengths, size, seed=0)
    number = -(-len(lengths) // size)
    assert sorted(index for step in range(number) for index in batches.at(step)) == list(range(len(lengths)))


def test_without_prompts_there_are_none() -> None:
    assert PromptBatches([], 4, seed=0).at(7) == []


def test_uses_of_a_seed_do_not_draw_alike() -> None:
    assert len({seed_of(0, use, step) for use in ("draw", "step", "examples") for step in range(50)}) == 150
