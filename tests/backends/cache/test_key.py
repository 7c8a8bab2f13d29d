"""The key of a kept answer: the same for the same question in every process, and another one for every other question."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import llm_brain.errors
from llm_brain.backends import CachedBackend, LanguageBackend, Message, Reply, Request, Sampling
from llm_brain.backends.cache.backend import request_key
from llm_brain.errors import BackendError

HELLO = Request((Message("system", "Be kind."), Message("user", "Hello?")), Sampling(0.5, 0.9, 99, 7), {"type": "object"})


class Named(LanguageBackend):
    def __init__(self, model_id: str = "m", identity: str = "", *, enforces_schema: bool = False) -> None:
        self.model_id = model_id
        self.enforces_schema = enforces_schema
        self._identity = identity
        self.asked = 0

    @property
    def identity(self) -> str:
        return self._identity

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        self.asked += 1
        return Reply(str(request.sample), "stop", "m")


texts = st.text(max_size=4) | st.sampled_from(["\ud800", "\0", '"', "\\", '","', "]", "é", "e\u0301"])
messages = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts), min_size=1, max_size=3)
schemas = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
requests = st.builds(
    Request,
    messages.map(tuple),
    st.builds(
        Sampling,
        st.sampled_from([0.0, 0.5, 1.0]),
        st.sampled_from([0.9, 1.0]),
        st.sampled_from([1, 256]),
        st.none() | st.integers(0, 3),
    ),
    st.none() | st.dictionaries(texts, schemas, max_size=2),
    st.integers(0, 2),
    st.sampled_from(["chat", "completion"]),
)
models = st.builds(Named, st.sampled_from(["a", "b", ""]), st.sampled_from(["", "a", "http://x/v1"]))
calls = st.tuples(models, st.sampled_from(["chat", "choose", "embed"]), requests, st.lists(texts, max_size=3))


def told(call: Any) -> str:
    """Tell all that there is to a call, apart from how the key tells it."""
    model, kind, request, options = call
    return repr((model.model_id, model.identity, kind, request, options))


@given(one=calls, other=calls)
def test_two_calls_share_a_key_exactly_when_nothing_of_them_differs(one: Any, other: Any) -> None:
    assert (request_key(*one) == request_key(*other)) == (told(one) == told(other))


@given(call=calls, data=st.data())
def test_calls_that_differ_in_one_thing_have_different_keys(call: Any, data: st.DataObject) -> None:
    another = data.draw(calls)
    for place in range(4):
        changed = (*call[:place], another[place], *call[place + 1 :])
        assert (request_key(*changed) == request_key(*call)) == (told(changed) == told(call))


def compared(kind: Any) -> list[str]:
    """Name the fields that tell objects of a dataclass apart."""
    return [field.name for field in fields(kind) if field.compare]


OTHER_WORDS = {"system": "user", "user": "assistant", "assistant": "user", "chat": "completion", "completion": "chat"}


def variants(value: Any) -> list[Any]:
    """Change each field of a dataclass in turn, and of the dataclasses in it: whichever fields there will be."""
    if is_dataclass(value) and not isinstance(value, type):
        return [replace(value, **{name: other}) for name in compared(value) for other in variants(getattr(value, name))]
    if isinstance(value, tuple) and value:
        return [value[::-1], value[:-1], *((*value[:-1], other) for other in variants(value[-1]))]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1 if isinstance(value, int) else value / 2 or 0.5]
    if isinstance(value, str):
        return [OTHER_WORDS.get(value, f"{value} more")]
    return [{"changed": value is None}]


def test_every_field_of_a_request_is_a_part_of_the_key() -> None:
    changed = variants(HELLO)
    assert len(changed) >= sum(len(compared(kind)) for kind in (Request, Sampling, Message))
    keys = [request_key(Named(), "chat", request) for request in [HELLO, *changed]]
    assert len(set(keys)) == len(keys)


def test_what_earlier_replies_took_changes_no_answer_and_no_key() -> None:
    assert replace(HELLO, spent=3.0) == HELLO
    assert request_key(Named(), "chat", replace(HELLO, spent=3.0)) == request_key(Named(), "chat", HELLO)
    assert {field.name for kind in (Request, Sampling, Message) for field in fields(kind) if not field.compare} == {"spent"}


@pytest.mark.parametrize("kind", [Request, Sampling, Message])
def test_every_field_is_read_for_the_key(kind: type) -> None:
    names = set(compared(kind))
    seen: set[str] = set()

    class Watching:
        def __init__(self, value: Any) -> None:
            self._value = value

        def __getattr__(self, name: str) -> Any:
            seen.add(name)
            return getattr(self._value, name)

    if kind is Message:
        watched: Any = replace(HELLO, messages=(Watching(HELLO.messages[0]),))
    else:
        watched = Watching(HELLO) if kind is Request else replace(HELLO, sampling=Watching(HELLO.sampling))
    request_key(Named(), "chat", watched)
    assert names <= seen


def test_model_address_kind_and_the_order_of_options_are_parts_of_the_key() -> None:
    asked: list[tuple[LanguageBackend | None, str, tuple[str, ...]]] = [
        (Named(), "chat", ()),
        (Named("n"), "chat", ()),
        (Named("m", "http://127.0.0.1:1/v1"), "chat", ()),
        (Named("m", "http://127.0.0.1:2/v1"), "chat", ()),
        (Named(enforces_schema=True), "chat", ()),
        (None, "chat", ()),
        (Named(), "choose", ()),
        (Named(), "choose", ("a", "b")),
        (Named(), "choose", ("b", "a")),
        (Named(), "choose", ("a", "b", "a")),
        (Named(), "choose", ("ab",)),
    ]
    keys = {request_key(model, kind, HELLO, options) for model, kind, options in asked}
    assert len(keys) == len(asked)


def test_a_schema_with_its_properties_in_another_order_is_another_question() -> None:
    asked: list[dict[str, Any]] = [{"properties": {name: {} for name in order}} for order in ("ab", "ba")]
    assert len({request_key(Named(), "chat", replace(HELLO, schema=schema)) for schema in asked}) == 2


def test_how_a_number_or_a_mapping_is_held_makes_no_difference() -> None:
    same = [
        replace(HELLO, sampling=Sampling(0, 1, 9, 7)),
        replace(HELLO, sampling=Sampling(0.0, 1.0, 9, 7)),
        replace(HELLO, sampling=Sampling(np.float64(0), np.float32(1), np.int64(9), np.int32(7))),
        replace(HELLO, sampling=Sampling(0.0, 1.0, 9, 7), schema=MappingProxyType({"type": "object"})),
    ]
    assert len({request_key(Named(), "chat", request) for request in same}) == 1


def test_large_numbers_that_differ_little_are_told_apart() -> None:
    seeds = [2**53, 2**53 + 1, 2**64, 2**64 + 1]
    assert len({request_key(Named(), "chat", replace(HELLO, sampling=Sampling(seed=seed))) for seed in seeds}) == len(seeds)


def endless() -> dict[str, Any]:
    schema: dict[str, Any] = {}
    schema["again"] = schema
    return schema


@pytest.mark.parametrize("schema", [{"type": object()}, {"enum": {1, 2}}, {("a", "b"): 1}, endless()])
def test_a_question_that_cannot_be_told_from_others_is_asked_each_time(tmp_path: Path, schema: Any) -> None:
    model = Named()
    layer = CachedBackend(model, tmp_path / "answers.sqlite")
    asked = replace(HELLO, schema=schema)
    assert [layer.chat_completion(asked).cached for _ in range(2)] == [False, False]
    assert not list(layer.stream(asked))[-1].cached  # type: ignore[union-attr]
    assert model.asked == 3
    assert len(layer) == 0
    layer.close()


def test_what_the_model_says_of_such_a_question_is_what_the_caller_hears(tmp_path: Path) -> None:
    class Strict(Named):
        def chat_completion(self, request: Request) -> Reply:
            message = f"no JSON: {request.schema}"
            raise BackendError(message, kind="bad_request")

    layer = CachedBackend(Strict(), tmp_path / "answers.sqlite")
    with pytest.raises(BackendError, match="no JSON"):
        layer.chat_completion(replace(HELLO, schema={"type": object()}))
    layer.close()


PROGRAM = """
from llm_brain.backends import LanguageBackend, Message, Request, Sampling
from llm_brain.backends.cache.backend import request_key
class Named(LanguageBackend):
    model_id = "m"
    identity = "http://127.0.0.1/v1"
    def count_tokens(self, text): return 1
    def chat_completion(self, request): raise NotImplementedError
schema = {"type": "object", "properties": {name: {"enum": ["x", "y"]} for name in ("b", "a", "c")}, "required": ["c", "a"]}
request = Request((Message("user", "H\\u00e9llo \\ud800"),), Sampling(0.1 + 0.2, 1, 9, None), schema, 3, "completion")
print(request_key(Named(), "choose", request, ("b", "a")))
"""


def test_the_key_is_the_same_in_every_process() -> None:
    here = {**os.environ, "PYTHONPATH": str(Path(llm_brain.errors.__file__).parents[1])}
    run = [
        subprocess.run([sys.executable, "-c", PROGRAM], env={**here, "PYTHONHASHSEED": seed}, capture_output=True, check=True)
        for seed in ("0", "1", "12345")
    ]
    assert len({process.stdout for process in run}) == 1
