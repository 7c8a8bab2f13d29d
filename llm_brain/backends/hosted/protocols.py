"""What a hosted model needs of others: a way to its server, and a reader of its dialect's streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Mapping
from typing import Any, Protocol

from llm_brain.backends.contract import Reply
from llm_brain.backends.hosted.http import LARGEST_REPLY, Answer
from llm_brain.errors import BackendError


class Server(Protocol):
    """The way to a server: `llm_brain.backends.hosted.http.HttpServer`, or a client of a package that does what it does."""

    def post(self, path: str, body: Mapping[str, Any], *, largest: int = LARGEST_REPLY) -> Coroutine[Any, Any, Answer]:
        """Post a body as JSON."""
        ...

    def lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """Post a body, and give the answer line by line."""
        ...

    async def get(self, path: str) -> Answer:
        """Get what is at a path."""
        ...

    async def prepare(self) -> None:
        """Do now what would make the first request wait."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class ReplyReader(Protocol):
    """Puts a reply together from the events of a stream."""

    finished: bool
    """Whether the reason has come why the reply is at its end."""
    closed: bool
    """Whether the event has come that ends the stream."""

    def take(self, event: bytes) -> str:
        """Take an event, and return the piece of text that it brings, which may be empty.

        Raises:
            BackendError: The event tells of an error, or is none.
        """
        ...

    def end(self, fault: BackendError | None = None) -> Reply | BackendError:
        """Return the whole reply, or what is wrong with it; `fault` is what went wrong while it was read."""
        ...
