"""What is asked of the embedded model: tickets out of customers' messages, free text, and the mood of a message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from examples.mood.interface import ANSWERS, Mood
from llm_brain import examples, llm_strategy, sampled
from llm_brain.backends import LocalBackend, Message, Request, Sampling
from llm_brain.strategy import inspect_function
from llm_brain.strategy.prompt import build_request, completion_options

AT_ONCE = 16
GOLD = Path(__file__).parents[2] / "examples" / "mood" / "gold.jsonl"
FREE_TOKENS = 48


class Ticket(BaseModel):
    """What a customer wants."""

    product: str = Field(max_length=40, description="as the customer names it")
    urgency: Literal["low", "normal", "high"]
    summary: str = Field(max_length=120, description="one short sentence")
    refund: bool


@sampled(0.0, max_tokens=128)
def read_ticket(message: str) -> Ticket:
    """Read what a customer wrote to a shop, and write a ticket about it.

    The product is named as the customer names it. Urgent is what can hurt somebody, or keeps a customer from what was paid
    for. The summary says in at most fifteen words what the customer wants, and not how. A refund is wanted where money is
    asked back, and not where something is to be exchanged or repaired.
    """


@examples(*ANSWERS)
def mood(message: str) -> Mood:
    """Tell whether a customer is happy or unhappy with a product or a service."""


def messages() -> list[str]:
    lines = GOLD.read_text(encoding="utf-8").splitlines()[:AT_ONCE]
    return [str(json.loads(line)["message"]) for line in lines]


def ticket_requests(model: LocalBackend) -> list[Request]:
    spec = inspect_function(read_ticket)
    return [build_request(spec, {"message": message}, model) for message in messages()]


def typed_tickets(model: LocalBackend) -> object:
    return llm_strategy(model)(read_ticket)


def free_requests() -> list[Request]:
    questions = [f"Write a long and friendly answer to this customer: {message}" for message in messages()]
    return [Request((Message("user", question),), Sampling(max_tokens=FREE_TOKENS)) for question in questions]


def mood_requests(model: LocalBackend, *, alike: bool = True) -> tuple[list[Request], list[str]]:
    """Ask for the mood of each message; where they are not to begin alike, each prompt begins with a number of its own."""
    spec = inspect_function(mood)
    requests = [build_request(spec, {"message": message}, model) for message in messages()]
    if not alike:
        turns = [request.messages[-1].content for request in requests]
        requests = [Request((Message("user", f"{n}{n} {turn}"),), form="completion") for n, turn in enumerate(turns, start=10)]
    return requests, completion_options(spec)
