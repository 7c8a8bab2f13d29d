"""The rows of the table: who is measured, in which environment, and which packages' versions are told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.environments import Environment, run

FOLDER = Path(__file__).parent

ENVIRONMENTS = FOLDER / ".environments"


def _generate(folder: Path) -> None:
    source = FOLDER / "peers" / folder.name / "baml_src"
    if source.is_dir():
        run([str(folder / "bin" / "baml-cli"), "generate", "--from", str(source)])


@dataclass(frozen=True)
class Row:
    """One way to make the typed call.

    Attributes:
        name: Its folder in `peers/`, which holds `call.py`.
        title: How the table calls it.
        imported: What the import time is measured of.
        packages: Distributions whose versions are recorded.
        kind: A floor is no competitor: it shows what a transport costs with hardly anything on top.
        shares: The row whose environment it uses, if not its own.
    """

    name: str
    title: str
    imported: str
    packages: tuple[str, ...]
    kind: Literal["ours", "peer", "floor"] = "peer"
    shares: str | None = None

    @property
    def environment(self) -> Environment | None:
        """Its environment, if it has one: llm_brain is measured in the one that runs the benchmark."""
        name = self.shares or self.name
        if name == OURS:
            return None
        return Environment(ENVIRONMENTS / name, FOLDER / "peers" / name / "requirements.txt", _generate)

    @property
    def python(self) -> Path:
        return self.environment.python if self.environment else Path(sys.executable)

    @property
    def generated(self) -> Path:
        """Where code is that was generated for it."""
        return ENVIRONMENTS / (self.shares or self.name) / "generated"

    @property
    def folder(self) -> Path:
        return FOLDER / "peers" / self.name


OURS = "llm_brain"
REFERENCE = "openai"
ROWS = (
    Row("llm_brain", "llm_brain", "import llm_brain", ("llm_brain", "aiohttp", "pydantic"), "ours"),
    Row("openai", "openai, by hand", "import openai", ("openai", "httpx2", "pydantic")),
    Row("instructor", "instructor", "import instructor", ("instructor", "openai", "pydantic")),
    Row("magentic", "magentic", "import magentic", ("magentic", "openai", "pydantic")),
    Row("pydantic_ai", "pydantic-ai", "import pydantic_ai", ("pydantic-ai-slim", "openai", "pydantic")),
    Row("mirascope", "mirascope", "import mirascope.llm", ("mirascope", "openai", "pydantic")),
    Row("dspy", "DSPy", "import dspy", ("dspy", "pydantic")),
    Row("langchain", "langchain", "import langchain_openai", ("langchain-openai", "langchain-core", "openai", "pydantic")),
    Row("baml", "BAML", "import baml_client", ("baml-py", "pydantic")),
    Row("openai_aiohttp", "openai over aiohttp", "import openai", ("openai", "aiohttp", "pydantic"), "floor", "openai"),
    Row("aiohttp", "aiohttp, by hand", "import aiohttp, pydantic", ("aiohttp", "pydantic"), "floor", "openai"),
)
