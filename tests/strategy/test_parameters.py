"""Parameters: what is required, what has a default, and what a `Field` says about one."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from llm_brain.errors import AnnotationError, ArgumentError, DefinitionError
from llm_brain.strategy import inspect_function, llm_strategy
from llm_brain.strategy.explicit import llm_function
from tests.strategy.conftest import Scripted, last_question


def plain(model: Any, a: int, b: int = 3) -> int:
    """Answer."""
    raise NotImplementedError


def with_field(model: Any, a: int, b: int = Field(3)) -> int:
    """Answer."""
    raise NotImplementedError


def described(
    model: Any,
    a: int = Field(description="the first"),
    b: int = Field(..., description="the second", ge=2),
    *,
    c: list[int] = Field(default_factory=list, description="the others"),  # noqa: B008 - how pydantic declares it
) -> int:
    """Answer."""
    raise NotImplementedError


def schema(function: Any, *arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = type(function.get_input_object(*arguments)).model_json_schema()
    return {name: value for name, value in found.items() if name in ("properties", "required")}


def test_a_field_with_a_default_is_a_default() -> None:
    assert schema(llm_function(with_field), 1) == schema(llm_function(plain), 1)
    model = Scripted('{"return_value": 7}')
    assert llm_function(with_field)(model, 1) == 7
    assert last_question(model).endswith("a: 1\nb: 3")


@pytest.mark.parametrize("arguments", [{}, {"a": 1}, {"b": 2}])
def test_a_field_without_a_default_is_required(arguments: dict[str, int]) -> None:
    missing = "b" if "a" in arguments else "a"
    with pytest.raises(TypeError, match=f"'{missing}'"):
        llm_function(described)(Scripted("7"), **arguments)


def test_what_a_field_says_stands_in_the_schema_and_is_checked() -> None:
    assert schema(llm_function(described), 1, 2) == {
        "properties": {
            "a": {"description": "the first", "title": "A", "type": "integer"},
            "b": {"description": "the second", "minimum": 2, "title": "B", "type": "integer"},
            "c": {"description": "the others", "items": {"type": "integer"}, "title": "C", "type": "array"},
        },
        "required": ["a", "b"],
    }
    with pytest.raises(ArgumentError, match=r"`b`.*greater than or equal to 2"):
        llm_function(described)(Scripted("7"), 1, 1)


def test_a_default_that_is_made_is_made_for_each_call() -> None:
    spec = inspect_function(llm_function(described).spec.function)
    first, second = spec.bind((1, 2), {}), spec.bind((1, 2), {})
    assert first["c"] == second["c"] == []
    assert first["c"] is not second["c"]


def test_a_required_field_may_stand_after_a_default() -> None:
    @llm_strategy(Scripted("7"))
    def ask(a: int = 3, b: int = Field(description="the second")) -> int:
        """Answer."""
        raise NotImplementedError

    assert ask(b=4) == 7
    assert ask(1, 4) == 7
    with pytest.raises(TypeError, match="'b'"):
        ask()


def test_a_field_in_a_method_and_in_an_annotation_works_too() -> None:
    model = Scripted("7")

    @llm_strategy(model)
    class Quiz:
        def ask(self, a: Annotated[int, Field(le=5)], b: int = Field(3)) -> int:
            """Answer."""
            raise NotImplementedError

    assert Quiz().ask(1) == 7
    assert last_question(model).endswith("a: 1\nb: 3")
    with pytest.raises(ArgumentError, match="`a`"):
        Quiz().ask(6)


def test_a_parameter_without_annotation_is_a_type_error_and_a_definition_error() -> None:
    def ask(number) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """Answer."""
        raise NotImplementedError

    for kind in (TypeError, ValueError, DefinitionError, AnnotationError):
        with pytest.raises(kind, match=r"parameter `number` of .*ask` has no annotation"):
            llm_strategy(Scripted("7"))(ask)


def test_a_missing_docstring_or_return_type_is_a_value_error() -> None:
    def undocumented(number: int) -> int:
        raise NotImplementedError

    def unannotated(number: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
        """Answer."""
        raise NotImplementedError

    with pytest.raises(ValueError, match="no docstring"):
        llm_strategy(Scripted("7"))(undocumented)
    with pytest.raises(ValueError, match="no return annotation"):
        llm_strategy(Scripted("7"))(unannotated)


def test_the_reply_schema_is_an_object_with_one_required_field() -> None:
    class Ticket(BaseModel):
        team: str

    def number(text: str) -> int:
        """Answer."""
        raise NotImplementedError

    def tickets(text: str) -> list[Ticket]:
        """Answer."""
        raise NotImplementedError

    assert inspect_function(number).schema == {
        "type": "object",
        "properties": {"return_value": {"type": "integer"}},
        "required": ["return_value"],
    }
    assert inspect_function(tickets, names=locals()).schema["required"] == ["return_value"]


def test_a_default_that_does_not_fit_is_said_at_decoration() -> None:
    def wrong(x: str, y: int = None) -> str:  # type: ignore[assignment]  # noqa: RUF013
        """Answer."""
        raise NotImplementedError

    with pytest.raises(DefinitionError, match=r"default of `y` in .*wrong.*`y: TYPE \| None = None`"):
        inspect_function(wrong)


def test_a_default_that_fits_or_is_left_open_is_taken() -> None:
    def right(x: str, y: int | None = None, z: float = 1, *, w: int = ...) -> str:  # type: ignore[assignment]
        """Answer."""
        raise NotImplementedError

    assert inspect_function(right).bind(("a",), {"w": 2}) == {"x": "a", "y": None, "z": 1.0, "w": 2}
