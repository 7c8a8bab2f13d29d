"""One row at work, in an interpreter of its own environment.

    python -m benchmarks.cache.worker ROW FOLDER

Orders come as JSON lines on stdin, results go as JSON lines to stdout: `{"do": "ask", "first": 0, "count": 1000, "new": true}`
asks so many questions, all of them new or all of them kept; `threads` asks by so many threads at once. `insist` asks again
where the cache failed, and counts that.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import threading
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.cache.question import Question, answer


def main() -> None:
    results = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no result
    cache = importlib.import_module(f"benchmarks.cache.peers.{sys.argv[1]}.cache").Cache(Path(sys.argv[2]))
    for line in sys.stdin:
        results.write(json.dumps(obey(cache, json.loads(line))) + "\n")
    sys.stderr.flush()
    os._exit(0)


def obey(cache: Any, order: dict[str, Any]) -> Any:
    match order:
        case {"do": "versions", "packages": packages}:
            return {package: metadata.version(package) for package in packages}
        case {"do": "ask", "first": int(first), "count": int(count), "new": new, "threads": int(threads), "insist": insist}:
            return asked(cache, range(first, first + count), new=bool(new), threads=threads, insist=bool(insist))
        case _:
            raise ValueError(order)


def asked(cache: Any, numbers: range, *, new: bool, threads: int = 1, insist: bool = False) -> dict[str, float]:
    """Ask, check every answer, and give the microseconds a question: the processor's of all threads, and the clock's."""
    questions = [Question(number) for number in numbers]
    shares = [[cache.prepared(question) for question in questions] for _ in range(threads)]
    found: list[list[str]] = [[] for _ in range(threads)]
    failures: list[Exception] = []
    before = cache.asked

    def ask(question: Any) -> str:
        while True:
            try:
                return str(cache.ask(question))
            except Exception as error:
                if not insist:
                    raise
                failures.append(error)

    def work(share: list[Any], texts: list[str]) -> None:
        texts.extend(ask(question) for question in share)

    helpers = [threading.Thread(target=work, args=pair) for pair in zip(shares, found, strict=True)] if threads > 1 else []
    gc.collect()
    wall, processor = time.perf_counter(), time.process_time()
    for helper in helpers:
        helper.start()
    for helper in helpers:
        helper.join()
    if not helpers:
        work(shares[0], found[0])
    processor, wall = time.process_time() - processor, time.perf_counter() - wall
    for texts in found:
        assert texts == [answer(question.messages[-1][1]) for question in questions]
    calls = cache.asked - before
    assert calls == (len(questions) if new else 0) or (failures and calls > 0), f"{calls} calls"
    done = len(questions) * threads
    return {"cpu_microseconds": processor / done * 1e6, "wall_microseconds": wall / done * 1e6, "failures": len(failures)}


if __name__ == "__main__":
    main()
