"""OpenAI, and every server that speaks its language (vLLM, Ollama, llama.cpp's server): chat completions over HTTP.

Request -> the body of a POST -> `HttpServer`, one attempt, no redirects -> the reply's JSON, looked at with care -> Reply
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from llm_brain.backends.address import Address
from llm_brain.backends.contract import LanguageBackend, Message, Reply, Request
from llm_brain.backends.estimate import estimate_tokens
from llm_brain.backends.faults import clipped, fault_in_body, status_fault
from llm_brain.backends.http import HttpServer, StatusError
from llm_brain.backends.openai_body import body_of, newly_refused, without_refused
from llm_brain.backends.openai_stream import DONE, StreamedReply, read_events, read_json, usage_of
from llm_brain.backends.pieces import Hiding
from llm_brain.backends.portal import portal
from llm_brain.errors import BackendError, MissingKeyError
from llm_brain.tracing.redaction import REDACTED, SHORTEST_SECRET, keep_secret, redact

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from llm_brain.backends.openai_client import OpenAIClient

HOSTED: Final = "https://api.openai.com/v1"
_PATH: Final = "/chat/completions"
_LAST_WAIT: Final = 0.2


class OpenAIBackend(LanguageBackend):
    """A model behind OpenAI's chat completions, at OpenAI or at any compatible server.

    One call is one HTTP request. Only when the server says that it does not take a temperature, a `top_p`, a seed, a limit of
    that name or `stream_options`, it is asked again without, or by the limit's other name, and from then on so at once.
    The connections are opened at the first call and shared by all threads.

    Args:
        model: The model's name, as the server knows it.
        base_url: The server's address, up to and with `/v1`; `$OPENAI_BASE_URL` or OpenAI's own by default.
        api_key: The key; `$OPENAI_API_KEY` by default. A server at a `base_url` may do without.
        timeout: The longest time for a whole reply, in seconds.
        schema_mode: Where a reply's JSON Schema goes, which is sent once: into `response_format`, or for servers that do not
            know it into the prompt.
        client: A client of the `openai` package that is to carry the requests, with its own address, key, timeout and rules
            about redirects; for Azure's sign-in, say. It costs several times the processor time of the way without it.

    Raises:
        MissingKeyError: OpenAI itself was named and there is no key.

    Example:
        >>> model = OpenAIBackend("qwen3-4b", base_url="http://127.0.0.1:8000/v1")
        >>> model
        OpenAIBackend('qwen3-4b', base_url='http://127.0.0.1:8000/v1')
        >>> model.count_tokens("an estimate, on the high side")
        10
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        schema_mode: Literal["json_schema", "prompt"] = "json_schema",
        client: OpenAI | AsyncOpenAI | None = None,
    ) -> None:
        self.model_id = model
        self.timeout = timeout
        self.enforces_schema = schema_mode == "json_schema"
        self._server: HttpServer | OpenAIClient
        if client is not None:
            from llm_brain.backends.openai_client import OpenAIClient

            self._server = OpenAIClient(client)
            given: str | None = self._server.url
            key: str | None = client.api_key
        else:
            given = base_url or os.environ.get("OPENAI_BASE_URL")
            key = api_key or os.environ.get("OPENAI_API_KEY")
            if not key and not given:
                message = (
                    f"no key for the model {model!r} at {HOSTED}: set the environment variable OPENAI_API_KEY, or give "
                    "`api_key`; for a server of your own, give `base_url` or set OPENAI_BASE_URL"
                )
                raise MissingKeyError(message)
            address = Address(given or HOSTED)
            self._server = HttpServer(address.plain, address.sign_in(key), timeout=timeout)
        self._address = Address(given or HOSTED)
        self._secrets = self._address.secrets(key)
        for secret in self._secrets:
            keep_secret(secret)
        # Remembered once a request without it was answered: what only looks like a refusal changes nothing for the next one.
        self._refused: frozenset[str] = frozenset()
        # OpenAI's newer models refuse `max_tokens`, and many other servers do not know the name that replaced it.
        self._limit_name = "max_completion_tokens" if self._address.given == HOSTED else "max_tokens"

    def __repr__(self) -> str:
        return f"OpenAIBackend({self.model_id!r}, base_url={self.base_url!r})"

    @property
    def base_url(self) -> str:
        """The server's address, without a user, a password or a query that it may hold."""
        return self._address.shown

    @property
    def identity(self) -> str:
        """The server's address: the same name may be another model elsewhere."""
        return self.base_url

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """Estimate, on the high side: the tokenizer is the server's, and none is downloaded."""
        return estimate_tokens(text)

    def chat_completion(self, request: Request) -> Reply:
        """Ask the server once.

        The seed goes with the sample's index added, so that each sample of a question can be drawn again. A reply that was
        cut by the length limit comes back with `finish_reason="length"`.

        Raises:
            BackendError: There is no usable reply. The key is cut out of every message.
        """
        return portal().run(self.achat_completion(request))

    async def achat_completion(self, request: Request) -> Reply:
        """Ask the server once, awaited."""
        answer = await self._answer(request)
        # Raised out here: an exception of the client would stay attached to one raised where it is handled, and it may
        # quote the key.
        if isinstance(answer, BackendError):
            raise answer
        return answer

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        """Ask the server once, and give the reply piece by piece.

        Raises:
            BackendError: Of kind "incomplete" when the reply breaks off; `raw` holds what had come.
        """
        return portal().iterate(self.astream(request))

    async def astream(self, request: Request) -> AsyncGenerator[str | Reply, None]:
        """Ask the server once, and give the reply piece by piece, awaited."""
        ended: Reply | BackendError
        streamed = StreamedReply(self.model_id, self.base_url)
        hiding = Hiding(self._long_secrets)
        said = 0
        try:
            self._check_form(request)
            async with aclosing(self._events(request)) as events:
                async for event in events:
                    piece = hiding.feed(streamed.take(event))
                    if piece:
                        yield piece
                        said += len(piece)
            ended = streamed.end(self._text)
        except StatusError as error:
            ended = status_fault(error.status, error.content, model=self.model_id, base_url=self.base_url)
        except BackendError as error:
            ended = streamed.end(self._text, error, patience=self.timeout)
        if isinstance(ended, BackendError):
            raise self._hidden(ended)
        text = self._visible(ended.text)
        if text[said:]:  # what was held back
            yield text[said:]
        yield replace(ended, text=text)

    async def _events(self, request: Request) -> AsyncGenerator[bytes, None]:
        refused = self._refused
        while True:
            whole = {**self._body(request), "stream": True, "stream_options": {"include_usage": True}}
            body = without_refused(whole, refused)
            try:
                async with aclosing(read_events(self._server.lines(_PATH, body))) as events:
                    async for event in events:
                        self._refused |= refused
                        yield event
                        if event.strip() == DONE:
                            # Only an answer that is read to its very end leaves its connection for the next one.
                            with suppress(TimeoutError, StopAsyncIteration, BackendError):
                                await asyncio.wait_for(anext(events), _LAST_WAIT)
                            return
            except StatusError as error:
                found = newly_refused(error.status, error.content, sent=body, refused=refused)
                if not found:
                    raise
                refused |= found
            else:
                return

    def close(self) -> None:
        """Close the connections that blocking calls share; the next call opens new ones."""
        portal().run(self._server.close())

    async def _answer(self, request: Request) -> Reply | BackendError:
        try:
            self._check_form(request)
            status, content = await self._post(request)
            if status != 200:  # noqa: PLR2004
                return self._hidden(status_fault(status, content, model=self.model_id, base_url=self.base_url))
            return self._read(content)
        except BackendError as error:
            return self._hidden(error)

    async def _post(self, request: Request) -> tuple[int, bytes]:
        refused = self._refused
        while True:
            body = without_refused(self._body(request), refused)
            status, content = await self._server.post(_PATH, body)
            found = newly_refused(status, content, sent=body, refused=refused)
            if not found:
                break
            refused |= found
        if status == 200:  # noqa: PLR2004
            self._refused |= refused
        return status, content

    def _check_form(self, request: Request) -> None:
        if request.form != "chat":
            message = f"{self.model_id!r} at {self.base_url} takes the turns of a chat, not a text to be continued"
            raise BackendError(message, kind="bad_request")

    def _body(self, request: Request) -> dict[str, Any]:
        return body_of(request, self.model_id, limit_name=self._limit_name, enforces_schema=self.enforces_schema)

    def _read(self, content: bytes) -> Reply:
        body = read_json(content)
        if not isinstance(body, dict) or not ("choices" in body or "error" in body):
            message = f"{self.base_url} did not answer with a chat completion: {clipped(content)}"
            raise BackendError(message, kind="protocol", retryable=True)
        choices = body.get("choices")
        if body.get("error") and not choices:
            raise fault_in_body(body["error"], model=self.model_id, base_url=self.base_url)
        if not choices:
            message = f"{self.model_id!r} at {self.base_url} answered without any choice"
            raise BackendError(message, kind="empty", retryable=True)
        choice = choices[0] if isinstance(choices, list) else None
        said = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(said, dict):
            message = f"{self.base_url} answered with a choice that holds no message: {clipped(content)}"
            raise BackendError(message, kind="protocol", retryable=True)
        served = body.get("model")
        text = self._text(said, choice.get("finish_reason"))
        return Reply(
            self._visible(text),
            _word(choice.get("finish_reason")) or "unknown",
            _word(served) or self.model_id,
            usage_of(body.get("usage")),
        )

    def _text(self, said: Mapping[str, Any], finish: object) -> str:
        text, refusal = said.get("content"), said.get("refusal")
        if finish == "content_filter" or (isinstance(refusal, str) and refusal):
            told = refusal if isinstance(refusal, str) and refusal else text
            message = f"{self.model_id!r} declined to answer: {clipped(str(told or 'its content filter gave no reason'))}"
            raise BackendError(message, kind="content_filter", raw=told if isinstance(told, str) else None)
        if text is None or text == "":
            if finish == "length":
                message = f"{self.model_id!r} reached its length limit before the first word of its reply: raise `max_tokens`"
                raise BackendError(message, kind="length")
            message = f"{self.model_id!r} at {self.base_url} answered with an empty reply (finish reason {finish!r})"
            raise BackendError(message, kind="empty", retryable=True)
        if not isinstance(text, str):
            message = f"{self.base_url} answered with content that is no text but {type(text).__name__}"
            raise BackendError(message, kind="protocol", retryable=True)
        return text

    def _hidden(self, error: BackendError) -> BackendError:
        raw = None if error.raw is None else _without(self._secrets, redact(error.raw))
        text = _without(self._secrets, redact(str(error)))
        return BackendError(text, kind=error.kind, retryable=error.retryable, raw=raw, attempts=error.attempts)

    def _visible(self, text: str) -> str:
        return _without(self._long_secrets, text)

    @property
    def _long_secrets(self) -> list[str]:
        # A word like "EMPTY", which some servers take for a key, is no secret and may be part of an answer.
        return [secret for secret in self._secrets if len(secret) >= SHORTEST_SECRET]


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
