"""A record out of a message: what is ordered, how many, and whether it is urgent.

The pool comes from a grammar; the gold messages were written one by one, so that the brain has to leave the grammar behind.
Prices, dates, room numbers and other things that are not ordered stand in both.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.teaching.order import ITEMS, Order
from benchmarks.teaching.order_grammar import POOL, WORDS
from benchmarks.teaching.task import DATA, Example, TeachingTask, read_lines
from llm_brain import examples, llm_strategy, sampled

TOPICS = {
    "item": ITEMS,
    "quantity": WORDS,
    "urgency": ("very urgent", "not urgent"),
    "customer": (
        "a school", "a law firm", "a hospital", "a private person", "a choir", "a theatre", "a start-up", "a town hall",
        "a call centre", "a newspaper", "a hotel", "a workshop",
    ),
}  # fmt: skip


SHOWN = (
    ("Send us 10 chairs today, at 20 euros each!", Order(item="chair", quantity=10, urgent=True)),
    ("Hi, two lamps please, there is no hurry.", Order(item="lamp", quantity=2, urgent=False)),
    ("Hurry, our keyboard is broken!", Order(item="keyboard", quantity=1, urgent=True)),
    ("I would like one printer for room 5.", Order(item="printer", quantity=1, urgent=False)),
    ("Three monitors of 24 inches, and a good week to you.", Order(item="monitor", quantity=3, urgent=False)),
    ("We need five desks right now.", Order(item="desk", quantity=5, urgent=True)),
    ("half a dozen whiteboards for the conference on the 4th", Order(item="whiteboard", quantity=6, urgent=False)),
    ("A dozen headsets.", Order(item="headset", quantity=12, urgent=False)),
    ("Could you get me a chair?", Order(item="chair", quantity=1, urgent=False)),
)


@llm_strategy("local")
class OrderDesk:
    """Takes orders."""

    @examples(*(({"message": message}, order) for message, order in SHOWN))
    @sampled(0.0, max_tokens=40)
    def read_order(self, message: str) -> Order:
        """Read an order. It is urgent only where the customer says that it cannot wait."""
        raise NotImplementedError


def load_task() -> TeachingTask:
    """Load the task."""
    return TeachingTask(
        name="orders",
        interface=OrderDesk,
        function_name="read_order",
        pool=_read(POOL),
        gold=_read(DATA / "orders_gold.jsonl"),
        dev=_read(DATA / "orders_dev.jsonl"),
        topics=TOPICS,
    )


def _read(path: Path) -> list[Example]:
    lines = read_lines(path, "message", *Order.model_fields)
    return [(line["message"], Order.model_validate({name: line[name] for name in Order.model_fields})) for line in lines]
