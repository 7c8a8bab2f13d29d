"""The models of the benchmark: a core in nn.GRU's calling convention, and a linear readout.

Every core gives `features, state = core(input, state, reward)`, time first. Baselines see the reward in their input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

HEADS = 4
CONV = 4


class Network(nn.Module):
    """A core between an optional table of symbols and a linear readout."""

    def __init__(self, core: nn.Module, hidden: int, outputs: int, symbols: nn.Embedding | None) -> None:
        super().__init__()
        self.symbols = symbols
        self.core = core
        self.readout = nn.Linear(hidden, outputs)

    def forward(self, given: Tensor, state: Any = None, reward: Tensor | None = None) -> tuple[Tensor, Any]:
        features, state = self.core(given if self.symbols is None else self.symbols(given), state, reward=reward)
        return self.readout(features), state

    def step(self, given: Tensor, state: Any, reward: Tensor) -> tuple[Tensor, Any]:
        """Take one step `[B, inputs]`: in step mode where a core has one."""
        if hasattr(self.core, "step"):
            features, state = self.core.step(given, state or self.core.initial_state(len(given)), reward=reward)
            return self.readout(features), state
        output, state = self(given[None], state, reward)
        return output[0], state


class GRU(nn.GRU):
    """nn.GRU, which is given a reward as the others are and does not look at it."""

    def forward(self, given: Tensor, state: Tensor | None = None, reward: Tensor | None = None) -> tuple[Tensor, Tensor]:
        del reward
        output, state = super().forward(given, state)
        return output, state


class ConvolvedGRU(nn.Module):
    """nn.GRU behind the convolution over the last inputs that ours may have."""

    def __init__(self, inputs: int, hidden: int, layers: int, conv: int) -> None:
        super().__init__()
        self.conv = conv
        self.embed = nn.Linear(conv * inputs, hidden)
        self.gru = GRU(hidden, hidden, layers)

    def forward(self, given: Tensor, state: Tensor | None = None, reward: Tensor | None = None) -> tuple[Tensor, Tensor]:
        padded = functional.pad(given, (0, 0, 0, 0, self.conv - 1, 0))
        windows = torch.cat([padded[lag : lag + len(given)] for lag in range(self.conv)], dim=-1)
        return self.gru(self.embed(windows), state, reward)


class MinGRU(nn.Module):
    """Feng et al. 2024, "Were RNNs all we needed?": gates and candidates see the input alone, and are scanned.

    The blocks are residual and have the same gated MLP as ours. The paper's convolution of width four is left out.
    """

    def __init__(self, inputs: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, hidden)
        self.blocks = nn.ModuleList(MinGRUBlock(hidden) for _ in range(layers))
        self.norm = nn.RMSNorm(hidden)

    def forward(self, given: Tensor, state: Any = None, reward: Tensor | None = None) -> tuple[Tensor, Any]:
        del reward
        features, states = self.embed(given), []
        for block, before in zip(self.blocks, state or [None] * len(self.blocks), strict=True):
            features, after = block(features, before)
            states.append(after)
        return self.norm(features), states


class MinGRUBlock(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm, self.inner_norm = nn.RMSNorm(hidden), nn.RMSNorm(hidden)
        self.gate_and_candidate = nn.Linear(hidden, 2 * hidden)
        self.out = nn.Linear(hidden, hidden)
        self.up, self.down = nn.Linear(hidden, 4 * hidden), nn.Linear(2 * hidden, hidden)

    def forward(self, given: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        from llm_brain.brain import gated_scan  # the same scan as ours

        gate, candidate = self.gate_and_candidate(self.norm(given)).chunk(2, dim=-1)
        gate = torch.sigmoid(gate)
        candidate = torch.where(candidate >= 0, candidate + 0.5, torch.sigmoid(candidate))
        hidden = gated_scan(gate, candidate, before)
        given = given + self.out(hidden)
        value, gate = self.up(self.inner_norm(given)).chunk(2, dim=-1)
        return given + self.down(value * functional.silu(gate)), hidden[-1]


def ours(inputs: int, hidden: int, layers: int, ablate: tuple[Any, ...] = (), conv: int = 1) -> nn.Module:
    from llm_brain.brain import PlasticRNN

    return PlasticRNN(inputs, hidden, num_layers=layers, heads=HEADS, ablate=ablate, conv_size=conv)


@dataclass(frozen=True)
class Model:
    """A way of making a core from its input size, hidden size and layers."""

    title: str
    build: Callable[[int, int, int], nn.Module]


CHANNELS = ("dopamine", "acetylcholine", "noradrenaline", "serotonin")
MODELS = {
    "ours": Model("ours", ours),
    "no_eligibility": Model("ours, no eligibility", partial(ours, ablate=("eligibility",))),
    "no_dopamine": Model("ours, no dopamine", partial(ours, ablate=("dopamine",))),
    "no_modulation": Model("ours, no modulator at all", partial(ours, ablate=CHANNELS)),
    "no_plasticity": Model("ours, no plasticity", partial(ours, ablate=("plasticity",))),
    "ours_conv": Model("ours, convolution over 4 inputs", partial(ours, conv=CONV)),
    "gru": Model("nn.GRU", GRU),
    "gru_conv": Model("nn.GRU, convolution over 4 inputs", partial(ConvolvedGRU, conv=CONV)),
    "mingru": Model("minGRU", MinGRU),
}


def make(name: str, inputs: int, outputs: int, hidden: int, layers: int, *, symbols: int | None = None) -> Network:
    """Make a network. `hidden` is ours; other models get the hidden size that comes closest to our number of parameters."""

    def network(build: Callable[[int, int, int], nn.Module], size: int) -> Network:
        table = None if symbols is None else nn.Embedding(symbols, inputs)
        return Network(build(inputs, size, layers), size, outputs, table)

    build = MODELS[name].build
    if name in {"gru", "gru_conv", "mingru"}:
        with torch.random.fork_rng():
            budget = parameters(network(ours, hidden))
            with torch.device("meta"):
                hidden = min(range(8, 4 * hidden, 4), key=lambda size: abs(parameters(network(build, size)) - budget))
    return network(build, hidden)


def parameters(module: nn.Module) -> int:
    """Count the parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
