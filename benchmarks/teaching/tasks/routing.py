"""Which team of a company is to read a customer's message.

All messages, of the pool, the development set and the gold set, were written one by one, from no template, and all by the same
author. What the customer wants decides: whoever praises the shop and asks for the money back writes about a payment, and whoever
is thankful for a corrected bill praises. A charge, an invoice, a payment or a refund of one's own is a payment; what does not
work as it is meant to is a bug, also where it is a washing machine; and what somebody would only like to know is a question.

The word is "payment" because the embedded model gives "billing" nearly the same probability whatever the message says: of the
ten such messages of the development set it then found one or two.
"""

from __future__ import annotations

from typing import Literal, get_args

from benchmarks.teaching.task import DATA, TeachingTask, read_lines
from llm_brain import examples, llm_strategy

Route = Literal["payment", "bug", "praise", "question"]
ROUTES: tuple[Route, ...] = get_args(Route)

TOPICS = {
    "company": (
        "a bank", "a phone company", "a hotel", "an airline", "a software maker", "an online shop", "a gym", "a hospital",
        "a museum", "an energy supplier", "a bakery", "a railway", "a language school", "a streaming service", "an insurer",
        "a bike shop", "a maker of household appliances", "a library", "a game studio", "a car rental",
    ),
    "style": ("friendly", "angry", "short", "formal", "chatty", "hurried", "puzzled", "polite"),
    "route": ROUTES,
}  # fmt: skip


SHOWN: tuple[tuple[str, Route], ...] = (
    ("Thank you all, what a lovely evening we had!", "praise"),
    ("Do you have a table for three on Sunday?", "question"),
    ("You took the fee for May two times.", "payment"),
    ("The screen stays black after I sign in.", "bug"),
    ("Why is my bill higher than in spring?", "payment"),
    ("You keep me smiling, keep going!", "praise"),
    ("Which paint is right for a wet wall?", "question"),
    ("The card reader of the bike shed doesn't read cards.", "bug"),
    ("When does the market begin?", "question"),
    ("Sound is gone since I installed the new version.", "bug"),
    ("Nicest staff I have ever met.", "praise"),
    ("Please refund the second payment on my card.", "payment"),
)


@llm_strategy("local")
class Router:
    """Sorts what customers write."""

    @examples(*(({"message": message}, route) for message, route in SHOWN))
    def team(self, message: str) -> Route:
        """Which team should read the customer's message?"""
        raise NotImplementedError


def load_task() -> TeachingTask:
    """Load the task."""
    gold = read_lines(DATA / "routing_gold.jsonl", "message", "route", "hard")
    return TeachingTask(
        name="routing",
        interface=Router,
        function_name="team",
        pool=[(line["message"], line["route"]) for line in read_lines(DATA / "routing_pool.jsonl", "message", "route")],
        gold=[(line["message"], line["route"]) for line in gold],
        dev=[(line["message"], line["route"]) for line in read_lines(DATA / "routing_dev.jsonl", "message", "route")],
        topics=TOPICS,
        hard=[index for index, line in enumerate(gold) if line["hard"]],
    )
