"""What models behind HTTP have in common, whichever dialect they speak: the call itself, from the request to the reply.

request -> the dialect's body, without what this server has refused -> POST -> the dialect's reading -> Reply
around it: one retry loop with one deadline (`retrying`), the server's limits (`limits`), and no key in any message
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import re
import warnings
from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from llm_brain.attempts import Usage
from llm_brain.backends.address import Address
from llm_brain.backends.contract import LanguageBackend, Message, Reply, Request
from llm_brain.backends.estimate import estimate_tokens
from llm_brain.backends.faults import status_fault
from llm_brain.backends.http import LARGEST_REPLY, Answer, StatusError
from llm_brain.backends.limits import Limits, shared_endpoint
from llm_brain.backends.pieces import Hiding
from llm_brain.backends.portal import portal
from llm_brain.backends.retrying import AdaptedError, Call
from llm_brain.backends.server_events import Pairs, read_events, read_json, undoubled
from llm_brain.errors import BackendError, DefinitionError
from llm_brain.tracing.redaction import REDACTED, SHORTEST_SECRET, keep_secret, redact
from llm_brain.tracing.spans import Tracer, current_tracer

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT: Final = 120.0
DEFAULT_RETRIES: Final = 2
_LAST_WAIT: Final = 0.2
_USAGE_WAIT: Final = 2.0
"""What comes after a reply's finish reason, its usage and the closing event, is waited for, but not for long."""
_SURELY: Final = 3
"""No tokenizer packs a text into a third of the estimated tokens."""


class Server(Protocol):
    """The way to a server: `llm_brain.backends.http.HttpServer`, or a client of a package that does what it does."""

    async def post(self, path: str, body: Mapping[str, Any], *, largest: int = LARGEST_REPLY) -> Answer:
        """Post a body as JSON."""
        ...

    def lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """Post a body, and give the answer line by line."""
        ...

    async def get(self, path: str) -> Answer:
        """Get what is at a path."""
        ...

    async def prepare(self) -> None:
        """Do now what would make the first request wait."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class ReplyReader(Protocol):
    """Puts a reply together from the events of a stream."""

    finished: bool
    """Whether the reason has come why the reply is at its end."""
    closed: bool
    """Whether the event has come that ends the stream."""
    ended_twice: bool
    """Whether the reason came twice: events are sent twice, then."""

    def take(self, event: bytes) -> str:
        """Take an event, and return the piece of text that it brings, which may be empty.

        Raises:
            BackendError: The event tells of an error, or is none.
        """
        ...

    def end(self, fault: BackendError | None = None) -> Reply | BackendError:
        """Return the whole reply, or what is wrong with it; `fault` is what went wrong while it was read."""
        ...


class OtherModelWarning(UserWarning):
    """Another model answered than the one that was asked.

    Example:
        >>> issubclass(OtherModelWarning, UserWarning)
        True
    """


class HostedBackend(LanguageBackend):
    """A model behind HTTP. A dialect says how requests are written and replies are read, and nothing else.

    A call is at most `1 + retries` requests, and takes at most `timeout` seconds. Faults that may pass (a server's error, a lost
    connection, "too many requests") are tried again; a wish to wait is kept by all who ask the same model with the same key.

    Args:
        model: The model's name, as the server knows it.
        server: The way to the server.
        address: The server's address.
        key: The key, which is cut out of every message.
        retries: The most requests after the first one.
        timeout: The longest time of a whole call, in seconds, with all its attempts and waits.
        limits: The most that may be asked, by everybody who asks this model there.
        context_length: The most tokens that a prompt and its reply may have; what is surely longer is not sent.

    Raises:
        DefinitionError: `retries` or `timeout` is below what makes sense.
    """

    _path: str
    """Where requests are posted to."""

    def __init__(
        self,
        model: str,
        *,
        server: Server,
        address: Address,
        key: str | None,
        retries: int,
        timeout: float,
        limits: Limits | None,
        context_length: int | None,
    ) -> None:
        if retries < 0:
            message = f"retries must be 0 or more, got {retries}"
            raise DefinitionError(message)
        if not 0 < timeout < math.inf:
            message = f"timeout must be a number of seconds above 0, got {timeout}"
            raise DefinitionError(message)
        self.model_id = model
        self.retries = retries
        self.timeout = timeout
        self.context_length = context_length
        self._server = server
        self._address = address
        self._secrets = address.secrets(key)
        for secret in self._secrets:
            keep_secret(secret)
        # A word like "EMPTY", which some servers take for a key, is no secret and may be part of an answer.
        self._long_secrets = [secret for secret in self._secrets if len(secret) >= SHORTEST_SECRET]
        asker = hashlib.sha256((key or "").encode("utf-8", "surrogatepass")).digest()
        self._endpoint = shared_endpoint((address.plain, model, asker), limits)
        # Remembered once a request without it was answered: what only looks like a refusal changes nothing for the next call.
        self._refused: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model_id!r}, base_url={self.base_url!r})"

    @property
    def base_url(self) -> str:
        """The server's address, without a user, a password or a query that it may hold."""
        return self._address.shown

    @property
    def identity(self) -> str:
        """The server's address: the same name may be another model elsewhere."""
        return self.base_url

    @property
    def limits(self) -> Limits:
        """The most that may be asked."""
        return self._endpoint.limits

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """Estimate, on the high side: the tokenizer is the server's, and none is downloaded."""
        return estimate_tokens(text)

    def cost(self, usage: Usage | None, model: str) -> float | None:
        """Tell what tokens cost, in US dollars, by the provider's list; None for what is not on it, as a server of one's own."""
        from llm_brain.backends.prices import price

        return price(model, usage, base_url=self.base_url)

    def chat_completion(self, request: Request) -> Reply:
        """Ask the server.

        A reply that was cut by the length limit comes back with `finish_reason="length"`.

        Raises:
            BackendError: There is no usable reply; it holds all attempts. The key is cut out of every message.
        """
        return portal().run(self.achat_completion(request))

    async def achat_completion(self, request: Request) -> Reply:
        """Ask the server, awaited."""
        self._check(request)
        await self._server.prepare()
        refused = set(self._refused)
        return await self._call(self._tokens(request)).answer(lambda: self._ask(request, refused))

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        """Ask the server, and give the reply piece by piece.

        Raises:
            BackendError: Of kind "incomplete" when the reply breaks off; `raw` holds what had come.
        """
        return portal().iterate(self.astream(request))

    async def astream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
        """Ask the server, and give the reply piece by piece, awaited."""
        self._check(request)
        await self._server.prepare()
        refused = set(self._refused)
        call = self._call(self._tokens(request))
        async with aclosing(call.stream(lambda: self._ask_streamed(request, refused))) as pieces:
            async for piece in pieces:
                yield piece

    def close(self) -> None:
        """Close the connections that blocking calls share; the next call opens new ones."""
        portal().run(self._server.close())

    @abstractmethod
    def _body(self, request: Request, *, streamed: bool) -> dict[str, Any]:
        """Write a request as the body of a POST."""

    @abstractmethod
    def _read(self, content: bytes, request: Request) -> Reply:
        """Read a reply out of the body of a successful answer.

        Raises:
            BackendError: There is none in it.
        """

    @abstractmethod
    def _reader(self, request: Request) -> ReplyReader:
        """Begin to read a stream."""

    def _newly_refused(self, answer: Answer, sent: Mapping[str, Any], refused: AbstractSet[str]) -> AbstractSet[str]:  # noqa: ARG002
        """Tell which parts of a body an answer refuses that are worth leaving out."""
        return frozenset()

    def _without(self, body: dict[str, Any], refused: AbstractSet[str]) -> dict[str, Any]:
        """Leave out what the server has refused."""
        return {name: value for name, value in body.items() if name not in refused}

    def _fault(self, answer: Answer) -> BackendError:
        """Say what an answer means that is no success."""
        return status_fault(answer, model=self.model_id, base_url=self.base_url)

    def _call(self, tokens: int) -> Call:
        return Call(self._endpoint, retries=self.retries, timeout=self.timeout, tokens=tokens, hide=self._hidden)

    async def _ask(self, request: Request, refused: set[str]) -> Reply:
        answer = await self._post(self._path, self._body(request, streamed=False), refused)
        reply = self._cleaned(self._read_answer(answer, request))
        self._look_at(request, reply)
        return reply

    def _read_answer(self, answer: Answer, request: Request) -> Reply:
        fault: BackendError
        try:
            return self._read(answer.content, request)
        except BackendError as error:
            fault = error
        raise _with_source(fault, answer)

    async def _post(self, path: str, whole: dict[str, Any], refused: set[str], *, largest: int = LARGEST_REPLY) -> Answer:
        """Post a body without what was refused, and check that the answer is a success."""
        body = self._without(whole, refused)
        answer = await self._server.post(path, body, largest=largest)
        if answer.status != 200:  # noqa: PLR2004
            raise self._refusal(answer, body, refused)
        self._refused |= refused
        return answer

    def _refusal(self, answer: Answer, body: dict[str, Any], refused: set[str]) -> BackendError:
        fault = _with_source(self._fault(answer), answer)
        found = self._newly_refused(answer, body, refused)
        if not found:
            return fault
        refused |= found
        if len(refused - self._refused) > self.retries:  # the next call is the first chance to do without
            self._refused |= refused
        return AdaptedError(str(fault), kind=fault.kind, retryable=True, code=fault.code, status=fault.status, raw=fault.raw)

    async def _ask_streamed(self, request: Request, refused: set[str]) -> AsyncGenerator[str | Reply, None]:
        body = self._without(self._body(request, streamed=True), refused)
        reader = self._reader(request)
        hiding = Hiding(self._long_secrets)
        pairs = Pairs()
        ended: Reply | BackendError
        said, status = 0, None
        try:
            async with aclosing(undoubled(read_events(self._server.lines(self._path, body)), _opens)) as events:
                while (event := await self._next(events, reader)) is not None:
                    self._refused |= refused
                    status = 200
                    piece = hiding.feed(pairs.seen(reader.take(event)))
                    if piece:
                        yield piece
                        said += len(piece)
            ended = reader.end()
        except StatusError as error:
            ended = self._refusal(error.answer, body, refused)
        except BackendError as error:
            ended = reader.end(error)
        if reader.ended_twice and pairs.are_twins:
            message = f"{self.base_url} sent each piece of the reply twice"
            ended = BackendError(message, kind="incomplete", retryable=True, perhaps_billed=True)
        if isinstance(ended, BackendError):
            ended.status = ended.status or status
            raise ended
        reply = self._cleaned(ended)
        self._look_at(request, reply)
        if reply.text[said:]:  # what was held back
            yield reply.text[said:]
        yield reply

    async def _next(self, events: AsyncGenerator[bytes, None], reader: ReplyReader) -> bytes | None:
        patience = _LAST_WAIT if reader.closed else min(_USAGE_WAIT, self.timeout / 4) if reader.finished else None
        try:
            async with asyncio.timeout(patience):
                event = await anext(events, None)
        except TimeoutError:
            return None
        # Only an answer that is read to its very end leaves its connection for the next one.
        return None if reader.closed else event

    def _check(self, request: Request) -> None:
        if request.form != "chat":
            message = f"{self.model_id!r} at {self.base_url} takes the turns of a chat, not a text to be continued"
            raise BackendError(message, kind="bad_request")
        if self.context_length is not None:
            surely = self.count_tokens(request.messages) // _SURELY
            if surely > self.context_length:
                message = (
                    f"the prompt has {surely} tokens or more, but {self.model_id!r} takes {self.context_length} with its reply: "
                    "shorten the arguments or the examples"
                )
                raise BackendError(message, kind="bad_request", code="context_length_exceeded")

    def _tokens(self, request: Request) -> int:
        if self._endpoint.limits.tokens_per_minute is None:
            return 0
        return self.count_tokens(request.messages) + request.sampling.max_tokens

    def _look_at(self, request: Request, reply: Reply) -> None:  # noqa: ARG002 - a dialect may learn from both
        """Learn what a reply shows of the server."""
        self._look_at_model(reply.model)

    def _look_at_model(self, served: str) -> None:
        if served == self.model_id:
            return
        if served.startswith(self.model_id) and _VERSION.fullmatch(served[len(self.model_id) :]):
            return
        run = current_tracer()
        told = _told_outside if run is None else _told_in.setdefault(run, set())
        if (self.model_id, served) in told:
            return
        told.add((self.model_id, served))
        message = f"{self.base_url} answered with the model {served!r} where {self.model_id!r} was asked for"
        with suppress(Warning):  # where warnings are made errors, this one would cost the answer
            logger.warning("%s", message)
            warnings.warn(message, OtherModelWarning, stacklevel=2)

    def _cleaned(self, reply: Reply) -> Reply:
        """Take the key out of a reply, wherever a server may have echoed it."""
        if not any(secret in part for secret in self._long_secrets for part in (reply.text, reply.model, reply.finish_reason)):
            return reply
        text, model, finish = (_without(self._long_secrets, part) for part in (reply.text, reply.model, reply.finish_reason))
        return replace(reply, text=text, model=model, finish_reason=finish)

    def _hidden(self, error: BackendError) -> BackendError:
        error.args = (_without(self._secrets, redact(str(error))),)
        error.raw = None if error.raw is None else _without(self._secrets, redact(error.raw))
        error.code = None if error.code is None else _without(self._secrets, redact(error.code))
        return error


def _opens(event: bytes) -> bool:
    """Tell whether an event only begins a reply, and brings no word of it."""
    body = read_json(event)
    if not isinstance(body, dict):
        return False
    if body.get("type") == "message_start":
        return True
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    delta = choice.get("delta") if isinstance(choice, dict) else None
    return isinstance(delta, dict) and "role" in delta and not delta.get("content")


_LONGEST_RAW: Final = 16_384
_VERSION: Final = re.compile(r"[-@:.](\d{4}-\d{2}-\d{2}|\d{3,8}|v?\d+|latest)")
"""What a server may add to a model's name: a date, a version."""


def _with_source(fault: BackendError, answer: Answer) -> BackendError:
    """Keep with a fault what it was read out of."""
    fault.status = fault.status or answer.status
    if fault.raw is None and answer.content:
        # Redacted before it is cut, so that no key is cut in two and its head kept.
        fault.raw = redact(answer.content[: 2 * _LONGEST_RAW].decode("utf-8", "replace"))[:_LONGEST_RAW]
    return fault


_told_in: Final[WeakKeyDictionary[Tracer, set[tuple[str, str]]]] = WeakKeyDictionary()
_told_outside: Final[set[tuple[str, str]]] = set()
"""Which models were told to have answered for which others: once a run."""


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text
