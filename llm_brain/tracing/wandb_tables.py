"""The tables of a run: its calls of models, with the beginnings of what was asked and answered, and the trials of its study."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from llm_brain.tracing import names
from llm_brain.tracing.reader import SpanRecord
from llm_brain.tracing.wandb_values import clipped

CALL_COLUMNS: Final = (
    "began",
    "name",
    "model",
    "status",
    "cached",
    "input_tokens",
    "output_tokens",
    "cost",
    "seconds",
    "error",
    "prompt",
    "reply",
    "span_id",
)
TRIAL_COLUMNS: Final = ("trial", "score", "proposer", "status", "seconds", "hyperparameters", "error", "span_id")
MAX_TEXT: Final = 500
"""The most characters of a prompt or a reply in the table; the spans have them whole."""


def call_row(call: SpanRecord) -> list[Any]:
    """Return a call's row: a cell for each of `CALL_COLUMNS`.

    Prompt and reply are empty where contents are not captured.

    Example:
        >>> told = {"gen_ai.request.model": "smollm2", "llm_brain.cached": False}
        >>> call_row(SpanRecord("t", "s", None, "chat smollm2", 0, 1_500_000_000, "ok", told))[:5]
        ['1970-01-01T00:00:00.000+00:00', 'chat smollm2', 'smollm2', 'ok', False]
    """
    told = call.attributes
    return [
        datetime.fromtimestamp(call.start_ns / 1e9, UTC).isoformat(timespec="milliseconds"),
        call.name,
        told.get(names.RESPONSE_MODEL, told.get(names.REQUEST_MODEL)),
        call.status,
        told.get(names.CACHED),
        told.get(names.INPUT_TOKENS),
        told.get(names.OUTPUT_TOKENS),
        told.get(names.COST),
        call.seconds,
        call.error.get("type") if call.error else None,
        _last_said(told.get(names.INPUT_MESSAGES)),
        _last_said(told.get(names.OUTPUT_MESSAGES)),
        call.span_id,
    ]


def trial_row(trial: SpanRecord) -> list[Any]:
    """Return a trial's row: a cell for each of `TRIAL_COLUMNS`. Hyperparameters are contents, and empty where those are.

    Example:
        >>> told = {"llm_brain.trial": 3, "llm_brain.score": 0.9, "llm_brain.hyperparameters": {"rate": 0.1}}
        >>> trial_row(SpanRecord("t", "s", None, "trial", 0, 1_500_000_000, "ok", told))
        [3, 0.9, None, 'ok', 1.5, {'rate': 0.1}, None, 's']
    """
    told = trial.attributes
    return [
        told.get(names.TRIAL),
        told.get(names.SCORE),
        told.get(names.PROPOSER),
        trial.status,
        trial.seconds,
        told.get(names.HYPERPARAMETERS),
        trial.error.get("type") if trial.error else None,
        trial.span_id,
    ]


def _last_said(messages: Any) -> str | None:
    """Return the text of the last message: of a prompt, the question."""
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict):
        return None
    parts = last.get("parts", [])
    texts = [part["content"] for part in parts if isinstance(part, dict) and isinstance(part.get("content"), str)]
    return clipped("\n".join(texts), MAX_TEXT)
