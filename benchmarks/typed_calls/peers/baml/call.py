"""BAML: the client that it generates from `baml_src/ticket.baml`, which has a ticket model of its own with the same fields."""

from __future__ import annotations

from baml_client.async_client import b as async_client
from baml_client.sync_client import b as client
from baml_client.types import Ticket


def call(message: str) -> Ticket:
    return client.Read(message)


async def call_async(message: str) -> Ticket:
    return await async_client.Read(message)
