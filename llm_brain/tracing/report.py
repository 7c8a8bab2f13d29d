"""One page that shows a run: a single HTML file without scripts and without the network, for a mail, a folder, a phone.

    sections -> parts (numbers to text, curves to SVG) -> templates/report.html -> one file, written whole or not at all

Everything that a section holds is shown as text: it is escaped, keys are redacted, and control characters and marks
that reverse text are written out. The page forbids scripts, fonts and connections in its own `Content-Security-Policy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from llm_brain._atomic import write_atomically
from llm_brain.errors import missing_dependency
from llm_brain.tracing.parts import Picture, lay_out
from llm_brain.tracing.redaction import redact
from llm_brain.tracing.sections import Section
from llm_brain.tracing.text import visible_text

if TYPE_CHECKING:
    from jinja2 import Template


def write_report(path: Path | str, title: str, sections: Sequence[Section]) -> Path:
    """Write a page. The same sections give the same bytes.

    Args:
        path: The HTML file; replaced if it exists.
        title: The heading.
        sections: What the page shows, from top to bottom.

    Returns:
        The path.

    Raises:
        MissingDependencyError: jinja2 is not installed, or a section is a curve and matplotlib is not.
        OSError: The file cannot be written; an earlier one is still there.

    Example:
        >>> import tempfile
        >>> from llm_brain.tracing import Bars, Prose, write_report
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sections = [Prose("Goal", "2 < 3"), Bars("Calls", {"chat": 120})]
        ...     page = write_report(f"{folder}/report.html", "A run", sections)
        ...     "2 &lt; 3" in page.read_text(encoding="utf-8")
        True
    """
    return write_atomically(path, _template().render(title=title, parts=lay_out(sections)))


@cache
def _template() -> Template:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        missing = missing_dependency("jinja2", extra="report")
        raise missing from error
    environment = Environment(
        loader=PackageLoader("llm_brain", "tracing/templates"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html")


def _shown(value: object) -> object:
    """Make what is shown of a value, before it is escaped. Only our own pictures are markup, whatever a value says."""
    return value if isinstance(value, Picture) else redact(visible_text(str(value)))
