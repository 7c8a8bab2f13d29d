"""Good replies that are odd: wrapped in some way, of unknown cost, cut by the limit, or given by another model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_brain.backends import Reply
from llm_brain.backends.layers.traced import TracedBackend
from llm_brain.tracing import record
from llm_brain.tracing.reader import read_spans
from tests.backends.faults.playing import HEARD, HELLO, USAGE, ask, model_of
from tests.backends.faults.promises import check_always
from tests.servers import acts
from tests.servers.dialects import DIALECTS, OPENAI, Dialect
from tests.servers.faulty import Act, FaultyServer

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
modes = pytest.mark.parametrize("mode", ["json", "streamed"])
READ: dict[str, Callable[[Dialect], Act]] = {
    "plain": lambda dialect: dialect.says(),
    "byte-order-mark": lambda dialect: dialect.either(
        acts.answers(b"\xef\xbb\xbf" + json.dumps(dialect.body()).encode()), dialect.says()
    ),
    "as-text": lambda dialect: dialect.either(acts.answers(dialect.body(), content_type="text/plain"), dialect.says()),
    "gzip": lambda dialect: dialect.either(acts.packed(dialect.body()), dialect.says()),
    "deflate": lambda dialect: dialect.either(acts.packed(dialect.body(), "deflate"), dialect.says()),
    "hints": lambda dialect: acts.after_hints(dialect.says()),
    "error-null": lambda dialect: dialect.says(error=None),
    "extra-fields": lambda dialect: dialect.says(extra={"deep": [[[1]]]}, nan=float("nan")),
    "no-stream": lambda dialect: acts.answers(dialect.body()),
    "no-length": lambda dialect: dialect.either(
        acts.sends(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + json.dumps(dialect.body()).encode()),
        dialect.says(),
    ),
}


@dialects
@modes
@pytest.mark.parametrize("name", READ)
def test_a_good_reply_is_read_however_it_is_wrapped(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, mode: Any, name: str
) -> None:
    outcome = ask(server.stage(READ[name](dialect)), dialect, mode, tmp_path)
    check_always(outcome)
    reply = outcome.answer
    assert (reply.text, reply.finish_reason, reply.failed, len(outcome.requests)) == ("Hello!", "stop", (), 1)
    assert reply.usage == USAGE
    assert outcome.is_cached


JUNK: list[Any] = [
    ...,
    None,
    {},
    [],
    "12",
    7,
    {"prompt_tokens": -1, "completion_tokens": 3, "input_tokens": -1, "output_tokens": 3},
]
JUNK += [{name: float("nan") for name in ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")}]
JUNK += [dict.fromkeys(("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"), True)]
JUNK += [dict.fromkeys(("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"), "12")]


@dialects
@modes
@pytest.mark.parametrize("usage", JUNK, ids=lambda usage: "missing" if usage is ... else json.dumps(usage))
def test_usage_that_is_missing_or_junk_is_unknown_and_never_zero(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, mode: Any, usage: Any
) -> None:
    outcome = ask(server.stage(dialect.says(usage=usage)), dialect, mode, tmp_path)
    check_always(outcome)
    assert (outcome.answer.text, outcome.answer.usage) == ("Hello!", None)
    (span,) = outcome.spans
    assert not [name for name in span["attributes"] if "usage" in name or "cost" in name]


@dialects
@modes
def test_a_reply_that_the_limit_cut_says_so_in_its_span(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, mode: Any
) -> None:
    outcome = ask(server.stage(dialect.says("Once upon", end="length")), dialect, mode, tmp_path)
    check_always(outcome)
    (span,) = outcome.spans
    assert span["attributes"]["gen_ai.response.finish_reasons"] == ["length"]
    assert (outcome.answer.text, outcome.answer.finish_reason) == ("Once upon", "length")


@dialects
@modes
def test_another_model_than_asked_for_is_named_in_the_span_and_warned_of_once_a_run(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, mode: Any
) -> None:
    stage = server.stage(dialect.says(model="other-model"))
    for run in range(2):
        logged = len(HEARD.records)
        with record(tmp_path / str(run)):
            for _ in range(3):
                backend = TracedBackend(model_of(dialect, stage.url))
                reply = backend.chat_completion(HELLO) if mode == "json" else list(backend.stream(HELLO))[-1]
                assert isinstance(reply, Reply)
                assert (reply.text, reply.model) == ("Hello!", "other-model")
        for span in read_spans(tmp_path / str(run)):
            assert span.attributes["gen_ai.request.model"] == "m-1"
            assert span.attributes["gen_ai.response.model"] == "other-model"
        assert len([told for told in HEARD.records[logged:] if "other-model" in told]) == 1


@pytest.mark.parametrize(
    ("served", "warned"), [("m-1-2026-01-31", 0), ("m-1-20260131", 0), ("m-1:latest", 0), ("m-1-mini", 1), ("m-12", 1), ("m", 1)]
)
def test_a_later_version_is_no_other_model_and_a_smaller_one_is(server: FaultyServer, served: str, warned: int) -> None:
    logged = len(HEARD.records)
    model = model_of(OPENAI, server.stage(OPENAI.says(model=served)).url)
    assert [model.chat_completion(HELLO).model for _ in range(2)] == [served] * 2
    assert len([told for told in HEARD.records[logged:] if repr(served) in told]) == warned
