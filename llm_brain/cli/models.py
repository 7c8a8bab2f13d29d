"""`llm-brain models`: which models are on this machine, and fetching the embedded one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from llm_brain.errors import WeightsError

models = typer.Typer(help="List the models on this machine, and fetch the embedded one.", no_args_is_help=True)


class Embedded(StrEnum):
    """The models that can be fetched.

    Example:
        >>> Embedded.SMOLLM2.value
        'smollm2'
    """

    SMOLLM2 = "smollm2"


@models.command()
def fetch(
    model: Annotated[Embedded, typer.Argument(help="Which model.")] = Embedded.SMOLLM2,
    gguf: Annotated[Path | None, typer.Option(help="Take this GGUF file instead of downloading it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch it again even if it is there.")] = False,
) -> None:
    """Fetch a model, check it by its hash, convert it, and keep it for all projects of this user."""
    from llm_brain.backends import embedded

    del model  # there is one so far
    console = Console(stderr=True)
    embedded.fetch(gguf=gguf, force=force, say=lambda line: console.print(line, highlight=False, soft_wrap=True))


@models.command("list")
def list_models() -> None:
    """List the models that can be named, and whether they are ready."""
    from llm_brain.backends import embedded

    try:
        state = f"ready, in {embedded.weights_folder()}"
    except WeightsError as error:
        state = str(error)
    table = Table("name", "model")
    table.add_column("state", overflow="fold")  # a path that is cut short cannot be copied
    table.add_row("local", "SmolLM2-135M-Instruct, embedded (Apache-2.0)", state)
    table.add_row("hf:PATH", "any causal language model in a transformers folder", "on this machine")
    table.add_row("openai:MODEL", "OpenAI, or a compatible server at OPENAI_BASE_URL", "needs OPENAI_API_KEY")
    Console().print(table)
