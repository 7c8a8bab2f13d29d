"""llm_brain: a class whose methods have no body. Every call's span is written, with the prompt, the reply and the value."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.typed_calls.ticket import MODEL, Ticket
from llm_brain import llm_strategy, record
from llm_brain.backends import OpenAIBackend


@llm_strategy(OpenAIBackend(MODEL, base_url=os.environ["TYPED_CALLS_URL"], api_key="a-key-for-the-loopback"))
class Support:
    def read(self, message: str) -> Ticket:
        """Read a customer's message and file it as a support ticket."""
        raise NotImplementedError

    async def read_in_turn(self, message: str) -> Ticket:
        """Read a customer's message and file it as a support ticket."""
        raise NotImplementedError


support = Support()


def call(message: str) -> Ticket:
    return support.read(message)


async def call_async(message: str) -> Ticket:
    return await support.read_in_turn(message)


@contextmanager
def surroundings() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        with record(folder) as tracer:
            yield
        assert tracer.written
        assert not tracer.lost
