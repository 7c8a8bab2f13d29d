"""What a config says of a hosted model beside its name: the server's address, and where the key is."""

from __future__ import annotations

import os
import re
import warnings
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import urlsplit

from annotated_types import Ge, Gt
from pydantic import AfterValidator
from typing_extensions import TypedDict

from llm_brain.backends.configuration.environment import ConfigWarning, check_key, read_env_file
from llm_brain.backends.hosted.limits import Limits
from llm_brain.errors import DataError, MissingKeyError
from llm_brain.tracing.redaction import SHORTEST_SECRET, keep_secret

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*_(?:API_KEY|TOKEN)")


def is_address(text: str) -> bool:
    """Tell whether a text is a server's address.

    Example:
        >>> is_address("http://127.0.0.1:8000/v1"), is_address("127.0.0.1:8000")
        (True, False)
    """
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return is_one and text == text.strip()


def _address(text: str) -> str:
    if text and not is_address(text):
        message = "should be an address, up to and with /v1, like http://127.0.0.1:8000/v1"
        raise ValueError(message)
    return text


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        message = "should be the name of an environment variable that holds a key, like TOGETHER_API_KEY or HF_TOKEN"
        raise ValueError(message)
    return name


ServerAddress: TypeAlias = Annotated[str, AfterValidator(_address)]
"""An address that begins with http:// or https://, or an empty text, which stands for none."""


class HostedKeys(TypedDict, total=False):
    """The keys of hosted models that are more than a constructor's parameters, or stricter.

    Attributes:
        base_url: The server's address.
        server_ip: Another name of `base_url`.
        api_key: The key; it should rather be in the environment.
        api_key_env: The environment variable that holds the key.
        timeout: The longest time of a whole call, in seconds.
        retries: The most requests after the first one.
        limits: The most that may be asked.

    Example:
        >>> HostedKeys(retries=0)
        {'retries': 0}
    """

    base_url: ServerAddress | None
    server_ip: ServerAddress | None
    api_key: str | None
    api_key_env: Annotated[str, AfterValidator(_variable)] | None
    timeout: Annotated[float, Gt(0)]
    retries: Annotated[int, Ge(0)]
    limits: Limits | None


def with_key(arguments: dict[str, Any], where: str) -> dict[str, Any]:
    """Put the one address and the one key in their places.

    Args:
        arguments: What the config says.
        where: The config's name, for messages.

    Raises:
        DataError: There are two addresses, or two keys.
        MissingKeyError: The variable that `api_key_env` names is not set.

    Example:
        >>> with_key({"model": "m", "server_ip": "http://127.0.0.1:8000/v1", "api_key": "EMPTY"}, "fschat.yaml")
        {'model': 'm', 'api_key': 'EMPTY', 'base_url': 'http://127.0.0.1:8000/v1'}
    """
    read_env_file()
    made = {name: value for name, value in arguments.items() if name not in ("server_ip", "api_key_env")}
    address, variable = arguments.get("server_ip"), arguments.get("api_key_env")
    if address:
        if made.get("base_url"):
            message = f"{where}: `server_ip` and `base_url` are two names of one thing: give one of them"
            raise DataError(message)
        made["base_url"] = address
    warn_of_key(made.get("api_key"), where)
    if variable:
        if made.get("api_key"):
            message = f"{where}: `api_key` and `api_key_env` both say which key to use: give one of them"
            raise DataError(message)
        made["api_key"] = os.environ.get(variable)
        if not made["api_key"]:
            message = f"{where}: `api_key_env` names {variable}, which is not set: set it, or write it into a .env file"
            raise MissingKeyError(message)
    if made.get("api_key"):
        check_key(made["api_key"], variable or f"{where}: `api_key`")
    return {name: value or None if name in ("base_url", "api_key") else value for name, value in made.items()}


def warn_of_key(key: str | None, where: str) -> None:
    """Hide a key that a file holds from every trace and message, and say that the file is no place for it.

    Example:
        >>> warn_of_key("EMPTY", "fschat.yaml")  # what servers without keys are sent
    """
    if not key or len(key) < SHORTEST_SECRET:
        return
    keep_secret(key)
    message = f"{where} holds an API key, which whoever sees the file can use: put it into the environment or a .env file"
    warnings.warn(message, ConfigWarning, stacklevel=2)
