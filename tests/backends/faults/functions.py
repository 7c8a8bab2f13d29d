"""Typed functions that are asked over a server that misbehaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from llm_brain import llm_function
from llm_brain.strategy import ModelImplementation
from tests.backends.faults.playing import model_of
from tests.servers.dialects import Dialect
from tests.servers.faulty import Stage

ATTEMPTS = 3


class Order(BaseModel):
    item: str
    amount: int
    price: float


@llm_function
def read_order(model: Any, message: str) -> Order:
    """Read the order out of the message."""
    raise NotImplementedError


@llm_function
def rate(model: Any, message: str) -> float:
    """Rate the message from 0 to 1."""
    raise NotImplementedError


@llm_function
def count(model: Any, message: str) -> int:
    """Count the words of the message."""
    raise NotImplementedError


@llm_function
def summarize(model: Any, message: str) -> str:
    """Summarize the message."""
    raise NotImplementedError


@llm_function
def department(model: Any, message: str) -> Literal["delivery", "billing"]:
    """Tell which department the message is for."""
    raise NotImplementedError


GOOD = '{"item": "lamp", "amount": 2, "price": 9.5}'
LAMPS = Order(item="lamp", amount=2, price=9.5)


def implementing(dialect: Dialect, stage: Stage, *, timeout: float = 20.0, **options: Any) -> ModelImplementation:
    # A schema in the prompt, so that both dialects answer with the text as it stands.
    model = model_of(dialect, stage.url, timeout=timeout, schema_mode="prompt")
    return ModelImplementation(model, max_attempts=ATTEMPTS, **options)


def spans_of(folder: Path) -> list[dict[str, Any]]:
    lines = b"".join(path.read_bytes() for path in folder.rglob("*.jsonl")).decode("utf-8")
    return [json.loads(line) for line in lines.split("\n") if line]
