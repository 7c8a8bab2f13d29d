"""Many calls at once against a real server: what concerns all calls ends the asking, and every input is accounted for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from llm_brain.backends import CachedBackend, LanguageBackend, OpenAIBackend, Request, TracedBackend
from llm_brain.backends.layers.budget import BudgetedBackend
from llm_brain.errors import BackendError, BudgetError, LLMBrainError, MissingKeyError
from llm_brain.strategy import Details, ModelImplementation, TypedFunction, inspect_function
from llm_brain.tracing import read_spans, record
from tests.strategy.conftest import Answering

USED = 12


def echo(text: str) -> str:
    """Echo."""
    raise NotImplementedError


class Listening(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class Server:
    """An OpenAI-compatible server on 127.0.0.1, which counts; `status` decides about each request, given its number."""

    def __init__(self) -> None:
        self.status: Callable[[int], tuple[int, object]] = lambda _: (200, None)
        self.requests = 0
        self.answered = 0
        self.flying = self.most = 0
        self.slow = 0.0
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                with outer.lock:
                    outer.requests += 1
                    outer.flying += 1
                    outer.most = max(outer.most, outer.flying)
                    number = outer.requests
                time.sleep(outer.slow)
                status, body = outer.status(number)
                with outer.lock:
                    outer.flying -= 1
                    outer.answered += status == 200
                said = {"message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop", "index": 0}
                usage = {"prompt_tokens": USED - 2, "completion_tokens": 2, "total_tokens": USED}
                whole = json.dumps(body or {"model": "m-1", "choices": [said], "usage": usage}).encode()
                with contextlib.suppress(OSError):  # a client whose caller has given up hangs up
                    self.send_response(status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(whole)))
                    self.end_headers()
                    self.wfile.write(whole)

            def log_message(self, *_: object) -> None:
                return

        self.listening = Listening(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.listening.server_port}/v1"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    serving = Server()
    thread = threading.Thread(target=serving.listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield serving
    serving.listening.shutdown()
    serving.listening.server_close()
    thread.join()


def model_at(server: Server) -> OpenAIBackend:
    return OpenAIBackend("m-1", base_url=server.url, api_key="a made-up key", retries=0)


def typed(backend: LanguageBackend) -> TypedFunction:
    return TypedFunction(inspect_function(echo), ModelImplementation(backend, max_attempts=1))


REFUSALS = {
    "auth": (401, {"error": {"message": "Incorrect API key", "type": "invalid_request_error", "code": "invalid_api_key"}}),
    "quota": (429, {"error": {"message": "You have no credit", "type": "insufficient_quota", "code": "insufficient_quota"}}),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refused_key_and_an_empty_account_end_the_asking_of_ten_thousand_inputs(server: Server, kind: str) -> None:
    server.status = lambda _: REFUSALS[kind]
    server.slow = 0.01
    model = model_at(server)
    ticks: list[int] = []
    answers = typed(model).map_details([str(i) for i in range(10_000)], concurrency=16, on_result=lambda: ticks.append(1))
    assert server.requests <= 16
    assert len(answers) == len(ticks) == 10_000
    assert {answer.kind for answer in answers if isinstance(answer, BackendError)} == {kind}
    assert answers[-1] is answers[-2]
    with pytest.raises(BackendError):
        typed(model).map([str(i) for i in range(10_000)], concurrency=16)
    assert server.requests <= 32
    model.close()


def test_what_is_in_flight_when_the_asking_ends_ends_as_it_ends(server: Server) -> None:
    server.status = lambda number: REFUSALS["auth"] if number == 40 else (200, None)
    server.slow = 0.005
    model = model_at(server)
    answers = typed(model).map_details([str(i) for i in range(5000)], concurrency=8)
    assert 40 <= server.requests < 2000
    assert sum(isinstance(answer, Details) for answer in answers) == server.answered == server.requests - 1
    model.close()


def test_awaited_calls_end_the_asking_too(server: Server) -> None:
    server.status = lambda _: REFUSALS["auth"]
    model = model_at(server)
    answers = asyncio.run(typed(model).aio.map_details([str(i) for i in range(1000)], concurrency=16))
    assert len(answers) == 1000
    assert server.requests <= 16
    model.close()


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize(
    "error", [BackendError("no", kind="auth"), BackendError("no", kind="quota"), BudgetError("no"), MissingKeyError("no")]
)
def test_what_concerns_all_calls_stands_in_the_places_of_all_that_were_not_asked(error: Exception, concurrency: int) -> None:
    def failing(_: Request) -> str:
        raise error

    backend = Answering(failing)
    answers = typed(backend).map_details([str(i) for i in range(100)], concurrency=concurrency)
    assert all(answer is error for answer in answers)
    assert len(backend.requests) <= concurrency


@pytest.mark.parametrize("concurrency", [1, 4])
def test_what_concerns_one_call_does_not_end_the_asking(concurrency: int) -> None:
    def failing(_: Request) -> str:
        raise BackendError("no", kind="server")

    backend = Answering(failing)
    assert len(typed(backend).map_details(["a"] * 50, concurrency=concurrency)) == len(backend.requests) == 50


def test_the_next_map_asks_again(server: Server) -> None:
    server.status = lambda number: REFUSALS["auth"] if number == 1 else (200, None)
    model = model_at(server)
    function = typed(model)
    assert isinstance(function.map_details(["a"], concurrency=1)[0], BackendError)
    assert function.map(["a"], concurrency=1) == ["Hello."]
    model.close()


@pytest.mark.parametrize("concurrency", [1, 7])
def test_a_spent_budget_carries_the_results_so_far_in_their_places(concurrency: int) -> None:
    backend = Answering(lambda request: request.messages[-1].content)
    function = typed(BudgetedBackend(backend, calls=20))
    with pytest.raises(BudgetError, match="20 calls") as caught:
        function.map([str(i) for i in range(100)], concurrency=concurrency)
    results = caught.value.results
    assert len(results) == 100
    answered = [place for place, result in enumerate(results) if result is not None]
    assert len(answered) == len(backend.requests) == 20
    assert all(results[place] == f'text: "{place}"' for place in answered)


@pytest.mark.parametrize("late", ["x", BackendError("too late", kind="server")])
def test_a_spent_budget_waits_for_what_was_in_flight_and_has_to_be_paid_for(gate: threading.Event, late: str | Exception) -> None:
    begun = threading.Semaphore(0)

    def answer(request: Request) -> str:
        if "slow" not in request.messages[-1].content:
            begun.acquire()  # the slow one is in flight
            return "x"
        begun.release()
        gate.wait(10)
        if isinstance(late, Exception):
            raise late
        return late

    budgeted = BudgetedBackend(Answering(answer), calls=2)

    def open_once_it_is_spent() -> None:
        while budgeted.spent.calls != 2:
            time.sleep(0.005)
        time.sleep(0.1)
        gate.set()

    threading.Thread(target=open_once_it_is_spent).start()
    with pytest.raises(BudgetError) as caught:
        typed(budgeted).map(["slow", "quick", "never", "never"], concurrency=2)
    assert caught.value.results == (late if isinstance(late, str) else None, "x", None, None)


def test_awaited_maps_carry_their_results_too() -> None:
    backend = Answering(lambda _: "x")
    with pytest.raises(BudgetError) as caught:
        asyncio.run(typed(BudgetedBackend(backend, calls=3)).aio.map(["a"] * 9, concurrency=2))
    assert caught.value.results.count("x") == 3


def test_of_a_thousand_calls_of_which_every_third_fails_each_is_accounted_for(server: Server, tmp_path: Path) -> None:
    dice = random.Random(0)
    fails = [dice.random() < 0.3 for _ in range(1000)]
    server.status = lambda number: (503, {"error": {"message": "overloaded"}}) if fails[number - 1] else (200, None)
    model = model_at(server)
    budgeted = BudgetedBackend(model, calls=5000)
    cached = CachedBackend(budgeted, tmp_path / "answers.sqlite")
    outer = TracedBackend(cached)
    inputs = [str(i) for i in range(1000)]
    with record(tmp_path / "run"):
        answers = typed(outer).map_details(inputs, concurrency=16)
    values = [answer for answer in answers if isinstance(answer, Details)]
    errors = [answer for answer in answers if isinstance(answer, LLMBrainError)]
    assert len(values) + len(errors) == 1000
    assert Counter(getattr(error, "kind", None) for error in errors) == {"server": sum(fails)}
    assert server.requests == outer.calls == budgeted.spent.calls == 1000
    assert server.most <= 16
    assert budgeted.spent.tokens == USED * len(values) == USED * server.answered
    chats = [span for span in read_spans(tmp_path / "run") if span.name == "chat m-1"]
    assert Counter(span.status == "error" for span in chats) == {True: len(errors), False: len(values)}

    server.status = lambda _: (200, None)
    again = typed(outer).map_details(inputs, concurrency=16)
    assert sum(isinstance(answer, Details) and answer.cached for answer in again) == len(values)
    assert server.requests == budgeted.spent.calls == 1000 + len(errors)
    assert budgeted.spent.tokens == USED * 1000
    cached.close()
    model.close()
