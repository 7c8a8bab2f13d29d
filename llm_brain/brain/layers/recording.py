"""Recording what the modulators say, for plots and tests: time courses, taken while a `with` block is open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from llm_brain.brain.layers.modulators import CHANNELS, Modulators, ModulatorSignals
from llm_brain.errors import ArgumentError


class Recording:
    """The time courses of the modulators, one for each block, over all calls since the recording began.

    Example:
        >>> import torch
        >>> modulators = Modulators(heads=2)
        >>> with record_modulators([modulators]) as recording:
        ...     for _ in range(3):
        ...         _ = modulators(torch.zeros(5, 1, 4), torch.zeros(5, 1, 2))
        >>> recording.course(0).tonic.shape
        torch.Size([15, 1, 4])
    """

    def __init__(self, blocks: int) -> None:
        self._courses: list[list[ModulatorSignals]] = [[] for _ in range(blocks)]

    def add(self, block: int, signals: ModulatorSignals) -> None:
        """Keep a copy of these signals, off the graph and on the processor."""
        self._courses[block].append(ModulatorSignals(*(course.detach().cpu().clone() for course in signals)))

    def course(self, block: int = 0) -> ModulatorSignals:
        """Give the signals of a block over all recorded calls, joined along time.

        Raises:
            ArgumentError: Nothing was recorded, or the recorded calls had different batch sizes.
        """
        calls = self._courses[block]
        if not calls:
            message = "nothing was recorded: call the brain inside the `with` block"
            raise ArgumentError(message)
        if len({call.tonic.shape[1] for call in calls}) > 1:
            message = "the recorded calls had different batch sizes: take them one by one from `calls`"
            raise ArgumentError(message)
        return ModulatorSignals(*(torch.cat(parts, dim=0) for parts in zip(*calls, strict=True)))

    def levels(self, block: int = 0) -> dict[str, float]:
        """Give each modulator's tonic level, averaged over all steps of all calls, padding included; nothing where there is none.

        Example:
            >>> with record_modulators([Modulators(heads=2)]) as recording:
            ...     pass
            >>> recording.levels()
            {}
        """
        steps = [call.tonic.flatten(end_dim=-2) for call in self._courses[block]]
        return dict(zip(CHANNELS, torch.cat(steps).mean(dim=0).tolist(), strict=True)) if steps else {}

    def calls(self, block: int = 0) -> tuple[ModulatorSignals, ...]:
        """Give the signals of a block, call by call."""
        return tuple(self._courses[block])


@contextmanager
def record_modulators(modulators: Sequence[Modulators]) -> Iterator[Recording]:
    """Record the signals of these modulators, one a block, while the `with` block is open.

    Example:
        >>> with record_modulators([Modulators(heads=2)]) as recording:
        ...     pass
        >>> recording.calls()
        ()
    """
    recording = Recording(len(modulators))

    handles = [module.register_forward_hook(_Hook(recording, block)) for block, module in enumerate(modulators)]
    try:
        yield recording
    finally:
        for handle in handles:
            handle.remove()


class _Hook:
    def __init__(self, recording: Recording, block: int) -> None:
        self.recording, self.block = recording, block

    def __call__(self, _: nn.Module, __: tuple[object, ...], output: tuple[ModulatorSignals, Tensor]) -> None:
        self.recording.add(self.block, output[0])
