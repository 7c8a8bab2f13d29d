"""Which reader a brain has: the one that its function's model suggests, or the one that it was trained with."""

from __future__ import annotations

from typing import Any

from llm_brain.backends.embedded import weights_folder
from llm_brain.backends.layers.layer import Layer
from llm_brain.backends.local.backend import LocalBackend
from llm_brain.errors import CheckpointError
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.selection import NamedModel
from llm_brain.training.reading import ByteReader, Reader, TokenReader


def default_reader(function: TypedFunction[..., Any], *, longest: int = 96) -> TokenReader:
    """Read text as the function's own model does, where that is on this machine, and as the embedded model elsewhere.

    Raises:
        WeightsError: The embedded model is not there and cannot be fetched.

    Example:
        >>> from llm_brain import llm_strategy
        >>> @llm_strategy("local")
        ... def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> default_reader(double).input_size
        576
    """
    implementation = function.implementation
    if isinstance(implementation, NamedModel):
        implementation = implementation.resolve()
    backend = getattr(implementation, "backend", None)
    while isinstance(backend, Layer):
        backend = backend.backend
    folder = backend.folder if isinstance(backend, LocalBackend) else weights_folder()
    return TokenReader.from_folder(folder, longest=longest)


def described_reader(described: Any, function: TypedFunction[..., Any]) -> Reader:
    """Build the reader that `Reader.describe` told of.

    Args:
        described: What it told.
        function: What is read for; its model has the tokens.

    Raises:
        CheckpointError: It was a reader of one's own: hand it in.
        WeightsError: The tokens are not on this machine.

    Example:
        >>> from llm_brain import llm_strategy
        >>> @llm_strategy("local")
        ... def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> described_reader(ByteReader(longest=64).describe(), double).longest
        64
    """
    match described:
        case {"reader": "bytes", "longest": int(longest)}:
            return ByteReader(longest=longest)
        case {"reader": "tokens", "longest": int(longest)}:
            return default_reader(function, longest=longest)
    message = f"the brain read by {described!r:.100}, which is a reader of your own: hand it in"
    raise CheckpointError(message)
