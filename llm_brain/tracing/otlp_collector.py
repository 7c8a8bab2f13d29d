"""One collector, and how a request gets there: compressed, tried again while that makes sense, answered in counts.

    bytes -> gzip -> POST -> 200: how many spans were refused
                          -> 429, 502, 503, 504 or no answer: wait, again, until the deadline
                          -> anything else: `CollectorError`

A redirect is not followed, for the headers may hold a key, and neither they nor the key are in any message.
"""

from __future__ import annotations

import gzip
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from llm_brain.errors import ArgumentError, CollectorError
from llm_brain.tracing.otlp_spans import SERVICE, pairs_of_variable, require_otlp
from llm_brain.tracing.redaction import keep_secret, redact
from llm_brain.tracing.text import visible_text

if TYPE_CHECKING:
    import requests

PATH: Final = "/v1/traces"
"""Where a collector takes spans, unless its address says otherwise."""
RETRIED: Final = frozenset({429, 502, 503, 504})
"""The answers after which OTLP lets a client ask again."""
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
LONGEST_PAUSE: Final = 30.0
MAX_ANSWER: Final = 65_536
_QUOTED: Final = 200
_REDIRECTS: Final = range(300, 400)

# What OpenTelemetry's conventions and its collectors call keys; a project's name in a header is no secret.
_SECRET_HEADER: Final = re.compile("auth|key|token|secret|password|cookie|credential", re.IGNORECASE)
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?|")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a collector says of a request that it took.

    Attributes:
        rejected: How many spans of it were refused.
        reason: Its words, if it has any.

    Example:
        >>> Answer(rejected=1, reason="too old").rejected
        1
    """

    rejected: int = 0
    reason: str = ""


class Collector:
    """Sends requests to one collector, on one connection that is kept. For one thread.

    Args:
        url: Its address: `http://localhost:4318`, to which `/v1/traces` is added, or one with a path, taken as it is.
        headers: For each request: keys, and what a collector wants to know. Without them, those of OpenTelemetry's own
            variables `OTEL_EXPORTER_OTLP_TRACES_HEADERS` or `OTEL_EXPORTER_OTLP_HEADERS`.
        pause: Waits so many seconds before asking again. Where it returns something true there is no asking again.

    Attributes:
        name: The address as it may be shown: without a name and a password.

    Raises:
        ArgumentError: The address or a header is none.
        MissingDependencyError: The extra `otlp` is not installed.

    Example:
        >>> Collector("http://me:correct-horse@localhost:4318").name
        'http://localhost:4318/v1/traces'
    """

    def __init__(
        self, url: str, headers: Mapping[str, str] | None = None, *, pause: Callable[[float], object] = time.sleep
    ) -> None:
        require_otlp()
        import requests

        self.name, self._login = _address(url)
        self._headers = {
            **_headers(headers or _headers_of_environment()),
            "content-type": "application/x-protobuf",
            "content-encoding": "gzip",
            "user-agent": SERVICE,
        }
        self._pause = pause
        self._session = requests.Session()

    def send(self, body: bytes, *, deadline: float) -> Answer:
        """Send one request, again and again until it is answered or the deadline would pass.

        Args:
            body: A serialized `ExportTraceServiceRequest`.
            deadline: As `time.monotonic()` counts. There is always one attempt.

        Raises:
            CollectorError: It was not taken.
        """
        packed = gzip.compress(body, compresslevel=5)
        pause = 1.0
        while True:
            try:
                return self._post(packed, deadline)
            except _Busy as busy:
                wanted = busy.wanted if busy.wanted is not None else pause * random.uniform(0.8, 1.2)
                if time.monotonic() + wanted > deadline or self._pause(wanted):
                    raise busy.error from None
                pause = min(2 * pause, LONGEST_PAUSE)

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()

    def _post(self, packed: bytes, deadline: float) -> Answer:
        import requests
        from urllib3.exceptions import HTTPError

        seconds = max(1.0, min(ANSWER_SECONDS, deadline - time.monotonic()))
        try:
            with self._session.post(
                self.name,
                data=packed,
                headers=self._headers,
                auth=self._authorize,
                timeout=(min(CONNECT_SECONDS, seconds), seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                said = response.raw.read(MAX_ANSWER, decode_content=True)
        except (requests.RequestException, HTTPError, OSError) as error:
            message = f"the collector {self.name} does not answer: {_why(error)}; is it running, and is this its address?"
            raise _Busy(CollectorError(message, retryable=True)) from None
        except Exception as error:  # a host's name that none can have, say
            message = f"nothing can be sent to the collector {self.name} ({type(error).__name__})"
            raise CollectorError(message) from None
        if response.status_code == requests.codes.ok:
            return _read(said, response.headers.get("content-type", ""))
        raise self._refusal(response, said)

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Log in with what the address says. Were there nothing of this kind, a password out of `~/.netrc` would be sent."""
        from requests.auth import HTTPBasicAuth

        if self._login is not None:
            HTTPBasicAuth(*self._login)(request)
        return request

    def _refusal(self, response: requests.Response, said: bytes) -> Exception:
        status = response.status_code
        words = _words(said, response.headers.get("content-type", ""))
        message = f"the collector {self.name} answered {status}{words}: {_advice(status)}"
        if status not in RETRIED:
            return CollectorError(message, status=status)
        return _Busy(CollectorError(message, retryable=True, status=status), _seconds(response.headers.get("retry-after", "")))


class _Busy(Exception):  # noqa: N818 - never seen outside
    """There may be an answer later."""

    def __init__(self, error: CollectorError, wanted: float | None = None) -> None:
        super().__init__()
        self.error = error
        self.wanted = wanted


def _address(url: str) -> tuple[str, tuple[str, str] | None]:
    """Split an address into what may be shown and the name and password in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = "a collector's address begins with http:// or https:// and names a host, as in http://localhost:4318"
        raise ArgumentError(message)
    if parts.query or parts.fragment:
        message = f"the address of the collector on {parts.hostname} has a query: what is in it belongs into a header"
        raise ArgumentError(message)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = host if port is None else f"{host}:{port}"
    login = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    if login is not None:
        keep_secret(login[1])
    return urlunsplit((parts.scheme, place, parts.path if parts.path.strip("/") else PATH, "", "")), login


def _headers_of_environment() -> dict[str, str]:
    return pairs_of_variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or pairs_of_variable("OTEL_EXPORTER_OTLP_HEADERS")


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            # Not the value, which may be a key.
            message = "a header for the collector has characters that no header can have"
            raise ArgumentError(message)
        if _SECRET_HEADER.search(name):
            keep_secret(value)
            keep_secret(value.rpartition(" ")[2])
    return {name.lower(): value for name, value in headers.items()}


def _read(said: bytes, form: str) -> Answer:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    if "protobuf" not in form:
        return Answer()
    try:
        told = ExportTraceServiceResponse.FromString(said).partial_success
    except Exception:  # it took the request, and what it says of that is not to be understood
        return Answer()
    return Answer(max(0, told.rejected_spans), _shown(told.error_message))


def _words(said: bytes, form: str) -> str:
    words = "" if "protobuf" in form or "html" in form else _shown(said.decode("utf-8", "replace"))
    return f" ({words})" if words else ""


def _shown(words: str) -> str:
    words = " ".join(visible_text(redact(words)).split())
    return words if len(words) <= _QUOTED else f"{words[:_QUOTED]} …"


def _advice(status: int) -> str:
    if status in _REDIRECTS:
        return "redirects are not followed, for the headers may hold a key; give the address that it redirects to"
    if status in {401, 403}:
        return "it wants another key, in a header"
    if status in {404, 405}:
        return f"give the address at which it takes spans, which mostly ends in {PATH}"
    if status in RETRIED:
        return "it was asked until the deadline; send the spans again later"
    return "see its own log for the reason"


def _seconds(retry_after: str) -> float | None:
    """Read a `Retry-After` in seconds; one that is a date is taken for none."""
    return float(retry_after) if re.fullmatch(r"\d{1,6}", retry_after) else None


def _why(error: BaseException) -> str:
    """Say why there was no answer: in the system's words, since those of a library quote whole requests."""
    deepest = error
    while (inner := deepest.__cause__ or deepest.__context__) is not None:
        deepest = inner
    words = str(deepest) if isinstance(deepest, OSError) and type(deepest).__module__ in {"builtins", "socket", "ssl"} else ""
    return redact(words or type(error).__name__)
