"""The task that every row solves: a support message, the ticket that it is to become, and the answer that the server gives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

MODEL = "gpt-4.1-mini"  # a name that every library knows the abilities of; who answers is the server here
INSTRUCTION = "Read a customer's message and file it as a support ticket."


class Customer(BaseModel):
    name: str
    plan: Literal["free", "team", "enterprise"]


class Ticket(BaseModel):
    category: Literal["billing", "bug", "feature request", "question"]
    priority: Annotated[int, Field(ge=1, le=5, description="1 can wait, 5 is on fire")]
    summary: str
    tags: list[str]
    customer: Customer | None


EXPECTED = Ticket(
    category="bug",
    priority=4,
    summary="Exports of more than 10,000 rows end in an empty file since the update on Monday.",
    tags=["export", "csv", "regression"],
    customer=Customer(name="Ada Byron", plan="team"),
)


def messages(count: int) -> list[str]:
    """Make messages that all differ, so that nothing kept from one call answers another."""
    return [
        f"Hello, this is Ada Byron from the team plan, order {number}. Since your update on Monday every export of more than "
        "10,000 rows gives me an empty CSV file. Smaller ones are fine. We need these numbers by Thursday!"
        for number in range(count)
    ]
