"""A running average of a network's weights, which generalises better than any one step's (Polyak and Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class RunningAverage:
    """Averages the parameters of a module over its updates.

    Args:
        module: Its parameters are followed; its buffers are not, a frozen embedding table among them.
        decay: How much of the average stays at each update, once there were enough of them to average.

    Attributes:
        values: The averages, in the order of the module's parameters.
        updates: How many updates were taken in. Whoever restores the values restores this too.

    Example:
        >>> module = nn.Linear(1, 1, bias=False)
        >>> average = RunningAverage(module, decay=0.5)
        >>> _ = module.weight.data.fill_(1.0); average.update(); _ = module.weight.data.fill_(3.0); average.update()
        >>> with average.applied():
        ...     1.0 < module.weight.item() < 3.0
        True
        >>> module.weight.item()
        3.0
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._parameters = list(module.parameters())
        self._decay = decay
        self.updates = 0
        self.values: list[torch.Tensor] = [parameter.detach().clone() for parameter in self._parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Take the parameters into the average."""
        self.updates += 1
        # Early on the average forgets its random beginning faster.
        decay = min(self._decay, self.updates / (self.updates + 10))
        get_ema_multi_avg_fn(decay)(self.values, [parameter.detach() for parameter in self._parameters], None)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the averages in the place of the parameters inside a `with` block."""
        kept = [parameter.detach().clone() for parameter in self._parameters]
        self._put(self.values)
        try:
            yield
        finally:
            self._put(kept)

    @torch.no_grad()
    def _put(self, values: list[torch.Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.copy_(value)
