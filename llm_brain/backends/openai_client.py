"""A client of the `openai` package as the way to a server: for what only it can do, Azure's sign-in and custom transports."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any

from llm_brain.backends.faults import causes, clipped, innermost
from llm_brain.backends.http import LARGEST_REPLY, Answer, StatusError
from llm_brain.backends.portal import in_thread, portal
from llm_brain.errors import BackendError

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI


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

    async def post(self, path: str, body: Mapping[str, Any], *, largest: int = LARGEST_REPLY) -> Answer:  # noqa: ARG002
        """Post a body as JSON, and return the answer, whatever its status is. The client reads all of it.

        Raises:
            BackendError: There is no whole answer.
        """
        return await self._ask("POST", path, dict(body))

    async def get(self, path: str) -> Answer:
        """Get what is at a path.

        Raises:
            BackendError: There is no whole answer.
        """
        return await self._ask("GET", path, None)

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        fault: BackendError | None = None
        try:
            return await self._sent(method, path, body)
        except Exception as error:  # noqa: BLE001 - the client, its HTTP library and its JSON encoder raise what they like
            fault = self._fault_of(error)
        # Raised out here, so that the client's exception, which may quote a key, is not attached.
        raise fault

    async def lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """Post a body, and give the answer line by line once it is there: this way does not stream.

        Raises:
            BackendError: There is no whole answer.
            StatusError: The answer is no success; it holds what came.
        """
        answer = await self.post(path, body)
        if answer.status != 200:  # noqa: PLR2004
            raise StatusError(answer)
        for line in answer.content.splitlines():
            yield line

    async def prepare(self) -> None:
        """Do nothing: the client is there already."""

    async def close(self) -> None:
        """Leave the client open: it is the user's."""

    async def _sent(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        import openai

        kind = openai.HttpxBinaryResponseContent  # as it came: the client's own reading takes an HTML page for a reply
        ask = self._client.get if method == "GET" else self._client.post
        said: dict[str, Any] = {} if body is None else {"body": body}
        try:
            if isinstance(self._client, openai.AsyncOpenAI):
                # Its connections belong to the loop that they were opened in, and loops come and go.
                answer = await portal().hand_over(ask(path, cast_to=kind, **said))
            else:
                answer = await in_thread(lambda: ask(path, cast_to=kind, **said))
        except openai.APIStatusError as error:
            return Answer(error.status_code, error.response.content, error.response.headers)
        return Answer(200, answer.content, answer.response.headers)

    def _fault_of(self, error: Exception) -> BackendError:
        import openai

        if isinstance(error, openai.APITimeoutError):
            return BackendError(f"{self.url} did not answer in time: {innermost(error)}", kind="timeout", retryable=True)
        if any(type(cause).__name__ == "DecodingError" for cause in causes(error)):
            return BackendError(f"{self.url} sent a damaged reply: {innermost(error)}", kind="protocol", retryable=True)
        if isinstance(error, openai.APIConnectionError):
            # A certificate that does not fit now will not fit at the next attempt.
            final = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))
            message = f"no connection to {self.url}: {innermost(error)}. Is the address right, and does the server run?"
            return BackendError(message, kind="connection", retryable=not final)
        message = f"the request to {self.url} could not be made: {type(error).__name__}: {clipped(str(error))}"
        return BackendError(message, kind="bad_request")
