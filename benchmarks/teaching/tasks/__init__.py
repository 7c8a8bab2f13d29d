"""What brains are taught here, by name. A task is loaded when it is asked for: one of them needs files of a Debian package."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.teaching.task import TeachingTask
from benchmarks.teaching.tasks import fortunes, mood, orders, routing

TASKS: dict[str, Callable[[], TeachingTask]] = {
    "mood": mood.load_task,
    "routing": routing.load_task,
    "fortunes": fortunes.load_task,
    "orders": orders.load_task,
}
