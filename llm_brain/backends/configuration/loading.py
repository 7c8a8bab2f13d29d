"""Models from YAML: a file that names a class and its settings, or the one-file form of a whole project.

    _target_: llm_brain.backends.OpenAIBackend      the class, one of this package or one that `register_backend` made known
    _partial_: true                                 as Hydra has it; the loader makes the backend either way
    model_id: gpt-5-mini
    context_length: 400000
    ...                                             the class's own settings

`config_yaml` reads the file, `config_targets` knows the classes and their keys, `config_settings` the one-file form.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llm_brain.backends.configuration.checks import check_values
from llm_brain.backends.configuration.settings import Settings, settings_of
from llm_brain.backends.configuration.targets import register_backend, target_of
from llm_brain.backends.configuration.yaml import plain, read_yaml, scalar
from llm_brain.backends.contract import LanguageBackend
from llm_brain.errors import DataError, ModelNameError

__all__ = ["Config", "Settings", "config_names", "load_config", "load_settings", "read_config", "register_backend"]

PACKAGED: Final = Path(__file__).parents[2] / "configs" / "llm"
_YAML: Final = (".yaml", ".yml")
_SECTIONS: Final = {"llm", "validation", "training"}


@dataclass(frozen=True)
class Config:
    """A config that was read, and not looked into yet.

    Attributes:
        data: What it says.
        where: Its file, for messages.

    Example:
        >>> read_config("openai", {"model_id": "gpt-5-mini"}).data["model_id"]
        'gpt-5-mini'
    """

    data: Mapping[str, Any]
    where: str

    @property
    def key(self) -> str:
        """All that it says, in one text: what makes it another model than the next one."""
        return json.dumps(self.data, sort_keys=True)

    @property
    def is_embedded(self) -> bool:
        """Whether it describes the embedded model, and nothing else."""
        said = {key: value for key, value in self.data.items() if value not in (None, {}) and key != "_partial_"}
        return said == {"_target_": "llm_brain.backends.LocalBackend", "model_id": "local"}

    def __repr__(self) -> str:
        return f"Config({self.where!r})"  # the data may hold a key

    def backend(self) -> LanguageBackend:
        """Make the backend that it describes.

        Raises:
            DataError: A key is unknown or a value does not fit, or it names a class that may not be named.
            MissingKeyError: A hosted model is described, and no key is set.
            WeightsError: The model's files are not on this machine.

        Example:
            >>> read_config("openai", {"model_id": "m", "base_url": "http://127.0.0.1:8000/v1"}).backend().model_id
            'm'
        """
        if "_target_" not in self.data:
            if _SECTIONS & self.data.keys():
                settings = settings_of(self.data, self.where)
                settings.warn_of_sampling()
                return settings.backend()
            message = (
                f"{self.where}: it names no model: `_target_` is missing, which names the backend's class; a file of the "
                "one-file form has `llm:` instead"
            )
            raise DataError(message)
        target = target_of(self.data["_target_"], self.where)
        markers = {key: value for key, value in self.data.items() if key.startswith("_")}
        check_values({"_target_": str, "_partial_": bool}, markers, self.where)
        return target.build({key: value for key, value in self.data.items() if key not in markers}, self.where)


def load_config(source: str | os.PathLike[str] | Mapping[str, Any], /, **changes: Any) -> LanguageBackend:
    """Make the backend that a config describes.

    `_partial_` says to Hydra that it should make a function, which makes the object later. Nothing has to be put off here, since
    a backend loads no weights and opens no connection until it is asked, so it is made whether `_partial_` is there or not.

    Args:
        source: The name of a packaged config, see `config_names`; a file's path; or a mapping, such as Hydra's DictConfig.
        changes: Values that stand instead of the config's own.

    Raises:
        DataError: The config is not there or cannot be used; the message names the file, the key and what was expected.
        ModelNameError: No packaged config has that name.
        MissingKeyError: A hosted model is described, and no key is set.
        WeightsError: The model's files are not on this machine.

    Example:
        >>> load_config("fschat", model_id="openchat_3.5", context_length=8192)
        OpenAIBackend('openchat_3.5', base_url='http://127.0.0.1:8000/v1')
        >>> load_config({"_target_": "llm_brain.backends.LocalBackend", "model_id": "local"}).model_id
        'smollm2-135m-instruct'
        >>> load_config("openai", modle_id="gpt-5-mini")
        Traceback (most recent call last):
        ...
        llm_brain.errors.DataError: config:openai: unknown key `modle_id`: did you mean `model_id`?
    """
    return read_config(source, changes).backend()


def load_settings(source: str | os.PathLike[str] | Mapping[str, Any]) -> Settings:
    """Read a file of the one-file form: `llm:`, `validation:` and `training:`.

    Args:
        source: The file's path, or its content.

    Raises:
        DataError: The file is not there or cannot be used; the message names the key and what was expected.

    Example:
        >>> settings = load_settings({"llm": {"provider": "local"}, "validation": {"interval": 2}})
        >>> settings.validation.interval, settings.sampling.temperature
        (2, 0.7)
        >>> load_settings({"llm": {"provider": "opnai"}})
        Traceback (most recent call last):
        ...
        llm_brain.errors.DataError: the mapping: `llm.provider`: input should be 'openai', ...
    """
    if isinstance(source, Mapping):
        return settings_of(plain(source, "the mapping"), "the mapping")
    path = Path(source).expanduser()
    return settings_of(read_yaml(path), str(path))


def config_names() -> list[str]:
    """List the packaged configs.

    Example:
        >>> config_names()
        ['anthropic', 'embedded', 'fschat', 'hf', 'hf/openchat_3.5', 'human', 'openai']
    """
    return sorted(file.relative_to(PACKAGED).with_suffix("").as_posix() for file in PACKAGED.rglob("*.yaml"))


def config_title(name: str) -> str:
    """Tell what a packaged config is for: the first sentence of its file.

    Example:
        >>> config_title("human")
        'A person at the terminal answers'
    """
    with (PACKAGED / f"{name}.yaml").open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").partition(". ")[0].strip().removesuffix(".")


def read_config(source: str | os.PathLike[str] | Mapping[str, Any], changes: Mapping[str, Any] | None = None) -> Config:
    """Read a config, without making its backend.

    Args:
        source: As for `load_config`; behind a packaged name or a path, changes may follow: `"openai,model_id=gpt-5-mini"`.
        changes: Values that stand instead of the config's own.

    Raises:
        DataError: It is not there, or is no config.
        ModelNameError: No packaged config has that name.

    Example:
        >>> read_config("openai,model_id=gpt-5-mini,retries=0").data["retries"]
        0
    """
    if isinstance(source, Mapping):
        where, data = "the mapping", plain(source, "the mapping")
    else:
        path, more = _found(source) if isinstance(source, str) else (Path(source), {})
        where = f"config:{path.relative_to(PACKAGED).with_suffix('').as_posix()}" if path.is_relative_to(PACKAGED) else str(path)
        data = read_yaml(path)
        changes = {**more, **(changes or {})}
    return Config({**data, **plain(changes or {}, "the changes")}, where)


def _found(text: str) -> tuple[Path, dict[str, Any]]:
    if text.endswith(_YAML):
        return Path(text).expanduser(), {}
    name, *parts = text.split(",")
    changes = {}
    for part in parts:
        key, is_given, value = part.partition("=")
        if not is_given or not key.strip():
            message = f"{part!r} changes nothing in the config {name!r}: write `key=value`, and a comma between two of them"
            raise DataError(message)
        changes[key.strip()] = scalar(value)
    if name.endswith(_YAML):
        return Path(name).expanduser(), changes
    names = config_names()
    if name not in names:
        near = difflib.get_close_matches(name.casefold(), names, n=1)
        meant = f": did you mean 'config:{near[0]}'?" if near else "."
        known = ", ".join(map(repr, names))
        message = f"unknown config {name!r}{meant} Known: {known}; a config of your own is named by its path, which ends in .yaml"
        raise ModelNameError(message)
    return PACKAGED / f"{name}.yaml", changes
