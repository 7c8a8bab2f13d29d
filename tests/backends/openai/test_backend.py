"""The OpenAI backend against a server on this machine: good replies are read, and every fault is one typed error."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_brain.backends import Message, OpenAIBackend, Reply, Request, Sampling, Usage
from llm_brain.errors import BackendError, MissingKeyError

KEY = "Zq7-Kd0_pW9xLm4T"
HELLO = Request((Message("system", "Be kind."), Message("user", "Hello?")))


def completion(content: object = "Hello!", finish: object = "stop", **more: object) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-model",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
    }


def backend(server: Any, **options: Any) -> OpenAIBackend:
    return OpenAIBackend("m-1", **{"base_url": server.url, "api_key": KEY, "timeout": 5.0, "retries": 0, **options})


def fault(server: Any, request: Request = HELLO, **options: Any) -> BackendError:
    """Ask, expect exactly one request and one typed error, and see that nothing of the client or the key clings to it."""
    with pytest.raises(BackendError) as caught:
        backend(server, **options).chat_completion(request)
    error = caught.value
    assert type(error) is BackendError
    assert error.__cause__ is None
    assert error.__context__ is None
    assert KEY not in "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert len(server.requests) <= 1
    return error


def test_a_good_reply_is_read(server: Any) -> None:
    server.says(completion())
    assert backend(server).chat_completion(HELLO) == Reply("Hello!", "stop", "served-model", Usage(12, 3))
    (sent,) = server.requests
    assert sent["model"] == "m-1"
    assert sent["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello?"}]
    assert sent["temperature"] == 0.0
    assert sent["max_tokens"] == 256
    assert not {"seed", "top_p", "response_format", "stream"} & sent.keys()
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_sampling_and_schema_are_asked_for(server: Any) -> None:
    server.says(completion('{"a": 1}'))
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=99, seed=40)
    backend(server).chat_completion(Request(HELLO.messages, sampling, schema, sample=2))
    (sent,) = server.requests
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"], sent["seed"]) == (0.7, 0.9, 99, 42)
    described = {"name": "reply", "schema": schema, "strict": False}
    assert sent["response_format"] == {"type": "json_schema", "json_schema": described}


def test_a_server_that_knows_no_schemas_gets_none(server: Any) -> None:
    server.says(completion('{"a": 1}'))
    model = backend(server, schema_mode="prompt")
    model.chat_completion(Request(HELLO.messages, schema={"type": "object"}))
    assert "response_format" not in server.requests[0]
    assert not model.enforces_schema


def test_an_option_is_chosen_by_its_text_without_probabilities(server: Any) -> None:
    server.says(completion(' "Yes." '))
    choice = backend(server).choose_from_options(HELLO, ["no", "yes"])
    assert (choice.option, choice.probabilities, choice.usage) == ("yes", None, Usage(12, 3))


@pytest.mark.parametrize("reply", ["maybe", "", "yes and no"])
def test_a_reply_that_names_no_option_is_an_error(server: Any, reply: str) -> None:
    server.says(completion(reply))
    with pytest.raises(BackendError):
        backend(server).choose_from_options(HELLO, ["no", "yes"])


@pytest.mark.parametrize(
    "usage", [None, {}, [], "12", {"prompt_tokens": 1}, {"prompt_tokens": "1", "completion_tokens": -3}, {"prompt_tokens": True}]
)
def test_junk_for_usage_is_unknown_usage(server: Any, usage: object) -> None:
    server.says({**completion(), "usage": usage})
    assert backend(server).chat_completion(HELLO).usage is None


def test_a_reply_cut_by_the_limit_says_so(server: Any) -> None:
    server.says(completion("Once upon a", "length"))
    assert backend(server).chat_completion(HELLO).finish_reason == "length"


@pytest.mark.parametrize("content", [None, ""])
def test_a_limit_reached_before_the_first_word_is_an_error(server: Any, content: object) -> None:
    server.says(completion(content, "length"))
    assert fault(server).kind == "length"


def refusing(*names: str, words: str = "Unsupported parameter: '{}' is not supported with this model.", status: int = 400) -> Any:
    """Answer as a server that takes none of these parameters, and names one of those sent at a time."""

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        named = next((name for name in names if name in body), None)
        if named is None:
            return 200, {}, json.dumps(completion()).encode()
        return status, {}, json.dumps({"error": {"message": words.format(named)}}).encode()

    return answer


REFUSALS = [
    ("temperature", "Unsupported value: '{}' does not support 0.0 with this model. Only the default (1) value is supported."),
    ("top_p", "Unsupported parameter: '{}' is not supported with this model."),
    ("seed", "Unrecognized request argument supplied: {}"),
    ("max_tokens", "Unsupported parameter: '{}' is not supported with this model. Use 'max_completion_tokens' instead."),
]
SAMPLED = Request(HELLO.messages, Sampling(temperature=0.7, top_p=0.9, max_tokens=99, seed=40))


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(("name", "words"), REFUSALS)
def test_a_parameter_that_the_model_does_not_take_is_left_out_and_remembered(
    server: Any, name: str, words: str, status: int
) -> None:
    server.answer = refusing(name, words=words, status=status)
    model = backend(server, retries=4)
    for _ in range(2):
        assert model.chat_completion(SAMPLED).text == "Hello!"
    first, *others = server.requests
    kept = {key: value for key, value in first.items() if key != name}
    assert others == [{**kept, "max_completion_tokens": 99} if name == "max_tokens" else kept] * 2


def test_a_model_that_takes_several_parameters_not_is_asked_without_any_of_them(server: Any) -> None:
    server.answer = refusing("temperature", "top_p", "seed", "max_tokens")
    model = backend(server, retries=4)
    for _ in range(2):
        assert model.chat_completion(SAMPLED).text == "Hello!"
    assert len(server.requests) == 6
    assert server.requests[-1].keys() == {"model", "messages", "max_completion_tokens"}


def test_a_refused_name_in_a_validators_words_is_understood(server: Any) -> None:
    detail = [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 40}]
    content = json.dumps({"detail": detail}).encode()
    server.answer = lambda body: (422, {}, content) if "seed" in body else refusing()(body)
    assert backend(server, retries=4).chat_completion(SAMPLED).text == "Hello!"


def test_a_server_that_refuses_a_limit_by_either_name_is_not_asked_without_one(server: Any) -> None:
    server.answer = refusing("max_tokens", "max_completion_tokens")
    with pytest.raises(BackendError, match="max_completion_tokens"):
        backend(server, retries=4).chat_completion(HELLO)
    assert len(server.requests) == 2


def test_a_server_that_refuses_whatever_is_asked_is_asked_once_more_and_nothing_is_remembered(server: Any) -> None:
    server.says({"error": {"message": "Unknown role in: 'the temperature of a seed'"}}, 400)
    model = backend(server, retries=4)
    with pytest.raises(BackendError, match="Unknown role"):
        model.chat_completion(SAMPLED)
    server.says(completion())
    model.chat_completion(SAMPLED)
    first, second, later = server.requests
    assert second.keys() == first.keys() - {"temperature", "seed"}
    assert later == first


@pytest.mark.parametrize(
    "error",
    [
        {"message": "max_tokens is too large: 99. This model supports at most 16 completion tokens", "param": "max_tokens"},
        {"message": "'max_tokens' or 'max_completion_tokens' is too large: 99. The maximum context length is 96 tokens"},
        {"message": "Invalid 'temperature': decimal above maximum value. Expected a value <= 2.", "param": "temperature"},
        {"message": "Unsupported content in: 'temperature'", "param": "messages"},
        {"message": "response_format of type json_schema is not supported with this model"},
    ],
)
def test_an_error_that_refuses_no_parameter_is_told_at_once(server: Any, error: dict[str, str]) -> None:
    server.says({"error": error}, 400)
    assert fault(server, SAMPLED).kind == "bad_request"
    assert len(server.requests) == 1


def test_what_a_call_has_learnt_a_stream_knows_and_the_other_way_round(wires: Any) -> None:
    def play(wire: Any) -> None:
        _, _, content = refusing("temperature", "max_tokens")(wire.body)
        wire.reply(json.loads(content), 400 if b"Unsupported" in content else 200)

    wires.play = play
    calling, streaming = (OpenAIBackend("m-1", base_url=wires.url, retries=4) for _ in range(2))
    calling.chat_completion(HELLO)
    *_, reply = calling.stream(HELLO)
    assert isinstance(reply, Reply)
    assert len(wires.wires) == 4
    *_, reply = streaming.stream(HELLO)
    assert isinstance(reply, Reply)
    streaming.chat_completion(HELLO)
    assert len(wires.wires) == 8


NO_MODEL = {"error": {"message": "The model `m-1` does not exist", "code": "model_not_found", "type": "invalid_request_error"}}
LIMITED = {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded", "type": "requests"}}
SPENT = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota", "type": "insufficient_quota"}}
TOO_LONG = {"error": {"message": "maximum context length is 8", "code": "context_length_exceeded"}}
PAGE = b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable", "words"),
    [
        (400, TOO_LONG, "bad_request", False, "maximum context length is 8 .code context_length_exceeded"),
        (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, "auth", False, "Incorrect API key"),
        (403, {"error": "no"}, "auth", False, "key right"),
        (404, NO_MODEL, "not_found", False, "m-1"),
        (408, {}, "server", True, "408"),
        (409, {}, "server", True, "409"),
        (413, {}, "bad_request", False, "413"),
        (422, {"detail": "no"}, "bad_request", False, "detail"),
        (429, LIMITED, "rate_limit", True, "Rate limit reached"),
        (429, SPENT, "quota", False, "quota is spent"),
        (500, {"error": {"message": "oops"}}, "server", True, "oops"),
        (502, PAGE, "server", True, "a page of HTML"),
        (503, b"", "server", True, "nothing"),
        (529, [1], "server", True, "529"),
        (200, PAGE, "protocol", True, "a page of HTML"),
        (200, b"", "protocol", True, "nothing"),
        (200, b'{"choices": [', "protocol", True, "choices"),
        (200, b"[" * 200_000, "protocol", True, "did not answer"),
        (200, b"\xff\xfe", "protocol", True, "did not answer"),
        (200, None, "protocol", True, "null"),
        (200, [], "protocol", True, "did not answer"),
        (200, {"ok": True}, "protocol", True, "ok"),
        (200, {"choices": [None]}, "protocol", True, "no message"),
        (200, {"choices": {"a": 1}}, "protocol", True, "no message"),
        (200, {"choices": [{"message": "hi"}]}, "protocol", True, "no message"),
        (200, completion(["parts"]), "protocol", True, "list"),
        (200, completion(7), "protocol", True, "int"),
        (200, {**completion(), "choices": []}, "empty", True, "without any choice"),
        (200, {**completion(), "choices": None}, "empty", True, "without any choice"),
        (200, completion(None), "empty", True, "empty reply"),
        (200, completion(""), "empty", True, "empty reply"),
        (200, {"choices": [{"message": None}]}, "empty", True, "empty reply"),
        (200, completion(None, refusal="I cannot help with that."), "refusal", False, "I cannot help"),
        (200, completion("Half a", "content_filter"), "content_filter", False, "Half a"),
        (200, {"error": {"message": "busy", "code": 503}}, "server", True, "busy"),
        (200, {"error": {"message": "slow down", "code": "429"}}, "rate_limit", True, "slow down"),
        (200, {"error": "broken"}, "server", True, "broken"),
    ],
)
def test_each_fault_is_one_typed_error(server: Any, status: int, body: object, kind: str, retryable: bool, words: str) -> None:
    server.says(body, status)
    error = fault(server)
    assert (error.kind, error.retryable) == (kind, retryable)
    assert words.split(" .code", maxsplit=1)[0] in str(error)
    assert len(str(error)) < 1500


def test_what_is_not_found_is_named_with_the_address(server: Any) -> None:
    server.says(NO_MODEL, 404)
    message = str(fault(server))
    assert "'m-1'" in message
    assert server.url in message


def test_a_refusal_keeps_its_words(server: Any) -> None:
    server.says(completion(None, refusal="I cannot help with that."))
    assert fault(server).raw == "I cannot help with that."


def test_a_reply_that_hangs_is_a_timeout(server: Any) -> None:
    done = threading.Event()

    def hang(_: object) -> tuple[int, dict[str, str], bytes]:
        done.wait(10)
        return 200, {}, b"{}"

    server.answer = hang
    start = time.monotonic()
    error = fault(server, timeout=0.3)
    done.set()
    assert (error.kind, error.retryable) == ("timeout", True)
    assert time.monotonic() - start < 3


def test_nobody_listening_is_a_connection_error(server: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        error = fault(server, base_url=url)
    assert (error.kind, error.retryable) == ("connection", True)
    assert url in str(error)


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/v1", "http://127.0.0.1:99999/v1", "http://[::1/v1"])
def test_an_address_that_is_none_is_a_typed_error(server: Any, url: str) -> None:
    assert fault(server, base_url=url).kind in ("connection", "bad_request")


@pytest.mark.parametrize(
    ("headers", "body"),
    [({"content_length": "5000"}, b'{"choices"'), ({"content_encoding": "gzip"}, gzip.compress(b"{}" * 99)[:20] + b"junk" * 9)],
    ids=["cut", "packed"],
)
def test_a_damaged_body_is_a_typed_error(server: Any, headers: dict[str, str], body: bytes) -> None:
    server.says(body, **headers, connection="close")
    error = fault(server, timeout=0.5)
    assert error.kind in ("connection", "protocol", "timeout")
    assert error.retryable


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(server: Any, status: int) -> None:
    server.says(b"", status, location=f"{server.url}/elsewhere")
    error = fault(server)
    assert (error.kind, error.retryable) == ("protocol", False)
    assert "redirect" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
@pytest.mark.parametrize("filler", [0, 380, 16_000])
def test_a_key_that_the_server_echoes_never_appears(server: Any, status: int, filler: int) -> None:
    server.says({"error": {"message": f"{'x' * filler} your key {KEY}", "code": KEY, "type": KEY}}, status)
    assert KEY[:8] not in str(fault(server))


def test_a_short_key_is_hidden_as_well(server: Any) -> None:
    server.says({"error": {"message": "wrong key: k-17!"}}, 401)
    assert "k-17!" not in str(fault(server, api_key="k-17!"))


def test_a_key_inside_a_good_reply_is_cut_out(server: Any) -> None:
    server.says(completion(f"Your key is {KEY}."))
    assert backend(server).chat_completion(HELLO).text == "Your key is [redacted]."


def test_a_word_that_stands_for_no_key_is_left_in_a_reply(server: Any) -> None:
    server.says(completion("The box is EMPTY."))
    assert backend(server, api_key="EMPTY").chat_completion(HELLO).text == "The box is EMPTY."


def test_a_password_in_the_address_is_never_shown(server: Any) -> None:
    server.says(NO_MODEL, 404)
    url = server.url.replace("http://", "http://user:hunter22@")
    assert "hunter22" not in str(fault(server, base_url=url)) + repr(OpenAIBackend("m", base_url=url))


def test_a_closed_backend_opens_again_at_the_next_call(server: Any) -> None:
    server.says(completion())
    model = backend(server)
    for _ in range(2):
        assert model.chat_completion(HELLO).text == "Hello!"
        model.close()


def test_neither_repr_nor_identity_shows_the_key(server: Any) -> None:
    one = backend(server)
    assert KEY not in repr(one) + one.identity
    assert one.identity != backend(server, base_url="http://127.0.0.1:1/v1").identity


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_a_hosted_model_cannot_be_made(server: Any, monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    assert server
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        OpenAIBackend("gpt-5-mini")


def test_key_and_address_come_from_the_environment(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.says(completion())
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    assert OpenAIBackend("m-1").chat_completion(HELLO).text == "Hello!"
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_server_of_ones_own_needs_no_key(server: Any) -> None:
    server.says(completion())
    assert OpenAIBackend("m-1", base_url=server.url).chat_completion(HELLO).text == "Hello!"


def test_a_text_to_be_continued_is_refused(server: Any) -> None:
    assert fault(server, Request((Message("user", "Once"),), form="completion")).kind == "bad_request"
    assert not server.requests


def test_a_lone_surrogate_in_a_prompt_is_sent_or_refused(server: Any) -> None:
    server.says(completion())
    kinds = []
    try:
        backend(server, retries=4).chat_completion(Request((Message("user", "\ud800"),)))
    except BackendError as error:
        kinds.append(error.kind)
    assert kinds in ([], ["bad_request"])


def test_many_threads_share_one_backend(server: Any) -> None:
    server.answer = lambda request: (200, {}, json.dumps(completion(request["messages"][0]["content"])).encode())
    model = backend(server)
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda n: model.chat_completion(Request((Message("user", f"n{n}"),))).text, range(64)))
    assert replies == [f"n{n}" for n in range(64)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_after_the_first_call_makes_connections_of_its_own(server: Any) -> None:
    server.says(completion())
    model = backend(server)
    model.chat_completion(HELLO)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if model.chat_completion(HELLO).text == "Hello!" else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert model.chat_completion(HELLO).text == "Hello!"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 600) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["choices", "message", "content", "error", "code", "finish_reason"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(body=json_values, status=st.sampled_from([200, 200, 200, 400, 429, 500]))
def test_whatever_json_comes_back_it_is_a_reply_or_a_typed_error(server: Any, body: object, status: int) -> None:
    server.says(body, status)
    with contextlib.suppress(BackendError):
        assert isinstance(backend(server).chat_completion(HELLO).text, str)
