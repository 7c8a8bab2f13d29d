"""Small networks in double precision, and what they live through."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from llm_brain.brain import Ablation, NetworkState, PlasticRNN

INPUT, WIDTH = 6, 8


def off_its_start(module: nn.Module) -> None:
    """Move every parameter, so that no term hides behind a zero."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))


def some_network(
    seed: int = 0,
    *,
    num_layers: int = 2,
    chunk: int = 5,
    expansion: int = 2,
    conv_size: int = 1,
    batch_first: bool = False,
    ablate: Iterable[Ablation] = (),
) -> PlasticRNN:
    torch.manual_seed(seed)
    network = PlasticRNN(
        INPUT,
        WIDTH,
        num_layers,
        heads=2,
        chunk=chunk,
        expansion=expansion,
        conv_size=conv_size,
        batch_first=batch_first,
        ablate=ablate,
    )
    off_its_start(network)
    return network.double()


def a_life(time: int, batch: int) -> dict[str, Tensor]:
    return {
        "input": torch.randn(time, batch, INPUT, dtype=torch.float64),
        "reward": torch.randn(time, batch, dtype=torch.float64),
        "prediction_error": torch.randn(time, batch, dtype=torch.float64),
    }


def between(lived: dict[str, Tensor], first: int, last: int) -> dict[str, Tensor]:
    return {name: part[first:last] for name, part in lived.items()}


def assert_same_state(found: NetworkState, expected: NetworkState, *, exactly: bool = False) -> None:
    rtol, atol = (0.0, 0.0) if exactly else (1e-9, 1e-10)
    torch.testing.assert_close(found.tensors(), expected.tensors(), rtol=rtol, atol=atol)


def gradients(network: nn.Module, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(network.parameters()), allow_unused=True, materialize_grads=True))
