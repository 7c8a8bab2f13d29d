"""What a function's signature says: its parameters, docstring and return type, made ready once for every later call."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType, NoneType
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from llm_brain.backends.contract import Sampling
from llm_brain.errors import ArgumentError
from llm_brain.strategy.annotations.closed_sets import bare, closed_set, said
from llm_brain.strategy.annotations.generics import resolve_type_variables
from llm_brain.strategy.annotations.hidden import mentions_hidden
from llm_brain.strategy.annotations.names import signature_line, type_name
from llm_brain.strategy.annotations.parts import expanded, substitute, type_variables, unresolved
from llm_brain.strategy.declarations import Example, Likelihood
from llm_brain.strategy.parameters import arguments_adapter, declared_signature, made_defaults
from llm_brain.strategy.schemas import ReplySchema, reply_schema, without_defaults
from llm_brain.strategy.words import explain, json_text, plain_text

WRAPPER_FIELD: Final = "return_value"
_MOST_VARIANTS: Final = 256
_BLOCKING_ITEMS: Final = (Iterator, Generator)
_AWAITED_ITEMS: Final = (AsyncIterator, AsyncIterable, AsyncGenerator)
_LOOKS: Final = frozenset({"format", "maxLength", "pattern"})
_NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class FunctionSpec:
    """Everything about a typed function that does not change between calls.

    Attributes:
        function: The function as the user wrote it.
        name: Its name.
        qualified_name: Its name with the class it belongs to, as traces show it.
        persona: The class's docstring: who answers. Empty for a plain function.
        instruction: The function's docstring: what is asked.
        parameters: Each parameter's type, without `self` and `cls`.
        returns: The return annotation.
        takes_self: Whether the first parameter is the object or the class.
        examples: Declared input and output pairs, shown to a language model.
        sampling: How a language model draws its reply.
        texts: Texts that stand in for those in the code; see `llm_brain.strategy.texts`.

    Example:
        >>> def double(number: int) -> int:
        ...     '''Double a number.'''
        >>> from llm_brain.strategy import inspect_function
        >>> spec = inspect_function(double)
        >>> spec.name, spec.instruction, list(spec.parameters)
        ('double', 'Double a number.', ['number'])
    """

    function: Callable[..., Any]
    name: str
    qualified_name: str
    persona: str
    instruction: str
    parameters: Mapping[str, Any]
    returns: Any
    takes_self: bool
    examples: tuple[Example, ...]
    sampling: Sampling
    texts: Mapping[str, str] = field(default_factory=lambda: _NO_TEXTS)

    @cached_property
    def items(self) -> Any | None:
        """The type of the items, where the function returns an iterator of them; None otherwise."""
        if get_origin(bare(self.returns)) in (*_BLOCKING_ITEMS, *_AWAITED_ITEMS):
            item = get_args(bare(self.returns))[0]
            return NoneType if item is None else item
        return None

    @cached_property
    def items_are_awaited(self) -> bool:
        """Whether the function returns an asynchronous iterator."""
        return get_origin(bare(self.returns)) in _AWAITED_ITEMS

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """The validator of the return type; of an iterator, of the list of its items."""
        return TypeAdapter(self.returns if self.items is None else list[self.items])  # type: ignore[name-defined]

    @cached_property
    def type_variables(self) -> tuple[TypeVar, ...]:
        """The type variables of the parameters and of the return type."""
        found = [variable for annotation in (*self.parameters.values(), self.returns) for variable in type_variables(annotation)]
        return tuple(dict.fromkeys(found))

    def resolve(self, arguments: Mapping[str, Any], instance: object | None = None) -> Mapping[TypeVar, Any]:
        """Find the types that the type variables stand for in one call.

        Args:
            arguments: The call's arguments by name, as they were given: checked, a `G[int]` would be a `G[Item]`.
            instance: The object whose method is called.

        Raises:
            ArgumentError: Two arguments say different types, or nothing says the type of what is returned.

        Example:
            >>> from llm_brain.strategy import inspect_function
            >>> Item = TypeVar("Item")
            >>> def longest(items: list[Item]) -> Item:
            ...     '''Return the longest one.'''
            >>> inspect_function(longest).resolve({"items": ["a", "bb"]})
            {~Item: <class 'str'>}
        """
        if not self.type_variables:
            return {}
        try:
            types = resolve_type_variables(self.parameters, arguments, owner=instance)
        except ArgumentError as error:
            message = f"{self.qualified_name}: {error}"
            raise ArgumentError(message) from error
        open_ones = unresolved(self.returns, types)
        if open_ones:
            message = (
                f"{self.qualified_name} returns {type_name(self.returns)}, and no argument says what {open_ones[0].__name__} is"
            )
            raise ArgumentError(message)
        return types

    def variant(self, types: Mapping[TypeVar, Any], texts: Mapping[str, str]) -> FunctionSpec:
        """Return this function with type variables resolved and texts replaced. Variants are made once and kept.

        Example:
            >>> from llm_brain.strategy import inspect_function
            >>> Item = TypeVar("Item")
            >>> def longest(items: list[Item]) -> Item:
            ...     '''Return the longest one.'''
            >>> inspect_function(longest).variant({Item: str}, {"longest": "Return the shortest one."}).instruction
            'Return the shortest one.'
        """
        if not types and not texts:
            return self
        key = (tuple(types.items()), tuple(sorted(texts.items())))
        made = self._variants.get(key)
        if made is None:
            if len(self._variants) >= _MOST_VARIANTS:
                self._variants.clear()
            parameters = {name: substitute(annotation, types) for name, annotation in self.parameters.items()}
            changed = replace(self, parameters=parameters, returns=substitute(self.returns, types))
            if texts:
                from llm_brain.strategy.texts import apply_texts

                changed = apply_texts(changed, texts)
            made = self._variants[key] = changed
        return made

    @cached_property
    def _variants(self) -> dict[Any, FunctionSpec]:
        return {}

    @cached_property
    def line(self) -> str:
        """The function's name and signature on one line, as a reader writes it."""
        returns = self.returns if self.items is None else list[self.items]  # type: ignore[name-defined]
        line = signature_line(self.function, self.takes_self, self.parameters, returns)
        owner = self.qualified_name.rpartition(".")[0]
        return f"{owner}.{line}" if owner else line

    @cached_property
    def likelihood_of(self) -> str | None:
        """The parameter whose likelihood is the returned score, where the return type declares one."""
        return next((part.of for part in _metadata(self.returns) if isinstance(part, Likelihood)), None)

    @cached_property
    def answer_name(self) -> str:
        """What the answer is called in a prompt: the function's name, or the parameter whose likelihood is asked."""
        return self.likelihood_of or self.name

    @cached_property
    def options(self) -> tuple[Any, ...] | None:
        """The values that the answer can take, when they are a small closed set (bool, Literal, Enum); None otherwise."""
        return closed_set(self.parameters[self.likelihood_of] if self.likelihood_of else self.returns)

    @cached_property
    def option_words(self) -> tuple[str, ...]:
        """Each option as it is shown and accepted: text without quotes, an Enum's names where its values are none, else JSON."""
        return tuple(plain_text(said(option)) for option in self.options or ())

    @cached_property
    def option_texts(self) -> tuple[str, ...]:
        """Each option as JSON, as it continues a text."""
        return tuple(json_text(said(option)) for option in self.options or ())

    @cached_property
    def is_text(self) -> bool:
        """Whether the answer is a plain string, which needs no JSON around it; one that must look so or so has its schema."""
        return bare(self.returns) is str and not _LOOKS & self._value_schema.keys()

    @cached_property
    def is_wrapped(self) -> bool:
        """Whether the reply holds the value in a field of an object, since models are asked for JSON objects."""
        return self._value_schema.get("type") != "object" and "properties" not in self._value_schema

    @cached_property
    def _value_schema(self) -> dict[str, Any]:
        from llm_brain.strategy.texts import described

        schema = self.adapter.json_schema(schema_generator=ReplySchema)
        schema = reply_schema(described(schema, self.texts) if self.texts else schema)
        return without_defaults(schema) if mentions_hidden(self.returns) else schema

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the reply."""
        schema = dict(self._value_schema)
        if not self.is_wrapped:
            return schema
        definitions = schema.pop("$defs", None)
        wrapped = {"type": "object", "properties": {WRAPPER_FIELD: schema}, "required": [WRAPPER_FIELD]}
        return {**wrapped, "$defs": definitions} if definitions else wrapped

    @cached_property
    def signature(self) -> inspect.Signature:
        """The call signature, without `self` and `cls`."""
        full = inspect.signature(self.function)
        return declared_signature(full.replace(parameters=list(full.parameters.values())[1 if self.takes_self else 0 :]))

    @cached_property
    def _makes_defaults(self) -> bool:
        return any(isinstance(parameter.default, FieldInfo) for parameter in self.signature.parameters.values())

    @cached_property
    def _arguments(self) -> TypeAdapter[dict[str, Any]]:
        return arguments_adapter(self.parameters)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Bind and check the arguments of a call.

        Raises:
            TypeError: An argument is missing, or one too many was given.
            ArgumentError: An argument does not fit its declared type.

        Example:
            >>> from llm_brain.strategy import inspect_function
            >>> def double(number: int) -> int:
            ...     '''Double a number.'''
            >>> inspect_function(double).bind((4,), {})
            {'number': 4}
        """
        if self._single_text and not kwargs and len(args) == 1 and type(args[0]) is str:
            return {self._single_text: args[0]}
        return self.check(self.assign(args, kwargs))

    def assign(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Assign arguments to the parameters, defaults included, without looking at their types.

        Raises:
            TypeError: An argument is missing, or one too many was given.

        Example:
            >>> from llm_brain.strategy import inspect_function
            >>> def double(number: int) -> int:
            ...     '''Double a number.'''
            >>> inspect_function(double).assign(("4",), {})
            {'number': '4'}
        """
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return made_defaults(bound.arguments) if self._makes_defaults else bound.arguments

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Check arguments against their types.

        Raises:
            ArgumentError: One does not fit.

        Example:
            >>> from llm_brain.strategy import inspect_function
            >>> def double(number: int) -> int:
            ...     '''Double a number.'''
            >>> inspect_function(double).check({"number": "4"})
            {'number': 4}
        """
        try:
            return self._arguments.validate_python(arguments)
        except ValidationError as error:
            # Pydantic's own words quote what was given, and so does its error below ours.
            quiet = any(map(mentions_hidden, self.parameters.values()))
            message = f"{self.qualified_name}: {explain(error, quiet=quiet)}"
            raise ArgumentError(message) from (None if quiet else error)

    @cached_property
    def _single_text(self) -> str | None:
        # A function of one string is the commonest kind, and a brain answers it in microseconds: binding should not take more.
        (name, annotation), *others = self.parameters.items() or [("", None)]
        if annotation is not str or others or self.signature.parameters[name].kind is inspect.Parameter.KEYWORD_ONLY:
            return None
        return name


def _metadata(annotation: Any) -> tuple[Any, ...]:
    meaning = expanded(annotation)
    annotation = annotation if meaning is None else meaning
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
