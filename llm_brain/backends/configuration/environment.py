"""What the environment says of hosted models: their keys, their servers' addresses, and the `.env` file these may stand in.

    PROVIDERS        who hosts models, and the variables that hold the key and the address
    read_env_file    takes keys out of the nearest `.env`

What is set already is never changed.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from llm_brain.errors import MissingKeyError

ENV_FILE: Final = "LLM_BRAIN_ENV_FILE"
"""The variable that names the file to read instead of the nearest `.env`; empty, it says that none is read."""

_KEYS: Final = ("_API_KEY", "_API_TOKEN", "_TOKEN")
_ADDRESS: Final = "_BASE_URL"


class ConfigWarning(UserWarning):
    """Something about a config, or a `.env` file, that works but should be mended, or that was left out.

    Example:
        >>> issubclass(ConfigWarning, UserWarning)
        True
    """


@dataclass(frozen=True, slots=True)
class Provider:
    """Somebody who hosts models.

    Attributes:
        form: How its models are named.
        title: Who it is, for people.
        url: The address where nothing else is said, up to and with `/v1`.
        url_variable: The variable that may hold another address.
        key_variables: The variables that may hold the key; the first one that is set counts.

    Example:
        >>> provider = PROVIDERS["openai"]
        >>> provider.form, provider.key_variables
        ('openai:MODEL', ('OPENAI_API_KEY',))
    """

    form: str
    title: str
    url: str
    url_variable: str
    key_variables: tuple[str, ...]

    @property
    def key_variable(self) -> str | None:
        """The variable that holds a key now; None where there is none."""
        return next((name for name in self.key_variables if os.environ.get(name)), None)

    @property
    def key(self) -> str | None:
        """The key; None where none is set."""
        return os.environ[self.key_variable] if self.key_variable else None

    @property
    def own_address(self) -> str | None:
        """The address that the environment gives; None where it gives none."""
        return os.environ.get(self.url_variable) or None

    @property
    def variables(self) -> tuple[str | None, ...]:
        """The values of all its variables: what makes another model of the same name."""
        return tuple(os.environ.get(name) for name in (self.url_variable, *self.key_variables))


PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        "openai": Provider(
            "openai:MODEL",
            "OpenAI, or a compatible server",
            "https://api.openai.com/v1",
            "OPENAI_BASE_URL",
            ("OPENAI_API_KEY",),
        ),
        "anthropic": Provider(
            "anthropic:MODEL",
            "Anthropic",
            "https://api.anthropic.com/v1",
            "ANTHROPIC_BASE_URL",
            ("ANTHROPIC_API_KEY",),
        ),
        "hf-hosted": Provider(
            "hf-hosted:MODEL",
            "Hugging Face, hosted",
            "https://router.huggingface.co/v1",
            "HF_BASE_URL",
            ("HF_API_TOKEN", "HF_TOKEN"),
        ),
    }
)
"""Who hosts models, by the first part of their names."""


def read_env_file() -> Path | None:
    """Take keys from the `.env` of the working folder, or of the nearest folder above it that has one.

    Taken are variables whose names end like a key's (`_API_KEY`, `_TOKEN`), and `NAME_BASE_URL` where no key of that NAME is set
    elsewhere: a file in a folder that somebody else wrote can send no key of yours to a server of theirs. What is set already,
    if only to nothing, is never changed. Each folder is looked at once in a process. `$LLM_BRAIN_ENV_FILE` names another file,
    or, empty, none.

    Returns:
        The file that was read, now or earlier from this folder; None where there is none.

    Example:
        >>> os.environ["LLM_BRAIN_ENV_FILE"] = ""
        >>> read_env_file() is None
        True
    """
    named = os.environ.get(ENV_FILE)
    with _reading:
        try:
            place = (named, os.getcwd() if named is None else "")  # noqa: PTH109 - a text, for this is asked at each resolving
        except OSError:
            return None  # the working folder has gone
        if place not in _read:
            _read[place] = _take(_found() if named is None else Path(named).expanduser() if named else None)
        return _read[place]


def check_key(key: str, place: str) -> None:
    r"""Refuse a key that no header of a request can hold: one that was copied with a line break, say. Never shows it.

    Args:
        key: The key.
        place: Where it stands: the variable's name, for messages.

    Raises:
        MissingKeyError: It holds such a character.

    Example:
        >>> check_key("two\nlines", "OPENAI_API_KEY")
        Traceback (most recent call last):
        ...
        llm_brain.errors.MissingKeyError: OPENAI_API_KEY holds characters that no key has (a line break, a letter that ...
    """
    if not (key.isascii() and key.isprintable()):
        message = (
            f"{place} holds characters that no key has (a line break, a letter that is not ASCII), and cannot be sent: "
            "copy the key once more"
        )
        raise MissingKeyError(message)


def hosting_variables() -> tuple[tuple[str, str], ...]:
    """Return the variables that make another model of the same config: keys, addresses, and where models are kept.

    Example:
        >>> os.environ["SOME_HOST_API_KEY"] = "EMPTY"
        >>> ("SOME_HOST_API_KEY", "EMPTY") in hosting_variables()
        True
        >>> del os.environ["SOME_HOST_API_KEY"]
    """
    endings = (*_KEYS, _ADDRESS, "LLM_BRAIN_HOME")
    return tuple(sorted((name, value) for name, value in os.environ.items() if name.endswith(endings)))


def came_from(variable: str) -> Path | None:
    """Tell which file a variable was taken from; None where it was set before, or is not set.

    Example:
        >>> came_from("PATH") is None
        True
    """
    path, value = _taken.get(variable, (None, ""))
    return path if os.environ.get(variable) == value else None


_reading: Final = threading.Lock()
_read: Final[dict[tuple[str | None, str], Path | None]] = {}
_taken: Final[dict[str, tuple[Path, str]]] = {}


def _found() -> Path | None:
    from dotenv import find_dotenv

    path = find_dotenv(usecwd=True)
    return Path(path) if path else None


def _take(path: Path | None) -> Path | None:
    if path is None:
        return None
    from dotenv.parser import parse_stream

    try:
        with path.open(encoding="utf-8-sig") as file:
            # Without interpolation: a value could quote any other variable.
            bindings = list(parse_stream(file))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        warnings.warn(f"{path} cannot be read, and no key is taken from it: {reason}", ConfigWarning, stacklevel=4)
        return None
    for line in (binding.original.line for binding in bindings if binding.error):
        warnings.warn(f"{path}, line {line}: this is no NAME=VALUE, and is left out", ConfigWarning, stacklevel=4)
    values = {binding.key: binding.value for binding in bindings if binding.key is not None}
    keys = {name: value for name, value in values.items() if value and name.endswith(_KEYS)}
    addresses = {name: value for name, value in values.items() if value and name.endswith(_ADDRESS)}
    elsewhere = {name: [key for key in os.environ if _is_key_of(name, key)] for name in addresses}
    for name, value in {**keys, **addresses}.items():
        if name in os.environ:
            continue
        if elsewhere.get(name):
            message = (
                f"{name} of {path} is not taken, since {elsewhere[name][0]} is not from that file: "
                f"set {name} in the environment, too, if that is the server the key is for"
            )
            warnings.warn(message, ConfigWarning, stacklevel=4)
            continue
        os.environ[name] = value
        _taken[name] = (path, value)
    return path


def _is_key_of(address: str, name: str) -> bool:
    stem = address.removesuffix(_ADDRESS)
    return any(name == f"{stem}{ending}" for ending in _KEYS)
