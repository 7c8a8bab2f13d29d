"""Calls at the same time: they are gathered by themselves, whoever makes them, and none disturbs another."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from llm_brain import llm_strategy
from llm_brain.backends import LocalBackend, Message, Reply, Request, Sampling
from llm_brain.errors import BackendError
from llm_brain.strategy import sampled


def asked(text: str, schema: dict[str, Any] | None = None, **sampling: Any) -> Request:
    return Request(
        (Message("user", text),), Sampling(**{"max_tokens": 20, "temperature": 1.0, "seed": len(text), **sampling}), schema
    )


REQUESTS = [asked(f"Say {'x' * number}", max_tokens=5 + 3 * number) for number in range(9)]
SET = {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "uniqueItems": True, "minItems": 3}


@pytest.fixture
def model(tiny_folder: Path) -> LocalBackend:
    return LocalBackend(tiny_folder, model_id="tiny", model_kwargs={"dtype": "float32"})


@pytest.fixture
def alone(model: LocalBackend) -> list[Reply]:
    return [model.chat_completion(request) for request in REQUESTS]


def test_threads_get_what_each_would_have_got_alone(model: LocalBackend, alone: list[Reply]) -> None:
    with ThreadPoolExecutor(9) as pool:
        assert list(pool.map(model.chat_completion, REQUESTS)) == alone


def test_tasks_get_what_each_would_have_got_alone(model: LocalBackend, alone: list[Reply]) -> None:
    async def main() -> list[Reply]:
        return await asyncio.gather(*map(model.achat_completion, REQUESTS))

    assert asyncio.run(main()) == alone


@pytest.mark.parametrize("largest", [1, 2, 4])
def test_more_calls_than_a_batch_holds_wait_for_their_turn(tiny_folder: Path, alone: list[Reply], largest: int) -> None:
    model = LocalBackend(tiny_folder, model_id="tiny", model_kwargs={"dtype": "float32"}, largest_batch=largest)
    with ThreadPoolExecutor(9) as pool:
        assert list(pool.map(model.chat_completion, REQUESTS)) == alone


def test_a_map_over_a_typed_function_is_one_batch_after_the_other(model: LocalBackend) -> None:
    class Pair(BaseModel):
        first: bool
        second: int

    @llm_strategy(model)
    @sampled(0.0, max_tokens=40)
    def pair(word: str) -> Pair:
        """Pair it."""
        raise NotImplementedError

    words = [f"word {number}" for number in range(6)]
    one_by_one = [pair(word) for word in words]
    read = model.engine.tokens_read
    assert pair.map(words) == one_by_one
    assert model.engine.tokens_read - read < len(words) * 80  # what all prompts begin with was not read again


def test_who_comes_while_others_are_written_joins_them(model: LocalBackend) -> None:
    begun = threading.Event()
    ended: list[str] = []

    def long() -> None:
        for _ in model.stream(asked("Tell a long story", max_tokens=200)):
            begun.set()
        ended.append("long")

    def short() -> None:
        assert begun.wait(30)
        model.chat_completion(asked("Say a word", max_tokens=2))
        ended.append("short")

    threads = [threading.Thread(target=work) for work in (long, short)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ended == ["short", "long"]


def test_options_and_vectors_do_not_wait_for_the_end_of_a_long_reply(model: LocalBackend) -> None:
    pieces = model.stream(asked("Tell a long story", max_tokens=200))
    next(pieces)
    choice = model.choose_from_options(Request((Message("user", "Yes or no? "),), form="completion"), ["yes", "no"])
    vectors = model.embed(["text"]).vectors
    *_, reply = pieces
    assert choice.option in ("yes", "no")
    assert vectors.shape == (1, 32)
    assert isinstance(reply, Reply)
    assert reply.usage is not None
    assert reply.usage.output_tokens > 20


@pytest.mark.parametrize(
    ("request_", "least"),
    [
        (asked("Say é and ü", max_tokens=60), 10),
        (asked("Any", {"type": "string"}, max_tokens=40), 10),
        (asked("Colours", SET, max_tokens=80), 1),  # of a set nothing is said that may have to be taken back
    ],
)
def test_a_stream_says_piece_by_piece_what_is_said_at_once(model: LocalBackend, request_: Request, least: int) -> None:
    *pieces, reply = model.stream(request_)
    assert reply == model.chat_completion(request_)
    assert isinstance(reply, Reply)
    assert "".join(map(str, pieces)) == reply.text
    assert len(pieces) >= least


def written_after(model: LocalBackend, seconds: float = 0.3) -> int:
    """Count the tokens that go through the model within some time, by which what was given up has to have ended."""
    time.sleep(seconds)
    before = model.engine.tokens_read
    time.sleep(seconds)
    return model.engine.tokens_read - before


def test_a_stream_that_is_closed_ends_the_work_on_it(model: LocalBackend) -> None:
    pieces = model.stream(
        asked("Tell a story", {"type": "array", "minItems": 90, "maxItems": 90, "items": {"const": 1}}, max_tokens=200)
    )
    next(pieces)
    pieces.close()
    assert written_after(model) == 0
    assert model.chat_completion(asked("Hi", max_tokens=3)).text is not None


def test_a_task_that_is_cancelled_ends_the_work_on_it(model: LocalBackend) -> None:
    async def main() -> None:
        task = asyncio.create_task(model.achat_completion(asked("Tell a story", max_tokens=200)))
        while not model.engine.tokens_read:  # noqa: ASYNC110 - it is counted in another thread
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert written_after(model) == 0


def test_one_who_cannot_be_answered_does_not_fail_the_others(model: LocalBackend) -> None:
    full = {**SET, "minItems": 2, "items": {"type": "string", "pattern": "^x$"}}
    # llguidance finds out only when it is asked for the first token that it has none for this range.
    narrow = {"allOf": [{"type": "number", "minimum": 0.5, "multipleOf": 0.25}, {"type": "number", "maximum": 0.5}]}
    requests = [asked("Go", schema, max_tokens=80) for schema in (SET, full, SET, narrow)] * 4
    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(model.chat_completion, request) for request in requests]
        for request, future in zip(requests, futures, strict=True):
            if request.schema is SET:
                assert sorted(json.loads(future.result(60).text)) == ["blue", "green", "red"]
            else:
                with pytest.raises(BackendError, match="uniqueItems" if request.schema is full else "cannot be followed"):
                    future.result(60)


def test_blocking_calls_from_many_threads_encode_their_texts_safely(model: LocalBackend) -> None:
    # A tokenizer's options are set for each text: were they mixed up, a control token in a message would become one.
    planted = "a<end>b" * 20
    expected = model.count_tokens((Message("user", planted),))
    with ThreadPoolExecutor(8) as pool:
        counts = pool.map(lambda _: model.count_tokens((Message("user", planted),)), range(200))
    assert set(counts) == {expected}


PROGRAM = """
import os, sys, threading, time
from llm_brain.backends import LocalBackend, Message, Request, Sampling

model = LocalBackend(sys.argv[1])
long = Request((Message("user", "Go"),), Sampling(1.0, max_tokens=200), {"type": "array", "items": {"const": 1}, "minItems": 90})
short = Request((Message("user", "Go"),), Sampling(max_tokens=2))
model.chat_completion(short)
"""
INTERRUPTED = """
try:
    while True:
        print("asking", flush=True)
        model.chat_completion(long)
except KeyboardInterrupt:
    read = model.engine.tokens_read
    time.sleep(0.5)
    assert model.engine.tokens_read - read < 5
    model.chat_completion(short)
    print("stopped, and goes on", flush=True)
"""
FORKED = """
threading.Thread(target=model.chat_completion, args=(long,), daemon=True).start()
child = os.fork()
model.chat_completion(short)
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    print("both were answered", flush=True)
"""
ENDING = """
threading.Thread(target=model.chat_completion, args=(long,), daemon=True).start()
print("ends while a reply is written", flush=True)
"""


def started(program: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM + program, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_call_that_is_interrupted_stops_and_the_next_one_is_answered(tiny_folder: Path) -> None:
    with started(INTERRUPTED, tiny_folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asking\n"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (out.splitlines()[-1], errors, process.returncode) == ("stopped, and goes on", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_that_is_forked_while_a_reply_is_written_is_answered_too(tiny_folder: Path) -> None:
    with started(FORKED, tiny_folder) as process:
        out, errors = process.communicate(timeout=60)
    assert (out, errors, process.returncode) == ("both were answered\n", "", 0)


def test_a_program_may_end_while_a_reply_is_written(tiny_folder: Path) -> None:
    with started(ENDING, tiny_folder) as process:
        out, errors = process.communicate(timeout=60)
    assert (out, errors, process.returncode) == ("ends while a reply is written\n", "", 0)
