"""What the page knows of every span before it is looked at: a table of numbers, one column an attribute.

Names, models and traces stand in the table as numbers, each with a list of the words. A parent stands as the row that it
is in. A parent that is in no file gets a row of its own, below the root of its trace: its process was killed, or it is
recorded elsewhere.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any, Final

from llm_brain.tracing import names
from llm_brain.tracing.reader import SpanRecord
from llm_brain.tracing.redaction import redact

UNFINISHED: Final = "unfinished"
"""The kind of a row that stands for a missing parent."""

NOTHING: Final = -1
_FARTHEST: Final = 2**53
_NUMBERS: Final = {
    "step": names.STEP,
    "attempt": names.ATTEMPT,
    "input": names.INPUT_TOKENS,
    "output": names.OUTPUT_TOKENS,
    "cost": names.COST,
    "score": names.SCORE,
}
_METRIC: Final = f"{names.METRIC}."


class Columns:
    """Takes spans one at a time and keeps of each what fits in a table.

    Example:
        >>> columns = Columns()
        >>> columns.add(SpanRecord("t1", "s2", "s1", "chat small", 5_000, 9_000, "ok", {"llm_brain.kind": "call"}))
        >>> table = columns.table()
        >>> [table["words"]["kind"][kind] for kind in table["kind"]], table["parent"]
        (['call', 'unfinished'], [1, -1])
    """

    def __init__(self) -> None:
        self._words: dict[str, dict[str, int]] = {}
        self._ids: list[str] = []
        self._starts = array("q")
        self._ends = array("q")
        self._codes = {
            key: array("l") for key in ("trace", "name", "kind", "function", "model", "trial", "error", "failed", "cached")
        }
        self._numbers: dict[str, list[int | float | None]] = {key: [] for key in _NUMBERS}
        self._metrics: dict[str, tuple[list[int], list[float]]] = {}
        self._parents: list[str | None] = []
        self._rows: dict[tuple[int, str], int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, one: SpanRecord) -> None:
        """Add a span as the next row."""
        told = one.attributes
        self._place(one.trace_id, one.span_id, one.parent_id, one.start_ns, one.end_ns)
        self._code("name", one.name)
        self._code("kind", one.kind or "")
        self._code("function", told.get(names.FUNCTION))
        self._code("model", told.get(names.RESPONSE_MODEL, told.get(names.REQUEST_MODEL)))
        self._code("trial", told.get(names.TRIAL))
        self._code("error", _error_type(one))
        self._codes["failed"].append(one.status == "error")
        self._codes["cached"].append(told.get(names.CACHED) is True)
        for key, name in _NUMBERS.items():
            self._numbers[key].append(_number(told.get(name)))
        for name, value in told.items():
            if name.startswith(_METRIC) and (number := _number(value)) is not None:
                rows, values = self._metrics.setdefault(name.removeprefix(_METRIC), ([], []))
                rows.append(len(self) - 1)
                values.append(number)

    def table(self) -> dict[str, Any]:
        """Return the table, missing parents added, ready for JSON. Times are microseconds since `begin_ns`. To be called once."""
        recorded = len(self)
        parents = self._resolved()
        begin = min(self._starts, default=0)
        return {
            "recorded": recorded,
            "begin_ns": begin,
            "id": self._ids,
            "parent": parents,
            "start": [(start - begin) // 1_000 for start in self._starts],
            "duration": [max(0, end - start) // 1_000 for start, end in zip(self._starts, self._ends, strict=True)],
            **{key: column.tolist() for key, column in self._codes.items()},
            **self._numbers,
            "metrics": {name: {"row": rows, "value": values} for name, (rows, values) in self._metrics.items()},
            "words": {key: [redact(word) for word in words] for key, words in self._words.items()},
        }

    def _place(self, trace: str, span: str, parent: str | None, start: int, end: int) -> None:
        code = self._code("trace", trace)
        self._rows[code, span] = len(self._ids)
        self._ids.append(span)
        self._parents.append(parent)
        self._starts.append(_bounded(start))
        self._ends.append(_bounded(end))

    def _code(self, column: str, word: object) -> int:
        words = self._words.setdefault(column, {})
        code = NOTHING if word is None else words.setdefault(str(word), len(words))
        self._codes[column].append(code)
        return code

    def _resolved(self) -> list[int]:
        """Give each row's parent as a row, missing ones as new rows."""
        traces, recorded = self._codes["trace"], len(self)
        missing: dict[tuple[int, str], list[int]] = {}
        roots: dict[int, int] = {}
        for row, (trace, parent) in enumerate(zip(traces, self._parents, strict=True)):
            if parent is None:
                roots.setdefault(trace, row)
            elif (trace, parent) not in self._rows:
                missing.setdefault((trace, parent), []).append(row)
        unrooted: dict[int, list[tuple[int, str]]] = {}
        for trace, parent in missing:
            if trace not in roots:
                unrooted.setdefault(trace, []).append((trace, parent))
        words = list(self._words.get("trace", {}))
        for (trace, parent), rows in missing.items():
            self._stand_in(words[trace], parent, rows)
        parents = self._rows_of_parents(roots, recorded)
        for trace, several in unrooted.items():
            if len(several) > 1:  # one root for what nobody knows the order of
                rows = [self._rows[key] for key in several]
                self._stand_in(words[trace], "", rows)
                parents.append(NOTHING)
                for row in rows:
                    parents[row] = len(self) - 1
        return parents

    def _rows_of_parents(self, roots: Mapping[int, int], recorded: int) -> list[int]:
        parents = []
        for row, (trace, parent) in enumerate(zip(self._codes["trace"], self._parents, strict=True)):
            if parent is None:
                parents.append(NOTHING if row < recorded else roots.get(trace, NOTHING))
            else:
                parents.append(self._rows[trace, parent])
        return parents

    def _stand_in(self, trace: str, span: str, children: list[int]) -> None:
        start, end = min(self._starts[row] for row in children), max(self._ends[row] for row in children)
        self._place(trace, span, None, start, end)
        self._code("name", UNFINISHED)
        self._code("kind", UNFINISHED)
        for key in ("function", "model", "trial", "error"):
            self._codes[key].append(NOTHING)
        for key in ("failed", "cached"):
            self._codes[key].append(0)
        for column in self._numbers.values():
            column.append(None)


def _error_type(one: SpanRecord) -> object:
    named = one.error.get("type") if isinstance(one.error, Mapping) else None
    return one.attributes.get(names.ERROR_TYPE, named) if one.status == "error" else None


def _number(value: object) -> int | float | None:
    """Return what a browser can count with."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < _FARTHEST else None  # NaN and the infinities are not below it


def _bounded(nanoseconds: int) -> int:
    return max(-(2**62), min(nanoseconds, 2**62))
