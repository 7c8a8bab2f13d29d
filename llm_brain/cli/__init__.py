"""The `llm-brain` command: one file a verb. What does not live here: anything that a program would want to call."""

from __future__ import annotations

import sys

import typer

from llm_brain.cli.models import models
from llm_brain.errors import LLMBrainError

app = typer.Typer(
    name="llm-brain",
    help="Write an interface; a language model implements it, and a small brain learns to.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(models, name="models")


@app.callback()
def root() -> None:
    """Keep `models` a verb of its own while it is the only one."""


def main() -> None:
    """Run the command. An error of ours, or of the disk, is one line and exit status 1, never a traceback.

    Example:
        >>> callable(main)
        True
    """
    try:
        app()
    except (LLMBrainError, OSError) as error:
        print("llm-brain:", *str(error).split(), file=sys.stderr)
        sys.exit(1)
