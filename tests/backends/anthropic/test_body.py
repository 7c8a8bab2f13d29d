"""What Anthropic's API is asked: every request is one that it takes, and its refusals are understood."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import Message, Request, Sampling
from llm_brain.backends.anthropic.body import CONTINUING, OPENING, body_of, newly_refused, without_refused
from llm_brain.backends.anthropic.tool import Unwrapping, cut_inputs, tool_of

SAMPLED = Sampling(temperature=0.7, top_p=0.9, max_tokens=99, seed=40)


def body(*turns: tuple[str, str], sampling: Sampling = SAMPLED, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    messages = tuple(Message(role, content) for role, content in turns)
    return body_of(Request(messages, sampling, schema), "m-1", forces_tool=True, streamed=False)


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def test_sampling_is_asked_for_and_a_seed_is_not_sent() -> None:
    assert body(("user", "Hello?")) == {
        "model": "m-1",
        "max_tokens": 99,
        "messages": [user("Hello?")],
        "temperature": 0.7,
        "top_p": 0.9,
    }


def test_what_is_the_default_is_left_out_but_for_the_temperature() -> None:
    assert body(("user", "Hello?"), sampling=Sampling()).keys() == {"model", "max_tokens", "messages", "temperature"}


@pytest.mark.parametrize(
    ("turns", "sent"),
    [
        ([("user", "a")], [user("a")]),
        ([("user", "a"), ("user", "b")], [user("a\n\nb")]),
        ([("user", "a"), ("assistant", "b"), ("user", "c")], [user("a"), assistant("b"), user("c")]),
        ([("user", "a"), ("assistant", "b"), ("assistant", "c"), ("user", "d")], [user("a"), assistant("b\n\nc"), user("d")]),
        ([("user", "a"), ("system", "s"), ("user", "b")], [user("a\n\nb")]),
        ([("user", "a"), ("assistant", " \n"), ("user", "b")], [user("a\n\nb")]),
        ([("assistant", "a"), ("user", "b")], [user(OPENING), assistant("a"), user("b")]),
        ([("user", "a"), ("assistant", "b ")], [user("a"), assistant("b "), user(CONTINUING)]),
        ([("assistant", "a")], [user(OPENING), assistant("a"), user(CONTINUING)]),
        ([("system", "s")], [user(OPENING)]),
        ([], [user(OPENING)]),
        ([("user", "")], [user(OPENING)]),
    ],
)
def test_turns_alternate_and_the_user_has_the_first_and_the_last(
    turns: list[tuple[str, str]], sent: list[dict[str, str]]
) -> None:
    assert body(*turns)["messages"] == sent


@given(turns=st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.booleans()), max_size=8))
def test_whatever_the_conversation_is_the_api_takes_it_and_no_word_is_lost(turns: list[tuple[str, bool]]) -> None:
    sent = body(*((role, " " if is_blank else f"<{place}> ") for place, (role, is_blank) in enumerate(turns)))
    roles = [turn["role"] for turn in sent["messages"]]
    assert roles == [("user", "assistant")[place % 2] for place in range(len(roles))]
    assert roles[-1] == "user"
    assert all(turn["content"].strip() for turn in sent["messages"])
    for place, (role, is_blank) in enumerate(turns):
        heard = [turn["role"] for turn in sent["messages"] if f"<{place}>" in turn["content"]]
        heard += ["system"] if f"<{place}>" in sent.get("system", "") else []
        assert heard == ([] if is_blank else [role])


def test_system_turns_go_into_one_place_wherever_they_stood() -> None:
    sent = body(("system", "Be kind."), ("user", "Hello?"), ("system", "Be short."), ("system", " "))
    assert sent["system"] == "Be kind.\n\nBe short."


def test_no_system_turn_leaves_no_trace() -> None:
    assert "system" not in body(("system", ""), ("user", "Hello?"))


ANIMAL = {"type": "object", "properties": {"legs": {"type": "integer"}}, "required": ["legs"]}


def test_a_schema_is_the_input_of_the_one_tool_that_has_to_be_called() -> None:
    sent = body(("user", "Hello?"), schema=ANIMAL)
    (tool,) = sent["tools"]
    assert (tool["name"], tool["input_schema"]) == ("reply", ANIMAL)
    assert sent["tool_choice"] == {"type": "tool", "name": "reply", "disable_parallel_tool_use": True}


NODE = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}, "required": ["next"]}
TREE = {"type": "array", "items": {"$ref": "#"}}
NAMED = {"anyOf": [{"$ref": "#/definitions/N"}, {"type": "null"}], "definitions": {"N": {"type": "integer", "minimum": 3}}}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer"}, [3], ["x"]),
        ({"type": ["object", "null"]}, [None, {}], [1]),
        ({"$defs": {"Node": NODE}, "$ref": "#/$defs/Node"}, [{"next": {"next": None}}], [{"next": {"next": 1}}, None]),
        (TREE, [[], [[], [[]]]], [[1], [[[1]]]]),
        (NAMED, [3, None], [1, "x"]),
        ({"anyOf": [ANIMAL, {"type": "null"}]}, [{"legs": 4}, None], [{"legs": "x"}]),
        ({**ANIMAL, "anyOf": [{"required": ["legs"]}]}, [{"legs": 4}], [{}]),
        ({"enum": ["a", "b"]}, ["a"], ["c"]),
    ],
)
def test_a_schema_that_is_no_plain_object_is_put_into_a_field_and_means_the_same(
    schema: dict[str, Any], good: list[Any], bad: list[Any]
) -> None:
    taken = tool_of(schema)["input_schema"]
    assert taken["type"] == "object"
    assert not taken.keys() & {"anyOf", "oneOf", "allOf", "$ref"}
    for value in good:
        jsonschema.validate(value, schema)
        jsonschema.validate({"value": value}, taken)
    for value in bad:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"value": value}, taken)


@pytest.mark.parametrize("schema", [ANIMAL, {"properties": {"a": {}}}, {"type": "object"}])
def test_a_schema_of_an_object_stays_as_it_is(schema: dict[str, Any]) -> None:
    assert tool_of(schema)["input_schema"] == {"type": "object", **schema}


SENT = body(("system", "Be kind."), ("user", "Hello?"), schema=ANIMAL)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("`temperature` and `top_p` cannot both be specified for this model. Please use only one.", {"top_p"}),
        ("`temperature` is deprecated for this model.", {"temperature", "top_p"}),
        ("temperature is not supported with this model", {"temperature", "top_p"}),
        ("`temperature` may only be set to 1 when thinking is enabled.", {"temperature", "top_p"}),
        ("temperature: Extra inputs are not permitted", {"temperature", "top_p"}),
        ("`top_p` is deprecated for this model.", {"top_p"}),
        ('tool_choice: type "tool" and "any" are not supported for this model.', {"tool_choice"}),
        ("tool_choice forces tool use is not compatible with this model", {"tool_choice"}),
        ("Thinking may not be enabled when tool_choice forces tool use.", {"tool_choice"}),
        ("temperature: range: 0..1", set()),
        ("temperature: Input should be less than or equal to 1", set()),
        ("max_tokens: 99 > 64, which is the maximum allowed number of output tokens for m-1", set()),
        ("tools.0.custom.input_schema: JSON schema is invalid", set()),
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_is_told_from_a_wrong_value(words: str, names: set[str], status: int) -> None:
    content = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": words}}).encode()
    assert newly_refused(status, content, sent=SENT, refused=set()) == names


def test_what_was_refused_before_or_was_not_sent_is_not_refused_again() -> None:
    content = b"`temperature` is deprecated for this model."
    assert not newly_refused(400, content, sent=SENT, refused={"temperature", "top_p"})
    assert not newly_refused(400, content, sent={"model": "m-1"}, refused=set())
    assert not newly_refused(500, content, sent=SENT, refused=set())


def test_a_tool_that_may_not_be_forced_is_asked_for_in_words() -> None:
    again = without_refused(SENT, {"tool_choice"})
    assert again["tools"] == SENT["tools"]
    assert again["tool_choice"]["type"] == "auto"
    assert again["system"].startswith("Be kind.\n\n")
    assert "`reply`" in again["system"]
    alone = without_refused({name: value for name, value in SENT.items() if name != "system"}, {"tool_choice"})
    assert "`reply`" in alone["system"]


def test_a_request_without_a_tool_says_nothing_of_one() -> None:
    plain = body(("user", "Hello?"))
    assert without_refused(plain, {"tool_choice", "top_p"}) == {name: value for name, value in plain.items() if name != "top_p"}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("input"), inner, max_size=3),
    max_leaves=10,
)


@given(value=values, indent=st.sampled_from([None, 2]), plain=st.booleans(), cuts=st.lists(st.integers(0, 200), max_size=6))
def test_a_wrapped_value_comes_out_as_it_went_in_however_it_is_cut(
    value: Any, indent: int | None, plain: bool, cuts: list[int]
) -> None:
    text = json.dumps({"value": value}, indent=indent, ensure_ascii=plain)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    unwrapping = Unwrapping()
    pieces = [unwrapping.feed(text[start:end]) for start, end in pairwise(places)]
    assert json.loads("".join(pieces) + unwrapping.rest()) == value


@pytest.mark.parametrize("value", ['a"b\\', '\\"', "]}", '{"value": "\\"}', [1, ["}"], {"a": "\\"}]])
def test_a_wrapped_value_comes_out_as_it_went_in_letter_by_letter(value: Any) -> None:
    unwrapping = Unwrapping()
    pieces = [unwrapping.feed(letter) for letter in json.dumps({"value": value, "other": 1})]
    assert json.loads("".join(pieces) + unwrapping.rest()) == value


def test_not_everything_is_held_back_that_could_still_become_a_wrapper() -> None:
    assert Unwrapping().feed(" " * 500) == " " * 500


@pytest.mark.parametrize("text", ["", "{", '{"val', '{"value"', '{"other": 1}', "{}", "no JSON", '{"values": 1}', " " * 500])
def test_what_is_not_wrapped_comes_out_as_it_is(text: str) -> None:
    for pieces in ([text], list(text)):
        unwrapping = Unwrapping()
        assert "".join(map(unwrapping.feed, pieces)) + unwrapping.rest() == text


@given(inputs=st.lists(values, max_size=3), indent=st.sampled_from([None, 2]), text=st.text(max_size=8))
def test_inputs_are_cut_out_of_a_body_word_for_word(inputs: list[Any], indent: int | None, text: str) -> None:
    said = [{"type": "text", "text": f'"input": {{{text}'}, *({"type": "tool_use", "input": value} for value in inputs)]
    shorter, cut = cut_inputs(json.dumps({"content": said}, indent=indent))
    assert [json.loads(piece) for piece in cut] == inputs
    content = json.loads(shorter)["content"]
    assert content[0] == said[0]
    assert [block["input"] for block in content[1:]] == list(range(len(inputs)))


LONG = st.recursive(
    st.none() | st.integers() | st.text('ab\\"[]{},é😀', max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a"[]{},\\é', max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(value=LONG, times=st.integers(0, 60), cuts=st.lists(st.integers(0, 3000), max_size=4))
def test_a_long_input_ends_where_it_ends(value: Any, times: int, cuts: list[int]) -> None:
    given_input = json.dumps([value] * times, ensure_ascii=False)
    shorter, cut = cut_inputs(f'{{"type": "tool_use", "input": {given_input}, "id": "]"}}')
    assert (shorter, cut) == ('{"type": "tool_use", "input": 0, "id": "]"}', [given_input])
    whole = f'{{"value": {given_input}}}'
    places = [0, *sorted(cuts), len(whole)]
    unwrapping = Unwrapping()
    parts = [whole[start:stop] for start, stop in pairwise(places) if start < stop]
    assert "".join(map(unwrapping.feed, parts)) + unwrapping.rest() == given_input


@pytest.mark.parametrize(
    "rest",
    ["[" * 2**22, "[]," * 2**20, "1," * 2**21, '"' + '\\"' * 2**21, '["",' + '"",' * 2**20, '1},{"input":' * 2**18],
    ids=["deep", "lists", "numbers", "escapes", "texts", "inputs"],
)
def test_a_body_of_marks_is_scanned_in_no_time(rest: str) -> None:
    cut_inputs('{"input": [' + "1," * 1000)  # what it needs is imported
    begun = time.monotonic()
    cut_inputs('{"content": [{"type": "tool_use", "input": ' + rest)
    assert time.monotonic() - begun < 0.4
