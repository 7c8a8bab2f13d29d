"""Which classes a config's `_target_` may name, and which keys each of them takes: those of its constructor.

Named by a class's full path: this package's own ones, and those that a program has registered by `register_backend`. Nothing
is imported because a file names it.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from types import SimpleNamespace
from typing import Annotated, Any, Final, TypeAlias, TypeVar, overload

from annotated_types import Gt, MinLen
from typing_extensions import TypedDict

from llm_brain.backends.configuration.checks import check_values
from llm_brain.backends.configuration.hosted import HostedKeys, with_key
from llm_brain.backends.configuration.local import LocalKeys, with_folder
from llm_brain.backends.contract import LanguageBackend
from llm_brain.errors import ArgumentError, DataError, DefinitionError, LLMBrainError
from llm_brain.tracing.redaction import redact

Backend = TypeVar("Backend", bound=type[LanguageBackend])
Arguments: TypeAlias = dict[str, Any]

MISSING: Final = "???"
"""What stands in a config for a value that has to be given, as OmegaConf has it."""


class CommonKeys(TypedDict, total=False):
    """The keys that every config may hold.

    Attributes:
        model_id: The model's name, or its folder.
        context_length: The most tokens that a prompt and its reply may have together.

    Example:
        >>> CommonKeys(model_id="human")
        {'model_id': 'human'}
    """

    model_id: Annotated[str, MinLen(1)]
    context_length: Annotated[int, Gt(0)] | None


@dataclass(frozen=True)
class Target:
    """A class that a config may name.

    Attributes:
        path: The class's full path.
        load: Imports it.
        renamed: The config's keys that go to a parameter of another name.
        stricter: The keys whose types are stricter than the constructor's annotations: a TypedDict.
        left_out: Parameters that no config can give.
        prepare: Makes the last changes to the constructor's arguments; is told which config they come from.

    Example:
        >>> target_of("llm_brain.backends.OpenAIBackend", "openai.yaml").renamed
        {'model_id': 'model'}
    """

    path: str
    load: Callable[[], type[LanguageBackend]]
    renamed: Mapping[str, str] = field(default_factory=dict)
    stricter: type = CommonKeys
    left_out: frozenset[str] = frozenset()
    prepare: Callable[[Arguments, str], Arguments] = lambda values, _: values

    def keys(self) -> dict[str, Any]:
        """Return the keys that a config of this class may hold, and each one's type.

        Example:
            >>> sorted(target_of("llm_brain.backends.RecordedBackend", "a.yaml").keys())
            ['context_length', 'model_id']
        """
        kind = self.load()
        names = {parameter: key for key, parameter in self.renamed.items()}
        own = {
            names.get(parameter.name, parameter.name): _annotation(kind, parameter)
            for parameter in _parameters(kind)
            if parameter.name not in self.left_out
        }
        return {**own, **_types(CommonKeys), **_types(self.stricter)}

    def build(self, values: Mapping[str, Any], where: str) -> LanguageBackend:
        """Make the backend that a config describes.

        Args:
            values: The config's keys and values, without those that begin with an underscore.
            where: The config's name, for messages.

        Raises:
            DataError: A key is unknown, one is missing, or a value does not fit.
        """
        kind = self.load()
        given = {key: value for key, value in values.items() if value != MISSING}
        checked = check_values(self.keys(), given, where, takes_more=_takes_more(kind))
        required = [self._key_of(parameter.name) for parameter in _parameters(kind) if parameter.default is Parameter.empty]
        missing = [key for key in dict.fromkeys((*required, *values)) if key not in checked]
        if missing:
            how = f"'{where},{missing[0]}=VALUE'" if where.startswith("config:") else f"`{missing[0]}: VALUE`"
            message = f"{where}: {', '.join(f'`{key}`' for key in missing)} has to be given, as in {how}"
            raise DataError(message)
        arguments = self.prepare({self.renamed.get(key, key): value for key, value in checked.items()}, where)
        taken = {parameter.name for parameter in _parameters(kind)}
        # What every backend has, whether its constructor asks for it or not.
        attributes = {name: arguments.pop(name) for name in CommonKeys.__annotations__.keys() & arguments.keys() - taken}
        try:
            made = kind(**arguments)
        except (DefinitionError, ArgumentError) as error:
            message = f"{where}: {error}"
            raise DataError(message) from None
        except LLMBrainError:
            raise
        except (TypeError, ValueError) as error:  # what a constructor of the user's makes of a value that it cannot use
            message = f"{where}: {kind.__name__}: {redact(str(error))}"
            raise DataError(message) from error
        for name, value in attributes.items():
            if value is not None:
                setattr(made, name, value)
        return made

    def _key_of(self, parameter: str) -> str:
        return next((key for key, name in self.renamed.items() if name == parameter), parameter)


@overload
def register_backend(kind: Backend, /) -> Backend: ...
@overload
def register_backend(*, path: str) -> Callable[[Backend], Backend]: ...
def register_backend(kind: Any = None, /, *, path: str | None = None) -> Any:
    """Let configs name a backend of your own. A decorator, or a function.

    The config's keys are the constructor's parameters, checked against their annotations; `model_id` and `context_length`, where
    the constructor has no such parameter, are set on the object.

    Args:
        kind: The class.
        path: What `_target_` says; the class's module and name by default.

    Raises:
        DefinitionError: It is no class of backends.

    Example:
        >>> from llm_brain.backends import Reply, resolve_model
        >>> @register_backend(path="my_project.Echo")
        ... class Echo(LanguageBackend):
        ...     def __init__(self, model_id: str, times: int = 1):
        ...         self.model_id, self.times = model_id, times
        ...     def count_tokens(self, text): return len(text)
        ...     def chat_completion(self, request): return Reply(request.messages[-1].content * self.times, "stop", "echo")
        >>> resolve_model({"_target_": "my_project.Echo", "model_id": "echo", "times": 2}).times
        2
    """

    def register(given: Any) -> Any:
        if not (isinstance(given, type) and issubclass(given, LanguageBackend)):
            message = f"{given!r} is no class of backends: derive it from LanguageBackend"
            raise DefinitionError(message)
        named = path or f"{given.__module__}.{given.__qualname__}"
        _registered[named] = Target(named, lambda: given)
        return given

    return register if kind is None else register(kind)


def target_of(path: object, where: str) -> Target:
    """Find the class that `_target_` names, among those that may be named.

    Raises:
        DataError: It names any other.

    Example:
        >>> target_of("os.system", "evil.yaml")
        Traceback (most recent call last):
        ...
        llm_brain.errors.DataError: evil.yaml: `_target_` may not be 'os.system': ...
    """
    found = {**_OWN, **_registered}
    target = found.get(path) if isinstance(path, str) else None
    if target is None:
        # Compared without what all of their names end in.
        names = {_stem(known.path): known.path for known in found.values()}
        near = difflib.get_close_matches(_stem(str(path)), names, n=1)
        known = sorted({known.path for known in found.values()})
        meant = f"did you mean {names[near[0]]!r}?" if near else f"known are {', '.join(known)}."
        message = (
            f"{where}: `_target_` may not be {str(path)[:120]!r}: {meant} A class of your own is made known by "
            "`llm_brain.backends.register_backend`, in code that runs before"
        )
        raise DataError(message)
    return target


def _own(module: str, name: str, **details: Any) -> dict[str, Target]:
    def load() -> type[LanguageBackend]:
        kind: type[LanguageBackend] = getattr(importlib.import_module(f"llm_brain.backends.{module}"), name)
        return kind

    target = Target(f"llm_brain.backends.{name}", load, **details)
    return {target.path: target, f"llm_brain.backends.{module}.{name}": target}


_hosted: Final[dict[str, Any]] = {
    "renamed": {"model_id": "model"},
    "stricter": HostedKeys,
    "left_out": frozenset({"client"}),
    "prepare": with_key,
}
_OWN: Final[Mapping[str, Target]] = {
    **_own("openai.backend", "OpenAIBackend", **_hosted),
    **_own("anthropic.backend", "AnthropicBackend", **_hosted),
    **_own(
        "local.backend",
        "LocalBackend",
        renamed={"model_id": "folder"},
        stricter=LocalKeys,
        left_out=frozenset({"model_id"}),
        prepare=with_folder,
    ),
    **_own("human.backend", "HumanBackend", left_out=frozenset({"console", "read_line"})),
    **_own("cache.recorded", "RecordedBackend", renamed={"model_id": "path"}),
}
_registered: Final[dict[str, Target]] = {}


def _stem(path: str) -> str:
    return path.rpartition(".")[2].casefold().removesuffix("backend")


def _types(keys: type) -> dict[str, Any]:
    return typing.get_type_hints(keys, include_extras=True)


def _parameters(kind: type[LanguageBackend]) -> list[Parameter]:
    parameters = inspect.signature(kind).parameters.values()
    return [parameter for parameter in parameters if parameter.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)]


def _takes_more(kind: type[LanguageBackend]) -> bool:
    return any(parameter.kind is Parameter.VAR_KEYWORD for parameter in inspect.signature(kind).parameters.values())


def _annotation(kind: type[LanguageBackend], parameter: Parameter) -> Any:
    if parameter.annotation is Parameter.empty:
        return Any
    holder = SimpleNamespace(__annotations__={"it": parameter.annotation})
    names = getattr(inspect.unwrap(kind.__init__), "__globals__", {})
    try:
        return typing.get_type_hints(holder, globalns=names, include_extras=True)["it"]
    except (NameError, TypeError):
        return Any  # it is imported for type checkers only
