"""What a server's words mean: which fault it is, how much of them is kept, and what of them is only a quotation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_brain.backends.anthropic.body import newly_refused as refused_by_anthropic
from llm_brain.backends.hosted.faults import complaint, fault_in_body, status_fault, with_source
from llm_brain.backends.hosted.http import Answer
from llm_brain.backends.openai.body import newly_refused
from llm_brain.errors import BackendError

HERE = {"model": "m", "base_url": "http://127.0.0.1/v1"}


def fault(status: int, body: object) -> BackendError:
    return status_fault(Answer(status, json.dumps(body).encode(), {}), **HERE)


@pytest.mark.parametrize("place", ["code", "type", "message", "status"])
def test_an_error_that_is_as_deep_as_json_may_be_is_told_all_the_same(place: str) -> None:
    for depth in range(850, 1000, 3):
        deep: Any = []
        for _ in range(depth):
            deep = [deep]
        told = fault_in_body({place: deep}, **HERE)
        assert (told.kind, told.retryable) == ("server", True)
        assert len(str(told)) < 1000


def test_a_long_code_is_cut() -> None:
    told = fault(400, {"error": {"code": "x" * 100_000, "type": "y" * 100_000, "message": "z" * 100_000}})
    assert len(str(told)) < 1000
    assert len(told.code or "") <= 100


@pytest.mark.parametrize(
    "error",
    ["insufficient_quota", {"message": "You exceeded your current quota, please check your plan and billing details."}],
)
def test_a_spent_quota_is_told_in_whatever_words(error: object) -> None:
    told = fault(429, {"error": error})
    assert (told.kind, told.retryable) == ("quota", False)


def test_a_wish_to_wait_counts_where_the_status_is_in_the_body() -> None:
    told = fault_in_body({"code": 429, "message": "slow down"}, **HERE)
    assert told.retry_after is None
    assert with_source(told, Answer(200, b"{}", {"retry-after": "5"})).retry_after == 5.0


SENT = {
    "temperature": 0.0,
    "messages": [{"role": "user", "content": "top_p and seed and temperature"}],
    "top_p": 0.5,
    "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
}


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"type": "value_error", "loc": ["body", "messages"], "msg": "unexpected role", "input": SENT}]},
        {"error": {"message": "Please check your grammar: the schema of messages is wrong", "code": 400}},
        {"error": {"message": "unsupported role", "input": SENT}},
        {"message": "unknown role", "body": SENT},
    ],
)
def test_what_a_refusal_quotes_of_the_request_is_no_part_that_it_refuses(body: object) -> None:
    content = json.dumps(body).encode()
    assert newly_refused(422, content, sent=SENT, refused=set()) == frozenset()
    assert refused_by_anthropic(400, content, sent=SENT, refused=set()) == frozenset()


@pytest.mark.parametrize("content", [b"", b"[]", b"not JSON", b'{"error": 3}', b'{"detail": [[], 3, {"loc": 4}]}', b"[" * 5000])
def test_whatever_the_body_is_the_complaint_is_a_text(content: bytes) -> None:
    assert isinstance(complaint(content), str)
