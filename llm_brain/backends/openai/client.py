"""A client of the `openai` package as the way to a server: for what only it can do, Azure's sign-in and custom transports."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from llm_brain.backends.hosted.faults import causes, clipped, innermost
from llm_brain.backends.hosted.http import LARGEST_REPLY, Answer, StatusError
from llm_brain.backends.portal import in_thread, portal
from llm_brain.errors import BackendError

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI


_UNREAD: Final = {"X-Stainless-Raw-Response": "stream"}
"""Has the client hand over an answer before it reads the body, as its own `with_streaming_response` does."""


class OpenAIClient:
    """Posts by a client that the user made, with its keys, headers and proxies. Its own retries are switched off.

    Args:
        client: An `openai.OpenAI`, `AsyncOpenAI`, `AzureOpenAI` or `AsyncAzureOpenAI`.

    Example:
        >>> from openai import OpenAI
        >>> OpenAIClient(OpenAI(api_key="none", base_url="http://127.0.0.1:8000/v1")).url
        'http://127.0.0.1:8000/v1'
    """

    def __init__(self, client: OpenAI | AsyncOpenAI) -> None:
        self._client: Any = client.with_options(max_retries=0)

    @property
    def url(self) -> str:
        """The server's address."""
        return str(self._client.base_url).rstrip("/")

    async def post(self, path: str, body: Mapping[str, Any], *, largest: int = LARGEST_REPLY) -> Answer:
        """Post a body as JSON, and return the answer, whatever its status is.

        Raises:
            BackendError: There is no whole answer.
        """
        return _whole(*await self._ask("POST", path, dict(body), largest))

    async def get(self, path: str) -> Answer:
        """Get what is at a path.

        Raises:
            BackendError: There is no whole answer.
        """
        return _whole(*await self._ask("GET", path, None, LARGEST_REPLY))

    async def lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """Post a body, and give the answer line by line once it is there: this way does not stream.

        Raises:
            BackendError: There is no whole answer.
            StatusError: The answer is no success; it holds what came.
        """
        answer, fault = await self._ask("POST", path, dict(body), LARGEST_REPLY)
        if answer is not None and answer.status != 200:  # noqa: PLR2004
            raise StatusError(answer)
        for line in answer.content.splitlines() if answer is not None else ():
            yield line
        if fault is not None:
            raise fault

    async def prepare(self) -> None:
        """Do nothing: the client is there already."""

    async def close(self) -> None:
        """Leave the client open: it is the user's."""

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None, largest: int
    ) -> tuple[Answer | None, BackendError | None]:
        """Return the answer as far as it came, and what went wrong with it."""
        came: list[Answer] = []
        try:
            await self._sent(method, path, body, largest, came)
        except BackendError as error:
            return None, error
        except Exception as error:  # noqa: BLE001 - the client, its HTTP library and its JSON encoder raise what they like
            return (came[-1] if came else None), self._fault_of(error)
        return came[-1], None

    async def _sent(self, method: str, path: str, body: dict[str, Any] | None, largest: int, came: list[Answer]) -> None:
        import openai

        said: dict[str, Any] = {} if body is None else {"body": body}
        ask = partial(
            self._client.get if method == "GET" else self._client.post,
            path,
            cast_to=openai.HttpxBinaryResponseContent,
            options={"headers": _UNREAD, "follow_redirects": False},
            **said,
        )
        try:
            if isinstance(self._client, openai.AsyncOpenAI):
                # Its connections belong to the loop that they were opened in, and loops come and go.
                await portal().hand_over(_read_awaited(ask, largest, came))
            else:
                await in_thread(_read, ask, largest, came)
        except openai.APIStatusError as error:
            came.append(Answer(error.status_code, error.response.content, error.response.headers))

    def _fault_of(self, error: Exception) -> BackendError:
        import openai

        if isinstance(error, openai.APITimeoutError):
            return BackendError(f"{self.url} did not answer in time: {innermost(error)}", kind="timeout", retryable=True)
        if any(type(cause).__name__ == "DecodingError" for cause in causes(error)):
            return BackendError(
                f"{self.url} sent a damaged reply: {innermost(error)}", kind="protocol", retryable=True, perhaps_billed=True
            )
        # Of the client's HTTP library, whichever it is, while a body is read.
        if any(kind.__name__ == "TransportError" for kind in type(error).__mro__):
            message = f"{self.url} broke the connection off: {innermost(error)}"
            return BackendError(message, kind="connection", retryable=True, perhaps_billed=True)
        if isinstance(error, openai.APIConnectionError):
            # A certificate that does not fit now will not fit at the next attempt.
            final = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))
            message = f"no connection to {self.url}: {innermost(error)}. Is the address right, and does the server run?"
            return BackendError(message, kind="connection", retryable=not final, perhaps_billed=not final)
        message = f"the request to {self.url} could not be made: {type(error).__name__}: {clipped(str(error))}"
        return BackendError(message, kind="bad_request")


def _whole(answer: Answer | None, fault: BackendError | None) -> Answer:
    if fault is not None or answer is None:
        raise fault or BackendError("there was no answer", kind="protocol", retryable=True)
    return answer


def _read(ask: Callable[[], Any], largest: int, came: list[Answer]) -> None:
    content = bytearray()
    with contextlib.closing(ask()) as answer:
        try:
            for piece in answer.iter_bytes():
                _add(content, piece, largest)
        finally:
            came.append(Answer(answer.status_code, bytes(content), answer.headers))


async def _read_awaited(ask: Callable[[], Awaitable[Any]], largest: int, came: list[Answer]) -> None:
    content = bytearray()
    answer = await ask()
    try:
        async for piece in answer.iter_bytes():
            _add(content, piece, largest)
    finally:
        came.append(Answer(answer.status_code, bytes(content), answer.headers))
        await answer.close()


def _add(content: bytearray, piece: bytes, largest: int) -> None:
    content += piece
    if len(content) > largest:
        message = f"the server sent more than {largest:,} bytes: that is no reply of a model"
        raise BackendError(message, kind="too_large")
