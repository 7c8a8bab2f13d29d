"""What of an object its methods' prompts say, and how a field is kept back."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, Secret, SecretBytes, SecretStr
from pydantic.dataclasses import dataclass as pydantic_dataclass

from llm_brain.strategy import Hidden, llm_strategy
from llm_brain.strategy.public_state import public_state
from tests.strategy.conftest import Scripted

if TYPE_CHECKING:
    from nowhere import Absent  # type: ignore[import-not-found]

Content = TypeVar("Content")


@dataclass(frozen=True)
class Owner:
    name: str
    password: str = field(default="s3cret", repr=False)


class Account(BaseModel):
    user: str
    token: str = Field("s3cret", repr=False)


@dataclass
class Shop:
    city: str
    key: str = field(default="s3cret", repr=False)
    pin: Annotated[str, Hidden] = "s3cret"
    code: Annotated[str, Hidden()] = "s3cret"
    secret: SecretStr = field(default_factory=lambda: SecretStr("s3cret"))
    either: SecretStr | str = "s3cret"
    _cache: str = "s3cret"
    country: ClassVar[str] = "Norway"


class Model(BaseModel):
    model_config = ConfigDict(extra="allow")

    city: str
    key: str = Field("s3cret", repr=False)
    excluded: str = Field("s3cret", exclude=True)
    pin: Annotated[str, Hidden] = "s3cret"
    secret: SecretStr = SecretStr("s3cret")
    raw: SecretBytes | None = SecretBytes(b"s3cret")
    number: Secret[int] = Secret(3)
    secrets: list[SecretStr] = []
    _private: str = PrivateAttr("s3cret")


@pydantic_dataclass
class Checked:
    city: str
    key: str = Field("s3cret", repr=False)
    pin: Annotated[str, Hidden] = "s3cret"


class Slotted:
    __slots__ = ("_key", "city", "pin")

    city: str
    pin: Annotated[str, Hidden]

    def __init__(self) -> None:
        self.city, self.pin, self._key = "Oslo", "s3cret", "s3cret"


class Place(NamedTuple):
    city: str
    pin: Annotated[str, Hidden] = "s3cret"


class Address(NamedTuple):
    city: str


class Plain:
    country: ClassVar[str] = "s3cret"
    pin: Annotated[str, Hidden]
    city: str = "Oslo"
    unset: int

    def __init__(self) -> None:
        self.pin = "s3cret"
        self._key = "s3cret"
        self.lock = threading.Lock()
        self.secret = SecretStr("s3cret")

    @property
    def mayor(self) -> str:
        return "s3cret"

    @cached_property
    def size(self) -> str:
        return "s3cret"


@pytest.mark.parametrize(
    "instance",
    [Shop("Oslo"), Model(city="Oslo"), Checked("Oslo"), Slotted(), Place("Oslo"), Plain()],
    ids=lambda one: type(one).__name__,
)
def test_only_fields_that_are_not_hidden_are_said(instance: Any) -> None:
    assert public_state(instance) == {"city": "Oslo"}


def test_a_cached_value_is_not_said_once_it_is_known() -> None:
    plain = Plain()
    assert plain.size == "s3cret"
    assert public_state(plain) == {"city": "Oslo"}


def test_what_an_object_was_given_beyond_its_class_is_said() -> None:
    plain = Plain()
    plain.later = 3  # type: ignore[attr-defined]
    assert public_state(plain) == {"city": "Oslo", "later": 3}
    assert public_state(Model(city="Oslo", later=3, _no=4)) == {"city": "Oslo", "later": 3}  # type: ignore[call-arg]


def test_fields_of_base_classes_are_said_and_what_they_hide_stays_hidden() -> None:
    class Branch(Slotted):
        staff: int

        def __init__(self) -> None:
            super().__init__()
            self.staff = 3

    @dataclass
    class Big(Shop):
        floors: int = 2

    assert public_state(Branch()) == {"city": "Oslo", "staff": 3}
    assert public_state(Big("Oslo")) == {"city": "Oslo", "floors": 2}


def test_an_object_without_public_fields_has_no_state() -> None:
    class Quiz:
        _key = 3

    assert public_state(Quiz()) is None
    assert public_state(3) is None


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one], lambda one: {"a": (one,)}])
@pytest.mark.parametrize("inner", [Owner("Ann"), Account(user="Ann")])
def test_what_is_hidden_is_hidden_in_objects_inside_the_object_too(inner: Any, wrap: Any) -> None:
    state = public_state(Holder(wrap(inner)))
    assert "Ann" in str(state)
    assert "s3cret" not in str(state)


@dataclass
class Holder:
    content: Any


def test_an_object_inside_that_hides_nothing_is_given_as_it_is() -> None:
    inner = Address("Oslo")
    assert (public_state(Holder(inner)) or {})["content"] is inner
    items = [Holder(3)]
    assert (public_state(Holder(items)) or {})["content"] is items


def test_a_secret_among_other_values_is_left_out() -> None:
    assert public_state(Holder({"a": SecretStr("s3cret"), "b": 1})) == {"content": {"b": 1}}
    assert public_state(Holder(SecretStr("s3cret"))) is None


def test_an_object_that_contains_itself_is_left_out() -> None:
    class Knot:
        def __init__(self) -> None:
            self.name = "knot"
            self.parts: list[Any] = [Holder(None)]
            self.parts[0].content = self.parts

    assert public_state(Knot()) == {"name": "knot"}


def test_a_marker_is_seen_even_where_other_annotations_cannot_be_resolved() -> None:
    @dataclass
    class Half:
        city: str
        pin: Annotated[str, Hidden] = "s3cret"
        other: Absent = 3

    class Bare:
        pin: Annotated[Absent, Hidden] = "s3cret"
        city: Absent = "Oslo"
        country: ClassVar[Absent] = "s3cret"

    assert public_state(Half("Oslo")) == {"city": "Oslo", "other": 3}
    assert public_state(Bare()) == {"city": "Oslo"}


def test_a_literal_that_spells_the_marker_hides_nothing() -> None:
    class Box:
        lid: Literal["Hidden", "Shown"] = "Hidden"

    assert public_state(Box()) == {"lid": "Hidden"}


def test_generic_classes_say_their_fields() -> None:
    class Box(BaseModel, Generic[Content]):
        content: Content
        key: Annotated[str, Hidden] = "s3cret"

    assert public_state(Box[int](content=3)) == {"content": 3}


NAMES = st.from_regex(r"_?[a-z]{1,8}", fullmatch=True)


@given(st.dictionaries(NAMES, st.integers() | st.text() | st.lists(st.none()), max_size=5))
def test_whatever_a_plain_object_holds_is_said_but_for_private_names(values: dict[str, Any]) -> None:
    class Bag:
        pass

    bag = Bag()
    vars(bag).update(values)
    public = {name: value for name, value in values.items() if not name.startswith("_")}
    assert public_state(bag) == (public or None)


@dataclass
class Branch:
    """You run a branch."""

    city: str
    key: Annotated[str, Hidden] = "s3cret"
    owner: Owner = Owner("Ann")

    def mood(self) -> str:
        """Tell the mood."""
        raise NotImplementedError


def test_a_prompt_says_the_public_state_and_nothing_of_the_hidden() -> None:
    made: Any = llm_strategy(Scripted("fine"))(Branch)
    prompt = made("Oslo").mood.prompt()
    assert '"city": "Oslo"' in prompt
    assert '"name": "Ann"' in prompt
    assert "s3cret" not in prompt
