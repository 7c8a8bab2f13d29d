"""The schema that a model sees: pydantic's, with tags required and without what says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

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
