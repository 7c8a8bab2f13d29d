"""A span and what is inside of it as text, for a terminal: what was asked, what came back, and what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from llm_brain.errors import DataError
from llm_brain.tracing import names
from llm_brain.tracing.reader import SpanRecord, read_spans

SHORTEST_ID: Final = 4
"""How many characters of an id have to be given at least."""
_SAID: Final = (names.INPUT_MESSAGES, names.OUTPUT_MESSAGES)


def span_lines(run_folder: Path | str, span_id: str) -> Iterator[str]:
    """Give the lines that tell of a span, or of a whole trace, and of all spans inside of it.

    Args:
        run_folder: The run's folder.
        span_id: The id of a span or of a trace, or how it begins: at least `SHORTEST_ID` characters.

    Raises:
        DataError: There is none, or several begin so.

    Example:
        >>> import tempfile
        >>> from llm_brain.tracing import record, span
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with record(folder), span("train") as outer, span("step", {"llm_brain.step": 3}):
        ...         pass
        ...     lines = list(span_lines(folder, outer.span_id))
        >>> [line.split("  ")[0] for line in lines if line.strip()][:1], lines[-1].strip()
        (['train'], 'llm_brain.step: 3')
    """
    folder, wanted = Path(run_folder), span_id.strip().lower()
    if len(wanted) < SHORTEST_ID:
        message = f"give at least {SHORTEST_ID} characters of an id, got {span_id!r}"
        raise DataError(message)
    traces = {one.trace_id for one in read_spans(folder) if one.span_id.startswith(wanted) or one.trace_id.startswith(wanted)}
    if len(traces) != 1:
        found = f"{len(traces)} traces have spans whose id begins so" if traces else "no span's or trace's id begins so"
        message = f"{found}: {span_id!r} in {folder}"
        raise DataError(message)
    spans = [one for one in read_spans(folder) if one.trace_id in traces]
    shown = [one for one in spans if one.span_id.startswith(wanted)]
    if len(shown) > 1:
        message = f"{len(shown)} spans have an id that begins so: {', '.join(one.span_id for one in shown[:5])}"
        raise DataError(message)
    inside: dict[str | None, list[SpanRecord]] = {}
    for one in spans:
        inside.setdefault(one.parent_id, []).append(one)
    known = {one.span_id for one in spans}
    roots = shown or [one for one in spans if one.parent_id not in known]
    return _tree(roots, inside)


def _tree(roots: Iterable[SpanRecord], inside: Mapping[str | None, list[SpanRecord]]) -> Iterator[str]:
    waiting = [(one, 0) for one in _in_order(roots)]
    while waiting:
        one, depth = waiting.pop()
        indent = "  " * depth
        yield f"{indent}{one.name}  {one.seconds * 1000:,.1f} ms  {one.status}  {one.span_id}"
        yield from (f"{indent}    {line}" for line in _details(one))
        waiting += [(each, depth + 1) for each in _in_order(inside.get(one.span_id, ()))]


def _in_order(spans: Iterable[SpanRecord]) -> list[SpanRecord]:
    """Put spans in the order in which they are taken from the end of a list."""
    return sorted(spans, key=lambda one: one.start_ns, reverse=True)


def _details(one: SpanRecord) -> Iterator[str]:
    if one.error:
        yield from _said("error", f"{one.error.get('type', '')}: {one.error.get('message', '')}")
    for name, value in one.attributes.items():
        if name in _SAID:
            for message in value if isinstance(value, list) else ():
                yield from _said(str(message.get("role", "")), _words(message))
        elif name != names.KIND:
            yield from _said(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _said(who: str, text: str) -> Iterator[str]:
    first, *more = text.splitlines() or [""]
    yield f"{who}: {first}"
    yield from (f"    {line}" for line in more)


def _words(message: Mapping[str, Any]) -> str:
    parts = message.get("parts")
    said = [str(part.get("content", "")) for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []
    return "\n".join(said)
