"""What went wrong at Anthropic, by the type in its error bodies: they come with a status of their own, or inside a success.

An error body is an object of type "error", whose `error` has a `type`, a `message`, and sometimes an `error_code` in `details`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from llm_brain.backends.hosted.events import read_json
from llm_brain.backends.hosted.faults import status_fault
from llm_brain.backends.hosted.http import Answer
from llm_brain.errors import BackendError

TOO_LONG: Final = "context_length_exceeded"

_STATUS: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_SPENT: Final = re.compile(r"^billing_error$|spend_limit_reached$|billing_unavailable$")
# Both come as invalid requests, and say so in words alone.
_SPENT_WORDS: Final = re.compile(r"credit balance is too low|reached your specified (workspace )?api usage limits")
_TOO_LONG_WORDS: Final = re.compile(r"prompt is too long|exceeds? (the )?context (limit|window)")
_MOST_WORDS: Final = 2000


def anthropic_fault(answer: Answer, *, model: str, base_url: str) -> BackendError:
    """Say what an answer means that is no success.

    Example:
        >>> body = b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'
        >>> fault = anthropic_fault(Answer(529, body, {}), model="m", base_url="http://127.0.0.1")
        >>> fault.kind, fault.retryable, fault.code
        ('server', True, 'overloaded_error')
    """
    fault = status_fault(answer, model=model, base_url=base_url)
    error = _error_in(answer.content)
    codes = [code for code in (_details(error).get("error_code"), error.get("type")) if isinstance(code, str)]
    said = error.get("message")
    words = said[:_MOST_WORDS].casefold() if isinstance(said, str) else ""
    if fault.kind != "server" and (any(map(_SPENT.search, codes)) or _SPENT_WORDS.search(words)):
        message = f"{fault}. The account's credit or limit is spent: nothing more is answered until that is changed"
        return BackendError(message, kind="quota", code=next(iter(codes), None), status=fault.status)
    if "organization_on_hold" in codes:
        return BackendError(str(fault), kind="auth", code="organization_on_hold", status=fault.status)
    if fault.kind == "bad_request" and _TOO_LONG_WORDS.search(words):
        fault.code = TOO_LONG
    fault.code = fault.code or next(iter(codes), None)
    return fault


def fault_in_reply(error: Any, *, model: str, base_url: str) -> BackendError:
    """Say what an error means that came as if it were a reply, or as an event of a stream.

    Example:
        >>> fault_in_reply({"type": "rate_limit_error", "message": "slow down"}, model="m", base_url="http://127.0.0.1").kind
        'rate_limit'
    """
    body = json.dumps({"type": "error", "error": error}).encode()
    return anthropic_fault(Answer(_status_of(error), body, {}), model=model, base_url=base_url)


def _status_of(error: Any) -> int:
    if not isinstance(error, dict):
        return 500
    kind = error.get("type")
    if isinstance(kind, str) and kind in _STATUS:
        return _STATUS[kind]
    # Servers in between put their own status there.
    code = error.get("code") or error.get("status")
    said = str(code)[:4] if isinstance(code, (str, int)) else ""
    return int(said) if re.fullmatch("[45][0-9][0-9]", said) else 500


def _error_in(content: bytes) -> Mapping[str, Any]:
    body = read_json(content)
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _details(error: Mapping[str, Any]) -> Mapping[str, Any]:
    details = error.get("details")
    return details if isinstance(details, dict) else {}
