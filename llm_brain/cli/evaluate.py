"""`llm-brain evaluate`: a taught brain, its model and a cascade of both on calls whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from llm_brain.strategy.function import TypedFunction
    from llm_brain.training.answers import AnswerType
    from llm_brain.training.measuring import Gold, Measured
    from llm_brain.training.taught import Taught


_NUMBERS: Final = 63
"""How wide the numbers of the table are, with the blanks between them."""


def evaluate(
    folder: Annotated[Path, typer.Argument(help="Where `llm-brain teach` kept everything.")],
    function: Annotated[str, typer.Argument(metavar="FILE.py:CLASS.METHOD", help="The typed function that was taught.")],
    *,
    gold: Annotated[Path, typer.Option(help="Calls and right answers: JSON lines of arguments and `answer`.")],
    with_model: Annotated[bool, typer.Option("--with-model", help="The function's own model answers, too.")] = False,
    cascade: Annotated[
        float | None,
        typer.Option(metavar="AGREEMENT", help="Also a cascade that agrees with the model on this share of the calls."),
    ] = None,
) -> None:
    """Answer a gold set with a taught brain, and tell how often it is right."""
    from llm_brain.cli.function_file import load_function
    from llm_brain.training.measuring import read_gold
    from llm_brain.training.taught import Taught

    if cascade is not None and not 0 < cascade < 1:
        message = f"--cascade takes a share between 0 and 1, got {cascade}"
        raise typer.BadParameter(message)
    asked = load_function(function)
    taught = Taught.load(folder, asked)
    if cascade is not None:
        _check_calibration(taught, cascade)
    calls = read_gold(gold, asked)
    found = _measured(taught, asked, calls, with_model=with_model, agreement=cascade)
    _show_accuracies(found, len(calls))
    _show_errors(found)
    if known := _known(taught, asked, calls):
        print(f"\n{known} of the {len(calls)} calls are among the pairs of the lesson: the brain may know them by heart")
    for measured, _ in found:
        _show_confusion(measured, calls, taught.student.kind)


def _check_calibration(taught: Taught, agreement: float) -> None:
    from llm_brain.errors import ArgumentError
    from llm_brain.training.cascade.conformal import held_out_needed

    aside, needed = len(taught.calibration), held_out_needed(agreement)
    if aside < needed:
        enough = math.ceil(needed * len(taught.pairs) / max(1, aside))
        message = (
            f"{aside} of {len(taught.pairs)} pairs were set aside for a cascade, and --cascade {agreement:g} takes {needed}: "
            f"teach with {enough:,} pairs or more"
        )
        raise ArgumentError(message)


def _measured(
    taught: Taught, function: TypedFunction[..., Any], gold: Gold, *, with_model: bool, agreement: float | None
) -> list[tuple[Measured, int]]:
    """Have everybody answer, each with the number of calls of the model that it took."""
    from dataclasses import replace

    from llm_brain.strategy.function import DEFAULT_CONCURRENCY
    from llm_brain.training.cascade import cascade
    from llm_brain.training.measuring import Watched, measure

    # The model is asked each call once, whoever wants to know.
    model, many = Watched(function.implementation), DEFAULT_CONCURRENCY
    both = None if agreement is None else cascade(taught.student, model, agreement=agreement, held_out=taught.calibration)
    with _ticks("the brain answers", len(gold)) as tick:
        brain = measure(function, taught.student, gold, tick=tick)
    found = [(brain, 0)]
    if with_model:
        with _ticks("the model answers", len(gold)) as tick:
            found.append((measure(function, model, gold, concurrency=many, tick=tick), model.asked))
    if both is not None:
        model.rewind()
        with _ticks("the cascade answers", len(gold)) as tick:
            measured = measure(function, both, gold, concurrency=many, tick=tick)
        seconds = brain.seconds + model.seconds / len(gold)
        found.append((replace(measured, name=f"cascade at {agreement:g}", seconds=seconds), model.asked))
    return found


@contextmanager
def _ticks(stage: str, total: int) -> Iterator[Callable[[], None]]:
    from llm_brain.training.progress import shown_lesson

    with shown_lesson(0, shown=None) as bars:
        yield bars.stage(stage, total)


def _show_accuracies(found: Sequence[tuple[Measured, int]], number: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from llm_brain.cli.table import show_table
    from llm_brain.tracing.text import visible_text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    # As wide as the numbers leave room for: of these none may be cut.
    table.add_column("", no_wrap=True, overflow="ellipsis", max_width=max(15, Console().width - _NUMBERS))
    for head in (f"right, of {number}", "95% interval", "ms a call", "model calls", "failed"):
        table.add_column(head, justify="right", no_wrap=True)
    for measured, asked in found:
        low, high = measured.interval
        right = f"{measured.accuracy:.1%}"
        cells = (right, f"{low:.1%} to {high:.1%}", f"{measured.seconds * 1000:,.2f}", f"{asked:,}", f"{measured.failed:,}")
        table.add_row(Text(visible_text(measured.name)), *cells)
    show_table(table)


def _show_errors(found: Sequence[tuple[Measured, int]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from llm_brain.cli.table import show_table
    from llm_brain.tracing.text import visible_text

    names = list(dict.fromkeys(name for measured, _ in found for name in measured.errors))
    if not names:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("mean absolute error", no_wrap=True)
    for name in names:
        table.add_column(Text(visible_text(name)), justify="right")
    for measured, _ in found:
        cells = [f"{measured.errors[name]:.4g}" if name in measured.errors else "" for name in names]
        table.add_row(Text(visible_text(measured.name)), *cells)
    print()
    show_table(table)


def _known(taught: Taught, function: TypedFunction[..., Any], gold: Gold) -> int:
    """Count the calls of a gold set that the lesson has seen."""
    from llm_brain.training.calls import call_text, state_of
    from llm_brain.training.data.texts import normalized
    from llm_brain.training.subject import bound

    called = bound(function)
    seen = {normalized(pair.text) for pair in (*taught.pairs.pairs, *taught.calibration)}
    return sum(normalized(call_text(called.spec, arguments, state_of(called))) in seen for arguments, _ in gold)


def _show_confusion(measured: Measured, gold: Gold, kind: AnswerType) -> None:
    from rich.table import Table
    from rich.text import Text

    from llm_brain.cli.table import show_table
    from llm_brain.strategy.annotations.closed_sets import said
    from llm_brain.strategy.words import plain_text
    from llm_brain.tracing.text import visible_text
    from llm_brain.training.data import PairSet
    from llm_brain.training.measuring import confusion

    counts = confusion(kind, gold, measured.answers)
    if not counts:
        return
    names = [Text(visible_text(plain_text(said(option)))) for option in PairSet(kind).options]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("right, down; given, across", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right")
    for name, row in zip(names, counts, strict=True):
        table.add_row(name, *map(str, row))
    print(f"\n{visible_text(measured.name)}")
    show_table(table)
