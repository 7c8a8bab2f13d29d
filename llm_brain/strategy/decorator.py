"""`@llm_strategy`: what has no body gets one, and nothing else changes.

    a class       becomes a subclass of itself, in which each member without a body is a typed function
    an object     is copied, and the copy is of such a subclass
    a function    becomes a typed function

`members` says what has no body, `classes` what a made class can do, `views` how type checkers see it.
"""

from __future__ import annotations

import copy
import sys
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

from llm_brain.errors import DefinitionError
from llm_brain.strategy.decoration.classes import implement_class, rebindable
from llm_brain.strategy.decoration.members import function_in, implemented_member, local_names
from llm_brain.strategy.selection import as_implementation
from llm_brain.strategy.views import Strategy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llm_brain.backends.contract import LanguageBackend
    from llm_brain.strategy.implementation import Implementation


def llm_strategy(model: str | LanguageBackend | Implementation | Any) -> Strategy:
    """Let a language model (or a trained brain, or anything with a `call`) implement what has no body.

    A class (plain, abstract, a protocol, a dataclass, a pydantic model) keeps its name, module and docs, and becomes a
    subclass of what was decorated. Implemented are its methods, static and class methods, properties, cached properties and
    `async def`s that are abstract, or hold only a docstring, `...`, `pass` or `raise NotImplementedError`. Members with a body
    stay as they are, and so does one that does nothing and says `-> None`. A member that is decorated itself keeps its model.
    The class gains `using(model)`, which gives the same class, as a subclass, implemented by another model, as
    `llm_strategy(model)(TheClass)` does, too. A subclass keeps what it implements itself; rebinding it rebinds the rest.

    An object is copied: the copy is of an implemented subclass, and has the same fields. A function becomes a typed function.

    Args:
        model: A model's name ("local", "openai:MODEL", "anthropic:MODEL", "hf:PATH", "human", "config:NAME", "PATH.yaml"), a
            config as a mapping, a backend, a LangChain chat model, or an implementation.

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
        >>> @llm_strategy("local")
        ... def continent(country: str) -> Literal["Europe", "Asia"]:
        ...     '''Name the continent that the country is on.'''
        >>> continent.map(["Norway", "Japan"])
        ['Europe', 'Asia']
    """
    implementation = as_implementation(model)

    def implement(target: Any) -> Any:
        kind = target if isinstance(target, type) else get_origin(target)
        if isinstance(kind, type):
            made: Any = implement_class(rebindable(kind), implementation, local_names(sys._getframe(1), kind))  # noqa: SLF001
            return made if kind is target else made[get_args(target)]
        function = function_in(target)
        if callable(function) and hasattr(function, "__qualname__"):
            member = implemented_member(target, implementation, names=local_names(sys._getframe(1), function))  # noqa: SLF001
            if member is None:
                message = f"`{function.__qualname__}` has a body: there is nothing to implement"
                raise DefinitionError(message)
            return member
        return _implemented_copy(target, implementation, local_names(sys._getframe(1), type(target)))  # noqa: SLF001

    return cast("Strategy", implement)


def _implemented_copy(instance: Any, implementation: Implementation, names: Mapping[str, Any]) -> Any:
    made = implement_class(rebindable(type(instance)), implementation, names)
    copied = copy.copy(instance)
    if copied is instance:
        message = f"{instance!r} cannot be copied: implement its class, and make the object anew"
        raise DefinitionError(message)
    object.__setattr__(copied, "__class__", made)  # frozen objects, too
    return copied
