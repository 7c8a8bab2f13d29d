"""Hyperparameters that a program declares where it uses them, collected and overridden from outside in a scope.

    @track_hyperparameters     a function's parameters that begin with `_`, typed and with defaults, are hyperparameters
    with Hyperparameters()     everything tracked that is called inside is recorded, with the values that it had
    h[summarise].words = 20    changed values count in the next call inside the scope
    h.model                    all of it as a pydantic model: to dump, to validate, to optimise

Of typed functions (`llm_strategy`) it is their texts that are tracked: docstrings and descriptions, under the names that
`llm_brain.strategy.texts` gives them.
"""

from __future__ import annotations

import copy
import difflib
import functools
import inspect
import json
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, Self, TypeVar, cast

from pydantic import BaseModel, ValidationError, create_model

from llm_brain.errors import DataError, DefinitionError
from llm_brain.optimize.tracking import CONFIG, Tracked, inspect_hyperparameters, two_places
from llm_brain.strategy.decoration.members import function_in, implementation_is_missing, local_names
from llm_brain.strategy.function import Typed
from llm_brain.strategy.signature import FunctionSpec
from llm_brain.strategy.texts import current_texts, tunable_texts, use_texts
from llm_brain.strategy.words import explain

Target = TypeVar("Target")

_TRACKED: Final = "__llm_brain_hyperparameters__"
_PRIVATE: Final = "."
"""What stands before a name that begins with `_` where it is that of a pydantic field."""


def track_hyperparameters(target: Target) -> Target:
    """Let a function's parameters that begin with `_` be recorded and set by a `Hyperparameters` scope.

    Each of them has a type and a default; bounds and descriptions stand in `Annotated[int, Field(...)]` or in the default
    itself, `_words: int = Field(50, ge=10)`. An argument that a caller gives counts more than the scope; without a scope there
    is the default. Functions, coroutine functions, generators and methods of all kinds can be tracked.

    Of a typed function, or of a class or an object with typed functions, the texts are tracked, and it comes back as it is.

    Args:
        target: What is to be tracked.

    Raises:
        DefinitionError: A hyperparameter has no type or no default, the default does not fit, or there is nothing to track.

    Example:
        >>> @track_hyperparameters
        ... def shorten(text: str, *, _words: int = 3) -> str:
        ...     return " ".join(text.split()[:_words])
        >>> with Hyperparameters({"shorten.words": 2}):
        ...     print(shorten("a b c d"), "|", shorten("a b c d", _words=1))
        a b | a
        >>> shorten("a b c d")
        'a b c'
    """
    function: Any = target.__func__ if isinstance(target, staticmethod | classmethod) else target
    if not inspect.isfunction(function) or implementation_is_missing(function):
        for typed in _typed_functions(target):
            setattr(typed, _TRACKED, True)
        return target
    tracked = inspect_hyperparameters(function, local_names(sys._getframe(1), function))  # noqa: SLF001
    wrapped = _wrapped(tracked)
    return cast("Target", type(target)(wrapped) if isinstance(target, staticmethod | classmethod) else wrapped)


class Hyperparameters:
    """The hyperparameters of a program: recorded by running it, and set by running it again.

    A scope may be entered any number of times, in several threads and tasks at once, and within another one: it begins with
    the outer one's values for what it has none for, and keeps its own from then on. A changed value counts from the next call,
    a changed text from the next time that the scope is entered.

    Args:
        values: Another `Hyperparameters`, its `model`, or a mapping as `model_dump_json` writes it. Values are checked when the
            function that they belong to is first seen, so that they can be read before the program is run.

    Attributes:
        texts: The texts of tracked typed functions by name, to be read and changed.

    Raises:
        DefinitionError: The values are none of these.

    Example:
        >>> @track_hyperparameters
        ... def shorten(text: str, *, _words: int = 3) -> str:
        ...     return " ".join(text.split()[:_words])
        >>> with Hyperparameters() as found:
        ...     shorten("a b c d")
        'a b c'
        >>> found
        Hyperparameters({'shorten.words': 3})
        >>> found[shorten].words = 1
        >>> with found:
        ...     shorten("a b c d")
        'a'
    """

    def __init__(self, values: Hyperparameters | BaseModel | Mapping[str, Any] | None = None) -> None:
        given = values.model if isinstance(values, Hyperparameters) else values
        if not isinstance(given, BaseModel | Mapping | None):
            message = (
                f"hyperparameters are given as a mapping or as another `Hyperparameters`, and this is {given!r:.80}: "
                "a file is read by `Hyperparameters.model_validate_json(path.read_text())`"
            )
            raise DefinitionError(message)
        # Copied, so that what is changed here is not changed there.
        values = {name.removeprefix(_PRIVATE): value for name, value in copy.deepcopy(dict(given or {})).items()}
        # Which strings are texts, and which are hyperparameters, is known when their function is seen.
        self.texts: dict[str, str] = {name: value for name, value in values.items() if isinstance(value, str)}
        self._others = {name: value for name, value in values.items() if name not in self.texts}
        self._texts_in_code: dict[str, str] = {}
        self._records: dict[str, tuple[Tracked, BaseModel]] = {}
        self._lock = threading.RLock()  # a validator may call a tracked function

    def __enter__(self) -> Self:
        with self._lock:  # another thread may be adding to them
            texts = dict(self.texts)
        _entered.set((*_entered.get(), self._opened(texts)))
        return self

    def __exit__(self, *_: object) -> None:
        entered = _entered.get()
        own = [place for place, entry in enumerate(entered) if entry.scope is self]
        if not own:  # a generator was closed in another context, which has gone its own way
            return
        inner = entered[own[-1] + 1 :]  # there are some where generators are closed in the order in which they began
        for entry in reversed(entered[own[-1] :]):
            entry.stack.close()
        _entered.set((*entered[: own[-1]], *(entry.scope._opened(entry.texts) for entry in inner)))  # noqa: SLF001 - its own class

    def __getitem__(self, function: Callable[..., Any]) -> Any:
        """Return the hyperparameters of a tracked function, as a pydantic object whose fields can be set.

        Raises:
            DefinitionError: The function is not tracked, or is a typed one: its texts are in `texts`.
            DataError: The values that were given for it do not fit.
        """
        tracked = getattr(function, _TRACKED, None)
        if not isinstance(tracked, Tracked):
            name = getattr(function, "__qualname__", repr(function))
            message = f"{name} is not tracked: decorate it with `@track_hyperparameters` (of typed functions, see `texts`)"
            raise DefinitionError(message)
        scopes = [entry.scope for entry in _entered.get()]
        return _record(tracked, scopes[: scopes.index(self) + 1] if self in scopes else [self])

    def __repr__(self) -> str:
        return f"Hyperparameters({dict(self.model)})"

    @property
    def model(self) -> BaseModel:
        """All hyperparameters as one pydantic object, made from what was seen; each is called `function.parameter`.

        Its class has the defaults of the code, refuses what it does not know, and can be optimised:
        `LLMOptimizer(task, hyperparameters=type(h.model), ...)`, where the task enters `Hyperparameters(values)`. Names that
        begin with `_` stand there with a dot before it, since pydantic keeps such names for itself.
        """
        with self._lock:
            fields: dict[str, Any] = {name: (Any, value) for name, value in self._others.items()}
            fields |= {name: (str, self._texts_in_code.get(name, text)) for name, text in self.texts.items()}
            values = {**self._others, **self.texts}
            for owner, (tracked, record) in self._records.items():
                fields |= {f"{owner}.{name}": field for name, field in tracked.fields.items()}
                values |= {f"{owner}.{name}": value for name, value in record}
        public = {name: f"{_PRIVATE}{name}" if name.startswith("_") else name for name in fields}
        fields = {public[name]: field for name, field in fields.items()}
        made: type[BaseModel] = create_model("Hyperparameters", __config__=CONFIG, **fields)
        return made.model_construct(**{public[name]: value for name, value in values.items()})  # checked when they came

    def model_dump_json(self, *, indent: int | None = None) -> str:
        """Write all hyperparameters as one JSON object.

        Example:
            >>> Hyperparameters({"shorten.words": 2}).model_dump_json()
            '{"shorten.words":2}'
        """
        return self.model.model_dump_json(indent=indent)

    @classmethod
    def model_validate_json(cls, text: str | bytes) -> Self:
        """Read what `model_dump_json` wrote. A value is checked when its function is first seen.

        Raises:
            DataError: It is not one JSON object.

        Example:
            >>> Hyperparameters.model_validate_json('{"shorten.words": 2}')
            Hyperparameters({'shorten.words': 2})
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            message = f"hyperparameters are written as a JSON object, and this is no JSON: {error}"
            raise DataError(message) from error
        if not isinstance(values, dict):
            message = f"hyperparameters are written as a JSON object, and this is a {type(values).__name__}"
            raise DataError(message)
        return cls(values)

    def _opened(self, texts: Mapping[str, str]) -> _Entry:
        stack = ExitStack()
        stack.enter_context(use_texts(texts, on_call=self._note))
        return _Entry(self, stack, texts)

    def _note(self, spec: FunctionSpec) -> None:
        """Record the texts of a tracked typed function that is being called."""
        if getattr(spec.function, _TRACKED, False) and spec.qualified_name not in self._texts_in_code:
            now, in_code = current_texts(), tunable_texts(spec)
            with self._lock:
                self._texts_in_code.update(in_code)
                for name, text in in_code.items():
                    self.texts.setdefault(name, now.get(name, text))

    def _record(self, tracked: Tracked, outer: BaseModel | None) -> BaseModel:
        """Return a function's hyperparameters; when it is first seen, as they were given, or else as they are outside."""
        with self._lock:
            known, record = self._records.get(tracked.name, (tracked, None))
            if record is None or known is not tracked:
                if (places := two_places(known, tracked)) is not None:
                    message = f"two tracked functions are called `{tracked.name}`, {places}: give one another name"
                    raise DefinitionError(message)
                # Of a function that was defined again, what it still has stays.
                values = {name: value for name, value in record or outer or () if name in tracked.fields}
                record = self._made(tracked, copy.deepcopy(values))
                self._records[tracked.name] = (tracked, record)
        return record

    def _made(self, tracked: Tracked, values: Mapping[str, Any]) -> BaseModel:
        """Make a function's hyperparameters of these values and those that were given for it."""
        beginning = f"{tracked.name}."
        given = {name: value for name, value in {**self._others, **self.texts}.items() if name.startswith(beginning)}
        for name in given:
            _check_known(name.removeprefix(beginning), tracked)
        try:
            made = tracked.model.model_validate({**values, **{name.removeprefix(beginning): given[name] for name in given}})
        except ValidationError as error:
            message = f"the hyperparameters of `{tracked.name}` do not fit: {explain(error)}"
            raise DataError(message) from error
        for name in given:
            self._others.pop(name, None)
            self.texts.pop(name, None)
        return made


class _Entry(NamedTuple):
    scope: Hyperparameters
    stack: ExitStack
    texts: Mapping[str, str]


_entered: ContextVar[tuple[_Entry, ...]] = ContextVar("llm_brain_hyperparameters", default=())


def _record(tracked: Tracked, scopes: Iterable[Hyperparameters]) -> BaseModel:
    """Return a function's hyperparameters in the last of some scopes, each of which begins with those of the one outside."""
    record: BaseModel | None = None
    for scope in scopes:
        record = scope._record(tracked, record)  # noqa: SLF001 - they belong together
    return tracked.model() if record is None else record


def _check_known(name: str, tracked: Tracked) -> None:
    if name not in tracked.fields:
        nearest = difflib.get_close_matches(name, tracked.fields, n=1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"it has {', '.join(tracked.fields) or 'none'}"
        message = f"`{tracked.name}` has no hyperparameter {name!r}: {hint}"
        raise DataError(message)


def _wrapped(tracked: Tracked) -> Callable[..., Any]:
    function = tracked.function

    def filled(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        entered = _entered.get()
        if not entered and not tracked.has_declared_fields:
            return kwargs
        return tracked.filled(_record(tracked, [entry.scope for entry in entered]), args, kwargs)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **filled(args, kwargs))

    @functools.wraps(function)
    async def call_awaited(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **filled(args, kwargs))

    made = call_awaited if inspect.iscoroutinefunction(function) else call
    setattr(made, _TRACKED, tracked)
    return made


def _typed_functions(target: Any) -> list[Callable[..., Any]]:
    """List the functions behind a typed function, or behind those of a class or an object."""
    function = function_in(target)
    if inspect.isfunction(function) and implementation_is_missing(function):  # it will be typed when its class is decorated
        return [function]
    kind = target if isinstance(target, type) else type(target)
    members = (function_in(inspect.getattr_static(kind, name, None)) for name in dir(kind))
    found = [member.spec.function for member in (function, *members) if isinstance(member, Typed)]
    if not found:
        message = f"{target!r} has nothing to track: it is no function, and has no typed function"
        raise DefinitionError(message)
    return found
