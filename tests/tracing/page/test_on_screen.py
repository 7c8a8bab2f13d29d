"""The page in a browser: the tree, the details, search, filters, comparisons, curves, trials, and keys for all of it."""

from __future__ import annotations

import random

import pytest

from llm_brain.tracing import names
from tests.tracing.page.chromium import Tab
from tests.tracing.page.conftest import Opened, a_call, a_training, line


def titles(tab: Tab) -> list[str]:
    return list(tab.run("[...document.querySelectorAll('.rows .title')].map(one => one.textContent)"))


def chosen(tab: Tab) -> str:
    return str(tab.run("document.querySelector('.row.selected .title')?.textContent"))


def details(tab: Tab) -> str:
    return str(tab.run("document.querySelector('.details').innerText"))


def choose(tab: Tab, own: str) -> None:
    """Go to a span by its address."""
    tab.run(f"location.hash = '#span={own}'")
    tab.until(f"document.querySelector('.details').dataset.span === '{own}'")


def pick(tab: Tab, select: str, option: str) -> None:
    """Choose an option of a list, as a user does."""
    found = f"[...document.querySelectorAll('{select} option')].find(one => one.textContent === '{option}')"
    tab.run(f"{found}.selected = true; document.querySelector('{select}').dispatchEvent(new Event('change'))")


def test_the_tree_stands_in_the_order_of_time(opened: Opened) -> None:
    tab = opened([line("late", "root", at=2), line("early", "root", at=1), line("root")])
    assert titles(tab) == ["root", "early", "late"]
    assert tab.run("[...document.querySelectorAll('.rows .row')].map(one => one.getAttribute('aria-level'))") == ["1", "2", "2"]


def test_totals_count_each_call_once_and_only_what_was_paid_for(opened: Opened) -> None:
    tab = opened(a_training())
    pairs = "[...document.querySelectorAll('.totals div')].map(one => [...one.children].map(part => part.textContent))"
    totals = tab.run(f"Object.fromEntries({pairs})")
    assert totals == {
        "spans": "20",
        "calls": "7",
        "tokens in + out": "500 + 100",
        "cost": "$1.25",
        "cached": "14%",
        "error": "1",
        "wall time": "14.5 s",
    }


def test_arrow_keys_walk_open_and_close(opened: Opened) -> None:
    tab = opened([line("root"), line("one", "root", at=1), line("inside", "one", at=1), line("two", "root", at=3)])
    tab.run("document.getElementById('tree').focus()")
    tab.press("ArrowDown", "ArrowDown")
    assert chosen(tab) == "one"
    assert (
        tab.run("document.getElementById(document.getElementById('tree').getAttribute('aria-activedescendant')).ariaExpanded")
        == "true"
    )
    tab.press("ArrowLeft")
    assert titles(tab) == ["root", "one", "two"]
    tab.press("ArrowRight", "ArrowRight")
    assert chosen(tab) == "inside"
    tab.press("ArrowLeft", "ArrowLeft")
    assert (chosen(tab), titles(tab)) == ("one", ["root", "one", "two"])
    tab.press("End")
    assert chosen(tab) == "two"
    tab.press("Home")
    assert chosen(tab) == "root"


def test_search_finds_what_was_said_and_shows_it_with_the_spans_around(opened: Opened) -> None:
    tab = opened(a_training())
    tab.press("/")
    assert tab.run("document.activeElement.id") == "search"
    tab.write("PARCEL 10")
    tab.until("document.querySelector('.count').textContent === '1 of 20 spans'")
    assert titles(tab) == ["optimize", "trial · 1", "training step · step 0", "Desk.mood", "chat small"]
    tab.press("Enter")
    assert chosen(tab) == "chat small"
    tab.press("x")
    assert len(titles(tab)) == 20


@pytest.mark.parametrize(
    ("select", "option", "count"),
    [
        ("#filter-function", "Desk.reply", 3),
        ("#filter-kind", "repair", 1),
        ("#filter-status", "failed", 2),
        ("#filter-status", "from the cache", 1),
    ],
)
def test_filters_count_what_they_let_through(opened: Opened, select: str, option: str, count: int) -> None:
    tab = opened(a_training())
    pick(tab, select, option)
    assert tab.run("document.querySelector('.count').textContent") == f"{count} of 20 spans"
    assert tab.run("document.querySelectorAll('.rows .row:not(.around)').length") == count


@pytest.mark.parametrize(("steps", "count"), [("0", 6), ("1", 11), ("0-1", 17), ("7", 0)])
def test_a_step_is_that_of_the_span_around(opened: Opened, steps: str, count: int) -> None:
    tab = opened(a_training())
    tab.run("document.getElementById('filter-step').focus()")
    tab.write(steps)
    tab.until(f"document.querySelector('.count').textContent === '{count} of 20 spans'")


def test_a_call_shows_what_was_asked_with_roles_and_its_reply_as_json(opened: Opened) -> None:
    tab = opened(a_training())
    choose(tab, "call00")
    assert tab.run("[...document.querySelectorAll('.message h4')].map(one => one.textContent)") == ["system", "user", "assistant"]
    assert tab.run("document.querySelector('.reply pre').textContent") == '{\n  "mood": "hapy"\n}'
    assert "100 in, 20 out" in details(tab)


def test_a_repaired_call_is_compared_with_the_attempt_before(opened: Opened) -> None:
    tab = opened(a_training())
    choose(tab, "again")
    tab.until("document.querySelector('.compared') !== null")
    assert (
        tab.run("[...document.querySelectorAll('.compared .out')].map(one => one.innerText)")[-1].split("\n")[-1].strip()
        == '"mood": "hapy"'
    )
    assert tab.run("[...document.querySelectorAll('.compared .in b')].map(one => one.textContent)")[-1] == "happy"


def test_any_two_spans_are_compared_once_one_is_marked(opened: Opened) -> None:
    calls = [
        a_call("a", None, "one\ntwo\nthree", "yes"),
        a_call("b", None, "one\n2\nthree", "yes", at=1),
        a_call("c", None, "four", "no", at=2),
    ]
    tab = opened(calls)
    choose(tab, "a")
    tab.press("m")
    choose(tab, "b")
    tab.until("document.querySelector('.compared') !== null")
    shown = tab.run("document.querySelector('.compared').textContent")
    assert "\u2212two" in shown
    assert "+2" in shown
    assert "no" not in tab.run("document.querySelectorAll('.compared')[1].textContent").split()


def test_a_comparison_holds_both_texts_whole(opened: Opened) -> None:
    draw = random.Random(5)
    texts = ["\n".join(draw.choices(["one", "two", "three four", "", "five"], k=draw.randint(1, 40))) for _ in range(24)]
    tab = opened([a_call(f"call {number}", None, text, "yes", at=number) for number, text in enumerate(texts)])
    for number in range(0, len(texts), 2):
        choose(tab, f"call {number}")
        tab.press("m")
        choose(tab, f"call {number + 1}")
        tab.until("document.querySelector('.compared') !== null")
        tab.run("document.querySelectorAll('.compared .fold').forEach(one => one.click())")
        read = "[...document.querySelectorAll('.compared')[0].querySelectorAll('.difference > div')]"
        lines = tab.run(f"{read}.map(one => [one.className, one.children[1].textContent])")
        for side, text in (("out", texts[number]), ("in", texts[number + 1])):
            asked = "\n".join(line for kind, line in lines if kind in {"same", side})
            assert asked == f"system:\nBe brief.\n\nuser:\n{text}" or (not lines and texts[number] == texts[number + 1])


def test_a_failed_call_tells_its_requests(opened: Opened) -> None:
    tab = opened(a_training())
    tab.press("e", "e")
    tab.until(
        "document.querySelector('.failure') !== null && document.querySelector('.details').textContent.includes('overloaded')"
    )
    told = details(tab)
    assert "the server answered 503" in told
    assert "503: overloaded" in told


def test_curves_lead_to_the_spans_behind_them(opened: Opened) -> None:
    tab = opened(a_training())
    tab.press("2")
    tab.until("document.querySelectorAll('figure svg').length === 2")
    assert tab.run("[...document.querySelectorAll('figcaption h2')].map(one => one.textContent)") == ["loss", "score"]
    tab.run("document.querySelector('figure svg').focus()")
    tab.press("ArrowRight", "ArrowRight", "Enter")
    tab.until("document.querySelector('.row.selected') !== null")
    assert chosen(tab) == "training step · step 0"
    assert tab.run("document.querySelector('main.trace').hidden") is False


def test_trials_lead_to_their_calls(opened: Opened) -> None:
    tab = opened(a_training())
    tab.press("3")
    tab.until("document.querySelector('table.sortable') !== null")
    cells = tab.run("[...document.querySelectorAll('tbody tr')].map(row => [...row.children].map(cell => cell.textContent))")
    assert [row[:4] for row in cells] == [["trial · 1", "0.6", "0.2", "5"], ["trial · 0", "0.5", "0.1", "2"]]
    tab.run("document.querySelectorAll('tbody tr')[1].querySelectorAll('button')[1].click()")
    assert tab.run("document.querySelector('.count').textContent") == "2 of 20 spans"


def test_functions_are_added_up(opened: Opened) -> None:
    tab = opened(a_training())
    tab.press("4")
    tab.until("document.querySelector('table.sortable') !== null")
    cells = tab.run("[...document.querySelectorAll('tbody tr')].map(row => [...row.children].map(cell => cell.textContent))")
    assert min(cells)[:7] == ["Desk.mood", "4", "5", "0", "0%", "600", "$1.25"]
    assert max(cells)[:6] == ["Desk.reply", "1", "2", "1", "50%", "0"]


def test_a_parent_that_is_missing_is_shown_as_unfinished_below_its_root(opened: Opened) -> None:
    tab = opened([line("root"), line("step", "killed", at=1)])
    assert titles(tab) == ["root", "unfinished", "step"]
    choose(tab, "killed")
    assert "had not ended when its process did" in details(tab)


def test_spans_that_are_their_own_ancestors_are_shown_all_the_same(opened: Opened) -> None:
    tab = opened([line("a", "b"), line("b", "c"), line("c", "a"), line("self", "self"), line("root")])
    assert sorted(titles(tab)) == ["a", "b", "c", "root", "self"]


def test_of_many_spans_a_few_rows_are_in_the_page(opened: Opened) -> None:
    tab = opened([line("root"), *(line(f"s{number}", "root", at=number / 1000) for number in range(5_000))])
    tab.run("document.getElementById('tree').focus()")
    tab.press("Home", "ArrowRight", "End")
    assert chosen(tab) == "s4999"
    assert len(titles(tab)) < 60


def test_a_long_text_is_folded(opened: Opened) -> None:
    tab = opened([a_call("a", None, "word " * 2_000, "short")])
    choose(tab, "a")
    assert len(tab.run("document.querySelectorAll('.message pre')[1].textContent")) < 2_000
    tab.click(".message button.fold")
    assert len(tab.run("document.querySelectorAll('.message pre')[1].textContent")) == 10_000


def test_probabilities_are_bars(opened: Opened) -> None:
    tab = opened([a_call("a", None, "?", "happy", **{names.PROBABILITIES: {"sad": 0.2, "happy": 0.8}})])
    choose(tab, "a")
    assert tab.run("[...document.querySelectorAll('.bars dt, .bars .share')].map(one => one.textContent)") == [
        "happy",
        "80.0%",
        "sad",
        "20.0%",
    ]


def test_a_run_without_contents_is_shown_with_its_numbers(opened: Opened) -> None:
    tab = opened([line("a", kind="call", **{names.INPUT_TOKENS: 5, names.OUTPUT_TOKENS: 6})])
    choose(tab, "a")
    assert "5 in, 6 out" in details(tab)
    assert "Asked" not in details(tab)


def test_a_run_without_spans_says_so(opened: Opened) -> None:
    assert "No spans are recorded" in opened([]).run("document.body.textContent")


def test_an_address_opens_the_page_at_its_span(opened: Opened) -> None:
    tab = opened(a_training(), part="#span=again")
    tab.until("document.querySelector('.details').dataset.span === 'again'")
    assert chosen(tab) == "chat small"


@pytest.mark.parametrize("address", ["#span=%E0%A4%A", "#span=nobody", "#nowhere", "#__proto__", "#<script>"])
def test_an_address_that_leads_nowhere_shows_the_tree(opened: Opened, address: str) -> None:
    assert len(titles(opened(a_training(), part=address))) == 20


def test_the_address_is_that_of_the_chosen_span(opened: Opened) -> None:
    tab = opened(a_training())
    tab.click("#row-0")
    tab.until("location.hash === '#span=study'")


def test_a_part_of_the_tree_can_be_looked_at_alone(opened: Opened) -> None:
    tab = opened(a_training())
    choose(tab, "trial0")
    tab.press("z")
    assert tab.run("document.querySelector('.count').textContent") == "7 of 20 spans"
    assert titles(tab)[0] == "trial · 0"
    tab.press("Z")
    assert len(titles(tab)) == 20


def test_a_question_mark_lists_the_keys_and_escape_closes_the_list(opened: Opened) -> None:
    tab = opened(a_training())
    tab.press("?")
    assert "the next failed span" in tab.run("document.querySelector('dialog[open]').innerText")
    tab.press("Escape")
    assert tab.run("document.querySelector('dialog[open]')") is None


def test_the_colours_are_the_systems_until_they_are_switched(opened: Opened) -> None:
    tab = opened(a_training(), dark=True)
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = tab.run(paper)
    tab.press("t")
    assert tab.run(paper) != dark
    tab.press("t")
    assert tab.run(paper) == dark
    tab.run("localStorage.clear()")


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_nothing_is_wider_than_the_screen(opened: Opened, width: int) -> None:
    tab = opened(a_training(), width=width, height=844)
    choose(tab, "again")
    for view in ("1", "2", "3", "4"):
        tab.press(view)
        assert tab.run("document.documentElement.scrollWidth") <= width


def test_on_a_phone_a_span_opens_over_the_tree_and_goes_away_again(opened: Opened) -> None:
    tab = opened(a_training(), width=390, height=844)
    assert tab.run("getComputedStyle(document.querySelector('.details')).display") == "none"
    tab.click("#row-0")
    tab.until("getComputedStyle(document.querySelector('.details')).display === 'block'")
    tab.click(".details .close")
    assert tab.run("getComputedStyle(document.querySelector('.details')).display") == "none"
