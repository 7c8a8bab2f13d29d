"""Answers as they are kept: what of them is written down as JSON, and how they are read again.

What the model said is kept. How its call went (`latency`, `failed`) belongs to that call, and whether an answer was kept
(`cached`) is for its reader to say. What is empty is left out, for people who read it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from llm_brain.attempts import Usage
from llm_brain.backends.contract import Choice, Reply

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OF_THE_CALL: Final = frozenset({"cached", "latency", "failed"})
_ALWAYS_TOLD: Final = ("input_tokens", "output_tokens")


def told(answer: Reply | Choice) -> dict[str, Any]:
    """Write down what is kept of an answer.

    Example:
        >>> told(Reply("42", "stop", "m", Usage(10, 1), latency=0.4))
        {'text': '42', 'finish_reason': 'stop', 'model': 'm', 'usage': {'input_tokens': 10, 'output_tokens': 1}}
    """
    values = {field.name: getattr(answer, field.name) for field in fields(answer) if field.name not in OF_THE_CALL}
    values["usage"] = None if answer.usage is None else _told_usage(answer.usage)
    return {name: value for name, value in values.items() if value is not None and value != ()}


def reply_of(value: Mapping[str, Any]) -> Reply:
    """Read a kept reply, which says of itself that it was kept.

    Raises:
        TypeError or AttributeError: It is none.

    Example:
        >>> reply_of({"text": "42", "finish_reason": "stop", "model": "m"}).cached
        True
    """
    return Reply(**_fields_of(value), cached=True)


def choice_of(value: Mapping[str, Any]) -> Choice:
    """Read a kept choice, which says of itself that it was kept.

    Raises:
        TypeError or AttributeError: It is none.

    Example:
        >>> choice_of({"option": "yes", "probabilities": [0.9, 0.1], "model": "m"}).probabilities
        (0.9, 0.1)
    """
    return Choice(**{"probabilities": None, **_fields_of(value)}, cached=True)


def told_vector(vector: NDArray[np.float32], model: str) -> dict[str, Any]:
    """Write down one text's vector: its float32 numbers, little-endian, in base64.

    Example:
        >>> import numpy
        >>> told_vector(numpy.array([1.0, 0.5], dtype=numpy.float32), "m")
        {'vector': 'AACAPwAAAD8=', 'model': 'm'}
    """
    return {"vector": base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii"), "model": model}


def vector_of(value: Mapping[str, Any]) -> tuple[NDArray[np.float32], str]:
    """Read a kept vector and the model that made it; numbers that a person wrote as a list are taken as well.

    Raises:
        KeyError, TypeError or ValueError: It is none.

    Example:
        >>> vector_of({"vector": "AACAPwAAAD8=", "model": "m"})[0].tolist(), vector_of({"vector": [1, 2], "model": "m"})[0].shape
        ([1.0, 0.5], (2,))
    """
    import numpy as np

    written = value["vector"]
    if isinstance(written, str):
        vector = np.frombuffer(base64.b64decode(written, validate=True), dtype="<f4").astype(np.float32)
    else:
        vector = np.asarray(written, dtype=np.float32)
    if vector.ndim != 1:
        message = f"a vector has one dimension, and not {vector.ndim}"
        raise ValueError(message)
    return vector, str(value["model"])


def _told_usage(usage: Usage) -> dict[str, int]:
    counted = {field.name: getattr(usage, field.name) for field in fields(usage)}
    return {name: tokens for name, tokens in counted.items() if tokens or name in _ALWAYS_TOLD}


def _fields_of(value: Mapping[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {name: item for name, item in value.items() if name not in OF_THE_CALL}
    for name, item in read.items():
        if isinstance(item, list):
            read[name] = tuple(item)
        elif name == "usage" and item is not None:
            read[name] = Usage(**item)
    return read
