"""The tasks of the benchmark of teaching: what their data hold, and that no gold set stands in what is learned from."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.teaching.baselines import train_tfidf
from benchmarks.teaching.order import ITEMS, Item, Order
from benchmarks.teaching.order_grammar import POOL, draw_pool, quantity_words, write_message
from benchmarks.teaching.task import TeachingTask, accuracy, field_accuracy, read_lines
from benchmarks.teaching.tasks import TASKS, fortunes, orders, routing
from llm_brain.errors import DataError

OWN = ("mood", "routing", "orders")


@pytest.fixture(scope="module")
def shelves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the format of Debian's package."""
    folder = tmp_path_factory.mktemp("fortunes")
    for category in fortunes.CATEGORIES:
        entries = [f"Of {category}, the saying\nwith the number {number}.\n\t\t-- Somebody {number}\n" for number in range(30)]
        entries += [
            "What stands in two different files.\n",
            "x " * fortunes.LONGEST + "\n",
            "Too short.\n",
            "It would kill me to know.\n",
        ]
        (folder / category).write_text("%\n".join(entries), encoding="utf-8")
        (folder / f"{category}.dat").write_bytes(b"\x00\x01")
    return folder


def phrases(text: str, words: int = 5) -> set[tuple[str, ...]]:
    found = re.findall(r"[\w']+", text.lower())
    return {tuple(found[start : start + words]) for start in range(len(found) - words + 1)}


def counts(task: TeachingTask) -> Counter[str]:
    return Counter(answer for _, answer in task.gold)


@pytest.mark.parametrize("name", OWN)
def test_no_text_of_the_gold_set_stands_in_the_pool_or_the_development_set(name: str) -> None:
    task = TASKS[name]()
    gold = [text for text, _ in task.gold]
    assert len(set(gold)) == len(gold)
    assert len(set(task.inputs)) == len(task.inputs)
    assert not set(gold) & {text for text, _ in (*task.pool, *task.dev)}


@pytest.mark.parametrize("name", ["routing", "orders"])
def test_no_text_of_the_gold_set_shares_five_words_in_a_row_with_what_is_learned_from(name: str) -> None:
    task = TASKS[name]()
    learned = {phrase for text, _ in (*task.pool, *task.dev) for phrase in phrases(text)}
    assert [text for text, _ in task.gold if phrases(text) & learned] == []


@pytest.mark.parametrize("name", OWN)
def test_a_task_names_a_function_of_one_text_that_gives_what_the_gold_set_holds(name: str) -> None:
    task = TASKS[name]()
    spec = task.function.spec
    assert task.function_name == spec.name
    assert len(spec.parameters) == 1
    assert all(values for values in task.topics.values())
    closed = get_args(spec.returns)
    assert all(answer in closed if closed else isinstance(answer, spec.returns) for _, answer in (*task.gold, *task.dev))


def test_the_routing_task_has_fifty_gold_messages_of_each_route_and_six_hundred_to_learn_from() -> None:
    task = routing.load_task()
    assert counts(task) == dict.fromkeys(routing.ROUTES, 50)
    assert len(task.true_pairs) == len(task.pool) >= 600
    assert min(Counter(route for _, route in task.pool).values()) > 140
    assert len(task.dev) == 40
    assert len(task.hard) == 25


def test_nobody_knows_the_true_moods_of_the_pool() -> None:
    task = TASKS["mood"]()
    assert (len(task.pool), len(task.gold), len(task.true_pairs)) == (2047, 240, 0)


def test_what_an_interface_shows_as_examples_is_in_no_set() -> None:
    shown = {message for message, _ in (*routing.SHOWN, *orders.SHOWN)}
    for task in (routing.load_task(), orders.load_task()):
        assert not shown & {text for text, _ in (*task.pool, *task.gold, *task.dev)}


def test_the_orders_of_the_gold_set_are_of_all_items_quantities_and_urgencies() -> None:
    gold = [order for _, order in orders.load_task().gold]
    assert Counter(order.item for order in gold) == dict.fromkeys(ITEMS, 25)
    assert {order.quantity for order in gold} == set(range(1, 13))
    assert 60 <= sum(order.urgent for order in gold) <= 140


def test_the_grammar_gives_the_pool_of_orders_anew() -> None:
    assert draw_pool() == read_lines(POOL, "message")


@given(item=st.sampled_from(ITEMS), quantity=st.integers(1, 12), urgent=st.booleans(), draw=st.randoms(use_true_random=False))
def test_an_order_in_words_is_a_sentence_without_gaps(item: Item, quantity: int, urgent: bool, draw: random.Random) -> None:
    message = write_message(Order(item=item, quantity=quantity, urgent=urgent), draw)
    assert message == " ".join(message.split())
    assert not re.search(r"[{}]", message)


@given(quantity=st.integers(1, 12), draw=st.randoms(use_true_random=False))
def test_a_quantity_in_words_names_the_one_or_the_many(quantity: int, draw: random.Random) -> None:
    assert ("lamps" in quantity_words(quantity, "lamp", "lamps", draw)) == (quantity > 1)


def test_a_record_is_right_where_all_its_fields_are() -> None:
    gold = [(text, Order(item="lamp", quantity=2, urgent=False)) for text in ("a", "b", "c")]
    answers = [Order(item="lamp", quantity=2, urgent=False), Order(item="lamp", quantity=3, urgent=False), DataError("no reply")]
    assert accuracy(answers, gold) == pytest.approx(1 / 3)
    assert field_accuracy(answers, gold) == pytest.approx({"item": 2 / 3, "quantity": 1 / 3, "urgent": 2 / 3})
    assert field_accuracy(["bug"], [("a", "bug")]) == {}


def test_fortunes_are_one_line_each_without_their_authors(shelves: Path) -> None:
    task = fortunes.load_task(shelves)
    texts = [text for text, _ in (*task.pool, *task.gold, *task.dev)]
    assert all(re.fullmatch(r"Of \w+, the saying with the number \d+\.", text) for text in texts)
    assert len(set(texts)) == len(texts) == 30 * len(fortunes.CATEGORIES)
    assert counts(task) == dict.fromkeys(fortunes.CATEGORIES, 10)
    assert all(category in text for text, category in task.pool)


def test_a_quotation_stays_gold_when_others_are_added(shelves: Path, tmp_path: Path) -> None:
    before = fortunes.load_task(shelves)
    for category in fortunes.CATEGORIES:
        text = (shelves / category).read_text(encoding="utf-8")
        (tmp_path / category).write_text(f"A late one of {category}.\n%\n{text}", encoding="utf-8")
    after = fortunes.load_task(tmp_path)
    assert len(set(before.gold) - set(after.gold)) <= len(fortunes.CATEGORIES)


def test_missing_fortunes_are_told_with_the_command_that_installs_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="apt-get install fortunes"):
        fortunes.load_task(tmp_path / "nowhere")


def test_a_damaged_line_is_told_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"message": "a"}\n{"message"', encoding="utf-8")
    with pytest.raises(DataError, match="line 2: no JSON"):
        read_lines(path, "message")
    path.write_text('{"message": "a"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 1: no route"):
        read_lines(path, "message", "route")


def test_tfidf_learns_a_closed_set_and_the_fields_of_a_record() -> None:
    pytest.importorskip("sklearn")
    choose = train_tfidf([("it is broken", "bug"), ("thank you", "praise")] * 6)
    assert choose(["broken again", "many thank"]) == ["bug", "praise"]
    lamp, desk = (Order(item=item, quantity=number, urgent=False) for item, number in (("lamp", 1), ("desk", 2)))
    read = train_tfidf([("one lamp", lamp), ("two desks", desk)])
    assert read(["one lamp please"]) == [lamp]
    assert read([]) == []


def test_tfidf_without_pairs_says_what_is_missing() -> None:
    with pytest.raises(DataError, match="label the pool"):
        train_tfidf([])
