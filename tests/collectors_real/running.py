"""MLflow and Phoenix as processes of their own, and what they say they were told, in words common to both."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from tests.collectors_real.environments import MLFLOW, PHOENIX

_PATIENCE: Final = 180.0


@dataclass(frozen=True)
class Shown:
    """One span as a collector shows it: what it read out of the attributes is in its own words."""

    span_id: str
    parent_id: str | None
    name: str
    kind: str
    failed: bool
    model: str | None
    tokens: tuple[int, int] | None
    output: Any
    exceptions: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class RealCollector:
    """A running collector.

    Attributes:
        url: Where it takes spans.
        headers: What it wants to be told with them.
        spans: Asks it for the spans of a trace.
        tokens: Asks it what it has added up over a trace: tokens in, tokens out.
    """

    url: str
    headers: Mapping[str, str]
    spans: Callable[[str], list[Shown]]
    tokens: Callable[[str], tuple[int, int]]

    def wait_for(self, trace: str, count: int) -> list[Shown]:
        """Ask until so many spans are there: a collector may store them after it has answered."""
        until = time.monotonic() + 20
        while len(shown := self.spans(trace)) < count and time.monotonic() < until:
            time.sleep(0.1)
        return shown


@contextmanager
def mlflow(scratch: Path) -> Iterator[RealCollector]:
    url = f"http://127.0.0.1:{_free_port()}"
    command = [str(MLFLOW / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", url.rpartition(":")[2]]
    store = ["--backend-store-uri", f"sqlite:///{scratch / 'mlflow.db'}", "--workers", "1"]
    more = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

    def ask(trace: str) -> dict[str, Any]:
        found = _get(f"{url}/api/3.0/mlflow/traces/get", trace_id=f"tr-{trace}")
        return dict(found["trace"]) if found else {"spans": []}

    def tokens(trace: str) -> tuple[int, int]:
        told = json.loads(ask(trace)["trace_info"]["trace_metadata"]["mlflow.trace.tokenUsage"])
        return told["input_tokens"], told["output_tokens"]

    with _running([*command, *store], more, scratch, f"{url}/health"):
        yield RealCollector(
            url,
            {"x-mlflow-experiment-id": "0"},
            lambda trace: [_shown_by_mlflow(told) for told in ask(trace)["spans"]],
            tokens,
        )


@contextmanager
def phoenix(scratch: Path) -> Iterator[RealCollector]:
    url = f"http://127.0.0.1:{_free_port()}"
    more = {
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": url.rpartition(":")[2],
        "PHOENIX_GRPC_PORT": str(_free_port()),
        "PHOENIX_WORKING_DIR": str(scratch),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    project = f"{url}/v1/projects/default"

    def spans(trace: str) -> list[Shown]:
        found = _get(f"{project}/spans", trace_id=trace, limit=1000)
        return [_shown_by_phoenix(told) for told in (found or {"data": []})["data"]]

    def tokens(trace: str) -> tuple[int, int]:
        (told,) = [one for one in (_get(f"{project}/traces", limit=100) or {})["data"] if one["trace_id"] == trace]
        return told["token_count_prompt"], told["token_count_completion"]

    with _running([str(PHOENIX / "bin" / "phoenix"), "serve"], more, scratch, f"{url}/healthz"):
        yield RealCollector(url, {}, spans, tokens)


def _shown_by_mlflow(told: dict[str, Any]) -> Shown:
    attributes = {pair["key"]: _value(pair["value"]) for pair in told["attributes"]}
    usage = attributes.get("mlflow.chat.tokenUsage")
    return Shown(
        span_id=_hexadecimal(told["span_id"]),
        parent_id=_hexadecimal(told["parent_span_id"]) if told.get("parent_span_id") else None,
        name=told["name"],
        kind=attributes.get("mlflow.spanType", ""),
        failed=told["status"].get("code") == "STATUS_CODE_ERROR",
        model=attributes.get("mlflow.llm.model"),
        tokens=usage and (usage["input_tokens"], usage["output_tokens"]),
        output=attributes.get("mlflow.spanOutputs"),
        exceptions=tuple(
            _value(pair["value"])
            for event in told.get("events", [])
            for pair in event["attributes"]
            if pair["key"] == "exception.type"
        ),
        attributes=attributes,
    )


def _shown_by_phoenix(told: dict[str, Any]) -> Shown:
    attributes = told["attributes"]
    prompt = attributes.get("llm.token_count.prompt")
    return Shown(
        span_id=told["context"]["span_id"],
        parent_id=told["parent_id"],
        name=told["name"],
        kind=told["span_kind"],
        failed=told["status_code"] == "ERROR",
        model=attributes.get("llm.model_name"),
        tokens=None if prompt is None else (prompt, attributes["llm.token_count.completion"]),
        output=attributes.get("llm.output_messages.0.message.content") or json.loads(attributes.get("output.value", "null")),
        exceptions=tuple(event["attributes"]["exception.type"] for event in told["events"]),
        attributes=attributes,
    )


def _hexadecimal(base64: str) -> str:
    import base64 as codec

    return codec.b64decode(base64).hex()


def _value(told: dict[str, Any]) -> Any:
    if not told:
        return None
    ((form, value),) = told.items()
    if form == "array_value":
        return [_value(item) for item in value.get("values", [])]
    if form == "kvlist_value":
        return {pair["key"]: _value(pair.get("value", {})) for pair in value.get("values", [])}
    return value


def _get(url: str, **query: Any) -> dict[str, Any] | None:
    answer = requests.get(url, params=query, timeout=30, proxies={"http": ""})
    return dict(answer.json()) if answer.ok else None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _running(command: Sequence[str], more: Mapping[str, str], scratch: Path, health: str) -> Iterator[None]:
    log = scratch / "log.txt"
    # In a session of its own: MLflow has children, and they must end with it.
    with (
        log.open("w") as out,
        subprocess.Popen(
            command,
            cwd=scratch,
            env={**os.environ, **more},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait_until_it_answers(process, health, log)
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            if requests.get(url, timeout=5, proxies={"http": ""}).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    message = f"the collector did not answer; it ended with {process.poll()}:\n{log.read_text()[-3000:]}"
    raise RuntimeError(message)
