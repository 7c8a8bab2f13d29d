"""`llm-brain optimize`: a study is run from a Python file; its page, and its view for Optuna, are made from its journal."""

from __future__ import annotations

import json
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from llm_brain.optimize import Study, StudyBudget


class _Verbs(TyperGroup):
    """`optimize FILE.py` is `optimize run FILE.py`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


optimize = typer.Typer(
    cls=_Verbs,
    help="Tune the numbers and texts of a program by trials: `llm-brain optimize FILE.py --trials 20`.",
    no_args_is_help=True,
)

Journal = Annotated[Path, typer.Argument(metavar="JOURNAL", help="The study's file, as in `LLMOptimizer(journal=...)`.")]


@optimize.command()
def run(
    file: Annotated[str, typer.Argument(metavar="FILE.py[:NAME]", help="A Python file with an LLMOptimizer.")],
    *,
    trials: Annotated[int | None, typer.Option(min=1, help="How many trials, the default's included.")] = None,
    evaluations: Annotated[float | None, typer.Option(help="How many runs of the task.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="How many tokens all calls of models may take.")] = None,
    dollars: Annotated[float | None, typer.Option(help="How much it may cost.")] = None,
    seconds: Annotated[float | None, typer.Option(help="How long it may take.")] = None,
    folder: Annotated[Path | None, typer.Option("--run", metavar="FOLDER", help="Record traces in this folder.")] = None,
    wandb: Annotated[bool, typer.Option("--wandb", help="Show the study in W&B, too: a group, each trial a run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a study. What was interrupted goes on with the same command, and goes further with a larger budget."""
    from llm_brain.cli.optimizer_file import load_optimizer

    budget = _budget(trials, evaluations, tokens, dollars, seconds)
    optimizer, journal = load_optimizer(file)
    try:
        study = _run(optimizer, journal, budget, folder, wandb=wandb)
    except KeyboardInterrupt:
        print(f"stopped. The same command goes on where it was: {journal} is kept", file=sys.stderr)
        raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(_told(study), ensure_ascii=False))
    else:
        _show(study, journal)


@optimize.command()
def report(
    journal: Journal,
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="Where to write it, a file or a folder/; without it, beside the journal.")
    ] = None,
    opened: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = False,
) -> None:
    """Write one page of HTML that shows a study, without scripts and without the network."""
    from llm_brain.optimize.report import write_study_page

    page = write_study_page(journal, out)
    print(page)
    if opened and not webbrowser.open(page.absolute().as_uri()):
        print("no browser could be opened: open the file yourself")


@optimize.command()
def view(
    journal: Journal,
    storage: Annotated[str, typer.Option(help="Where to, as Optuna writes it: sqlite:///studies.db")] = "sqlite:///studies.db",
    name: Annotated[str | None, typer.Option(help="What the study is called there; by default as the journal is.")] = None,
) -> None:
    """Rebuild an Optuna study from a journal, for optuna-dashboard. One that was made so before is replaced."""
    from llm_brain.optimize.view import to_optuna

    print(f"{to_optuna(journal, storage, name=name)} is in {storage}: open it with `optuna-dashboard {storage}`")


def _budget(
    trials: int | None, evaluations: float | None, tokens: int | None, dollars: float | None, seconds: float | None
) -> StudyBudget:
    from llm_brain.errors import DefinitionError
    from llm_brain.optimize import StudyBudget

    try:
        return StudyBudget(trials, evaluations, tokens, dollars, seconds)
    except DefinitionError as error:
        message = "say how much may be spent, all above 0: --trials 20, or --evaluations, --tokens, --dollars, --seconds"
        raise typer.BadParameter(message) from error


def _run(optimizer: Any, journal: Path, budget: StudyBudget, folder: Path | None, *, wandb: bool) -> Study[Any]:
    from llm_brain.optimize.progress import StudyProgress

    with ExitStack() as scope:
        watchers: list[Callable[[Any], None]] = []
        if folder is not None:
            from llm_brain.tracing import record

            scope.enter_context(record(folder))
        if wandb:
            from llm_brain.optimize.study_runs import StudyRuns

            where = folder or journal.with_suffix("")
            watchers.append(scope.enter_context(StudyRuns(where, journal)))
        watchers.append(scope.enter_context(StudyProgress(journal, budget)))

        def tell(trial: Any) -> None:
            for watcher in watchers:
                watcher(trial)

        found: Study[Any] = optimizer.run(budget, on_trial=tell)
    return found


def _told(study: Study[Any]) -> dict[str, Any]:
    from dataclasses import asdict

    best = study.best
    return {
        "trial": None if best is None else best.number,
        "score": None if best is None else best.score,
        "hyperparameters": None if best is None else best.point,
        "verdict": None if study.verdict is None else asdict(study.verdict),
        "spending": None if study.spending is None else asdict(study.spending),
    }


def _show(study: Study[Any], journal: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    from llm_brain.cli.table import show_table
    from llm_brain.optimize.recorded import read_recorded
    from llm_brain.optimize.telling import changes, number, verdict_words
    from llm_brain.tracing.text import visible_text

    recorded, best = read_recorded(journal), study.best  # the journal may have more trials than were asked for now
    print(verdict_words(study.verdict))
    changed = [] if best is None else changes(recorded.begun["default"], best.point)
    knobs = [change for change in changed if change.name not in recorded.texts]
    if best is not None and knobs:
        print()
        table = Table("", "default", f"trial {best.number}", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name, before, after in knobs:
            cells = (name, *("" if value is None else number(value) for value in (before, after)))
            table.add_row(*(Text(visible_text(cell)) for cell in cells))
        show_table(table)
    for change in changed:
        if change.name in recorded.texts:
            print(f"\n{change.name}")
            print("\n".join(visible_text(line) for line in _text_lines(change.before, change.after)))
    print(f"\na page of it: llm-brain optimize report {journal}")


def _text_lines(before: Any, after: Any) -> Iterator[str]:
    from llm_brain.optimize.telling import changed_lines

    for line in changed_lines(str(before or ""), str(after or "")):
        yield f"  {line.mark} {line.text}"
