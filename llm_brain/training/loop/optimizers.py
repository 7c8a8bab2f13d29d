"""What an optimiser keeps of each parameter, as tensors by name and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Mapping[Tensor, str]) -> dict[str, Tensor]:
    """Give what an optimiser keeps of each parameter, by name, for a checkpoint.

    Args:
        optimizer: Any whose state holds tensors and numbers.
        names: Those of the parameters.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = torch.optim.SGD([weight], 0.1, momentum=0.9)
        >>> weight.sum().backward(); _ = optimizer.step()
        >>> list(optimizer_tensors(optimizer, {weight: "weight"}))
        ['optimizer.momentum_buffer.weight']
    """
    kept = {}
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            if value is not None:
                kept[f"optimizer.{key}.{names[parameter]}"] = torch.as_tensor(value)
    return kept


def restore_optimizer(optimizer: torch.optim.Optimizer, names: Mapping[Tensor, str], tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = torch.optim.SGD([weight], 0.1, momentum=0.9)
        >>> restore_optimizer(optimizer, {weight: "weight"}, {"optimizer.momentum_buffer.weight": torch.ones(1)})
        >>> optimizer.state[weight]
        {'momentum_buffer': tensor([1.])}
    """
    for parameter, name in names.items():
        for key, value in tensors.items():
            if key.startswith("optimizer.") and key.endswith(f".{name}"):
                kind = key[len("optimizer.") : -len(name) - 1]
                if "." not in kind:
                    optimizer.state[parameter][kind] = value.to(parameter.device) if value.dim() else value
