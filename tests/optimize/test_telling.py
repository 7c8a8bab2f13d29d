"""Verdicts and changes in plain words, and comparisons of texts that lose nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_brain.optimize import Verdict
from llm_brain.optimize.telling import Change, alike, change_words, changed_lines, changes, number, verdict_words

LINES = st.lists(st.sampled_from(["Read it.", "Say yes.", "Say no.", "", "Be short & <b>", "a b c d"]), max_size=8)


def test_a_gain_without_an_interval_is_not_called_sure() -> None:
    assert "too few for an interval" in verdict_words(Verdict(2, 2, 0.1, None, None, 0.95, 1, is_fresh=False))


def test_where_no_other_trial_is_complete_that_is_said() -> None:
    assert verdict_words(Verdict(0, 0, 0.0, None, None, 0.95, 0, is_fresh=False)).endswith("no other trial is complete.")


@given(LINES, LINES)
def test_a_comparison_holds_every_line_that_is_new_or_gone(old: list[str], new: list[str]) -> None:
    lines = changed_lines("\n".join(old), "\n".join(new))
    before, after = "\n".join(old).splitlines(), "\n".join(new).splitlines()
    if before == after:
        assert lines == []
        return
    left_out = sum(int(line.text.split()[0]) for line in lines if line.mark == "…")
    kept = [line.text for line in lines if line.mark in " -"]
    fresh = [line.text for line in lines if line.mark in " +"]
    assert len(kept) + left_out == len(before)
    assert len(fresh) + left_out == len(after)
    assert all("".join(text for text, _ in line.words) == line.text for line in lines if line.words)


def test_of_a_long_line_that_was_rewritten_the_words_are_marked() -> None:
    before = "You answer customers in one short sentence, and never promise a refund."
    after = "You answer customers in two short sentences, and never promise a refund."
    gone, fresh = changed_lines(before, after)
    assert [text for text, changed in gone.words if changed] == ["one", "sentence"]
    assert [text for text, changed in fresh.words if changed] == ["two", "sentences"]


def test_lines_that_have_nothing_in_common_are_not_compared_word_by_word() -> None:
    assert all(not line.words for line in changed_lines("Say yes or no.", "Write a poem about them"))


def test_a_value_that_a_choice_leaves_out_is_told() -> None:
    found = changes({"kind": "tree", "depth": 3}, {"kind": "line", "penalty": 0.5})
    assert [change_words(change) for change in found] == ["kind line", "depth not there", "penalty 0.5"]


def test_a_long_value_is_cut() -> None:
    assert len(change_words(Change("name", "a", "b" * 300))) < 60


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_can_be_written(value: float) -> None:
    assert number(value)
    assert alike([value])(value)
