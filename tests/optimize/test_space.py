"""What of a pydantic model can be tuned, and how."""

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, Field, ValidationError, create_model

from llm_brain.errors import DataError, DefinitionError
from llm_brain.optimize import Space


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
    prompt: str = "free text"
    label: str = Field("fixed", frozen=True)
    fixed: int = Field(2, ge=1, le=8, frozen=True)
    single: Literal["one"] = "one"
    half_open: float = Field(1.0, ge=0.0)
    unbounded: int = 3
    listed: list[int] = Field(default_factory=list)


class Leaf(BaseModel):
    leaf: Literal["leaf"] = "leaf"
    veins: int = Field(3, ge=1, le=5)


class Thorn(BaseModel):
    leaf: Literal["thorn"] = "thorn"
    length: float = Field(0.5, ge=0, le=1)


class Tree(BaseModel):
    kind: Literal["tree"] = "tree"
    depth: int = Field(3, ge=1, le=10)
    tip: Leaf | Thorn = Field(Leaf(), discriminator="leaf")


class Line(BaseModel):
    kind: Literal["line"] = "line"
    depth: float = Field(1.0, ge=0.1, le=10, json_schema_extra={"log": True})


class Inner(BaseModel):
    words: int = Field(5, ge=1, le=9)
    prompt: str = "inside"


class Conditional(BaseModel):
    model: Tree | Line = Field(Line(), discriminator="kind")
    inner: Inner = Inner()


def test_bounded_numbers_closed_sets_and_texts_are_tuned_and_nothing_else() -> None:
    assert {part.name: part.distribution for part in Space(Everything).parts} == {
        "rate": FloatDistribution(0.001, 1.0, log=True),
        "share": FloatDistribution(0.0, 1.0),
        "steps": IntDistribution(1, 8),
        "kind": CategoricalDistribution(["plain", "fancy"]),
        "flag": CategoricalDistribution([True, False]),
        "shape": CategoricalDistribution(["round", "square"]),
        "prompt": None,
    }
    assert Space(Everything).texts == ("prompt",)


def test_a_point_is_json_and_makes_the_same_model() -> None:
    space = Space(Everything)
    values = space.point(Everything(shape=Shape.SQUARE, rate=0.2))
    assert values == {
        "rate": 0.2, "share": 0.5, "steps": 4, "kind": "plain", "flag": False, "shape": "square", "prompt": "free text"
    }  # fmt: skip
    assert space.values(values) == Everything(shape=Shape.SQUARE, rate=0.2)
    assert space.values({"steps": 7}) == Everything(steps=7)


def test_a_choice_of_models_has_what_belongs_to_the_chosen_one_only() -> None:
    space = Space(Conditional)
    assert [part.name for part in space.parts] == [
        "model.kind",
        "model[tree].depth",
        "model[tree].tip.leaf",
        "model[tree].tip[leaf].veins",
        "model[tree].tip[thorn].length",
        "model[line].depth",
        "inner.words",
        "inner.prompt",
    ]
    assert space.point(Conditional()) == {
        "model.kind": "line", "model[line].depth": 1.0, "inner.words": 5, "inner.prompt": "inside"
    }  # fmt: skip
    thorny = Conditional(model=Tree(depth=7, tip=Thorn(length=0.25)))
    assert space.values(space.point(thorny)) == thorny
    assert space.values({"model.kind": "tree", "model[tree].tip[leaf].veins": 2}).model == Tree(tip=Leaf(veins=2))


def test_what_a_choice_leaves_out_is_no_difference() -> None:
    space = Space(Conditional)
    one = space.values({"model.kind": "line", "model[tree].depth": 9})
    assert space.key(one) == space.key(Conditional())


@given(
    st.sampled_from(["tree", "line"]),
    st.integers(1, 10),
    st.sampled_from(["leaf", "thorn"]),
    st.integers(1, 5),
    st.floats(0, 1),
    st.floats(0.1, 10),
    st.text(),
)
def test_every_point_makes_a_model_that_gives_it_back(
    kind: str, depth: int, tip: str, veins: int, length: float, line: float, prompt: str
) -> None:
    space = Space(Conditional)
    told = {
        "model.kind": kind,
        "model[tree].depth": depth,
        "model[tree].tip.leaf": tip,
        "model[tree].tip[leaf].veins": veins,
        "model[tree].tip[thorn].length": length,
        "model[line].depth": line,
        "inner.prompt": prompt,
    }
    values = space.values(told)
    point = space.point(values)
    assert all(told.get(name, 5) == value for name, value in point.items())
    assert space.values(point) == values
    assert space.key(space.values(point)) == space.key(values)


def test_bounds_of_an_integer_may_be_written_as_floats() -> None:
    model = create_model("Knobs", steps=(int, Field(2, ge=1.0, le=3.0)))
    assert Space(model).parts[0].distribution == IntDistribution(1, 3)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rate": (float, Field(ge=0, le=1))}, "`rate` of Knobs has no default"),
        ({"rate": (float, 0.5)}, "has no tunable field"),
        ({}, "has no tunable field"),
        ({"rate": (float, Field(2.0, ge=0, le=1))}, "the defaults of Knobs are not valid: `rate`"),
        ({"rate": (float, Field(0.5, ge=0, le=1, json_schema_extra={"log": True}))}, "`rate` cannot be searched"),
        ({"steps": (int, Field(0, ge=0, le=9, json_schema_extra={"log": True}))}, "`steps` cannot be searched"),
        ({"a": (create_model("A", b=(bool, False)), create_model("A", b=(bool, False))()), "a.b": (bool, False)}, "called `a.b`"),
    ],
)
def test_a_model_that_cannot_be_searched_says_why(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        Space(create_model("Knobs", **fields))


def test_a_model_that_holds_itself_is_refused() -> None:
    class Endless(BaseModel):
        rate: float = Field(0.5, ge=0, le=1)

    Endless.model_fields["more"] = Everything.model_fields["prompt"].merge_field_infos(annotation=Endless, default=Endless())
    with pytest.raises(DefinitionError, match="holds itself"):
        Space(Endless)


def test_values_that_do_not_fit_are_refused_with_their_names() -> None:
    with pytest.raises(DataError, match="no hyperparameter `speed`"):
        Space(Everything).values({"speed": 3})
    with pytest.raises(ValidationError, match="steps"):
        Space(Everything).values({"steps": 300})
