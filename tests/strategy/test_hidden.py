"""What is hidden reaches no prompt, no trace and no error, wherever it stands."""

from __future__ import annotations

import json
from collections import OrderedDict, UserDict, UserList, defaultdict, deque
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NewType, TypeVar

import pytest
from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
)
from typing_extensions import TypeAliasType, TypedDict

from llm_brain.errors import ArgumentError
from llm_brain.strategy import Hidden, TypedFunction, examples, llm_strategy
from llm_brain.strategy import Hidden as Private
from llm_brain.strategy.annotations.hidden import mentions_hidden
from llm_brain.strategy.hiding import without_hidden
from llm_brain.strategy.public_state import public_state
from llm_brain.strategy.words import explain, json_text
from llm_brain.tracing import record
from tests.strategy.conftest import Scripted

if TYPE_CHECKING:
    from nowhere import Absent  # type: ignore[import-not-found]

Key = Annotated[str, Hidden]
Alias = TypeAliasType("Alias", Annotated[str, Hidden])
New = NewType("New", SecretStr)
Json = TypeAliasType("Json", "list[Json] | str")  # type: ignore[misc]
Secrets = TypeAliasType("Secrets", "list[Secrets] | Shop")  # type: ignore[misc]
Item = TypeVar("Item")
Tree = TypeAliasType("Tree", "Item | list[Tree[Item]]", type_params=(Item,))  # type: ignore[misc]


@dataclass(frozen=True)
class Shop:
    city: str
    key: str = field(default="s3cret", repr=False)
    _pin: str = "s3cret"


class Place(NamedTuple):
    city: str
    key: Annotated[str, Hidden] = "s3cret"


class Row(NamedTuple):
    shop: Shop


class Chain(Enum):
    FIRST = Shop("Oslo")


class Account(TypedDict):
    city: str
    key: Annotated[str, Hidden]


class Bank(TypedDict, total=False):
    accounts: list[Account]


Accounts = TypeAliasType("Accounts", list[Account])
SHOP = Shop("Oslo")
ACCOUNT: Account = {"city": "Oslo", "key": "s3cret"}


@pytest.mark.parametrize(
    "value",
    [
        {SHOP},
        frozenset({SHOP}),
        deque([SHOP]),
        OrderedDict(a=SHOP),
        defaultdict(list, a=[SHOP]),
        MappingProxyType({"a": SHOP}),
        UserDict(a=SHOP),
        UserList([SHOP]),
        {"a": SHOP}.values(),
        (shop for shop in [SHOP]),
        Place("Oslo"),
        [Place("Oslo")],
        Row(SHOP),
        Chain.FIRST,
    ],
    ids=lambda one: type(one).__name__,
)
def test_hidden_fields_are_hidden_in_every_container(value: Any) -> None:
    said = json_text(without_hidden(value))
    assert "Oslo" in said
    assert "s3cret" not in said


def test_a_generator_is_not_used_up_before_it_is_written() -> None:
    given = iter([3])
    assert without_hidden(given) is given
    lazy = (number for number in [3])
    without_hidden(lazy)
    assert next(lazy) == 3


@pytest.mark.parametrize("value", [[1, "a"], {"a": {1}}, deque([1]), (1, 2), OrderedDict(a=1)], ids=repr)
def test_what_hides_nothing_is_given_as_it_is(value: Any) -> None:
    assert without_hidden(value) is value


class Half:
    first: Key
    second: Annotated[str, Private]
    third: Annotated[str, Absent]
    city: str
    other: Absent

    def __init__(self) -> None:
        self.first = self.second = self.third = "s3cret"
        self.city, self.other = "Oslo", 3


def test_one_annotation_that_cannot_be_resolved_unhides_no_other_field() -> None:
    assert public_state(Half()) == {"city": "Oslo", "other": 3}


def test_an_alias_and_a_new_type_hide_what_they_stand_for() -> None:
    class Held:
        alias: Alias
        new: New
        data: Json

        def __init__(self) -> None:
            self.alias = "s3cret"
            self.new = "s3cret"  # type: ignore[assignment]
            self.data = "said"

    assert public_state(Held()) == {"data": "said"}


@dataclass
class Opt:
    city: str
    key: Annotated[str, Hidden]


class Model(BaseModel):
    city: str
    key: str = Field(default="s3cret", repr=False)


class Bare:
    key: Annotated[str, Hidden]

    def __repr__(self) -> str:
        return "Bare(s3cret)"


DEFAULT: Any = Opt("Oslo", "s3cret")


@pytest.mark.parametrize("default", [DEFAULT, Model(city="Oslo"), (DEFAULT,), {"a": DEFAULT}, deque([DEFAULT]), Bare()], ids=repr)
def test_a_default_that_may_hide_something_is_not_written_into_the_signature(default: Any) -> None:
    def route(text: str, shop: Any = default) -> str:
        """Route."""
        raise NotImplementedError

    line = made(route).spec.line
    assert line == "route(text: str, shop: Any = ...) -> str"


def made(function: Any, *replies: str) -> TypedFunction[..., Any]:
    found: Any = llm_strategy(Scripted(*(replies or ("fine",))))(function)
    return found  # type: ignore[no-any-return]


@examples(({"account": ACCOUNT, "key": "s3cret", "token": "s3cret", "message": "a"}, "b"))
def route(account: Account, message: str, key: Annotated[str, Hidden] = "s3cret", token: SecretStr | str = "s3cret") -> str:
    """Route a message with {key}."""
    raise NotImplementedError


def test_a_hidden_parameter_and_a_hidden_key_of_a_typed_dictionary_are_not_in_a_prompt() -> None:
    prompt = made(route).prompt(ACCOUNT, "Hello.")
    assert "s3cret" not in prompt
    assert "token" not in prompt
    assert 'account: {"city": "Oslo"}' in prompt


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (list[Account], [ACCOUNT]),
        (dict[str, Account], {"a": ACCOUNT}),
        (tuple[int, Account], (1, ACCOUNT)),
        (tuple[Account, ...], (ACCOUNT,)),
        (Account | None, ACCOUNT),
        (Bank, {"accounts": [ACCOUNT]}),
        (Annotated[list[Account], Field(min_length=1)], [ACCOUNT]),
        (Accounts, [ACCOUNT]),
    ],
    ids=str,
)
def test_a_typed_dictionary_hides_its_keys_wherever_it_is_declared(annotation: Any, value: Any) -> None:
    said = json_text(without_hidden(value, annotation))
    assert "Oslo" in said
    assert "s3cret" not in said


def test_a_typed_dictionary_in_a_field_hides_its_keys() -> None:
    @dataclass
    class Holder:
        account: Account

    class Held(BaseModel):
        account: Account

    for holder in (Holder(ACCOUNT), Held(account=ACCOUNT)):
        assert without_hidden(holder) == {"account": {"city": "Oslo"}}
        assert public_state(holder) == {"account": {"city": "Oslo"}}


def test_a_trace_says_nothing_that_is_hidden(tmp_path: Path) -> None:
    def trade(shop: Opt, account: Account, key: Annotated[str, Hidden]) -> Opt:
        """Trade."""
        raise NotImplementedError

    def each(shop: Opt) -> list[Opt]:
        """List."""
        raise NotImplementedError

    reply = json.dumps({"city": "Rome", "key": "s3cret"})
    with record(tmp_path):
        made(trade, reply)(DEFAULT, ACCOUNT, "s3cret")
        list(made(each, f'{{"return_value": [{reply}]}}').stream(DEFAULT))
    lines = [json.loads(line) for path in tmp_path.rglob("*.jsonl") for line in path.read_text().splitlines()]
    told = [line["attributes"] for line in lines if "llm_brain.function" in line["attributes"]]
    assert len(told) == 2
    assert "Rome" in str(told)
    assert "s3cret" not in str(told)


def count(number: int, shop: Any = None) -> int:
    """Count."""
    raise NotImplementedError


@pytest.mark.parametrize(
    "value", [DEFAULT, [DEFAULT], {"a": DEFAULT}, {1: (DEFAULT,)}, Bare()], ids=lambda one: type(one).__name__
)
def test_an_error_about_an_argument_names_the_type_of_an_object_only(value: Any) -> None:
    with pytest.raises(ArgumentError, match=f"got a value of type {type(value).__name__}") as caught:
        made(count)(value)
    assert "s3cret" not in str(caught.value)


def test_an_error_about_plain_data_shows_it() -> None:
    with pytest.raises(ArgumentError, match=r"got \[1, {'a': None}\]"):
        made(count)([1, {"a": None}])


def test_an_error_about_what_has_no_json_form_says_nothing_of_it() -> None:
    with pytest.raises(ArgumentError) as caught:
        made(count)(1, Opt("Oslo", "s3cret").__eq__)
    assert "s3cret" not in str(caught.value)


def test_of_a_type_that_hides_something_an_error_says_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Account).validate_python({"key": "s3cret"})
    assert explain(caught.value, quiet=True) == "`city`: Field required, got a value of type dict"


@pytest.mark.parametrize(
    ("annotation", "hiding"),
    [(Json, False), (list[Json], False), (Secrets, True), (Tree[int], False), (Tree[Shop], True), (Annotated[Json, "x"], False)],
    ids=str,
)
def test_a_type_that_holds_itself_is_searched_to_its_end(annotation: Any, *, hiding: bool) -> None:
    assert mentions_hidden(annotation) is hiding
