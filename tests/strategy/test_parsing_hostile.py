"""Replies that no model should give: too deep, too long, not text, not numbers, or nothing but brackets."""

from __future__ import annotations

import json
import math
import time
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, model_validator

from llm_brain.strategy.finite import is_finite
from llm_brain.strategy.parsing import Parsed, Unparsable, parse_reply
from llm_brain.strategy.partial import PartialReader
from tests.strategy.cases.return_types import RETURN_TYPES
from tests.strategy.conftest import returning

KINDS: list[Any] = [case[0] for case in RETURN_TYPES.values()] + [str]


class Tree(BaseModel):
    value: int = 0
    children: list[Tree] = []


FINISHES = ("stop", "length", "unknown")


def read(text: str, kind: Any, *, finish: str = "stop") -> Any:
    """Read a reply; `...` where it is refused, which is to be said in words that can be sent on."""
    try:
        return parse_reply(text, returning(kind), finish=finish).value
    except Unparsable as error:
        words = str(error)
    assert words.encode()
    assert len(words) < 3000
    return ...


DEEP = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * DEEP,
        "[" * DEEP + "]" * DEEP,
        "{" * DEEP,
        '{"a":' * DEEP,
        '{"value": 1, "children": [' * DEEP,
        "[" * DEEP + "1" + "]" * DEEP,
        "(" * DEEP,
        '{"return_value": ' + "[" * DEEP,
        "```json\n" + "[" * DEEP,
        "{'a': [" * DEEP + "]}" * DEEP,
    ],
    ids=lambda text: text[:20],
)
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    for kind in (int, list[Any], Any, Tree, dict[str, Any]):
        for finish in FINISHES:
            assert read(text, kind, finish=finish) is ...


@pytest.mark.parametrize("digits", [4300, 4301, 5000, 100_000])
def test_an_integer_is_read_as_long_as_python_writes_it(digits: int) -> None:
    number = "7" * digits
    for reply in (number, f'{{"return_value": {number}}}', f"```\n{number}\n```", f"{{'return_value': {number}}}"):
        for kind in (int, Any):
            value = read(reply, kind)
            assert value is ... or (digits <= 4300 and value == int(number))
    assert read(f'{{"return_value": {number}}}', float) is ...


def test_a_number_that_python_writes_is_read_with_all_its_digits() -> None:
    assert parse_reply(json.dumps({"return_value": 10**4000}), returning(int)) == Parsed(10**4000, repaired=False)


ODD = [
    "NaN",
    "-NaN",
    "nan",
    "Infinity",
    "-Infinity",
    "inf",
    "1e999",
    "-1e999",
    "9" * 400 + ".0",
    '"NaN"',
    '"inf"',
    '"sNaN"',
    '"-Infinity"',
]


class Measured(BaseModel):
    amount: Decimal | float
    limit: float = math.inf


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (float, "%s"),
        (float | None, "%s"),
        (list[float], "[1, %s]"),
        (dict[str, list[float]], '{"a": [%s]}'),
        (tuple[int, float], "[1, %s]"),
        (set[float], "[%s]"),
        (Measured, '{"amount": %s}'),
        (list[Measured], '[{"amount": %s}]'),
        (complex, "%s"),
    ],
    ids=lambda part: str(part)[:20],
)
def test_no_number_gets_through_that_is_not_finite(kind: Any, form: str, odd: str) -> None:
    text = form % odd
    for reply in (text, f'{{"return_value": {text}}}', f"```json\n{text}\n```", f"{{'return_value': {text},}}", f"So: {text}"):
        value = read(reply, kind)
        # A Decimal holds what a float cannot.
        assert value is ... or (is_finite(value) and "999" in odd)
    for part in PartialReader(returning(kind)).feed(f'{{"return_value": {text}}}'):
        assert is_finite(part)


@pytest.mark.parametrize("odd", ["NaN", "sNaN", "Infinity", "-inf", "N_aN", "\\u0049nf"])
def test_no_decimal_gets_through_that_is_not_finite(odd: str) -> None:
    for kind, form in (
        (Decimal, '"%s"'),
        (list[Decimal], '["%s"]'),
        (dict[Decimal, int], '{"%s": 1}'),
        (Measured, '{"amount": "%s"}'),
    ):
        assert read(f'{{"return_value": {form % odd}}}', kind) is ...
        assert read(form % odd, kind) is ...


def test_a_default_that_is_not_finite_is_the_programmers_own() -> None:
    assert parse_reply('{"amount": 1}', returning(Measured)).value.limit == math.inf


@pytest.mark.parametrize("text", [r'"\ud800"', r'"\udc00x"', r'"a\ud83d"', '"\ud800"', "\ud800", r'"\udc00\ud800"'])
def test_half_a_character_is_refused_in_words_that_are_text(text: str) -> None:
    for kind in (Any, str | None, list[str], dict[str, str]):
        for reply in (text, f'{{"return_value": {text}}}', f"[{text}]", f"{{'a': {text}}}", f"```\n[{text},]\n```"):
            value = read(reply, kind)
            assert value is ... or json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize("odd", ["\0", "\x1b[31m", "\u202e", "\ufffe", "\x7f", "\x85", "\u2028", "\r", "\u200b"])
def test_odd_characters_in_strings_are_characters(odd: str) -> None:
    assert read(json.dumps([f"a{odd}b"]), list[str]) == [f"a{odd}b"]
    assert read(f'{{"return_value": ["a{odd}b"]}}', list[str]) == [f"a{odd}b"]
    assert read(f"So: ['a{odd}b',]", list[str]) == [f"a{odd}b"]


@pytest.mark.parametrize(
    "text", ['\ufeff{"return_value": 3}', '{\r\n"return_value":\r\n3\r\n}\r\n', '\ufeff```json\r\n{"return_value": 3}\r\n```\r\n']
)
def test_marks_and_line_ends_of_other_systems_are_read_past(text: str) -> None:
    assert read(text, int) == 3
    assert [part for char in text for part in PartialReader(returning(int)).feed(char)] == []
    reader = PartialReader(returning(int))
    assert [part for char in text for part in reader.feed(char)] == [3]


UNITS = [
    "{", "[", '"', '{"', '[" ', '{" }', "{a}", "[a b] ", "[1] ", "[1,", "1 ", '[ "x" ', "<think>", "<think></think>", "</think>",
    "```", "``` ", "```json\n", "```a", '{"a": 1,}', "{'a': ['b', ", '{"a": "\\"', "\\", "/", "/*", "//", "#x\n", "{/", "[,",
    '{"a":', "[foo bar, ", "“", "{“", '\\"', '{\\"', '{"a": "x, "b": ', '{"a": "x "b" ', "é", "\ud800", "\0", "{a:",
    '{"a": "b":', "( ", "[(", "[1 2 ", "[" + " " * 50, '"a": ', '{"a": NaN}', "[[[]]]", "[{}{}]", "{or not} ", "{ x = ",
    '[[["a"', "0", "{'a': 'b', ", "x: ", "\\n", "'",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("before", ["", '{"return_value": ['], ids=["bare", "begun"])
def test_garbage_takes_no_quadratic_time(unit: str, before: str) -> None:
    text = before + unit * (60_000 // len(unit))
    began = time.process_time()
    for kind in (list[int], Any, Tree, str):
        for finish in FINISHES:
            read(text, kind, finish=finish)
    for size in (7, len(text)):
        reader = PartialReader(returning(Tree))
        for place in range(0, len(text), size):
            reader.feed(text[place : place + size])
    # It takes a second at most; a quadratic reading of such a text takes many minutes.
    assert time.process_time() - began < 20


def test_a_reply_of_more_than_a_million_characters_is_refused() -> None:
    assert read("1" * 1_000_001, int) is ...
    with pytest.raises(Unparsable, match="longer than 1000000 characters"):
        parse_reply('"' + "x" * 1_000_000 + '"', returning(list[str]))


def test_a_validator_of_the_users_own_may_fail_in_any_way() -> None:
    def fails(value: int) -> int:
        names: dict[int, int] = {}
        return names[value]

    kind = Annotated[int, AfterValidator(fails)]
    for text in ("3", '{"return_value": 3}', "{'return_value': 3}"):
        with pytest.raises(Unparsable, match="KeyError: 3"):
            parse_reply(text, returning(kind))
    assert list(PartialReader(returning(kind)).feed('{"return_value": 3}')) == []


def test_a_value_may_hold_itself() -> None:
    class Node(BaseModel):
        name: str
        parent: Any = None

        @model_validator(mode="after")
        def own_parent(self) -> Node:
            self.parent = {"is": self}
            return self

    assert parse_reply('{"name": "a"}', returning(Node)).value.name == "a"


WORDS = ["null", "true", "None", "NaN", "return_value", '"return_value"', "```", "json", "<think>", "</think>", "1e999"]
PARTS = ['{"return_value": ', '"name": "a"', "'kind': 'cat'", "...", "//", "/*", "*/", '\\"', "\\u", "\\ud83d"]
SCRAPS = st.sampled_from([*"{}[]()\"'`“”,:\\/#*-_.=<>+ \n\r\t0129aeEfnt\ud800\0é", *WORDS, *PARTS])
TEXTS = st.lists(SCRAPS, max_size=40).map("".join) | st.text(max_size=60)


@settings(max_examples=300)
@given(TEXTS, st.sampled_from(KINDS), st.sampled_from(FINISHES))
def test_any_text_is_a_value_or_a_complaint_in_words(text: str, kind: Any, finish: str) -> None:
    value = read(text, kind, finish=finish)
    assert value is ... or is_finite(value)


@settings(max_examples=300)
@given(st.data())
def test_any_change_to_a_good_reply_gives_a_value_or_a_complaint(data: st.DataObject) -> None:
    kind, good, *_ = data.draw(st.sampled_from(list(RETURN_TYPES.values())))
    text = list(f'{{"return_value": {good}}}')
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(text)))
        text[place : place + data.draw(st.integers(0, 3))] = data.draw(SCRAPS | st.just(""))
    read("".join(text), kind)
    for part in PartialReader(returning(kind)).feed("".join(text)):
        assert is_finite(part)
