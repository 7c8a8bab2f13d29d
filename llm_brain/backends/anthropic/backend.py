"""Anthropic, and every server that speaks the language of its messages API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, Literal

from llm_brain.backends.anthropic.body import body_of, newly_refused, without_refused
from llm_brain.backends.anthropic.faults import anthropic_fault
from llm_brain.backends.anthropic.reply import read_reply
from llm_brain.backends.anthropic.stream import StreamedMessage
from llm_brain.backends.anthropic.tool import is_wrapped
from llm_brain.backends.configuration.environment import check_key
from llm_brain.backends.contract import Reply, Request
from llm_brain.backends.hosted.address import Address
from llm_brain.backends.hosted.backend import DEFAULT_RETRIES, DEFAULT_TIMEOUT, HostedBackend
from llm_brain.backends.hosted.http import Answer, HttpServer
from llm_brain.backends.hosted.limits import Limits
from llm_brain.errors import BackendError, MissingKeyError

HOSTED: Final = "https://api.anthropic.com"
VERSION: Final = "2023-06-01"
"""The API's version; the next one takes no temperature from any model."""


class AnthropicBackend(HostedBackend):
    """A model behind Anthropic's messages API, at Anthropic or at any server that has it.

    System turns go into `system`; turns of one role that follow each other become one; a conversation that does not begin and end
    with the user's turn gets one there. A request with a schema is answered by the input of a tool, which the model has to call.
    Where the model says that it takes no temperature, no `top_p` or no forced tool, it is asked again without, and from then on
    so at once. There is no seed: the API knows none, so that samples of one question differ, but cannot be drawn again.

    Args:
        model: The model's name, as the server knows it.
        base_url: The server's address, with or without `/v1`; `$ANTHROPIC_BASE_URL` or Anthropic's own by default.
        api_key: The key; `$ANTHROPIC_API_KEY` by default. A server at a `base_url` may do without.
        timeout: The longest time of a whole call, in seconds, with all its attempts and waits.
        retries: The most requests after the first one, where a fault may pass.
        limits: The most that may be asked; shared by all who ask this model there.
        context_length: The most tokens that a prompt and its reply may have; what is surely longer is not sent.
        schema_mode: Where a reply's JSON Schema goes, which is sent once: into a tool, or for servers that know none into the
            prompt.

    Raises:
        MissingKeyError: Anthropic itself was named and there is no key.
        DefinitionError: `retries` or `timeout` is below what makes sense.

    Example:
        >>> AnthropicBackend("claude-haiku-4-5", base_url="http://127.0.0.1:8000")
        AnthropicBackend('claude-haiku-4-5', base_url='http://127.0.0.1:8000')
    """

    _path = "/v1/messages"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retries: int = DEFAULT_RETRIES,
        limits: Limits | None = None,
        context_length: int | None = None,
        schema_mode: Literal["tools", "prompt"] = "tools",
    ) -> None:
        self.enforces_schema = schema_mode == "tools"
        given = base_url or os.environ.get("ANTHROPIC_BASE_URL")
        key = api_key or os.environ.get("ANTHROPIC_API_KEY")
        if not key and not given:
            message = (
                f"no key for the model {model!r} at {HOSTED}: set the environment variable ANTHROPIC_API_KEY, or give `api_key`; "
                "for a server of your own, give `base_url` or set ANTHROPIC_BASE_URL"
            )
            raise MissingKeyError(message)
        if key:
            check_key(key, "`api_key`" if api_key else "ANTHROPIC_API_KEY")
        address = Address((given or HOSTED).rstrip("/").removesuffix("/v1"))
        # A user and a password in the address are for what stands before the server, which has a key of its own.
        headers = {**address.sign_in(None), **({"x-api-key": key} if key else {}), "anthropic-version": VERSION}
        super().__init__(
            model,
            server=HttpServer(address.plain, headers),
            address=address,
            key=key,
            retries=retries,
            timeout=timeout,
            limits=limits,
            context_length=context_length,
        )

    def _body(self, request: Request, *, streamed: bool) -> dict[str, Any]:
        return body_of(request, self.model_id, forces_tool=self.enforces_schema, streamed=streamed)

    def _newly_refused(self, answer: Answer, sent: Mapping[str, Any], refused: AbstractSet[str]) -> AbstractSet[str]:
        return newly_refused(answer.status, answer.content, sent=sent, refused=refused)

    def _without(self, body: dict[str, Any], refused: AbstractSet[str]) -> dict[str, Any]:
        return without_refused(body, refused)

    def _fault(self, answer: Answer) -> BackendError:
        return anthropic_fault(answer, model=self.model_id, base_url=self.base_url)

    def _read(self, content: bytes, request: Request) -> Reply:
        return read_reply(content, model=self.model_id, base_url=self.base_url, **self._form(request))

    def _reader(self, request: Request) -> StreamedMessage:
        return StreamedMessage(self.model_id, self.base_url, **self._form(request))

    def _form(self, request: Request) -> dict[str, bool]:
        schema = request.schema if self.enforces_schema else None
        return {"has_tool": schema is not None, "is_wrapped": schema is not None and is_wrapped(schema)}
