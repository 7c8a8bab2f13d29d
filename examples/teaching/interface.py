"""What the example's user writes: a desk with one method, of two parameters, that returns a record.

`@llm_strategy("openai:MODEL")` is the one changed line for a language model. Here a colleague who goes by words stands for it, so
that the example needs no key and no weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from llm_brain import Details, llm_strategy

Plan = Literal["free", "business"]


class Ticket(BaseModel):
    """Who takes care of a message, and how soon."""

    team: Literal["billing", "repairs", "delivery"]
    urgent: bool


class Colleague:
    """Plain Python in the place of a model: slow, expensive and always right, let us say."""

    name = "colleague"

    def call(self, spec: Any, arguments: Mapping[str, Any], *, state: Any = None, sample: int = 0) -> Details[Ticket]:
        del spec, state, sample
        message = arguments["message"].lower()
        if any(word in message for word in ("paid", "invoice", "refund", "charge")):
            team = "billing"
        else:
            team = "delivery" if any(word in message for word in ("parcel", "arrive", "courier")) else "repairs"
        hurry = any(word in message for word in ("today", "at once", "cannot wait"))
        ticket = Ticket.model_validate({"team": team, "urgent": hurry or (arguments["plan"] == "business" and team == "repairs")})
        return Details(ticket, self.name)


@llm_strategy(Colleague())
class Desk:
    """You work at the support desk of a shop for machines."""

    def triage(self, message: str, plan: Plan) -> Ticket:
        """Decide who takes care of the message of a customer on this plan, and whether it is urgent."""
        raise NotImplementedError
