"""What the tests of `teach` and `evaluate` type about: a desk, its rules, and who teaches it, as a user's file."""

from __future__ import annotations

import json
from pathlib import Path

FILE = '''
from typing import Literal

from llm_brain import llm_strategy
from llm_brain.strategy import Details

MONEY = ("paid", "invoice", "refund")


class Rules:
    name = "rules"

    def call(self, spec, arguments, *, state=None, sample=0):
        chance = 0.95 if any(word in arguments["message"] for word in MONEY) else 0.05
        with open("asked.txt", "a") as asked:
            asked.write(arguments["message"] + "\\n")
        return Details(
            "billing" if chance > 0.5 else "repairs", self.name, probabilities={"billing": chance, "repairs": 1 - chance}
        )


@llm_strategy(Rules())
class Desk:
    def route(self, message: str) -> Literal["billing", "repairs"]:
        """Decide who reads a customer's message."""


class Judge:
    def generate_training_pair(self, thing: str):
        return f"I paid for my {thing}.", "billing"

    def evaluate_output(self, message: str, team: str) -> float:
        return float((team == "billing") == any(word in message for word in MONEY))


class Picky:
    def __init__(self, mood):
        pass
'''
THINGS = ("lamp", "sofa", "kettle", "radio", "bike", "chair", "phone", "table", "clock", "oven")
SAID = (("I paid twice for the {}.", "billing"), ("Give me a refund for the {}.", "billing"), ("My {} broke.", "repairs"))
PAIRS = [(said.format(thing), team) for thing in THINGS for said, team in (*SAID, ("There is a crack in the {}.", "repairs"))]


def write_desk(folder: Path) -> None:
    """Write the user's file, inputs without answers, and pairs."""
    (folder / "desk.py").write_text(FILE)
    (folder / "pool.txt").write_text("".join(f"{message}\n" for message, _ in PAIRS))
    (folder / "pool.jsonl").write_text("".join(json.dumps({"message": message}) + "\n" for message, _ in PAIRS))
    lines = [json.dumps({"message": message, "answer": team}) for message, team in PAIRS]
    (folder / "pairs.jsonl").write_text("\n".join([*lines, '{"message": "What now?", "answer": "sales"}', lines[0]]))
    (folder / "gold.jsonl").write_text("\n".join(lines[:12]))
