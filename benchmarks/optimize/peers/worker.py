"""A peer at work in an interpreter of its own environment.

    python -m benchmarks.optimize.peers.worker

Orders come as JSON lines on stdin, results go as JSON lines to stdout.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from benchmarks.optimize.peers.contract import Peer, read


def main() -> None:
    results = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no result
    peer: Peer | None = None
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        answer: Any = None
        if order["do"] == "begin":
            peer = build(order["name"], order["knobs"], order["seed"], order["trials"])
        elif order["do"] == "ask":
            assert peer is not None
            answer = peer.ask()
        else:
            assert peer is not None
            peer.tell(order["values"], order["loss"])
        results.write(json.dumps(answer) + "\n")


def build(name: str, described: list[dict[str, Any]], seed: int, trials: int) -> Peer:
    knobs = read(described)
    if name == "smac":
        from benchmarks.optimize.peers.smac_peer import Smac

        return Smac(knobs, seed, trials)
    from benchmarks.optimize.peers.hebo_peer import Hebo

    return Hebo(knobs, seed)


if __name__ == "__main__":
    main()
