"""The rows of the tables: which layer is measured, in which environment, at which width."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.brain.speed.environment import SharingEnvironment

FOLDER = Path(__file__).parent
ENVIRONMENTS = FOLDER / ".environments"
WIDTH = 256
EQUAL_WIDTH, EQUAL_PARAMETERS = "width", "parameters"


@dataclass(frozen=True)
class Row:
    """One layer, called as nn.GRU is: `(input [T, B, width], state) -> (output [T, B, ...], state)`.

    Attributes:
        name: How the record calls it.
        title: How the tables call it.
        folder_name: Its folder in `peers/`, which holds `layer.py`; by default its name.
        packages: Distributions whose versions are recorded, beside torch's.
        has_environment: Whether it has an environment of its own; otherwise it runs in the one that runs the benchmark.
        width: Where the widths are equal.
        multiple: What its width must be a multiple of.
        batch: Sequences at once, where it is not everybody's.
        is_matched: Whether it is also measured at the reference's number of parameters.
        is_trained: Whether it is measured forward and backward; otherwise it only acts.
        acts: Whether it is measured a step at a time.
        is_compiled: Whether it is measured under torch.compile.
    """

    name: str
    title: str
    folder_name: str = ""
    packages: tuple[str, ...] = ()
    has_environment: bool = False
    width: int = WIDTH
    multiple: int = 1
    batch: int | None = None
    is_matched: bool = True
    is_trained: bool = True
    acts: bool = False
    is_compiled: bool = False

    @property
    def layer(self) -> str:
        """Give the name of its folder in `peers/`."""
        return self.folder_name or self.name

    @property
    def folder(self) -> Path:
        return FOLDER / "peers" / self.layer

    @property
    def settings(self) -> tuple[str, ...]:
        """Give the sizes at which it is trained."""
        if not self.is_trained:
            return ()
        return (EQUAL_WIDTH, EQUAL_PARAMETERS) if self.is_matched else (EQUAL_WIDTH,)

    @property
    def environment(self) -> SharingEnvironment | None:
        if not self.has_environment:
            return None
        return SharingEnvironment(ENVIRONMENTS / self.layer, self.folder / "requirements.txt")

    @property
    def python(self) -> Path:
        return self.environment.python if self.environment else Path(sys.executable)


REFERENCE = "gru"
OURS = ("neuron", "block", "block_mlp", "network", "plastic", "plastic_128", "rule")
ROWS = (
    Row("gru", "nn.GRU", acts=True),
    Row("gru_cell", "nn.GRUCell", is_trained=False, acts=True),
    Row("lstm", "nn.LSTM", acts=True),
    Row("neuron", "neuron", acts=True),
    Row("plastic", "plastic layer", multiple=4, acts=True),
    Row("block", "block without MLP", multiple=4, acts=True),
    Row("block_mlp", "block", multiple=4, acts=True),
    Row("network", "PlasticRNN, one layer", multiple=4, acts=True),
    Row("plastic_loop", "plastic layer, in a loop", multiple=4, is_matched=False),
    Row("rule", "plastic rule alone", is_matched=False),
    Row("rule_loop", "plastic rule alone, in a loop", is_matched=False),
    Row("plastic_128", "plastic layer, 128 units", width=128, is_matched=False),
    Row("backpropamine_128", "Backpropamine, 128 units", "backpropamine", width=128, is_matched=False),
    Row("backpropamine", "Backpropamine", batch=8, acts=True),
    Row("snntorch", "snnTorch, RLeaky", packages=("snntorch",), has_environment=True, acts=True),
    Row("norse", "Norse, LSNN", packages=("norse",), has_environment=True, acts=True),
    Row("ncps", "ncps, CfC", packages=("ncps",), has_environment=True, acts=True),
)
COMPILED = (Row("neuron_compiled", "neuron, compiled", "neuron", is_matched=False, is_compiled=True),)
GROWING = ("gru", "block", "backpropamine_128")
"""Whose memory is measured while sequences grow."""
LASTING = ("gru", "gru_cell", "block", "network")
"""Who takes a hundred thousand steps."""


@dataclass(frozen=True)
class Bar:
    """What a row must reach: so many times another row's tokens a second, at equal width, on the processor.

    Attributes:
        row: Who must reach it.
        against: Beside whom.
        threads: With how many threads.
        times: The bar.
    """

    row: str
    against: str
    threads: int
    times: float


BARS = (
    Bar("neuron", "gru", 1, 1.9),
    Bar("neuron", "gru", 2, 2.3),
    Bar("block", "gru", 1, 0.75),
    Bar("block", "gru", 2, 1.0),
    Bar("rule", "rule_loop", 1, 9.0),
    Bar("rule", "rule_loop", 2, 9.0),
    Bar("plastic", "plastic_loop", 1, 9.0),
    Bar("plastic", "plastic_loop", 2, 9.0),
    Bar("plastic_128", "backpropamine_128", 1, 10.0),
    Bar("plastic_128", "backpropamine_128", 2, 10.0),
)
