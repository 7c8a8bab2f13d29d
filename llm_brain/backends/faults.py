"""What went wrong at a server, in our own words: statuses and error bodies become `BackendError`.

The status, or the code in an error body that came with status 200, gives the kind of fault, and whether the same request may
succeed later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from llm_brain.attempts import FaultKind
from llm_brain.errors import BackendError
from llm_brain.tracing.redaction import redact

LONGEST_QUOTE: Final = 400
_READ: Final = 16_384
_QUOTA_WORDS: Final = ("insufficient_quota", "billing", "quota_exceeded")
_BY_STATUS: Final[Mapping[int, FaultKind]] = {
    401: "auth",
    402: "quota",
    403: "auth",
    404: "not_found",
    408: "server",
    409: "server",
    429: "rate_limit",
}


def status_fault(status: int, content: bytes, *, model: str, base_url: str) -> BackendError:
    """Say what an answer means that is no success.

    Example:
        >>> status_fault(429, b"slow down", model="m", base_url="http://127.0.0.1/v1").kind
        'rate_limit'
    """
    told, codes = _provider_words(content)
    answered = f"{base_url} answered {status} for the model {model!r}: {told}"
    if 300 <= status < 400:  # noqa: PLR2004
        message = f"{base_url} answered with a redirect ({status}), which is not followed: set the base URL to where it leads"
        return BackendError(message, kind="protocol")
    if status == 429 and any(word in codes for word in _QUOTA_WORDS):  # noqa: PLR2004
        return BackendError(f"{answered}. The account's quota is spent", kind="quota")
    kind = _kind(status)
    advice = {
        "auth": ". Is the key right, and may it use this model?",
        "not_found": ". Are the model's name and the base URL right?",
    }
    return BackendError(f"{answered}{advice.get(kind, '')}", kind=kind, retryable=kind in ("server", "rate_limit"))


def fault_in_body(error: Any, *, model: str, base_url: str) -> BackendError:
    """Say what an error body means that came as if it were a reply, with status 200.

    Example:
        >>> body = {"message": "slow down", "code": 429}
        >>> fault_in_body(body, model="m", base_url="http://127.0.0.1/v1").kind
        'rate_limit'
    """
    code = str(error.get("code") or error.get("status")) if isinstance(error, dict) else ""
    status = int(code) if re.fullmatch("[45][0-9][0-9]", code) else 500
    return status_fault(status, json.dumps({"error": error}).encode(), model=model, base_url=base_url)


def clipped(text: str | bytes) -> str:
    r"""Quote the beginning of a text on one line; of an HTML page, only that it is one.

    Example:
        >>> clipped("two\nlines")
        'two lines'
        >>> clipped(b"<!DOCTYPE html><html>...")
        'a page of HTML (24 bytes)'
        >>> clipped("")
        'nothing'
    """
    size = len(text)
    start = text[:_READ]
    # Redacted before it is cut, so that no key is cut in two and its head kept.
    shown = " ".join(redact(start.decode("utf-8", "replace") if isinstance(start, bytes) else start).split())
    if shown[:14].casefold().startswith(("<!doctype html", "<html")):
        return f"a page of HTML ({size} bytes)"
    return (shown if len(shown) <= LONGEST_QUOTE else f"{shown[:LONGEST_QUOTE]}...") or "nothing"


def causes(error: BaseException) -> list[BaseException]:
    """List an exception and what it came from, the innermost last.

    Example:
        >>> [type(cause).__name__ for cause in causes(OSError("no route"))]
        ['OSError']
    """
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and len(found) < 8:  # noqa: PLR2004 - some libraries tie exceptions into a ring
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found


def innermost(error: BaseException) -> str:
    """Quote the innermost cause, which says more than a client's own words ("Connection error.").

    Example:
        >>> innermost(OSError("no route"))
        'OSError: no route'
    """
    last = causes(error)[-1]
    return clipped(f"{type(last).__name__}: {last}" if str(last) else type(last).__name__)


def _kind(status: int) -> FaultKind:
    return _BY_STATUS.get(status) or ("server" if status >= 500 else "bad_request")  # noqa: PLR2004


def _provider_words(content: bytes) -> tuple[str, str]:
    """Take the message, and the codes, out of an error body; or quote it, where it is none."""
    try:
        error = json.loads(content)["error"]
        if isinstance(error, str):
            return clipped(error), ""
        codes = f"{error.get('code')} {error.get('type')}"
        return clipped(f"{error['message']} (code {error['code']})" if error.get("code") else str(error["message"])), codes
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return clipped(content), ""
