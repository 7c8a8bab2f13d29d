"""mirascope: decorated functions whose format is the ticket, in its default mode, over chat completions."""

from __future__ import annotations

import os

from mirascope import llm

from benchmarks.typed_calls.ticket import INSTRUCTION, MODEL, Ticket

llm.register_provider("openai", base_url=os.environ["TYPED_CALLS_URL"], api_key="key")


@llm.call(f"openai/{MODEL}:completions", format=Ticket)
def read(message: str) -> list[llm.Message]:
    return [llm.messages.system(INSTRUCTION), llm.messages.user(message)]


@llm.call(f"openai/{MODEL}:completions", format=Ticket)
async def read_async(message: str) -> list[llm.Message]:
    return [llm.messages.system(INSTRUCTION), llm.messages.user(message)]


def call(message: str) -> Ticket:
    return read(message).parse()


async def call_async(message: str) -> Ticket:
    return (await read_async(message)).parse()
