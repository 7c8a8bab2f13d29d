"""What type checkers see of decorated classes and objects. Checked by `test_types_as_checkers_see_them`, and never run."""

# mypy: warn-unused-ignores=True, enable-error-code="arg-type, call-arg, misc, possibly-undefined, union-attr"

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, assert_type

from pydantic import BaseModel

from llm_brain.strategy import Details, llm_strategy
from llm_brain.strategy.views import typed

Content = TypeVar("Content")


class Ticket(BaseModel):
    team: str


@llm_strategy("local")
class Triage:
    """A plain class, decorated where it is written."""

    def route(self, message: str, *, urgent: bool = False) -> Ticket:
        """Route a message."""
        raise NotImplementedError

    async def route_later(self, message: str) -> Ticket:
        """Route a message."""
        raise NotImplementedError

    def words(self, message: str) -> Iterator[str]:
        """List the words."""
        raise NotImplementedError

    @staticmethod
    def teams(count: int) -> list[str]:
        """Name teams."""
        raise NotImplementedError

    @classmethod
    def default(cls) -> Ticket:
        """Make one."""
        raise NotImplementedError

    @property
    def mood(self) -> int:
        """Tell the mood."""
        raise NotImplementedError

    def __contains__(self, team: str) -> bool:
        """Tell whether there is such a team."""
        raise NotImplementedError


@llm_strategy("local")
@dataclass(frozen=True)
class Shop:
    city: str

    def slogan(self, words: int) -> str:
        """Invent a slogan."""
        raise NotImplementedError


@dataclass
@llm_strategy("local")
class Stall:
    city: str

    def slogan(self) -> str:
        """Invent a slogan."""
        raise NotImplementedError


@llm_strategy("local")
class Customer(BaseModel):
    name: str

    def age(self) -> int:
        """Guess the age."""
        raise NotImplementedError


class Teacher(ABC):
    @abstractmethod
    def grade(self, essay: str) -> int:
        """Grade an essay."""


class Counts(Protocol):
    def count(self, text: str) -> int:
        """Count."""
        ...


class Store(Generic[Content]):
    def __init__(self, content: Content) -> None:
        self.content = content

    def similar(self, limit: int) -> list[Content]:
        """Find similar ones."""
        raise NotImplementedError


@llm_strategy("local")
class Shelf(Generic[Content]):
    def __init__(self, content: Content) -> None:
        self.content = content

    def pick(self, limit: int) -> Content:
        """Pick one."""
        raise NotImplementedError


class Desk:
    def pick(self, items: list[Content]) -> Content:
        """Pick one."""
        raise NotImplementedError

    def some(self, items: list[Content]) -> list[Content]:
        """Pick some."""
        raise NotImplementedError


def decorated_where_they_are_written() -> None:
    triage = Triage()
    assert_type(triage, Triage)
    assert_type(triage.route("It broke."), Ticket)
    assert_type(triage.route("It broke.", urgent=True), Ticket)
    assert_type(triage.words("It broke."), Iterator[str])
    assert_type(Triage.teams(3), list[str])
    assert_type(Triage.default(), Ticket)
    assert_type(triage.mood, int)
    assert_type("sales" in triage, bool)
    assert_type(Shop("Oslo").slogan(3), str)
    assert_type(Stall("Oslo").slogan(), str)
    assert_type(Customer(name="Ann").age(), int)

    triage.route(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    triage.route()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    triage.route("It broke.", urgnt=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Triage.teams("three")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    triage.rout("It broke.")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    Shop(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Shop("Oslo").city = "Bergen"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


async def awaited() -> None:
    triage = Triage()
    assert_type(await triage.route_later("It broke."), Ticket)
    assert_type(await typed(triage.route_later)("It broke."), Ticket)
    assert_type(await typed(triage.route_later).map(["It broke."]), list[Ticket])
    assert_type(await typed(triage.route_later).with_details("It broke."), Details[Ticket])
    async for part in typed(triage.route_later).stream("It broke."):
        assert_type(part, Ticket)

    await triage.route_later(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await typed(triage.route_later)(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def seen_as_typed_functions() -> None:
    triage = Triage()
    assert_type(typed(triage.route)("It broke.", urgent=True), Ticket)
    assert_type(typed(triage.route).map(["It broke."], concurrency=8), list[Ticket])
    assert_type(typed(triage.route).with_details("It broke."), Details[Ticket])
    assert_type(typed(triage.route).with_details("It broke.").value, Ticket)
    assert_type(typed(triage.route).stream("It broke."), Generator[Ticket, None, None])
    assert_type(typed(triage.route).prompt("It broke."), str)
    assert_type(await typed(triage.route).aio("It broke."), Ticket)
    assert_type(await typed(triage.route).aio.map(["It broke."]), list[Ticket])
    assert_type(typed(Triage.teams).map([3]), list[list[str]])
    assert_type(typed(Triage.default).with_details().value, Ticket)
    assert_type(typed(triage.words)("It broke."), Iterator[str])

    typed(triage.route)(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    typed(triage.route).with_details()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    typed(triage.route).prompt(message=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    typed(triage.route).maps(["It broke."])  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    typed(triage.mood)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def bound_to_another_name() -> None:
    local = llm_strategy("local")

    shop_class = local(Shop)
    assert_type(shop_class, type[Shop])
    assert_type(shop_class("Oslo").slogan(3), str)

    teacher_class = local(Teacher)
    assert_type(teacher_class, type[Teacher])
    assert_type(teacher_class(), Teacher)
    assert_type(typed(teacher_class().grade).map(["An essay."]), list[int])

    counts_class = local(Counts)
    assert_type(counts_class(), Counts)
    assert_type(counts_class().count("a"), int)

    store_class = local(Store[int])
    assert_type(store_class(3).similar(2), list[int])

    teacher_class().grade(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    counts_class().count(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store_class("a").similar("b")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Teacher()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]


def generic_ones() -> None:
    """What the checkers get wrong is ignored here, so that it is seen when they no longer do. The guide tells of it."""
    shelf = Shelf[int](3)  # pyright: ignore[reportInvalidTypeArguments, reportUnknownVariableType]
    assert_type(shelf.pick(2), int)  # pyright: ignore[reportAssertTypeFailure]
    assert_type(typed(shelf.pick).prompt(2), str)

    desk = llm_strategy("local")(Desk())
    assert_type(desk.pick([3]), int)
    assert_type(typed(desk.some)([3]), list[int])
    assert_type(typed(desk.pick)([3]), int)  # type: ignore[assert-type, unused-coroutine, arg-type]


def objects() -> None:
    local = llm_strategy("local")
    shop = local(Shop("Oslo"))
    assert_type(shop, Shop)
    assert_type(shop.slogan(3), str)
    assert_type(local(Customer(name="Ann")).age(), int)
    assert_type(local(Store("a")).similar(3), list[str])

    shop.slogan("three")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
