"""Brains and networks on disk: safetensors and JSON, see `archive`. A frozen embedding table is never saved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from llm_brain.brain.archive import MANIFEST, Manifest, read_archive, unfit, write_archive
from llm_brain.brain.config import BrainConfig
from llm_brain.brain.layers.ablations import Ablation
from llm_brain.brain.layers.network import PlasticRNN
from llm_brain.brain.model import Brain
from llm_brain.errors import ArgumentError, CheckpointError

FINGERPRINT_ROWS = 256

Config = TypeVar("Config", bound=BaseModel)


class LoadedBrain(NamedTuple):
    """A brain from a checkpoint, and what its saver added.

    Example:
        >>> LoadedBrain._fields
        ('brain', 'extra')
    """

    brain: Brain
    extra: dict[str, Any]


def save_brain(brain: Brain, folder: Path | str, extra: Mapping[str, Any] | None = None) -> Path:
    """Write a brain to a folder, replacing what is there.

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
        >>> from llm_brain.brain import Brain, BrainConfig, Choice
        >>> brain = Brain(BrainConfig(input_size=4, answer=Choice(options=2)))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = save_brain(brain, folder, {"labels": ["no", "yes"]})
        ...     load_brain(folder).extra
        {'labels': ['no', 'yes']}
    """
    embedding = None if brain.embedding is None else _fingerprint(brain.embedding)
    write_archive(Path(folder), "brain", brain.config, brain.state_dict(), embedding=embedding, extra=extra)
    return Path(folder)


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
    manifest, tensors = read_archive(folder, "brain")
    config = _config(folder, manifest, BrainConfig)
    _check_embedding(folder, manifest, embedding)
    with _building(folder):
        brain = Brain(config)
    _fill(folder, brain, tensors)
    try:
        brain.set_embedding(embedding)
    except ArgumentError as error:
        message = f"the embedding does not fit the brain in {folder}: {error}"
        raise CheckpointError(message) from error
    return LoadedBrain(brain.to(device).eval(), manifest.extra)


def save_network(network: PlasticRNN, folder: Path | str) -> Path:
    """Write a network without inputs or head to a folder, replacing what is there.

    Returns:
        The folder.

    Raises:
        CheckpointError: The folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     load_network(save_network(PlasticRNN(6, 8, heads=2), folder)).hidden_size
        8
    """
    write_archive(Path(folder), "network", _NetworkConfig.of(network), network.state_dict())
    return Path(folder)


def load_network(folder: Path | str, *, device: torch.device | str = "cpu") -> PlasticRNN:
    """Read a network back, onto any device, in evaluation mode.

    Raises:
        CheckpointError: The folder holds no network, or a damaged or foreign one.

    Example:
        >>> load_network("no/such/folder")
        Traceback (most recent call last):
        ...
        llm_brain.errors.CheckpointError: no network in no/such/folder: brain.json is missing; check the path, ...
    """
    folder = Path(folder)
    manifest, tensors = read_archive(folder, "network")
    config = _config(folder, manifest, _NetworkConfig)
    with _building(folder):
        network = PlasticRNN(**config.model_dump())
    _fill(folder, network, tensors)
    return network.to(device).eval()


class _NetworkConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    input_size: int
    hidden_size: int
    num_layers: int
    heads: int
    key_size: int
    expansion: int
    conv_size: int
    chunk: int
    dropout: float
    batch_first: bool
    ablate: tuple[Ablation, ...]

    @classmethod
    def of(cls, network: PlasticRNN) -> _NetworkConfig:
        block = network.blocks()[0]
        return cls(
            input_size=network.input_size,
            hidden_size=network.hidden_size,
            num_layers=network.num_layers,
            heads=block.heads,
            key_size=block.key_size,
            expansion=block.expansion,
            conv_size=network.conv_size,
            chunk=block.chunk,
            dropout=block.dropout,
            batch_first=network.batch_first,
            ablate=tuple(sorted(block.ablated)),
        )


def _config(folder: Path, manifest: Manifest, kind: type[Config]) -> Config:
    try:
        return kind.model_validate(manifest.config)
    except ValidationError as error:
        message = (
            f"{folder / MANIFEST} describes a {manifest.kind} that cannot be built: {unfit(error)}; "
            "it was edited, or made by another version"
        )
        raise CheckpointError(message) from error


@contextmanager
def _building(folder: Path) -> Iterator[None]:
    """Build what is then filled: the weights drawn here are replaced, and the caller's random numbers stay as they are."""
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    except ArgumentError as error:
        message = f"{folder / MANIFEST} describes what cannot be built: {error}; it was edited, or made by another version"
        raise CheckpointError(message) from error


def _fill(folder: Path, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    expected = module.state_dict()
    for name in sorted({*expected, *tensors}):
        wanted = tuple(expected[name].shape) if name in expected else None
        found = tuple(tensors[name].shape) if name in tensors else None
        if wanted != found:
            message = (
                f"the weights in {folder} do not fit their configuration: {name!r} should be {wanted or 'absent'} and is "
                f"{found or 'absent'}; the checkpoint was made by another version or put together from two"
            )
            raise CheckpointError(message)
    module.load_state_dict(tensors, assign=True)


def _check_embedding(folder: Path, manifest: Manifest, embedding: Tensor | None) -> None:
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
