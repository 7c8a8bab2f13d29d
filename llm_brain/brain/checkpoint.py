"""A brain on disk: its weights as safetensors, and one JSON file that says what they are.

    brain.json                      format, schema version, configuration, the weights' file and its SHA-256, the embedding
                                    it was used with, and whatever the caller adds (`extra`)
    weights-<hash>.safetensors      every trained tensor; a frozen embedding table is never among them

`brain.json` is replaced in one step, after the weights it names are safely on disk: whatever happens in between, the
folder holds the old brain or the new one, whole. Nothing is pickled, and nothing in a checkpoint can run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from llm_brain._atomic import write_atomically
from llm_brain.brain.config import BrainConfig
from llm_brain.brain.model import Brain
from llm_brain.errors import ArgumentError, CheckpointError

FORMAT = "llm_brain.brain"
SCHEMA = 1
MANIFEST = "brain.json"
FINGERPRINT_ROWS = 256


class LoadedBrain(NamedTuple):
    """A brain from a checkpoint, and what its saver added.

    Example:
        >>> LoadedBrain._fields
        ('brain', 'extra')
    """

    brain: Brain
    extra: dict[str, Any]


def save_brain(brain: Brain, folder: Path | str, extra: Mapping[str, Any] | None = None) -> Path:
    """Write a brain to a folder, replacing the brain that is there.

    Args:
        brain: What to save. The embedding that was handed in is not saved, only a fingerprint of it.
        folder: Where to. It is made when missing.
        extra: What else to keep: anything that JSON can hold.

    Returns:
        The folder.

    Raises:
        CheckpointError: `extra` does not fit into JSON, or the folder cannot be written.

    Example:
        >>> import tempfile
        >>> from llm_brain.brain import Brain, BrainConfig
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = save_brain(Brain(BrainConfig(input_size=4, choices=2)), folder, {"labels": ["no", "yes"]})
        ...     load_brain(folder).extra
        {'labels': ['no', 'yes']}
    """
    folder = Path(folder)
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in brain.state_dict().items()})
    digest = hashlib.sha256(weights).hexdigest()
    manifest = _Manifest(
        format=FORMAT,
        schema_version=SCHEMA,
        config=brain.config.model_dump(mode="json"),
        weights=f"weights-{digest[:16]}.safetensors",
        sha256=digest,
        embedding=None if brain.embedding is None else _fingerprint(brain.embedding),
        extra=dict(extra or {}),
    )
    try:
        text = json.dumps(dict(manifest), indent=2)
    except (TypeError, ValueError) as error:
        message = f"`extra` cannot be saved: {error}. Pass what JSON can hold: text, numbers, lists and dicts with text as keys"
        raise CheckpointError(message) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / manifest.weights, weights)
        write_atomically(folder / MANIFEST, text)
    except OSError as error:
        message = f"the brain could not be saved to {folder}: {error}. What was there before is untouched"
        raise CheckpointError(message) from error
    for old in folder.glob("weights-*.safetensors"):
        if old.name != manifest.weights:
            with suppress(OSError):
                old.unlink()
    return folder


def load_brain(folder: Path | str, *, embedding: Tensor | None = None, device: torch.device | str = "cpu") -> LoadedBrain:
    """Read a brain back, onto any device, in evaluation mode.

    Args:
        folder: Where `save_brain` wrote it.
        embedding: The frozen table it was used with, if it was. Without it the brain takes vectors only.
        device: Where the brain should live.

    Returns:
        The brain and what its saver added.

    Raises:
        CheckpointError: The folder holds no brain, or a damaged or foreign one, or the embedding is not the one it was
            trained with.

    Example:
        >>> load_brain("no/such/folder")
        Traceback (most recent call last):
        ...
        llm_brain.errors.CheckpointError: no brain in no/such/folder: brain.json is missing; check the path, ...
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    tensors = _read_weights(folder, manifest)
    try:
        config = BrainConfig.model_validate(manifest.config)
    except ValidationError as error:
        message = (
            f"{folder / MANIFEST} describes a brain that cannot be built: {_first(error)}; "
            "it was edited, or made by another version"
        )
        raise CheckpointError(message) from error
    _check_embedding(folder, manifest, embedding)
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are replaced; the caller's random numbers stay as they are
        brain = Brain(config)
    _check_tensors(folder, brain, tensors)
    brain.load_state_dict(tensors, assign=True)
    try:
        brain.set_embedding(embedding)
    except ArgumentError as error:
        message = f"the embedding does not fit the brain in {folder}: {error}"
        raise CheckpointError(message) from error
    brain.set_ablation(config.ablate)
    return LoadedBrain(brain.to(device).eval(), manifest.extra)


class _Manifest(BaseModel):
    model_config = ConfigDict(frozen=True)

    format: str
    schema_version: int
    config: dict[str, Any]
    weights: str
    sha256: str
    embedding: dict[str, Any] | None = None
    extra: dict[str, Any] = {}


def _read_manifest(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        message = f"no brain in {folder}: {MANIFEST} is missing; check the path, or train and save one first"
        raise CheckpointError(message)
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, OSError) as error:
        message = f"{path} cannot be read as JSON ({error}): it is damaged; restore it, or save the brain again"
        raise CheckpointError(message) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        message = f"{path} is not a brain of this package: its format is not {FORMAT!r}; check the path"
        raise CheckpointError(message)
    if content.get("schema_version") != SCHEMA:
        message = (
            f"{path} has schema version {content.get('schema_version')!r} and this version reads {SCHEMA}; upgrade llm_brain"
        )
        raise CheckpointError(message)
    try:
        return _Manifest.model_validate(content)
    except ValidationError as error:
        message = f"{path} is incomplete: {_first(error)}; restore it, or save the brain again"
        raise CheckpointError(message) from error


def _read_weights(folder: Path, manifest: _Manifest) -> dict[str, Tensor]:
    path = folder / manifest.weights
    if path.parent != folder or not path.is_file():
        message = f"{folder} names its weights {manifest.weights!r} and they are not there; copy the folder again, whole"
        raise CheckpointError(message)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest.sha256:
        message = (
            f"{path} is damaged: it is not the file that was saved (its SHA-256 differs); copy the folder again, or train again"
        )
        raise CheckpointError(message)
    try:
        return load(content)
    except SafetensorError as error:
        message = f"{path} is not a safetensors file: {error}; save the brain again"
        raise CheckpointError(message) from error


def _check_tensors(folder: Path, brain: Brain, tensors: Mapping[str, Tensor]) -> None:
    expected = brain.state_dict()
    for name in sorted({*expected, *tensors}):
        wanted = tuple(expected[name].shape) if name in expected else None
        found = tuple(tensors[name].shape) if name in tensors else None
        if wanted != found:
            message = (
                f"the weights in {folder} do not fit their configuration: {name!r} should be {wanted or 'absent'} and is "
                f"{found or 'absent'}; the checkpoint was made by another version or put together from two"
            )
            raise CheckpointError(message)


def _check_embedding(folder: Path, manifest: _Manifest, embedding: Tensor | None) -> None:
    if embedding is None or manifest.embedding is None:
        return
    if _fingerprint(embedding) != manifest.embedding:
        message = (
            f"the brain in {folder} was trained with another embedding table (of shape {manifest.embedding.get('shape')}): "
            "hand in the table of the same model"
        )
        raise CheckpointError(message)


def _fingerprint(embedding: Tensor) -> dict[str, Any]:
    """Hash evenly spaced rows: enough to tell two tables apart, in a millisecond."""
    rows = torch.linspace(0, embedding.shape[0] - 1, min(FINGERPRINT_ROWS, embedding.shape[0])).long()
    sample = embedding[rows.to(embedding.device)].detach().to("cpu", torch.bfloat16).view(torch.int16)
    return {"shape": list(embedding.shape), "sha256": hashlib.sha256(sample.contiguous().numpy().tobytes()).hexdigest()}


def _first(error: ValidationError) -> str:
    fault = error.errors()[0]
    return f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
