"""The four neuromodulators of a block: from what was observed to the tonic levels and to the signed dopamine signal.

    drive_t = W_n u_t + w_r r_{t-1} + w_d delta_{t-1} + b
    n_t     = kappa * n_{t-1} + (1 - kappa) * sigmoid(drive_t)                            tonic level of each channel
    m_t     = tanh(W_m u_t + g_DA delta_{t-1} + g_tonic (n_t[DA] - 1/2) + b_m)            one signed value a head

`W_n u + b` and `W_m u + b_m` arrive already computed: the block projects its input once for all that read it.
A modulator depends on what is observed (the input, the previous reward, the recorded prediction error) and never on the
plastic state: that is what lets a sequence be computed in parallel. The four names are role labels, not biophysics.

An ablated channel is frozen: its tonic level is `RESTING_LEVEL`, where every level starts, and an ablated dopamine commits
everything with the constant `MEAN_DOPAMINE`, around which a fresh brain's signal is centred.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from llm_brain.brain.equations.recurrences import leaky_average
from llm_brain.errors import ArgumentError

Channel = Literal["dopamine", "acetylcholine", "noradrenaline", "serotonin"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
RESTING_LEVEL = 0.5
MEAN_DOPAMINE = 0.5
INITIAL_RETENTION: dict[Channel, float] = {
    "dopamine": 0.5,
    "acetylcholine": 0.9,
    "noradrenaline": 0.8,
    "serotonin": 0.98,
}


class ModulatorSignals(NamedTuple):
    """What the modulators say at each step: the time courses that the neuron and the synapses obey.

    Attributes:
        tonic: Levels between 0 and 1 in the order of `CHANNELS`, `[T, B, 4]`.
        dopamine: m, signed, between -1 and 1, `[T, B, H]`.

    Example:
        >>> import torch
        >>> ModulatorSignals(torch.full((5, 1, 4), 0.5), torch.zeros(5, 1, 2)).channel("serotonin").shape
        torch.Size([5, 1, 1])
    """

    tonic: Tensor
    dopamine: Tensor

    def channel(self, name: Channel) -> Tensor:
        """Take the tonic level of one channel, `[T, B, 1]`."""
        at = CHANNELS.index(name)
        return self.tonic[..., at : at + 1]


class Modulators(nn.Module):
    """The modulators of one block: four tonic levels and one dopamine signal a head.

    Learned: the retention of each channel (through a sigmoid, from `INITIAL_RETENTION`), and how reward and prediction
    error enter.

    Args:
        heads: H, how many dopamine signals there are.
        chunk: Steps computed at once.
        ablate: Channels frozen from the start; see `set_ablation`.

    Example:
        >>> import torch
        >>> modulators = Modulators(heads=2)
        >>> signals, last = modulators(torch.zeros(6, 1, 4), torch.zeros(6, 1, 2))
        >>> signals.tonic.shape, signals.dopamine.shape, last.shape
        (torch.Size([6, 1, 4]), torch.Size([6, 1, 2]), torch.Size([1, 4]))
    """

    frozen: Tensor

    def __init__(self, heads: int, *, chunk: int = 64, ablate: Iterable[Channel] = ()) -> None:
        super().__init__()
        self.chunk = chunk
        start = torch.tensor([INITIAL_RETENTION[channel] for channel in CHANNELS])
        self.retention_logit = nn.Parameter(torch.logit(start))
        self.reward_to_drive = nn.Parameter(torch.ones(len(CHANNELS)))
        self.error_to_drive = nn.Parameter(torch.ones(len(CHANNELS)))
        self.error_to_dopamine = nn.Parameter(torch.ones(heads))
        self.tonic_to_dopamine = nn.Parameter(torch.zeros(heads))
        self.register_buffer("frozen", torch.zeros(len(CHANNELS), dtype=torch.bool), persistent=False)
        self.ablated: frozenset[Channel] = frozenset()
        self.set_ablation(ablate)

    def set_ablation(self, channels: Iterable[Channel]) -> None:
        """Freeze these channels and release all others.

        Example:
            >>> modulators = Modulators(heads=2)
            >>> modulators.set_ablation(["serotonin"])
            >>> sorted(modulators.ablated)
            ['serotonin']
        """
        self.ablated = frozenset(channels)
        unknown = sorted(self.ablated.difference(CHANNELS))
        if unknown:
            message = f"no modulator is called {unknown[0]!r}: choose from {', '.join(CHANNELS)}"
            raise ArgumentError(message)
        self.frozen = torch.tensor([channel in self.ablated for channel in CHANNELS], device=self.retention_logit.device)

    def resting(self, batch: int) -> Tensor:
        """Build the levels before the first step, `[B, 4]`, all at `RESTING_LEVEL`.

        Example:
            >>> Modulators(heads=2).resting(1).tolist()
            [[0.5, 0.5, 0.5, 0.5]]
        """
        return self.retention_logit.new_full((batch, len(CHANNELS)), RESTING_LEVEL)

    def forward(
        self,
        drive: Tensor,
        dopamine: Tensor,
        initial: Tensor | None = None,
        *,
        reward: Tensor | None = None,
        prediction_error: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[ModulatorSignals, Tensor]:
        """Compute the signals of every step, and the tonic levels after each row's last one.

        Args:
            drive: `W_n u + b`, `[T, B, 4]`.
            dopamine: `W_m u + b_m`, `[T, B, H]`.
            initial: Tonic levels before the first step, `[B, 4]`; resting when omitted.
            reward: What was received just before each step, `[T, B]`.
            prediction_error: What was recorded just before each step, `[T, B]`.
            lengths: Real steps of each row, `[B]`.

        Returns:
            The signals, and the levels `[B, 4]` to start from next time.
        """
        if reward is not None:
            drive = drive + reward[..., None] * self.reward_to_drive
        if prediction_error is not None:
            drive = drive + prediction_error[..., None] * self.error_to_drive
            dopamine = dopamine + prediction_error[..., None] * self.error_to_dopamine
        # Averaged as a deviation from rest, so that a fresh start has nothing to carry in.
        deviation = leaky_average(
            drive.sigmoid() - RESTING_LEVEL,
            self.retention_logit.sigmoid(),
            None if initial is None else initial - RESTING_LEVEL,
            chunk=self.chunk,
        )
        if self.ablated:
            deviation = deviation.masked_fill(self.frozen, 0.0)
        if "dopamine" in self.ablated:
            dopamine = torch.full_like(dopamine, MEAN_DOPAMINE)
        else:
            dopamine = torch.addcmul(dopamine, deviation.narrow(-1, 0, 1), self.tonic_to_dopamine).tanh()
        tonic = deviation + RESTING_LEVEL
        return ModulatorSignals(tonic, dopamine), self._last(tonic, initial, lengths)

    def _last(self, tonic: Tensor, initial: Tensor | None, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            return tonic[-1].clone()
        before = self.resting(tonic.shape[1]) if initial is None else initial
        at = (lengths.long() - 1).clamp(min=0)[None, :, None].expand(1, -1, len(CHANNELS))
        return torch.where(lengths[:, None] > 0, tonic.gather(0, at).squeeze(0), before)


def initial_dopamine_bias() -> float:
    """Give the bias b_m at which a fresh dopamine signal is centred on `MEAN_DOPAMINE`.

    Example:
        >>> round(math.tanh(initial_dopamine_bias()), 6)
        0.5
    """
    return math.atanh(MEAN_DOPAMINE)
