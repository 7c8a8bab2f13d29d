"""`llm-brain teach`: a brain is taught a typed function of a Python file; the same command goes on where it was."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

if TYPE_CHECKING:
    from llm_brain.strategy.function import TypedFunction
    from llm_brain.training.data import Source
    from llm_brain.training.taught import Taught

ReaderName = Literal["tokens", "bytes"]
RUNS = Path("runs")


def teach(
    function: Annotated[str, typer.Argument(metavar="FILE.py:CLASS.METHOD", help="The typed function that is taught.")],
    *,
    inputs: Annotated[
        Path | None, typer.Option(help="Inputs that the function's model answers: a text a line, or JSON lines of arguments.")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Pairs that there are: JSON lines of arguments and `answer`, or what a cascade kept.")
    ] = None,
    traces: Annotated[Path | None, typer.Option(metavar="RUN", help="A run's folder: what was asked and answered there.")] = None,
    generate: Annotated[int, typer.Option(min=0, help="How many pairs the teacher writes.")] = 0,
    vary: Annotated[list[str] | None, typer.Option(metavar="NAME=A,B,C", help="What written pairs are varied by.")] = None,
    teacher: Annotated[str | None, typer.Option(metavar="FILE.py:NAME", help="Who writes, evaluates and validates.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where everything is kept; by default runs/ and the function's name.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help="Settings: `training:` and `brain:`.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the training.")] = None,
    brain: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A field of the brain's shape.")] = None,
    reader: Annotated[ReaderName, typer.Option(help="What the brain reads: its model's tokens, or bytes.")] = "tokens",
    balance: Annotated[bool, typer.Option(help="Whether pairs of the commonest answers are dropped.")] = True,
    longest: Annotated[int, typer.Option(min=1, help="How many symbols a text that it writes has at most.")] = 64,
) -> None:
    """Teach a brain a typed function, from the sources that are named. An interrupted teaching goes on with the same command."""
    from llm_brain.cli.function_file import load_function, load_teacher
    from llm_brain.training import ByteReader, load_teaching_config
    from llm_brain.training import teach as teach_function
    from llm_brain.training.lesson import BALANCE

    settings = load_teaching_config(config, training=_changes(set_, "--set"), brain=_changes(brain, "--brain"))
    varied = _varied(vary)
    taught_function = load_function(function)
    sources = _sources(taught_function, inputs=inputs, pairs=pairs, traces=traces, generate=generate, varied=varied)
    where = folder or RUNS / taught_function.spec.qualified_name
    try:
        taught = teach_function(
            taught_function,
            sources,
            folder=where,
            teacher=None if teacher is None else load_teacher(teacher),
            settings=settings.settings,
            brain=settings.brain,
            reader=ByteReader() if reader == "bytes" else None,
            balance=BALANCE if balance else None,
            longest=longest,
        )
    except KeyboardInterrupt:
        print(f"stopped. The same command goes on where it was: {where} is kept", file=sys.stderr)
        raise typer.Exit(130) from None
    if os.environ.get("RANK", "0") == "0":  # of several processes, the first one talks
        _show(taught, is_judged=teacher is not None)


def _sources(
    function: TypedFunction[..., Any],
    *,
    inputs: Path | None,
    pairs: Path | None,
    traces: Path | None,
    generate: int,
    varied: Mapping[str, Sequence[str]],
) -> list[Source]:
    from llm_brain.training import Generated, Traced, Unlabelled
    from llm_brain.training.data import pairs_file

    if varied and not generate:
        message = "--vary is for written pairs: say how many with --generate"
        raise typer.BadParameter(message)
    sources: list[Source] = []
    if pairs is not None:
        sources.append(pairs_file(pairs))
    if traces is not None:
        sources.append(Traced(traces))
    if inputs is not None:
        sources.append(Unlabelled(_inputs(inputs, function)))
    if generate:
        sources.append(Generated(generate, **cast("dict[str, Any]", varied)))
    if not sources:
        message = "there is nothing to learn from: name --inputs, --pairs, --traces or --generate"
        raise typer.BadParameter(message)
    return sources


def _inputs(path: Path, function: TypedFunction[..., Any]) -> list[Any]:
    from llm_brain.errors import DataError
    from llm_brain.training.data.records import numbered_records
    from llm_brain.training.data.sources import unfolded

    if path.suffix == ".jsonl":
        return [unfolded(record, function.spec.parameters) for _, record in numbered_records(path)]
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {error}"
        raise DataError(message) from error


def _changes(given: Sequence[str] | None, option: str) -> dict[str, Any]:
    from llm_brain.backends.configuration.yaml import scalar

    changes = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            message = f"{option} takes KEY=VALUE, got {one!r}"
            raise typer.BadParameter(message)
        changes[name.strip()] = scalar(value)
    return changes


def _varied(given: Sequence[str] | None) -> dict[str, list[str]]:
    varied = {}
    for one in given or ():
        name, _, values = one.partition("=")
        varied[name.strip()] = [value.strip() for value in values.split(",") if value.strip()]
        if not name.strip().isidentifier() or name.strip() in ("number", "seed") or not varied[name.strip()]:
            message = f"--vary takes NAME=A,B,C, got {one!r}"
            raise typer.BadParameter(message)
    return varied


def _show(taught: Taught, *, is_judged: bool) -> None:
    from llm_brain.cli.table import show_table
    from llm_brain.training.data import refusals_table

    show_table(refusals_table(taught.pairs))
    print()
    scored = "by the teacher" if is_judged else "agreement with pairs that were set aside"
    epochs = "1 epoch" if len(taught.history) == 1 else f"{len(taught.history)} epochs"
    losses = [one["validation_loss"] for one in taught.history if "validation_loss" in one]
    loss = f", loss {min(losses):.3f}" if losses else ""
    print(f"validation  {taught.score:.3f}, {scored}{loss}, after {epochs}")
    print(f"student     {taught.folder / 'student'}")
    print(f"set aside   {len(taught.calibration)} pairs, to calibrate a cascade with")
