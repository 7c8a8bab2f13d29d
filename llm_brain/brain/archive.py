"""A folder that holds a model: tensors as safetensors, and one JSON file that says what they are.

    brain.json                      format, schema version, kind, configuration, the weights' file and its SHA-256, the embedding
                                    they were used with, whatever the caller adds (`extra`), and the SHA-256 of all this
    weights-<hash>.safetensors      every trained tensor

`brain.json` is replaced in one step, after the weights it names are safely on disk: whatever happens in between, the
folder holds the old model or the new one, whole. Nothing is pickled, and nothing in a folder can run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from llm_brain._atomic import write_atomically
from llm_brain.errors import CheckpointError

FORMAT: Final = "llm_brain.brain"
SCHEMA: Final = 2
MANIFEST: Final = "brain.json"

Kind = Literal["brain", "network"]


class Manifest(BaseModel):
    """What `brain.json` says.

    Attributes:
        format: Always `FORMAT`.
        schema_version: Of this file.
        kind: What the folder holds.
        config: What it is built from.
        weights: The name of the weights' file.
        sha256: Of that file.
        embedding: A fingerprint of the frozen table it was used with.
        extra: What its saver added.

    Example:
        >>> Manifest(kind="brain", config={}, weights="w", sha256="0").schema_version
        2
    """

    model_config = ConfigDict(frozen=True)

    format: str = FORMAT
    schema_version: int = SCHEMA
    kind: Kind
    config: dict[str, Any]
    weights: str
    sha256: str
    embedding: dict[str, Any] | None = None
    extra: dict[str, Any] = {}


def write_archive(
    folder: Path,
    kind: Kind,
    config: BaseModel,
    tensors: Mapping[str, Tensor],
    *,
    embedding: dict[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write a model to a folder, replacing what is there.

    Raises:
        CheckpointError: `extra` does not fit into JSON, or the folder cannot be written.

    Example:
        >>> import tempfile
        >>> from llm_brain.brain import BrainConfig, Choice
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_archive(Path(folder), "brain", BrainConfig(input_size=4, answer=Choice(options=2)), {})
        ...     read_archive(Path(folder), "brain")[0].config["input_size"]
        4
    """
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = hashlib.sha256(weights).hexdigest()
    manifest = Manifest(
        kind=kind,
        config=config.model_dump(mode="json"),
        weights=f"weights-{digest[:16]}.safetensors",
        sha256=digest,
        embedding=embedding,
        extra=dict(extra or {}),
    )
    try:
        text = sealed(dict(manifest))
    except (TypeError, ValueError) as error:
        message = f"`extra` cannot be saved: {error}. Pass what JSON can hold: text, numbers, lists and dicts with text as keys"
        raise CheckpointError(message) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / manifest.weights, weights)
        write_atomically(folder / MANIFEST, text)
    except OSError as error:
        message = f"the {kind} could not be saved to {folder}: {error}. What was there before is untouched"
        raise CheckpointError(message) from error
    for old in folder.glob("weights-*.safetensors"):
        if old.name != manifest.weights:
            with suppress(OSError):
                old.unlink()


def read_archive(folder: Path, kind: Kind) -> tuple[Manifest, dict[str, Tensor]]:
    """Read what `write_archive` wrote.

    Raises:
        CheckpointError: The folder holds no model, another kind of model, or a damaged or foreign one.

    Example:
        >>> read_archive(Path("no/such/folder"), "brain")
        Traceback (most recent call last):
        ...
        llm_brain.errors.CheckpointError: no brain in no/such/folder: brain.json is missing; check the path, ...
    """
    manifest = _read_manifest(folder, kind)
    if manifest.kind != kind:
        message = f"{folder} holds a {manifest.kind}, not a {kind}: read it with load_{manifest.kind}"
        raise CheckpointError(message)
    return manifest, _read_weights(folder, manifest)


def sealed(content: Mapping[str, Any]) -> str:
    """Write a manifest as JSON, with its own SHA-256.

    Raises:
        TypeError, ValueError: It does not fit into JSON.

    Example:
        >>> list(json.loads(sealed({"kind": "brain"})))
        ['kind', 'manifest_sha256']
    """
    return json.dumps({**content, "manifest_sha256": _digest(content)}, indent=2)


def unfit(error: ValidationError) -> str:
    """Say the first thing that is wrong with a value.

    Example:
        >>> try:
        ...     Manifest.model_validate({"kind": "brain", "config": {}, "weights": "w"})
        ... except ValidationError as error:
        ...     unfit(error)
        'sha256: Field required'
    """
    fault = error.errors()[0]
    return f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read_manifest(folder: Path, kind: Kind) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        message = f"no {kind} in {folder}: {MANIFEST} is missing; check the path, or train and save one first"
        raise CheckpointError(message)
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        message = f"{path} cannot be read as JSON ({error}): it is damaged; restore it, or save the {kind} again"
        raise CheckpointError(message) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        message = f"{path} is not a {kind} of this package: its format is not {FORMAT!r}; check the path"
        raise CheckpointError(message)
    version = content.get("schema_version")
    if version != SCHEMA:
        what = f"train and save the {kind} again" if version == 1 else "upgrade llm_brain"
        message = f"{path} has schema version {version!r} and this version reads {SCHEMA}; {what}"
        raise CheckpointError(message)
    if content.pop("manifest_sha256", None) != _digest(content):
        message = f"{path} is damaged or was edited (its SHA-256 differs): restore it, or save the {kind} again"
        raise CheckpointError(message)
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        message = f"{path} is incomplete: {unfit(error)}; restore it, or save the {kind} again"
        raise CheckpointError(message) from error


def _read_weights(folder: Path, manifest: Manifest) -> dict[str, Tensor]:
    path = folder / manifest.weights
    if path.parent != folder or not path.is_file():
        message = f"{folder} names its weights {manifest.weights!r} and they are not there; copy the folder again, whole"
        raise CheckpointError(message)
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error}"
        raise CheckpointError(message) from error
    if hashlib.sha256(content).hexdigest() != manifest.sha256:
        message = (
            f"{path} is damaged: it is not the file that was saved (its SHA-256 differs); copy the folder again, or train again"
        )
        raise CheckpointError(message)
    try:
        return load(content)
    except SafetensorError as error:
        message = f"{path} is not a safetensors file: {error}; save the {manifest.kind} again"
        raise CheckpointError(message) from error
