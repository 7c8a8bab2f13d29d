"""Messages as they might come in: a few ways of saying things, about a few machines, with or without haste."""

from __future__ import annotations

import random
from typing import get_args

from examples.teaching.interface import Plan

MACHINES = ("pump", "lathe", "drill", "saw", "mixer", "press", "fan", "heater", "sander", "welder", "crane", "mower")
SAID = (
    "I paid twice for the {}.",
    "The invoice for our {} is wrong.",
    "Please refund the {}.",
    "You charged me for a {} that I sent back.",
    "The {} does not start.",
    "Our {} makes a terrible noise.",
    "There is a crack in the {}.",
    "The {} stopped in the middle of the work.",
    "The parcel with the {} is late.",
    "When does the {} arrive?",
    "The courier left the {} in the rain.",
    "The {} has not arrived, only its manual.",
)
BEFORE = ("", "Hello. ", "Good morning, ", "Once again: ")
AFTER = ("", "", " Thanks.", " I need it today.", " Please answer at once.", " This cannot wait.", " No hurry.", " Best wishes.")


def messages(number: int, seed: int) -> list[tuple[str, Plan]]:
    """Draw calls, none twice."""
    draw = random.Random(seed)
    drawn: dict[tuple[str, Plan], None] = {}
    while len(drawn) < number:
        text = draw.choice(BEFORE) + draw.choice(SAID).format(draw.choice(MACHINES)) + draw.choice(AFTER)
        drawn[text, draw.choice(get_args(Plan))] = None
    return list(drawn)
