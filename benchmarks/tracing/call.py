"""What every row records: a call of a model with fourteen attributes, a prompt of two times 500 characters, a reply of 300."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NAME = "chat smollm2-135m-instruct"
SYSTEM = ("You file the messages of customers as support tickets, fairly and in few words. " * 7)[:500]
MESSAGE = "Since your update on Monday every export of more than 10,000 rows gives me an empty CSV file.\n" * 6
REPLY = ('{"category": "bug", "priority": 4, "summary": "Exports end in an empty file since the update."} ' * 4)[:300]


@dataclass(frozen=True)
class Call:
    """One call; calls of different numbers have different prompts."""

    number: int

    @property
    def attributes(self) -> dict[str, Any]:
        """Tell of the call in OpenTelemetry's words, but for what was said."""
        return {
            "llm_brain.kind": "call",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "smollm2-135m-instruct",
            "gen_ai.request.temperature": 0.7,
            "gen_ai.request.max_tokens": 256,
            "gen_ai.output.type": "json",
            "llm_brain.sample": 0,
            "gen_ai.response.finish_reasons": ["stop"],
            "llm_brain.cached": False,
            "gen_ai.response.model": "smollm2-135m-instruct",
            "gen_ai.usage.input_tokens": 250,
            "gen_ai.usage.output_tokens": 75,
            "llm_brain.cost": 0.00012,
            "llm_brain.step": self.number,
        }

    @property
    def prompt(self) -> list[dict[str, Any]]:
        return [said("system", SYSTEM), said("user", f"Order {self.number:08}. {MESSAGE}"[:500])]

    @property
    def reply(self) -> list[dict[str, Any]]:
        return [{**said("assistant", REPLY), "finish_reason": "stop"}]


def said(role: str, text: str) -> dict[str, Any]:
    """Write a message as OpenTelemetry's conventions have it."""
    return {"role": role, "parts": [{"type": "text", "content": text}]}
