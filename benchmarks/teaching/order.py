"""What is read out of an order's message: a small record."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Item = Literal["chair", "desk", "lamp", "monitor", "keyboard", "headset", "printer", "whiteboard"]
ITEMS: tuple[Item, ...] = get_args(Item)


class Order(BaseModel):
    """What a customer orders."""

    model_config = ConfigDict(frozen=True)

    item: Item
    quantity: int = Field(ge=1, le=12)
    urgent: bool
