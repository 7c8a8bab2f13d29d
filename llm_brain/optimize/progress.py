"""What a terminal shows while a study goes on: a table of its trials, and how much of the budget is left.

    optimizer.run(budget, on_trial=progress)     each trial that is over becomes a row
    the journal, read as it grows                what was spent, what is under way

Without a terminal each trial is a line.
"""

from __future__ import annotations

import threading
import time
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from llm_brain.optimize.budget import Spending, StudyBudget
from llm_brain.optimize.growing import Growing
from llm_brain.optimize.study import PROMOTION, Trial, best_of
from llm_brain.optimize.telling import change_words, changes, number, signed
from llm_brain.tracing.text import visible_text

AROUND: Final = 14
"""Lines of the screen that are not for trials."""
FEWEST: Final = 4
LONGEST: Final = 100
ROOMY: Final = 110
"""A terminal that is narrower has no room for costs."""
STYLES: Final = {"stopped": "dim", "failed": "red"}


class StudyProgress:
    """Shows the trials of a study while it goes on.

    Args:
        journal: The study's file.
        budget: What may be spent.
        console: Where it is shown; by default standard error. Where that is no terminal, each trial is a line.

    Example:
        >>> import io, tempfile
        >>> from pydantic import BaseModel, Field
        >>> from llm_brain.optimize import LLMOptimizer
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.5, ge=0.0, le=1.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     journal, budget, shown = Path(folder) / "study.jsonl", StudyBudget(trials=1), io.StringIO()
        ...     optimizer = LLMOptimizer(
        ...         lambda run: 1 - abs(run.hyperparameters.rate - 0.3), score=lambda _, result: result, hyperparameters=Knobs,
        ...         task_parameters="a hill", result=float, model=None, journal=journal)
        ...     with StudyProgress(journal, budget, console=Console(file=shown)) as progress:
        ...         _ = optimizer.run(budget, on_trial=progress)
        >>> shown.getvalue().split()[:4]
        ['trial', '0', 'default', '0.8']
    """

    def __init__(self, journal: Path | str, budget: StudyBudget, *, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._budget, self._journal = budget, Growing(Path(journal))
        self._trials: list[Trial[Any]] = []
        self._best: dict[int, float] = {}
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._known = 0
        self._is_over = False

    def __call__(self, trial: Trial[Any]) -> None:
        """Show a trial that is over."""
        with self._lock:
            self._trials.append(trial)
            best = best_of(self._trials)
            if best is not None and best.score is not None:
                self._best[trial.number] = best.score
        if self._live is None and trial.number >= self._known:
            with self._lock:
                self._journal.read()
            self._console.print(Text(self._line(trial)), soft_wrap=True, highlight=False)

    def __enter__(self) -> Self:
        self._journal.read()
        self._known = self._journal.finished
        if self._known:
            what = f"{self._known} trials are in {self._journal.path} already; the study goes on with them"
            self._console.print(Text(visible_text(what), style="dim"), soft_wrap=True)
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self.show, console=self._console, refresh_per_second=4, vertical_overflow="crop", transient=False
            )
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._is_over = True
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self) -> RenderableType:
        """Draw the table and the bars as they are now."""
        with self._lock:
            self._journal.read()
            rows = max(FEWEST, self._console.height - AROUND)
            parts: list[RenderableType] = [self._table(self._trials[-rows:])]
            if len(self._trials) > rows:
                parts.insert(0, Text(f"… {len(self._trials) - rows} trials before", style="dim"))
            parts += [Text(), *self._under_way(), self._bars()]
            return Group(*parts)

    def _table(self, trials: list[Trial[Any]]) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True)
        table.add_column("trial", justify="right", no_wrap=True)
        table.add_column("proposer", no_wrap=True, max_width=14, overflow="ellipsis")
        heads = ("score", "best", "gain", "cost", "seconds", "forecast")[: 6 if self._console.width >= ROOMY else 3]
        for head in heads:
            table.add_column(head, justify="right", no_wrap=True)
        table.add_column("what", ratio=1, no_wrap=True, overflow="ellipsis")
        for trial in trials:
            cells = self._cells(trial)
            is_new_best = trial.number > 0 and trial.score is not None and self._best.get(trial.number) == trial.score
            style = "bold green" if is_new_best and trial.status == "complete" else STYLES.get(trial.status, "")
            told = (*cells[: 2 + len(heads)], cells[-1])
            table.add_row(*(Text(visible_text(cell)) for cell in told), style=style)
        return table

    def _cells(self, trial: Trial[Any]) -> tuple[str, ...]:
        first, best = (self._trials[0].score if self._trials else None), self._best.get(trial.number)
        score = "failed" if trial.score is None else ("~" if trial.status == "stopped" else "") + number(trial.score)
        gain = signed(best - first) if best is not None and first is not None and trial.number else ""
        cost = f"${trial.dollars:,.4g}" if trial.dollars else f"{trial.tokens:,}" if trial.tokens else ""
        forecast = "" if trial.forecast is None else f"{trial.forecast.probability:.0%}"
        told = "" if best is None else number(best)
        return (str(trial.number), trial.proposer, score, told, gain, cost, f"{trial.seconds:,.1f}", forecast, self._what(trial))

    def _what(self, trial: Trial[Any]) -> str:
        """Say why a trial failed, and what it changes: against the first of its parents, or else the default."""
        failed = trial.status == "failed"
        why = next((" ".join(outcome.exception.split()) for outcome in trial.outcomes if failed and outcome.exception), "")
        return f"{why}; {self._change(trial)}" if why else self._change(trial)

    def _change(self, trial: Trial[Any]) -> str:
        if trial.number == 0:
            return "the defaults"
        if trial.proposer == PROMOTION:
            return f"trial {trial.parents[0]} again, at fidelity {number(trial.fidelity)}"
        refused = f" ({len(trial.refused)} refused)" if trial.refused else ""
        before = next((one for one in self._trials if one.number == (trial.parents[0] if trial.parents else 0)), None)
        told = [] if before is None else [change_words(one, self._journal.texts) for one in changes(before.point, trial.point)]
        note = " ".join(trial.note.split())
        return "; ".join(filter(None, [", ".join(told), note])) + refused

    def _line(self, trial: Trial[Any]) -> str:
        no, proposer, score, best, gain, cost, seconds, forecast, what = self._cells(trial)
        status = f", {trial.status}" if trial.status == "stopped" else ""
        told = f"trial {no:>3}  {proposer:<10} {score}{status}"
        told += (f"  best {best}" if best else "") + (f" ({gain})" if gain else "")
        told += f"  {seconds} s" + (f"  {cost}" if cost else "") + (f"  forecast {forecast}" if forecast else "")
        return visible_text(f"{told}  {what if len(what) <= LONGEST else what[: LONGEST - 1] + '…'}")

    def _under_way(self) -> list[RenderableType]:
        refused = sum(len(trial.refused) for trial in self._trials)
        parts: list[RenderableType] = []
        going = [
            f"trial {no} ({proposer}, {runs} run{'' if runs == 1 else 's'})"
            for no, (proposer, runs) in sorted(self._journal.under_way.items())
        ]
        if self._journal.checks:
            going = [f"the best against the default, run {self._journal.checks}"]
        if not self._is_over:
            text = Text(visible_text(" " + (", ".join(going) or "the next trial is chosen")), no_wrap=True, overflow="ellipsis")
            parts.append(Spinner("dots", text, style="cyan"))
        if refused:
            parts.append(Text(f"{refused} proposal{' was' if refused == 1 else 's were'} refused, at no cost", style="dim"))
        return parts

    def _bars(self) -> Table:
        spent = self.spending
        table = Table.grid(padding=(0, 2, 0, 0))
        for field in fields(self._budget):
            limit, had = getattr(self._budget, field.name), getattr(spent, field.name)
            if limit is not None:
                bar = ProgressBar(
                    total=float(limit),
                    completed=min(float(limit), float(had)),
                    width=28,
                    complete_style="cyan",
                    finished_style="green",
                )
                table.add_row(Text(field.name), bar, Text(f"{number(had)} of {number(limit)}"))
        return table

    @property
    def spending(self) -> Spending:
        """What was spent until now, going by the journal."""
        told = self._journal
        return Spending(told.begun, told.evaluations, told.tokens, told.dollars, told.seconds)
