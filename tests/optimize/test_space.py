"""What of a pydantic model is searched, and how."""

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, Field, create_model

from llm_brain.errors import DefinitionError
from llm_brain.optimize.space import point, search_space


class Shape(Enum):
    ROUND = "round"
    SQUARE = "square"


class Everything(BaseModel):
    rate: float = Field(0.01, ge=0.001, le=1.0, json_schema_extra={"log": True})
    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    steps: int = Field(4, ge=1, le=8)
    kind: Literal["plain", "fancy"] = "plain"
    flag: bool = False
    shape: Shape = Shape.ROUND
    label: str = "free text"
    half_open: float = Field(1.0, ge=0.0)
    unbounded: int = 3
    listed: list[int] = Field(default_factory=list)


def test_bounded_numbers_and_closed_sets_are_searched_and_nothing_else() -> None:
    assert search_space(Everything) == {
        "rate": FloatDistribution(0.001, 1.0, log=True),
        "share": FloatDistribution(0.0, 1.0),
        "steps": IntDistribution(1, 8),
        "kind": CategoricalDistribution(["plain", "fancy"]),
        "flag": CategoricalDistribution([True, False]),
        "shape": CategoricalDistribution(["round", "square"]),
    }


def test_a_point_holds_what_is_searched_as_json_and_makes_the_same_model() -> None:
    values = point(Everything(shape=Shape.SQUARE, rate=0.2), search_space(Everything))
    assert values == {"rate": 0.2, "share": 0.5, "steps": 4, "kind": "plain", "flag": False, "shape": "square"}
    assert Everything.model_validate(values) == Everything(shape=Shape.SQUARE, rate=0.2)


def test_bounds_of_an_integer_may_be_written_as_floats() -> None:
    model = create_model("Knobs", steps=(int, Field(2, ge=1.0, le=3.0)))
    assert search_space(model) == {"steps": IntDistribution(1, 3)}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rate": (float, Field(ge=0, le=1))}, "`rate` of Knobs has no default"),
        ({"rate": (float, 0.5)}, "has no tunable field"),
        ({}, "has no tunable field"),
        ({"rate": (float, Field(2.0, ge=0, le=1))}, "the defaults of Knobs are not valid: `rate`"),
        ({"rate": (float, Field(0.5, ge=0, le=1, json_schema_extra={"log": True}))}, "`rate` cannot be searched"),
        ({"steps": (int, Field(0, ge=0, le=9, json_schema_extra={"log": True}))}, "`steps` cannot be searched"),
    ],
)
def test_a_model_that_cannot_be_searched_says_why(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        search_space(create_model("Knobs", **fields))
