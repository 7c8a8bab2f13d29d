"""Lazy public names: a package lists where each name lives, and the module is imported when the name is first asked for.

`import llm_brain` must stay far below 0.2 s of CPU time, while torch, transformers, wandb and openai each take longer.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def attach(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Build the `__getattr__`, `__dir__` and `__all__` of a package whose names load lazily (PEP 562).

    Args:
        package: The package's `__name__`.
        names: Each public name and the submodule that defines it.

    Returns:
        `(__getattr__, __dir__, __all__)`, to be assigned at the top of the package's `__init__`.

    Example:
        >>> getter, _, names = attach("llm_brain", {"LLMBrainError": "errors"})
        >>> getter("LLMBrainError").__name__
        'LLMBrainError'
        >>> names
        ['LLMBrainError']
    """
    public = sorted(names)

    def getter(name: str) -> object:
        if name not in names:
            message = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(importlib.import_module(f"{package}.{names[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def directory() -> list[str]:
        return sorted({*vars(sys.modules[package]), *public})

    return getter, directory, public
