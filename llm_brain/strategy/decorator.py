"""`@llm_strategy`: every member of a class that has no body gets one, and nothing else changes."""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from llm_brain.errors import DefinitionError
from llm_brain.strategy.function import AsyncTypedFunction, TypedFunction
from llm_brain.strategy.selection import as_implementation
from llm_brain.strategy.signature import inspect_function

if TYPE_CHECKING:
    from llm_brain.backends.contract import LanguageBackend
    from llm_brain.strategy.implementation import Implementation

Interface = TypeVar("Interface")

_REBOUND = "__llm_brain_rebound__"
_IGNORED_INSTRUCTIONS = {
    *("RESUME", "NOP", "CACHE", "COPY_FREE_VARS", "MAKE_CELL", "EXTENDED_ARG"),
    *("RETURN_GENERATOR", "POP_TOP"),  # how every `async def` begins
}
# An instruction before `raise` that shows that the function may do something else as well.
_OTHER_WAYS = ("POP_JUMP", "JUMP", "STORE", "RETURN", "YIELD")
# These make an object or a class, and are never a question to a model, however empty they are.
_LIFE_CYCLE = {"__new__", "__init__", "__post_init__", "__init_subclass__", "__set_name__", "__del__"}


def llm_strategy(model: str | LanguageBackend | Implementation | Any) -> Callable[[type[Interface]], type[Interface]]:
    """Let a language model (or a trained brain, or anything with a `call`) implement a class's members without a body.

    A member has no body when it is abstract, or holds only a docstring, `...`, `pass` or `raise NotImplementedError`. Members
    with a body stay as they are, and so does one that does nothing and says `-> None`. The class keeps its name, module and
    docs, and is a subclass of what was decorated. It gains `using(model)`, which gives the same class, as a subclass,
    implemented by another model.

    A subclass keeps what it implements itself; decorating it again, or its `using`, rebinds the rest. An `async def` member is
    awaited. With `@dataclass`, this decorator stands on top.

    Args:
        model: A model's name ("local", "openai:MODEL", "hf:PATH"), a backend, a LangChain chat model, or an implementation.

    Raises:
        DefinitionError: A member without a body lacks a docstring or an annotation; said at decoration.
        ModelNameError: The model's name is not one that can be resolved.

    Example:
        >>> from typing import Literal
        >>> @llm_strategy("local")
        ... class Quiz:
        ...     '''You know geography.'''
        ...     def capital(self, country: str) -> Literal["Paris", "Oslo"]:
        ...         '''Name the capital of the country.'''
        ...         raise NotImplementedError
        >>> Quiz().capital("France")
        'Paris'
    """
    implementation = as_implementation(model)
    caller = sys._getframe(1)  # noqa: SLF001 - annotations may name classes that are local to the caller
    local = dict(caller.f_locals) if caller.f_locals is not caller.f_globals else {}
    module = caller.f_globals.get("__name__")

    def decorate(interface: type[Interface]) -> type[Interface]:
        # An interface that was imported from elsewhere means its own module's names, not those of the same spelling here.
        return _implement(interface, implementation, local if interface.__module__ == module else {})

    return decorate


def _implement(interface: type[Interface], implementation: Implementation, names: Mapping[str, Any]) -> type[Interface]:
    found = {name: _member(interface, name, implementation, names) for name in dir(interface)}
    members = {name: member for name, member in found.items() if member is not None}
    if not members:
        message = f"`{interface.__qualname__}` has no member without a body: there is nothing to implement"
        raise DefinitionError(message)
    own = inspect.getattr_static(interface, "using", None)
    if own is not None and getattr(own, "__func__", None) is not _using:
        message = f"`{interface.__qualname__}` has a member `using`: rename it, since `using(model)` rebinds the class"
        raise DefinitionError(message)
    kept = {"__module__": interface.__module__, "__qualname__": interface.__qualname__, "__doc__": interface.__doc__}
    metaclass: Any = type(interface)
    made = metaclass(interface.__name__, (interface,), {**kept, "using": classmethod(_using)})
    # Set afterwards, as metaclasses take what stands in a class's body for something else: pydantic's for fields.
    for name, member in members.items():
        setattr(made, name, member)
    if hasattr(made, "__abstractmethods__"):
        made.__abstractmethods__ = frozenset(made.__abstractmethods__ - members.keys())
    implemented: type[Interface] = made
    return implemented


def _using(cls: type[Interface], model: str | LanguageBackend | Implementation | Any) -> type[Interface]:
    """Give this class implemented by another model; it is a subclass of this one."""
    base: type[Interface] = cls.__dict__.get(_REBOUND, cls)
    made = _implement(base, as_implementation(model), {})
    setattr(made, _REBOUND, base)
    return made


def _member(interface: type, name: str, implementation: Implementation, names: Mapping[str, Any]) -> Any | None:
    """Wrap one member, or return None where it is to stay as it is."""
    raw = inspect.getattr_static(interface, name)
    inner = raw.fget if isinstance(raw, property) else getattr(raw, "__func__", raw)
    if isinstance(inner, TypedFunction | _OfTheClass | _Getter):  # made by an earlier decoration: only who answers changes
        typed = inner if isinstance(inner, TypedFunction) else inner.typed
        spec = replace(typed.spec, persona=_persona(interface) or typed.spec.persona)
        of_the_class = isinstance(inner, _OfTheClass)
    elif inspect.isfunction(inner) and name not in _LIFE_CYCLE and _is_unimplemented(inner):
        scope = {**names, interface.__name__: interface}
        spec = inspect_function(inner, persona=_persona(interface), takes_self=not isinstance(raw, staticmethod), names=scope)
        of_the_class = isinstance(raw, classmethod)
    else:
        return None
    kind = AsyncTypedFunction if inspect.iscoroutinefunction(spec.function) else TypedFunction
    made = kind(spec, implementation)
    if isinstance(raw, property):
        return property(_Getter(made), raw.fset, raw.fdel, raw.__doc__)
    return _OfTheClass(made) if of_the_class else made


class _OfTheClass:
    """A class method: bound to the class, whether it is reached through the class or an object."""

    def __init__(self, typed: TypedFunction) -> None:
        self.typed = typed

    def __get__(self, instance: object | None, owner: type | None = None) -> TypedFunction:
        return self.typed.__get__(owner or type(instance))


class _Getter:
    """What a property calls to get its value."""

    def __init__(self, typed: TypedFunction) -> None:
        self.typed = typed

    def __call__(self, instance: object) -> Any:
        return self.typed.__get__(instance)()


def _persona(interface: type) -> str:
    """Return the docstring that the user wrote for the class: not `object`'s, nor the signature that dataclasses put there."""
    doc = interface.__dict__.get("__doc__") or ""
    return "" if is_dataclass(interface) and doc.startswith(f"{interface.__name__}(") else doc


def _is_unimplemented(function: Callable[..., Any]) -> bool:
    """Tell whether a function has no body, from its bytecode, so that it needs no source file.

    A body that does nothing is complete when that is all the annotations promise: `-> None`, or nothing at all and no docstring.
    """
    if getattr(function, "__isabstractmethod__", False):
        return True
    code = [step for step in dis.get_instructions(function) if step.opname not in _IGNORED_INSTRUCTIONS]
    names = [step.opname for step in code]
    if names[:1] == ["LOAD_GLOBAL"] and code[0].argval == "NotImplementedError":
        ends = [place for place, name in enumerate(names) if name.startswith(_OTHER_WAYS)]
        return "RAISE_VARARGS" in names and not any(place < names.index("RAISE_VARARGS") for place in ends)
    returns_none = names in (["LOAD_CONST", "RETURN_VALUE"], ["RETURN_CONST"]) and code[0].argval is None
    promised = function.__annotations__.get("return", "nothing" if function.__doc__ else None)
    return returns_none and promised not in (None, "None")
