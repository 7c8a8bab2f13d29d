"""What of a pydantic model can be tuned, and how."""

import math
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, computed_field, create_model, field_validator

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


class Flag(BaseModel):
    b: bool = False


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
        (
            {"rate": (float, Field(0.5, gt=0, le=1, json_schema_extra={"log": True}))},
            "`rate` has a logarithmic scale and no range",
        ),
        ({"rate": (float, Field(2.0, ge=0, le=1))}, "the defaults of Knobs are not valid: `rate`"),
        ({"rate": (float, Field(0.5, ge=0, le=1, json_schema_extra={"log": True}))}, "`rate` cannot be searched"),
        (
            {"rate": (float, Field(0.5, ge=0.1, le=1, multiple_of=0.1, json_schema_extra={"log": True}))},
            "`rate` cannot be searched: .*`step`",
        ),
        (
            {"steps": (int, Field(8, ge=5, le=9, multiple_of=4)), "few": (int, Field(0, ge=1, le=3, multiple_of=4))},
            "not valid: `few`",
        ),
        ({"steps": (int, Field(0, ge=0, le=9, json_schema_extra={"log": True}))}, "`steps` cannot be searched"),
        (
            {"size": (int, Field(64, ge=64, le=4096, multiple_of=64, json_schema_extra={"log": True}))},
            "`size` cannot be searched: .* step is 1",
        ),
        ({"a": (Flag, Flag()), "a.b": (bool, False)}, "called `a.b`"),
    ],
)
def test_a_model_that_cannot_be_searched_says_why(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        Space(create_model("Knobs", **fields))


def test_a_model_that_holds_itself_is_refused() -> None:
    class Endless(BaseModel):
        rate: float = Field(0.5, ge=0, le=1)
        more: "Endless" = {}  # type: ignore[assignment]

    with pytest.raises(DefinitionError, match="holds itself"):
        Space(Endless)


def test_values_that_do_not_fit_are_refused_with_their_names() -> None:
    with pytest.raises(DataError, match="no hyperparameter `speed`"):
        Space(Everything).values({"speed": 3})
    with pytest.raises(ValidationError, match="steps"):
        Space(Everything).values({"steps": 300})


class Device:
    """An object of which pydantic knows nothing."""


class Base(BaseModel):
    words: int = Field(5, ge=1, le=9)


class Sub(Base):
    kept: int = 2


class Untuned(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    rate: float = Field(0.5, ge=0, le=1)
    key: SecretStr = Field(SecretStr("sk-real"), frozen=True)
    device: Device = Field(default_factory=Device, frozen=True)
    base: Base = Field(Sub(kept=7), frozen=True)
    tuned: Base = Sub(kept=8)
    limit: float = math.inf
    hidden: int = Field(3, exclude=True)


def test_what_is_not_tuned_stays_what_it_is() -> None:
    space = Space(Untuned)
    made = space.values({"rate": 0.25, "tuned.words": 3})
    assert (made.rate, made.limit, made.hidden) == (0.25, math.inf, 3)
    assert made.key.get_secret_value() == "sk-real"
    assert type(made.device) is Device
    assert made.base == Sub(kept=7)
    assert made.tuned == Sub(words=3, kept=8)
    assert space.point(made) == {"rate": 0.25, "tuned.words": 3}


class Corner(Enum):
    NEAR = (0, 0)
    FAR = (9, 9)


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", serialize_by_alias=True)

    rate: float = Field(0.5, ge=0, le=1, alias="r")
    shape: Shape = Shape.ROUND
    corner: Corner = Corner.NEAR
    sizes: tuple[int, int] = (1, 2)
    inner: Inner = Field(Inner(), strict=True)

    @computed_field
    def half(self) -> float:
        return self.rate / 2


def test_strict_models_and_those_with_aliases_and_computed_fields_can_be_tuned() -> None:
    space = Space(Strict)
    told = {"rate": 0.25, "shape": "square", "corner": "FAR", "inner.words": 2, "inner.prompt": "inside"}
    made = space.values(told)
    assert (made.shape, made.corner, made.sizes, made.inner.words) == (Shape.SQUARE, Corner.FAR, (1, 2), 2)
    assert space.point(made) == told


def test_models_that_hold_the_values_of_enum_members_can_be_tuned() -> None:
    class Held(BaseModel):
        model_config = ConfigDict(use_enum_values=True)
        shape: Shape = Shape.ROUND
        corner: Corner | None = Corner.NEAR

    space = Space(Held)
    assert space.point(space.default) == {"shape": "round", "corner": "NEAR"}
    for told in ({"shape": "square", "corner": "FAR"}, {"shape": "round", "corner": None}):
        assert space.point(space.values(told)) == told


class Vine(BaseModel):
    kind: Literal["vine", "creeper"] = "vine"
    depth: int = Field(2, ge=1, le=9)


def test_a_choice_may_be_of_no_model_and_a_model_may_have_several_tags() -> None:
    class Garden(BaseModel):
        plant: Line | Vine | None = Field(Vine(kind="creeper", depth=5), discriminator="kind")

    space = Space(Garden)
    assert space.parts[0].distribution == CategoricalDistribution(["line", "vine", "creeper", None])
    assert space.point(Garden()) == {"plant.kind": "creeper", "plant[creeper].depth": 5}
    assert space.values({"plant.kind": "vine"}).plant == Vine()
    assert space.values({"plant.kind": "creeper", "plant[creeper].depth": 3}).plant == Vine(kind="creeper", depth=3)
    assert space.values({"plant.kind": None}).plant is None
    assert space.point(Garden(plant=None)) == {"plant.kind": None}
    with pytest.raises(DataError, match=r"`plant.kind` is one of 'line', 'vine', 'creeper', None, and not 'tree'"):
        space.values({"plant.kind": "tree"})


def test_a_choice_among_other_things_than_models_is_refused() -> None:
    class Odd(BaseModel):
        plant: Annotated[Annotated[Line | Vine, Field(discriminator="kind")] | Tree, Field(discriminator="kind")] = Line()

    with pytest.raises(DefinitionError, match="the choice `plant` is not among models alone"):
        Space(Odd)


@pytest.mark.parametrize(
    ("field", "distribution"),
    [
        ((float, Field(0.5, ge=0.03, le=1.04, multiple_of=0.05)), FloatDistribution(0.05, 1.0, step=0.05)),
        ((int, Field(32, ge=1, le=100, multiple_of=32)), IntDistribution(32, 96, step=32)),
    ],
)
def test_of_multiples_only_these_are_drawn(field: Any, distribution: Any) -> None:
    assert Space(create_model("Knobs", size=field)).parts[0].distribution == distribution


def test_values_without_an_end_are_not_tuned() -> None:
    model = create_model("Knobs", rate=(float, Field(0.5, ge=0, le=math.inf)), flag=(bool, False))
    assert [part.name for part in Space(model).parts] == ["flag"]


def test_a_default_that_stands_there_in_another_form_is_read() -> None:
    model = create_model("Knobs", inner=(Inner, {"words": 7}), rate=(float, Field(1, ge=0, le=2)))
    assert repr(Space(model).point(Space(model).default)) == "{'inner.words': 7, 'inner.prompt': 'inside', 'rate': 1.0}"


def test_what_is_refused_is_named_by_its_whole_way() -> None:
    with pytest.raises(ValidationError) as caught:
        Space(Conditional).values({"model.kind": "tree", "model[tree].tip.leaf": "thorn", "model[tree].tip[thorn].length": 7})
    assert [(one["loc"], one["type"]) for one in caught.value.errors()] == [(("model", "tip", "length"), "less_than_equal")]


def test_defaults_that_are_not_valid_when_they_are_given_back_are_refused() -> None:
    class Grows(BaseModel):
        rate: float = Field(0.9, ge=0, le=1)

        @field_validator("rate", mode="before")
        @classmethod
        def more(cls, rate: float) -> float:
            return rate + 0.06

    with pytest.raises(DefinitionError, match="the defaults of Grows are not valid when they are given back: `rate`"):
        Space(Grows)
