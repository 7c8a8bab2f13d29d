"""Choices and embeddings over a server that misbehaves: the same promises as for replies."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_brain.attempts import FaultKind
from llm_brain.backends import CachedBackend, LanguageBackend
from llm_brain.backends.layers.traced import TracedBackend
from llm_brain.errors import BackendError
from llm_brain.tracing import names, record
from llm_brain.tracing.reader import read_spans
from tests.backends.faults.playing import HELLO, KEY, model_of
from tests.backends.faults.promises import check_attempts, check_raised
from tests.servers import acts
from tests.servers.dialects import DIALECTS, OPENAI, Dialect, vectors
from tests.servers.faulty import Act, FaultyServer

OPTIONS = ["yes", "no"]
Ask = Callable[[LanguageBackend], Any]


def choose(backend: LanguageBackend) -> Any:
    return backend.choose_from_options(HELLO, OPTIONS)


def embed(backend: LanguageBackend) -> Any:
    return backend.embed(["one", "two"])


WAYS = [pytest.param(choose, dialect, id=f"choose-{dialect.name}") for dialect in DIALECTS]
WAYS += [pytest.param(embed, OPENAI, id="embed-openai")]
ways = pytest.mark.parametrize(("ask", "dialect"), WAYS)
FAULTS: dict[str, tuple[Callable[[Dialect], Act], set[FaultKind], int]] = {
    "401": (lambda dialect: dialect.fails(401, f"the key {KEY} is wrong"), {"auth"}, 1),
    "400": (lambda dialect: dialect.fails(400, f"what is {KEY}"), {"bad_request"}, 1),
    "503": (lambda dialect: dialect.fails(503, f"no room for {KEY}"), {"server"}, 2),
    "429": (lambda dialect: dialect.fails(429, "slow down", retry_after_ms="20"), {"rate_limit"}, 2),
    "reset": (lambda _: acts.resets, {"connection", "protocol"}, 2),
    "page": (lambda _: acts.page(200), {"protocol"}, 2),
    "cut": (lambda _: acts.cut(b'{"data": [' + b" " * 99), {"connection", "protocol"}, 2),
    "silent": (lambda _: acts.hangs, {"timeout"}, 1),
    "huge": (lambda _: acts.endless(b" " * 2**20), {"too_large"}, 1),
    "redirect": (lambda _: acts.redirects("http://127.0.0.1:1/", 307), {"protocol"}, 1),
}


@ways
@pytest.mark.parametrize("name", FAULTS)
def test_the_promises_hold_for_every_kind_of_call(
    server: FaultyServer, tmp_path: Path, ask: Ask, dialect: Dialect, name: str
) -> None:
    act, kinds, sent = FAULTS[name]
    deadline = 0.4 if name == "silent" else 1.2
    stage = server.stage(act(dialect))
    backend = model_of(dialect, stage.url, timeout=deadline, retries=1)
    cached = CachedBackend(backend, tmp_path / "answers.sqlite")
    begun = time.monotonic()
    with record(tmp_path / "run"), pytest.raises(BackendError) as caught:
        ask(TracedBackend(cached))
    assert time.monotonic() - begun <= deadline + 1
    error = caught.value
    check_raised(error)
    check_attempts(error.attempts, within=time.monotonic() - begun)
    assert error.kind in kinds
    assert (len(stage.requests), len(error.attempts)) == (sent, sent)
    (span,) = [span for span in read_spans(tmp_path / "run") if span.is_call]
    assert len(span.attributes[names.TRIES]) == sent
    # A failed call is not kept: it is asked again.
    stage.plays(dialect.fails(404))
    with pytest.raises(BackendError):
        ask(cached)
    assert len(stage.requests) == sent + 1
    cached.close()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in written + repr(vars(error)).encode() + str(error).encode()


@ways
@pytest.mark.parametrize("name", ["503", "page"])
def test_a_fault_that_passes_costs_no_answer(server: FaultyServer, ask: Ask, dialect: Dialect, name: str) -> None:
    well = vectors() if ask is embed else dialect.says("yes")
    stage = server.stage(FAULTS[name][0](dialect), well)
    answer = ask(model_of(dialect, stage.url, timeout=2.0))
    assert len(stage.requests) == 2
    if ask is embed:
        assert answer.vectors.tolist() == [[0.0] * 4, [1.0] * 4]
    else:
        assert (answer.option, [attempt.kind in FAULTS[name][1] for attempt in answer.failed]) == ("yes", [True])


def holding(*given: object) -> Act:
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(given)]
    return acts.answers({"object": "list", "model": "m-1", "data": data, "usage": {"prompt_tokens": 2, "total_tokens": 2}})


NO_VECTORS = {
    "too-few": holding([0.5, 1]),
    "too-many": holding([0.5, 1], [1, 2], [2, 3]),
    "other-lengths": holding([0.5, 1], [1]),
    "nan": holding([0.5, math.nan], [1, 2]),
    "infinity": holding([0.5, math.inf], [1, 2]),
    "overflow": acts.answers(b'{"data": [{"index": 0, "embedding": [1e999]}, {"index": 1, "embedding": [1]}]}'),
    "texts": holding(["0.5", "1"], ["1", "2"]),
    "nulls": holding(None, None),
    "empty": holding([], []),
    "no-data": acts.answers({"data": None}),
    "same-index": acts.answers({"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [2]}]}),
}


@pytest.mark.parametrize("name", NO_VECTORS)
def test_what_is_no_vector_for_each_text_is_told(server: FaultyServer, name: str) -> None:
    stage = server.stage(NO_VECTORS[name])
    with pytest.raises(BackendError) as caught:
        embed(model_of(OPENAI, stage.url, timeout=5.0, retries=0))
    check_raised(caught.value)
    assert (caught.value.kind, caught.value.retryable) == ("protocol", True)


def scored(*pairs: tuple[str, Any], text: str = "yes") -> Act:
    tops = [{"token": token, "logprob": logprob, "bytes": None} for token, logprob in pairs]
    logprobs = {"content": [{"token": text, "logprob": 0.0, "bytes": None, "top_logprobs": tops}]}
    message = {"role": "assistant", "content": text}
    return acts.answers(OPENAI.body(choices=[{"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}]))


@pytest.mark.parametrize("junk", [math.nan, math.inf, -math.inf, "-0.1", None, 5.0, [], {}, True, -1e999])
def test_probabilities_are_never_made_of_junk(server: FaultyServer, junk: Any) -> None:
    choice = choose(model_of(OPENAI, server.stage(scored(("yes", junk), ("no", -1.0))).url, timeout=5.0))
    assert choice.option in OPTIONS
    if choice.probabilities is not None:
        assert all(0 <= share <= 1 for share in choice.probabilities)
        assert math.isclose(sum(choice.probabilities), 1)
