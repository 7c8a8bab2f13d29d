"""Answers that a lesson has paid for are kept in its folder: one that is interrupted or repeated asks for none again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm_brain.backends.cache.backend import CachedBackend
from llm_brain.backends.contract import LanguageBackend
from llm_brain.backends.layers.layer import Layer
from llm_brain.backends.layers.traced import TracedBackend
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.implementation import Implementation, ModelImplementation
from llm_brain.strategy.selection import NamedModel


def keeping_answers(function: TypedFunction[..., Any], path: Path) -> TypedFunction[..., Any]:
    """Give a typed function whose model's answers are kept in a file.

    A model that has a cache already stays as it is, and so does whoever is no language model.

    Args:
        function: Any.
        path: The SQLite file.

    Example:
        >>> import tempfile
        >>> from llm_brain import llm_strategy
        >>> @llm_strategy("local")
        ... def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     keeping_answers(double, Path(folder) / "answers.sqlite").implementation.backend.backend
        CachedBackend(...)
    """
    implementation = _keeping(function.implementation, path)
    if implementation is function.implementation:
        return function
    return TypedFunction(function.spec, implementation, function.instance)


def _keeping(implementation: Implementation, path: Path) -> Implementation:
    if isinstance(implementation, NamedModel):
        implementation = implementation.resolve()
    if not isinstance(implementation, ModelImplementation):
        return implementation
    backend = implementation.backend
    if _has_cache(backend):
        return implementation
    inner = backend.backend if isinstance(backend, TracedBackend) else backend
    return ModelImplementation(
        CachedBackend(inner, path),
        max_attempts=implementation.max_attempts,
        accept_cut_text=implementation.accept_cut_text,
    )


def _has_cache(backend: LanguageBackend) -> bool:
    while isinstance(backend, Layer):
        if isinstance(backend, CachedBackend):
            return True
        backend = backend.backend
    return False
