"""Many calls at once: in order, each its own sample, and stopped when one fails."""

from __future__ import annotations

import contextvars
import json
import signal
import threading
import time
from typing import Any

import pytest

from llm_brain.backends import Request
from llm_brain.errors import ReplyError
from llm_brain.strategy import Details, ModelImplementation, TypedFunction, inspect_function, use_model
from tests.strategy.conftest import Answering


def echo(text: str) -> str:
    """Echo."""
    raise NotImplementedError


def said(request: Request) -> str:
    return str(json.loads(request.messages[-1].content.partition("text: ")[2]))


def made(answer: Any) -> tuple[TypedFunction, Answering]:
    backend = Answering(answer)
    return TypedFunction(inspect_function(echo), ModelImplementation(backend, max_attempts=1)), backend


def test_results_stand_in_the_order_of_the_inputs() -> None:
    def slow_first(request: Request) -> str:
        time.sleep(0.03 if said(request) == "0" else 0)
        return said(request)

    ticks: list[int] = []
    function, _ = made(slow_first)
    inputs = [str(i) for i in range(20)]
    assert function.map(inputs, on_result=lambda: ticks.append(1)) == inputs
    assert len(ticks) == 20
    assert function.map([]) == []


def test_repeated_inputs_are_different_samples() -> None:
    function, _ = made(lambda request: f"{said(request)}{request.sample}")
    assert function.map(["a", "b", "a", "a"], concurrency=2) == ["a0", "b0", "a1", "a2"]


def test_no_more_calls_are_in_flight_than_allowed() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def counted(_: Request) -> str:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.005)
        with lock:
            now[0] -= 1
        return "x"

    made(counted)[0].map(["a"] * 12, concurrency=3)
    assert 1 < most[0] <= 3


def test_the_first_error_is_raised_without_waiting_for_the_others(gate: threading.Event) -> None:
    def failing(request: Request) -> str:
        if said(request) == "slow":
            gate.wait(5)
        if said(request) == "bad":
            raise ReplyError("bad", raw="bad")
        return "x"

    function, backend = made(failing)
    started = time.monotonic()
    with pytest.raises(ReplyError, match="bad"):
        function.map(["slow", "bad", *["later"] * 50], concurrency=2)
    assert time.monotonic() - started < 2
    assert len(backend.requests) < 52


def test_with_details_each_error_keeps_its_place() -> None:
    def failing(request: Request) -> str:
        if said(request) == "bad":
            raise ReplyError("bad", raw="bad")
        return "x"

    first, second, third = made(failing)[0].map_details(["a", "bad", "c"])
    assert isinstance(first, Details)
    assert isinstance(second, ReplyError)
    assert isinstance(third, Details)


def test_context_variables_reach_the_workers() -> None:
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
    who.set("me")
    assert made(lambda _: who.get())[0].map(["a", "b"]) == ["me", "me"]
    with use_model(Answering(lambda _: "other")):
        assert made(lambda _: "declared")[0].map(["a", "b"]) == ["other", "other"]


def test_ctrl_c_cancels_what_has_not_begun(gate: threading.Event) -> None:
    def waiting(_: Request) -> str:
        gate.wait(5)
        return "x"

    function, backend = made(waiting)
    threading.Timer(0.1, signal.pthread_kill, [threading.get_ident(), signal.SIGINT]).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        function.map(["a"] * 50, concurrency=2)
    assert time.monotonic() - started < 2
    gate.set()
    time.sleep(0.05)
    assert len(backend.requests) == 2


def test_the_instance_is_asked_about_in_every_call() -> None:
    class Shop:
        def __init__(self) -> None:
            self.city = "Oslo"

    def staff(self: Any, day: str) -> str:
        """Count."""
        raise NotImplementedError

    backend = Answering(lambda _: "3")
    function = TypedFunction(inspect_function(staff, takes_self=True), ModelImplementation(backend))
    function.__get__(Shop()).map(["Monday", "Sunday"])
    assert all("Oslo" in request.messages[0].content for request in backend.requests)
