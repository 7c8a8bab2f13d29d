"""What `llm-brain doctor` looks at: packages, keys, models, servers, folders. Nothing is changed, and nothing heavy imported."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, Literal, NamedTuple

from llm_brain.cli.table import State
from llm_brain.errors import LLMBrainError, MissingKeyError

_PACKAGE: Final = "llm_brain"
_EXTRA: Final = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")
_ALL: Final = "all"
"""The extra that is all the others but the tools."""
_TOOLS: Final = "dev"
_ANSWERS: Final = {"reachable": "reachable", "refused": "refused", "failing": "failing", "unreachable": "not reachable"}
_OLDEST: Final = (3, 11)
_ROOM: Final = 1_000_000_000
"""The bytes that fetching and converting the embedded model may take, and some more."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        group: What kind of thing it is.
        name: Which one.
        state: How it is.
        told: What there is to say about it.

    Example:
        >>> Check("keys", "OPENAI_API_KEY", "note", "not set").state
        'note'
    """

    group: Literal["packages", "keys", "models", "servers", "folders"]
    name: str
    state: State
    told: str


def check_packages() -> Iterator[Check]:
    """Look at Python, and at the packages that this one and its extras need.

    Example:
        >>> next(check_packages()).name
        'Python'
    """
    version = ".".join(map(str, sys.version_info[:3]))
    is_fit = sys.version_info >= _OLDEST
    yield Check("packages", "Python", "ok" if is_fit else "broken", version if is_fit else f"{version}: 3.11 or later is needed")
    needed = _needed_packages()
    for extra, lines in needed.items():
        found = [_installed(line) for line in lines]
        present = ", ".join(package.told for package in found if package.is_right)
        wrong = ", ".join(package.told for package in found if not package.is_right)
        name = f"[{extra}]" if extra else _PACKAGE
        if not wrong:
            yield Check("packages", name, "ok", present)
            continue
        command = f"pip install '{_PACKAGE}[{extra}]'" if extra else f"pip install --upgrade {_PACKAGE}"
        there = f". There are {present}" if present else ""
        yield Check("packages", name, "note" if extra else "broken", f"{wrong}: {command}{there}")


def check_keys() -> Iterator[Check]:
    """Look which keys of hosted models are set, and never at what they are.

    Example:
        >>> "OPENAI_API_KEY" in [check.name for check in check_keys()]
        True
    """
    from llm_brain.backends.configuration.environment import ENV_FILE, PROVIDERS, came_from, check_key, read_env_file

    file = read_env_file()
    for provider in PROVIDERS.values():
        name = provider.key_variable
        if name is None:
            first, *others = provider.key_variables
            nor = f", and neither is {' or '.join(others)}" if others else ""
            yield Check("keys", first, "note", f"not set{nor}: {provider.form} needs it")
            continue
        source = came_from(name)
        try:
            check_key(provider.key or "", name)
        except MissingKeyError as error:
            yield Check("keys", name, "broken", f"{error}{f' ({source})' if source else ''}")
            continue
        yield Check("keys", name, "ok", f"set, by {source}" if source else "set")
    named = os.environ.get(ENV_FILE)
    if file is None and named:
        yield Check("keys", ".env", "broken", f"{ENV_FILE} names {named}, which cannot be read")
    else:
        yield Check("keys", ".env", "note" if file is None else "ok", "there is none" if file is None else str(file))


def check_models() -> Iterator[Check]:
    """Look whether the embedded model is there and sound.

    Example:
        >>> [check.name for check in check_models()]
        ['local']
    """
    from llm_brain.backends import embedded

    folder = embedded.models_folder() / embedded.NAME
    try:
        yield Check("models", "local", "ok", f"{embedded.NAME}, in {embedded.weights_folder()}")
    except (LLMBrainError, OSError) as error:
        yield Check("models", "local", "broken" if folder.exists() else "note", str(error))


def check_servers(*, offline: bool, timeout: float) -> Iterator[Check]:
    """Look whether the servers answer for which there is a key or an address, all at once.

    Args:
        offline: Ask none.
        timeout: The longest time for all of them, in seconds.

    Example:
        >>> {check.state for check in check_servers(offline=True, timeout=1.0)}
        {'note'}
    """
    from llm_brain.backends.configuration.environment import PROVIDERS, read_env_file
    from llm_brain.backends.hosted.catalogue import ask_servers

    read_env_file()
    wrong = dict(_unaskable())
    named = [kind for kind, provider in PROVIDERS.items() if provider.key or provider.own_address]
    asked = [kind for kind in named if not offline and kind not in wrong]
    answers = {answer.kind: answer for answer in ask_servers(asked, timeout=timeout)}
    states: dict[str, State] = {"reachable": "ok", "refused": "broken", "failing": "warning", "unreachable": "warning"}
    for kind in PROVIDERS:
        answer = answers.get(kind)
        if kind in wrong:
            yield Check("servers", kind, "broken", wrong[kind])
            continue
        if answer is None:
            yield Check("servers", kind, "note", "not asked (--offline)" if offline else "not asked: there is no key")
            continue
        told = f"{_ANSWERS[answer.state]}: {answer.told}"
        state = states[answer.state]
        if answer.state == "reachable" and not answer.models and answer.told != "0 models":
            state, told = "warning", f"{told}. Is it the address of an API, up to and with /v1?"
        yield Check("servers", kind, state, told if answer.url in told else f"{answer.url} {told}")


def _unaskable() -> Iterator[tuple[str, str]]:
    """Tell which servers cannot be asked, and why."""
    from llm_brain.backends.configuration.environment import PROVIDERS, check_key
    from llm_brain.backends.configuration.hosted import is_address

    for kind, provider in PROVIDERS.items():
        if provider.own_address and not is_address(provider.own_address):
            yield kind, f"{provider.url_variable} holds no address: write one up to and with /v1, as http://127.0.0.1:8000/v1"
            continue
        try:
            check_key(provider.key or "", provider.key_variable or "")
        except MissingKeyError:
            yield kind, f"not asked: {provider.key_variable} cannot be sent"


def check_folders() -> Iterator[Check]:
    """Look whether models can be written to where they are kept, and whether there is room.

    Example:
        >>> [check.name for check in check_folders()]
        ['models', 'temporary files']
    """
    from llm_brain.backends import embedded

    yield _folder("models", embedded.models_folder())
    yield _folder("temporary files", Path(tempfile.gettempdir()))


def _needed_packages() -> dict[str, list[str]]:
    """Group what the installed distribution asks for by its extras; what it asks for always stands under an empty name."""
    needed: dict[str, list[str]] = {"": []}
    try:
        lines = metadata.requires(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        return {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        extra = _EXTRA.search(marker)
        if not (extra and extra[1] == _ALL):
            needed.setdefault(extra[1] if extra else "", []).append(requirement.strip())
    return dict(sorted(needed.items(), key=lambda item: (item[0] == _TOOLS, item[0])))


class _Package(NamedTuple):
    told: str
    is_right: bool


def _installed(line: str) -> _Package:
    from packaging.requirements import Requirement

    requirement = Requirement(line)
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return _Package(f"{requirement.name} is not installed", is_right=False)
    if not requirement.specifier.contains(version, prereleases=True):
        return _Package(f"{requirement.name} is {version}, and {requirement.specifier} is needed", is_right=False)
    return _Package(f"{requirement.name} {version}", is_right=True)


def _folder(name: str, folder: Path) -> Check:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        if there != folder and not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            return Check("folders", name, "broken", f"{folder} cannot be made: {there} is not writable")
        with tempfile.TemporaryFile(dir=there):  # nothing may be written even where permissions allow it: in /proc, say
            pass
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Check("folders", name, "broken", f"{folder} cannot be written to: {error.strerror or error}")
    told = f"{folder}, {'writable' if there == folder else 'not made yet'}, {free / 1e9:,.1f} GB free"
    return Check("folders", name, "ok" if free >= _ROOM else "warning", told)
