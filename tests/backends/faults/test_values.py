"""Typed functions over a server whose replies are odd: a value that is right, one more question, or a typed error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from llm_brain import llm_function
from llm_brain.errors import BackendError, ReplyError
from llm_brain.strategy import ModelImplementation
from llm_brain.tracing import names, record
from tests.backends.faults.playing import model_of
from tests.servers import acts
from tests.servers.dialects import DIALECTS, OPENAI, Dialect
from tests.servers.faulty import Act, FaultyServer, Stage

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
ATTEMPTS = 3


class Order(BaseModel):
    item: str
    amount: int
    price: float


@llm_function
def read_order(model: Any, message: str) -> Order:
    """Read the order out of the message."""
    raise NotImplementedError


@llm_function
def rate(model: Any, message: str) -> float:
    """Rate the message from 0 to 1."""
    raise NotImplementedError


@llm_function
def count(model: Any, message: str) -> int:
    """Count the words of the message."""
    raise NotImplementedError


@llm_function
def summarize(model: Any, message: str) -> str:
    """Summarize the message."""
    raise NotImplementedError


@llm_function
def department(model: Any, message: str) -> Literal["delivery", "billing"]:
    """Tell which department the message is for."""
    raise NotImplementedError


GOOD = '{"item": "lamp", "amount": 2, "price": 9.5}'
LAMPS = Order(item="lamp", amount=2, price=9.5)


def implementing(dialect: Dialect, stage: Stage, *, timeout: float = 20.0, **options: Any) -> ModelImplementation:
    # A schema in the prompt, so that both dialects answer with the text as it stands.
    model = model_of(dialect, stage.url, timeout=timeout, schema_mode="prompt")
    return ModelImplementation(model, max_attempts=ATTEMPTS, **options)


def spans_of(folder: Path) -> list[dict[str, Any]]:
    lines = b"".join(path.read_bytes() for path in folder.rglob("*.jsonl")).decode("utf-8")
    return [json.loads(line) for line in lines.split("\n") if line]


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


ODD = {
    "lone-high": "a\ud83db",
    "lone-low": "a\ude00b",
    "reversed-pair": "a\ude00\ud83db",
    "nul": "a\0b",
    "ansi": "a\x1b[31mred\x1b[0m\x1b]0;title\x07b",
    "bidi": "a\u202edlrow\u202c\u2066\u2069b",
    "controls": "a\x01\x08\x7f\x85b",
    "byte-order-mark": "\ufeffa\ufeffb",
    "not-characters": "a\ufffe\uffff\U0010ffffb",
    "separators": "a\u2028\u2029b",
    "combining": "a" + "\u0301" * 500 + "b",
}


def says_odd(dialect: Dialect, text: str) -> Act:
    """Say a text with all its odd characters escaped, as servers write them that count in UTF-16."""
    body = json.dumps(dialect.body(text)).encode()
    events = [_escaped(one) for one in dialect.events(text)]
    return dialect.either(acts.answers(body), acts.streams(*events))


def _escaped(one: bytes) -> bytes:
    head, _, body = one.decode("utf-8", "surrogatepass").partition("data: {")
    return one if not body else f"{head}data: {json.dumps(json.loads('{' + body))}\n\n".encode()


def holding(text: str) -> str:
    return json.dumps({"item": text, "amount": 2, "price": 9.5}, ensure_ascii=False)


@dialects
@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("function", [summarize, read_order], ids=["text", "model"])
def test_odd_characters_are_a_value_or_told_and_the_trace_stays_text(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, function: Any, name: str
) -> None:
    text = ODD[name]
    stage = server.stage(says_odd(dialect, text if function is summarize else holding(text)))
    with record(tmp_path):
        got = value_or_fault(lambda: function(implementing(dialect, stage), "two lamps"))
    if isinstance(got, BackendError):
        assert got.kind == "validation"
        str(got).encode()
    else:
        said = got if isinstance(got, str) else got.item
        assert said.strip("\ufeff") == text.strip("\ufeff")
    assert len(spans_of(tmp_path)) >= 2
    for sent in stage.requests:
        sent.content.decode()


@dialects
@pytest.mark.parametrize("name", ODD)
def test_odd_characters_in_pieces_leave_the_trace_text(server: FaultyServer, tmp_path: Path, dialect: Dialect, name: str) -> None:
    stage = server.stage(says_odd(dialect, ODD[name]))
    with record(tmp_path):
        got = value_or_fault(lambda: list(summarize.using(implementing(dialect, stage)).stream("two lamps")))
    if isinstance(got, BackendError):
        assert got.kind == "validation"
    else:
        assert "".join(got).strip("\ufeff") == ODD[name].strip("\ufeff")
    assert spans_of(tmp_path)


def value_or_fault(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except BackendError as error:
        return error


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
    from llm_brain.backends.anthropic import AnthropicBackend

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
