"""The rows of the table: whose cache is measured, in which environment, and which packages' versions are told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent


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


OURS = "llm_brain"
REFERENCE = "diskcache"
FLOOR = "by_hand"
ROWS = (
    Row("llm_brain", "llm_brain", ("llm_brain",), has_environment=False),
    Row("diskcache", "diskcache", ("diskcache",)),
    Row("langchain", "langchain's SQLiteCache", ("langchain-community", "langchain-core", "SQLAlchemy")),
    Row("by_hand", "dict and sqlite3, by hand", has_environment=False),
)
