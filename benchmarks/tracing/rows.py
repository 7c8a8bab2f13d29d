"""The rows of the table: whose spans are measured, in which environment, and which packages' versions are told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import Environment

FOLDER = Path(__file__).parent
ENVIRONMENTS = FOLDER / ".environments"


@dataclass(frozen=True)
class Row:
    """One way of recording a call.

    Attributes:
        name: Its folder in `peers/`, which holds `recorder.py`.
        title: How the table calls it.
        packages: Distributions whose versions are recorded.
        environment_name: Which environment it runs in; by default the one that runs the benchmark.
    """

    name: str
    title: str
    packages: tuple[str, ...] = ()
    environment_name: str | None = None

    @property
    def folder(self) -> Path:
        return FOLDER / "peers" / self.name

    @property
    def environment(self) -> Environment | None:
        if self.environment_name is None:
            return None
        return Environment(ENVIRONMENTS / self.environment_name, FOLDER / "peers" / self.environment_name / "requirements.txt")

    @property
    def python(self) -> Path:
        return self.environment.python if self.environment else Path(sys.executable)


OURS = "llm_brain"
FLOOR = "by_hand"
ROWS = (
    Row("llm_brain", "llm_brain", ("llm_brain",)),
    Row("opentelemetry", "opentelemetry-sdk", ("opentelemetry-sdk",), "opentelemetry"),
    Row("wandb", "W&B, `run.log`", ("wandb",), "wandb"),
    Row("wandb_trace", "W&B, trace tree", ("wandb",), "wandb"),
    Row("by_hand", "json.dumps, by hand"),
)
