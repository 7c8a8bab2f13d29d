"""What a study's cases are: their type, for a model that is shown them and may propose others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union


def type_of(cases: Sequence[Any]) -> Any:
    """Give the type of cases: the union of all that they are.

    Example:
        >>> type_of(["a", "b"]), type_of([1, 2.5])
        (<class 'str'>, typing.Union[int, float])
    """
    return Union[tuple(dict.fromkeys(map(type, cases)))]  # noqa: UP007 - of types that are known only now
