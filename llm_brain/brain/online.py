"""Online learning: a gradient at every step, without backpropagation through time, in memory that does not depend on T.

A neuron's state depends on its own past weights through one number a unit, `1 - z_t`. So the whole past of a weight fits into one
number a weight and row, its eligibility trace, which runs forward with the state:

    e^a_t = (1 - z_t) e^a_{t-1} + (c_t - h_{t-1}) z_t (1 - z_t) * [u_t; 1; n_t[ACh]]      of W_z, its bias and g_ACh
    e^b_t = (1 - z_t) e^b_{t-1} + z_t (1 + g_NE n_t[NE]) * u_t                            of W_c
    e^g_t = (1 - z_t) e^g_{t-1} + z_t n_t[NE] (W_c u_t)                                   of g_NE
    dW   += dL_t/dh_t * e_t

Here u is what the neuron is given and n are the tonic levels; what `BrainBlock` says of z, c and h holds.

What is exact, summed over time: in a network's last block, and so in a network of one block, the gradient of W_z, its bias, g_ACh
and g_NE is that of backpropagation through time. So is that of all weights that act on the present step only (queries, the gate
of the way out, W_o, the MLP), and of W_c where plasticity is ablated. What is dropped is the credit that passes backward in time
through anything but the neurons: through E and P, to which W_c belongs as the value that they bind, through the tonic levels, and
from a later step of a block to an earlier one of the block below. A lower block therefore learns from its own past and from what
the blocks above make of it at the present step; this is an approximation (Zucchet et al. 2023, "Online learning of long-range
dependencies"). Traces made before a change of the weights are kept, as if the change were small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from llm_brain.brain.equations.norms import rms_norm
from llm_brain.brain.layers.block import BrainBlock, Observation
from llm_brain.brain.layers.modulators import CHANNELS
from llm_brain.brain.layers.network import PlasticRNN, recorded
from llm_brain.brain.layers.state import NetworkState
from llm_brain.errors import ArgumentError

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx


class NeuronTraces(NamedTuple):
    """What a block's neurons owe to their weights so far: dh/dW of every unit and row, for gate and candidate.

    Attributes:
        weight: Of W_z and W_c, `[B, 2, d, n]`; n is the length of what the neurons are given.
        bias: Of the gate's, `[B, d]`; the candidate has none.
        gain: Of g_ACh and g_NE, `[B, 2, d]`.

    Example:
        >>> NeuronTraces.empty(torch.zeros(3, 8), inputs=6).weight.shape
        torch.Size([3, 2, 8, 6])
    """

    weight: Tensor
    bias: Tensor
    gain: Tensor

    @classmethod
    def empty(cls, neuron: Tensor, inputs: int) -> Self:
        """Build the traces of neurons, `[B, d]`, that have seen nothing."""
        batch, width = neuron.shape
        return cls(*(neuron.new_zeros(batch, *shape) for shape in ((2, width, inputs), (width,), (2, width))))


class OnlineState(NamedTuple):
    """What online learning carries from step to step. Immutable, off the graph, and of a size that never depends on time.

    Attributes:
        network: What the network remembers.
        traces: The eligibility traces of each block's neurons.

    Example:
        >>> state = OnlineLearner(PlasticRNN(6, 8, heads=2)).initial_state(3)
        >>> state.network.blocks[0].neuron.shape, state.traces[0].gain.shape
        (torch.Size([3, 8]), torch.Size([3, 2, 8]))
    """

    network: NetworkState
    traces: tuple[NeuronTraces, ...]

    def replace_rows(self, where: Tensor, other: Self) -> Self:
        """Take the rows at which `where`, `[B]`, is true from another state: from a fresh one, where an episode has ended.

        Example:
            >>> learner = OnlineLearner(PlasticRNN(6, 8, heads=2))
            >>> _, state = learner.step(torch.randn(2, 6), learner.initial_state(2))
            >>> state = state.replace_rows(torch.tensor([False, True]), learner.initial_state(2))
            >>> state.traces[0].weight.flatten(1).any(dim=1).tolist()
            [True, False]
        """
        traces = (
            NeuronTraces(*(torch.where(where.view(-1, *[1] * (a.dim() - 1)), b, a) for a, b in zip(old, new, strict=True)))
            for old, new in zip(self.traces, other.traces, strict=True)
        )
        return type(self)(self.network.replace_rows(where, other.network), tuple(traces))


class OnlineLearner:
    """Runs a network step by step so that each step's loss can be backpropagated by itself.

    The gradients add up in `.grad` as always, for any optimiser to use after every step, after some or at the end.

    Args:
        network: What learns.

    Example:
        >>> import torch
        >>> network = PlasticRNN(6, 8, heads=2)
        >>> learner, optimizer = OnlineLearner(network), torch.optim.SGD(network.parameters(), lr=0.1)
        >>> state = learner.initial_state(3)
        >>> for _ in range(100):  # a life of any length, in the memory of one step
        ...     output, state = learner.step(torch.randn(3, 6), state)
        ...     output.square().mean().backward()
        ...     optimizer.step()
        ...     optimizer.zero_grad()
    """

    def __init__(self, network: PlasticRNN) -> None:
        self.network = network

    def initial_state(self, batch: int) -> OnlineState:
        """Build the state of a network that has seen nothing.

        Example:
            >>> OnlineLearner(PlasticRNN(6, 8, heads=2)).initial_state(1).traces[0].weight.any().item()
            False
        """
        return self.from_state(self.network.initial_state(batch))

    def from_state(self, state: NetworkState) -> OnlineState:
        """Go on from what a network remembers: what it came from gets no credit any more.

        Example:
            >>> network = PlasticRNN(6, 8, heads=2)
            >>> _, memory = network(torch.randn(100, 3, 6))
            >>> output, state = OnlineLearner(network).step(torch.randn(3, 6), OnlineLearner(network).from_state(memory))
        """
        state = state.detach()
        return OnlineState(state, tuple(NeuronTraces.empty(block.neuron, block.neuron.shape[-1]) for block in state.blocks))

    def step(
        self,
        input: Tensor,  # noqa: A002 - as nn.GRUCell calls it
        state: OnlineState,
        *,
        reward: Tensor | None = None,
        prediction_error: Tensor | None = None,
    ) -> tuple[Tensor, OnlineState]:
        """Run one step, as `PlasticRNN.step` does, such that the output's gradient reaches back through the traces.

        Args:
            input: `[B, input_size]`.
            state: What is carried. Losses of earlier steps may still be backpropagated afterwards.
            reward: What was received just before, `[B]`.
            prediction_error: What was recorded just before, `[B]`.

        Returns:
            The output, `[B, d]`, of which to make a loss, and the new state, which carries no graph.

        Raises:
            ArgumentError: A shape does not fit.

        Example:
            >>> learner = OnlineLearner(PlasticRNN(6, 8, heads=2))
            >>> output, state = learner.step(torch.randn(1, 6), learner.initial_state(1))
            >>> output.requires_grad, state.network.blocks[0].neuron.requires_grad
            (True, False)
        """
        network, before = self.network, state.network.blocks
        rows = before[0].neuron.shape[0]
        if input.shape != (rows, network.input_size) or len(before) != network.num_layers:
            message = (
                f"an input of shape {tuple(input.shape)} for a state of {len(before)} blocks and {rows} rows: "
                f"pass [B, {network.input_size}] and a state of {network.num_layers} blocks and B rows"
            )
            raise ArgumentError(message)
        network.check_beside(
            input[None], state.network, *(None if signal is None else signal[None] for signal in (reward, prediction_error))
        )
        reward, prediction_error = recorded(reward, input), recorded(prediction_error, input)
        x, recent = network.project_step(input, state.network.recent)
        blocks, traces = [], []
        for block, memory, past in zip(network.blocks(), before, state.traces, strict=True):
            given = rms_norm(x.detach())
            carried = memory._replace(neuron=_owing(memory.neuron, past, block))
            x, after = block.step(x, carried, reward, prediction_error)
            blocks.append(after)
            with torch.autocast(x.device.type, enabled=False):
                traces.append(extend_traces(past, block, given, tonic=after.tonic, neuron=memory.neuron))
        return rms_norm(x), OnlineState(NetworkState(recent, tuple(blocks)).detach(), tuple(traces))


@torch.no_grad()
def extend_traces(traces: NeuronTraces, block: BrainBlock, given: Tensor, *, tonic: Tensor, neuron: Tensor) -> NeuronTraces:
    """Carry the traces over one step: the past fades as the neurons' states do, and what the step itself derives is added.

    Args:
        traces: Before the step.
        block: Whose neurons these are.
        given: u, what the neurons are given at this step, `[B, d]`.
        tonic: The modulators' levels at this step, `[B, 4]`.
        neuron: h before the step, `[B, d]`.

    Returns:
        The traces after the step.

    Example:
        >>> block, u = BrainBlock(8, heads=2), torch.randn(3, 8)
        >>> _, after = block.step(u, block.initial_state(3))
        >>> before = NeuronTraces.empty(after.neuron, inputs=8)
        >>> extend_traces(before, block, u, tonic=after.tonic, neuron=torch.zeros(3, 8)).gain.shape
        torch.Size([3, 2, 8])
    """
    (to_gates, to_candidates), bias, gain = _parameters(block)
    acetylcholine, noradrenaline = (tonic[:, CHANNELS.index(name), None] for name in ("acetylcholine", "noradrenaline"))
    candidate = functional.linear(given, to_candidates)
    opened = torch.sigmoid(functional.linear(given, to_gates, bias) + gain[0] * acetylcholine)
    gained = 1 + gain[1] * noradrenaline
    to_gate = (gained * candidate - neuron) * opened * (1 - opened)
    derived = torch.stack([to_gate, opened * gained], dim=1)
    derived_gain = torch.stack([to_gate * acetylcholine, opened * noradrenaline * candidate], dim=1)
    retained = 1 - opened
    return NeuronTraces(
        torch.addcmul(retained[:, None, :, None] * traces.weight, derived[..., None], given[:, None, None]),
        torch.addcmul(to_gate, retained, traces.bias),
        torch.addcmul(derived_gain, retained[:, None], traces.gain),
    )


def _owing(neuron: Tensor, traces: NeuronTraces, block: BrainBlock) -> Tensor:
    """Give the neurons' states again, now as a function of their weights whose derivatives are the traces."""
    carried: Tensor = _Owing.apply(neuron, *traces, *_parameters(block))  # type: ignore[no-untyped-call]
    return carried


def _parameters(block: BrainBlock) -> tuple[Tensor, Tensor, Tensor]:
    """Give W_z and W_c, the gate's bias, and the gains, in the shapes of their traces without rows of a batch."""
    rows = Observation(*block.observe.split(block._sizes))  # noqa: SLF001 - which rows are whose is the block's to say
    gains = torch.stack([block.acetylcholine_gain, block.noradrenaline_gain])
    return torch.stack([rows.gate, rows.candidate]), block.observe_bias[: block.width], gains


class _Owing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, neuron: Tensor, weight: Tensor, bias: Tensor, gain: Tensor, *_: Tensor) -> Tensor:
        ctx.save_for_backward(weight, bias, gain)
        return neuron.clone()

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: FunctionCtx, signal: Tensor
    ) -> tuple[Tensor | None, ...]:
        weight, bias, gain = ctx.saved_tensors  # type: ignore[attr-defined]
        owed = [
            torch.einsum(f"bi,b{axes}->{axes}", signal, trace) for axes, trace in (("gin", weight), ("i", bias), ("gi", gain))
        ]
        return None, None, None, None, *owed
