"""The dialects of servers that speak OpenAI's language: what each one says well is read, and what fails has its kind.

The bodies are those of vLLM, FastChat, Ollama, llama.cpp, Text Generation Inference, LM Studio, Azure and others, in their words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from llm_brain.backends import Message, OpenAIBackend, Reply, Request, Sampling, Usage
from llm_brain.errors import BackendError

HELLO = Request((Message("user", "Hello?"),), Sampling(max_tokens=99))
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
TYPED = Request(HELLO.messages, HELLO.sampling, SCHEMA)


def backend(server: Any, **options: Any) -> OpenAIBackend:
    return OpenAIBackend("m", **{"base_url": server.url, "api_key": "EMPTY", "timeout": 10.0, "retries": 0, **options})


def completion(text: str = "Hello!", **more: object) -> dict[str, Any]:
    return {
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        **more,
    }


VLLM = completion(
    usage={"prompt_tokens": 9, "total_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": None},
    prompt_logprobs=None,
    kv_transfer_params=None,
)
VLLM["choices"][0] |= {"stop_reason": None, "logprobs": None, "token_ids": None}
VLLM["choices"][0]["message"] |= {"reasoning_content": "Let me think.", "refusal": None, "tool_calls": [], "function_call": None}
LLAMA = completion(
    usage={"completion_tokens": 3, "prompt_tokens": 9, "total_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4}},
    timings={"prompt_n": 9},
    system_fingerprint="b0-unknown",
)
OLLAMA = completion(usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}, system_fingerprint="fp_ollama")
FASTCHAT = completion(usage={"prompt_tokens": 9, "total_tokens": 12, "completion_tokens": 3})
AZURE = completion(
    usage={"completion_tokens": 3, "prompt_tokens": 9, "total_tokens": 12},
    prompt_filter_results=[{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}],
)
AZURE["choices"][0]["content_filter_results"] = {"hate": {"filtered": False, "severity": "safe"}}


@pytest.mark.parametrize(
    ("answer", "usage"),
    [
        (VLLM, Usage(9, 3)),
        (LLAMA, Usage(9, 3, cache_read_tokens=4)),
        (OLLAMA, Usage(9, 3)),
        (FASTCHAT, Usage(9, 3)),
        (AZURE, Usage(9, 3)),
        (completion(), None),
    ],
    ids=["vllm", "llama.cpp", "ollama", "fastchat", "azure", "without usage"],
)
def test_a_reply_is_read_as_each_server_gives_it(server: Any, answer: object, usage: Usage | None) -> None:
    server.says(answer)
    assert backend(server).chat_completion(HELLO) == Reply("Hello!", "stop", "m", usage)


def chunk(delta: Mapping[str, Any], finish: str | None = None, **more: object) -> dict[str, Any]:
    return {
        "object": "chat.completion.chunk",
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
LAST = {"object": "chat.completion.chunk", "model": "m", "choices": [], "usage": USAGE}
DONE = "[DONE]"

STREAMS = {
    "vllm": [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo!"}, "stop"),
        LAST,
        DONE,
    ],
    "vllm, tokens told all along": [
        chunk({"role": "assistant", "content": ""}, usage={**USAGE, "completion_tokens": 0}),
        chunk({"content": "Hel"}, usage={**USAGE, "completion_tokens": 1}),
        chunk({"content": "lo!"}, "stop", usage=USAGE),
        DONE,
    ],
    "vllm, reasoning first": [
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "Let me"}),
        chunk({"reasoning_content": " think", "content": None}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo!"}, "stop"),
        LAST,
        DONE,
    ],
    "llama.cpp": [
        chunk({"role": "assistant", "content": None}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo!"}),
        chunk({}, "stop"),
        {**LAST, "timings": {"prompt_n": 1}},
        DONE,
    ],
    "ollama": [
        chunk({"role": "assistant", "content": "Hel"}),
        chunk({"role": "assistant", "content": "lo!"}),
        chunk({"role": "assistant", "content": ""}, "stop"),
        LAST,
        DONE,
    ],
    "azure": [
        {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [{"prompt_index": 0}]},
        chunk({"role": "assistant", "content": "", "refusal": None}, content_filter_results={}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo!"}),
        chunk({}, "stop"),
        LAST,
        DONE,
    ],
    "transformers serve, without a closing event": [
        chunk({"role": "assistant"}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo!"}),
        chunk({}, "stop", usage=USAGE),
    ],
}


@pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)
def test_a_stream_is_read_as_each_server_gives_it(server: Any, events: list[Any]) -> None:
    stream(server, *events)
    *pieces, reply = backend(server).stream(HELLO)
    assert "".join(str(piece) for piece in pieces) == "Hello!"
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish_reason, reply.usage) == ("Hello!", "stop", Usage(9, 2))
    assert bool(reply.notes) == (events[-1] != DONE)


def test_a_stream_that_tells_no_tokens_has_unknown_usage(server: Any) -> None:
    stream(server, chunk({"role": "assistant"}), chunk({"content": "Hello!"}), chunk({}, "stop"), DONE)  # FastChat
    *_, reply = backend(server).stream(HELLO)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.usage) == ("Hello!", None)


def stream(server: Any, *events: object) -> None:
    sent = "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)
    server.says(sent.encode(), content_type="text/event-stream")


BROKEN = {
    "vllm": {"error": {"message": "EngineCore died", "type": "InternalServerError", "param": None, "code": 500}},
    "older vllm": {"object": "error", "message": "EngineCore died", "type": "InternalServerError", "param": None, "code": 500},
    "fastchat": {"text": "**NETWORK ERROR**\n\n(EngineCore died)", "error_code": 50002},
    "sglang": {"error": {"object": "error", "message": "EngineCore died", "type": "SERVICE_UNAVAILABLE", "code": 503}},
    "transformers serve": {"error": "EngineCore died"},
}


@pytest.mark.parametrize("event", BROKEN.values(), ids=BROKEN)
def test_an_error_in_a_stream_is_told_in_the_servers_words(server: Any, event: Mapping[str, Any]) -> None:
    for begun in ([], [chunk({"content": "Hel"})]):
        stream(server, *begun, event, DONE)
        with pytest.raises(BackendError, match="EngineCore died") as caught:
            list(backend(server).stream(HELLO))
        assert caught.value.kind == ("incomplete" if begun else "server")
        assert caught.value.retryable
        assert caught.value.raw == ("Hel" if begun else None)


def openai(message: str, **more: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}


def older_vllm(message: str, code: int = 400, **more: object) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": code, **more}


def fastchat(message: str, code: int) -> dict[str, Any]:
    return {"object": "error", "message": message, "code": code}


TOO_LONG = {
    "openai": (400, openai("This model's maximum context length is 8 tokens.", code="context_length_exceeded")),
    "older vllm": (
        400,
        older_vllm("This model's maximum context length is 8 tokens. However, you requested 9 tokens (9 in the messages)"),
    ),
    "vllm": (
        400,
        openai(
            "You passed 1015 input tokens and requested 10 output tokens. However, the model's context length is only 1024 tokens"
        ),
    ),
    "sglang": (400, older_vllm("The input (9000 tokens) is longer than the model's context length (8192 tokens).")),
    "llama.cpp": (
        400,
        {
            "error": {
                "code": 400,
                "message": "request (5031 tokens) exceeds the available context size",
                "type": "exceed_context_size_error",
            }
        },
    ),
    "fastchat": (
        400,
        fastchat("This model's maximum context length is 8 tokens. However, your messages resulted in 9 tokens.", 40303),
    ),
    "text generation inference": (
        422,
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000",
            "error_type": "validation",
        },
    ),
    "text generation inference, prompt alone": (
        422,
        {"error": "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000", "error_type": "validation"},
    ),
    "lm studio": (
        400,
        {"error": "Trying to keep the first 5000 tokens when context the overflows. The context length is only 4096 tokens"},
    ),
    "gemini": (
        400,
        [{"error": {"code": 400, "message": "The input token count (12) exceeds the maximum number of tokens allowed (8)."}}],
    ),
    "xai": (
        400,
        {"code": "invalid", "error": "This model's maximum prompt length is 131072 but the request contains 200000 tokens."},
    ),
    "mistral": (
        400,
        {"object": "error", "message": "Prompt contains 9 tokens, too large for model with 8 maximum context length"},
    ),
}


@pytest.mark.parametrize(("status", "answer"), TOO_LONG.values(), ids=TOO_LONG)
def test_a_prompt_that_is_too_long_has_one_code_in_every_dialect(server: Any, status: int, answer: object) -> None:
    server.says(answer, status)
    with pytest.raises(BackendError) as caught:
        backend(server, retries=2).chat_completion(HELLO)
    assert (caught.value.kind, caught.value.code, caught.value.retryable) == ("bad_request", "context_length_exceeded", False)
    assert len(server.requests) == 1


FAULTS: dict[str, tuple[int, object, str, str]] = {
    "vllm, another model": (
        404,
        openai("The model `x` does not exist.", type="NotFoundError", code=404),
        "not_found",
        "does not exist",
    ),
    "older vllm, another model": (404, older_vllm("The model `x` does not exist.", 404), "not_found", "does not exist"),
    "vllm, wrong key": (401, {"error": "Unauthorized"}, "auth", "Unauthorized"),
    "vllm, busy": (503, older_vllm("no room", 503), "server", "no room"),
    "fastchat, another model": (400, fastchat("Only vicuna allowed now, your model x", 40301), "not_found", "Only vicuna"),
    "fastchat, out of range": (
        400,
        fastchat("9 is greater than the maximum of 2 - 'temperature'", 40302),
        "bad_request",
        "maximum of 2",
    ),
    "fastchat, missing field": (400, fastchat("field required", 40001), "bad_request", "field required"),
    "fastchat, broken inside": (400, fastchat("Internal Server Error", 50001), "server", "Internal Server Error"),
    "fastchat, out of memory": (400, fastchat("CUDA out of memory", 50002), "server", "out of memory"),
    "fastchat, no worker": (400, fastchat("no worker", 50005), "server", "no worker"),
    "fastchat, too fast": (400, fastchat("slow down", 42901), "rate_limit", "slow down"),
    "fastchat, quota": (400, fastchat("spent", 42902), "quota", "spent"),
    "fastchat, overloaded": (400, fastchat("overloaded", 42903), "server", "overloaded"),
    "fastchat, wrong key": (
        401,
        {"detail": {"error": {"message": "", "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}}},
        "auth",
        "invalid_api_key",
    ),
    "ollama, another model": (
        404,
        openai('model "x" not found, try pulling it first', type="api_error"),
        "not_found",
        "try pulling",
    ),
    "llama.cpp, wrong key": (
        401,
        {"error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}},
        "auth",
        "Invalid API Key",
    ),
    "llama.cpp, loading": (
        503,
        {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}},
        "server",
        "Loading",
    ),
    "llama.cpp, not switched on": (
        501,
        {
            "error": {
                "code": 501,
                "message": "This server does not support it. Start it with `--x`",
                "type": "not_supported_error",
            }
        },
        "bad_request",
        "does not support it",
    ),
    "transformers serve, another model": (400, {"detail": "Server is pinned to 'a'; requested 'x'."}, "bad_request", "pinned"),
    "azure, no deployment": (
        404,
        {"error": {"code": "DeploymentNotFound", "message": "does not exist"}},
        "not_found",
        "does not exist",
    ),
    "azure, wrong key": (
        401,
        {"statusCode": 401, "message": "Access denied due to invalid subscription key"},
        "auth",
        "Access denied",
    ),
    "azure, filtered prompt": (
        400,
        openai("The response was filtered due to the prompt", type=None, param="prompt", code="content_filter", status=400),
        "content_filter",
        "was filtered",
    ),
    "azure, too fast": (
        429,
        {"error": {"code": "429", "message": "Requests have exceeded call rate limit"}},
        "rate_limit",
        "call rate",
    ),
    "lm studio": (400, {"error": "No models loaded"}, "bad_request", "No models loaded"),
    "a proxy": (200, older_vllm("busy", 503), "server", "busy"),
}


@pytest.mark.parametrize(("status", "answer", "kind", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_has_its_kind_in_every_dialect(server: Any, status: int, answer: object, kind: str, words: str) -> None:
    server.says(answer, status)
    with pytest.raises(BackendError) as caught:
        backend(server).chat_completion(HELLO)
    assert caught.value.kind == kind
    assert caught.value.retryable == (kind in ("server", "rate_limit"))
    assert words in str(caught.value)


SCHEMA_REFUSALS = {
    "openai, an older model": (
        400,
        openai("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."),
    ),
    "openai, another schema": (
        400,
        openai("Invalid schema for response_format 'reply': 'pattern' is not permitted.", param="response_format"),
    ),
    "groq": (400, openai("This model does not support response format `json_schema`.", param="response_format")),
    "deepseek": (400, openai("This response_format type is unavailable now")),
    "older vllm": (400, older_vllm("[{'type': 'extra_forbidden', 'loc': ('body', 'response_format')}]")),
    "vllm": (400, openai("The provided JSON schema contains features not supported by xgrammar.", type="BadRequestError")),
    "llama.cpp": (400, {"error": {"code": 400, "message": "failed to parse grammar", "type": "invalid_request_error"}}),
    "text generation inference": (422, {"error": "Grammar is not valid: invalid schema", "error_type": "validation"}),
    "a strict one": (422, {"detail": [{"loc": ["body", "response_format", "type"], "msg": "unexpected value"}]}),
}


@pytest.mark.parametrize(("status", "refusal"), SCHEMA_REFUSALS.values(), ids=SCHEMA_REFUSALS)
def test_a_schema_that_is_refused_is_told_in_words_and_from_then_on_at_once(server: Any, status: int, refusal: object) -> None:
    def answer(sent: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
        is_refused = "response_format" in sent
        return (status if is_refused else 200), {}, json.dumps(refusal if is_refused else completion('{"age": 7}')).encode()

    server.answer = answer
    model = backend(server, retries=2)
    first, second = (model.chat_completion(TYPED) for _ in range(2))
    assert first.text == second.text == '{"age": 7}'
    assert (len(first.failed), len(second.failed)) == (1, 0)
    _, *others = server.requests
    assert others[0] == others[1]
    (turn,) = others[0]["messages"]
    assert turn["role"] == "user"
    assert turn["content"].startswith("Hello?\n\n")
    assert json.loads(turn["content"].splitlines()[-1]) == SCHEMA


def test_another_schema_is_tried_again(server: Any) -> None:
    def answer(sent: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
        is_refused = "age" in json.dumps(sent.get("response_format"))
        return (
            (400 if is_refused else 200),
            {},
            json.dumps(openai("failed to parse grammar") if is_refused else completion("{}")).encode(),
        )

    server.answer = answer
    model = backend(server, retries=2)
    model.chat_completion(TYPED)
    model.chat_completion(Request(HELLO.messages, schema={"type": "object"}))
    assert "response_format" in server.requests[-1]


def test_a_stream_is_asked_for_without_a_refused_schema_too(server: Any) -> None:
    def answer(sent: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
        if "response_format" in sent:
            return 400, {}, json.dumps(openai("unsupported response_format")).encode()
        events = (chunk({"content": '{"age": 7}'}, "stop"), DONE)
        return 200, {}, "".join(f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n" for each in events).encode()

    server.answer = answer
    *_, reply = backend(server, retries=2).stream(TYPED)
    assert isinstance(reply, Reply)
    assert reply.text == '{"age": 7}'
    assert "age" in server.requests[1]["messages"][-1]["content"]


def test_a_schema_that_a_server_pays_no_heed_to_is_told_in_words_besides(server: Any) -> None:
    server.says(completion("I am seven."))
    model = backend(server)
    for _ in range(2):
        model.chat_completion(TYPED)
    first, second = server.requests
    assert first["messages"][-1]["content"] == "Hello?"
    assert "age" in second["messages"][-1]["content"]
    assert second["response_format"] == first["response_format"]  # it may heed it after all


def test_a_schema_that_a_stream_pays_no_heed_to_is_told_in_words_besides(server: Any) -> None:
    stream(server, chunk({"content": "I am seven."}, "stop"), DONE)
    model = backend(server)
    for _ in range(2):
        assert len(list(model.stream(TYPED))) == 2
    first, second = (sent["messages"][-1]["content"] for sent in server.requests)
    assert first == "Hello?"
    assert "age" in second


def test_what_is_refused_is_remembered_though_there_was_no_try_left(server: Any) -> None:
    def answer(sent: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
        is_refused = "temperature" in sent
        refusal = openai("Unsupported parameter: 'temperature'")
        return (400 if is_refused else 200), {}, json.dumps(refusal if is_refused else completion()).encode()

    server.answer = answer
    model = backend(server)
    with pytest.raises(BackendError, match="temperature"):
        model.chat_completion(HELLO)
    assert model.chat_completion(HELLO).text == "Hello!"


@pytest.mark.parametrize("text", ['{"age": 7}', '```json\n{"age": 7}\n```', "<think>7</think>{"])
def test_a_schema_that_is_heeded_is_told_once(server: Any, text: str) -> None:
    server.says(completion(text))
    model = backend(server)
    for _ in range(2):
        model.chat_completion(TYPED)
    assert server.requests[0] == server.requests[1]


def test_a_reply_that_was_cut_says_nothing_about_schemas(server: Any) -> None:
    cut = completion("<think>")
    cut["choices"][0]["finish_reason"] = "length"
    server.says(cut)
    model = backend(server)
    for _ in range(2):
        model.chat_completion(TYPED)
    assert server.requests[0] == server.requests[1]


def test_azures_version_stands_behind_the_path(wires: Any) -> None:
    wires.play = lambda wire: wire.reply(completion())
    url = wires.url.replace("/v1", "/openai/v1/?api-version=preview")
    assert OpenAIBackend("m", base_url=url, api_key="key").chat_completion(HELLO).text == "Hello!"
    assert wires.wires[0].path == "/openai/v1/chat/completions?api-version=preview"


def test_a_slash_at_the_end_of_an_address_makes_no_difference(wires: Any) -> None:
    wires.play = lambda wire: wire.reply(completion())
    OpenAIBackend("m", base_url=f"{wires.url}/").chat_completion(HELLO)
    assert wires.wires[0].path == "/v1/chat/completions"
