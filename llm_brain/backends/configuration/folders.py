"""Where models lie on this machine: in folders that `save_pretrained` wrote, and in the cache that Hugging Face's tools fill."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from llm_brain.backends import embedded
from llm_brain.backends.local.files import CONFIG
from llm_brain.errors import WeightsError

_HUB_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")
_COMMIT: Final = re.compile("[0-9a-f]{40}")


class ModelFolder(NamedTuple):
    """A model's folder, or the one file that holds it.

    Attributes:
        name: The folder's name, or what the model is called on the hub that it was fetched from.
        path: The folder, or a GGUF file.

    Example:
        >>> ModelFolder("smollm2", Path("models/smollm2")).name
        'smollm2'
    """

    name: str
    path: Path


def local_folder(name: str) -> ModelFolder:
    """Find a model's folder, or its GGUF file: by the path, or by the name, if `model_folders` lists it. Fetches nothing.

    Raises:
        WeightsError: There is no such model on this machine.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "config.json").write_text("{}")
        ...     local_folder(folder).path == Path(folder).resolve()
        True
    """
    folder = Path(name).expanduser().resolve()
    for place in (folder, embedded.models_folder() / name if _HUB_NAME.fullmatch(name) else folder):
        if _is_model(place):
            return ModelFolder(place.name, place)
    if folder.suffix == ".gguf" and folder.is_file():
        return ModelFolder(folder.stem, folder)
    fetched = _snapshot(_hub_cache() / f"models--{name.replace('/', '--')}") if _HUB_NAME.fullmatch(name) else None
    if fetched is not None:
        return ModelFolder(name, fetched)
    what = f"holds no transformers model (no {CONFIG})" if folder.is_dir() else "is no GGUF file"
    there = what if folder.exists() else "is not there"
    cache = f", and the hub's cache ({_hub_cache()}) holds none of that name, which would not be fetched either"
    message = (
        f"there is no model {name!r} on this machine: {folder} {there}{cache if _HUB_NAME.fullmatch(name) else ''}. Give the "
        "folder that `save_pretrained` wrote, or a GGUF file, which ends in .gguf"
    )
    raise WeightsError(message)


def model_folders() -> list[ModelFolder]:
    """List the models that lie where models are kept: beside the embedded one, and in the hub's cache.

    Example:
        >>> embedded.NAME in [folder.name for folder in model_folders()]
        False
    """
    kept = [folder for folder in _folders(embedded.models_folder()) if folder.name != embedded.NAME]
    found = [ModelFolder(folder.name, folder) for folder in kept if _is_model(folder)]
    for folder in _folders(_hub_cache()):
        kind, _, name = folder.name.partition("--")
        snapshot = _snapshot(folder) if kind == "models" else None
        if snapshot is not None:
            found.append(ModelFolder(name.replace("--", "/"), snapshot))
    return found


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file()


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []


def _hub_cache() -> Path:
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return Path(named).expanduser()
    home = os.environ.get("HF_HOME")
    if home:
        return Path(home).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def _snapshot(folder: Path) -> Path | None:
    try:
        commit = (folder / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    snapshot = folder / "snapshots" / commit
    return snapshot if _COMMIT.fullmatch(commit) and _is_model(snapshot) else None
