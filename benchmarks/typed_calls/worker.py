"""One row at work, in an interpreter of its own environment.

    TYPED_CALLS_URL=http://127.0.0.1:PORT/ROW/0/v1 python -m benchmarks.typed_calls.worker ROW

Orders come as JSON lines on stdin, and results go as JSON lines to stdout: `{"do": "sequential", "calls": 100}`,
`{"do": "in_flight", "calls": 200}`, `{"do": "check"}`, `{"do": "versions", "packages": [...]}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

from benchmarks.typed_calls.ticket import EXPECTED, messages

WANTED = EXPECTED.model_dump()


def main() -> None:
    results = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no result
    row = importlib.import_module(f"benchmarks.typed_calls.peers.{sys.argv[1]}.call")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with getattr(row, "surroundings", contextlib.nullcontext)():
        for line in sys.stdin:
            results.write(json.dumps(obey(row, loop, json.loads(line))) + "\n")
    sys.stderr.flush()
    os._exit(0)  # clients that are left open have much to say at the end of an interpreter


def obey(row: Any, loop: asyncio.AbstractEventLoop, order: dict[str, Any]) -> Any:
    match order:
        case {"do": "versions", "packages": packages}:
            return {package: metadata.version(package) for package in packages}
        case {"do": "check"}:
            return check(row, loop)
        case {"do": "sequential", "calls": int(calls)}:
            return measured(lambda: sequential(row, loop, messages(calls)), calls)
        case {"do": "in_flight", "calls": int(calls)}:
            return measured(lambda: loop.run_until_complete(together(row, messages(calls))), calls)
        case _:
            raise ValueError(order)


def measured(work: Callable[[], list[Any]], calls: int) -> dict[str, float]:
    """Give the CPU microseconds a call, of all threads, and the seconds of them all."""
    gc.collect()
    wall, processor = time.perf_counter(), time.process_time()
    values = work()
    processor, wall = time.process_time() - processor, time.perf_counter() - wall
    assert len(values) == calls
    for value in values:
        assert_right(value)
    return {"microseconds": processor / calls * 1e6, "wall_seconds": wall}


def sequential(row: Any, loop: asyncio.AbstractEventLoop, texts: list[str]) -> list[Any]:
    async def awaited() -> list[Any]:
        return [await row.call_async(text) for text in texts]

    return [row.call(text) for text in texts] if hasattr(row, "call") else loop.run_until_complete(awaited())


async def together(row: Any, texts: list[str]) -> list[Any]:
    return await asyncio.gather(*(row.call_async(text) for text in texts))


def check(row: Any, loop: asyncio.AbstractEventLoop) -> dict[str, int]:
    """Make one call of each form where no address but the loopback's can be reached."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in {"127.0.0.1", "::1"}:
            message = f"{sys.argv[1]} tried to reach {arguments[1]}"
            raise PermissionError(message)

    sys.addaudithook(refuse)
    values = [*sequential(row, loop, messages(2)), *loop.run_until_complete(together(row, messages(2)))]
    for value in values:
        assert_right(value)
    return {"calls": len(values)}


def assert_right(value: Any) -> None:
    """Fail unless the value is the expected ticket, as a pydantic model."""
    found = value.model_dump()
    assert found == WANTED, f"not the ticket that was asked for: {found}"


if __name__ == "__main__":
    main()
