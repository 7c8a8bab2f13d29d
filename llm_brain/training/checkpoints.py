"""A training on disk: everything that is needed to go on where it stopped, as safetensors and JSON, replaced atomically.

    training.json                 epoch, step, metrics, the best score, and the name and hash of the tensors' file
    training-<hash>.safetensors   weights, their running average, the optimiser's moments, the random state

The tensors are on the disk before the JSON that names them: whatever happens in between, the folder holds the old state or the
new one.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from llm_brain._atomic import write_atomically
from llm_brain.errors import CheckpointError

MANIFEST = "training.json"


@dataclass
class TrainingState:
    """Where a training stands at the end of an epoch.

    Attributes:
        epoch: Epochs done.
        step: Updates done.
        tensors: Everything that is a tensor, by name.
        history: The metrics of each epoch.
        best: The best validation score so far, None before the first.
        waited: Validations since the best.
        fingerprint: What must be equal for another process to go on: settings and data.

    Example:
        >>> TrainingState(epoch=1, step=10, tensors={}, fingerprint="").best is None
        True
    """

    epoch: int
    step: int
    tensors: dict[str, torch.Tensor]
    fingerprint: str
    history: list[dict[str, float]] = field(default_factory=list)
    best: float | None = None
    waited: int = 0


def save_training(state: TrainingState, folder: Path) -> None:
    """Write a training's state; what was there is replaced only when the new one is whole.

    Raises:
        CheckpointError: The folder cannot be written, because the disk is full, say; what was there is untouched.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_training(TrainingState(1, 10, {"weight": torch.ones(2)}, "settings"), pathlib.Path(folder))
        ...     load_training(pathlib.Path(folder), "settings").step
        10
    """
    data = save({name: tensor.detach().contiguous() for name, tensor in state.tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    manifest = _Manifest(
        epoch=state.epoch,
        step=state.step,
        history=state.history,
        best=state.best,
        waited=state.waited,
        fingerprint=state.fingerprint,
        tensors=f"training-{digest[:16]}.safetensors",
        sha256=digest,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / manifest.tensors, data)
        write_atomically(folder / MANIFEST, json.dumps(manifest.model_dump(), indent=1))
    except OSError as error:
        message = f"the training could not be saved to {folder}: {error}. The checkpoint that was there is untouched"
        raise CheckpointError(message) from error
    for old in folder.glob("*training-*.safetensors*"):  # the one before, and what a killed process left half written
        if old.name != manifest.tensors:
            with suppress(OSError):
                old.unlink()


def load_training(folder: Path, fingerprint: str) -> TrainingState | None:
    """Read a training's state, or None where there is none, or one of other settings or data.

    Raises:
        CheckpointError: There is one, and it is damaged.

    Example:
        >>> load_training(Path("no/such/folder"), "settings") is None
        True
    """
    try:
        manifest = _Manifest.model_validate(json.loads((folder / MANIFEST).read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, ValueError, RecursionError) as error:
        message = f"{folder / MANIFEST} cannot be read: {error}. Delete {folder} to begin anew"
        raise CheckpointError(message) from error
    if manifest.fingerprint != fingerprint:
        return None
    try:
        data = (folder / Path(manifest.tensors).name).read_bytes()
        if hashlib.sha256(data).hexdigest() != manifest.sha256:
            message = f"{manifest.tensors} in {folder} is damaged. Delete {folder} to begin anew"
            raise CheckpointError(message)
        tensors = load(data)
    except (OSError, SafetensorError) as error:
        message = f"the checkpoint in {folder} is damaged: {error!r}. Delete {folder} to begin anew"
        raise CheckpointError(message) from error
    return TrainingState(tensors=tensors, **manifest.model_dump(exclude={"tensors", "sha256"}))


class _Manifest(BaseModel):
    model_config = ConfigDict(strict=True)

    epoch: int
    step: int
    history: list[dict[str, float]]
    best: float | None
    waited: int
    fingerprint: str
    tensors: str
    sha256: str
