"""The page of a study: everything that the journal tells, nothing that runs, and nothing from the network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from llm_brain.errors import DataError
from llm_brain.optimize import Proposal, Study, StudyBudget, Trial
from llm_brain.optimize.recorded import Recorded, read_recorded
from llm_brain.optimize.report import write_study_page
from llm_brain.optimize.report.lineage import versions
from llm_brain.optimize.report.trials import trial_rows
from tests.optimize.conftest import Build, Scripted
from tests.optimize.desk import CASES, KEY, desk, finished_desk, write_desk


class Page(HTMLParser):
    """What a page is made of, and what it says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())

    @property
    def inside_pictures(self) -> list[dict[str, str | None]]:
        """The links that stand in a picture."""
        return [told for place, (tag, told) in enumerate(self.tags) if tag == "a" and self.tags[place + 1][0] in ("g", "text")]

    def headings(self) -> list[str]:
        return [str(told["aria-labelledby"]) for tag, told in self.tags if tag == "section"]


def page_of(journal: Path) -> Page:
    return Page(write_study_page(journal).read_text(encoding="utf-8"))


def test_it_shows_all_that_the_journal_tells(tmp_path: Path) -> None:
    page = page_of(write_desk(tmp_path))
    assert page.headings() == [
        *("verdict", "history", "proposers", "importance", "cost", "cases", "text-1", "lessons", "forecasts"),
        *("refusals", "trials"),
    ]
    _, study = finished_desk()
    assert f"Trial {study.verdict.trial} is better than the default by" in page.text
    assert all(case in page.text for case in CASES)
    assert "Trials 0 , 1" in page.text
    assert "ValueError: no JSON" in page.text
    anchors = {told["id"] for tag, told in page.tags if tag == "li" and "id" in told}
    links = {str(told["href"]).removeprefix("#") for tag, told in page.tags if tag == "a"}
    assert links <= anchors == {f"trial-{number}" for number in range(16)}


def test_it_can_be_read_without_being_seen(tmp_path: Path) -> None:
    page = page_of(write_desk(tmp_path))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert max(after - before for before, after in pairwise(levels)) == 1
    pictures = [told for tag, told in page.tags if tag == "svg"]
    assert {told["role"] for told in pictures} == {"group"}  # of an image nobody is told what is in it
    inside = page_of(write_desk(tmp_path)).inside_pictures
    assert inside
    assert all(told.get("aria-label") for told in inside)
    rows = re.findall(r"<tbody>(.*?)</tbody>", (tmp_path / "desk.html").read_text(encoding="utf-8"), re.DOTALL)
    headed = [body for body in rows if "</a>" not in body]
    assert all(row.startswith('<th scope="row">') for body in headed for row in re.findall(r"<tr>(.*?)</tr>", body))


def test_nothing_in_it_runs_or_is_fetched(tmp_path: Path) -> None:
    page = page_of(write_desk(tmp_path))
    text = (tmp_path / "desk.html").read_text(encoding="utf-8")
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    assert not [name for _, told in page.tags for name in told if name.startswith("on") or name in ("src", "srcset")]
    assert [told["content"] for _, told in page.tags if told.get("http-equiv")] == [
        "default-src 'none'; style-src 'unsafe-inline'"
    ]
    assert not re.search(r"https?://|url\(|@import", text)


def test_markup_is_text_keys_are_cut_out_and_marks_that_reverse_text_are_seen(tmp_path: Path) -> None:
    page = page_of(write_desk(tmp_path))
    assert "<script>alert('the page')</script> & </style> ⟨202E⟩" in page.text
    text = (tmp_path / "desk.html").read_text(encoding="utf-8")
    assert KEY not in text
    assert "\u202e" not in text


def test_the_same_journal_gives_the_same_bytes(tmp_path: Path) -> None:
    journal = write_desk(tmp_path)
    first = write_study_page(journal, tmp_path / "first.html").read_bytes()
    assert write_study_page(journal, tmp_path / "second.html").read_bytes() == first


@pytest.mark.parametrize("events", [1, 2, 3, 20, 45])
def test_a_study_that_goes_on_has_a_page(tmp_path: Path, events: int) -> None:
    page = page_of(write_desk(tmp_path, events))
    assert "Nothing is compared with the default yet" in page.text
    assert "trials" in page.headings()


def test_where_nothing_was_better_the_page_says_so_and_changes_nothing(build: Build, tmp_path: Path) -> None:
    build(model=None, score=lambda _, result: 0.5 + 0 * result).run(StudyBudget(trials=5))
    page = page_of(tmp_path / "study.jsonl")
    assert "Nothing was shown to be better than the default." in page.text
    assert "The default is what is recommended" in page.text
    assert not {"cases", "text-1", "lessons", "forecasts", "refusals", "importance"} & set(page.headings())


def test_a_trial_that_a_gate_stopped_was_not_stopped_by_a_race(build: Build, tmp_path: Path) -> None:
    gated = Scripted([Proposal({"rate": 1.0}, parents=(0,), gate=(0,))])
    study = build(model=None, task_parameters=[0, 1], proposers=[gated], races=False).run(StudyBudget(trials=2))
    assert study.trials[1].status == "stopped"
    page = page_of(tmp_path / "study.jsonl")
    assert "stopped early" in page.text
    assert "race" not in page.text


@pytest.mark.parametrize("scores", [[-1e300, 1e300], [0.0, 0.0], [1e-300, 2e-300], [-5.0, -1e12]])
def test_any_scores_have_a_place(build: Build, tmp_path: Path, scores: list[float]) -> None:
    told = iter(scores * 3)
    build(model=None, task=lambda _: next(told), races=False).run(StudyBudget(trials=6))
    text = write_study_page(tmp_path / "study.jsonl").read_text(encoding="utf-8")
    assert "nan" not in " ".join(re.findall(r'(?:d|cx|cy|x|y|width)="([^"]*)"', text))


def test_a_text_that_was_merged_tells_all_that_it_was_made_from() -> None:
    points = [("Yes.", ()), ("Yes!", (0,)), ("Yes, Sir.", (0,)), ("Yes, Sir!", (2, 1))]
    trials = [Trial(number, "merge", None, {"p": text}, parents) for number, (text, parents) in enumerate(points)]
    merged = versions(Recorded("desk", {"space": {"p": {"distribution": None}}}, Study(trials)))["p"][-1]
    assert (merged.before, merged.beside) == (3, (2,))
    assert [line.text for line in merged.lines] == ["Yes, Sir.", "Yes, Sir!"]


def test_trials_at_a_lower_fidelity_are_not_set_beside_the_default(tmp_path: Path) -> None:
    desk(tmp_path / "cheap.jsonl", model=None, fidelities=(0.3, 1.0), confirmations=0, races=False).run(StudyBudget(trials=8))
    rows = trial_rows(read_recorded(tmp_path / "cheap.jsonl"))
    assert {(row["fidelity"], bool(row["gain"])) for row in rows[1:]} == {("0.3", False), ("", True)}
    assert all(re.fullmatch(r"trial \d again", *row["changed"]) for row in rows if row["proposer"] == "promotion")
    assert "fidelity 0.3" in page_of(tmp_path / "cheap.jsonl").text


def test_a_journal_that_cannot_be_read_leaves_the_page_as_it_was(tmp_path: Path) -> None:
    journal = write_desk(tmp_path)
    page = write_study_page(journal)
    before = page.read_bytes()
    journal.write_bytes(b"no journal\n")
    with pytest.raises(DataError):
        write_study_page(journal)
    assert page.read_bytes() == before


@pytest.mark.slow
def test_a_study_of_three_hundred_trials_has_a_page_of_a_few_megabytes(tmp_path: Path) -> None:
    desk(tmp_path / "long.jsonl", model=None, core="random", confirmations=0).run(StudyBudget(trials=300))
    assert write_study_page(tmp_path / "long.jsonl").stat().st_size < 4_000_000
