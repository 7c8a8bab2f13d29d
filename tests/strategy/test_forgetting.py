"""What failed is not kept: a typed call whose replies never fit asks the model anew the next time, whole or as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llm_brain import llm_function
from llm_brain.backends import CachedBackend, LanguageBackend, Message, Reply, Request
from llm_brain.errors import BackendError, ReplyError
from llm_brain.strategy import ModelImplementation


class Scripted(LanguageBackend):
    """Answers with the next reply of a list, and the last one again and again."""

    model_id = "scripted"

    def __init__(self, *replies: str, finish: str = "stop") -> None:
        self.replies = list(replies)
        self.finish = finish
        self.asked = 0

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:  # noqa: ARG002 - whatever is asked
        self.asked += 1
        return Reply(self.replies[min(self.asked, len(self.replies)) - 1], self.finish, self.model_id)


@llm_function
def rate(model: Any, message: str) -> int:
    """Rate the message."""
    raise NotImplementedError


def ask(implementation: ModelImplementation, way: str) -> int:
    if way == "stream":
        *_, value = rate.using(implementation).stream("hello")
        return int(value)
    if way == "await":
        return asyncio.run(rate.using(implementation).aio("hello"))
    return rate(implementation, "hello")


ways = pytest.mark.parametrize("way", ["call", "await", "stream"])


@ways
def test_a_call_that_failed_is_asked_anew(tmp_path: Path, way: str) -> None:
    model = Scripted("foo", "bar", "baz", '{"return_value": 1}')
    cached = CachedBackend(model, tmp_path / "answers.sqlite")
    with pytest.raises(ReplyError):
        ask(ModelImplementation(cached, max_attempts=3), way)
    assert (model.asked, len(cached)) == (3, 0)
    assert ask(ModelImplementation(cached, max_attempts=3), way) == 1
    assert (model.asked, len(cached)) == (4, 1)


@ways
def test_the_same_reply_again_is_no_answer_out_of_the_cache(tmp_path: Path, way: str) -> None:
    model = Scripted("foo", "foo", '{"return_value": 1}')
    cached = CachedBackend(model, tmp_path / "answers.sqlite")
    assert ask(ModelImplementation(cached, max_attempts=3), way) == 1
    assert (model.asked, len(cached)) == (3, 2)


@ways
def test_what_was_repaired_by_asking_again_is_kept_whole(tmp_path: Path, way: str) -> None:
    model = Scripted("foo", '{"return_value": 1}')
    cached = CachedBackend(model, tmp_path / "answers.sqlite")
    assert [ask(ModelImplementation(cached, max_attempts=3), way) for _ in range(2)] == [1, 1]
    assert model.asked == 2


@ways
def test_a_reply_that_was_cut_off_is_not_kept(tmp_path: Path, way: str) -> None:
    model = Scripted('{"return_value": 1', finish="length")
    cached = CachedBackend(model, tmp_path / "answers.sqlite")
    for asked in (1, 2):
        with pytest.raises(BackendError, match="cut off"):
            ask(ModelImplementation(cached), way)
        assert (model.asked, len(cached)) == (asked, 0)
