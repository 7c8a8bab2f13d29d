"""What a brain remembers, on disk: one safetensors file, with its own SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, overload

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from llm_brain._atomic import write_atomically
from llm_brain.brain.layers.network import PlasticRNN
from llm_brain.brain.layers.state import NetworkState
from llm_brain.brain.model import Brain
from llm_brain.brain.state import BrainState
from llm_brain.errors import ArgumentError, CheckpointError

FORMAT: Final = "llm_brain.state"
SCHEMA: Final = "1"


def save_state(state: BrainState | NetworkState, path: Path | str) -> Path:
    """Write what a brain or a network remembers to one safetensors file.

    Returns:
        The path.

    Raises:
        CheckpointError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> from llm_brain.brain import PlasticRNN
        >>> network = PlasticRNN(6, 8, heads=2)
        >>> _, state = network(torch.randn(5, 3, 6))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     later = load_state(network, save_state(state, f"{folder}/state.safetensors"))
        >>> torch.equal(later.blocks[0].neuron, state.blocks[0].neuron)
        True
    """
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.tensors().items()}
    about = {"format": FORMAT, "schema_version": SCHEMA, "sha256": _digest(tensors)}
    try:
        return write_atomically(path, save(tensors, about))
    except OSError as error:
        message = f"the state could not be saved to {path}: {error}. What was there before is untouched"
        raise CheckpointError(message) from error


@overload
def load_state(model: Brain, path: Path | str) -> BrainState: ...
@overload
def load_state(model: PlasticRNN, path: Path | str) -> NetworkState: ...
def load_state(model: Brain | PlasticRNN, path: Path | str) -> BrainState | NetworkState:
    """Read a state back, for a brain or a network of the same shape, onto its device and in its precision.

    Args:
        model: Who is to go on from it.
        path: Where `save_state` wrote it.

    Returns:
        The state, with as many rows as it was saved with.

    Raises:
        CheckpointError: The file is missing, foreign or damaged, or holds the state of another brain.

    Example:
        >>> from llm_brain.brain import PlasticRNN
        >>> load_state(PlasticRNN(6, 8, heads=2), "no/such/file")
        Traceback (most recent call last):
        ...
        llm_brain.errors.CheckpointError: no state at no/such/file: check the path, or save one first
    """
    path = Path(path)
    tensors = _read_state(path)
    try:
        state = model.initial_state(1).filled(tensors)
    except ArgumentError as error:
        message = f"the state in {path} does not fit: {error}"
        raise CheckpointError(message) from error
    if len({len(tensor) for tensor in tensors.values()}) > 1:
        message = f"the state in {path} has parts of different batches: it was put together from two; save it again"
        raise CheckpointError(message)
    like = next(model.parameters())
    return state.to(like.dtype).to(like.device)


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        message = f"no state at {path}: check the path, or save one first"
        raise CheckpointError(message)
    try:
        with safe_open(path, framework="pt") as file:
            about: dict[str, str] = file.metadata() or {}
            # Copied: these tensors are windows into the file, and would change with it.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        message = f"{path} is not a safetensors file, or is damaged: {error}; copy it again, or save the state again"
        raise CheckpointError(message) from error
    if about.get("format") != FORMAT:
        message = f"{path} holds no state that a brain remembers: its format is not {FORMAT!r}; check the path"
        raise CheckpointError(message)
    if about.get("schema_version") != SCHEMA:
        version = about.get("schema_version")
        message = f"{path} has schema version {version!r} and this version reads {SCHEMA!r}; upgrade llm_brain"
        raise CheckpointError(message)
    if about.get("sha256") != _digest(tensors):
        message = f"{path} is damaged: it is not what was saved (its SHA-256 differs); copy it again, or save the state again"
        raise CheckpointError(message)
    return tensors


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
