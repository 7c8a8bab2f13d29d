"""The support desk's prompts are those that are kept, and its demo shows what it says, with the embedded model."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from rich.console import Console

from examples.support_desk import demo, prompts
from examples.support_desk.interface import Escalate, Refund, Replace, SupportDesk
from examples.support_desk.tickets import INBOX
from llm_brain import use_model
from llm_brain.backends import OpenAIBackend
from llm_brain.strategy import AsyncTypedFunction, TypedFunction

SERVER = OpenAIBackend("MODEL", base_url="http://127.0.0.1/v1")


class Shop(ThreadingHTTPServer):
    """A server that hands out a refund, whatever it is asked, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.bodies: list[dict[str, Any]] = []


class Answer(BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        text = '{"return_value": {"kind": "refund", "order": "NB-4711", "amount": 899}}'
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        content = json.dumps({"model": "MODEL", "choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_every_kept_prompt_is_what_is_made_now() -> None:
    kept = {file.name: file.read_text(encoding="utf-8") for file in prompts.FOLDER.glob("*.txt")}
    assert kept == {name: f"{text}\n" for name, text in prompts.golden_prompts().items()}, (
        "a prompt has changed: `python -m examples.support_desk.prompts` writes them anew, then read the difference"
    )


def test_a_prompt_is_kept_of_every_method_of_the_desk() -> None:
    members = (vars(SupportDesk)[name] for name in vars(SupportDesk))
    typed = [getattr(member, "typed", member) for member in members]
    names = {function.spec.name for function in typed if isinstance(function, TypedFunction | AsyncTypedFunction)}
    assert names == prompts.CALLS.keys()
    assert len(names) == 12


def test_no_prompt_holds_the_desk_s_key() -> None:
    assert prompts.DESK.api_key
    assert not [name for name, text in prompts.golden_prompts().items() if prompts.DESK.api_key in text]


def test_a_server_is_sent_what_is_kept_and_the_schema_once(shop: Shop) -> None:
    with use_model(OpenAIBackend("MODEL", base_url=f"http://127.0.0.1:{shop.server_port}/v1")):
        assert isinstance(prompts.CALLS["next_action"](prompts.DESK), Refund)
    (body,) = shop.bodies
    sent = "\n\n".join(f"[{turn['role']}]\n{turn['content']}" for turn in body["messages"])
    kept, _, schema = prompts.golden_prompts()["next_action.txt"].partition("\n\n[beside")
    assert sent == kept
    assert json.loads(schema.partition("\n")[2]) == body["response_format"]["json_schema"]["schema"]
    assert "$defs" not in sent


def test_a_retry_adds_two_turns_and_another_retry_no_more() -> None:
    first, second, third = prompts.requests_of("next_action", SERVER, [prompts.UNFIT, prompts.UNFIT])
    assert second.messages[: len(first.messages)] == first.messages
    assert len(second.messages) == len(first.messages) + 2
    assert third.messages == second.messages


def test_two_calls_on_one_desk_differ_only_in_the_last_turn() -> None:
    def asked(message: str) -> tuple[Any, ...]:
        model = prompts.Asked(SERVER, ["delivery"])
        with use_model(model):
            prompts.DESK.department(message)
        return model.requests[0].messages

    one, other = asked("Where is it?"), asked("It broke.")
    assert one[:-1] == other[:-1]
    assert one[-1] != other[-1]


def test_the_embedded_model_routes_most_of_the_inbox_as_a_person_would() -> None:
    shown = io.StringIO()
    demo.show_inbox(SupportDesk("Nordwind Bikes"), Console(file=shown, width=120))
    right, _, rest = shown.getvalue().partition("progress=")[2].partition("\n")[2].partition(" of ")
    assert rest.startswith(f"{sum(map(len, INBOX.values()))} ")
    assert int(right) >= 22


def test_the_embedded_model_writes_a_reply_piece_by_piece() -> None:
    shown = io.StringIO()
    demo.show_reply(SupportDesk("Nordwind Bikes"), Console(file=shown, width=120))
    assert "sorry" in shown.getvalue()


def test_the_embedded_model_decides_on_one_of_the_three_actions() -> None:
    assert isinstance(prompts.CALLS["next_action"](prompts.DESK), Refund | Replace | Escalate)


@pytest.mark.slow
def test_the_demo_runs_to_its_end() -> None:
    command = [sys.executable, "-m", "examples.support_desk.demo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout.rstrip().endswith(" s")
