"""What every row is asked: a prompt of 2,000 characters with a JSON schema, and the answer that the model gives at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MODEL = "model"
SYSTEM = "You file the messages of customers as support tickets, fairly and in few words. " * 8
MESSAGE = "Since your update on Monday every export of more than 10,000 rows gives me an empty CSV file. " * 14
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "category": {"enum": ["billing", "bug", "feature request", "question"]},
        "priority": {"type": "integer", "minimum": 1, "maximum": 5, "description": "1 can wait, 5 is on fire"},
        "summary": {"type": "string", "description": "What it is about, in one sentence."},
        "tags": {"type": "array", "items": {"type": "string"}},
        "customer": {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "plan": {"enum": ["free", "team", "enterprise"]}},
                    "required": ["name", "plan"],
                    "additionalProperties": False,
                },
                {"type": "null"},
            ]
        },
    },
    "required": ["category", "priority", "summary", "tags", "customer"],
    "additionalProperties": False,
}
TEMPERATURE = 0.0
MAX_TOKENS = 256
INPUT_TOKENS, OUTPUT_TOKENS = 612, 74


@dataclass(frozen=True)
class Question:
    """One question; questions of different numbers are different."""

    number: int

    @property
    def messages(self) -> list[tuple[str, str]]:
        return [("system", SYSTEM), ("user", f"Order {self.number:06}. {MESSAGE}"[:1360])]

    def as_json(self) -> dict[str, Any]:
        """Write it down with all that changes its answer, as one does who makes a key by hand."""
        return {
            "model": MODEL,
            "messages": self.messages,
            "schema": SCHEMA,
            "temperature": TEMPERATURE,
            "max_tokens": MAX_TOKENS,
        }


def answer(user_message: str) -> str:
    """Give the model's answer, which tells of the question's number."""
    return (
        f'{{"category": "bug", "priority": 4, "summary": "{user_message[:13]}: exports of more than 10,000 rows end in an '
        'empty file since the update on Monday.", "tags": ["export", "csv", "regression"], '
        '"customer": {"name": "Ada Byron", "plan": "team"}}'
    )
