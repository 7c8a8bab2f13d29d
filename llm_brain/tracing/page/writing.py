"""The page's file: the template, and the style, the script and the spans in it.

The page allows itself one script and one style, by their hashes, and nothing else: no connection, no picture, no font, no
form. The spans are in elements that no browser runs.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import BinaryIO, Final, cast

from llm_brain._atomic import open_atomically
from llm_brain.tracing.page.columns import Columns
from llm_brain.tracing.page.records import Records, packed
from llm_brain.tracing.reader import read_spans
from llm_brain.tracing.redaction import redact
from llm_brain.tracing.text import visible_text

PAGE_NAME: Final = "traces.html"

SCRIPTS: Final = (
    "words.js",
    "elements.js",
    "run.js",
    "search.js",
    "filters.js",
    "differences.js",
    "tree.js",
    "values.js",
    "comparison.js",
    "details.js",
    "charts.js",
    "tables.js",
    "keys.js",
    "theme.js",
    "layout.js",
    "main.js",
)
"""The parts of the page's script, in the order in which they build on each other."""

_IN_MEMORY: Final = 16 * 2**20


def write_page(run_folder: Path | str, file: Path | str | None = None) -> Path:
    """Write the spans of a run as one HTML file that needs no server and no network.

    Spans are read one at a time; what is kept of each until the end is a few numbers and its identifier.

    Args:
        run_folder: The folder that was given to `record`.
        file: Where to; `traces.html` in the run's folder if it is not given. Replaced if it exists.

    Returns:
        The file's path.

    Raises:
        DataError: There is no such folder, or the spans were written by a later version.
        OSError: The file cannot be written; an earlier one is still there.

    Example:
        >>> import tempfile
        >>> from llm_brain.tracing import record, span
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with record(folder), span("train"), span("step"):
        ...         pass
        ...     write_page(folder).name
        'traces.html'
    """
    run_folder = Path(run_folder)
    spans = read_spans(run_folder)
    path = run_folder / PAGE_NAME if file is None else Path(file)
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as pieces:
        columns, records = Columns(), Records(cast("BinaryIO", pieces))
        for one in spans:
            columns.add(one)
            records.add(one)
        records.close()
        table = columns.table() | {"pieces": records.first_rows}
        with open_atomically(path) as page:
            _write(page, run_folder.resolve().name, packed(json.dumps(table, separators=(",", ":"))), records)
    return path


def _write(page: BinaryIO, title: str, table: bytes, records: Records) -> None:
    style, script = _text("style.css"), _script()
    template = _text("template.html")
    before, after = template.split("{{ records }}")
    head, _, tail = before.partition("{{ table }}")
    head_start, head_end = head.split("{{ style }}")
    # The title comes last: nothing is looked for in what somebody else wrote.
    written = {"style_hash": _hash(style), "script_hash": _hash(script), "title": html.escape(redact(visible_text(title)))}
    for name, value in written.items():
        head_start = head_start.replace(f"{{{{ {name} }}}}", value)
    page.write(f"{head_start}{style}{head_end}".encode())
    page.write(table)
    tail_start, tail_end = tail.split("{{ script }}")
    page.write(f"{tail_start}{script}{tail_end}".encode())
    page.writelines(b'<script type="application/gzip" class="piece">' + piece + b"</script>\n" for piece in records.pieces())
    page.write(after.encode())


@cache
def _script() -> str:
    parts = "\n".join(_text(f"app/{name}") for name in SCRIPTS)
    return f'"use strict";\n{{\n{parts}}}\n'


@cache
def _text(name: str) -> str:
    return resources.files("llm_brain.tracing.page").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
