"""From the constructor's words, or a file's, to models: which one answers, and which one turns texts into vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_brain.backends.configuration.checks import check_section
from llm_brain.backends.configuration.environment import PROVIDERS, read_env_file
from llm_brain.backends.configuration.settings import LLMSection, ProviderSection, Settings
from llm_brain.backends.contract import LanguageBackend
from llm_brain.errors import DataError, DefinitionError

_ON_THIS_MACHINE: Final = ("local", "human")
_OPENAI_VECTORS: Final = "text-embedding-3-small"


def settings_of_words(words: Mapping[str, str], numbers: Mapping[str, Any], *, has_backend: bool) -> Settings:
    """Check the constructor's words.

    Args:
        words: Those of `provider`, `api_endpoint`, `model_name` and `api_key` that were given.
        numbers: `max_tokens`, `temperature` and `embedding_dim`.
        has_backend: Whether a backend was given, too, which says all that the words could.

    Raises:
        DataError: One does not fit.
        DefinitionError: One says nothing here.

    Example:
        >>> settings_of_words({"provider": "local"}, {"max_tokens": 64}, has_backend=False).backend().model_id
        'smollm2-135m-instruct'
        >>> settings_of_words({"provider": "human", "api_key": "EMPTY"}, {}, has_backend=False)
        Traceback (most recent call last):
        ...
        llm_brain.errors.DefinitionError: provider 'human' has no use for `api_key`: leave it out, or name who hosts the model
    """
    if has_backend and words:
        message = f"`backend` says which model it is: leave out {', '.join(f'`{name}`' for name in words)}"
        raise DefinitionError(message)
    llm = check_section(LLMSection, {"provider": "local", **_without_key(words), **numbers}, "LLMInterface")
    idle = ("api_endpoint", "api_key", *(("model_name",) if llm.provider == "human" else ()))
    given = [name for name in idle if name in words]
    if llm.provider in _ON_THIS_MACHINE and given:
        said = " and ".join(f"`{name}`" for name in given)
        message = f"provider {llm.provider!r} has no use for {said}: leave it out, or name who hosts the model"
        raise DefinitionError(message)
    if llm.provider not in _ON_THIS_MACHINE and not (has_backend or llm.model_name):
        message = f"LLMInterface: `model_name` has to name the model at {llm.provider!r}"
        raise DataError(message)
    if "api_key" in words:
        # Made here and not by the check above, which says of a file's key that a file is no place for it.
        llm = llm.model_copy(update={llm.provider: ProviderSection.model_validate({"api_key": words["api_key"]})})
    return Settings(llm=llm, where="LLMInterface")


def vectors_backend(settings: Settings) -> LanguageBackend | None:
    """Make the model that turns texts into vectors.

    Returns:
        The one that is named, or OpenAI's `text-embedding-3-small` where OpenAI's own server answers, whose chat models give no
        vectors; None elsewhere: the model that answers is asked.

    Example:
        >>> vectors_backend(Settings(llm=LLMSection(model_name="m", api_endpoint="http://127.0.0.1:8000/v1"))) is None
        True
    """
    read_env_file()
    llm = settings.llm
    if llm.provider == "openai" and not (llm.openai.embedding_model or llm.api_endpoint or PROVIDERS["openai"].own_address):
        block = llm.openai.model_copy(update={"embedding_model": _OPENAI_VECTORS})
        settings = settings.model_copy(update={"llm": llm.model_copy(update={"openai": block})})
    return settings.embedding_backend()


def _without_key(words: Mapping[str, str]) -> dict[str, str]:
    return {name: word for name, word in words.items() if name != "api_key"}
