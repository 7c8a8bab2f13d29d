"""The outermost layer: each call is one span with what was asked and answered, and is counted once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llm_brain.backends import CachedBackend, Choice, LanguageBackend, Message, Reply, Request, Sampling, TracedBackend, Usage
from llm_brain.errors import BackendError
from llm_brain.tracing import SpanRecord, names, read_spans, record

HELLO = Request((Message("system", "Be kind."), Message("user", "Hello?")), Sampling(0.5, 0.9, 99, 7), sample=3)


class Model(LanguageBackend):
    model_id = "m-1"
    context_length = 512

    def __init__(self, *, failing: bool = False) -> None:
        self.failing = failing

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        if self.failing:
            raise BackendError("slow down", kind="rate_limit", retryable=True)
        return Reply(f"Hi {request.sample}", "stop", "served", Usage(12, 3))

    def choose_from_options(self, request: Request, options: list[str]) -> Choice:  # type: ignore[override]
        assert isinstance(request, Request)
        return Choice(options[1], (0.25, 0.75), "served")


def spans(folder: Path) -> list[SpanRecord]:
    return list(read_spans(folder))


def test_a_chat_is_a_span_with_its_prompt_its_reply_and_its_numbers(tmp_path: Path) -> None:
    with record(tmp_path):
        TracedBackend(Model()).chat_completion(HELLO)
    (one,) = spans(tmp_path)
    assert (one.name, one.status) == ("chat m-1", "ok")
    assert one.attributes == {
        "llm_brain.kind": "call",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m-1",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.seed": 7,
        "gen_ai.output.type": "text",
        "llm_brain.sample": 3,
        "llm_brain.cached": False,
        "gen_ai.input.messages": [
            {"role": "system", "parts": [{"type": "text", "content": "Be kind."}]},
            {"role": "user", "parts": [{"type": "text", "content": "Hello?"}]},
        ],
        "gen_ai.response.model": "served",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.output.messages": [
            {"role": "assistant", "parts": [{"type": "text", "content": "Hi 3"}], "finish_reason": "stop"}
        ],
    }


def test_a_choice_is_a_span_with_the_options_and_their_probabilities(tmp_path: Path) -> None:
    with record(tmp_path):
        TracedBackend(Model()).choose_from_options(HELLO, ["no", "yes"])
    (one,) = spans(tmp_path)
    assert one.name == "choose m-1"
    assert one.attributes[names.OPTIONS] == ["no", "yes"]
    assert one.attributes[names.PROBABILITIES] == [0.25, 0.75]
    assert "yes" in str(one.attributes[names.OUTPUT_MESSAGES])
    assert names.INPUT_TOKENS not in one.attributes


def test_without_contents_no_word_of_prompt_options_or_reply_is_written(tmp_path: Path) -> None:
    with record(tmp_path, capture_content=False):
        model = TracedBackend(Model())
        model.chat_completion(HELLO)
        model.choose_from_options(HELLO, ["probably", "certainly"])
    written = b"".join(file.read_bytes() for file in (tmp_path / "spans").iterdir())
    assert all(word not in written for word in (b"Hello?", b"Be kind", b"Hi 3", b"certainly"))


def test_a_failure_is_a_span_with_its_kind(tmp_path: Path) -> None:
    model = TracedBackend(Model(failing=True))
    with record(tmp_path), pytest.raises(BackendError, match="slow down"):
        model.chat_completion(HELLO)
    (one,) = spans(tmp_path)
    assert one.status == "error"
    assert one.attributes[names.FAULT] == "rate_limit"
    assert (model.calls, model.cached_calls) == (1, 0)


def test_cached_answers_are_marked_and_counted_apart(tmp_path: Path) -> None:
    seen: list[bool] = []
    inner = CachedBackend(Model(), tmp_path / "answers.sqlite")
    model = TracedBackend(inner, on_call=seen.append)
    with record(tmp_path):
        for _ in range(3):
            model.chat_completion(HELLO)
    inner.close()
    assert (model.calls, model.cached_calls) == (1, 2)
    assert seen == [False, True, True]
    assert [one.attributes[names.CACHED] for one in spans(tmp_path)] == [False, True, True]


def test_calls_from_many_threads_are_all_counted() -> None:
    seen: list[bool] = []
    model = TracedBackend(Model(), on_call=seen.append)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(model.chat_completion, [HELLO] * 500))
    assert (model.calls, len(seen)) == (500, 500)


def test_everything_else_is_the_inner_backends_own() -> None:
    model = TracedBackend(Model())
    assert (model.model_id, model.context_length, model.choice_form, model.enforces_schema) == ("m-1", 512, "chat", False)
    assert model.count_tokens("four") == 4
