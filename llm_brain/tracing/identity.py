"""Which span it is: random ids, and how one process, or another tracing library, tells the next one under which span it works.

    trace_id, span_id     32 and 16 hexadecimal digits, never all zeros
    traceparent           00-<trace_id>-<span_id>-01

The last is the W3C's: https://www.w3.org/TR/trace-context/.
"""

from __future__ import annotations

import os
import random
import re
import sys
from dataclasses import dataclass
from typing import Any, Final

_random = random.Random(os.urandom(32))
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


@dataclass(frozen=True, slots=True)
class Place:
    """A span as others name it: the parent of what is done elsewhere.

    Example:
        >>> Place("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331").traceparent
        '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    """

    trace_id: str
    span_id: str

    @property
    def traceparent(self) -> str:
        """It as the W3C writes it."""
        return f"00-{self.trace_id}-{self.span_id}-01"


def new_trace_id() -> str:
    """Draw a trace's id.

    Example:
        >>> len(new_trace_id())
        32
    """
    return f"{_random.getrandbits(128) or 1:032x}"


def new_span_id() -> str:
    """Draw a span's id.

    Example:
        >>> len(new_span_id())
        16
    """
    return f"{_random.getrandbits(64) or 1:016x}"


def read_traceparent(text: str) -> Place | None:
    """Read a `traceparent`; None where it is not one. What a later version of the format adds at its end is left out.

    Example:
        >>> read_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").span_id
        'b7ad6b7169203331'
        >>> read_traceparent("no such thing") is None
        True
    """
    found = _TRACEPARENT.fullmatch(text.strip())
    if found is None or (text.strip().startswith("00") and found[3]):
        return None
    return Place(found[1], found[2])


def opentelemetry_place() -> Place | None:
    """Tell which span of OpenTelemetry's the program is in. It is never imported here: who uses it has done so.

    Example:
        >>> opentelemetry_place() is None
        True
    """
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    try:
        context = trace.get_current_span().get_span_context()
        return Place(f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None
    except Exception:
        return None


def _seed_anew() -> None:
    _random.seed(os.urandom(32))


# A forked child would draw the very ids that its parent draws.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_seed_anew)
