"""Texts as vectors, over HTTP: texts -> batches that a server takes -> the body of a POST; the answer's body -> [texts, d].

OpenAI is asked for base64, which is a quarter as long and is read six times as fast as numbers in JSON. Other servers are asked
for numbers: some send base64 of halves. What comes is read either way.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from llm_brain.attempts import Usage
from llm_brain.backends.contract import Embeddings
from llm_brain.backends.estimate import estimate_tokens
from llm_brain.backends.hosted.events import read_json
from llm_brain.backends.hosted.faults import clipped
from llm_brain.errors import BackendError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PATH: Final = "/embeddings"
MOST_TEXTS: Final = 512
"""Texts in a request. OpenAI takes 2,048; fewer keep the answer small, and the server busy all the same."""
MOST_TOKENS: Final = 300_000
"""Tokens in a request, which is OpenAI's limit."""
LARGEST_VECTOR: Final = 2**17
"""The most bytes of a vector in JSON: 5,900 numbers, or 24,000 in base64."""


def batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut texts into as many as go into one request.

    Example:
        >>> [len(batch) for batch in batches(["a short text"] * 1200)]
        [512, 512, 176]
        >>> [len(batch) for batch in batches(["a long text " * 30_000] * 4)]
        [2, 2]
    """
    begin, tokens = 0, 0
    for index, text in enumerate(texts):
        more = estimate_tokens(text)
        if index - begin == MOST_TEXTS or (index > begin and tokens + more > MOST_TOKENS):
            yield texts[begin:index]
            begin, tokens = index, 0
        tokens += more
    if texts[begin:]:
        yield texts[begin:]


def embedding_body(texts: Sequence[str], model: str, *, in_base64: bool) -> dict[str, Any]:
    """Put texts into a body.

    Args:
        texts: The texts.
        model: The model's name, as the server knows it.
        in_base64: Whether the vectors are to come in base64.

    Example:
        >>> embedding_body(["hello"], "m", in_base64=False)
        {'model': 'm', 'input': ['hello'], 'encoding_format': 'float'}
    """
    return {"model": model, "input": list(texts), "encoding_format": "base64" if in_base64 else "float"}


def read_embeddings(content: bytes, texts: int, *, model: str, base_url: str) -> Embeddings:
    """Read the vectors out of an answer's body, in the order of the texts.

    Args:
        content: The body.
        texts: How many texts were sent.
        model: The model that was asked.
        base_url: The server, for messages.

    Raises:
        BackendError: Of kind "protocol": there is not one vector of finite numbers for each text, all of one length.

    Example:
        >>> body = b'{"data": [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [0.5, 2]}]}'
        >>> read_embeddings(body, 2, model="m", base_url="http://127.0.0.1/v1").vectors.tolist()
        [[0.5, 2.0], [0.0, 1.0]]
    """
    body = read_json(content)
    try:
        listed = _in_order(body["data"], texts)
        vectors = _matrix(listed)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        message = f"{base_url} did not answer with a vector for each of {texts} texts ({clipped(reason)}): {clipped(content)}"
    else:
        served = body.get("model")
        return Embeddings(vectors, served if isinstance(served, str) and served else model, _usage(body.get("usage")))
    raise BackendError(message, kind="protocol", retryable=True, perhaps_billed=True)


def joined(parts: Sequence[Embeddings], model: str) -> Embeddings:
    """Put the vectors of several batches below each other; tokens add up, and are unknown where those of a batch are.

    Raises:
        BackendError: Of kind "protocol": the vectors of two batches differ in length.

    Example:
        >>> import numpy
        >>> part = Embeddings(numpy.ones((2, 3), dtype=numpy.float32), "m", Usage(5, 0))
        >>> whole = joined([part, part], "m")
        >>> whole.vectors.shape, whole.usage.input_tokens
        ((4, 3), 10)
        >>> joined([], "m").vectors.shape
        (0, 0)
    """
    import numpy as np

    if not parts:
        return Embeddings(np.zeros((0, 0), dtype=np.float32), model, Usage(0, 0))
    if len({part.vectors.shape[1] for part in parts}) > 1:
        message = f"{model!r} gave vectors of different lengths for texts of one call: was it replaced meanwhile?"
        raise BackendError(message, kind="protocol", retryable=True)
    known = [part.usage for part in parts if part.usage is not None]
    usage = sum(known, start=Usage(0, 0)) if len(known) == len(parts) else None
    failed = tuple(attempt for part in parts for attempt in part.failed)
    return Embeddings(np.concatenate([part.vectors for part in parts]), parts[-1].model, usage, failed=failed)


def _in_order(data: Any, texts: int) -> list[Any]:
    if not isinstance(data, list) or len(data) != texts:
        message = f"{len(data) if isinstance(data, list) else 'no list of'} vectors"
        raise ValueError(message)
    if all("index" not in item for item in data):
        return [item["embedding"] for item in data]
    placed = {item["index"]: item["embedding"] for item in data}
    return [placed[index] for index in range(texts)]


def _matrix(listed: Sequence[Any]) -> NDArray[np.float32]:
    import numpy as np

    if all(isinstance(vector, str) for vector in listed):
        read = np.stack([np.frombuffer(base64.b64decode(vector, validate=True), dtype="<f4") for vector in listed])
    else:
        read = np.array(listed)
    if read.ndim != 2 or not read.size or read.dtype.kind not in "fiu":  # noqa: PLR2004
        message = "what it sent are no vectors of numbers"
        raise ValueError(message)
    with np.errstate(over="ignore"):
        vectors = read.astype(np.float32)
    if not np.isfinite(vectors).all():
        message = "a number is not finite"
        raise ValueError(message)
    return vectors


def _usage(value: object) -> Usage | None:
    tokens = value.get("prompt_tokens") if isinstance(value, dict) else None
    return Usage(tokens, 0) if type(tokens) is int and tokens >= 0 else None
