"""langchain's `with_structured_output`, in its default mode: a JSON schema."""

from __future__ import annotations

import os

from langchain_openai import ChatOpenAI

from benchmarks.typed_calls.ticket import INSTRUCTION, MODEL, Ticket

model = ChatOpenAI(model=MODEL, base_url=os.environ["TYPED_CALLS_URL"], api_key="key").with_structured_output(Ticket)


def call(message: str) -> Ticket:
    return model.invoke(turns(message))


async def call_async(message: str) -> Ticket:
    return await model.ainvoke(turns(message))


def turns(message: str) -> list[tuple[str, str]]:
    return [("system", INSTRUCTION), ("human", message)]
