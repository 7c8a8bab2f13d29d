"""The schema that a model sees: pydantic's, with tags required and without what says nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from llm_brain.strategy.schemas import reply_schema
from tests.strategy.conftest import returning


class Refund(BaseModel):
    """Give money back."""

    kind: Literal["refund"] = "refund"
    order_number: str
    amount: float = Field(1.0, title="The amount in euros")


class Replace(BaseModel):
    kind: Literal["replace"] = "replace"


@dataclass
class Point:
    x: int
    y: int = 0


def test_the_tag_of_a_union_is_required_though_it_has_a_default() -> None:
    schema = returning(Annotated[Refund | Replace, Field(discriminator="kind")]).schema
    assert schema["$defs"]["Refund"]["required"] == ["kind", "order_number"]
    assert "default" not in schema["$defs"]["Replace"]["properties"]["kind"]
    assert "discriminator" not in str(schema)


def test_titles_stay_only_where_they_say_something() -> None:
    fields = reply_schema(Refund.model_json_schema())["properties"]
    assert "title" not in fields["order_number"]
    assert fields["amount"]["title"] == "The amount in euros"


def test_a_signature_is_no_description_and_a_docstring_is() -> None:
    assert "description" not in reply_schema(TypeAdapter(Point).json_schema())
    assert reply_schema(Refund.model_json_schema())["description"] == "Give money back."


def test_a_field_may_be_called_like_a_word_of_json_schema() -> None:
    class Film(BaseModel):
        title: str
        discriminator: int
        default: bool = True

    assert list(reply_schema(Film.model_json_schema())["properties"]) == ["title", "discriminator", "default"]


def test_a_default_that_looks_like_a_schema_is_left_alone() -> None:
    class Holder(BaseModel):
        data: dict[str, str] = {"title": "data"}

    assert reply_schema(Holder.model_json_schema())["properties"]["data"]["default"] == {"title": "data"}


def test_the_default_of_a_hidden_field_is_not_shown() -> None:
    class Account(BaseModel):
        owner: str = "Ada"
        password: str = Field("hunter22", repr=False)

    assert "hunter22" not in str(returning(list[Account]).schema)
    assert "hunter22" not in str(returning(Account).schema)


def test_a_number_in_quotes_is_a_number() -> None:
    number, text = returning(Decimal).schema["properties"]["return_value"]["anyOf"]
    assert number == {"type": "number"}
    assert [said for said in ("19.90", "-3", "abc", "", "1.") if re.search(text["pattern"], said)] == ["19.90", "-3"]


def test_the_keys_of_a_dict_of_whole_numbers_are_whole_numbers() -> None:
    pattern = returning(dict[int, str]).schema["propertyNames"]["pattern"]
    assert [said for said in ("0", "-12", "1.5", "one", "007") if re.search(pattern, said)] == ["0", "-12"]


@pytest.mark.parametrize(
    ("returns", "is_text"),
    [
        (str, True),
        (Annotated[str, Field(min_length=1, description="A few words")], True),
        (Annotated[str, Field(pattern=r"^[A-Z]{3}-\d{2}$")], False),
        (Annotated[str, Field(max_length=80)], False),
    ],
)
def test_a_text_that_must_look_so_or_so_is_asked_for_under_its_schema(returns: Any, is_text: bool) -> None:
    assert returning(returns).is_text is is_text
