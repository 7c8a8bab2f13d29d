"""Whether the servers of hosted models answer, and which models they have: `GET .../models`, asked of all at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from llm_brain.backends.configuration.environment import PROVIDERS
from llm_brain.backends.hosted.address import Address
from llm_brain.backends.hosted.faults import clipped
from llm_brain.backends.hosted.http import Answer, HttpServer
from llm_brain.backends.portal import portal
from llm_brain.errors import BackendError
from llm_brain.tracing.redaction import REDACTED, keep_secret, redact
from llm_brain.tracing.text import visible_text

Answered: TypeAlias = Literal["reachable", "refused", "failing", "unreachable"]

_REFUSED: Final = (401, 403)
_OK: Final = 200
_MOST_MODELS: Final = 10_000


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a server answered when it was asked for its models.

    Attributes:
        kind: Who it is, one of `PROVIDERS`.
        url: Its address, without what may be secret in it.
        state: "refused" when it did not take the key, "failing" when it answered with an error of its own, "unreachable" when no
            answer came, or else "reachable".
        models: The names of its models; empty where it has no list.
        told: What there is to say about it, in words.

    Example:
        >>> ServerState("openai", "http://127.0.0.1:8000/v1", "reachable", ("qwen3-4b",), "1 model").models
        ('qwen3-4b',)
    """

    kind: str
    url: str
    state: Answered
    models: tuple[str, ...]
    told: str


def ask_servers(kinds: Iterable[str], *, timeout: float = 5.0) -> list[ServerState]:
    """Ask servers for their models, all at once.

    Args:
        kinds: Which ones, of `PROVIDERS`; each is asked at the address and with the key that the environment gives.
        timeout: The longest time for all of them, in seconds.

    Returns:
        What each one answered, in the order of `kinds`.

    Example:
        >>> ask_servers([])
        []
    """

    async def ask_all() -> list[ServerState]:
        return await asyncio.gather(*(_ask(kind, timeout) for kind in kinds))

    return portal().run(ask_all())


async def _ask(kind: str, timeout: float) -> ServerState:  # noqa: ASYNC109 - it is told, and not awaited around
    provider = PROVIDERS[kind]
    key = provider.key
    address = Address((provider.own_address or provider.url).rstrip("/").removesuffix("/v1" if kind == "anthropic" else ""))
    for secret in address.secrets(key):
        keep_secret(secret)
    headers = address.sign_in(key)
    path = "/models"
    if kind == "anthropic":
        from llm_brain.backends.anthropic.backend import VERSION

        headers = {**address.sign_in(None), **({"x-api-key": key} if key else {}), "anthropic-version": VERSION}
        path = "/v1/models"
    server = HttpServer(address.plain, headers)
    try:
        async with asyncio.timeout(timeout):
            answer = await server.get(path)
    except TimeoutError:
        return ServerState(kind, address.shown, "unreachable", (), f"no answer within {timeout:g} seconds")
    except BackendError as error:
        return ServerState(kind, address.shown, "unreachable", (), _shown(str(error), address, key))
    finally:
        await server.close()
    return _state(kind, address, key, answer)


def _state(kind: str, address: Address, key: str | None, answer: Answer) -> ServerState:
    if answer.status in _REFUSED:
        told = f"the key is refused ({answer.status})" if key else f"it asks for a key ({answer.status})"
        return ServerState(kind, address.shown, "refused", (), told)
    if answer.status != _OK:
        told = f"answered {answer.status} when asked for its models: {clipped(answer.content)}"
        state: Answered = "failing" if answer.status >= 500 else "reachable"  # noqa: PLR2004
        return ServerState(kind, address.shown, state, (), _shown(told, address, key))
    models = _names(answer.content)
    if models is None:
        return ServerState(kind, address.shown, "reachable", (), "answers, but not with a list of models")
    shown = tuple(_shown(name, address, key) for name in models)
    return ServerState(kind, address.shown, "reachable", shown, f"{len(shown)} model{'' if len(shown) == 1 else 's'}")


def _names(content: bytes) -> list[str] | None:
    try:
        listed: Any = json.loads(content)["data"]
        return [model["id"] for model in listed[:_MOST_MODELS] if isinstance(model["id"], str)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _shown(text: str, address: Address, key: str | None) -> str:
    for secret in address.secrets(key):
        text = text.replace(secret, REDACTED)
    return visible_text(redact(text))
