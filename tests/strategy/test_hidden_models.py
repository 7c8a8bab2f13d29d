"""A model that hides a field is otherwise written as its serializers write it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, Field, RootModel, computed_field, field_serializer, model_serializer

from llm_brain.strategy.hiding import without_hidden


@dataclass(frozen=True)
class Shop:
    city: str
    key: str = field(default="s3cret", repr=False)


class Model(BaseModel):
    city: str
    key: str = Field(default="s3cret", repr=False)


SHOP = Shop("Oslo")


class Temperature(BaseModel):
    degrees: float = Field(serialization_alias="shown")
    shops: list[Shop] = []
    key: str = Field(default="s3cret", repr=False)

    @field_serializer("degrees")
    def write(self, value: float) -> str:
        return f"{value} degrees"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def doubled(self) -> float:
        return self.degrees * 2

    @computed_field(repr=False)  # type: ignore[prop-decorator]
    @property
    def token(self) -> str:
        return self.key


def test_a_model_that_hides_a_field_keeps_its_serializers() -> None:
    assert without_hidden(Temperature(degrees=1)) == {"shown": "1.0 degrees", "shops": [], "doubled": 2.0}
    inside = without_hidden([Temperature(degrees=1, shops=[SHOP])])
    assert inside == [{"shown": "1.0 degrees", "shops": [{"city": "Oslo"}], "doubled": 2.0}]


def test_a_root_model_keeps_its_shape() -> None:
    assert without_hidden(RootModel[list[Model]]([Model(city="Oslo")])) == [{"city": "Oslo"}]
    whole = RootModel[list[int]]([1])
    assert without_hidden(whole) is whole


def test_a_serializer_of_the_whole_model_cannot_say_what_is_hidden() -> None:
    class Loud(Model):
        @model_serializer
        def write(self) -> dict[str, str]:
            return {"place": self.city, "key": self.key}

    assert without_hidden(Loud(city="Oslo")) == {"city": "Oslo"}
