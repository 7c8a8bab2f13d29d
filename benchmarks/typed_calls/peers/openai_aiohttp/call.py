"""The `openai` client over its other transport, aiohttp; it has no other form than the awaited one."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from openai import AsyncOpenAI, DefaultAioHttpClient

from benchmarks.typed_calls.ticket import INSTRUCTION, MODEL, Ticket

FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "Ticket", "schema": Ticket.model_json_schema()}}


@cache
def client() -> AsyncOpenAI:
    """Make the client at the first call: it wants a running loop."""
    return AsyncOpenAI(base_url=os.environ["TYPED_CALLS_URL"], api_key="key", http_client=DefaultAioHttpClient())


async def call_async(message: str) -> Ticket:
    turns: Any = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": message}]
    reply = await client().chat.completions.create(model=MODEL, messages=turns, response_format=FORMAT)
    return Ticket.model_validate_json(reply.choices[0].message.content or "")
