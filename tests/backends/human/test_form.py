"""A form takes every answer that fits its schema, and no other one: typed in by a script that plays the person."""

from __future__ import annotations

import contextlib
import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Union
from uuid import UUID

import jsonschema
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from typing_extensions import TypeAliasType

from llm_brain.backends.human.entries import Misread, entered, is_numbered
from llm_brain.backends.human.form import Form
from llm_brain.backends.human.places import changed, find_place, places_of, removed
from llm_brain.backends.human.questions import Question
from llm_brain.backends.human.rules import complaint, hint, shown_path
from llm_brain.backends.human.schema import Part
from llm_brain.strategy import inspect_function

MISSING = object()
UNREADABLE = "\x07"


class Player:
    """Plays a person who has an answer in mind, and types it in as well as the questions let it."""

    def __init__(self, answer: Any, schema: Mapping[str, Any], flip: Callable[[], bool], *, stumbles: bool = False) -> None:
        self.answer = answer["return_value"] if list(schema.get("properties", {})) == ["return_value"] else answer
        self.definitions = schema.get("$defs", {})
        self.flip = flip
        self.stumbles = stumbles
        self.has_stumbled = False
        self.keys: dict[Any, list[str]] = {}
        self.questions: list[Question] = []

    def begin(self, path: Any, part: Part) -> None:
        pass

    def review(self, value: Any, problem: str | None) -> str:
        assert problem is None
        assert json.dumps(value) == json.dumps(self.answer) or value == self.answer
        return ""

    def ask(self, question: Question, problem: str | None) -> str:
        if problem is None:
            self.questions.append(question)
            if self.stumbles and self.flip():
                self.has_stumbled = True
                return UNREADABLE
        elif not (question.asks == "key" and problem == "is there already"):  # a field of the object, and no further key
            assert self.has_stumbled, f"{question.place}: {problem}"
        self.has_stumbled = False
        return self.line(question)

    def line(self, question: Question) -> str:
        value = self.at(question.path)
        if question.at_once:
            whole = self.at(question.at_once[0])
            if whole is MISSING or whole is None:
                return self.plain(whole)
            if isinstance(whole, dict | list) and (
                value is None or isinstance(value, dict | list) or value is MISSING or self.flip()
            ):
                return json.dumps(whole)
        if question.asks == "key":
            left = self.keys.setdefault(question.path, list(value))
            return json.dumps(left.pop(0)) if left else ""
        if value is MISSING or value is None:
            return self.plain(value)
        if question.asks == "part":
            return "y"
        return self.option(question, value) if question.asks == "menu" else self.plain(value)

    def option(self, question: Question, value: Any) -> str:
        for place, option in enumerate(question.options):
            if isinstance(option.value, Part):
                meant = fits(value, {**option.value.schema, "$defs": self.definitions})
            else:
                meant = json.dumps(option.value) == json.dumps(value)
            if meant:
                return str(place + 1) if is_numbered(question.options) and self.flip() else option.word
        pytest.fail(f"{question.place}: {value!r} is not in the menu")

    def plain(self, value: Any) -> str:
        if value is MISSING:
            return ""
        # What may be typed without quotes: what is not blank at its ends, nor looks like JSON or like a word for no text.
        is_plain = isinstance(value, str) and value == value.strip() and value.isprintable() and value.isidentifier()
        return value if is_plain and value not in {"null", "true", "false"} and self.flip() else json.dumps(value)

    def at(self, path: Sequence[str | int]) -> Any:
        value = self.answer
        for step in path:
            if value is MISSING or value is None:
                return MISSING
            is_there = step < len(value) if isinstance(step, int) else step in value
            value = value[step] if is_there else MISSING
        return value


FORMATS = jsonschema.FormatChecker(())
for name, read in {
    "date": date.fromisoformat,
    "date-time": datetime.fromisoformat,
    "time": time.fromisoformat,
    "uuid": UUID,
    "duration": lambda text: re.match(r"-?(P|\d+:\d\d)", text).end(),
}.items():
    FORMATS.checks(name, (ValueError, AttributeError))(
        lambda value, read=read: not isinstance(value, str) or read(value) is not None
    )


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    return bool(jsonschema.Draft202012Validator(schema, format_checker=FORMATS).is_valid(value))


class Colour(Enum):
    RED = "red"
    DEEP = "deep red"
    SEVEN = 7


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(string.printable, max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=4,
)
texts = st.text(max_size=8).filter(lambda text: text.encode("utf-8", "ignore").decode() == text)
Typed = tuple[Any, st.SearchStrategy[Any]]
Task = tuple[Any, dict[str, Any], Any]
LEAVES: list[Typed] = [
    (int, st.integers()),
    (Annotated[int, Field(ge=-5, lt=5)], st.integers(-5, 4)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (str, texts),
    (Annotated[str, Field(min_length=1, max_length=3)], st.text("ab c", min_size=1, max_size=3)),
    (bool, st.booleans()),
    (date, st.dates()),
    (datetime, st.datetimes()),
    (time, st.times()),
    (timedelta, st.timedeltas(timedelta(days=-9), timedelta(days=9))),
    (UUID, st.uuids()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (Literal["yes", "no", "", "no more", " 1"], st.sampled_from(["yes", "no", "", "no more", " 1"])),
    (
        Literal[1, "1", None, True],  # noqa: PYI061 - an enum of JSON Schema with null in it
        st.sampled_from([1, "1", None, True]),
    ),
    (Literal["only"], st.just("only")),
    (Colour, st.sampled_from(Colour)),
    (None, st.none()),
    (Any, json_values),
]


def lists(held: Typed) -> Typed:
    return list[held[0]], st.lists(held[1], max_size=3)  # type: ignore[valid-type]


def long_lists(held: Typed) -> Typed:
    return Annotated[list[held[0]], Field(min_length=1, max_length=2)], st.lists(held[1], min_size=1, max_size=2)  # type: ignore[valid-type]


def dictionaries(held: Typed) -> Typed:
    return dict[str, held[0]], st.dictionaries(texts, held[1], max_size=2)  # type: ignore[valid-type]


def pairs(first: Typed, second: Typed) -> Typed:
    return tuple[first[0], second[0]], st.tuples(first[1], second[1])  # type: ignore[valid-type]


def unions(first: Typed, second: Typed) -> Typed:
    return Union[first[0], second[0]], first[1] | second[1]  # noqa: UP007 - the members are values


def models(name: str, *fields: tuple[Typed, str], extra: bool = False) -> Typed:
    told: dict[str, Any] = {}
    for place, ((kind, _), presence) in enumerate(fields):
        is_needed = presence == "required"
        told[f"f{place}"] = (kind if is_needed or kind is None else kind | None, ... if is_needed else None)
    config = ConfigDict(extra="allow" if extra else "forbid")
    model = create_model(name, __config__=config, **told)
    values = {
        f"f{place}": value if presence == "required" else st.none() | value for place, ((_, value), presence) in enumerate(fields)
    }
    required = {key: value for key, value in values.items() if fields[int(key[1:])][1] == "required"}
    others = {key: value for key, value in values.items() if key not in required}
    given_fields = st.fixed_dictionaries(required, optional=others)
    if extra:
        more = st.dictionaries(st.sampled_from(["more", "x y"]), st.integers(), max_size=2)
        given_fields = st.builds(lambda known, rest: {**known, **rest}, given_fields, more)
    return model, given_fields.map(lambda told: model.model_construct(**told))


class Node(BaseModel):
    """A tree."""

    value: int
    kids: list[Node] = []
    other: Node | None = None


leaves = st.sampled_from(LEAVES)
nodes: Typed = (
    Node,
    st.recursive(
        st.builds(Node, value=st.integers(0, 9)),
        lambda inner: st.builds(Node, value=st.integers(0, 9), kids=st.lists(inner, max_size=2), other=st.none() | inner),
        max_leaves=4,
    ),
)


def _nested(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    presence = st.sampled_from(["required", "optional"])
    return (
        inner.map(lists)
        | inner.map(long_lists)
        | inner.map(dictionaries)
        | st.builds(pairs, inner, inner)
        | st.builds(unions, inner, inner)
        | st.builds(lambda a, b: models("Thing", a, b), st.tuples(inner, presence), st.tuples(inner, presence))
        | st.builds(lambda a: models("Open", a, extra=True), st.tuples(inner, presence))
        | st.just(nodes)
        | st.just(models("Nothing"))
    )


types = st.recursive(leaves, _nested, max_leaves=6)


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the schema as a typed function asks for it."""

    def answer() -> Any:
        """Answer."""

    answer.__annotations__["return"] = kind
    return inspect_function(answer).schema


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    """Draw a type, its schema and a JSON value of it."""
    kind, values = draw(types)
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    value = json.loads(adapter.dump_json(draw(values), exclude_unset=True, warnings=False))
    schema = schema_of(kind) if draw(st.booleans()) else adapter.json_schema()
    if list(schema.get("properties", {})) == ["return_value"]:
        value = {"return_value": value}
    assume(fits(value, schema))
    return kind, schema, value


def assert_typed_in(task: Task, data: st.DataObject, *, stumbles: bool = False) -> None:
    _, schema, value = task
    player = Player(value, schema, lambda: data.draw(st.booleans()), stumbles=stumbles)
    assert json.dumps(Form(schema).answer(player), sort_keys=True) == json.dumps(value, sort_keys=True)


@given(tasks(), st.data())
def test_every_answer_that_fits_can_be_typed_in(task: Task, data: st.DataObject) -> None:
    assert_typed_in(task, data)


@pytest.mark.slow
@settings(max_examples=2000)
@given(tasks(), st.data(), st.booleans())
def test_every_one_of_many_answers_that_fit_can_be_typed_in(task: Task, data: st.DataObject, stumbles: bool) -> None:
    assert_typed_in(task, data, stumbles=stumbles)


@settings(max_examples=30)
@given(tasks(), st.data())
def test_wrong_entries_lose_nothing_of_what_was_typed(task: Task, data: st.DataObject) -> None:
    assert_typed_in(task, data, stumbles=True)


@settings(max_examples=30)
@given(tasks(), tasks())
def test_a_value_that_does_not_fit_is_complained_about(task: Task, other: Task) -> None:
    part = Part(task[1])
    assert complaint(task[2], part) is None
    assert fits(other[2], task[1]) or complaint(other[2], part) is not None


@settings(max_examples=30)
@given(tasks())
def test_every_place_of_an_answer_is_found_by_its_name_and_can_be_put_back(task: Task) -> None:
    _, schema, value = task
    part = Part(schema)
    for place in places_of(value, part):
        found = find_place(shown_path(place.path), value, part)
        assert found.path == place.path
        held = value
        with contextlib.suppress(LookupError):  # an empty place
            for step in place.path:
                held = held[step]
            assert changed(value, place.path, held) == value
            if place.is_optional:
                assert complaint(removed(value, place), part) is None


class Script:
    """Types lines, and keeps what was asked and shown."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.asked: list[str] = []
        self.problems: list[str] = []
        self.shown: list[Any] = []
        self.begun: list[tuple[Any, str]] = []

    def begin(self, path: Any, part: Part) -> None:
        self.begun.append((path, part.description))

    def ask(self, question: Question, problem: str | None) -> str:
        if problem is None:
            enter = "" if question.enter is None else f" [{question.enter}]"
            menu = f" ({' '.join(option.word for option in question.options)})" if question.options else ""
            self.asked.append(f"{question.place}: {question.hint}{menu}{enter}")
        else:
            self.problems.append(problem)
        return self.lines.pop(0)

    def review(self, value: Any, problem: str | None) -> str:
        self.shown.append(value)
        if problem is not None:
            self.problems.append(problem)
        return self.lines.pop(0)


class Customer(BaseModel):
    """Who bought it."""

    name: Annotated[str, Field(description="As on the bill.")]
    language: Literal["English", "German", "Greek"] = "English"


class Refund(BaseModel):
    """Give money back."""

    kind: Literal["refund"] = "refund"
    amount: Annotated[float, Field(gt=0)]


class Replace(BaseModel):
    """Send it again."""

    kind: Literal["replace"] = "replace"
    part: str


class Case(BaseModel):
    """What happened."""

    customer: Customer
    days: Annotated[list[date], Field(max_length=2)]
    action: Refund | Replace
    note: str | None = None
    prices: dict[str, float] = {}


CASE = ("Ada", "ger", "2026-01-31", "", "refund", "12.5", "", "")
ANSWER = {
    "customer": {"name": "Ada", "language": "German"},
    "days": ["2026-01-31"],
    "action": {"kind": "refund", "amount": 12.5},
}


def filled_in(kind: Any, *lines: str) -> tuple[Any, Script]:
    script = Script(*lines)
    answer = Form(schema_of(kind)).answer(script)
    assert not script.lines
    return answer, script


def test_a_nested_model_is_filled_in_field_by_field_with_the_way_to_each() -> None:
    answer, script = filled_in(Case, *CASE, "")
    assert answer == ANSWER
    assert script.asked == [
        "customer.name: text",
        "customer.language:  (English German Greek) [English]",
        "days[0]: date, as 2026-01-31 [no items]",
        "days[1]: date, as 2026-01-31 [no more]",
        "action: which of these (Refund Replace)",
        "action.amount: number above 0",
        "note: text [none]",
        "prices: key [none]",
    ]


def test_a_part_is_announced_where_no_question_has_told_of_it() -> None:
    _, script = filled_in(Case, *CASE, "")
    assert script.begun == [((), "What happened."), (("customer",), "Who bought it.")]
    assert filled_in(Customer | None, "y", "Ada", "", "")[1].begun == []


def test_a_default_that_is_taken_is_left_to_the_model_and_not_sent() -> None:
    answer, _ = filled_in(Customer, "Ada", "", "")
    assert answer == {"name": "Ada"}


@pytest.mark.parametrize(
    ("line", "meant"), [("2", "German"), ("German", "German"), ("gErm", "German"), ("e", "English"), ("GREEK", "Greek")]
)
def test_a_line_of_a_menu_is_chosen_by_number_by_word_and_by_the_beginning_of_one(line: str, meant: str) -> None:
    assert filled_in(Customer, "Ada", line, "")[0]["language"] == meant


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("g", "'g' may be 'German' or 'Greek': type more of it"),
        ("4", "there is no number 4: choose from 1 to 3"),
        ("0", "there is no number 0: choose from 1 to 3"),
        ("French", "'French' is none of them: type a number or a word of the list"),
    ],
)
def test_what_is_no_line_of_the_menu_is_explained(line: str, problem: str) -> None:
    assert filled_in(Customer, "Ada", line, "1", "")[1].problems == [problem]


def test_numbers_that_can_be_chosen_are_not_numbered() -> None:
    assert filled_in(Literal[3, 2, 1], "3")[0] == {"return_value": 3}
    assert filled_in(Literal[3, 2, 1], "0", "1")[1].problems == ["'0' is none of them: type a word of the list"]


@pytest.mark.parametrize(("line", "meant"), [("y", True), ("yes", True), ("1", True), ("no", False), ("f", False), ("2", False)])
def test_yes_and_no_are_true_and_false(line: str, meant: bool) -> None:
    assert filled_in(bool, line)[0] == {"return_value": meant}


@pytest.mark.parametrize(
    ("kind", "line", "problem"),
    [
        (int, "three", "must be a whole number"),
        (int, "3.5", "must be a whole number"),
        (Annotated[int, Field(ge=1, le=5)], "9", "must be at most 5"),
        (Annotated[int, Field(ge=1, le=5)], "x", "must be a whole number from 1 to 5"),
        (Annotated[int, Field(multiple_of=5)], "7", "must be a multiple of 5"),
        (float, "3,5", "must be a number, with a point: 3.5"),
        (float, "nan", "must be a number"),
        (float, "1e999", "is too large a number"),
        (int, "9" * 5000, "is too large a number"),
        (Annotated[str, Field(max_length=3)], "long", "must have at most 3 characters, and has 4"),
        (Annotated[str, Field(min_length=2)], "a", "must have at least 2 characters, and has 1"),
        (Annotated[str, Field(pattern=r"^NB-\d{4}$")], "4711", r"must match ^NB-\d{4}$"),
        (str, "", 'something must be typed ("" is an empty text)'),
        (int, "", "something must be typed"),
        (str, "\x1b[A", r"holds a character that cannot be seen (\x1b): type it without"),
        (date, "31.1.2026", "must be a date, as 2026-01-31"),
        (datetime, "today", "must be a date and time, as 2026-01-31T14:30:00Z"),
        (timedelta, "long", "must be a duration, as PT1H30M or 1:30:00"),
        (UUID, "4711", "must be a UUID, as 123e4567-e89b-12d3-a456-426614174000"),
        (int | None, "x", "must be a whole number"),
        (int | date, "x", "must be a whole number, or date, as 2026-01-31"),
    ],
)
def test_a_wrong_entry_is_explained_at_once_and_asked_again(kind: Any, line: str, problem: str) -> None:
    script = Script(line)
    with pytest.raises(IndexError):  # it is asked again, and there are no more lines
        Form(schema_of(kind)).answer(script)
    assert script.problems == [problem]


@pytest.mark.parametrize(
    ("kind", "line", "value"),
    [
        (int | str, "5", 5),
        (int | str, '"5"', "5"),
        (int | str | None, "", None),
        (str | None, "null", None),
        (str | None, '"null"', "null"),
        (str, '"one\\ntwo"', "one\ntwo"),
        (str, 'She said "yes"', 'She said "yes"'),
        (str, '""', ""),
        (float, "1e3", 1000.0),
        (int, "3.0", 3),
        (bool | str, "true", True),
        (bool | str, "yes", "yes"),
        (Literal["auto"] | int, "auto", "auto"),
        (Decimal, "12.5", 12.5),
        (Decimal, "0.1234567890123456789", "0.1234567890123456789"),
        (Any, "[1, 2]", [1, 2]),
        (Any, "one, two", "one, two"),
        (timedelta, "1:30:00", "1:30:00"),
        (None, "", None),
    ],
)
def test_one_line_is_read_as_what_it_looks_like(kind: Any, line: str, value: Any) -> None:
    assert filled_in(kind, *([] if kind is None else [line]))[0] == {"return_value": value}


def test_everything_can_be_typed_at_once_as_json_where_nothing_of_it_has_been_given() -> None:
    assert filled_in(Case, json.dumps(ANSWER))[0] == ANSWER
    assert filled_in(Case, *CASE[:2], '["2026-01-31"]', *CASE[4:], "")[0] == ANSWER
    assert filled_in(list[int], "[1, 2]")[0] == {"return_value": [1, 2]}
    assert filled_in(list[list[int]], "[1, 2]", "", "")[0] == {"return_value": [[1, 2]]}


def test_after_the_first_item_a_text_may_look_like_json() -> None:
    assert filled_in(list[str], "one", '["two"]', "", "")[0] == {"return_value": ["one", '["two"]']}
    assert filled_in(dict[str, str], "one", "1", '{"two": "2"}', "2", "", "")[0] == {"one": "1", '{"two": "2"}': "2"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[1,", "is no JSON: Expecting value: line 1 column 4 (char 3)"),
        ('["x"]', "`answer[0]`: must be a whole number"),
        ("[NaN]", "is no JSON: NaN is not JSON"),
        ("[" * 500 + "]" * 500, "is no JSON: it is nested too deeply"),
    ],
)
def test_json_that_does_not_fit_is_explained_with_the_place(line: str, problem: str) -> None:
    assert filled_in(list[int], line, "1", "", "")[1].problems == [problem]


def test_a_list_takes_as_many_items_as_it_may_have() -> None:
    kind = Annotated[list[int], Field(min_length=1, max_length=2)]
    answer, script = filled_in(kind, "", "1", "2", "")
    assert answer == {"return_value": [1, 2]}
    assert script.problems == ["something must be typed"]
    assert filled_in(tuple[int, str], "1", "one", "")[0] == {"return_value": [1, "one"]}


def test_a_dictionary_is_asked_for_key_by_key() -> None:
    answer, script = filled_in(dict[Literal["red", "blue"], int], "green", "red", "1", "red", "blue", "2", "", "")
    assert answer == {"red": 1, "blue": 2}
    assert script.problems == ["the key must be one of: red, blue", "is there already"]
    assert script.asked[1] == "red: whole number"


def test_an_optional_part_is_filled_in_or_skipped() -> None:
    assert filled_in(Customer | None, "")[0] == {"return_value": None}
    assert filled_in(Customer | None, "no")[0] == {"return_value": None}
    answer, script = filled_in(Customer | None, "Ada", "y", "Ada", "", "")
    assert answer == {"return_value": {"name": "Ada"}}
    assert script.problems == ["type y to fill it in, or Enter alone"]


class Nothing(BaseModel):
    """A signal."""


def test_a_model_without_fields_may_be_left_out_all_the_same() -> None:
    assert filled_in(Nothing)[0] == {}
    assert filled_in(Nothing | None, "")[0] == {"return_value": None}
    assert filled_in(Nothing | None, "y")[0] == {"return_value": {}}


def test_a_recursive_model_ends_where_the_person_ends_it() -> None:
    answer, _ = filled_in(Node, "1", "y", "2", "", "", "", "y", "3", "", "", "")
    assert answer == {"return_value": {"value": 1, "kids": [{"value": 2}], "other": {"value": 3}}}


Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | int")


def test_a_type_that_holds_itself_is_asked_for_as_deep_as_it_goes() -> None:
    answer, script = filled_in(Json, "list", "list", "3", "1", "", "", "")
    assert answer == {"return_value": [[1]]}
    assert script.asked[0] == "answer: which of these (keys and values list whole number)"


@pytest.mark.parametrize(
    ("lines", "changed"),
    [
        (("customer.name", "Bo"), {"customer": {"name": "Bo", "language": "German"}}),
        (("name", "Bo"), {"customer": {"name": "Bo", "language": "German"}}),
        (("name", ""), {}),
        (("note", "late"), {"note": "late"}),
        (("days[1]", "2026-02-01"), {"days": ["2026-01-31", "2026-02-01"]}),
        (("days", "[]"), {"days": []}),
        (("-days[0]",), {"days": []}),
        (("-language",), {"customer": {"name": "Ada"}}),
        (("action", "2", "crank"), {"action": {"kind": "replace", "part": "crank"}}),
        (("amount", "-1", "1"), {"action": {"kind": "refund", "amount": 1}}),
        (("prices", "bread", "2", ""), {"prices": {"bread": 2}}),
        (("prices", '{"a b": 2}', 'prices["a b"]', "3"), {"prices": {"a b": 3}}),
    ],
)
def test_the_answer_is_shown_and_each_part_of_it_can_be_corrected(lines: tuple[str, ...], changed: dict[str, Any]) -> None:
    answer, script = filled_in(Case, *CASE, *lines, "")
    assert script.shown[0] == ANSWER
    assert answer == {**ANSWER, **changed}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nmae", "there is no 'nmae': Enter sends the answer, one of these changes it: answer, customer, customer.name, "),
        ("days[7]", "there is no 'days[7]'"),
        ("c", "'c' may be customer, customer.name, customer.language: type more of it"),
        ("-name", "customer.name cannot be taken out"),
        ("-answer", "answer cannot be taken out"),
        ("kind", "there is no 'kind'"),
    ],
)
def test_a_place_that_is_not_there_is_explained_when_correcting(line: str, problem: str) -> None:
    answer, script = filled_in(Case, *CASE, line, "")
    assert answer == ANSWER
    assert script.problems[0].startswith(problem)


def test_items_that_a_list_must_have_stay_in_it() -> None:
    answer, script = filled_in(Annotated[list[int], Field(min_length=1)], "1", "2", "", "-answer[0]", "-answer[0]", "")
    assert answer == {"return_value": [2]}
    assert script.problems == ["answer[0] cannot be taken out"]
    answer, script = filled_in(Annotated[dict[str, int], Field(min_length=1)], "a", "1", "b", "2", "", "-a", "-b", "")
    assert answer == {"b": 2}
    assert script.problems == ["b cannot be taken out"]


def test_a_single_line_is_sent_at_once() -> None:
    _, script = filled_in(int, "5")
    assert script.shown == []


def test_an_earlier_answer_is_corrected_instead_of_typed_again() -> None:
    script = Script("name", "Bo", "")
    form = Form(schema_of(Case))
    assert form.takes(ANSWER)
    assert form.answer(script, ANSWER) == {**ANSWER, "customer": {"name": "Bo", "language": "German"}}


@pytest.mark.parametrize("answer", [None, {}, [], {"return_value": "x"}, {"return_value": 1.5}, {"value": 1}])
def test_what_does_not_fit_is_no_earlier_answer(answer: Any) -> None:
    assert not Form(schema_of(int)).takes(answer)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"allOf": [{"$ref": "#/$defs/A"}]}}, "$defs": {"A": {"type": "integer"}}},
        {"type": "object", "properties": {"a": {"type": ["integer", "null"]}}},
        {"type": "object", "properties": {"a": {"oneOf": [{"type": "integer"}, {"type": "string", "format": "date"}]}}},
        {"type": "object", "properties": {"a": {"$ref": "#/properties/b"}, "b": {"const": 1}}},
        {"properties": {"a": {"type": "integer", "multipleOf": 0.5}}, "additionalProperties": False},
    ],
)
def test_schemas_that_others_write_are_forms_too(schema: dict[str, Any]) -> None:
    answer = Form(schema).answer(Script("1", "", "", ""))
    assert answer == {"a": 1}
    assert fits(answer, schema)


def test_a_reference_that_leads_nowhere_takes_anything() -> None:
    assert Form({"$ref": "#/$defs/Missing"}).answer(Script("[1]")) == [1]
    assert Form({"$ref": "#"}).answer(Script("one")) == "one"


def test_a_decimal_is_a_number_however_many_digits_it_has() -> None:
    part = Part(inspect_function(returning_a_price).schema["properties"]["return_value"])
    assert hint(part) == "number"
    assert (entered("19.9", part), entered("0.1234567890123456789012", part)) == (19.9, "0.1234567890123456789012")
    with pytest.raises(Misread, match=r"^must be a number$"):
        entered("abc", part)


def returning_a_price() -> Decimal:
    """Tell the price."""
    raise NotImplementedError
