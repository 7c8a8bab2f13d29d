"""What stands in a class's body: which members have no body of their own, and how a typed function takes the place of one.

    implemented_member          makes the member that stands for another one
    implementation_is_missing   tells whether a function has no body
    function_in                 takes the function out of a property, a class method and the like
    local_names                 finds what annotations may mean besides the names of their module

A member that is decorated itself, and a function that is in no class, are treated alike.
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import FrameType
from typing import Any

from llm_brain.errors import DefinitionError
from llm_brain.strategy.asynchronous import AsyncTypedFunction
from llm_brain.strategy.function import Typed, TypedFunction
from llm_brain.strategy.implementation import Implementation
from llm_brain.strategy.inspection import inspect_function

_IGNORED_INSTRUCTIONS = {
    *("RESUME", "NOP", "CACHE", "COPY_FREE_VARS", "MAKE_CELL", "EXTENDED_ARG", "PUSH_NULL", "NOT_TAKEN"),
    *("RETURN_GENERATOR", "POP_TOP"),  # how every `async def` begins
}
# An instruction before `raise` that shows that the function may do something else as well, and how an `except` begins.
_OTHER_WAYS = ("POP_JUMP", "JUMP", "STORE", "RETURN", "YIELD")
_EXCEPT = "PUSH_EXC_INFO"
_IN_A_CLASS = (property, functools.cached_property, staticmethod, classmethod)


def implemented_member(
    member: Any,
    implementation: Implementation,
    *,
    persona: str = "",
    takes_self: bool | None = None,
    names: Mapping[str, Any] | None = None,
) -> Any | None:
    """Make what stands for a member without a body; None where it has one.

    A property keeps its setter and deleter. What is a typed function already only changes who answers.

    Args:
        member: What stands in the class's body, or a function by itself.
        implementation: Who answers.
        persona: The docstring of the class.
        takes_self: Whether a plain function's first parameter is the object; None where its name and signature are to tell.
        names: Names beyond the function's module in which its annotations are looked up.

    Raises:
        DefinitionError: The function lacks a docstring or an annotation, or its form cannot be implemented.

    Example:
        >>> from llm_brain.strategy.selection import as_implementation
        >>> def size(self) -> int:
        ...     '''Guess the size.'''
        >>> made = implemented_member(property(size), as_implementation("local"))
        >>> isinstance(made, property), function_in(made).spec.name
        (True, 'size')
    """
    function = function_in(member)
    if isinstance(function, Typed):
        spec = replace(function.spec, persona=persona) if persona not in ("", function.spec.persona) else function.spec
        return _standing_for(member, type(function)(spec, implementation, function.instance))
    if not inspect.isfunction(function) or not implementation_is_missing(function):
        return None
    _check_form(member, function)
    if takes_self is None or isinstance(member, _IN_A_CLASS):
        takes_self = _takes_self(member, function)
    spec = inspect_function(function, persona=persona, takes_self=takes_self, names=names)
    kind = AsyncTypedFunction if inspect.iscoroutinefunction(function) else TypedFunction
    return _standing_for(member, kind(spec, implementation))


def implementation_is_missing(function: Callable[..., Any]) -> bool:
    """Tell whether a function has no body: it is abstract, or only a docstring, `...`, `pass` or `raise NotImplementedError`.

    It is told from the bytecode, so that no source file is needed. A body that does nothing is complete when that is all the
    annotations promise: `-> None`, or nothing at all and no docstring; and so is one that yields.

    Example:
        >>> def ask(question: str) -> str:
        ...     '''Answer the question.'''
        >>> implementation_is_missing(ask), implementation_is_missing(lambda: 1)
        (True, False)
    """
    if getattr(function, "__isabstractmethod__", False):
        return True
    steps = [step for step in dis.get_instructions(function) if step.opname not in _IGNORED_INSTRUCTIONS]
    names = [step.opname for step in steps]
    if names[:1] == ["LOAD_GLOBAL"] and steps[0].argval == "NotImplementedError":
        if "RAISE_VARARGS" not in names or _EXCEPT in names:
            return False
        return not any(name.startswith(_OTHER_WAYS) for name in names[: names.index("RAISE_VARARGS")])
    returns = names[:2] == ["LOAD_CONST", "RETURN_VALUE"] or names[:1] == ["RETURN_CONST"]  # the latter in Python 3.12 and 3.13
    if (
        not returns
        or steps[0].argval is not None
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    ):
        return False
    promised = function.__annotations__.get("return", "nothing" if function.__doc__ else None)
    return promised not in (None, "None")


def function_in(member: Any) -> Any:
    """Take the function out of what stands in a class's body: of a property its getter; anything else as it is.

    Example:
        >>> class Quiz:
        ...     @staticmethod
        ...     def level() -> int:
        ...         '''Tell the level.'''
        >>> function_in(Quiz.__dict__["level"]) is Quiz.level
        True
    """
    if isinstance(member, property):
        member = member.fget
    elif isinstance(member, functools.cached_property):
        member = member.func
    elif isinstance(member, staticmethod | classmethod):
        member = member.__func__
    return member.typed if isinstance(member, ClassMethod | Getter) else member


def hides_a_missing_implementation(member: Any) -> bool:
    """Tell whether a member only wraps a function without a body: by `functools.wraps`, a cache, or as a `partialmethod`.

    Example:
        >>> def level() -> int:
        ...     '''Tell the level.'''
        >>> hides_a_missing_implementation(functools.lru_cache(level)), hides_a_missing_implementation(level)
        (True, False)
    """
    outer = function = function_in(member)
    while not isinstance(function, Typed | type):
        inner = function.func if isinstance(function, functools.partialmethod) else getattr(function, "__wrapped__", None)
        if inner is None:
            return function is not outer and inspect.isfunction(function) and implementation_is_missing(function)
        function = function_in(inner)
    return False


def local_names(caller: FrameType, target: Any) -> Mapping[str, Any]:
    """Return the names that are local to where something is decorated, and to the functions around it.

    Its annotations may mean them.

    What was imported from elsewhere means its own module's names, not those of the same spelling here.

    Example:
        >>> import sys
        >>> def here():
        ...     class Mood: ...
        ...     return local_names(sys._getframe(), Mood)
        >>> list(here())
        ['Mood']
    """
    if target.__module__ != caller.f_globals.get("__name__"):
        return {}
    names: dict[str, Any] = {}
    frame: FrameType | None = caller
    while frame is not None and frame.f_code.co_name != "<module>":
        if frame is caller or _encloses(frame, caller):
            names = {**frame.f_locals, **names}
        frame = frame.f_back
    return names


def _encloses(outer: FrameType, inner: FrameType) -> bool:
    within = inner.f_code.co_qualname.startswith(f"{outer.f_code.co_qualname}.")
    return within and outer.f_globals is inner.f_globals


class ClassMethod:
    """A class method: its typed function is bound to the class, whether it is reached through the class or an object.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... class Quiz:
        ...     @classmethod
        ...     def level(cls) -> int:
        ...         '''Tell the level.'''
        >>> isinstance(Quiz.__dict__["level"], ClassMethod), Quiz.level.instance is Quiz
        (True, True)
    """

    def __init__(self, typed: Typed[..., Any]) -> None:
        self.typed = typed

    def __get__(self, instance: object | None, owner: type | None = None) -> Typed[..., Any]:
        return self.typed.__get__(owner or type(instance))


class Getter:
    """What a property calls to get its value.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... class Quiz:
        ...     @property
        ...     def level(self) -> int:
        ...         '''Tell the level.'''
        >>> isinstance(Quiz.__dict__["level"].fget, Getter)
        True
    """

    def __init__(self, typed: Typed[..., Any]) -> None:
        self.typed = typed

    def __call__(self, instance: object) -> Any:
        """Answer for an object."""
        bound: Any = self.typed.__get__(instance)
        return bound()


def _standing_for(member: Any, typed: Typed[..., Any]) -> Any:
    # A static method needs no form of its own, as its typed function binds nothing.
    if isinstance(member, property):
        return property(Getter(typed), member.fset, member.fdel, member.__doc__)
    if isinstance(member, functools.cached_property):
        cached: functools.cached_property[Any] = functools.cached_property(Getter(typed))
        cached.__doc__ = member.__doc__
        cached.__set_name__(object, member.attrname or typed.spec.name)
        return cached
    return ClassMethod(typed) if isinstance(member, classmethod | ClassMethod) else typed


def _check_form(member: Any, function: Callable[..., Any]) -> None:
    if isinstance(member, property | functools.cached_property) and inspect.iscoroutinefunction(function):
        message = (
            f"`{function.__qualname__}` is a property and `async`: make it a method, since a property's value is not awaited"
        )
        raise DefinitionError(message)


def _takes_self(member: Any, function: Callable[..., Any]) -> bool:
    """Tell whether a function's first parameter is the object or the class, where nobody says so: it stands in a class's body."""
    if isinstance(member, _IN_A_CLASS):
        return not isinstance(member, staticmethod)
    owner = function.__qualname__.rpartition(".")[0]
    first = next(iter(inspect.signature(function).parameters.values()), None)
    in_a_class = bool(owner) and not owner.endswith("<locals>")
    return in_a_class and first is not None and first.name == "self" and first.annotation is first.empty
