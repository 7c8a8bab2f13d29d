"""What a span of ours tells, as OpenTelemetry's collectors want to be told it.

The names are OpenTelemetry's already. What is left: values are scalars and lists of one type, so anything deeper goes as
JSON text, which is also what the GenAI conventions ask for of messages; and the pieces of work that those conventions have
no word for get OpenInference's, which MLflow and Phoenix read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from llm_brain.tracing import names
from llm_brain.tracing.reader import SpanRecord
from llm_brain.tracing.redaction import may_hold_secret, redact_all
from llm_brain.tracing.text import clean_text

Scalar: TypeAlias = str | bool | int | float
Value: TypeAlias = Scalar | list[str] | list[bool] | list[int] | list[float]

CACHED_USAGE: Final = "llm_brain.cached_usage."
"""Stands for `gen_ai.usage.` where a call was answered from the cache: collectors add usage up and put a price on it."""
USAGE: Final = "gen_ai.usage."

SPAN_KIND: Final = "openinference.span.kind"
INPUT: Final = "input.value"
INPUT_TYPE: Final = "input.mime_type"
OUTPUT: Final = "output.value"
OUTPUT_TYPE: Final = "output.mime_type"
_JSON: Final = "application/json"

# A call of a model has a word in the GenAI conventions; a kind of OpenInference beside it would win over that.
_KINDS: Final[Mapping[str, str]] = {
    names.FUNCTION_KIND: "CHAIN",
    names.REPAIR_KIND: "CHAIN",
    names.CASCADE_KIND: "CHAIN",
    names.EPOCH_KIND: "CHAIN",
    names.STEP_KIND: "CHAIN",
    names.TRIAL_KIND: "CHAIN",
    names.STUDY_KIND: "CHAIN",
    names.SCAN_KIND: "CHAIN",
    names.VALIDATION_KIND: "EVALUATOR",
    names.EVALUATION_KIND: "EVALUATOR",
    names.RETRIEVAL_KIND: "RETRIEVER",
}
_LARGEST: Final = 2**63


def otlp_attributes(one: SpanRecord) -> dict[str, Value]:
    """Return the attributes of a span as OpenTelemetry has them, those that only some collectors read included.

    Example:
        >>> asked = {"gen_ai.input.messages": [{"role": "user", "parts": []}], "gen_ai.usage.input_tokens": 12}
        >>> otlp_attributes(SpanRecord("a1", "b2", None, "chat", 0, 1, "ok", asked))
        {'gen_ai.input.messages': '[{"role":"user","parts":[]}]', 'gen_ai.usage.input_tokens': 12}
        >>> said = {"llm_brain.kind": "function", "llm_brain.value": "glad"}
        >>> otlp_attributes(SpanRecord("a1", "b2", None, "mood", 0, 1, "ok", said))["output.value"]
        '"glad"'
    """
    told: dict[str, Value] = {}
    for name, value in {**one.attributes, **_for_viewers(one)}.items():
        if (plain := otlp_value(value)) is not None:
            told[_placed(name, one)] = plain
    if one.error is not None and names.ERROR_TYPE not in told:
        told[names.ERROR_TYPE] = str(one.error.get("type", "error"))
    return told


def otlp_value(value: Any) -> Value | None:
    """Return a value that an attribute may have: itself, or its JSON text; None where there is nothing to tell.

    Secrets are cut out once more: this process may know keys that the one that wrote the span did not.

    Example:
        >>> otlp_value(["stop"]), otlp_value([1, "a"]), otlp_value(2**70), otlp_value([])
        (['stop'], '[1,"a"]', '1180591620717411303424', '[]')
    """
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else str(value)
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list) and value and type(value[0]) in {str, bool, int, float}:
        plain = [otlp_value(item) for item in value]
        if len({type(item) for item in plain}) == 1:
            return plain  # type: ignore[return-value]  # all of the first one's type
    return _clean(json.dumps(value, ensure_ascii=False, separators=(",", ":")), value)


def _for_viewers(one: SpanRecord) -> dict[str, Any]:
    kind = _KINDS.get(one.kind or "")
    if kind is None:
        return {}
    told: dict[str, Any] = {SPAN_KIND: kind}
    for said, text, form in ((names.ARGUMENTS, INPUT, INPUT_TYPE), (names.VALUE, OUTPUT, OUTPUT_TYPE)):
        if said in one.attributes:
            told |= {text: json.dumps(one.attributes[said], ensure_ascii=False), form: _JSON}
    return told


def _placed(name: str, one: SpanRecord) -> str:
    if name.startswith(USAGE) and one.attributes.get(names.CACHED) is True:
        return CACHED_USAGE + name.removeprefix(USAGE)
    return _clean(name)


def _clean(text: str, value: Any = None) -> str:
    """Cut secrets out of a text: out of the JSON `value` that it stands for, if it does, so that it stays JSON."""
    if may_hold_secret(text):
        redacted = redact_all(text if value is None else value)
        text = redacted if isinstance(redacted, str) else json.dumps(redacted, ensure_ascii=False, separators=(",", ":"))
    return clean_text(text)
