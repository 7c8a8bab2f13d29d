"""The texts of a typed function that can be tuned without touching its code: what they are called, and others in their places.

    Triage                   the persona: the class's docstring
    Triage.route             the instruction: the method's docstring (of a function by itself, its name alone)
    Triage.route(message)    the description of a parameter, as in `message: Annotated[str, Field(description=...)]`
    Ticket                   the docstring of a model, dataclass, TypedDict or Enum in the schema of the reply
    Ticket.priority          the description of a field, under the name that the schema gives it

A generic model's name comes without its arguments, so that one text is for all of them. Braces are only braces in all these
texts; in an instruction `{parameter}` is filled with the argument where there is one of this name, as in a docstring.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, get_args, get_origin

from pydantic import Field
from pydantic.fields import FieldInfo

from llm_brain.errors import DefinitionError

if TYPE_CHECKING:
    from llm_brain.strategy.signature import FunctionSpec

NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})


class _Scope(NamedTuple):
    texts: Mapping[str, str] = NO_TEXTS
    watchers: tuple[Callable[[FunctionSpec], object], ...] = ()


_scope: ContextVar[_Scope | None] = ContextVar("llm_brain_texts", default=None)


def tunable_texts(*targets: Any) -> dict[str, str]:
    """List the texts of typed functions that `use_texts` can replace, as they stand in the code.

    Args:
        targets: Typed functions, or decorated classes or objects of them, for all their functions.

    Raises:
        DefinitionError: A target has no typed function.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... class Quiz:
        ...     '''You know geography.'''
        ...     def capital(self, country: str) -> str:
        ...         '''Name the capital of the country.'''
        >>> tunable_texts(Quiz)
        {'Quiz': 'You know geography.', 'Quiz.capital': 'Name the capital of the country.'}
    """
    return {name: text for spec in _specs(targets) for name, text in _places(spec) if text}


def text_names(*targets: Any) -> list[str]:
    """List the names of all texts that typed functions can have, also where none is written yet.

    Raises:
        DefinitionError: A target has no typed function.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... class Quiz:
        ...     def capital(self, country: str) -> str:
        ...         '''Name the capital of the country.'''
        >>> text_names(Quiz)
        ['Quiz', 'Quiz.capital', 'Quiz.capital(country)']
    """
    return list(dict.fromkeys(name for spec in _specs(targets) for name, _ in _places(spec)))


@contextmanager
def use_texts(texts: Mapping[str, str], *targets: Any, on_call: Callable[[FunctionSpec], object] | None = None) -> Iterator[None]:
    """Let typed functions have other texts inside a `with` block, in this thread or task only.

    A scope within a scope has the outer one's texts where it names none itself. An empty text takes a persona or a
    description away.

    Args:
        texts: Each text under its name, as `tunable_texts` gives it.
        targets: Whose texts they are, for their names to be checked at once. Without any, only the name of a parameter is
            checked, when its function is called; any other name that nobody has says nothing to anyone.
        on_call: Told of every typed function that is called inside.

    Raises:
        DefinitionError: A name is none of those that the targets have, or a text is no string.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> with use_texts({"mood": "Tell whether the customer is angry."}, mood):
        ...     print(mood.prompt("It broke.").splitlines()[0])
        Tell whether the customer is angry.
    """
    for name, text in texts.items():
        if not isinstance(text, str):
            message = f"the text {name!r} should be a string, and is of type {type(text).__name__}"
            raise DefinitionError(message)
    if targets:
        _check_known(texts, text_names(*targets))
    before = _scope.get() or _Scope()
    watchers = before.watchers if on_call is None else (*before.watchers, on_call)
    token = _scope.set(_Scope(MappingProxyType({**before.texts, **texts}) if texts else before.texts, watchers))
    try:
        yield
    finally:
        with suppress(ValueError):  # a generator was closed in another context, which has gone its own way
            _scope.reset(token)


def current_texts(spec: FunctionSpec | None = None) -> Mapping[str, str]:
    """Return the texts of the scope that is entered here and now; the same empty mapping, `NO_TEXTS`, where there are none.

    Args:
        spec: The function that is being called, for those who watch.

    Example:
        >>> current_texts() is NO_TEXTS
        True
    """
    scope = _scope.get()
    if scope is None:
        return NO_TEXTS
    if spec is not None:
        for watch in scope.watchers:
            watch(spec)
    return scope.texts


def apply_texts(spec: FunctionSpec, texts: Mapping[str, str]) -> FunctionSpec:
    """Return a function with other texts in the places of its own. Names that belong to other functions are passed over.

    Raises:
        DefinitionError: A name is that of a parameter that is not there, or the instruction is empty.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> apply_texts(inspect_function(mood), {"mood": "Tell whether the customer is angry."}).instruction
        'Tell whether the customer is angry.'
    """
    own = f"{spec.qualified_name}("
    _check_known([name for name in texts if name.startswith(own)], [f"{own}{name})" for name in spec.parameters])
    instruction = inspect.cleandoc(texts.get(spec.qualified_name, spec.instruction))
    if not instruction:
        message = f"the text {spec.qualified_name!r} is empty, and is what the model is asked"
        raise DefinitionError(message)
    parameters = {
        name: _with_description(annotation, texts.get(f"{spec.qualified_name}({name})"))
        for name, annotation in spec.parameters.items()
    }
    persona = inspect.cleandoc(texts.get(_owner(spec), spec.persona))
    return replace(spec, persona=persona, instruction=instruction, parameters=parameters, texts=texts)


def described(schema: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Return a JSON Schema with other descriptions of its models and their fields. The given one stays as it is.

    Example:
        >>> schema = {"title": "Ticket", "type": "object", "properties": {"priority": {"type": "integer"}}}
        >>> described(schema, {"Ticket.priority": "1 is the highest."})["properties"]
        {'priority': {'type': 'integer', 'description': '1 is the highest.'}}
    """
    changed = _described_model(schema, texts)
    if "$defs" in schema:
        changed["$defs"] = {key: _described_model(definition, texts) for key, definition in schema["$defs"].items()}
    return changed


def description_of(annotation: Any) -> str:
    """Return the description of a parameter, as `Annotated[str, Field(description=...)]` declares it; empty without one.

    Example:
        >>> description_of(Annotated[str, Field(description="What the customer wrote.")]), description_of(str)
        ('What the customer wrote.', '')
    """
    notes = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    descriptions = (note.description for note in reversed(notes) if isinstance(note, FieldInfo))
    return next((text for text in descriptions if text is not None), "")


def _places(spec: FunctionSpec) -> Iterator[tuple[str, str]]:
    """List the names of a function's texts with the texts in the code."""
    if _owner(spec):
        yield _owner(spec), spec.persona
    yield spec.qualified_name, spec.instruction
    for name, annotation in spec.parameters.items():
        yield f"{spec.qualified_name}({name})", description_of(annotation)
    if spec.is_text or spec.options is not None:  # the model is shown no schema
        return
    schema = spec.adapter.json_schema()
    for definition in (schema, *schema.get("$defs", {}).values()):
        title = _model_name(definition)
        if title:
            yield title, definition.get("description", "")
            for name, field in definition.get("properties", {}).items():
                yield f"{title}.{name}", field.get("description", "")


def _specs(targets: Iterable[Any]) -> Iterator[FunctionSpec]:
    from llm_brain.strategy.decoration.members import function_in
    from llm_brain.strategy.signature import FunctionSpec

    for target in targets:
        kind = target if isinstance(target, type) else type(target)
        members = (function_in(inspect.getattr_static(kind, name, None)) for name in dir(kind))
        given = target if isinstance(target, FunctionSpec) else getattr(target, "spec", None)
        found = [given] if isinstance(given, FunctionSpec) else [getattr(member, "spec", None) for member in members]
        specs = [spec for spec in found if isinstance(spec, FunctionSpec)]
        if not specs:
            message = f"{target!r} has no typed function, and so no texts: decorate it with `llm_strategy(model)`"
            raise DefinitionError(message)
        yield from specs


def _owner(spec: FunctionSpec) -> str:
    return spec.qualified_name.rpartition(".")[0]


def _model_name(definition: Mapping[str, Any]) -> str:
    has_members = "properties" in definition or "enum" in definition or "const" in definition
    return str(definition.get("title", "")).partition("[")[0] if has_members else ""


def _described_model(definition: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    title = _model_name(definition)
    changed = _described(definition, texts.get(title)) if title else dict(definition)
    if title and "properties" in changed:
        fields = changed["properties"].items()
        changed["properties"] = {name: _described(field, texts.get(f"{title}.{name}")) for name, field in fields}
    return changed


def _described(part: Mapping[str, Any], text: str | None) -> dict[str, Any]:
    if text:
        return {**part, "description": text}
    return {key: value for key, value in part.items() if text is None or key != "description"}


def _with_description(annotation: Any, text: str | None) -> Any:
    return annotation if text is None else Annotated[annotation, Field(description=text)]


def _check_known(names: Iterable[str], known: Iterable[str]) -> None:
    unknown = next((name for name in names if name not in set(known)), None)
    if unknown is None:
        return
    nearest = difflib.get_close_matches(unknown, known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(map(repr, known))}"
    message = f"no text is called {unknown!r}: {hint}"
    raise DefinitionError(message)
