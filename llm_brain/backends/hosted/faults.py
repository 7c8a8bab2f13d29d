"""What went wrong at a server, in our own words: statuses and error bodies become `BackendError`.

The status, or the code in an error body that came with status 200, gives the kind of fault, and whether the same request may
succeed later.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from llm_brain.attempts import FaultKind
from llm_brain.backends.hosted.events import read_json
from llm_brain.errors import BackendError
from llm_brain.tracing.redaction import redact

if TYPE_CHECKING:
    from llm_brain.backends.hosted.http import Answer

LONGEST_QUOTE: Final = 400
_READ: Final = 16_384
_LONGEST_CODE: Final = 100
_QUOTA_WORDS: Final = ("insufficient_quota", "billing", "quota_exceeded")
_TOO_LONG: Final = re.compile(
    r"context_length|exceed_context_size|maximum (context|prompt)|context (length|window|size|limit)|prompt is too long"
    r"|too many tokens|maximum number of tokens|`inputs` (tokens|must have)"
)
# Its codes have five digits, and come with status 400 whatever they are.
_FASTCHAT: Final[Mapping[str, int]] = {
    "40101": 401,
    "40102": 401,
    "40103": 403,
    "40301": 404,
    "40302": 400,
    "40303": 400,
    "42901": 429,
    "42902": 402,
    "42903": 503,
    **{str(code): 500 for code in range(50001, 50007)},
}
_BY_WORD: Final[Mapping[str, int]] = {
    "authentication_error": 401,
    "content_filter": 400,
    "content_policy_violation": 400,
    "context_length_exceeded": 400,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "invalid_request_error": 400,
    "model_not_found": 404,
    "not_found_error": 404,
    "permission_denied": 403,
    "permission_error": 403,
    "quota_exceeded": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
}
_QUOTA_TOLD: Final = re.compile(r"insufficient_quota|exceeded your current quota")
_FILTERED: Final = re.compile(r"blocked by (the )?content filter")
_BY_STATUS: Final[Mapping[int, FaultKind]] = {
    401: "auth",
    402: "quota",
    403: "auth",
    404: "not_found",
    408: "server",
    409: "server",
    429: "rate_limit",
}


def with_source(fault: BackendError, answer: Answer) -> BackendError:
    """Keep with a fault what it was read out of, and return the same one.

    Example:
        >>> from llm_brain.backends.hosted.http import Answer
        >>> fault = with_source(BackendError("no reply in it", kind="protocol"), Answer(200, b"<html>", {}))
        >>> fault.status, fault.raw
        (200, '<html>')
    """
    fault.status = fault.status or answer.status
    if fault.retryable and fault.retry_after is None and fault.kind in ("rate_limit", "server"):
        fault.retry_after = retry_after(answer.headers)  # a 429 may come in a body, under status 200
    if fault.raw is None and answer.content:
        # Redacted before it is cut, so that no key is cut in two and its head kept.
        fault.raw = redact(answer.content[: 2 * _READ].decode("utf-8", "replace"))[:_READ]
    return fault


def status_fault(answer: Answer, *, model: str, base_url: str) -> BackendError:
    """Say what an answer means that is no success.

    Example:
        >>> from llm_brain.backends.hosted.http import Answer
        >>> status_fault(Answer(429, b"slow down", {"retry-after": "2"}), model="m", base_url="http://127.0.0.1/v1").retry_after
        2.0
    """
    return _fault(answer.status, _words_of(answer.content), retry_after(answer.headers), model=model, base_url=base_url)


def _fault(status: int, words: _Words, wait: float | None, *, model: str, base_url: str) -> BackendError:
    told, code, kind_of = words
    codes = f"{code} {kind_of}"
    answered = f"{base_url} answered {status} for the model {model!r}: {told}"
    if 300 <= status < 400:  # noqa: PLR2004
        message = f"{base_url} answered with a redirect ({status}), which is not followed: set the base URL to where it leads"
        return BackendError(message, kind="protocol", status=status)
    if status < 300 or status >= 600:  # noqa: PLR2004
        message = f"{base_url} answered with status {status}, which is none of a reply"
        return BackendError(message, kind="protocol", retryable=True, status=status, perhaps_billed=True)
    if status == 429 and (any(word in codes for word in _QUOTA_WORDS) or _QUOTA_TOLD.search(told.casefold())):  # noqa: PLR2004
        return BackendError(f"{answered}. The account's quota is spent", kind="quota", code=code or None, status=status)
    if code in ("content_filter", "content_policy_violation") or _FILTERED.search(told.casefold()):
        message = f"{answered}. The prompt did not pass the content filter"
        return BackendError(message, kind="content_filter", code=code, status=status)
    # llama.cpp's server says so with status 501; what it lacks now it will lack at the next attempt, too.
    kind = "bad_request" if kind_of == "not_supported_error" else _kind(_FASTCHAT.get(code, status))
    if kind == "bad_request" and _TOO_LONG.search(f"{codes} {told}".casefold()):
        message = f"{answered}. The prompt is too long for this model: shorten the arguments or the examples"
        return BackendError(message, kind=kind, code="context_length_exceeded", status=status)
    advice = {
        "auth": ". Is the key right, and may it use this model?",
        "not_found": ". Are the model's name and the base URL right?",
    }
    retryable = kind in ("server", "rate_limit")
    message = f"{answered}{advice.get(kind, '')}"
    after = wait if retryable else None
    return BackendError(message, kind=kind, retryable=retryable, code=code or None, status=status, retry_after=after)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read in how many seconds a server wants to be asked again; None where it does not say, or says nothing sensible.

    Its `retry-after` is a number of seconds or a date (RFC 9110, section 10.2.3), `retry-after-ms` a number of milliseconds.

    Example:
        >>> retry_after({"retry-after": "1.5"}), retry_after({"retry-after-ms": "250"}), retry_after({"retry-after": "soon"})
        (1.5, 0.25, None)
        >>> retry_after({"date": "Sat, 21 Nov 2026 10:00:00 GMT", "retry-after": "Sat, 21 Nov 2026 10:00:30 GMT"})
        30.0
    """
    for name, scale in (("retry-after-ms", 1000), ("retry-after", 1)):
        said = headers.get(name)
        if said is None:
            continue
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*", said, re.ASCII):
            seconds = float(said) / scale
        else:
            moment = _date(said)
            # By the server's own clock, where it shows it: ours may be wrong.
            seconds = math.nan if moment is None else moment - (_date(headers.get("date", "")) or time.time())
        if 0 <= seconds < math.inf:
            return seconds
    return None


def fault_in_body(error: Any, *, model: str, base_url: str) -> BackendError:
    """Say what an error body means that came as if it were a reply, with status 200.

    Example:
        >>> body = {"message": "slow down", "code": 429}
        >>> fault_in_body(body, model="m", base_url="http://127.0.0.1/v1").kind
        'rate_limit'
    """
    said = [error.get(name) for name in ("code", "status", "type")] if isinstance(error, dict) else [error]
    status = next((found for word in said if isinstance(word, (str, int)) and (found := _status_of(str(word)[:100]))), 500)
    return _fault(status, _words_in(error), None, model=model, base_url=base_url)


def error_in(body: Mapping[str, Any]) -> Any:
    """Find the error that an answer's or an event's body tells of; None where it tells of none.

    Example:
        >>> error_in({"error": {"message": "slow down"}}), error_in({"choices": []})
        ({'message': 'slow down'}, None)
        >>> error_in({"text": "out of memory", "error_code": 50002})
        {'message': 'out of memory', 'code': 50002}
    """
    if body.get("error"):
        return body["error"]
    if body.get("object") == "error":  # older vLLM, FastChat
        return body
    if body.get("error_code"):  # FastChat, in a stream
        return {"message": body.get("text"), "code": body["error_code"]}
    return None


def _status_of(word: str) -> int:
    """Tell the status that a word of an error body stands for; 0 where it stands for none."""
    if word in _FASTCHAT or word in _BY_WORD:
        return _FASTCHAT.get(word) or _BY_WORD[word]
    return int(word) if re.fullmatch("[45][0-9][0-9]", word) else 0


def complaint(content: bytes) -> str:
    """Take out of an error body what it complains of, and not what it quotes of the request: that may name anything.

    Example:
        >>> complaint(b'{"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "No extras", "input": "top_p"}]}')
        'extra_forbidden body seed No extras'
    """
    body = read_json(content)
    error = body.get("error", body) if isinstance(body, dict) else None
    told = next((error[name] for name in ("message", "detail") if error.get(name)), None) if isinstance(error, dict) else error
    if isinstance(told, str):
        return told
    if not isinstance(told, list):
        return content.decode("utf-8", "replace")
    found = [one.get(name) for one in told if isinstance(one, dict) for name in ("type", "loc", "msg")]  # FastAPI's
    parts = [part for one in found for part in (one if isinstance(one, list) else [one])]
    return " ".join(part for part in parts if isinstance(part, str))


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


_Words = tuple[str, str, str]
"""What an error says, its code and its type."""


def _words_of(content: bytes) -> _Words:
    """Take the words out of an error body; or quote it, where it is none."""
    try:
        body: Any = json.loads(content)
    except (ValueError, RecursionError):
        return clipped(content), "", ""
    body = body[0] if isinstance(body, list) and body else body
    if not isinstance(body, dict):
        return clipped(content), "", ""
    # vLLM and FastChat put what others call the error at the top.
    return _words_in(body.get("error", body))


def _words_in(error: Any) -> _Words:
    if not isinstance(error, dict):
        return _quoted(error), "", ""
    code, kind, message = (error.get(name) for name in ("code", "type", "message"))
    told = _quoted(error if message is None else message)
    code, kind = (clipped(str(word))[:_LONGEST_CODE] if isinstance(word, (str, int)) and word else "" for word in (code, kind))
    return f"{told} (code {code})" if code else told, code, kind


def _quoted(value: Any) -> str:
    try:
        return clipped(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError):
        return "what cannot be shown"


def _date(said: str) -> float | None:
    try:
        return parsedate_to_datetime(said).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
