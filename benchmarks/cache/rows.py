"""The rows of the table: whose cache is measured, in which environment, and which packages' versions are told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import Environment

FOLDER = Path(__file__).parent
ENVIRONMENTS = FOLDER / ".environments"


@dataclass(frozen=True)
class Row:
    """One cache.

    Attributes:
        name: Its folder in `peers/`, which holds `cache.py`.
        title: How the table calls it.
        packages: Distributions whose versions are recorded.
        has_environment: Whether it has an environment of its own; otherwise it runs in the one that runs the benchmark.
    """

    name: str
    title: str
    packages: tuple[str, ...] = ()
    has_environment: bool = True

    @property
    def folder(self) -> Path:
        return FOLDER / "peers" / self.name

    @property
    def environment(self) -> Environment | None:
        return Environment(ENVIRONMENTS / self.name, self.folder / "requirements.txt") if self.has_environment else None

    @property
    def python(self) -> Path:
        return self.environment.python if self.environment else Path(sys.executable)


OURS = "llm_brain"
REFERENCE = "diskcache"
FLOOR = "by_hand"
ROWS = (
    Row("llm_brain", "llm_brain", ("llm_brain",), has_environment=False),
    Row("diskcache", "diskcache", ("diskcache",)),
    Row("langchain", "langchain's SQLiteCache", ("langchain-community", "langchain-core", "SQLAlchemy")),
    Row("by_hand", "dict and sqlite3, by hand", has_environment=False),
)
