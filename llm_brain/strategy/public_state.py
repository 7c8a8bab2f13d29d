"""What of an object is said in the prompts of its methods: its public fields.

Hidden are `_names`, what the class hides (`annotations.hidden`), secrets, and what cannot be written as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_brain.strategy.annotations.hidden import SECRETS, plan_of
from llm_brain.strategy.hiding import PLAIN, without_hidden
from llm_brain.strategy.words import is_json

_UNSAYABLE = object()


def public_state(instance: object) -> Mapping[str, Any] | None:
    """Collect an object's public fields, which go into the prompts of its methods; None if there are none.

    Fields are those that the class declares (in a dataclass, a pydantic model, a named tuple, `__slots__`, or by annotations)
    and, but for those of dataclasses and models, whatever else the object holds. Properties and cached values are no fields.

    Left out are names that begin with `_`, fields with `repr=False` (or `exclude=True`) or marked `Annotated[..., Hidden]`,
    pydantic's secrets, and what cannot be written as JSON, such as a lock.

    Example:
        >>> from dataclasses import dataclass, field
        >>> @dataclass
        ... class Shop:
        ...     city: str
        ...     api_key: str = field(default="secret", repr=False)
        >>> public_state(Shop("Oslo"))
        {'city': 'Oslo'}
    """
    state = {}
    plan = plan_of(type(instance))
    for name, value in plan.values(instance):
        if type(value) in PLAIN:
            state[name] = value
        elif not isinstance(value, SECRETS) and is_json(shown := _shown(value, plan.typed.get(name))):
            state[name] = shown
    return state or None


def _shown(value: Any, annotation: Any) -> Any:
    try:
        return without_hidden(value, annotation)
    except Exception:  # noqa: BLE001 - it contains itself, or a serializer of the user's failed
        return _UNSAYABLE
