"""Classes that are implemented: made once for each interface and implementer, rebound, copied and pickled.

    implement_class   makes a subclass in which every member without a body is a typed function
    Implemented       what such a class can do besides: `using(model)`, and be pickled under any name

A made class remembers who implements it. One that was made of a made class is a rebound one: rebinding it starts from the first.
"""

from __future__ import annotations

import inspect
import pickle
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import Field, is_dataclass
from typing import TYPE_CHECKING, Any, Generic, NewType, Self, TypeVar, TypeVarTuple, Unpack, get_origin

from pydantic import BaseModel
from typing_extensions import TypeAliasType

from llm_brain.errors import DefinitionError
from llm_brain.strategy.decoration.members import (
    function_in,
    hides_a_missing_implementation,
    implementation_is_missing,
    implemented_member,
)
from llm_brain.strategy.decoration.self_reference import let_it_contain_itself
from llm_brain.strategy.function import Typed
from llm_brain.strategy.selection import NamedModel, as_implementation

if TYPE_CHECKING:
    from llm_brain.backends.contract import LanguageBackend
    from llm_brain.strategy.implementation import Implementation

Interface = TypeVar("Interface")

_MADE_BY = "__llm_brain_implementation__"
# These make an object or a class, and are never a question to a model, however empty they are.
_LIFE_CYCLE = {
    *("__new__", "__init__", "__post_init__", "__del__", "__set_name__"),
    *("__init_subclass__", "__subclasshook__", "__class_getitem__"),
}


def implement_class(
    interface: type[Interface], implementation: Implementation, names: Mapping[str, Any] | None = None
) -> type[Interface]:
    """Make a class in which every member of an interface that has no body is answered by an implementation.

    The class has the interface's name, module and docs, and is a subclass of it. One that was made for the same interface and
    the same model's name is given again.

    Args:
        interface: Any class.
        implementation: Who answers.
        names: Names beyond the interface's module in which its annotations are looked up.

    Raises:
        DefinitionError: There is nothing to implement, or something that cannot be.

    Example:
        >>> class Quiz:
        ...     def level(self) -> int:
        ...         '''Tell the level.'''
        >>> local = as_implementation("local")
        >>> made = implement_class(Quiz, local)
        >>> made.level.spec.name, issubclass(made, Quiz), implement_class(Quiz, local) is made
        ('level', True, True)
    """
    for known in type.__subclasses__(interface):
        if _same(vars(known).get(_MADE_BY), implementation):
            return known
    owners = {name: base for base in reversed(interface.__mro__) for name in vars(base)}
    missing = {name: owner for name, owner in owners.items() if name not in _LIFE_CYCLE and _is_missing(name, owner, interface)}
    for name in owners.keys() - missing.keys():
        _check_wrapped(name, owners[name], interface)
    if not missing:
        message = f"`{interface.__qualname__}` has no member without a body: there is nothing to implement"
        raise DefinitionError(message)
    fields = {name for base in interface.__mro__ for name in vars(base).get("__annotations__", {})}
    if owners.get("using", Implemented) is not Implemented or "using" in fields:
        message = f"`{interface.__qualname__}` has a member `using`: rename it, since `using(model)` rebinds the class"
        raise DefinitionError(message)
    made: Any = _subclass(interface, implementation)
    let_it_contain_itself(made, interface, names or {})
    # Set afterwards, as metaclasses take what stands in a class's body for something else: pydantic's for fields.
    for name, owner in missing.items():
        setattr(made, name, _implemented(name, owner, made, implementation, names or {}))
    if hasattr(made, "__abstractmethods__"):
        made.__abstractmethods__ = frozenset(made.__abstractmethods__ - missing.keys())
    implemented: type[Interface] = made
    return implemented


class Implemented:
    """What `llm_strategy` adds to a class.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... class Quiz:
        ...     def level(self) -> int:
        ...         '''Tell the level.'''
        >>> issubclass(Quiz, Implemented)
        True
    """

    __slots__ = ()

    @classmethod
    def using(cls, model: str | LanguageBackend | Implementation | Any) -> type[Self]:
        """Give this class implemented by another model; it is a subclass of this one.

        Example:
            >>> from llm_brain.strategy import Details, llm_strategy
            >>> class Seven:
            ...     name = "seven"
            ...     def call(self, spec, arguments, *, state=None, sample=0):
            ...         return Details(7, self.name)
            >>> @llm_strategy("local")
            ... class Quiz:
            ...     def level(self) -> int:
            ...         '''Tell the level.'''
            >>> Quiz.using(Seven())().level()
            7
        """
        return implement_class(rebindable(cls), as_implementation(model))

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        # A class that was rebound has the name of another one, by which pickle would not find it.
        reduced, kind = super().__reduce_ex__(protocol), type(self)
        if isinstance(reduced, str) or _is_found_by_name(kind):
            return reduced
        make, arguments, *rest = reduced
        reference = _Reference(kind)
        parts = [reference if part is kind else part for part in (make, *arguments)]
        return (_remade, tuple(parts), *rest)


def rebindable(kind: type[Interface]) -> type[Interface]:
    """Return the class that is to be implemented when a class is rebound: of one that was rebound before, the first.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> class Quiz:
        ...     def level(self) -> int:
        ...         '''Tell the level.'''
        >>> first = llm_strategy("local")(Quiz)
        >>> second = first.using("openai:gpt-5-mini")
        >>> rebindable(second) is first, rebindable(first) is first
        (True, True)
    """
    base: Any = kind.__bases__[0] if _MADE_BY in vars(kind) else kind
    return base if _MADE_BY in vars(base) else kind


def _same(known: object, implementation: Implementation) -> bool:
    if isinstance(known, NamedModel) and isinstance(implementation, NamedModel):
        return known.name == implementation.name
    return known is implementation


def _is_missing(name: str, owner: type, interface: type) -> bool:
    function = function_in(vars(owner)[name])
    if not inspect.isfunction(function) or not implementation_is_missing(function):
        return isinstance(function, Typed)
    # What a library's base class leaves empty, without a word on what it returns, is a hook and no question.
    return (
        not _is_foreign(owner, interface)
        or "return" in function.__annotations__
        or getattr(function, "__isabstractmethod__", False)
    )


def _is_foreign(owner: type, interface: type) -> bool:
    return owner.__module__.partition(".")[0] != interface.__module__.partition(".")[0]


def _check_wrapped(name: str, owner: type, interface: type) -> None:
    if not _is_foreign(owner, interface) and name not in _LIFE_CYCLE and hides_a_missing_implementation(vars(owner)[name]):
        message = (
            f"`{owner.__qualname__}.{name}` wraps a function without a body, which would be called instead of the model: "
            f"implement it, or put `@llm_strategy(model)` right above the function, under what wraps it"
        )
        raise DefinitionError(message)


def _subclass(interface: type[Interface], implementation: Implementation) -> type[Interface]:
    body: dict[str, Any] = {
        "__module__": interface.__module__,
        "__qualname__": interface.__qualname__,
        "__doc__": interface.__doc__,
        _MADE_BY: implementation,
    }
    if not (interface.__dictoffset__ and interface.__weakrefoffset__):
        body["__slots__"] = ()  # an object of the interface can become one of this class only if both are laid out alike
    if not (issubclass(interface, BaseModel) or "__dataclass_fields__" in vars(interface)):
        # For a `@dataclass` that stands above `@llm_strategy`, and reads only the class that it is given.
        body["__annotations__"] = dict(vars(interface).get("__annotations__", {}))
        body.update({name: value for name, value in vars(interface).items() if isinstance(value, Field)})
    parameters = tuple(Unpack[one] if isinstance(one, TypeVarTuple) else one for one in getattr(interface, "__parameters__", ()))
    open_interface: Any = interface
    generic: Any = Generic
    bases = (open_interface[parameters], Implemented, generic[parameters]) if parameters else (interface, Implemented)
    try:
        return types.new_class(interface.__name__, bases, {}, lambda space: space.update(body))
    except TypeError as error:
        message = f"`{interface.__qualname__}` cannot be implemented, as it cannot be subclassed: {error}"
        raise DefinitionError(message) from error


def _implemented(name: str, owner: type, made: type, implementation: Implementation, names: Mapping[str, Any]) -> Any:
    member = vars(owner)[name]
    function = function_in(member)
    if getattr(function, "__name__", None) == "_overload_dummy":
        message = f"`{owner.__qualname__}.{name}` has overloads only: write after them what it takes and returns in all"
        raise DefinitionError(message)
    if isinstance(function, Typed) and _MADE_BY not in vars(owner):
        implementation = function.implementation  # it was decorated itself, and keeps its model
    # What was imported from elsewhere means its own module's names, not those of the same spelling here.
    is_from_here = getattr(function, "__module__", None) == made.__module__
    scope = {**(names if is_from_here else {}), **_named_types(owner), **({made.__name__: made} if is_from_here else {})}
    persona = _persona(made.__bases__[0]) or _persona(owner)
    return implemented_member(member, implementation, persona=persona, takes_self=True, names=scope)


def _named_types(owner: type) -> dict[str, Any]:
    """Return the types that are named in a class's body, and none of its members and defaults of the same spelling as one."""
    kinds = (type, TypeAliasType, NewType, TypeVar)
    return {
        name: value
        for name, value in vars(owner).items()
        if not name.startswith("__") and (isinstance(value, kinds) or get_origin(value) is not None)
    }


def _persona(interface: type) -> str:
    """Return the docstring that the user wrote for the class, and not the signature that dataclasses and the like put there."""
    doc = vars(interface).get("__doc__") or ""
    has_fields = is_dataclass(interface) or hasattr(interface, "_fields")
    return "" if has_fields and doc.startswith(f"{interface.__name__}(") else inspect.cleandoc(doc)


class _Reference:
    """Stands for a class in what `pickle` and `copy` are told: copied as the class itself, pickled as how to make it."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def __deepcopy__(self, memo: object) -> _Reference:
        return self

    def __reduce__(self) -> tuple[Callable[..., type], tuple[Any, ...]]:
        implementation = vars(self.kind).get(_MADE_BY)
        if not isinstance(implementation, NamedModel):
            message = (
                f"an object of {self.kind!r} cannot be pickled: its class is not found under its own name, and cannot be made "
                f"again, since no model's name implements it; bind it to the name {self.kind.__name__!r}, or name the model"
            )
            raise pickle.PicklingError(message)
        base = self.kind.__bases__[0]
        return _made_again, (base if _is_found_by_name(base) else _Reference(base), implementation.name)


def _made_again(interface: type, model: str) -> type:
    return implement_class(interface, NamedModel(model))


def _remade(*parts: Any) -> Any:
    make, *arguments = (part.kind if isinstance(part, _Reference) else part for part in parts)
    return make(*arguments)


def _is_found_by_name(kind: type) -> bool:
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind
