"""From a model's name to a backend: what stands in `llm_strategy("...")` and on command lines."""

from __future__ import annotations

import difflib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from llm_brain.backends import embedded
from llm_brain.backends.contract import LanguageBackend
from llm_brain.backends.local import LocalBackend
from llm_brain.errors import ModelNameError, WeightsError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.language_models.llms import BaseLLM

    from llm_brain.backends.openai import OpenAIBackend

LOCAL: Final = "local"
KNOWN_FORMS: Final = (LOCAL, "hf:PATH", "openai:MODEL", "recorded:PATH")
"""How models are named: the embedded one, a transformers folder, a model at OpenAI or at `$OPENAI_BASE_URL`, a recording."""


def resolve_model(model: str | LanguageBackend | BaseChatModel | BaseLLM) -> LanguageBackend:
    """Turn whatever names a model into a backend. Loads no weights and opens no connection.

    Models are shared: the same name gives the same backend, so weights are in memory once, and hosted models keep their
    connections. Another `$OPENAI_BASE_URL` or `$OPENAI_API_KEY` makes another model of the same name.

    Args:
        model: A name in one of `KNOWN_FORMS`, a backend, which comes back as it is, or any LangChain model.

    Raises:
        ModelNameError: It is none of these; the message says which name is nearest.
        WeightsError: The model's files are not on this machine, or are damaged; the message holds the command that helps.
        MissingKeyError: A hosted model was named and no key is set.
        DataError: A recording was named that is not there, or is none.

    Example:
        >>> resolve_model("local").model_id
        'smollm2-135m-instruct'
        >>> resolve_model("local") is resolve_model("local")
        True
    """
    if isinstance(model, LanguageBackend):
        return model
    if not isinstance(model, str):
        return _wrapped(model)
    check_model_name(model)
    kind, _, rest = model.partition(":")
    if kind == "openai":
        return _hosted(rest)
    if kind == "recorded":
        from llm_brain.backends.recorded import RecordedBackend

        return RecordedBackend(Path(rest).expanduser())
    return _embedded() if kind == LOCAL else _folder(rest)


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
    if name == LOCAL or (kind in ("hf", "openai", "recorded") and rest.strip()):
        return
    heads = {form.partition(":")[0]: form for form in KNOWN_FORMS}
    near = difflib.get_close_matches(kind.strip().casefold(), heads, n=1)
    meant = "."
    if near:
        form = heads[near[0]]
        suggestion = f"{near[0]}:{rest}" if colon and rest.strip() and form != LOCAL else form
        meant = f": did you mean {suggestion!r}?"
    message = f"unknown model {name!r}{meant} Known: {', '.join(map(repr, KNOWN_FORMS))}"
    raise ModelNameError(message)


_sharing: Final = threading.Lock()
_shared: Final[dict[Path, LocalBackend]] = {}
_shared_hosted: Final[dict[tuple[str, str | None, str | None], OpenAIBackend]] = {}


def _embedded() -> LocalBackend:
    with _sharing:
        folder = embedded.models_folder() / embedded.NAME
        if folder not in _shared:
            # The files' hashes are checked here, once a process.
            _shared[folder] = LocalBackend(embedded.weights_folder(), model_id=embedded.NAME)
        return _shared[folder]


def _folder(path: str) -> LocalBackend:
    folder = Path(path).expanduser().resolve()
    if not (folder / "config.json").is_file():
        message = f"{folder} holds no transformers model (no config.json): give the folder that `save_pretrained` wrote"
        raise WeightsError(message)
    with _sharing:
        if folder not in _shared:
            _shared[folder] = LocalBackend(folder)
        return _shared[folder]


def _hosted(name: str) -> OpenAIBackend:
    from llm_brain.backends.openai import OpenAIBackend

    place = name, os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY")
    with _sharing:
        if place not in _shared_hosted:
            _shared_hosted[place] = OpenAIBackend(name)
        return _shared_hosted[place]


def _wrapped(model: object) -> LanguageBackend:
    # Asked by name, so that nobody pays for importing LangChain who does not use it.
    kinds = {kind.__name__ for kind in type(model).__mro__ if kind.__module__.partition(".")[0] == "langchain_core"}
    if not kinds & {"BaseChatModel", "BaseLLM"}:
        message = (
            f"{type(model).__name__} is no model: give a name ({', '.join(map(repr, KNOWN_FORMS))}), a LanguageBackend, "
            "or a LangChain model"
        )
        raise ModelNameError(message)
    from llm_brain.backends.langchain import LangChainBackend

    return LangChainBackend(cast("BaseChatModel | BaseLLM", model))
