"""What all benchmarks tell in the same way."""

from __future__ import annotations

import pytest

from benchmarks.reports import fill, median_ratio, page_table


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    assert median_ratio([10.0, 40.0, 90.0], [10.0, 20.0, 30.0]) == 2.0


def test_tables_are_put_between_their_marks_and_nowhere_else() -> None:
    page = "Before\n<!-- one: made by hand -->\n\nold\n\n<!-- end of one -->\nafter"
    table = page_table(("", "a"), [("row", "1")])
    filled = fill(page, {"one": table})
    assert filled == f"Before\n<!-- one: made by hand -->\n\n{table}\n\n<!-- end of one -->\nafter"
    assert fill(filled, {"one": table}) == filled


def test_a_page_without_its_marks_is_told_of() -> None:
    with pytest.raises(SystemExit, match="0 places for 'one'"):
        fill("<!-- two: -->\n<!-- end of two -->", {"one": ""})
