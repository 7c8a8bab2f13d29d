"""The core draws the same, whatever the knobs are called, in which order and in which units they are told."""

from itertools import islice
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llm_brain.optimize import History, Space, Trial
from llm_brain.optimize.proposers.core import CoreProposer, SamplerName
from llm_brain.optimize.proposers.scales import scales


class Knobs(BaseModel):
    rate: float = Field(0.2, ge=0.0, le=1.0)
    size: int = Field(4, ge=1, le=64, json_schema_extra={"log": True})
    steps: int = Field(2, ge=0, le=10)
    kind: Literal["a", "b", "c"] = "a"


class Other(BaseModel):
    """The same in another order, under other names, and with the rate in per cent and the steps from 100."""

    zebra: Literal["a", "b", "c"] = "a"
    steps: int = Field(102, ge=100, le=110)
    apple: int = Field(4, ge=1, le=64, json_schema_extra={"log": True})
    per_cent: float = Field(20.0, ge=0.0, le=100.0)


def translated(point: dict[str, Any]) -> dict[str, Any]:
    return {"zebra": point["kind"], "steps": point["steps"] + 100, "apple": point["size"], "per_cent": point["rate"] * 100}


def height(point: dict[str, Any]) -> float:
    return float(-abs(point["rate"] - 0.6) - abs(point["steps"] - 7) / 10 - abs(point["size"] - 20) / 60 + (point["kind"] == "b"))


def drawn(sampler: SamplerName, model: type[BaseModel], number: int, to: Any, worth: Any = height) -> list[dict[str, Any]]:
    space: Space[Any] = Space(model)
    trials: list[Trial[Any]] = []
    points: list[dict[str, Any]] = []
    for place in range(number):
        found = next(iter(CoreProposer(sampler).propose(History(space, trials), seed=place)))
        assert isinstance(found.hyperparameters, dict)
        values = space.values(found.hyperparameters)
        point = space.point(values)
        points.append(point)
        trials.append(Trial(place, "core", values, point, status="complete", score=worth(to(point))))
    return points


SAMPLERS: list[SamplerName] = ["tpe", "cmaes", "random"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_names_order_and_units_are_no_difference(sampler: SamplerName) -> None:
    def back(point: dict[str, Any]) -> dict[str, Any]:
        return {
            "kind": point["zebra"], "steps": point["steps"] - 100, "size": point["apple"], "rate": point["per_cent"] / 100
        }  # fmt: skip

    first = drawn(sampler, Knobs, 18, lambda point: point)
    second = drawn(sampler, Other, 18, back)
    for one, other in zip(map(translated, first), second, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_the_scale_of_the_score_is_no_difference() -> None:
    first = drawn("tpe", Knobs, 18, lambda point: point)
    second = drawn("tpe", Knobs, 18, lambda point: point, lambda point: 1000 * height(point) - 7)
    assert first == second


@pytest.mark.parametrize("sampler", [*SAMPLERS, "gp"])
def test_of_multiples_only_these_are_drawn(sampler: SamplerName) -> None:
    class Stepped(BaseModel):
        rate: float = Field(0.5, ge=0, le=1, multiple_of=0.05)
        size: int = Field(8, ge=1, le=64, multiple_of=8)

    points = drawn(sampler, Stepped, 14, lambda point: point, lambda point: point["rate"] + point["size"])
    assert all(round(point["rate"] * 20) / 20 == point["rate"] and point["size"] % 8 == 0 for point in points)
    assert len({tuple(point.values()) for point in points}) > 8
    [rate, size] = (scales(Space(Stepped))[name] for name in ("rate", "size"))
    assert [scale.outward(scale.inward(value)) for scale, value in ((rate, 0.15), (size, 24))] == [0.15, 24]
    assert (round(rate.unit(0.15), 9), size.unit(36)) == (0.15, 0.5)


def test_it_learns_where_scores_are_high() -> None:
    late = drawn("tpe", Knobs, 40, lambda point: point)[25:]
    chance = drawn("random", Knobs, 40, lambda point: point)[25:]
    assert sum(map(height, late)) > sum(map(height, chance))


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_it_goes_to_a_corner_where_that_is_the_best(sampler: SamplerName) -> None:
    class Plain(BaseModel):
        x: float = Field(0.5, ge=0, le=1)
        y: float = Field(0.5, ge=0, le=1)

    late = drawn(sampler, Plain, 40, lambda point: point, lambda point: point["x"] + point["y"])[20:]
    assert sum(point["x"] + point["y"] for point in late) / len(late) > 1.3


def test_only_what_a_choice_has_is_drawn() -> None:
    class Tree(BaseModel):
        kind: Literal["tree"] = "tree"
        depth: int = Field(3, ge=1, le=9)

    class Line(BaseModel):
        kind: Literal["line"] = "line"
        slope: float = Field(0.5, ge=0, le=1)

    class Choice(BaseModel):
        model: Tree | Line = Field(Tree(), discriminator="kind")

    points = drawn("tpe", Choice, 20, lambda point: point, lambda point: point.get("model[tree].depth", 0))
    assert {tuple(point) for point in points} == {("model.kind", "model[tree].depth"), ("model.kind", "model[line].slope")}


def test_numbers_are_drawn_beside_the_texts_of_the_best_trial() -> None:
    class Both(BaseModel):
        rate: float = Field(0.5, ge=0, le=1)
        prompt: str = "plain"

    space = Space(Both)
    best = Trial(1, "model", Both(prompt="better"), {"rate": 0.5, "prompt": "better"}, status="complete", score=1.0)
    found = list(islice(CoreProposer().propose(History(space, [best]), seed=0), 3))
    assert {dict(one.hyperparameters)["prompt"] for one in found} == {"better"}
    assert len({dict(one.hyperparameters)["rate"] for one in found}) == 3


def test_of_a_space_of_texts_nothing_is_drawn() -> None:
    class Text(BaseModel):
        prompt: str = "plain"

    assert list(CoreProposer().propose(History(Space(Text), []), seed=0)) == []


@given(st.floats(0, 1), st.integers(1, 64), st.integers(0, 10), st.sampled_from("abc"))
def test_scales_lead_in_and_out_again(rate: float, size: int, steps: int, kind: str) -> None:
    scaled = scales(Space(Knobs))
    for name, value in {"rate": rate, "size": size, "steps": steps, "kind": kind}.items():
        assert scaled[name].outward(scaled[name].inward(value)) == (pytest.approx(value) if name == "rate" else value)
        assert 0 <= scaled[name].unit(value) <= 2
