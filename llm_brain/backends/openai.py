"""OpenAI, and every server that speaks its language (vLLM, Ollama, llama.cpp's server): chat completions over HTTP.

    Request -> the body of a POST -> the `openai` client, one attempt, no redirects -> the reply's JSON, looked at piece by
    piece -> Reply

The client's own reading of replies is left out: it hands on an HTML page or an empty list of choices as if it were fine.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from llm_brain.backends.contract import LanguageBackend, Reply, Request, Usage
from llm_brain.backends.estimate import estimate_tokens
from llm_brain.backends.openai_faults import clipped, fault_in_body, fault_of
from llm_brain.errors import BackendError, MissingKeyError
from llm_brain.tracing.redaction import REDACTED, SHORTEST_SECRET, keep_secret, redact

if TYPE_CHECKING:
    from openai import OpenAI

HOSTED: Final = "https://api.openai.com/v1"
_NO_KEY: Final = "none"  # the client wants some key, even for a server that asks for none


class OpenAIBackend(LanguageBackend):
    """A model behind OpenAI's chat completions, at OpenAI or at any compatible server.

    One call is one HTTP request. The connections are opened at the first call and shared by all threads.

    Args:
        model: The model's name, as the server knows it.
        base_url: The server's address, up to and with `/v1`; `$OPENAI_BASE_URL` or OpenAI's own by default.
        api_key: The key; `$OPENAI_API_KEY` by default. A server at a `base_url` may do without.
        timeout: The longest wait for the server in seconds: to connect, and for each next piece of the reply.

    Raises:
        MissingKeyError: OpenAI itself was named and there is no key.

    Example:
        >>> model = OpenAIBackend("qwen3-4b", base_url="http://127.0.0.1:8000/v1")
        >>> model
        OpenAIBackend('qwen3-4b', base_url='http://127.0.0.1:8000/v1')
        >>> model.count_tokens("an estimate, on the high side")
        10
    """

    def __init__(self, model: str, *, base_url: str | None = None, api_key: str | None = None, timeout: float = 60.0) -> None:
        self.model_id = model
        self.timeout = timeout
        given = base_url or os.environ.get("OPENAI_BASE_URL")
        key = api_key or os.environ.get("OPENAI_API_KEY")
        if not key and not given:
            message = (
                f"no key for the model {model!r} at {HOSTED}: set the environment variable OPENAI_API_KEY, or give `api_key`; "
                "for a server of your own, give `base_url` or set OPENAI_BASE_URL"
            )
            raise MissingKeyError(message)
        self._url = given or HOSTED
        self._key = key or None
        if key:
            keep_secret(key)
        # OpenAI's newer models refuse `max_tokens`, and many other servers do not know the name that replaced it.
        self._limit_name = "max_tokens" if given else "max_completion_tokens"
        self._building = threading.Lock()
        self._client: OpenAI | None = None
        self._client_pid = 0

    def __repr__(self) -> str:
        return f"OpenAIBackend({self.model_id!r}, base_url={self.base_url!r})"

    @property
    def base_url(self) -> str:
        """The server's address, without a user, a password or a query that it may hold."""
        return _shown(self._url)

    @property
    def identity(self) -> str:
        """The server's address: the same name may be another model elsewhere."""
        return self.base_url

    def count_tokens(self, text: str) -> int:
        """Estimate, on the high side: the tokenizer is the server's, and none is downloaded."""
        return estimate_tokens(text)

    def chat_completion(self, request: Request) -> Reply:
        """Ask the server once.

        The seed goes with the sample's index added, so that each sample of a question can be drawn again. A reply that was
        cut by the length limit comes back with `finish_reason="length"`.

        Raises:
            BackendError: There is no usable reply. The key is cut out of every message.
        """
        answer = self._answer(request)
        # Raised out here: an exception of the client would stay attached to one raised where it is handled, and it may
        # quote the key.
        if isinstance(answer, BackendError):
            raise answer
        return answer

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._building:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _answer(self, request: Request) -> Reply | BackendError:
        if request.form != "chat":
            message = f"{self.model_id!r} at {self.base_url} takes the turns of a chat, not a text to be continued"
            return BackendError(message, kind="bad_request")
        try:
            response = self._connected().chat.completions.with_raw_response.create(**self._body(request))
            return self._read(response.content)
        except BackendError as error:
            return self._hidden(error)
        except Exception as error:  # noqa: BLE001 - the client, its HTTP library and its JSON encoder raise what they like
            return self._hidden(fault_of(error, model=self.model_id, base_url=self.base_url))

    def _connected(self) -> OpenAI:
        with self._building:
            # A connection must not be shared with a forked child.
            if self._client is None or self._client_pid != os.getpid():
                from openai import DefaultHttpxClient, OpenAI

                self._client = OpenAI(
                    api_key=self._key or _NO_KEY,
                    base_url=self._url,
                    timeout=self.timeout,
                    max_retries=0,
                    http_client=DefaultHttpxClient(follow_redirects=False, timeout=self.timeout),
                )
                self._client_pid = os.getpid()
                # Connections are closed with the backend, not whenever the collector of garbage comes to them.
                weakref.finalize(self, self._client.close)
            return self._client

    def _body(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self.model_id,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "temperature": sampling.temperature,
            self._limit_name: sampling.max_tokens,
        }
        if sampling.top_p != 1.0:
            body["top_p"] = sampling.top_p
        if sampling.seed is not None:
            body["seed"] = sampling.seed + request.sample
        if request.schema is not None:
            # Not strict: strict mode refuses most of JSON Schema, and the reply is validated here anyway.
            described = {"name": "reply", "schema": dict(request.schema), "strict": False}
            body["response_format"] = {"type": "json_schema", "json_schema": described}
        return body

    def _read(self, content: bytes) -> Reply:
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            body = None
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
            # A word like "EMPTY", which some servers take for a key, is no secret and may be part of an answer.
            self._without_key(text) if len(self._key or "") >= SHORTEST_SECRET else text,
            _word(choice.get("finish_reason")) or "unknown",
            _word(served) or self.model_id,
            _usage(body.get("usage")),
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
        raw = None if error.raw is None else self._without_key(redact(error.raw))
        text = self._without_key(redact(str(error)))
        return BackendError(text, kind=error.kind, retryable=error.retryable, raw=raw, attempts=error.attempts)

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, REDACTED) if self._key else text


def _shown(url: str) -> str:
    try:
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    except ValueError:
        return "an address that is none"


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _usage(value: object) -> Usage | None:
    if not isinstance(value, dict):
        return None
    read, written = value.get("prompt_tokens"), value.get("completion_tokens")
    if type(read) is not int or type(written) is not int or read < 0 or written < 0:
        return None
    return Usage(read, written)
