"""A recording answers what was recorded, exactly and again, and says of all else that it was not."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import llm_brain.errors
from llm_brain.backends import (
    CachedBackend,
    Choice,
    LanguageBackend,
    Message,
    Reply,
    Request,
    Sampling,
    Usage,
    resolve_model,
)
from llm_brain.backends.cache.recorded import RecordedBackend, Recorder
from llm_brain.errors import BackendError, DataError
from llm_brain.tracing import keep_secret

HELLO = Request((Message("system", "Be kind."), Message("user", "Hello, you?")), Sampling(0.5, 0.9, 99, 7))


class Model(LanguageBackend):
    model_id = "m-1"
    context_length = 512
    choice_form = "completion"
    enforces_schema = True

    def __init__(self, text: str = "Hi there,\n how  are you?") -> None:
        self.text = text
        self.asked = 0
        self.failing = False

    @property
    def identity(self) -> str:
        return "http://127.0.0.1"

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        self.asked += 1
        if self.failing:
            raise BackendError("busy", kind="server", retryable=True)
        return Reply(f"{self.text} {request.sample or ''}", "stop", "served", Usage(12, 3))

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        assert isinstance(request, Request)
        self.asked += 1
        return Choice(options[-1], tuple(1 / len(options) for _ in options), "served")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "hello.jsonl"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def refused(model: RecordedBackend, request: Request) -> str:
    with pytest.raises(BackendError) as caught:
        model.chat_completion(request)
    assert (caught.value.kind, caught.value.retryable) == ("not_found", False)
    return str(caught.value)


def test_two_equal_questions_cost_one_call_and_a_replay_none(path: Path) -> None:
    model = Model()
    recorder = Recorder(model, path)
    first = recorder.chat_completion(HELLO)
    assert recorder.chat_completion(HELLO) == replace(first, cached=True)
    assert Recorder(model, path).chat_completion(HELLO).cached
    assert RecordedBackend(path).chat_completion(HELLO) == first
    assert model.asked == 1


def test_replies_choices_and_streams_are_played_as_they_were(path: Path) -> None:
    recorder = Recorder(Model(), path)
    reply = list(recorder.stream(HELLO))[-1]
    choice = recorder.choose_from_options(HELLO, ["a", "b"])
    played = RecordedBackend(path)
    assert played.chat_completion(HELLO) == reply
    assert played.choose_from_options(HELLO, ["a", "b"]) == choice
    *pieces, last = played.stream(HELLO)
    assert last == reply
    assert len(pieces) == 5
    assert "".join(map(str, pieces)) == played.chat_completion(HELLO).text

    async def main() -> list[Any]:
        streamed = [piece async for piece in played.astream(HELLO)]
        return [await played.achat_completion(HELLO), await played.achoose_from_options(HELLO, ["a", "b"]), *streamed]

    assert asyncio.run(main()) == [reply, choice, *pieces, reply]


def test_awaited_questions_are_recorded_once_as_well(path: Path) -> None:
    model = Model()
    recorder = Recorder(model, path)

    async def main() -> None:
        await asyncio.gather(*(recorder.achat_completion(HELLO) for _ in range(5)))
        await recorder.achoose_from_options(HELLO, ["a", "b"])

    asyncio.run(main())
    assert model.asked == 2
    assert len(lines(path)) == 3


def test_a_replay_stands_for_the_model_in_all_that_shapes_a_prompt(path: Path) -> None:
    Recorder(Model(), path).chat_completion(HELLO)
    played = RecordedBackend(path)
    assert (played.model_id, played.choice_form, played.enforces_schema, played.context_length) == (
        "m-1",
        "completion",
        True,
        512,
    )
    assert played.count_tokens("four words are here") > 3


def test_people_can_read_the_file(path: Path) -> None:
    recorder = Recorder(Model("Grüße 😀\u2028"), path)
    recorder.chat_completion(HELLO)
    recorder.choose_from_options(HELLO, ["ja", "nein"])
    assert "Grüße 😀" in path.read_text(encoding="utf-8")
    head, chat, choice = lines(path)
    assert head == {"recording": 1, "model": "m-1", "choice_form": "completion", "enforces_schema": True, "context_length": 512}
    assert chat["request"]["messages"][1] == {"role": "user", "content": "Hello, you?"}
    assert chat["request"]["sampling"] == {"temperature": 0.5, "top_p": 0.9, "max_tokens": 99, "seed": 7}
    assert chat["answer"] == {
        "text": "Grüße 😀\u2028 ",
        "finish_reason": "stop",
        "model": "served",
        "usage": {"input_tokens": 12, "output_tokens": 3},
    }
    assert "null" not in path.read_text(encoding="utf-8")
    assert not {"schema", "sample"} & set(chat["request"])
    assert (choice["options"], choice["answer"]["option"]) == (["ja", "nein"], "nein")


def test_people_can_write_the_file(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(
        '{"recording": 1, "model": "by-hand"}\n\n'
        '{"kind": "chat", "request": {"messages": [{"role": "user", "content": "Hello"}]},\t'
        '"answer": {"text": "World", "finish_reason": "stop", "model": "by-hand", "usage": null}}',
        encoding="utf-8",
    )
    hello = Request((Message("user", "Hello"),))
    assert RecordedBackend(path).chat_completion(hello).text == "World"
    model = Model()
    model.model_id = "by-hand"
    assert Recorder(model, path).chat_completion(hello).text == "World"
    assert not model.asked


def test_a_file_whose_last_line_end_was_left_out_by_hand_is_added_to(path: Path) -> None:
    Recorder(Model(), path).chat_completion(HELLO)
    path.write_bytes(path.read_bytes().rstrip())
    Recorder(Model(), path).chat_completion(replace(HELLO, sample=1))
    assert len(lines(path)) == 3
    assert RecordedBackend(path).chat_completion(HELLO).text


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_line_that_was_cut_off_as_it_was_written_costs_only_itself(path: Path, cut: int) -> None:
    recorder = Recorder(Model(), path)
    recorder.chat_completion(HELLO)
    recorder.chat_completion(replace(HELLO, sample=1))
    path.write_bytes(path.read_bytes()[: -cut - 1])
    played = RecordedBackend(path)
    assert played.chat_completion(HELLO).text
    refused(played, replace(HELLO, sample=1))
    model = Model()
    again = Recorder(model, path)
    again.chat_completion(HELLO)
    again.chat_completion(replace(HELLO, sample=1))
    assert model.asked == 1
    assert RecordedBackend(path).chat_completion(replace(HELLO, sample=1)).text


def test_a_failed_call_is_never_recorded(path: Path) -> None:
    model = Model()
    model.failing = True
    recorder = Recorder(model, path)
    with pytest.raises(BackendError, match="busy"):
        recorder.chat_completion(HELLO)
    with pytest.raises(BackendError, match="busy"):
        list(recorder.stream(HELLO))
    assert not path.exists()


def test_another_sample_schema_or_sampling_is_another_question(path: Path) -> None:
    Recorder(Model(), path).chat_completion(HELLO)
    played = RecordedBackend(path)
    asked = [
        (replace(HELLO, sample=1), "another sample"),
        (replace(HELLO, schema={"type": "null"}), "another schema"),
        (replace(HELLO, sampling=Sampling()), "another sampling"),
        (replace(HELLO, form="completion", sample=2), "another sample and another form"),
    ]
    for request, difference in asked:
        assert f"the same messages and {difference}" in refused(played, request)


def test_an_unknown_request_is_told_with_the_nearest_recorded_one_and_how_to_record_it(path: Path) -> None:
    recorder = Recorder(Model(), path)
    for text in ("What is the capital of France?", "Name three rivers.", "Hello, you?"):
        recorder.chat_completion(Request((Message("user", text),)))
    message = refused(RecordedBackend(path), Request((Message("user", "What is the capital of Spain?"),)))
    assert "'What is the capital of France?'" in message
    assert f"Recorder(backend, {str(path)!r})" in message
    assert "rivers" not in message
    assert "none of the 3" in refused(RecordedBackend(path), Request((Message("user", "0123456789"),)))


def test_a_choice_among_other_options_is_told_so(path: Path) -> None:
    Recorder(Model(), path).choose_from_options(HELLO, ["a", "b"])
    with pytest.raises(BackendError, match="another list of options"):
        RecordedBackend(path).choose_from_options(HELLO, ["b", "a"])
    assert "another kind of question" in refused(RecordedBackend(path), HELLO)


def test_an_unknown_request_is_told_soon_among_many_long_ones(path: Path) -> None:
    recorder = Recorder(Model(), path)
    for n in range(300):
        recorder.chat_completion(Request((Message("user", f"question {n} " + "word " * 5000),)))
    assert "question" not in refused(RecordedBackend(path), Request((Message("user", "word " * 4999),)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"junk", "line 1"),
        (b"[1]", "line 1"),
        (b'{"kind": "chat"}', "line 1"),
        (b'{"recording": 2, "model": "m"}', "format 2"),
        (b'{"recording": 1}', "line 1"),
        (b'{"recording": 1, "model": "m", "colour": "red"}', "colour"),
        (b'{"recording": 1, "model": "m"}\njunk\n', "line 2"),
        (b'{"recording": 1, "model": "m"}\n\xff\xfe\n', "line 2"),
        (b'{"recording": 1, "model": "m"}\n{"recording": 1, "model": "n"}\n', "another model"),
        (b'{"recording": 1, "model": "m"}\n{"kind": "sing", "request": {"messages": []}, "answer": {}}\n', "sing"),
        (b'{"recording": 1, "model": "m"}\n{"kind": "chat", "request": {"messages": []}, "answer": {}}\n', "text"),
        (
            b'{"recording": 1, "model": "m"}\n{"kind": "chat", "request": {"messages": [{"role": "x"}]}, "answer": {}}\n',
            "content",
        ),
        (b'{"recording": 1, "model": "m"}\n{"kind": "chat", "request": {"messages": [], "seed": 1}, "answer": {}}\n', "seed"),
        (b'{"recording": 1, "model": "m"}\n' + b"[" * 100_000 + b"\n", "line 2"),
    ],
)
def test_a_file_that_is_no_recording_is_an_error_that_says_where(path: Path, content: bytes, words: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        RecordedBackend(path)


def test_a_recording_that_is_not_there_is_an_error_that_says_how_to_make_it(path: Path) -> None:
    with pytest.raises(DataError, match="Recorder"):
        RecordedBackend(path)


def test_a_recording_of_another_model_is_not_added_to(path: Path) -> None:
    Recorder(Model(), path).chat_completion(HELLO)
    other = Model()
    other.model_id = "m-2"
    with pytest.raises(DataError, match="'m-1', not of 'm-2'"):
        Recorder(other, path)


def test_a_file_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be written"):
        Recorder(Model(), tmp_path / "file" / "hello.jsonl").chat_completion(HELLO)


def test_a_key_in_a_prompt_or_a_reply_is_not_recorded_and_the_request_is_found_all_the_same(path: Path) -> None:
    key = "Vb3-Kd0_pW9xLm4T"
    keep_secret(key)
    asked = Request((Message("user", f"Sign in with {key}"),))
    Recorder(Model(f"Signed in with {key}"), path).chat_completion(asked)
    assert key.encode() not in path.read_bytes()
    assert "[redacted]" in RecordedBackend(path).chat_completion(asked).text
    model = Model()
    assert Recorder(model, path).chat_completion(asked).cached
    assert not model.asked


def test_threads_that_record_together_lose_nothing(path: Path) -> None:
    model = Model()
    recorder = Recorder(model, path)
    asked = [replace(HELLO, sample=n % 50) for n in range(200)]
    with ThreadPoolExecutor(16) as pool:
        texts = [reply.text for reply in pool.map(recorder.chat_completion, asked)]
    assert model.asked == 50
    assert len(lines(path)) == 51
    played = RecordedBackend(path)
    with ThreadPoolExecutor(16) as pool:
        assert [reply.text for reply in pool.map(played.chat_completion, asked)] == texts


PROGRAM = """
import sys
from dataclasses import replace
from llm_brain.backends import LanguageBackend, Message, Reply, Request
from llm_brain.backends.cache.recorded import Recorder
class Model(LanguageBackend):
    model_id = "model"
    def count_tokens(self, text): return 1
    def chat_completion(self, request): return Reply(f"answer {request.sample} " + "x" * 20000, "stop", "model")
model = Recorder(Model(), sys.argv[1])
for n in range(100):
    model.chat_completion(Request((Message("user", "Hello?"),), sample=n))
"""


def test_processes_side_by_side_lose_nothing(path: Path) -> None:
    here = {**os.environ, "PYTHONPATH": str(Path(llm_brain.errors.__file__).parents[1])}
    command = [sys.executable, "-c", PROGRAM, str(path)]
    processes = [subprocess.Popen(command, env=here, stderr=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate(timeout=60)[1] for process in processes] == [b""] * 3
    played = RecordedBackend(path)
    for n in range(100):
        assert played.chat_completion(Request((Message("user", "Hello?"),), sample=n)).text.startswith(f"answer {n} ")


def test_a_recording_is_named_like_any_model(path: Path) -> None:
    Recorder(Model(), path).chat_completion(HELLO)
    model = resolve_model(f"recorded:{path}")
    assert isinstance(model, RecordedBackend)
    assert model.chat_completion(HELLO).text
    assert str(path) in repr(model)


def test_another_recording_is_another_model_to_a_cache(path: Path, tmp_path: Path) -> None:
    Recorder(Model("one"), path).chat_completion(HELLO)
    Recorder(Model("two"), tmp_path / "other.jsonl").chat_completion(HELLO)
    texts = []
    for file in (path, tmp_path / "other.jsonl"):
        layer = CachedBackend(RecordedBackend(file), tmp_path / "answers.sqlite")
        texts.append(layer.chat_completion(HELLO).text.strip())
        layer.close()
    assert texts == ["one", "two"]


texts = st.text(st.characters(), max_size=8) | st.text(st.characters(categories=["Cs"]), max_size=1)
requests = st.builds(
    Request,
    st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts), max_size=3).map(tuple),
    st.builds(Sampling, st.sampled_from([0.0, 0.7]), st.sampled_from([0.9, 1.0]), st.integers(1, 9), st.none() | st.integers()),
    st.none() | st.dictionaries(texts, texts | st.floats(allow_nan=False), max_size=3).map(MappingProxyType),
    st.integers(0, 3),
    st.sampled_from(["chat", "completion"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(requests, min_size=1, max_size=4), said=texts, options=st.lists(texts, min_size=1, max_size=3))
def test_whatever_was_asked_and_answered_is_played_exactly(
    tmp_path: Path, asked: list[Request], said: str, options: list[str]
) -> None:
    path = tmp_path / f"{threading.get_ident()}-{os.urandom(4).hex()}.jsonl"
    model = Model(said)
    recorder = Recorder(model, path)
    replies = [recorder.chat_completion(request) for request in asked]
    choices = [recorder.choose_from_options(request, options) for request in asked]
    played = RecordedBackend(path)
    assert [played.chat_completion(request) for request in asked] == [replace(reply, cached=False) for reply in replies]
    assert [played.choose_from_options(request, options) for request in asked] == [
        replace(choice, cached=False) for choice in choices
    ]
