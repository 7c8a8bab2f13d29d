"""Trees of spans for a viewer: spans are put together as they come, and the trees that are worth a look are kept.

    finished spans, children first -> trees of calls and of the user's own work -> the last failed, the slowest, a sample

What holds any number of others (a run, a study, an epoch, ...) is no tree of its own: the trees inside it are. All of it is
bounded, whatever the run does; the spans on disk have the rest.
"""

from __future__ import annotations

import heapq
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from llm_brain.tracing import names
from llm_brain.tracing.reader import SpanRecord
from llm_brain.tracing.redaction import JSON
from llm_brain.tracing.wandb_values import clipped

MAX_TREE: Final = 200
"""The most spans of one tree."""
MAX_WAITING: Final = 10_000
"""The most spans that wait for the one around them."""
MAX_TEXT: Final = 1_000
"""The most characters of one text in a tree."""
MAX_PARTS: Final = 20
"""The most parts of one list or mapping in a tree."""
MAX_DEPTH: Final = 6
HOLDERS: Final = frozenset({
    names.STUDY_KIND,
    names.TRIAL_KIND,
    names.EPOCH_KIND,
    names.STEP_KIND,
    names.VALIDATION_KIND,
    names.SCAN_KIND,
})  # fmt: skip
"""Kinds of spans that hold any number of others."""


@dataclass(slots=True)
class Tree:
    """A span and the spans inside it, with long texts cut.

    Attributes:
        size: How many spans it has.
        failed: Whether one of them failed.
        left_out: How many spans inside `span` are not in `children`.

    Example:
        >>> tree = Tree(SpanRecord("t", "s", None, "chat", 0, 1, "error", {}))
        >>> tree.size, tree.failed
        (1, True)
    """

    span: SpanRecord
    children: list[Tree] = field(default_factory=list)
    size: int = 1
    failed: bool = False
    left_out: int = 0

    def __post_init__(self) -> None:
        self.failed = self.failed or self.span.status == "error"

    def adopt(self, child: Tree) -> None:
        """Put a tree inside this one, where there is room."""
        self.failed = self.failed or child.failed
        if self.size + child.size > MAX_TREE:
            self.left_out += child.size + child.left_out
        else:
            self.children.append(child)
            self.size += child.size


class Forest:
    """Puts finished spans together into trees.

    Example:
        >>> forest = Forest()
        >>> list(forest.add(SpanRecord("t", "call", "function", "chat", 0, 1, "ok", {})))
        []
        >>> [tree.size for tree in forest.add(SpanRecord("t", "function", None, "rate", 0, 2, "ok", {}))]
        [2]
    """

    def __init__(self) -> None:
        self._waiting: dict[str, list[Tree]] = {}
        self._size = 0

    def add(self, one: SpanRecord) -> Iterator[Tree]:
        """Take a span; return the trees that are whole now."""
        inside = self._take(one.span_id)
        if one.kind in HOLDERS:
            yield from inside
            return
        tree = Tree(_short(one))
        for child in sorted(inside, key=lambda child: child.span.start_ns):
            tree.adopt(child)
        if one.parent_id is None:
            yield tree
        else:
            yield from self._wait(one.parent_id, tree)

    def rest(self) -> Iterator[Tree]:
        """Return the trees whose parent has not come."""
        for parent in list(self._waiting):
            yield from self._take(parent)

    def _wait(self, parent: str, tree: Tree) -> Iterator[Tree]:
        beside = self._waiting.setdefault(parent, [])
        beside.append(tree)
        self._size += tree.size
        if len(beside) > MAX_TREE:  # whatever is around them would not hold them either
            self._size -= beside[0].size
            yield beside.pop(0)
        while self._size > MAX_WAITING:
            yield from self._take(next(iter(self._waiting)))

    def _take(self, parent: str) -> list[Tree]:
        found = self._waiting.pop(parent, [])
        self._size -= sum(tree.size for tree in found)
        return found


class Sample:
    """Keeps the trees that are worth a look: `size` of those that failed last, of the slowest, and of all.

    Example:
        >>> sample = Sample(size=1)
        >>> for seconds in (1, 3, 2):
        ...     sample.offer(Tree(SpanRecord("t", str(seconds), None, "chat", 0, seconds * 10**9, "ok", {})))
        >>> [(reason, tree.span.seconds) for reason, tree in sample.kept()][0]
        ('slow', 3.0)
    """

    def __init__(self, size: int = 20) -> None:
        self._size = size
        self._order = count()
        self._failed: deque[Tree] = deque(maxlen=size)
        self._slow: list[tuple[int, int, Tree]] = []
        self._drawn: list[tuple[int, int, Tree]] = []

    def offer(self, tree: Tree) -> None:
        """Keep a tree, if there are reasons to."""
        number = next(self._order)
        if tree.failed:
            self._failed.append(tree)
        self._push(self._slow, (tree.span.end_ns - tree.span.start_ns, number, tree))
        # Which ones are drawn depends on nothing but their names, so that a replay draws the same.
        self._push(self._drawn, (zlib.crc32(tree.span.span_id.encode()), number, tree))

    def kept(self) -> Iterator[tuple[str, Tree]]:
        """Return the trees with the reason why each is kept, in the order in which they began; none of them twice."""
        seen: set[int] = set()
        for reason, trees in (("failed", self._failed), ("slow", _trees(self._slow)), ("sample", _trees(self._drawn))):
            for tree in sorted(trees, key=lambda tree: tree.span.start_ns):
                if id(tree) not in seen:
                    seen.add(id(tree))
                    yield reason, tree

    def _push(self, heap: list[tuple[int, int, Tree]], entry: tuple[int, int, Tree]) -> None:
        if len(heap) < self._size:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)


def _trees(heap: list[tuple[int, int, Tree]]) -> list[Tree]:
    return [tree for _, _, tree in heap]


def _short(one: SpanRecord) -> SpanRecord:
    attributes = {name: _short_value(value, MAX_DEPTH) for name, value in one.attributes.items()}
    error = None if one.error is None else {name: clipped(str(text), MAX_TEXT) for name, text in one.error.items()}
    return SpanRecord(one.trace_id, one.span_id, one.parent_id, one.name, one.start_ns, one.end_ns, one.status, attributes, error)


def _short_value(value: JSON, depth: int) -> JSON:
    if isinstance(value, str):
        return clipped(value, MAX_TEXT)
    if not isinstance(value, (list, dict)):
        return value
    if depth == 0:
        return "…"
    left_out = len(value) - MAX_PARTS
    if isinstance(value, list):
        parts = [_short_value(part, depth - 1) for part in value[:MAX_PARTS]]
        return [*parts, f"… ({left_out} more)"] if left_out > 0 else parts
    named = {name: _short_value(part, depth - 1) for name, part in list(value.items())[:MAX_PARTS]}
    return {**named, "…": f"({left_out} more)"} if left_out > 0 else named
