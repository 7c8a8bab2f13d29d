"""Who evaluates, said in JSON: a training goes on only where it is the same teacher.

    a typed method    its signature, persona, instruction and examples, the state of its object, and who answers
    plain Python      its name, the code of it and of its class, and the fields of its object and of its class

Of the fields of a plain object all count that its class declares (those of a dataclass, say), and of the others the texts and
truth values: a number or a list that nobody declared may be a tally. What the code calls elsewhere is not looked into.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Iterable
from operator import itemgetter
from types import CodeType, FunctionType
from typing import Any, Final

from llm_brain.strategy.annotations.hidden import plan_of
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.public_state import public_state
from llm_brain.strategy.words import json_text
from llm_brain.training.calls import state_of

WRITER: Final = "generate_training_pair"
"""Its pairs are looked at themselves; who wrote them does not matter."""


def described(method: Callable[..., Any] | None) -> Any:
    """Say in JSON what a teacher's method is.

    Args:
        method: Typed or plain Python; None where the teacher has none.

    Example:
        >>> def strict(message: str, happy: bool) -> float:
        ...     return 0.0
        >>> def kind(message: str, happy: bool) -> float:
        ...     return 1.0
        >>> described(strict) == described(strict), described(strict) == described(kind), described(None)
        (True, False, None)
    """
    if method is None:
        return None
    if isinstance(method, TypedFunction):
        spec = method.spec
        told = [spec.line, spec.persona, spec.instruction, repr(spec.sampling), json_text(state_of(method))]
        return [*told, _digest([repr(example) for example in spec.examples]), method.implementation.name]
    method = inspect.unwrap(method, stop=lambda inner: hasattr(inner, "__self__"))
    if isinstance(method, functools.partial):
        return [*described(method.func), _digest(_plain((*method.args, *method.keywords.values())))]
    owner = getattr(method, "__self__", method)
    where = type(owner) if not isinstance(owner, FunctionType) else owner
    return [where.__module__, where.__qualname__, _digest(_codes(method, owner)), *_fields(owner)]


def _codes(method: Any, owner: object) -> list[Any]:
    members = [
        value for kind in type(owner).__mro__ for name, value in sorted(vars(kind).items(), key=itemgetter(0)) if name != WRITER
    ]
    functions = [inspect.unwrap(_function(member)) for member in (method, *members)]
    return [
        [_said(one.__code__), _plain((*(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values()))]
        for one in functions
        if isinstance(getattr(one, "__code__", None), CodeType)
    ]


def _function(member: Any) -> Any:
    """Find the function in a static or class method, a property, a cached property."""
    for name in ("__func__", "fget", "func"):
        member = getattr(member, name, None) or member
    return member


def _plain(values: Iterable[Any]) -> list[str]:
    return [repr(value) for value in values if isinstance(value, str | bytes | int | float | None)]


def _said(code: CodeType) -> list[Any]:
    return [code.co_code.hex(), list(code.co_names), [_constant(value) for value in code.co_consts]]


def _constant(value: object) -> Any:
    if isinstance(value, CodeType):
        return _said(value)
    # The order of a set is another one in another process.
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)


def _fields(owner: object) -> list[str]:
    plan = plan_of(type(owner))
    declared = {name: value for name, value in (public_state(owner) or {}).items() if name in plan.declared}
    holders = [*map(vars, reversed(type(owner).__mro__)), getattr(owner, "__dict__", {})]
    held = {name: value for holder in holders for name, value in holder.items() if name not in plan.hidden}
    others = {name: value for name, value in held.items() if isinstance(value, str | bool) and not name.startswith("__")}
    return [json_text(declared), json.dumps(others)]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
