"""What the example's user writes: the support desk of an online shop, as one class with twelve methods and no bodies.

The models come first, then who works at the desk. `@llm_strategy("openai:MODEL")` is the one changed line for a stronger
model; the embedded one chooses among a few answers rather well, and writes rather badly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field

from llm_brain import examples, llm_strategy, sampled

T = TypeVar("T")

Language = Literal["English", "German", "French"]
Problem = Literal["a late parcel", "a broken part", "a wrong invoice"]
OrderNumber = Annotated[str, Field(pattern=r"^NB-\d{4}$")]


class Department(Enum):
    """Who at the company can help."""

    DELIVERY = "delivery"
    BILLING = "billing"
    REPAIRS = "repairs"


class Customer(BaseModel):
    """Who wrote to us."""

    name: str
    language: Language
    customer_since: date


class Order(BaseModel):
    """What was bought."""

    number: OrderNumber
    product: str
    price: Annotated[float, Field(gt=0, description="In euros.")]


class Message(BaseModel):
    """One message of a conversation."""

    sender: Literal["customer", "desk"]
    text: str


class Ticket(BaseModel):
    """A customer's request, with all that was written about it."""

    subject: str
    customer: Customer
    order: Order | None = None
    messages: list[Message]


class Summary(BaseModel):
    """A ticket at a glance."""

    problem: str
    wish: Annotated[str, Field(description="What the customer asks us to do.")]


class Question(BaseModel):
    """What we still have to know from a customer."""

    text: Annotated[str, Field(max_length=100)]


ASKED = (
    (
        {"problem": "a late parcel"},
        [
            Question(text="When did you order?"),
            Question(text="Which address did you give?"),
            Question(text="What does the tracking page say?"),
        ],
    ),
    (
        {"problem": "a wrong invoice"},
        [
            Question(text="Which amount is wrong?"),
            Question(text="What is your order number?"),
            Question(text="Which name should it show?"),
        ],
    ),
)


class Refund(BaseModel):
    """Give money back."""

    kind: Literal["refund"] = "refund"
    order: OrderNumber
    amount: Annotated[float, Field(gt=0, description="In euros.")]


class Replace(BaseModel):
    """Send the product, or a part of it, again."""

    kind: Literal["replace"] = "replace"
    order: OrderNumber
    part: str


class Escalate(BaseModel):
    """Hand the ticket to a department."""

    kind: Literal["escalate"] = "escalate"
    department: Department
    note: str


Action = Annotated[Refund | Replace | Escalate, Field(discriminator="kind")]


@llm_strategy("local")
@dataclass
class SupportDesk:
    """You work at the support desk of an online shop for bicycles."""

    company: str
    languages: tuple[Language, ...] = ("English", "German")
    tone: Literal["warm", "matter-of-fact"] = "warm"
    api_key: str = field(default="", repr=False)  # `repr=False` keeps it out of every prompt, too

    @examples(
        ({"message": "My parcel has not arrived."}, Department.DELIVERY),
        ({"message": "You charged me twice."}, Department.BILLING),
        ({"message": "The lamp does not switch on."}, Department.REPAIRS),
    )
    def department(self, message: str) -> Department:
        """Tell which department a customer's message is for."""
        raise NotImplementedError

    @staticmethod
    @examples(
        ({"message": "Third call, and still nobody helps me!"}, False),
        ({"message": "The new lamp is wonderful."}, True),
        ({"message": "It broke after a week."}, False),
        ({"message": "Arrived early, and works like a charm."}, True),
    )
    def is_happy(message: str) -> bool:
        """Tell whether the customer is happy."""
        raise NotImplementedError

    @classmethod
    def language(cls, message: str) -> Language:
        """Tell which language the message is written in."""
        raise NotImplementedError

    def patience(self, messages: list[Message]) -> Annotated[int, Field(ge=1, le=5)]:
        """Rate the customer's patience in the last message, from 1 (none is left) to 5 (all the time in the world)."""
        raise NotImplementedError

    @sampled(0.0, max_tokens=80)  # always the likeliest words, and few of them
    def reply(self, problem: Problem) -> str:
        """Write three sentences to a customer who has {problem}: say that you are sorry, and that you will help."""
        raise NotImplementedError

    async def summary(self, ticket: Ticket) -> Summary:
        """Sum up the ticket for a colleague who has not read it."""
        raise NotImplementedError

    def next_action(self, ticket: Ticket) -> Action:
        """Decide what the desk does next."""
        raise NotImplementedError

    def delivery_days(self, message: str, today: date) -> tuple[date, date]:
        """Tell the first and the last day on which the parcel may come, as the message of the carrier says."""
        raise NotImplementedError

    @sampled(0.8, top_p=0.95)
    def search_words(self, problem: Problem) -> set[str]:
        """Invent five words that a customer with {problem} types into a search box."""
        raise NotImplementedError

    def order_in(self, message: str) -> Order | None:
        """Read the order out of the message; none if the message names no order."""
        raise NotImplementedError

    @examples(*ASKED)
    def open_questions(self, problem: Problem) -> Iterator[Question]:
        """List three questions to ask a customer who has {problem}."""
        raise NotImplementedError

    def most_relevant(self, items: list[T], question: str) -> T:
        """Return the item that helps most to answer the question, as it is."""
        raise NotImplementedError
