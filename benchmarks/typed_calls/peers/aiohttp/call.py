"""The floor: one POST by aiohttp, the body by `json`, the reply by `json` and pydantic, and nothing else."""

from __future__ import annotations

import json
import os
from functools import cache

import aiohttp

from benchmarks.typed_calls.ticket import INSTRUCTION, MODEL, Ticket

URL = os.environ["TYPED_CALLS_URL"] + "/chat/completions"
FORMAT = {"type": "json_schema", "json_schema": {"name": "Ticket", "schema": Ticket.model_json_schema()}}
HEADERS = {"Authorization": "Bearer key", "Content-Type": "application/json"}


@cache
def session() -> aiohttp.ClientSession:
    """Make the session at the first call: it wants a running loop."""
    return aiohttp.ClientSession(headers=HEADERS, connector=aiohttp.TCPConnector(limit=0))


async def call_async(message: str) -> Ticket:
    turns = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": message}]
    body = json.dumps({"model": MODEL, "messages": turns, "response_format": FORMAT}).encode()
    async with session().post(URL, data=body) as response:
        reply = json.loads(await response.read())
    return Ticket.model_validate_json(reply["choices"][0]["message"]["content"])
