"""The Anthropic backend against a server on this machine that is as strict as the API is: what it asks is taken."""

from __future__ import annotations

import asyncio
import json
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import jsonschema
import pytest

from llm_brain.backends import Message, Reply, Request, Sampling, Usage
from llm_brain.backends.anthropic.backend import AnthropicBackend
from llm_brain.errors import BackendError, DefinitionError, MissingKeyError

KEY = "Zq7-Kd0_pW9xLm4T"
HELLO = Request((Message("system", "Be kind."), Message("user", "Hello?")))
NUMBERS = {"type": "array", "items": {"type": "integer"}}
ANIMAL = {"type": "object", "properties": {"legs": {"type": "integer"}}, "required": ["legs"]}
KNOWN = {"model", "max_tokens", "messages", "system", "temperature", "top_p", "tools", "tool_choice", "stream"}


@dataclass
class Claude:
    """A model that takes what the API takes and answers with `text`, or calls the tool with `given`; `play` is its server's.

    Attributes:
        refuses: What the model does not take: "temperature", "top_p", "both" (of them together), "forced" (tools).
        size: How many characters a delta has.
        end: What ends a line of the stream.
        packet: How many bytes are sent at a time.
        stops: How many of the last events are not sent.
    """

    text: str = "Hello!"
    given: object = None
    stop: str = ""
    refuses: frozenset[str] = frozenset()
    thinks: bool = False
    size: int = 4
    end: str = "\n"
    packet: int | None = None
    stops: int = 0
    usage: dict[str, int] = field(default_factory=lambda: {"input_tokens": 10, "cache_read_input_tokens": 2})

    def __call__(self, wire: Any) -> None:
        complaint = self.complaint(wire)
        if complaint:
            wire.reply({"type": "error", "error": {"type": complaint[1], "message": complaint[2]}}, complaint[0])
        elif wire.body.get("stream"):
            wire.begin_events()
            sent = "".join(self.events(wire.body)).replace("\n", self.end).encode()
            step = self.packet or len(sent)
            for start in range(0, len(sent), step):
                wire.chunk(sent[start : start + step])
            wire.chunk(b"")
        else:
            wire.reply({**self.message, "content": self.blocks(wire.body), **self.ending(wire.body)})

    @property
    def message(self) -> dict[str, Any]:
        said = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1-20261101", "stop_sequence": None}
        return {**said, "content": [], "stop_reason": None, "usage": {**self.usage, "output_tokens": 1}}

    def ending(self, body: dict[str, Any]) -> dict[str, Any]:
        stop = self.stop or ("tool_use" if "tools" in body and self.given is not None else "end_turn")
        return {"stop_reason": stop, "usage": {**self.usage, "output_tokens": 3}}

    def blocks(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = [{"type": "thinking", "thinking": "Hmm.", "signature": "Eq"}] if self.thinks else []
        if "tools" not in body or self.given is None:
            return [*said, {"type": "text", "text": self.text}]
        if body["tool_choice"]["type"] == "auto":
            said.append({"type": "text", "text": "Let me answer."})
        jsonschema.validate(self.given, body["tools"][0]["input_schema"])
        return [*said, {"type": "tool_use", "id": "toolu_1", "name": body["tools"][0]["name"], "input": self.given}]

    def events(self, body: dict[str, Any]) -> list[str]:
        ways = {"text": ("text", "text_delta", "text"), "thinking": ("thinking", "thinking_delta", "thinking")}
        ways["tool_use"] = "input", "input_json_delta", "partial_json"
        sent: list[tuple[str, dict[str, Any]]] = [("message_start", {"message": self.message}), ("ping", {})]
        for index, block in enumerate(self.blocks(body)):
            name, kind, part = ways[block["type"]]
            whole = block[name] if isinstance(block[name], str) else json.dumps(block[name], ensure_ascii=False)
            empty = "" if isinstance(block[name], str) else {}
            sent.append(("content_block_start", {"index": index, "content_block": {**block, name: empty}}))
            for start in range(0, len(whole), self.size):
                delta = {"type": kind, part: whole[start : start + self.size]}
                sent.append(("content_block_delta", {"index": index, "delta": delta}))
            sent.append(("content_block_stop", {"index": index}))
        ending = self.ending(body)
        usage = {"output_tokens": ending["usage"]["output_tokens"]}
        sent.append(("message_delta", {"delta": {"stop_reason": ending["stop_reason"], "stop_sequence": None}, "usage": usage}))
        sent.append(("message_stop", {}))
        lines = [f"event: {name}\ndata: {json.dumps({'type': name, **more}, ensure_ascii=False)}\n\n" for name, more in sent]
        return lines[: len(lines) - self.stops]

    def complaint(self, wire: Any) -> tuple[int, str, str] | None:
        """Return what is wrong with a request, as the API would say it."""
        if wire.path != "/v1/messages":
            return 404, "not_found_error", "Not Found"
        if wire.headers.get("x-api-key") != KEY:
            return 401, "authentication_error", f"invalid x-api-key: {wire.headers.get('x-api-key')}"
        body = wire.body
        roles = [turn["role"] for turn in body["messages"]]
        schemas = [tool["input_schema"] for tool in body.get("tools", [])]
        wrong = {
            "anthropic-version: header is required": wire.headers.get("anthropic-version") != "2023-06-01",
            "Extra inputs are not permitted": bool(body.keys() - KNOWN),
            "max_tokens: Field required": not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1,
            "roles must alternate": roles != [("user", "assistant")[place % 2] for place in range(len(roles))],
            "The conversation must end with a user message.": len(roles) % 2 == 0,
            "text content blocks must be non-empty": not all(turn["content"].strip() for turn in body["messages"]),
            "input_schema.type: Field required": any(schema.get("type") != "object" for schema in schemas),
            "input_schema does not support oneOf": any(schema.keys() & {"anyOf", "oneOf", "allOf"} for schema in schemas),
        }
        found = next((words for words, is_so in wrong.items() if is_so), None)
        return (400, "invalid_request_error", found) if found else self._refusal(body)

    def _refusal(self, body: dict[str, Any]) -> tuple[int, str, str] | None:
        wrong = "invalid_request_error"
        for name in ("temperature", "top_p"):
            if name in body and name in self.refuses:
                return 400, wrong, f"`{name}` is deprecated for this model."
        if "both" in self.refuses and body.keys() >= {"temperature", "top_p"}:
            return 400, wrong, "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        if "forced" in self.refuses and body.get("tool_choice", {}).get("type") in ("tool", "any"):
            return 400, wrong, 'tool_choice: type "tool" and "any" are not supported for this model.'
        return None


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def backend(wires: Any, **options: Any) -> AnthropicBackend:
    root = wires.url.removesuffix("/v1")
    return AnthropicBackend("m-1", **{"base_url": root, "api_key": KEY, "timeout": 20.0, "retries": 0, **options})


def whole(model: AnthropicBackend, request: Request = HELLO) -> Reply:
    return model.chat_completion(request)


def whole_awaited(model: AnthropicBackend, request: Request = HELLO) -> Reply:
    return asyncio.run(model.achat_completion(request))


def streamed(model: AnthropicBackend, request: Request = HELLO) -> Reply:
    *pieces, reply = model.stream(request)
    assert isinstance(reply, Reply)
    assert "".join(str(piece) for piece in pieces) == reply.text
    return reply


def streamed_awaited(model: AnthropicBackend, request: Request = HELLO) -> Reply:
    async def main() -> list[str | Reply]:
        async with aclosing(model.astream(request)) as pieces:
            return [piece async for piece in pieces]

    *pieces, reply = asyncio.run(main())
    assert isinstance(reply, Reply)
    assert "".join(str(piece) for piece in pieces) == reply.text
    return reply


Way = Callable[..., Reply]
ways = pytest.mark.parametrize("ask", [whole, whole_awaited, streamed, streamed_awaited])
"""All ways of asking must be answered alike."""


def fault(ask: Way, model: AnthropicBackend, request: Request = HELLO) -> BackendError:
    """Ask, expect one typed error, and see that nothing of the client or the key clings to it."""
    with pytest.raises(BackendError) as caught:
        ask(model, request)
    error = caught.value
    assert KEY not in "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


def first_and_then(wires: Any, first: Callable[[Any], None], then: Callable[[Any], None]) -> Callable[[Any], None]:
    def play(wire: Any) -> None:
        (first if len(wires.wires) == 1 else then)(wire)

    return play


def asked_for(schema: dict[str, Any]) -> Request:
    return Request(HELLO.messages, schema=schema)


@ways
def test_a_good_reply_is_read(wires: Any, ask: Way) -> None:
    wires.play = Claude()
    reply = ask(backend(wires))
    assert (reply.text, reply.finish_reason, reply.model) == ("Hello!", "stop", "m-1-20261101")
    assert (reply.usage, reply.failed, reply.notes) == (Usage(12, 3, cache_read_tokens=2), (), ())
    (wire,) = wires.wires
    assert wire.headers["x-api-key"] == KEY
    assert "authorization" not in wire.headers
    assert wire.body["system"] == "Be kind."


@ways
@pytest.mark.parametrize("turns", [(), ("system",), ("assistant",), ("assistant", "user"), ("user", "user", "assistant")])
def test_whatever_the_conversation_is_the_api_takes_it(wires: Any, ask: Way, turns: tuple[Any, ...]) -> None:
    wires.play = Claude()
    assert ask(backend(wires), Request(tuple(Message(role, "Hm.") for role in turns))).text == "Hello!"


@ways
def test_a_request_with_a_schema_is_answered_by_a_tools_input(wires: Any, ask: Way) -> None:
    wires.play = Claude(given={"legs": 4}, thinks=True)
    reply = ask(backend(wires), asked_for(ANIMAL))
    assert (json.loads(reply.text), reply.finish_reason) == ({"legs": 4}, "stop")


@ways
def test_a_schema_that_is_no_object_is_wrapped_and_its_reply_is_not(wires: Any, ask: Way) -> None:
    wires.play = Claude(given={"value": [1, 2, 3]})
    assert json.loads(ask(backend(wires), asked_for(NUMBERS)).text) == [1, 2, 3]


def test_a_server_that_knows_no_tools_gets_none(wires: Any) -> None:
    wires.play = Claude(text='{"legs": 4}')
    model = backend(wires, schema_mode="prompt")
    for ask in (whole, streamed):
        assert ask(model, asked_for(ANIMAL)).text == '{"legs": 4}'
    assert len(list(model.stream(asked_for(NUMBERS)))) > 2
    assert not any({"tools", "tool_choice"} & wire.body.keys() for wire in wires.wires)
    assert not model.enforces_schema
    assert backend(wires).enforces_schema


@ways
@pytest.mark.parametrize("packet", [1, 7])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_text_is_exact_however_the_stream_is_cut(wires: Any, ask: Way, end: str, packet: int) -> None:
    text = "Grüße, 東京 😀\n\n\tdata: x\r\nevent: error\n"
    wires.play = Claude(text=text, end=end, packet=packet, size=1)
    assert ask(backend(wires)).text == text


def test_a_piece_is_given_before_the_next_one_is_sent(wires: Any) -> None:
    go_on = threading.Event()

    def play(wire: Any) -> None:
        first, *others = "".join(Claude().events(wire.body)).partition("lo!")
        wire.begin_events()
        place = first.rindex("event:")
        wire.chunk(first[:place].encode())
        if go_on.wait(10):
            wire.chunk(first[place:].encode() + "".join(others).encode())
        wire.chunk(b"")

    wires.play = play
    stream = backend(wires).stream(HELLO)
    assert next(stream) == "Hell"
    go_on.set()
    assert next(stream) == "o!"
    stream.close()


@pytest.mark.parametrize("refuses", ["temperature", "both", "top_p"])
@ways
def test_what_a_model_does_not_take_is_left_out_and_remembered(wires: Any, ask: Way, refuses: str) -> None:
    wires.play = Claude(refuses=frozenset([refuses]))
    model = backend(wires, retries=1)
    request = Request(HELLO.messages, Sampling(temperature=0.7, top_p=0.9, seed=1))
    assert ask(model, request).text == "Hello!"
    assert ask(model, request).text == "Hello!"
    first, *others = (wire.body for wire in wires.wires)
    left_out = {"temperature", "top_p"} if refuses == "temperature" else {"top_p"}
    assert [first.keys() - body.keys() for body in others] == [left_out, left_out]


@ways
def test_a_model_that_lets_no_tool_be_forced_is_asked_for_it_in_words(wires: Any, ask: Way) -> None:
    wires.play = Claude(given={"legs": 4}, refuses=frozenset(["forced", "temperature"]))
    model = backend(wires, retries=2)
    for _ in range(2):
        assert ask(model, asked_for(ANIMAL)).text == '{"legs": 4}'
    assert len(wires.wires) == 4
    assert "`reply`" in wires.wires[-1].body["system"]


@ways
def test_a_model_that_answers_in_words_where_a_tool_was_asked_for_is_heard(wires: Any, ask: Way) -> None:
    wires.play = Claude(text='{"legs": 4}', refuses=frozenset(["forced"]))
    assert ask(backend(wires, retries=1), asked_for(ANIMAL)).text == '{"legs": 4}'


@pytest.mark.parametrize(
    ("stop", "kind"),
    [("refusal", "refusal"), ("model_context_window_exceeded", "bad_request"), ("pause_turn", "incomplete")],
)
@ways
def test_a_stop_reason_that_ends_no_answer_is_an_error_that_keeps_the_text(wires: Any, ask: Way, stop: str, kind: str) -> None:
    wires.play = Claude(stop=stop)
    error = fault(ask, backend(wires))
    assert (error.kind, error.raw, len(error.attempts)) == (kind, "Hello!", 1)
    assert error.usage == error.attempts[0].usage == Usage(12, 3, cache_read_tokens=2)


@ways
def test_a_reply_cut_by_the_limit_says_so(wires: Any, ask: Way) -> None:
    wires.play = Claude(stop="max_tokens")
    assert ask(backend(wires)).finish_reason == "length"


def test_a_stream_without_its_last_event_is_noted(wires: Any) -> None:
    wires.play = Claude(stops=1)
    assert streamed(backend(wires)).notes == ("the stream ended without its closing event",)


def test_a_stream_without_a_stop_reason_is_no_answer(wires: Any) -> None:
    wires.play = Claude(stops=2)
    assert fault(streamed, backend(wires)).kind == "incomplete"


def test_a_stream_that_breaks_off_is_asked_for_again_and_goes_on(wires: Any) -> None:
    wires.play = first_and_then(wires, Claude(text="one two three", stops=4), Claude(text="one two three"))
    reply = streamed(backend(wires, retries=1))
    assert (reply.text, len(reply.failed), len(wires.wires)) == ("one two three", 1, 2)


def test_a_stream_whose_events_come_twice_is_no_doubled_text(wires: Any) -> None:
    def play(wire: Any) -> None:
        wire.begin_events()
        for event in Claude(text="ha ha ha", size=3).events(wire.body):
            wire.chunk(event.encode() * 2)
        wire.chunk(b"")

    wires.play = play
    assert streamed(backend(wires)).text == "ha ha ha"


def failing(status: int, kind: str, words: str = "no", **headers: str) -> Callable[[Any], None]:
    return lambda wire: wire.reply({"type": "error", "error": {"type": kind, "message": words}}, status, **headers)


@pytest.mark.parametrize(
    ("status", "kind_of", "words", "kind", "requests"),
    [
        (529, "overloaded_error", "Overloaded", "server", 3),
        (500, "api_error", "oops", "server", 3),
        (200, "overloaded_error", "Overloaded", "server", 3),
        (429, "rate_limit_error", "slow down", "rate_limit", 3),
        (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", "bad_request", 1),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", "quota", 1),
        (200, "billing_error", "no", "quota", 1),
        (401, "authentication_error", f"invalid x-api-key {KEY}", "auth", 1),
        (404, "not_found_error", "model: m-1", "not_found", 1),
        (413, "request_too_large", "too large", "bad_request", 1),
    ],
)
@ways
def test_a_fault_is_of_one_kind_and_only_what_may_pass_is_tried_again(
    wires: Any, ask: Way, status: int, kind_of: str, words: str, kind: str, requests: int
) -> None:
    wires.play = failing(status, kind_of, words, retry_after="0.01")
    error = fault(ask, backend(wires, retries=2))
    assert (error.kind, len(wires.wires), len(error.attempts)) == (kind, requests, requests)
    assert "m-1" in str(error)


@ways
def test_a_fault_that_passes_costs_nothing_but_a_note(wires: Any, ask: Way) -> None:
    wires.play = first_and_then(wires, failing(529, "overloaded_error"), Claude())
    reply = ask(backend(wires, retries=1))
    assert (reply.text, [attempt.status for attempt in reply.failed]) == ("Hello!", [529])


def test_an_error_event_is_a_fault_of_its_kind(wires: Any) -> None:
    def play(wire: Any) -> None:
        wire.begin_events()
        error = {"type": "error", "error": {"type": "overloaded_error", "message": f"Overloaded, {KEY}"}}
        wire.chunk(f"event: error\ndata: {json.dumps(error)}\n\n".encode())
        wire.chunk(b"")

    wires.play = play
    assert fault(streamed, backend(wires)).kind == "server"


@ways
def test_a_key_inside_a_good_reply_is_cut_out(wires: Any, ask: Way) -> None:
    wires.play = Claude(text=f"Your key is {KEY}, is it not?")
    assert ask(backend(wires)).text == "Your key is [redacted], is it not?"


def test_neither_repr_nor_identity_shows_the_key(wires: Any) -> None:
    model = backend(wires)
    assert KEY not in repr(model) + model.identity + repr(vars(model).get("limits"))


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/"])
def test_an_address_may_end_with_its_version_or_not(wires: Any, tail: str) -> None:
    wires.play = Claude()
    root = wires.url.removesuffix("/v1")
    model = backend(wires, base_url=root + tail)
    assert whole(model).text == "Hello!"
    assert model.identity == root


def test_an_address_may_have_a_path_of_its_own(wires: Any) -> None:
    wires.play = lambda wire: wire.reply({"error": {"type": "not_found_error", "message": "no"}}, 404)
    fault(whole, backend(wires, base_url=f"{wires.url.removesuffix('/v1')}/anthropic"))
    assert wires.wires[0].path == "/anthropic/v1/messages"


def test_a_password_in_the_address_is_sent_and_never_shown(wires: Any) -> None:
    wires.play = failing(401, "authentication_error", "who is hunter22?")
    model = backend(wires, base_url=wires.url.replace("http://", "http://user:hunter22@"))
    assert "hunter22" not in str(fault(whole, model)) + repr(model)
    assert wires.wires[0].headers["authorization"].startswith("Basic ")
    assert wires.wires[0].headers["x-api-key"] == KEY


def test_key_and_address_come_from_the_environment(wires: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wires.play = Claude()
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", wires.url)
    assert whole(AnthropicBackend("m-1")).text == "Hello!"


def test_without_a_key_a_hosted_model_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingKeyError, match="ANTHROPIC_API_KEY"):
        AnthropicBackend("claude-haiku-4-5")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    with pytest.raises(MissingKeyError):
        AnthropicBackend("claude-haiku-4-5")
    assert AnthropicBackend("claude-haiku-4-5", api_key=KEY).identity == "https://api.anthropic.com"


def test_a_server_of_ones_own_needs_no_key(wires: Any) -> None:
    wires.play = failing(404, "not_found_error")
    fault(whole, backend(wires, api_key=None))
    assert "x-api-key" not in wires.wires[0].headers


@pytest.mark.parametrize("wrong", [{"retries": -1}, {"timeout": 0}])
def test_what_makes_no_sense_is_refused_at_once(wires: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        backend(wires, **wrong)


@ways
def test_a_text_to_be_continued_is_refused(wires: Any, ask: Way) -> None:
    assert fault(ask, backend(wires), Request((Message("user", "Once"),), form="completion")).kind == "bad_request"
    assert not wires.wires


def test_an_option_is_chosen_by_its_text_without_probabilities(wires: Any) -> None:
    wires.play = Claude(text=' "Yes." ')
    choice = backend(wires).choose_from_options(HELLO, ["no", "yes"])
    assert (choice.option, choice.probabilities) == ("yes", None)


def test_it_gives_no_embeddings(wires: Any) -> None:
    with pytest.raises(BackendError, match="no embeddings"):
        backend(wires).embed(["a"])


def test_many_threads_share_one_backend(wires: Any) -> None:
    def play(wire: Any) -> None:
        Claude(text=wire.body["messages"][0]["content"])(wire)

    wires.play = play
    model = backend(wires)

    def ask(number: int) -> str:
        return (whole, streamed)[number % 2](model, Request((Message("user", f"number {number}"),))).text

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(40))) == [f"number {number}" for number in range(40)]
    assert len(wires.wires) == 40
    model.close()
