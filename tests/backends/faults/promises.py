"""What holds for every call, whatever the fault is: the section "Always" of the contract."""

from __future__ import annotations

import math
import traceback
from collections.abc import Sequence
from typing import Final, get_args

from llm_brain.attempts import Attempt, FaultKind
from llm_brain.errors import BackendError
from llm_brain.tracing import names
from tests.backends.faults.playing import KEY, RETRIES, Outcome
from tests.servers.dialects import MODEL

SOON: Final = 1.0
"""How long a call may take beyond its deadline, in seconds."""


def check_always(outcome: Outcome) -> None:
    """Check what holds for every call (the section "Always" of the contract)."""
    assert outcome.seconds <= outcome.deadline + SOON
    assert len(outcome.requests) <= 1 + RETRIES
    if outcome.error is None:
        assert not outcome.pieces or "".join(outcome.pieces) == outcome.answer.text
        tried = outcome.answer.failed
        assert len(tried) + 1 == len(outcome.requests)
    else:
        check_raised(outcome.fault)
        tried = outcome.fault.attempts
        assert len(tried) == max(1, len(outcome.requests))
        assert not outcome.is_cached
    check_attempts(tried, within=outcome.seconds)
    check_span(outcome, tried)
    check_key(outcome)


def check_raised(error: BackendError) -> None:
    """Check that it is one exception of ours, with nothing of a library's clinging to it."""
    assert type(error).__module__ == "llm_brain.errors"
    assert error.__cause__ is None
    assert error.__context__ is None
    assert error.kind in get_args(FaultKind)
    assert isinstance(error.retryable, bool)
    assert error.raw is None or isinstance(error.raw, str)
    assert len(str(error)) < 1500
    assert error.attempts
    told = [attempt.usage for attempt in error.attempts if attempt.usage is not None]
    assert error.usage == (sum(told[1:], start=told[0]) if told else None)
    assert error.attempts[-1].kind == error.kind


def check_attempts(attempts: Sequence[Attempt], *, within: float) -> None:
    for attempt in attempts:
        assert attempt.error
        assert attempt.kind in get_args(FaultKind)
        assert math.isfinite(attempt.duration)
        assert attempt.duration >= 0
        assert attempt.status is None or isinstance(attempt.status, int)
    assert sum(attempt.duration for attempt in attempts) <= within + 0.1


def check_span(outcome: Outcome, tried: Sequence[Attempt]) -> None:
    """Check that the call is one span, which tells every attempt that failed."""
    (span,) = [span for span in outcome.spans if span["name"] == f"chat {MODEL}"]
    assert span["status"] == ("ok" if outcome.error is None else "error")
    told = span["attributes"].get(names.TRIES, [])
    assert [(attempt["kind"], attempt["status"]) for attempt in told] == [(attempt.kind, attempt.status) for attempt in tried]
    assert len(span["attributes"].get(names.TRY_ERRORS, [])) == len(tried)
    if outcome.error is not None:
        assert span["attributes"][names.FAULT] == outcome.fault.kind
    check_attempt_spans(outcome, span["span_id"], tried)


def check_attempt_spans(outcome: Outcome, call: str, tried: Sequence[Attempt]) -> None:
    """Check that each request of a call that needed several is a span inside the call's."""
    spans = [span for span in outcome.spans if span["attributes"].get(names.KIND) == names.ATTEMPT_KIND]
    assert {span["parent_id"] for span in spans} <= {call}
    if len(tried) + (outcome.error is None) == 1:
        assert len(spans) <= 1  # and that only where there was no turn for the next one
        return
    assert [span["attributes"][names.ATTEMPT] for span in spans] == list(range(1, len(spans) + 1))
    assert [span["attributes"].get(names.ERROR_TYPE) for span in spans][: len(tried)] == [attempt.kind for attempt in tried]
    assert [span["attributes"].get(names.HTTP_STATUS) for span in spans][: len(tried)] == [attempt.status for attempt in tried]
    assert [span["status"] for span in spans] == ["error"] * len(tried) + ["ok"] * (outcome.error is None)


def check_key(outcome: Outcome, key: str = KEY) -> None:
    """Check that no key is in anything that stays."""
    assert key.encode() not in outcome.trace + outcome.kept
    assert key not in "".join(outcome.pieces) + repr(outcome.reply)
    if outcome.error is not None:
        error = outcome.error
        assert key not in "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert key not in "".join(outcome.heard)
