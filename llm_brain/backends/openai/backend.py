"""OpenAI, and every server that speaks its language (vLLM, Ollama, llama.cpp's server): chat completions over HTTP."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Final, Literal

from llm_brain.backends.configuration.environment import check_key
from llm_brain.backends.contract import Choice, Embeddings, Reply, Request
from llm_brain.backends.hosted.address import Address
from llm_brain.backends.hosted.backend import DEFAULT_RETRIES, DEFAULT_TIMEOUT, HostedBackend
from llm_brain.backends.hosted.events import read_json
from llm_brain.backends.hosted.faults import clipped, error_in, fault_in_body
from llm_brain.backends.hosted.http import LARGEST_REPLY, Answer, HttpServer
from llm_brain.backends.hosted.limits import Limits
from llm_brain.backends.hosted.other_model import tell_of_other_model
from llm_brain.backends.hosted.protocols import Server
from llm_brain.backends.openai.body import body_of, ignored, newly_refused, without_refused
from llm_brain.backends.openai.choice import OptionQuestion, ServerHabits
from llm_brain.backends.openai.embedding import LARGEST_VECTOR, PATH, batches, embedding_body, joined, read_embeddings
from llm_brain.backends.openai.stream import StreamedReply, usage_of
from llm_brain.backends.portal import portal
from llm_brain.errors import BackendError, MissingKeyError

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

HOSTED: Final = "https://api.openai.com/v1"


class OpenAIBackend(HostedBackend):
    """A model behind OpenAI's chat completions, at OpenAI or at any compatible server.

    Where the server says that it does not take a temperature, a `top_p`, a seed, a limit of that name or `stream_options`, it is
    asked again without, or by the limit's other name, and from then on so at once. A seed goes with the sample's index added, so
    that each sample of a question can be drawn again. The connections are opened at the first call and shared by all threads.

    Args:
        model: The model's name, as the server knows it.
        base_url: The server's address, up to and with `/v1`; `$OPENAI_BASE_URL` or OpenAI's own by default.
        api_key: The key; `$OPENAI_API_KEY` by default. A server at a `base_url` may do without.
        timeout: The longest time of a whole call, in seconds, with all its attempts and waits.
        retries: The most requests after the first one, where a fault may pass.
        limits: The most that may be asked; shared by all who ask this model there.
        context_length: The most tokens that a prompt and its reply may have; what is surely longer is not sent.
        schema_mode: Where a reply's JSON Schema goes, which is sent once: into `response_format`, or for servers that do not
            know it into the prompt.
        client: A client of the `openai` package that is to carry the requests, with its own address and key; for Azure's
            sign-in, say. It costs several times the processor time of the way without it.

    Raises:
        MissingKeyError: OpenAI itself was named and there is no key.
        DefinitionError: `retries` or `timeout` is below what makes sense.

    Example:
        >>> model = OpenAIBackend("qwen3-4b", base_url="http://127.0.0.1:8000/v1")
        >>> model
        OpenAIBackend('qwen3-4b', base_url='http://127.0.0.1:8000/v1')
        >>> model.count_tokens("an estimate, on the high side")
        10
    """

    _path = "/chat/completions"

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
        schema_mode: Literal["json_schema", "prompt"] = "json_schema",
        client: OpenAI | AsyncOpenAI | None = None,
    ) -> None:
        self.enforces_schema = schema_mode == "json_schema"
        self._habits = ServerHabits()
        server: Server
        key: str | None
        if client is not None:
            from llm_brain.backends.openai.client import OpenAIClient

            server = OpenAIClient(client)
            address, key = Address(server.url), client.api_key
        else:
            given = base_url or os.environ.get("OPENAI_BASE_URL")
            key = api_key or os.environ.get("OPENAI_API_KEY")
            if not key and not given:
                message = (
                    f"no key for the model {model!r} at {HOSTED}: set the environment variable OPENAI_API_KEY, or give "
                    "`api_key`; for a server of your own, give `base_url` or set OPENAI_BASE_URL"
                )
                raise MissingKeyError(message)
            if key:
                check_key(key, "`api_key`" if api_key else "OPENAI_API_KEY")
            address = Address(given or HOSTED)
            server = HttpServer(address.plain, address.sign_in(key))
        # OpenAI's newer models refuse `max_tokens`, and many other servers do not know the name that replaced it.
        self._limit_name = "max_completion_tokens" if address.given == HOSTED else "max_tokens"
        super().__init__(
            model,
            server=server,
            address=address,
            key=key,
            retries=retries,
            timeout=timeout,
            limits=limits,
            context_length=context_length,
        )

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Choose one of the options: the likeliest where the server gives log-probabilities, the one it names elsewhere.

        Raises:
            BackendError: There is no usable reply; of kind "validation" when it names none of the options, or several.
        """
        return portal().run(self.achoose_from_options(request, options))

    async def achoose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Choose one of the options, awaited."""
        self._check(request)
        await self._server.prepare()
        question = OptionQuestion(request, options, self._habits, model=self.model_id, enforces_schema=self.enforces_schema)
        refused = set(self._refused)
        return await self._call(request).answer(lambda: self._ask_for_option(question, refused))

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Turn texts into vectors, some hundred a request. `timeout` and `retries` are for each request.

        Raises:
            BackendError: The model gives no embeddings, or there is no usable answer.
        """
        return portal().run(self.aembed(texts))

    async def aembed(self, texts: Sequence[str]) -> Embeddings:
        """Turn texts into vectors, awaited."""
        parts = [await self._embedded(batch) for batch in batches(texts)]
        return joined(parts, self.model_id)

    def _look_at(self, request: Request, reply: Reply) -> None:
        super()._look_at(request, reply)
        if self.enforces_schema and reply.finish_reason != "length":
            self._refused |= ignored(request.schema, reply.text)

    async def _ask_for_option(self, question: OptionQuestion, refused: set[str]) -> Choice:
        put, fields = question.put()
        fault: BackendError
        try:
            answer = await self._post(self._path, {**self._body(put, streamed=False), **fields}, refused)
            reply = self._read_answer(answer, put)
        except BackendError as error:
            fault = question.told(error)
        else:
            reply = self._secrets.cleaned(reply)
            tell_of_other_model(self.model_id, reply.model, self.base_url)
            return question.read(reply, answer.content)
        raise fault

    async def _embedded(self, texts: Sequence[str]) -> Embeddings:
        tokens = sum(map(self.count_tokens, texts)) if self.limits.tokens_per_minute is not None else 0
        body = embedding_body(texts, self.model_id, in_base64=self._address.given == HOSTED)
        largest = LARGEST_REPLY + len(texts) * LARGEST_VECTOR

        async def ask() -> Embeddings:
            answer = await self._post(PATH, body, set(), largest=largest)
            return read_embeddings(answer.content, len(texts), model=self.model_id, base_url=self.base_url)

        return await self._call_for(tokens).answer(ask)

    def _body(self, request: Request, *, streamed: bool) -> dict[str, Any]:
        enforces = self.enforces_schema
        return body_of(request, self.model_id, limit_name=self._limit_name, enforces_schema=enforces, streamed=streamed)

    def _newly_refused(self, answer: Answer, sent: Mapping[str, Any], refused: AbstractSet[str]) -> AbstractSet[str]:
        return newly_refused(answer.status, answer.content, sent=sent, refused=refused)

    def _without(self, body: dict[str, Any], refused: AbstractSet[str]) -> dict[str, Any]:
        return without_refused(body, refused)

    def _reader(self, request: Request) -> StreamedReply:  # noqa: ARG002 - as above
        return StreamedReply(self.model_id, self.base_url, self._text)

    def _read(self, content: bytes, request: Request) -> Reply:  # noqa: ARG002 - it reads the same whatever was asked
        body = read_json(content)
        error = error_in(body) if isinstance(body, dict) else None
        if not isinstance(body, dict) or not ("choices" in body or error is not None):
            message = f"{self.base_url} did not answer with a chat completion: {clipped(content)}"
            raise BackendError(message, kind="protocol", retryable=True, perhaps_billed=True)
        choices = body.get("choices")
        if error is not None:
            raise fault_in_body(error, model=self.model_id, base_url=self.base_url)
        usage = usage_of(body.get("usage"))
        if not choices:
            message = f"{self.model_id!r} at {self.base_url} answered without any choice"
            raise BackendError(message, kind="empty", retryable=True, usage=usage, perhaps_billed=True)
        choice = choices[0] if isinstance(choices, list) else None
        said = choice.get("message", ()) if isinstance(choice, dict) else ()
        said = {} if said is None else said
        if not isinstance(choice, dict) or not isinstance(said, dict):
            message = f"{self.base_url} answered with a choice that holds no message: {clipped(content)}"
            raise BackendError(message, kind="protocol", retryable=True, usage=usage, perhaps_billed=True)
        finish = choice.get("finish_reason")
        try:
            text = self._text(said, finish)
        except BackendError as fault:
            fault.usage = usage
            raise
        return Reply(text, _word(finish) or "unknown", _word(body.get("model")) or self.model_id, usage)

    def _text(self, said: Mapping[str, Any], finish: object) -> str:
        text, refusal = said.get("content"), said.get("refusal")
        if isinstance(refusal, str) and refusal:
            message = f"{self.model_id!r} declined to answer: {clipped(refusal)}"
            raise BackendError(message, kind="refusal", raw=refusal)
        if finish == "error":
            told = text if isinstance(text, str) else None
            message = f"{self.base_url} says that the reply of {self.model_id!r} ended in an error: {clipped(told or '')}"
            raise BackendError(message, kind="server", retryable=True, raw=told)
        if finish == "content_filter":
            told = text if isinstance(text, str) and text else None
            message = f"the content filter of {self.base_url} held the reply back: {clipped(told or 'it gave no reason')}"
            raise BackendError(message, kind="content_filter", raw=told)
        if text is None or text == "":
            if finish == "length":
                message = f"{self.model_id!r} reached its length limit before the first word of its reply: raise `max_tokens`"
                raise BackendError(message, kind="length")
            message = f"{self.model_id!r} at {self.base_url} answered with an empty reply (finish reason {_word(finish)!r})"
            raise BackendError(message, kind="empty", retryable=True, perhaps_billed=True)
        if not isinstance(text, str):
            message = f"{self.base_url} answered with content that is no text but {type(text).__name__}"
            raise BackendError(message, kind="protocol", retryable=True, perhaps_billed=True)
        return text


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
