"""YAML that is data: what is read, what is refused, and that no message holds what stood in the file."""

from __future__ import annotations

import contextlib
import enum
from collections import UserDict, UserList
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends.configuration.yaml import LARGEST_FILE, plain, read_yaml, scalar
from llm_brain.errors import DataError

SECRET = "Zq7-Kd0_pW9xLm4T"


def read(folder: Path, text: str | bytes) -> dict[str, Any]:
    file = folder / "model.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_yaml(file)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1e-3", 0.001),
        ("a: 1E5", 100_000.0),
        ("a: 2024-02-29", "2024-02-29"),
        ("a: 2024-99-99", "2024-99-99"),
        ("a: http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("a: null", None),
        ("a: ???", "???"),
        ("a: [1, two, {b: 3}]", [1, "two", {"b": 3}]),
        ("a: 'price: ${5}'", "price: ${5}"),
        ("\ufeffa: é", "é"),
    ],
)
def test_a_value_is_what_it_looks_like(tmp_path: Path, text: str, value: object) -> None:
    assert read(tmp_path, text) == {"a": value}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: .* the key `a` stands twice"),
        ("a: {b: 1, b: 2}", "the key `b` stands twice"),
        ("a: &x [1]\nb: *x", r"line 2: .* an alias \(`\*name`\)"),
        ("a: !!python/object/apply:os.system ['id']", "could not determine a constructor"),
        ("a: !mine {b: 1}", "could not determine a constructor"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("a: " + "[" * 60 + "]" * 60, "nested too deeply"),
        ("a: " + "9" * 5000, "a number that none can be made of"),
        ("- a", "a config is a mapping"),
        ("just words", "a config is a mapping"),
        ("", "this is empty"),
        ("on: 1", "`True`: keys are texts"),
        ("a: {5: 1}", "`a.5`: keys are texts"),
        ("? [a]\n: b", "unhashable key"),
        ("a: !!binary aGk=", "`a` is of type bytes"),
        ("a: !!set {x, y}", "`a` is of type set"),
        ("a: \x00", "holds characters that a text has not"),
        ("a: 1\n---\nb: 2", "a second document begins"),
        ("a:\tb\n\tc: d", "found character"),
        ("api: ${oc.env:KEY}", "`api` is an interpolation"),
        (b"a: \xff", "is no UTF-8 text"),
        ("a: " + "x" * LARGEST_FILE, "has more than 262,144 bytes"),
    ],
)
def test_what_is_more_than_data_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path, text)
    assert "model.yaml" in str(caught.value)


def test_what_is_not_there_or_no_file_is_said_so(tmp_path: Path) -> None:
    for place in (tmp_path / "none.yaml", tmp_path, Path("/dev/null")):
        with pytest.raises(DataError, match="there is no config at"):
            read_yaml(place)


def test_a_small_file_cannot_grow(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    with pytest.raises(DataError, match="alias"):
        read(tmp_path, "\n".join(lines))


@pytest.mark.parametrize("text", [f"api_key: {SECRET}\n  bad: [", f"api_key: '{SECRET}", f"a: b: {SECRET}", f"- {SECRET}"])
def test_no_complaint_holds_what_the_file_says(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.text(alphabet=st.sampled_from(list("ab:-{}[],&*!|>'\"#%@`?\n \t0e.~<=")), max_size=60))
def test_any_text_is_a_mapping_or_a_data_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    with contextlib.suppress(DataError):
        assert isinstance(read(folder, text), dict)


def test_other_mappings_become_plain_ones() -> None:
    given = UserDict({"a": UserList([1, UserDict({"b": Path("x")})]), "c": None})
    assert plain(given, "the mapping") == {"a": [1, {"b": "x"}], "c": None}


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", Colour.RED, lambda: 1])
def test_what_yaml_has_no_word_for_is_refused(value: object) -> None:
    with pytest.raises(DataError, match="`a` is of type"):
        plain({"a": value}, "the mapping")


def test_a_mapping_that_raises_is_a_data_error() -> None:
    class Missing(UserDict[str, object]):
        def __getitem__(self, key: str) -> object:
            raise LookupError(f"Missing mandatory value: {key}")

    with pytest.raises(DataError, match="the mapping cannot be read: LookupError: Missing mandatory value: a"):
        plain(Missing({"a": 1}), "the mapping")


def test_a_mapping_that_holds_itself_is_a_data_error() -> None:
    given: dict[str, Any] = {}
    given["a"] = given
    with pytest.raises(DataError, match="nested too deeply"):
        plain(given, "the mapping")


@pytest.mark.parametrize("text", ["[", "'", "*x", "!!python/none", "9" * 5000])
def test_a_value_of_a_command_line_that_is_no_yaml_is_a_data_error(text: str) -> None:
    with pytest.raises(DataError, match="a value on a command line"):
        scalar(text)
