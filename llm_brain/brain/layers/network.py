"""`PlasticRNN`: a stack of blocks that is called like `torch.nn.GRU`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from llm_brain.brain.equations.norms import rms_norm
from llm_brain.brain.equations.tables import steps
from llm_brain.brain.layers.ablations import Ablation
from llm_brain.brain.layers.block import BlockState, BrainBlock
from llm_brain.brain.layers.precision import in_own_precision
from llm_brain.brain.layers.recording import Recording, record_modulators
from llm_brain.brain.layers.state import NetworkState
from llm_brain.errors import ArgumentError

VECTORS, BATCHED = 2, 3
WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


class PlasticRNN(nn.Module):
    """A recurrent network with neuromodulators and plastic synapses, to be used where `torch.nn.GRU` would be.

        x_t = W_in [input_{t-c+1}; ...; input_t] + b_in       a causal convolution over the last c inputs, by default over one
        x_t = block(x_t)                  `num_layers` times, see `BrainBlock`
        output_t = norm(x_t)

    Args:
        input_size: Length of an input vector.
        hidden_size: d, the length of an output vector.
        num_layers: How many blocks are stacked.
        heads: H, how many plastic matrices a block has, of `[d / H, k]` each.
        key_size: k, the length of a key; half of a value's, `d / H`, when omitted.
        expansion: How many times d a block's gated MLP is wide; 0 for none.
        conv_size: c, how many of the last inputs a step sees. With more than one, gates and keys know a little context, which
            helps where single inputs say little (samples of a signal, say), and blurs when something was seen.
        chunk: Steps computed at once. It changes the speed and never the result.
        dropout: Share of each sublayer's output that is dropped in training.
        batch_first: Whether sequences are `[B, T, ...]` instead of `[T, B, ...]`, as in `torch.nn.GRU`.
        eligibility_decay: Where lambda starts, from the first head to the last.
        ablate: What is switched off, see `BrainBlock.set_ablation`.

    Raises:
        ArgumentError: A size or rate cannot be, `hidden_size` is no multiple of `heads`, or nothing of that name can be ablated.

    Example:
        >>> import torch
        >>> network = PlasticRNN(6, 8, num_layers=2, heads=2)
        >>> output, state = network(torch.randn(5, 3, 6))  # 5 steps of a batch of 3
        >>> output.shape
        torch.Size([5, 3, 8])
        >>> output, state = network(torch.randn(100, 3, 6), state)  # life goes on
        >>> output, state = network.step(torch.randn(3, 6), state)  # one step at a time
        >>> output.shape
        torch.Size([3, 8])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        heads: int = 4,
        key_size: int | None = None,
        expansion: int = 2,
        conv_size: int = 1,
        chunk: int = 64,
        dropout: float = 0.0,
        batch_first: bool = False,
        eligibility_decay: tuple[float, float] = (0.8, 0.9),
        ablate: Iterable[Ablation] = (),
    ) -> None:
        super().__init__()
        if min(input_size, hidden_size, num_layers, conv_size, chunk) < 1:
            given = f"{input_size}, {hidden_size}, {num_layers}, {conv_size} and {chunk}"
            message = f"input_size, hidden_size, num_layers, conv_size and chunk are at least one; got {given}"
            raise ArgumentError(message)
        self.input_size, self.hidden_size, self.num_layers, self.batch_first = input_size, hidden_size, num_layers, batch_first
        ablations = tuple(ablate)
        self.conv_size = conv_size
        self.project = nn.Linear(conv_size * input_size, hidden_size)
        self.layers = nn.ModuleList(
            BrainBlock(
                hidden_size,
                heads=heads,
                key_size=key_size,
                expansion=expansion,
                chunk=chunk,
                dropout=dropout,
                eligibility_decay=eligibility_decay,
                ablate=ablations,
            )
            for _ in range(num_layers)
        )

    def initial_state(self, batch: int) -> NetworkState:
        """Build the state of a network that has seen nothing.

        Example:
            >>> PlasticRNN(6, 8, heads=2).initial_state(1).blocks[0].synapses.plastic.shape
            torch.Size([1, 2, 4, 2])
        """
        recent = self.project.weight.new_zeros(batch, self.conv_size - 1, self.input_size)
        return NetworkState(recent, tuple(block.initial_state(batch) for block in self.blocks()))

    def forward(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 - as nn.GRU calls it
        state: NetworkState | None = None,
        *,
        lengths: Tensor | None = None,
        reward: Tensor | None = None,
        prediction_error: Tensor | None = None,
    ) -> tuple[Tensor | PackedSequence, NetworkState]:
        """Run a whole sequence, in parallel.

        Args:
            input: `[T, B, input_size]`, or `[B, T, input_size]` with `batch_first`; of a single sequence `[T, input_size]`; or a
                `PackedSequence`.
            state: What to start from; `initial_state` when omitted.
            lengths: How many steps of each row are real, `[B]`. The others change nothing, whatever they hold, and their output
                is zero; a row of length zero keeps its state.
            reward: What was received just before each step, in the layout of the input without its last axis.
            prediction_error: The recorded reward-prediction error, likewise. No gradient flows into either.

        Returns:
            The output in the input's layout, `[T, B, d]`, and the state after each row's last step. The state of a single
            sequence is that of a batch of one.

        Raises:
            ArgumentError: A shape does not fit.
        """
        if isinstance(input, PackedSequence):
            if not (lengths is reward is prediction_error is None):
                message = (
                    "a packed sequence comes with its own lengths and without rewards: pass a padded one with `lengths` instead"
                )
                raise ArgumentError(message)
            return self._packed(input, state)
        single = input.dim() == VECTORS
        batch_axis = 0 if self.batch_first else 1
        if single:
            input = input.unsqueeze(batch_axis)  # noqa: A001
            reward, prediction_error = (
                None if signal is None else signal.unsqueeze(batch_axis) for signal in (reward, prediction_error)
            )
        if self.batch_first:
            input = input.transpose(0, 1)  # noqa: A001
            reward, prediction_error = (None if signal is None else signal.t() for signal in (reward, prediction_error))
        output, state = self._run(input, state, lengths, reward, prediction_error)
        if self.batch_first:
            output = output.transpose(0, 1)
        return output.squeeze(batch_axis) if single else output, state

    @in_own_precision
    def step(
        self,
        input: Tensor,  # noqa: A002 - as nn.GRUCell calls it
        state: NetworkState,
        *,
        reward: Tensor | None = None,
        prediction_error: Tensor | None = None,
    ) -> tuple[Tensor, NetworkState]:
        """Run one step. Many steps give what one `forward` gives.

        Args:
            input: `[B, input_size]`.
            state: What the network remembers.
            reward: What was received just before, `[B]`.
            prediction_error: What was recorded just before, `[B]`.

        Returns:
            The output, `[B, d]`, and the new state.

        Example:
            >>> import torch
            >>> network = PlasticRNN(6, 8, heads=2)
            >>> output, state = network.step(torch.randn(1, 6), network.initial_state(1))
            >>> output.shape
            torch.Size([1, 8])
        """
        if input.dim() != VECTORS or input.shape[-1] != self.input_size:
            message = f"an input of shape {tuple(input.shape)}: a step takes [B, {self.input_size}]"
            raise ArgumentError(message)
        self.check_beside(
            input[None], state, *(None if signal is None else signal[None] for signal in (reward, prediction_error))
        )
        x, recent = self.project_step(input, state.recent)
        after = []
        for block, memory in zip(self.blocks(), state.blocks, strict=True):
            x, remembered = block.step(x, memory, recorded(reward, x), recorded(prediction_error, x))
            after.append(remembered)
        return rms_norm(x), NetworkState(recent, tuple(after))

    @in_own_precision
    def project_step(self, input: Tensor, recent: Tensor) -> tuple[Tensor, Tensor]:  # noqa: A002 - as nn.GRUCell calls it
        """Project one step's input, `[B, input_size]`, with those before it, to what the first block sees, `[B, d]`.

        Returns:
            The projection, and the inputs that the next step's one will see.

        Example:
            >>> import torch
            >>> network = PlasticRNN(6, 8, heads=2, conv_size=4)
            >>> x, recent = network.project_step(torch.randn(1, 6), network.initial_state(1).recent)
            >>> x.shape, recent.shape
            (torch.Size([1, 8]), torch.Size([1, 3, 6]))
        """
        seen = torch.cat([recent, input[:, None]], dim=1)
        return functional.linear(seen.flatten(1), self.project.weight, self.project.bias), seen[:, 1:]

    def set_ablation(self, ablations: Iterable[Ablation]) -> None:
        """Switch these off in every block, and all others on; see `BrainBlock.set_ablation`.

        Example:
            >>> network = PlasticRNN(6, 8, heads=2)
            >>> network.set_ablation(["dopamine"])
            >>> sorted(network.blocks()[0].ablated)
            ['dopamine']
        """
        chosen = tuple(ablations)
        for block in self.blocks():
            block.set_ablation(chosen)

    @contextmanager
    def record(self) -> Iterator[Recording]:
        """Record the time courses of the modulators while the `with` block is open.

        Example:
            >>> import torch
            >>> network = PlasticRNN(6, 8, heads=2)
            >>> with network.record() as recording:
            ...     _ = network(torch.randn(7, 1, 6))
            >>> recording.course(0).dopamine.shape
            torch.Size([7, 1, 2])
        """
        with record_modulators([block.modulators for block in self.blocks()]) as recording:
            yield recording

    def blocks(self) -> list[BrainBlock]:
        """List the blocks, from the input up.

        Example:
            >>> len(PlasticRNN(6, 8, num_layers=2, heads=2).blocks())
            2
        """
        return [cast("BrainBlock", block) for block in self.layers]

    @in_own_precision
    def _run(
        self,
        x: Tensor,
        state: NetworkState | None,
        lengths: Tensor | None,
        reward: Tensor | None,
        prediction_error: Tensor | None,
    ) -> tuple[Tensor, NetworkState]:
        self._check(x, state, lengths, reward, prediction_error)
        reward, prediction_error = recorded(reward, x), recorded(prediction_error, x)
        padded = None
        if lengths is not None:
            padded = steps(x.shape[0], x.device)[:, None] >= lengths
            x = x.masked_fill(padded[..., None], 0.0)
            reward, prediction_error = (
                None if signal is None else signal.masked_fill(padded, 0.0) for signal in (reward, prediction_error)
            )
        x, recent = self._convolve(x, None if state is None else state.recent, lengths)
        before: Iterable[BlockState | None] = [None] * self.num_layers if state is None else state.blocks
        after = []
        for block, memory in zip(self.blocks(), before, strict=True):
            x, remembered = block(x, memory, reward, prediction_error, lengths)
            after.append(remembered)
        output = rms_norm(x)
        if padded is not None:
            output = output.masked_fill(padded[..., None], 0.0)
        return output, NetworkState(recent, tuple(after))

    def _convolve(self, x: Tensor, recent: Tensor | None, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Project each step's inputs, as `project_step` does; the recent ones are those of each row's last step."""
        time, batch, size = x.shape
        before = self.conv_size - 1
        if not before:
            return functional.linear(x, self.project.weight, self.project.bias), x.new_empty(batch, 0, size)
        seen = torch.cat([x.new_zeros(before, batch, size) if recent is None else recent.transpose(0, 1), x])
        windows = torch.cat([seen[lag : lag + time] for lag in range(self.conv_size)], dim=-1)
        if lengths is None:
            last = seen[time:]
        else:
            at = lengths + steps(before, x.device)[:, None]
            last = seen.gather(0, at[..., None].expand(-1, -1, size))
        return functional.linear(windows, self.project.weight, self.project.bias), last.transpose(0, 1)

    def _packed(self, packed: PackedSequence, state: NetworkState | None) -> tuple[PackedSequence, NetworkState]:
        padded, lengths = pad_packed_sequence(packed)
        output, state = self._run(padded, state, lengths.to(padded.device), None, None)
        ordered = packed.sorted_indices
        if ordered is not None:
            output, lengths = output[:, ordered], lengths[ordered.cpu()]
        back = pack_padded_sequence(output, lengths)
        return PackedSequence(back.data, back.batch_sizes, packed.sorted_indices, packed.unsorted_indices), state

    def _check(
        self,
        x: Tensor,
        state: NetworkState | None,
        lengths: Tensor | None = None,
        reward: Tensor | None = None,
        prediction_error: Tensor | None = None,
    ) -> None:
        if x.dim() != BATCHED or x.shape[-1] != self.input_size or 0 in x.shape:
            layout = "[B, T, {}]" if self.batch_first else "[T, B, {}]"
            message = f"an input of shape {tuple(x.shape)}: pass {layout.format(self.input_size)}, T and B at least one"
            raise ArgumentError(message)
        batch = x.shape[1]
        if lengths is not None and (lengths.shape != (batch,) or lengths.dtype not in WHOLE):
            message = f"lengths must be {batch} whole numbers, one a row; got {tuple(lengths.shape)} of {lengths.dtype}"
            raise ArgumentError(message)
        if lengths is not None and not x.is_cuda and bool(((lengths < 0) | (lengths > x.shape[0])).any()):
            message = f"lengths must lie between 0 and the {x.shape[0]} steps of the input; got {lengths.tolist()}"
            raise ArgumentError(message)
        self.check_beside(x, state, reward, prediction_error)

    def check_beside(
        self, x: Tensor, state: NetworkState | None, reward: Tensor | None = None, prediction_error: Tensor | None = None
    ) -> None:
        """Check what comes beside an input, `[T, B, input_size]`.

        Raises:
            ArgumentError: The state is another network's or of another batch, or a signal has not one number a step and row.

        Example:
            >>> import torch
            >>> network = PlasticRNN(6, 8, heads=2)
            >>> network.check_beside(torch.randn(5, 3, 6), network.initial_state(3))
        """
        for signal in (reward, prediction_error):
            if signal is not None and signal.shape != x.shape[:2]:
                message = f"a reward or prediction error must have one number a step and row; got shape {tuple(signal.shape)}"
                raise ArgumentError(message)
        if state is None:
            return
        found = [tuple(part.shape) for part in (state.recent, state.blocks[0].neuron, state.blocks[0].synapses.plastic)]
        block, batch = self.blocks()[0], x.shape[1]
        wanted = [
            (batch, self.conv_size - 1, self.input_size),
            (batch, self.hidden_size),
            (batch, block.heads, block.value_size, block.key_size),
        ]
        if len(state.blocks) != self.num_layers or found != wanted:
            message = (
                f"this state is of {len(state.blocks)} blocks, with recent inputs, neurons and synapses of {found}; "
                f"the network has {self.num_layers} blocks and needs {wanted} for this input"
            )
            raise ArgumentError(message)


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Split a module's parameters for an optimiser: matrices decay; biases, gains, gate offsets and decay rates do not.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.AdamW(parameter_groups(PlasticRNN(6, 8, heads=2), 0.01), lr=3e-3)
        >>> [group["weight_decay"] for group in optimizer.param_groups]
        [0.01, 0.0]
    """
    matrices = [parameter for parameter in module.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in module.parameters() if parameter.dim() <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def recorded(signal: Tensor | None, x: Tensor) -> Tensor | None:
    """Take a reward or a prediction error for what it is, an observation: off the graph, and in the precision of the input.

    Example:
        >>> import torch
        >>> recorded(torch.tensor([1, 0]), torch.zeros(2, 6))
        tensor([1., 0.])
    """
    return None if signal is None else signal.detach().to(x.dtype)
