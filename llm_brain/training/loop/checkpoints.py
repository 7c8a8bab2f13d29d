"""A training on disk: everything that is needed to go on where it stopped, as safetensors and JSON, replaced atomically.

    training.json                 epoch, position in it, step, metrics, the best score, answers that wait for their evaluations,
                                  and the name and hash of the tensors' file
    training-<hash>.safetensors   weights, their running average, the optimiser's moments, the prompts' mean rewards

The tensors are on the disk before the JSON that names them: whatever happens in between, the folder holds the old state or the
new one.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from llm_brain._atomic import write_atomically
from llm_brain.errors import CheckpointError

MANIFEST = "training.json"


class Waiting(BaseModel):
    """Answers that were handed in for evaluation, and not used yet; what they are worth stands in the journal.

    Example:
        >>> Waiting(number=3, prompt=0, version=7, targets=[1, 0], behaviour=[-0.7, -0.7]).version
        7
    """

    model_config = ConfigDict(strict=True)

    number: int
    prompt: int
    version: int
    targets: list[Any]
    behaviour: list[float]


class TrainingState(BaseModel):
    """Where a training stands between two updates.

    Attributes:
        fingerprint: What must be equal for another process to go on: settings, network and data.
        epoch: Whole epochs done.
        position: Updates done in the epoch that has begun.
        step: Updates done.
        sums: Metrics of the epoch that has begun, summed.
        counts: Over how many updates each.
        history: The metrics of each epoch.
        best: The best validation score so far, None before the first.
        tie: What that validation had to break ties with.
        waited: Validations since the best.
        waiting: Answers that wait for their evaluations.
        submitted: How many groups of answers were handed in.

    Example:
        >>> TrainingState(fingerprint="").best is None
        True
    """

    model_config = ConfigDict(strict=True)

    fingerprint: str
    epoch: int = 0
    position: int = 0
    step: int = 0
    sums: dict[str, float] = Field(default_factory=dict)
    counts: dict[str, int] = Field(default_factory=dict)
    history: list[dict[str, float]] = Field(default_factory=list)
    best: float | None = None
    tie: float = 0.0
    waited: int = 0
    waiting: list[Waiting] = Field(default_factory=list)
    submitted: int = 0


class _Manifest(BaseModel):
    model_config = ConfigDict(strict=True)

    state: TrainingState
    tensors: str
    sha256: str


def save_training(state: TrainingState, tensors: dict[str, torch.Tensor], folder: Path) -> None:
    """Write a training's state; what was there is replaced only when the new one is whole.

    Raises:
        CheckpointError: The folder cannot be written, because the disk is full, say; what was there is untouched.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_training(TrainingState(fingerprint="a", step=10), {"weight": torch.ones(2)}, pathlib.Path(folder))
        ...     load_training(pathlib.Path(folder), "a")[0].step
        10
    """
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    manifest = _Manifest(state=state, tensors=f"training-{digest[:16]}.safetensors", sha256=digest)
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


def load_training(folder: Path, fingerprint: str) -> tuple[TrainingState, dict[str, torch.Tensor]] | None:
    """Read a training's state and tensors, or None where there is none, or one of other settings or data.

    Raises:
        CheckpointError: There is one, and it is damaged.

    Example:
        >>> load_training(Path("no/such/folder"), "settings") is None
        True
    """
    try:
        # From text: JSON has one kind of list, and strict models tell lists from tuples.
        manifest = _Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, ValueError, RecursionError) as error:
        message = f"{folder / MANIFEST} cannot be read: {error}. Delete {folder} to begin anew"
        raise CheckpointError(message) from error
    if manifest.state.fingerprint != fingerprint:
        return None
    try:
        data = (folder / Path(manifest.tensors).name).read_bytes()
        if hashlib.sha256(data).hexdigest() != manifest.sha256:
            message = f"{manifest.tensors} in {folder} is damaged. Delete {folder} to begin anew"
            raise CheckpointError(message)
        return manifest.state, load(data)
    except (OSError, SafetensorError) as error:
        message = f"the checkpoint in {folder} is damaged: {error!r}. Delete {folder} to begin anew"
        raise CheckpointError(message) from error
