"""From a model's name to a backend: what stands in `llm_strategy("...")` and on command lines."""

from __future__ import annotations

import difflib
import os
import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from llm_brain.backends import embedded
from llm_brain.backends.configuration.environment import PROVIDERS, hosting_variables, read_env_file
from llm_brain.backends.configuration.folders import local_folder
from llm_brain.backends.contract import LanguageBackend
from llm_brain.backends.local.backend import LocalBackend
from llm_brain.errors import MissingKeyError, ModelNameError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.language_models.llms import BaseLLM

LOCAL: Final = "local"
HUMAN: Final = "human"
KNOWN_FORMS: Final = (
    LOCAL,
    "hf:PATH",
    *(provider.form for provider in PROVIDERS.values()),
    HUMAN,
    "recorded:PATH",
    "config:NAME",
    "PATH.yaml",
)
"""How models are named: the embedded one, a transformers folder, hosted ones, a person, a recording, a config."""

NO_KEY: Final = "EMPTY"
"""What servers without keys are sent, by convention."""

_YAML: Final = (".yaml", ".yml")


def resolve_model(
    model: str | os.PathLike[str] | Mapping[str, Any] | LanguageBackend | BaseChatModel | BaseLLM,
) -> LanguageBackend:
    """Turn whatever names a model into a backend. Loads no weights and opens no connection.

    Models are shared: the same name gives the same backend, so weights are in memory once, and hosted models keep their
    connections. Another key or address in the environment, or another content of a config's file, makes another model of the
    same name. Keys are also taken from a `.env` file, see `llm_brain.backends.configuration.environment`.

    Args:
        model: A name in one of `KNOWN_FORMS`, the path of a config, its content (a mapping), a backend, which comes back as it
            is, or any LangChain model.

    Raises:
        ModelNameError: It is none of these; the message says which name is nearest.
        WeightsError: The model's files are not on this machine, or are damaged; the message holds the command that helps.
        MissingKeyError: A hosted model was named and no key is set.
        DataError: A recording or a config was named that is not there, or is none.

    Example:
        >>> resolve_model("local").model_id
        'smollm2-135m-instruct'
        >>> resolve_model("local") is resolve_model("local")
        True
    """
    if isinstance(model, LanguageBackend):
        return model
    if isinstance(model, str):
        return _named(model)
    return _configured(model) if isinstance(model, os.PathLike | Mapping) else _wrapped(model)


def check_model_name(name: str) -> None:
    """Check the form of a model's name, and nothing else: neither its files nor its key need be there yet.

    Raises:
        ModelNameError: The name has none of the `KNOWN_FORMS`.

    Example:
        >>> check_model_name("openai:gpt-5-mini")
        >>> check_model_name("hf")
        Traceback (most recent call last):
        ...
        llm_brain.errors.ModelNameError: unknown model 'hf': did you mean 'hf:PATH'? Known: 'local', ...
    """
    kind, colon, rest = name.partition(":")
    heads = {form.partition(":")[0]: form for form in KNOWN_FORMS if not form.endswith(_YAML)}
    if name in (LOCAL, HUMAN) or (":" in heads.get(kind, "") and rest.strip()):
        return
    if name.endswith(_YAML) and kind not in heads:
        return
    near = difflib.get_close_matches(kind.strip().casefold(), heads, n=1)
    meant = "."
    if near:
        form = heads[near[0]]
        suggestion = f"{near[0]}:{rest}" if colon and rest.strip() and ":" in form else form
        meant = f": did you mean {suggestion!r}?"
    message = f"unknown model {name!r}{meant} Known: {', '.join(map(repr, KNOWN_FORMS))}"
    raise ModelNameError(message)


def hosted_backend(kind: str, model: str, *, base_url: str | None = None, api_key: str | None = None) -> LanguageBackend:
    """Make the backend of a hosted model.

    Args:
        kind: Who hosts it, one of `PROVIDERS`.
        model: The model's name, as its host knows it.
        base_url: The server's address; the environment's, or the host's own, by default.
        api_key: The key; the environment's by default.

    Raises:
        MissingKeyError: There is no key, and the host needs one.

    Example:
        >>> hosted_backend("openai", "qwen3-4b", base_url="http://127.0.0.1:8000/v1").model_id
        'qwen3-4b'
    """
    read_env_file()
    if kind == "anthropic":
        from llm_brain.backends.anthropic.backend import AnthropicBackend

        return AnthropicBackend(model, base_url=base_url, api_key=api_key)
    from llm_brain.backends.openai.backend import OpenAIBackend

    if kind == "openai":
        return OpenAIBackend(model, base_url=base_url, api_key=api_key)
    provider = PROVIDERS[kind]
    key, own_address = api_key or provider.key, base_url or provider.own_address
    if not key and not own_address:
        message = (
            f"no key for the model {model!r} at {provider.title}: set the environment variable "
            f"{' or '.join(provider.key_variables)}, or write it into a .env file"
        )
        raise MissingKeyError(message)
    # Without any key the backend would take OpenAI's, and send it to another company.
    return OpenAIBackend(model, base_url=own_address or provider.url, api_key=key or NO_KEY)


def shared(place: Hashable, make: Callable[[], LanguageBackend]) -> LanguageBackend:
    """Return the backend of a place; made at the first time, and the same one from then on.

    Args:
        place: Everything that makes one backend another one.
        make: Makes it.

    Example:
        >>> place = "a recording that is kept in memory"
        >>> shared(place, lambda: resolve_model("local")) is shared(place, lambda: resolve_model("local"))
        True
    """
    with _sharing:
        if place not in _shared:
            _shared[place] = make()
        return _shared[place]


_sharing: Final = threading.RLock()
_shared: Final[dict[Hashable, LanguageBackend]] = {}


def _named(name: str) -> LanguageBackend:
    check_model_name(name)
    kind, _, rest = name.partition(":")
    if kind in PROVIDERS:
        return _hosted(kind, rest)
    resolvers: dict[str, Callable[[], LanguageBackend]] = {
        LOCAL: _embedded,
        "hf": lambda: _folder(rest),
        HUMAN: lambda: shared((HUMAN,), _person),
        "recorded": lambda: _recording(rest),
        "config": lambda: _configured(rest),
    }
    return resolvers.get(kind, lambda: _configured(name))()


def _embedded() -> LanguageBackend:
    # The files' hashes are checked here, once a process.
    return shared(
        embedded.models_folder() / embedded.NAME, lambda: LocalBackend(embedded.weights_folder(), model_id=embedded.NAME)
    )


def _folder(name: str) -> LanguageBackend:
    found = local_folder(name)
    return shared(found.path, lambda: LocalBackend(found.path, model_id=found.name))


def _hosted(kind: str, name: str) -> LanguageBackend:
    read_env_file()
    return shared((kind, name, *PROVIDERS[kind].variables), lambda: hosted_backend(kind, name))


def _recording(path: str) -> LanguageBackend:
    from llm_brain.backends.cache.recorded import RecordedBackend

    return RecordedBackend(Path(path).expanduser())


def _person() -> LanguageBackend:
    from llm_brain.backends.human.backend import HumanBackend

    return HumanBackend()


def _configured(source: str | os.PathLike[str] | Mapping[str, Any]) -> LanguageBackend:
    from llm_brain.backends.configuration.loading import read_config

    read_env_file()
    config = read_config(source)
    if config.is_embedded:
        return _embedded()
    return shared(("config", config.key, *hosting_variables()), config.backend)


def _wrapped(model: object) -> LanguageBackend:
    # Asked by name, so that nobody pays for importing LangChain who does not use it.
    kinds = {kind.__name__ for kind in type(model).__mro__ if kind.__module__.partition(".")[0] == "langchain_core"}
    if not kinds & {"BaseChatModel", "BaseLLM"}:
        message = (
            f"{type(model).__name__} is no model: give a name ({', '.join(map(repr, KNOWN_FORMS))}), a LanguageBackend, "
            "or a LangChain model"
        )
        raise ModelNameError(message)
    from llm_brain.backends.langchain.backend import LangChainBackend

    return LangChainBackend(cast("BaseChatModel | BaseLLM", model))
