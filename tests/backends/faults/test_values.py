"""Typed functions over a server whose replies are odd: a value that is right, one more question, or a typed error."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from llm_brain import llm_function
from llm_brain.errors import BackendError, ReplyError
from llm_brain.strategy import ModelImplementation
from llm_brain.tracing import names, record
from tests.backends.faults.functions import (
    ATTEMPTS,
    GOOD,
    LAMPS,
    count,
    department,
    implementing,
    rate,
    read_order,
    spans_of,
    summarize,
)
from tests.servers import acts
from tests.servers.dialects import DIALECTS, OPENAI, Dialect
from tests.servers.faulty import Act, FaultyServer

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
NOT_FITTING: dict[str, tuple[Any, str]] = {
    "no-json": (read_order, "I am afraid I do not know."),
    "empty-object": (read_order, "{}"),
    "list": (read_order, "[]"),
    "null": (read_order, "null"),
    "missing-field": (read_order, '{"item": "lamp"}'),
    "wrong-type": (read_order, '{"item": "lamp", "amount": "many", "price": 9.5}'),
    "wrong-shape": (read_order, '[["item", "lamp"]]'),
    "nan": (rate, '{"return_value": NaN}'),
    "nan-in-quotes": (rate, '{"return_value": "NaN"}'),
    "infinity": (rate, '{"return_value": Infinity}'),
    "minus-infinity": (rate, '{"return_value": -Infinity}'),
    "overflow": (rate, '{"return_value": 1e999}'),
    "nan-inside": (read_order, '{"item": "lamp", "amount": 2, "price": NaN}'),
    "long-integer": (count, '{"return_value": ' + "9" * 5000 + "}"),
    "long-integer-in-quotes": (count, '{"return_value": "' + "9" * 5000 + '"}'),
    "long-integer-for-a-float": (rate, '{"return_value": ' + "9" * 5000 + "}"),
    "deep-list": (read_order, "[" * 100_000),
    "deep-object": (read_order, '{"a":' * 100_000),
    "deep-and-closed": (read_order, '{"return_value": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "none-of-the-options": (department, "the kitchen"),
    "several-options": (department, "delivery or billing"),
}


@dialects
@pytest.mark.parametrize("name", NOT_FITTING)
def test_what_does_not_fit_is_asked_for_again_and_then_told(server: FaultyServer, dialect: Dialect, name: str) -> None:
    function, text = NOT_FITTING[name]
    stage = server.stage(dialect.says(text))
    with pytest.raises(ReplyError) as caught:
        function(implementing(dialect, stage), "two lamps")
    error = caught.value
    assert (error.kind, len(error.attempts), len(stage.requests)) == ("validation", ATTEMPTS, ATTEMPTS)
    assert error.raw == text
    assert error.usage is not None
    assert error.usage.output_tokens == 3 * ATTEMPTS
    assert len(str(error)) < 3000
    # The model is told what was wrong.
    told = stage.requests[1].body["messages"]
    assert told[-2] == {"role": "assistant", "content": text}
    assert len(told[-1]["content"]) < 3000
    invalid = json.dumps(error.invalid, default=repr) if name.startswith(("wrong", "missing")) else ""
    assert ("lamp" in invalid) == bool(invalid)


@dialects
@pytest.mark.parametrize("name", [name for name in NOT_FITTING if NOT_FITTING[name][0] is read_order])
def test_a_second_reply_that_fits_is_the_answer(server: FaultyServer, dialect: Dialect, name: str) -> None:
    stage = server.stage(dialect.says(NOT_FITTING[name][1]), dialect.says(GOOD))
    details = read_order.using(implementing(dialect, stage)).with_details("two lamps")
    assert (details.value, details.attempts, len(stage.requests)) == (LAMPS, 2, 2)


def test_no_number_that_is_none_reaches_a_loss(server: FaultyServer) -> None:
    for text in ("NaN", "Infinity", "-Infinity", "1e400", '"nan"', '"inf"'):
        stage = server.stage(OPENAI.says(f'{{"return_value": {text}}}'), OPENAI.says('{"return_value": 0.5}'))
        value = rate(implementing(OPENAI, stage), "fine")
        assert math.isfinite(value)
        assert (value, len(stage.requests)) == (0.5, 2)


REPAIRED = {
    "fenced": f"```json\n{GOOD}\n```",
    "fenced-without-name": f"```\n{GOOD}\n```",
    "prose": f"Sure! Here is the order:\n\n{GOOD}\n\nIs there anything else?",
    "trailing-comma": GOOD.replace("9.5}", "9.5,}"),
    "comments": GOOD.replace('"amount"', '/* how many */ "amount"').replace("9.5}", "9.5} // done"),
    "single-quotes": GOOD.replace('"', "'"),
    "cut-end": GOOD[:-1],
    "thinking": f"<think>Two lamps, I think: {{}} or [1]?</think>\n{GOOD}",
    "numbers-as-strings": GOOD.replace("2", '"2"').replace("9.5", '"9.5"'),
    "unquoted-names": GOOD.replace('"item"', "item").replace('"amount"', "amount"),
    "wrapped": f'{{"return_value": {GOOD}}}',
}


@dialects
@pytest.mark.parametrize("name", REPAIRED)
def test_what_is_meant_is_read_and_recorded_as_repaired(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, name: str
) -> None:
    stage = server.stage(dialect.says(REPAIRED[name]))
    with record(tmp_path):
        details = read_order.using(implementing(dialect, stage)).with_details("two lamps")
    assert (details.value, details.attempts, len(stage.requests)) == (LAMPS, 1, 1)
    call = next(span for span in spans_of(tmp_path) if names.FUNCTION in span["attributes"])
    assert details.repaired
    assert call["attributes"][names.REPAIRED] is True


def test_what_is_as_it_should_be_is_not_repaired(server: FaultyServer) -> None:
    details = read_order.using(implementing(OPENAI, server.stage(OPENAI.says(GOOD)))).with_details("two lamps")
    assert (details.value, details.repaired) == (LAMPS, False)


@dialects
def test_a_value_that_the_limit_cut_off_is_told(server: FaultyServer, tmp_path: Path, dialect: Dialect) -> None:
    stage = server.stage(dialect.says(GOOD[:30], end="length"))
    with record(tmp_path), pytest.raises(BackendError) as caught:
        read_order(implementing(dialect, stage), "two lamps")
    assert (caught.value.kind, caught.value.raw) == ("length", GOOD[:30])
    assert caught.value.usage is not None
    (chat,) = [span for span in spans_of(tmp_path) if span["name"].startswith("chat")]
    assert chat["attributes"][names.RESPONSE_FINISH_REASONS] == ["length"]
    assert len(stage.requests) == 1


@dialects
def test_a_value_that_was_whole_when_the_limit_came_is_a_value(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(dialect.says(GOOD, end="length"))
    assert read_order(implementing(dialect, stage), "two lamps") == LAMPS


@dialects
def test_a_text_that_the_limit_cut_off_is_a_value_only_where_that_is_allowed(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(dialect.says("Once upon a", end="length"))
    with pytest.raises(BackendError) as caught:
        summarize(implementing(dialect, stage), "a story")
    assert (caught.value.kind, caught.value.raw) == ("length", "Once upon a")
    assert summarize(implementing(dialect, stage, accept_cut_text=True), "a story") == "Once upon a"


@dialects
def test_faults_between_replies_count_their_tokens_too(server: FaultyServer, dialect: Dialect) -> None:
    stage = server.stage(dialect.says("nonsense"), dialect.says(""), dialect.says("nonsense"), dialect.fails(401))
    with pytest.raises(BackendError) as caught:
        read_order(implementing(dialect, stage), "two lamps")
    error = caught.value
    assert (error.kind, len(stage.requests)) == ("auth", 4)
    assert [attempt.kind for attempt in error.attempts] == ["validation", "validation", "auth"] or len(error.attempts) == 4
    assert error.usage is not None
    assert (error.usage.input_tokens, error.usage.output_tokens) == (36, 9)


def in_a_tool(text: str) -> Act:
    block = {"type": "tool_use", "id": "t1", "name": "reply", "input": json.loads(text)}
    whole = {"id": "m", "type": "message", "role": "assistant", "model": "m-1", "content": [block], "stop_reason": "tool_use"}
    return acts.answers({**whole, "usage": {"input_tokens": 12, "output_tokens": 3}})


def test_each_dialect_has_a_way_to_enforce_a_schema(server: FaultyServer) -> None:
    from llm_brain.backends.anthropic.backend import AnthropicBackend

    stage = server.stage(in_a_tool(GOOD))
    model = AnthropicBackend("m-1", base_url=stage.url, timeout=10.0)
    assert read_order(ModelImplementation(model), "two lamps") == LAMPS
    assert stage.requests[0].body["tool_choice"]["type"] == "tool"


@dialects
def test_items_of_a_broken_stream_are_given_once_and_then_it_is_told(server: FaultyServer, dialect: Dialect) -> None:
    @llm_function
    def words(model: Any, message: str) -> list[str]:
        """List the words of the message."""
        raise NotImplementedError

    events = dialect.events('{"return_value": ["one", "tw', end=None, closed=False)
    events = events if dialect is OPENAI else events[:-1]
    stage = server.stage(acts.streams(*events, then="close"))
    given: list[list[str]] = []
    with pytest.raises(BackendError) as caught:
        given.extend(words.using(implementing(dialect, stage, timeout=1.0)).stream("one two"))
    assert caught.value.kind == "incomplete"
    assert given
    assert all(value[:1] in ([], ["one"]) and len(value) <= 2 for value in given)


@dialects
@pytest.mark.parametrize("name", ["missing-field", "none-of-the-options"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_replies_that_do_not_fit_and_are_slow_have_one_deadline_together(
    server: FaultyServer, dialect: Dialect, name: str, *, streamed: bool
) -> None:
    function, text = NOT_FITTING[name]
    stage = server.stage(acts.later(dialect.says(text), 0.6))
    implementation = implementing(dialect, stage, timeout=1.0)
    began = time.monotonic()
    with pytest.raises(BackendError) as caught:
        list(function.using(implementation).stream("two lamps")) if streamed else function(implementation, "two lamps")
    assert time.monotonic() - began < 2.0
    assert [attempt.kind for attempt in caught.value.attempts] == ["validation", "timeout"]
    assert (caught.value.kind, len(stage.requests)) == ("timeout", 2)
