"""The page of a study, written: a template, a style, and nothing else that a browser would have to fetch or to run.

Everything that stands in a journal may come from a model. It is shown as text: escaped, keys redacted, control characters and
marks that reverse text written out; and the page forbids itself scripts, pictures, fonts and connections.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_brain._atomic import write_atomically
from llm_brain.errors import DataError, missing_dependency
from llm_brain.optimize.recorded import Recorded, read_recorded
from llm_brain.optimize.report.cases import case_map
from llm_brain.optimize.report.lineage import versions, way_to
from llm_brain.optimize.report.pictures import NARROW, WIDE, colours, history
from llm_brain.optimize.report.summary import findings, forecasts, lessons, proposers, purposes, refusals, tiles
from llm_brain.optimize.report.trials import trial_rows
from llm_brain.optimize.view import importances
from llm_brain.tracing.redaction import redact
from llm_brain.tracing.text import visible_text

if TYPE_CHECKING:
    from jinja2 import Template


def write_study_page(journal: Path | str, path: Path | str | None = None) -> Path:
    """Write one HTML file that shows a study.

    Args:
        journal: The study's file; it may still be written to.
        path: The page; replaced if it exists. A folder, or what ends in a slash: a page in it. Without it, as the journal is
            called, ending in `.html`.

    Returns:
        The page's path.

    Raises:
        DataError: The journal cannot be read, or is where the page should be.
        MissingDependencyError: jinja2 or optuna is not installed.
        OSError: The page cannot be written; an earlier one is still there.

    Example:
        >>> import tempfile
        >>> from pydantic import BaseModel, Field
        >>> from llm_brain.optimize import LLMOptimizer, StudyBudget
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.5, ge=0.0, le=1.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     journal = Path(folder) / "hill.jsonl"
        ...     optimizer = LLMOptimizer(
        ...         lambda run: 1 - abs(run.hyperparameters.rate - 0.3), score=lambda _, result: result, hyperparameters=Knobs,
        ...         task_parameters="a hill", result=float, model=None, journal=journal)
        ...     _ = optimizer.run(StudyBudget(trials=3))
        ...     page = write_study_page(journal)
        ...     page.name, "<h1>hill</h1>" in page.read_text(encoding="utf-8")
        ('hill.html', True)
    """
    journal = Path(journal)
    page = _page(journal, path)
    recorded = read_recorded(journal)
    return write_atomically(page, _template().render(**_parts(recorded)))


def _page(journal: Path, path: Path | str | None) -> Path:
    page = journal.with_suffix(".html") if path is None else Path(path)
    if page.is_dir() or str(path).endswith("/"):
        page /= f"{journal.stem}.html"
    if page.resolve() == journal.resolve():
        message = f"{page} is the journal: name another file for the page"
        raise DataError(message)
    return page


def _parts(recorded: Recorded) -> dict[str, Any]:
    found = findings(recorded)
    texts = versions(recorded)
    trials = recorded.study.trials
    ways = {}
    for name, all_of_it in texts.items():
        mine = next((version for version in all_of_it if found["trial"] in [trial.number for trial in version.trials]), None)
        ways[name] = [] if mine is None else [version.number for version in way_to(mine, all_of_it)]
    return {
        "title": recorded.name,
        "found": found,
        "tiles": tiles(recorded),
        "history": {"wide": history(trials, WIDE), "narrow": history(trials, NARROW)},
        "legend": colours(trials),
        "statuses": {trial.status for trial in trials},
        "proposers": proposers(recorded),
        "purposes": purposes(recorded),
        "importances": [(name, f"{share:.0%}", f"{100 * share:.1f}") for name, share in importances(recorded).items()],
        "cases": case_map(recorded),
        "texts": texts,
        "ways": ways,
        "lessons": lessons(recorded),
        "forecasts": forecasts(recorded),
        "refusals": refusals(recorded),
        "trials": trial_rows(recorded),
    }


@cache
def _template() -> Template:
    try:
        from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined
    except ImportError as error:
        raise missing_dependency("jinja2", extra="report") from error
    loader = PrefixLoader({
        "study": PackageLoader("llm_brain", "optimize/report/templates"),
        "house": PackageLoader("llm_brain", "tracing/templates"),
    })  # fmt: skip
    environment = Environment(
        loader=loader, autoescape=True, finalize=_shown, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("study/study.html")


def _shown(value: object) -> object:
    """Make what is shown of a value, before it is escaped. Markup is only what the templates themselves have made."""
    if isinstance(value, (int, float)) or hasattr(value, "__html__"):
        return value
    return redact(visible_text(str(value)))
