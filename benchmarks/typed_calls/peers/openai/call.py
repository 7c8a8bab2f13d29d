"""The `openai` client by itself: the schema is made once, and pydantic reads the reply."""

from __future__ import annotations

import os
from typing import Any

from openai import AsyncOpenAI, OpenAI

from benchmarks.typed_calls.ticket import INSTRUCTION, MODEL, Ticket

client = OpenAI(base_url=os.environ["TYPED_CALLS_URL"], api_key="key")
async_client = AsyncOpenAI(base_url=os.environ["TYPED_CALLS_URL"], api_key="key")
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "Ticket", "schema": Ticket.model_json_schema()}}


def call(message: str) -> Ticket:
    reply = client.chat.completions.create(model=MODEL, messages=turns(message), response_format=FORMAT)
    return Ticket.model_validate_json(reply.choices[0].message.content or "")


async def call_async(message: str) -> Ticket:
    reply = await async_client.chat.completions.create(model=MODEL, messages=turns(message), response_format=FORMAT)
    return Ticket.model_validate_json(reply.choices[0].message.content or "")


def turns(message: str) -> Any:
    return [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": message}]
