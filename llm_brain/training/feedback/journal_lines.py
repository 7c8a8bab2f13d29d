"""The lines of a journal, as they are checked when they are read."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Line(BaseModel):
    """What all lines share: nothing is converted, nothing is left over.

    Example:
        >>> issubclass(Told, Line)
        True
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Start(Line):
    """The first line: whose journal it is.

    Example:
        >>> Start(schema=1, fingerprint="settings").schema_
        1
    """

    schema_: int = Field(alias="schema")
    fingerprint: str


class Answered(Line):
    """What answers to a prompt earned, by their JSON.

    Example:
        >>> Answered(prompt=0, scores={"1": 0.5}).scores
        {'1': 0.5}
    """

    prompt: int
    scores: dict[str, float | None]


class DrawLine(Line):
    """What was predicted of an answer, and whether it was asked for.

    Example:
        >>> DrawLine(predicted=0.5, probability=0.2, asked=True).asked
        True
    """

    predicted: float
    probability: float
    asked: bool


class Drawn(Line):
    """What was predicted of a group's different answers; None for those that are remembered.

    Example:
        >>> Drawn(group=3, digest="0a1b2c3d", draws=[None]).draws
        [None]
    """

    group: int
    digest: str
    draws: list[DrawLine | None]


class Used(Line):
    """A group that a step used.

    Example:
        >>> Used(number=3, digest="0a1b2c3d", rewards=[0.5, None]).rewards
        [0.5, None]
    """

    number: int
    digest: str
    rewards: list[float | None]


class Told(Line):
    """What had arrived at a step.

    Example:
        >>> Told(step=8).used
        []
    """

    step: int = Field(ge=0)
    used: list[Used] = []
    stale: list[int] = []
    held_back: bool = False


HEADER: Final[TypeAdapter[Start]] = TypeAdapter(Start)
"""Reads the first line."""
LINE: Final[TypeAdapter[Answered | Drawn | Told]] = TypeAdapter(Answered | Drawn | Told)
"""Reads any other line."""
