"""The brain's speed and memory, and what it learns, beside other networks: both benchmarks, one after the other.

    python -m benchmarks.brain.run

`python -m benchmarks.brain.speed.run` and `python -m benchmarks.brain.learning.run` are the two; `--help` tells how to run parts.
"""

from __future__ import annotations

from benchmarks.brain.learning.run import main as learning
from benchmarks.brain.speed.run import main as speed


def main() -> None:
    speed()
    learning()


if __name__ == "__main__":
    main()
