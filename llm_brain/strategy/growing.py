"""A reply of a typed function that comes piece by piece: pieces of text -> values that grow."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llm_brain.backends.contract import Reply
from llm_brain.strategy.parsing import parse_reply
from llm_brain.strategy.partial import PartialReader
from llm_brain.strategy.tried import Tried

if TYPE_CHECKING:
    from llm_brain.strategy.signature import FunctionSpec


@dataclass(slots=True)
class SoFar:
    """What has come of a stream: its text, the whole reply at its end, and whether the caller has been given any of it.

    Example:
        >>> SoFar("Hel").is_cut
        False
    """

    text: str = ""
    reply: Reply | None = None
    given: bool = False

    @property
    def is_cut(self) -> bool:
        """Whether the length limit cut the reply off."""
        return self.reply is not None and self.reply.finish_reason == "length"

    def took(self, tried: Tried) -> Reply:
        """Add what the reply took, and return it."""
        reply = self.reply or Reply(self.text, "unknown", "unknown")
        tried.took(reply)
        return reply


async def growing_values(
    spec: FunctionSpec, pieces: AsyncGenerator[str | Reply, None], so_far: SoFar
) -> AsyncGenerator[Any, None]:
    """Read values out of a stream: what can be told from each piece, and at the end the whole.

    Raises:
        Unparsable: The whole reply does not fit.

    Example:
        >>> import asyncio
        >>> from llm_brain.strategy import inspect_function
        >>> def numbers() -> list[int]:
        ...     '''List some numbers.'''
        >>> async def pieces():
        ...     yield '{"return_value": [1, 2'
        ...     yield '3]}'
        ...     yield Reply('{"return_value": [1, 23]}', "stop", "m")
        >>> async def main():
        ...     return [value async for value in growing_values(inspect_function(numbers), pieces(), SoFar())]
        >>> asyncio.run(main())[-1]
        [1, 23]
    """
    reader = PartialReader(spec)
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, str):
                so_far.text += piece
                for part in reader.feed(piece):
                    so_far.given = True
                    yield part
                continue
            so_far.text, so_far.reply = piece.text, piece
            value: Any = parse_reply(piece.text, spec, finish=piece.finish_reason).value
            rest: Sequence[Any] = (value,)
            if spec.items is not None:
                rest = value[reader.given :]  # what was complete only with the reply's end
            elif spec.is_text and so_far.given:
                rest = ()
            for whole in rest:
                yield whole
