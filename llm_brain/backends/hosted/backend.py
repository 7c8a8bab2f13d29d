"""What models behind HTTP have in common, whichever dialect they speak: the call itself, from the request to the reply.

request -> the dialect's body, without what this server has refused -> POST -> the dialect's reading -> Reply
around it: one retry loop with one deadline (`retrying`), the server's limits (`limits`), and no key in any message
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from functools import partial
from typing import Any, Final

from llm_brain.attempts import Usage
from llm_brain.backends.contract import LanguageBackend, Message, Reply, Request
from llm_brain.backends.estimate import estimate_tokens
from llm_brain.backends.hosted.address import Address
from llm_brain.backends.hosted.events import read_events, read_json, undoubled
from llm_brain.backends.hosted.faults import status_fault, with_source
from llm_brain.backends.hosted.http import LARGEST_REPLY, Answer, StatusError
from llm_brain.backends.hosted.limits import Limits, shared_endpoint
from llm_brain.backends.hosted.other_model import tell_of_other_model
from llm_brain.backends.hosted.pieces import Hiding
from llm_brain.backends.hosted.protocols import ReplyReader, Server
from llm_brain.backends.hosted.retrying import AdaptedError, Call
from llm_brain.backends.hosted.secrecy import Secrets
from llm_brain.backends.portal import portal
from llm_brain.errors import BackendError, DefinitionError

DEFAULT_TIMEOUT: Final = 120.0
DEFAULT_RETRIES: Final = 2
_LAST_WAIT: Final = 0.2
_USAGE_WAIT: Final = 2.0
"""What comes after a reply's finish reason, its usage and the closing event, is waited for, but not for long."""
_SURELY: Final = 3
"""No tokenizer packs a text into a third of the estimated tokens."""


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
        timeout: The longest time of a whole call, in seconds, with all its attempts and waits. A typed call that is
            asked again because the reply did not fit is one call.
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
        self._secrets = Secrets(address.secrets(key))
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
        from llm_brain.backends.layers.prices import price

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
        return await self._call(request).answer(partial(self._ask, request, refused))

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
        call = self._call(request)
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

    def _call(self, request: Request) -> Call:
        return self._call_for(self._tokens(request), request.spent)

    def _call_for(self, tokens: int, spent: float = 0.0) -> Call:
        hide = self._secrets.hidden
        return Call(self._endpoint, retries=self.retries, timeout=self.timeout, tokens=tokens, hide=hide, spent=spent)

    async def _ask(self, request: Request, refused: set[str]) -> Reply:
        answer = await self._post(self._path, self._body(request, streamed=False), refused)
        reply = self._secrets.cleaned(self._read_answer(answer, request))
        self._look_at(request, reply)
        return reply

    def _read_answer(self, answer: Answer, request: Request) -> Reply:
        fault: BackendError
        try:
            return self._read(answer.content, request)
        except BackendError as error:
            fault = error
        raise with_source(fault, answer)

    async def _post(self, path: str, whole: dict[str, Any], refused: set[str], *, largest: int = LARGEST_REPLY) -> Answer:
        """Post a body without what was refused, and check that the answer is a success."""
        body = self._without(whole, refused)
        answer = await self._server.post(path, body, largest=largest)
        if answer.status != 200:  # noqa: PLR2004
            raise self._refusal(answer, body, refused)
        self._refused |= refused
        return answer

    def _refusal(self, answer: Answer, body: dict[str, Any], refused: set[str]) -> BackendError:
        fault = with_source(self._fault(answer), answer)
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
        hiding = Hiding(self._secrets.long)
        ended: Reply | BackendError
        said, status = 0, None
        try:
            async with aclosing(undoubled(read_events(self._server.lines(self._path, body)), _opens)) as events:
                while (event := await self._next(events, reader)) is not None:
                    self._refused |= refused
                    status = 200
                    piece = hiding.feed(reader.take(event))
                    if piece:
                        yield piece
                        said += len(piece)
            ended = reader.end()
        except StatusError as error:
            ended = self._refusal(error.answer, body, refused)
        except BackendError as error:
            ended = reader.end(error)
        if isinstance(ended, BackendError):
            ended.status = ended.status or status
            raise ended
        reply = self._secrets.cleaned(ended)
        self._look_at(request, reply)
        if reply.text[said:]:  # what was held back
            yield reply.text[said:]
        yield reply

    async def _next(self, events: AsyncGenerator[bytes, None], reader: ReplyReader) -> bytes | None:
        if not (reader.finished or reader.closed):
            return await anext(events, None)
        patience = _LAST_WAIT if reader.closed else min(_USAGE_WAIT, self.timeout / 4)
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
        tell_of_other_model(self.model_id, reply.model, self.base_url)


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
