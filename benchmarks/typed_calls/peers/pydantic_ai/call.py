"""pydantic-ai: an agent with an output type, in its default mode: the ticket is a tool's arguments."""

from __future__ import annotations

import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.typed_calls.ticket import INSTRUCTION, MODEL, Ticket

model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=os.environ["TYPED_CALLS_URL"], api_key="key"))
agent = Agent(model, output_type=Ticket, instructions=INSTRUCTION)


def call(message: str) -> Ticket:
    return agent.run_sync(message).output


async def call_async(message: str) -> Ticket:
    return (await agent.run(message)).output
