"""The page of a study in a browser: it runs nothing, complains of nothing, and fits a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_brain.optimize.report import write_study_page
from tests.optimize.desk import write_desk
from tests.tracing.page.chromium import Chromium, found

pytestmark = [pytest.mark.slow, pytest.mark.skipif(found() is None, reason="there is no Chromium here")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as opened:
        yield opened


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, True)])
def test_it_fits_the_screen_and_nothing_in_it_runs(browser: Chromium, tmp_path: Path, width: int, dark: bool) -> None:
    page = write_study_page(write_desk(tmp_path))
    tab = browser.open(page, width=width, dark=dark, ready="document.readyState === 'complete'")
    assert tab.problems == []
    assert tab.run("document.documentElement.scrollWidth") == width
    assert tab.run("document.querySelectorAll('script').length") == 0
    tab.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert tab.run("document.documentElement.scrollWidth") == width
    assert tab.run("document.querySelector('#trial-3 .score').innerText") != ""
    tab.close()


def test_a_dot_of_the_chart_leads_to_its_trial(browser: Chromium, tmp_path: Path) -> None:
    tab = browser.open(write_study_page(write_desk(tmp_path)), ready="document.readyState === 'complete'")
    tab.click(".plot .wide a[href='#trial-2'] circle")
    assert tab.run("document.querySelector(':target').id") == "trial-2"
    tab.close()
