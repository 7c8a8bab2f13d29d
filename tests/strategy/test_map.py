"""Many calls at once: in order, each its own sample, and stopped when one fails."""

from __future__ import annotations

import contextvars
import json
import signal
import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest

from llm_brain.backends import Request
from llm_brain.errors import ArgumentError, BudgetError, ReplyError
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


def test_what_reads_alike_is_one_question_and_what_differs_is_not_whatever_its_repr_says() -> None:
    @dataclass(repr=False)
    class Document:
        text: str

    @dataclass
    class Silent:
        text: str

        def __repr__(self) -> str:
            return "same"

    def first(document: Document) -> str:
        """Sum up."""
        raise NotImplementedError

    def second(document: Silent) -> str:
        """Sum up."""
        raise NotImplementedError

    for function, inputs, samples in (
        (first, [Document("a"), Document("a"), Document("b")], [0, 1, 0]),
        (second, [Silent("a"), Silent("b"), Silent("a")], [0, 0, 1]),
    ):
        backend = Answering(lambda request: str(request.sample))
        spec = inspect_function(function, names={"Document": Document, "Silent": Silent})
        assert TypedFunction(spec, ModelImplementation(backend)).map(inputs, concurrency=1) == [str(n) for n in samples]


def test_a_display_that_fails_is_no_failure_of_the_call() -> None:
    ticks: list[int] = []

    def stop() -> None:
        ticks.append(1)
        raise BudgetError("enough")

    function, backend = made(lambda _: "x")
    with pytest.raises(BudgetError):
        function.map_details(["a", "b"], on_result=stop, concurrency=1)
    assert len(ticks) == len(backend.requests) == 1


@pytest.mark.parametrize("concurrency", [0, -3])
def test_nothing_at_a_time_is_refused(concurrency: int) -> None:
    with pytest.raises(ArgumentError, match="at least 1"):
        made(lambda _: "x")[0].map(["a"], concurrency=concurrency)


def test_the_state_of_the_object_is_read_once() -> None:
    reads: list[int] = []

    class Shop:
        city: str

        def __getattribute__(self, name: str) -> Any:
            if name == "city":
                reads.append(1)
                return "Oslo"
            return super().__getattribute__(name)

    def staff(self: Any, day: str) -> str:
        """Count."""
        raise NotImplementedError

    backend = Answering(lambda _: "3")
    function = TypedFunction(inspect_function(staff, takes_self=True), ModelImplementation(backend))
    function.__get__(Shop()).map(["Monday", "Sunday", "Tuesday"])
    assert len(reads) == 1
    assert all("Oslo" in request.messages[0].content for request in backend.requests)
