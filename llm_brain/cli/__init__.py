"""The `llm-brain` command: one file a verb.

    ask       one question, and its answer as text or as a checked value (schema_file: the type that it is checked against)
    teach     a brain is taught a typed function of a Python file (function_file: the function, and its teacher)
    evaluate  what was taught, its model and a cascade on answers that are known
    optimize  a study of a Python file (optimizer_file: the optimiser), its page, its view for Optuna
    models    which models there are, and fetching the embedded one
    traces    what a run did: which runs there are, sums, a span as text, a page, a collector
    doctor    what is installed and set up, and whether it works (checks: what is looked at)
    table     what lists look like on a terminal; python_file: a Python file of the user's is run

What does not live here: anything that a program would want to call.
"""

from __future__ import annotations

import sys
import warnings
from io import TextIOWrapper
from typing import Annotated, TextIO

import typer

from llm_brain.cli.ask import ask
from llm_brain.cli.doctor import doctor
from llm_brain.cli.evaluate import evaluate
from llm_brain.cli.models import models
from llm_brain.cli.optimize import optimize
from llm_brain.cli.teach import teach
from llm_brain.cli.traces import traces
from llm_brain.errors import LLMBrainError


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"llm-brain {version('llm_brain')}")
        raise typer.Exit


app = typer.Typer(
    name="llm-brain",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Tell the version.")] = False,
) -> None:
    """Write an interface; a language model implements it, and a small brain learns to."""
    del version  # who asks for it is told before


app.command()(ask)
app.command()(teach)
app.command()(evaluate)
app.add_typer(optimize, name="optimize")
app.add_typer(models, name="models")
app.command()(doctor)
app.add_typer(traces, name="traces")


def main() -> None:
    """Run the command. An error of ours, or of the disk, is one line and exit status 1, never a traceback.

    Example:
        >>> callable(main)
        True
    """
    warnings.showwarning = _show_warning
    if sys.stdout is None:  # it was closed (`>&-`): the answer would be lost
        _say("there is no standard output to write to")
        sys.exit(1)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an answer may hold what a terminal's encoding has not
    try:
        app()
    except (LLMBrainError, OSError) as error:
        _say(str(error))
        sys.exit(1)


def _show_warning(  # noqa: PLR0917 - Python calls it, and by position
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del filename, lineno, file, line
    # Other people's warnings are for those who write programs.
    if category.__module__.partition(".")[0] == "llm_brain":
        _say(f"warning: {message}")


def _say(text: str) -> None:
    from llm_brain.tracing.redaction import redact
    from llm_brain.tracing.text import visible_text

    print("llm-brain:", *visible_text(redact(text)).split(), file=sys.stderr)
