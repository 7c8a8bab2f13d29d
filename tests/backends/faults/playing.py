"""How a fault is played to a backend.

a case -> a stage of its own -> trace > cache > the backend -> one call -> an outcome -> `check_always`
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from llm_brain.attempts import FaultKind
from llm_brain.backends import CachedBackend, LanguageBackend, Message, OpenAIBackend, Reply, Request, Usage
from llm_brain.backends.layers.traced import TracedBackend
from llm_brain.errors import BackendError
from llm_brain.tracing import record
from tests.servers.dialects import DIALECTS, MODEL, OPENAI, USED, Dialect
from tests.servers.faulty import Act, FaultyServer, Seen, Stage

Mode: TypeAlias = Literal["json", "streamed"]

KEY: Final = "Zq7-Kd0_pW9xLm4T"
HELLO: Final = Request((Message("user", "Hello?"),))
RETRIES: Final = 2
DEADLINE: Final = 10.0
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
USAGE: Final = Usage(*USED)


@dataclass(frozen=True)
class Case:
    """A fault, and what a call makes of it.

    Attributes:
        name: What pytest calls it.
        act: What the server does, in a dialect.
        kinds: What may be raised.
        streamed: What may be raised where a stream was asked for, if that is something else.
        sent: How many requests the server sees, with two retries.
        status: The HTTP status that the exception tells.
        words: What the exception says.
        billed: Whether the attempts are marked as possibly billed; None where either is right.
        usage: The tokens that each attempt tells.
        deadline: The longest time of the call, in seconds.
    """

    name: str
    act: Callable[[Dialect], Act]
    kinds: FaultKind | set[FaultKind]
    sent: int = 1 + RETRIES
    status: int | None = None
    words: str = ""
    billed: bool | None = None
    usage: Usage | None = None
    deadline: float = DEADLINE
    streamed: Sequence[FaultKind] = ()
    dialects: Sequence[Dialect] = DIALECTS
    modes: Sequence[Mode] = MODES

    def allowed(self, mode: Mode) -> set[str]:
        """What may be raised."""
        if mode == "streamed" and self.streamed:
            return set(self.streamed)
        return {self.kinds} if isinstance(self.kinds, str) else set(self.kinds)


@dataclass
class Outcome:
    """What came of one call.

    Attributes:
        reply: The answer; None where there was none.
        error: What was raised; None where there was an answer.
        pieces: The pieces of text that a stream gave.
        seconds: How long the call took.
        requests: What the server saw.
        spans: The lines of the trace.
        trace, kept: The bytes of the trace's files, and of the cache's.
        heard: What was logged meanwhile, by this call or another one.
        is_cached: Whether the same question is answered from the cache afterwards.
    """

    deadline: float
    reply: Reply | None = None
    error: BaseException | None = None
    pieces: list[str] = field(default_factory=list)
    seconds: float = 0.0
    requests: list[Seen] = field(default_factory=list, repr=False)
    spans: list[dict[str, Any]] = field(default_factory=list, repr=False)
    trace: bytes = field(default=b"", repr=False)
    kept: bytes = field(default=b"", repr=False)
    heard: list[str] = field(default_factory=list, repr=False)
    is_cached: bool = False

    @property
    def fault(self) -> BackendError:
        """What was raised, which has to be one of ours."""
        assert isinstance(self.error, BackendError), self.error or self.reply
        return self.error

    @property
    def answer(self) -> Reply:
        """The answer, which there has to be."""
        assert self.reply is not None, self.error
        return self.reply


def model_of(dialect: Dialect, url: str, **options: Any) -> LanguageBackend:
    """Make the backend that speaks a dialect."""
    named = {"api_key": KEY, "timeout": DEADLINE, "retries": RETRIES, **options}
    if dialect is OPENAI:
        return OpenAIBackend(MODEL, base_url=f"{url}/v1", **named)
    from llm_brain.backends.anthropic.backend import AnthropicBackend

    return AnthropicBackend(MODEL, base_url=url, **named)


def every(cases: Iterable[Case]) -> dict[str, tuple[Case, Dialect, Mode]]:
    """Give each case in each dialect and mode a name."""
    return {
        f"{case.name}-{dialect.name}-{mode}": (case, dialect, mode)
        for case in cases
        for dialect in case.dialects
        for mode in case.modes
    }


class Played(dict[str, Future[Outcome]]):
    """Outcomes by name; whatever went wrong with the test itself is raised where its outcome is asked for."""

    def __repr__(self) -> str:
        return f"{len(self)} outcomes"

    def of(self, name: str) -> Outcome:
        return self[name].result()


def play_all(server: FaultyServer, cases: Iterable[Case], folder: Path, *, then_well: bool = False) -> Played:
    """Play all cases, many at once, since most of the time is waiting between attempts.

    Args:
        server: Where.
        cases: What.
        folder: For traces and caches.
        then_well: Whether only the first request of each meets its fault.
    """

    def play(name: str, case: Case, dialect: Dialect, mode: Mode) -> Outcome:
        rest = [dialect.says()] if then_well else []
        stage = server.stage(case.act(dialect), *rest)
        return ask(stage, dialect, mode, folder / name, deadline=case.deadline)

    with ThreadPoolExecutor(40) as pool:
        return Played({name: pool.submit(play, name, *rest) for name, rest in every(cases).items()})


def ask(
    stage: Stage,
    dialect: Dialect,
    mode: Mode,
    folder: Path,
    *,
    deadline: float = DEADLINE,
    request: Request = HELLO,
    **options: Any,
) -> Outcome:
    """Ask once, through the layers that write and keep, and look at everything that came of it."""
    backend = model_of(dialect, stage.url, timeout=deadline, **options)
    cached = CachedBackend(backend, folder / "answers.sqlite")
    outcome = Outcome(deadline)
    logged = len(HEARD.records)
    with record(folder / "run"):
        begun = time.monotonic()
        try:
            outcome.reply, outcome.pieces = _asked(TracedBackend(cached), request, mode)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the outcome
            outcome.error = error
        outcome.seconds = time.monotonic() - begun
    cached.close()
    outcome.heard = HEARD.records[logged:]
    outcome.requests = list(stage.requests)
    outcome.trace = b"".join(path.read_bytes() for path in sorted((folder / "run").rglob("*")) if path.is_file())
    outcome.kept = b"".join(path.read_bytes() for path in sorted(folder.glob("answers*")))
    outcome.spans = [json.loads(line) for line in outcome.trace.splitlines()]
    outcome.is_cached = _is_kept(folder / "answers.sqlite", backend, request)
    return outcome


class Heard(logging.Handler):
    """Keeps everything that is logged by anybody."""

    def __init__(self) -> None:
        super().__init__(level=logging.DEBUG)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        told = record.getMessage()
        if record.exc_info:
            told += "".join(traceback.format_exception(*record.exc_info))
        self.records.append(told)


HEARD: Final = Heard()


class _NeverAsked(LanguageBackend):
    """A model of the same name and address as another one, that notes when it is asked."""

    def __init__(self, other: LanguageBackend) -> None:
        self.model_id = other.model_id
        self.enforces_schema = other.enforces_schema
        self._identity = other.identity

    @property
    def identity(self) -> str:
        return self._identity

    def count_tokens(self, text: object) -> int:  # noqa: ARG002
        return 1

    def chat_completion(self, request: Request) -> Reply:  # noqa: ARG002
        return Reply("asked", "stop", self.model_id)


def _asked(backend: LanguageBackend, request: Request, mode: Mode) -> tuple[Reply, list[str]]:
    if mode == "json":
        return backend.chat_completion(request), []
    *pieces, reply = backend.stream(request)
    assert isinstance(reply, Reply)
    return reply, [piece for piece in pieces if isinstance(piece, str)]


def _is_kept(path: Path, backend: LanguageBackend, request: Request) -> bool:
    asking = CachedBackend(_NeverAsked(backend), path)
    try:
        return asking.chat_completion(request).cached
    finally:
        asking.close()
