"""Values on their way to W&B: copied, made safe, their keys redacted, under names that W&B leaves alone.

W&B's `run.log` raises on objects and on bytes, takes what begins with an underscore for its own, and makes files of the
names of tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from llm_brain.tracing.redaction import JSON, REDACTED, may_hold_secret, redact, redact_all
from llm_brain.tracing.safe import json_safe


def clean(value: object) -> JSON:
    """Copy any value into plain JSON without keys in it.

    Example:
        >>> clean({"raw": b"ok", "said": "Bearer abcdefgh12345678"})
        {'raw': 'ok', 'said': 'Bearer [redacted]'}
    """
    copied = json_safe(value)
    return redact_all(copied) if may_hold_secret(json.dumps(copied, ensure_ascii=False)) else copied


def clean_mapping(values: Mapping[str, object]) -> dict[str, JSON]:
    """Copy a mapping as `clean` does, with names that are not W&B's own.

    Example:
        >>> clean_mapping({"loss": 0.5, "_step": 3})
        {'loss': 0.5, 'step': 3}
    """
    copied = clean(dict(values))
    # `_step`, `_timestamp`, `_type` and their like are W&B's own, and it takes them from a row without a word.
    return {key.lstrip("_") or "value": value for key, value in copied.items()} if isinstance(copied, dict) else {}


def clean_config(config: Mapping[str, object]) -> dict[str, JSON]:
    """Copy settings as `clean_mapping` does, and without what stands under the name of a key.

    Example:
        >>> clean_config({"width": 64, "server": {"api_key": "my dog's name"}, "pad_token": "<pad>"})
        {'width': 64, 'server': {'api_key': '[redacted]'}, 'pad_token': '<pad>'}
    """
    return {name: _without_named_keys(name, value) for name, value in clean_mapping(config).items()}


def clean_text(text: str) -> str:
    """Return a text without keys in it.

    Example:
        >>> clean_text("with Bearer abcdefgh12345678")
        'with Bearer [redacted]'
    """
    return redact(str(json_safe(text)))


def cell(value: object) -> JSON:
    """Make a value fit for a cell of a table: what is not plain becomes JSON text.

    Example:
        >>> cell(1.5), cell({"a": [1]})
        (1.5, '{"a": [1]}')
    """
    copied = clean(value)
    return json.dumps(copied, ensure_ascii=False) if isinstance(copied, (list, dict)) else copied


def table_name(name: str) -> str:
    """Return a name of which W&B may make a file in its folder.

    Example:
        >>> table_name("../../up"), table_name("calls")
        ('_/_/up', 'calls')
    """
    return re.sub(r"[^\w .:/-]|\.\.+", "_", clean_text(name)).strip("/. ") or "table"


def clipped(text: str, length: int) -> str:
    """Return the beginning of a text, and how much is left out.

    Example:
        >>> clipped("a long prompt", 6)
        'a long… (7 more characters)'
    """
    return text if len(text) <= length else f"{text[:length]}… ({len(text) - length} more characters)"


def _without_named_keys(name: str, value: JSON) -> JSON:
    if isinstance(value, dict):
        return {inner: _without_named_keys(inner, item) for inner, item in value.items()}
    if isinstance(value, list):
        return [_without_named_keys(name, item) for item in value]
    return REDACTED if isinstance(value, str) and value and _NAMES_OF_KEYS.search(name) else value


# Not every `..._token` is a key: models have a `pad_token`.
_NAMES_OF_KEYS: Final = re.compile(
    r"(?:^|[_.-])(?:api[_-]?key|access[_-]?key|secret|password|authorization)$|^(?:(?:api|auth|access|refresh|hf)[_-]?)?token$",
    re.IGNORECASE,
)
