"""instructor around the `openai` client, in its default mode: the ticket is a tool's arguments."""

from __future__ import annotations

import os
from typing import Any

import instructor
from openai import AsyncOpenAI, OpenAI

from benchmarks.typed_calls.ticket import INSTRUCTION, MODEL, Ticket

client = instructor.from_openai(OpenAI(base_url=os.environ["TYPED_CALLS_URL"], api_key="key"))
async_client = instructor.from_openai(AsyncOpenAI(base_url=os.environ["TYPED_CALLS_URL"], api_key="key"))


def call(message: str) -> Ticket:
    return client.chat.completions.create(model=MODEL, messages=turns(message), response_model=Ticket)


async def call_async(message: str) -> Ticket:
    return await async_client.chat.completions.create(model=MODEL, messages=turns(message), response_model=Ticket)


def turns(message: str) -> Any:
    return [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": message}]
