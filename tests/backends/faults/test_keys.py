"""No key appears anywhere, wherever a server says it back: in an error, a header, a page, a stream, or a good reply."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from llm_brain.backends.layers.traced import TracedBackend
from llm_brain.errors import BackendError
from tests.backends.faults.playing import HELLO, KEY, Case, Played, ask, every, model_of, play_all
from tests.backends.faults.promises import check_always, check_key
from tests.servers import acts
from tests.servers.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect, event
from tests.servers.faulty import Act, FaultyServer, Wire, unused_port

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
modes = pytest.mark.parametrize("mode", ["json", "streamed"])
TOLD = f"Incorrect key provided: {KEY} (Bearer {KEY})."
ANY: Any = ("auth", "bad_request", "connection", "incomplete", "not_found", "protocol", "rate_limit", "refusal", "server")


def page_with_key(status: int) -> Act:
    content = f"<!DOCTYPE html><html><body>{acts.PAGE.decode()}<!-- {KEY} --></body></html>".encode()
    return acts.answers(content, status, content_type="text/html")


def raw(data: str) -> Callable[[Dialect], Act]:
    return lambda _: acts.sends(data.encode())


async def mirror(wire: Wire) -> None:
    """Answer with the request itself, headers and all, as some proxies' error pages do."""
    told = {"error": {"message": json.dumps(wire.request.headers) + wire.request.content.decode(), "code": KEY, "type": KEY}}
    await wire.reply(told, 400, reason=KEY, x_api_key=KEY, www_authenticate=f"Bearer {KEY}")


def echoed(name: str, act: Callable[[Dialect], Act], **more: Any) -> Case:
    return Case(name, act, set(ANY), **more)


ECHOED = [
    echoed("401", lambda dialect: dialect.fails(401, TOLD, kind=KEY, code=KEY)),
    echoed("400", lambda dialect: dialect.fails(400, TOLD, kind=f"error for {KEY}", code=f"{KEY}_refused")),
    echoed("404", lambda dialect: dialect.fails(404, TOLD)),
    echoed("500", lambda dialect: dialect.fails(500, TOLD, code=KEY)),
    echoed("429", lambda dialect: dialect.fails(429, TOLD, retry_after=KEY)),
    echoed("mirror", lambda _: mirror),
    echoed("redirect", lambda _: acts.redirects(f"http://127.0.0.1:1/?key={KEY}", 307)),
    echoed("page-403", lambda _: page_with_key(403)),
    echoed("page-502", lambda _: page_with_key(502)),
    echoed("page-200", lambda _: page_with_key(200)),
    echoed("text", lambda _: acts.answers(f"the key {KEY} is unknown".encode(), 401, content_type="text/plain")),
    echoed("text-200", lambda _: acts.answers(f"the key {KEY} is unknown".encode(), content_type="text/plain")),
    echoed("json-200", lambda _: acts.answers({"headers": {"authorization": f"Bearer {KEY}"}})),
    echoed("at-the-cut", lambda _: acts.answers(("x" * 395 + KEY + "y" * 99).encode(), 500)),
    echoed("behind-the-cut", lambda _: acts.answers(("x " * 9000 + KEY).encode(), 500)),
    echoed("quoted", lambda _: acts.answers(f"/login?key={quote(KEY)}&again={KEY}".encode(), 400)),
    echoed("escaped", lambda _: acts.answers({"error": {"message": json.dumps(json.dumps({"key": KEY}))}}, 400)),
    echoed("not-http", raw(f"-ERR {KEY} is unknown\r\n\r\n")),
    echoed("bad-status", raw(f"HTTP/1.1 {KEY} OK\r\n\r\n")),
    echoed("bad-header", raw(f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n")),
    echoed("long-header", raw(f"HTTP/1.1 200 OK\r\nX: {KEY * 9000}\r\n\r\n")),
    echoed("bad-chunk", raw(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n\r\n")),
    echoed("bad-packing", lambda _: acts.answers(b"\x1f\x8b", content_encoding=KEY)),
    echoed("refusal", lambda dialect: dialect.says(f"I may not tell that {KEY} is your key.", end="refusal")),
    echoed("error-200", lambda dialect: acts.answers(dialect.error(TOLD, kind=KEY, code=KEY))),
    echoed(
        "error-event",
        lambda dialect: acts.streams(*dialect.events("Hel", end=None, closed=False), dialect.error_event(TOLD, KEY)),
    ),
    echoed(
        "cut-stream",
        lambda dialect: acts.streams(*dialect.events(*KEY, end=None, closed=False), then="close"),
        modes=("streamed",),
    ),
    echoed("odd-event", lambda _: acts.streams(event(KEY)), modes=("streamed",)),
]


@pytest.fixture(scope="module")
def told(server: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_all(server, ECHOED, tmp_path_factory.mktemp("told"))


@pytest.mark.parametrize("name", every(ECHOED))
def test_a_key_that_a_server_says_back_with_a_fault_is_nowhere(told: Played, name: str) -> None:
    case, _, mode = every(ECHOED)[name]
    outcome = told.of(name)
    check_always(outcome)
    assert outcome.fault.kind in case.allowed(mode)
    told_of = pickle.dumps(outcome.fault) + repr(copy.copy(outcome.fault).__dict__).encode()
    assert KEY.encode() not in told_of
    assert base64.b64encode(KEY.encode()) not in told_of


def in_one_piece(text: str) -> Callable[[Dialect], Act]:
    return lambda dialect: dialect.either(acts.answers(dialect.body(text)), acts.streams(*dialect.events(text)))


REPLIES: dict[str, Callable[[Dialect], Act]] = {
    "text": lambda dialect: dialect.says(f"Your key is {KEY}."),
    "one-piece": in_one_piece(f"Your key is {KEY}."),
    "letters": lambda dialect: dialect.either(
        acts.answers(dialect.body(f"Your key is {KEY}.")), acts.streams(*dialect.events(*f"Your key is {KEY}."))
    ),
    "twice": lambda dialect: dialect.says(f"Your key is {KEY}. {KEY * 2}"),
    "model": lambda dialect: dialect.says("Hello!", model=f"m-1-{KEY}"),
    "other-model": lambda dialect: dialect.says("Hello!", model=KEY),
    "id": lambda dialect: dialect.says("Hello!", id=KEY, system_fingerprint=KEY),
    "finish": lambda dialect: dialect.either(
        acts.answers(dialect.body(**_finish(dialect))),
        acts.streams(*(one.replace(b'"stop"', f'"{KEY}"'.encode()) for one in _events(dialect))),
    ),
}


def _finish(dialect: Dialect) -> dict[str, Any]:
    if dialect is ANTHROPIC:
        return {"stop_reason": KEY}
    return {"choices": [{"message": {"content": "Hello!"}, "finish_reason": KEY}]}


def _events(dialect: Dialect) -> list[bytes]:
    return [one.replace(b'"end_turn"', b'"stop"') for one in dialect.events("Hello!")]


@dialects
@modes
@pytest.mark.parametrize("name", REPLIES)
def test_a_key_inside_a_good_reply_is_cut_out(
    server: FaultyServer, tmp_path: Path, dialect: Dialect, mode: Any, name: str
) -> None:
    outcome = ask(server.stage(REPLIES[name](dialect)), dialect, mode, tmp_path)
    check_always(outcome)
    assert outcome.answer.text.startswith(("Your key is [redacted].", "Hello!"))


@dialects
def test_an_address_with_a_password_is_never_shown(server: FaultyServer, tmp_path: Path, dialect: Dialect) -> None:
    password = "hunter-22-pelican"
    stage = server.stage(dialect.fails(401, f"no {password} here"))
    stage.url = stage.url.replace("http://", f"http://someone:{password}@")
    outcome = ask(stage, dialect, "json", tmp_path)
    assert outcome.fault.kind == "auth"
    check_key(outcome, password)
    backend = model_of(dialect, stage.url)
    assert password not in repr(backend) + str(vars(backend).get("base_url")) + backend.identity


@pytest.mark.parametrize(("fault", "dialect"), [("refused", OPENAI), ("timeout", ANTHROPIC), ("reset", OPENAI)])
def test_no_key_is_in_the_error_of_a_lost_connection(server: FaultyServer, tmp_path: Path, dialect: Dialect, fault: str) -> None:
    stage = server.stage(acts.hangs if fault == "timeout" else acts.resets)
    if fault == "refused":
        stage.url = f"http://127.0.0.1:{unused_port()}"
    outcome = ask(stage, dialect, "json", tmp_path, deadline=0.6)
    assert isinstance(outcome.error, BackendError)
    check_key(outcome)


@dialects
def test_no_key_is_in_what_a_backend_says_of_itself(dialect: Dialect) -> None:
    backend = model_of(dialect, "http://127.0.0.1:1")
    assert KEY not in repr(backend) + str(backend) + repr(TracedBackend(backend)) + backend.identity + backend.model_id


UNCAUGHT = """
import sys
from tests.backends.faults.playing import HELLO, model_of
from tests.servers.dialects import DIALECTS
url, name = sys.argv[1:]
(dialect,) = [one for one in DIALECTS if one.name == name]
model_of(dialect, url, retries=0).chat_completion(HELLO)
"""


def test_no_key_is_in_the_traceback_of_a_program_that_dies_of_it(server: FaultyServer) -> None:
    stage = server.stage(mirror)
    died = subprocess.run(
        [sys.executable, "-X", "dev", "-c", UNCAUGHT, stage.url, OPENAI.name], capture_output=True, text=True, check=False
    )
    assert died.returncode == 1
    assert "llm_brain.errors.BackendError" in died.stderr
    assert KEY not in died.stdout + died.stderr


@dialects
def test_no_key_is_in_the_values_of_a_tracebacks_frames_that_a_logger_would_show(server: FaultyServer, dialect: Dialect) -> None:
    with pytest.raises(BackendError) as caught:
        model_of(dialect, server.stage(dialect.fails(401, TOLD)).url).chat_completion(HELLO)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    ours = "\n".join(line for line in shown.splitlines() if "tests" not in line)
    assert "answered 401" in ours
    assert f"'{KEY}'" not in ours


def test_a_word_that_stands_for_no_key_is_left_in_replies(server: FaultyServer) -> None:
    stage = server.stage(OPENAI.says("The room is EMPTY."))
    assert model_of(OPENAI, stage.url, api_key="EMPTY").chat_completion(HELLO).text == "The room is EMPTY."
