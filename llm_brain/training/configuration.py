"""Settings of a lesson from YAML: how a brain is trained, and its shape.

    training:               fields of `TrainingSettings`
      epochs: 5
    brain:                  fields of `BrainConfig` that the task does not decide
      width: 96

All defaults, with a comment a key, are `configs/training/default.yaml` and `configs/brain/default.yaml` in this package: config
groups, as Hydra has them. What it composes is handed in as it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from llm_brain.backends.configuration.yaml import plain, read_yaml
from llm_brain.brain.config import BrainConfig
from llm_brain.brain.heads.answers import Choice
from llm_brain.errors import DataError
from llm_brain.strategy.words import explain
from llm_brain.training.settings import TrainingSettings

DECIDED: Final = ("input_size", "vocabulary", "answer")
"""Fields of `BrainConfig` that the reader and the return type decide."""

_SECTIONS: Final = ("training", "brain")


@dataclass(frozen=True)
class TeachingConfig:
    """How a brain is trained, and its shape.

    Attributes:
        settings: For `teach(settings=)`.
        brain: For `teach(brain=)`.

    Example:
        >>> TeachingConfig(TrainingSettings(epochs=2), {"width": 64}).brain["width"]
        64
    """

    settings: TrainingSettings = field(default_factory=TrainingSettings)
    brain: Mapping[str, Any] = field(default_factory=dict)


def load_teaching_config(
    source: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    training: Mapping[str, Any] | None = None,
    brain: Mapping[str, Any] | None = None,
) -> TeachingConfig:
    """Read a config of a lesson, and check it.

    Args:
        source: A YAML file with the sections `training:` and `brain:`, or a mapping of them, such as Hydra's DictConfig; None:
            the defaults.
        training: Values that stand instead of the config's own.
        brain: The same of the brain.

    Raises:
        DataError: The file is not there, a key is unknown or a value does not fit; the message names the section and the key.

    Example:
        >>> load_teaching_config({"training": {"epochs": 5}}, training={"seed": 1}, brain={"width": 96}).settings.epochs
        5
        >>> load_teaching_config(training={"epoch": 5})
        Traceback (most recent call last):
        ...
        llm_brain.errors.DataError: the settings: `training` does not fit: ...epoch...
    """
    data, where = _read(source)
    told = {
        "training": {**_section(data, "training", where), **(training or {})},
        "brain": {**_section(data, "brain", where), **(brain or {})},
    }
    if decided := [name for name in DECIDED if name in told["brain"]]:
        message = f"{where}: the task decides `{decided[0]}` of the brain: leave it out"
        raise DataError(message)
    section = "training"
    try:
        settings = TrainingSettings.model_validate(told["training"])
        section = "brain"
        BrainConfig.model_validate({**told["brain"], "input_size": 1, "answer": Choice(options=2)})
    except ValidationError as error:
        message = f"{where}: `{section}` does not fit: {explain(error)}"
        raise DataError(message) from error
    return TeachingConfig(settings, told["brain"])


def _read(source: str | os.PathLike[str] | Mapping[str, Any] | None) -> tuple[dict[str, Any], str]:
    if source is None:
        return {}, "the settings"
    if isinstance(source, Mapping):
        return plain(source, "the mapping"), "the mapping"
    path = Path(source).expanduser()
    return read_yaml(path), str(path)


def _section(data: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    if unknown := [key for key in data if key not in _SECTIONS]:
        message = f"{where}: unknown section `{unknown[0]}`: there are `training:` and `brain:`"
        raise DataError(message)
    section = data.get(name) or {}
    if not isinstance(section, dict):
        message = f"{where}: `{name}` is a mapping, `key: value` a line"
        raise DataError(message)
    return section
