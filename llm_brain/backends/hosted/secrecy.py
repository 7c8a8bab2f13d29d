"""A key goes to its server and nowhere else: it is cut out of replies, errors and all that is kept of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from llm_brain.backends.contract import Reply
from llm_brain.errors import BackendError
from llm_brain.tracing.redaction import REDACTED, SHORTEST_SECRET, keep_secret, redact


class Secrets:
    """What no message of one server may hold, even if the server sends it back. It is cut out of all traces, too.

    Args:
        secrets: The key, a password, and what else tells them.

    Attributes:
        long: Those that are no word: a key like "EMPTY", which some servers take, is no secret and may be part of an answer.

    Example:
        >>> secrets = Secrets(["sk-0123456789", "EMPTY"])
        >>> secrets.cleaned(Reply("Your key is sk-0123456789. EMPTY!", "m", "stop", None)).text
        'Your key is [redacted]. EMPTY!'
        >>> str(secrets.hidden(BackendError("401: sk-0123456789, EMPTY", kind="auth")))
        '401: [redacted], [redacted]'
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._all = tuple(secrets)
        for secret in self._all:
            keep_secret(secret)
        self.long = [secret for secret in self._all if len(secret) >= SHORTEST_SECRET]

    def cleaned(self, reply: Reply) -> Reply:
        """Take the secrets out of a reply, wherever a server may have echoed them."""
        if not any(secret in part for secret in self.long for part in (reply.text, reply.model, reply.finish_reason)):
            return reply
        text, model, finish = (_without(self.long, part) for part in (reply.text, reply.model, reply.finish_reason))
        return replace(reply, text=text, model=model, finish_reason=finish)

    def hidden(self, error: BackendError) -> BackendError:
        """Take the secrets out of an error, and return the same one."""
        error.args = (_without(self._all, redact(str(error))),)
        error.raw = None if error.raw is None else _without(self._all, redact(error.raw))
        error.code = None if error.code is None else _without(self._all, redact(error.code))
        return error


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text
