"""The brain: inputs, a stack of blocks, and a readout, with a state that a caller carries from call to call.

tokens -> rows of an embedding table (frozen and handed in, or learned) -> norm -> projection
       -> blocks (see `block`) -> norm: the features -> readout (see `readout`): logits and the expected evaluation
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain.block import BlockState, BrainBlock
from llm_brain.brain.config import BrainConfig
from llm_brain.brain.modulators import Channel
from llm_brain.brain.norms import rms_norm
from llm_brain.brain.readout import Readout
from llm_brain.brain.recording import Recording, record_modulators
from llm_brain.brain.state import BrainOutput, BrainState
from llm_brain.brain.tables import steps
from llm_brain.errors import ArgumentError


class Brain(nn.Module):
    """A small recurrent network with neuromodulators and plastic synapses that chooses one of a closed set.

    Args:
        config: Its shape.
        embedding: A frozen table `[vocabulary, input_size]` whose rows stand for tokens. It stays the caller's: it is
            not trained, and not saved with the brain.

    Raises:
        ArgumentError: The table does not fit the configuration.

    Example:
        >>> import torch
        >>> config = BrainConfig(input_size=4, choices=2, width=8, heads=2, head_size=4)
        >>> brain = Brain(config, embedding=torch.randn(100, 4))
        >>> tokens = torch.tensor([[5, 7, 9], [3, 1, 0]])
        >>> output = brain(tokens, lengths=torch.tensor([3, 2]))
        >>> output.logits.shape, output.value.shape, output.features.shape
        (torch.Size([2, 2]), torch.Size([2]), torch.Size([2, 3, 8]))
    """

    embedding: Tensor | None

    def __init__(self, config: BrainConfig, embedding: Tensor | None = None) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("embedding", None, persistent=False)
        self.set_embedding(embedding)
        self.tokens = None if config.vocabulary is None else nn.Embedding(config.vocabulary, config.input_size)
        self.project = nn.Linear(config.input_size, config.width)
        self.blocks = nn.ModuleList(
            BrainBlock(
                config.width,
                heads=config.heads,
                head_size=config.head_size,
                chunk=config.chunk,
                dropout=config.dropout,
                eligibility_decay=config.eligibility_decay,
                ablate=config.ablate,
            )
            for _ in range(config.blocks)
        )
        self.readout = Readout(config.width, choices=config.choices, dropout=config.dropout)

    def set_embedding(self, embedding: Tensor | None) -> None:
        """Hand in the frozen embedding table, or take it away.

        Raises:
            ArgumentError: The table does not fit the configuration.

        Example:
            >>> import torch
            >>> brain = Brain(BrainConfig(input_size=4, choices=2))
            >>> brain.set_embedding(torch.randn(100, 4))
            >>> brain(torch.tensor([[5, 7, 9]])).logits.shape
            torch.Size([1, 2])
        """
        _check_table(self.config, embedding)
        self.embedding = None if embedding is None else embedding.detach()

    def initial_state(self, batch: int) -> BrainState:
        """Build the state of a brain that has seen nothing.

        Example:
            >>> brain = Brain(BrainConfig(input_size=4, choices=2))
            >>> brain.initial_state(1).blocks[0].synapses.plastic.shape
            torch.Size([1, 4, 32, 32])
        """
        return BrainState(tuple(block.initial_state(batch) for block in self._blocks()), self.readout.initial_state(batch))

    def forward(
        self,
        inputs: Tensor,
        state: BrainState | None = None,
        lengths: Tensor | None = None,
        reward: Tensor | None = None,
        prediction_error: Tensor | None = None,
    ) -> BrainOutput:
        """Read a sequence, in parallel, and answer.

        Args:
            inputs: Vectors `[B, T, input_size]`, or tokens `[B, T]` of an integer type where there is an embedding.
            state: What the brain remembers; `initial_state` when omitted. Pass `state.next_turn()` for a new question.
            lengths: How many steps of each row are real, `[B]`. The others change nothing, whatever they hold; a row of
                length zero keeps its state.
            reward: What was received just before each step, `[B, T]`, or before the first step, `[B]`.
            prediction_error: The recorded reward-prediction error, likewise. No gradient flows into it.

        Returns:
            The answer after each row's last step, and the new state.

        Raises:
            ArgumentError: A shape does not fit.
        """
        _check_sequence(inputs, lengths)
        batch, time = inputs.shape[:2]
        reward, prediction_error = _along_time(reward, batch, time), _along_time(prediction_error, batch, time)
        padded = None
        if lengths is not None:
            padded = steps(time, inputs.device) >= lengths[:, None]
            inputs = inputs.masked_fill(padded[..., None] if inputs.is_floating_point() else padded, 0)
            reward = None if reward is None else reward.masked_fill(padded, 0.0)
            prediction_error = None if prediction_error is None else prediction_error.masked_fill(padded, 0.0)
        x = self._embed(inputs)
        before: Iterable[BlockState | None] = [None] * len(self.blocks) if state is None else state.blocks
        after = []
        for block, memory in zip(self._blocks(), before, strict=True):
            x, memory_after = block(x, memory, reward, prediction_error, lengths)
            after.append(memory_after)
        features = rms_norm(x)
        if padded is not None:
            features = features.masked_fill(padded[..., None], 0.0)
        logits, value, reading = self.readout(features, None if state is None else state.reading, lengths)
        return BrainOutput(logits, value, features, BrainState(tuple(after), reading))

    def step(
        self,
        inputs: Tensor,
        state: BrainState,
        reward: Tensor | None = None,
        prediction_error: Tensor | None = None,
    ) -> BrainOutput:
        """Read one step and answer from all that was read in this turn. Many steps give what one `forward` gives.

        Args:
            inputs: Vectors `[B, input_size]`, or tokens `[B]`.
            state: What the brain remembers.
            reward: What was received just before, `[B]`.
            prediction_error: What was recorded just before, `[B]`.

        Returns:
            The answer so far, with features `[B, d]`, and the new state.

        Example:
            >>> import torch
            >>> brain = Brain(BrainConfig(input_size=4, choices=2))
            >>> output = brain.step(torch.randn(1, 4), brain.initial_state(1))
            >>> output.logits.shape
            torch.Size([1, 2])
        """
        _check_sequence(inputs.unsqueeze(1), None)
        x = self._embed(inputs)
        after = []
        for block, memory in zip(self._blocks(), state.blocks, strict=True):
            x, memory_after = block.step(x, memory, reward, _without_gradient(prediction_error))
            after.append(memory_after)
        features = rms_norm(x)
        logits, value, reading = self.readout(features[:, None], state.reading)
        return BrainOutput(logits, value, features, BrainState(tuple(after), reading))

    def set_ablation(self, channels: Iterable[Channel]) -> None:
        """Freeze these modulators in every block and release all others. The configuration follows.

        Example:
            >>> brain = Brain(BrainConfig(input_size=4, choices=2))
            >>> brain.set_ablation(["dopamine"])
            >>> brain.config.ablate
            ('dopamine',)
        """
        chosen = tuple(channels)
        for block in self._blocks():
            block.modulators.set_ablation(chosen)
        self.config = self.config.model_copy(update={"ablate": chosen})

    @contextmanager
    def record(self) -> Iterator[Recording]:
        """Record the time courses of the modulators while the `with` block is open.

        Example:
            >>> import torch
            >>> brain = Brain(BrainConfig(input_size=4, choices=2))
            >>> with brain.record() as recording:
            ...     _ = brain(torch.randn(1, 7, 4))
            >>> recording.course(0).dopamine.shape
            torch.Size([1, 7, 4])
        """
        with record_modulators([block.modulators for block in self._blocks()]) as recording:
            yield recording

    def parameter_groups(self, weight_decay: float) -> list[dict[str, object]]:
        """Split the parameters for an optimiser: matrices decay; biases, gains, gate offsets and decay rates do not.

        Example:
            >>> import torch
            >>> brain = Brain(BrainConfig(input_size=4, choices=2))
            >>> optimizer = torch.optim.AdamW(brain.parameter_groups(0.01), lr=3e-3)
            >>> [group["weight_decay"] for group in optimizer.param_groups]
            [0.01, 0.0]
        """
        matrices = [parameter for parameter in self.parameters() if parameter.dim() > 1]
        others = [parameter for parameter in self.parameters() if parameter.dim() <= 1]
        return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]

    def _blocks(self) -> list[BrainBlock]:
        return [cast("BrainBlock", block) for block in self.blocks]

    def _embed(self, inputs: Tensor) -> Tensor:
        weight = self.project.weight
        if not inputs.is_floating_point():
            table = self.embedding if self.tokens is None else self.tokens.weight
            if table is None:
                message = "this brain has no embedding for tokens: hand one in (`embedding=`), or pass vectors"
                raise ArgumentError(message)
            inputs = functional.embedding(inputs, table)
        if inputs.shape[-1] != self.config.input_size:
            message = f"the inputs have {inputs.shape[-1]} numbers each and this brain takes {self.config.input_size}"
            raise ArgumentError(message)
        vectors = rms_norm(inputs.to(weight.dtype))
        if self.training and self.config.dropout:
            vectors = functional.dropout(vectors, self.config.dropout)
        return functional.linear(vectors, weight, self.project.bias)


def _check_table(config: BrainConfig, embedding: Tensor | None) -> None:
    if embedding is None:
        return
    if config.vocabulary is not None:
        message = "a brain learns its own embedding (`vocabulary`) or is handed one (`embedding`), not both"
        raise ArgumentError(message)
    if embedding.shape[1:] != (config.input_size,):
        message = f"the embedding has shape {tuple(embedding.shape)}; this brain needs [vocabulary, {config.input_size}]"
        raise ArgumentError(message)


def _check_sequence(inputs: Tensor, lengths: Tensor | None) -> None:
    if inputs.dim() != (3 if inputs.is_floating_point() else 2) or inputs.shape[1] == 0:
        message = f"inputs of shape {tuple(inputs.shape)}: pass vectors [B, T, input_size] or tokens [B, T], T at least one"
        raise ArgumentError(message)
    if lengths is not None and (lengths.shape != inputs.shape[:1] or lengths.is_floating_point()):
        message = f"lengths must be {inputs.shape[0]} whole numbers, one a row; got shape {tuple(lengths.shape)}"
        raise ArgumentError(message)


def _along_time(signal: Tensor | None, batch: int, time: int) -> Tensor | None:
    """Lay a signal out as `[B, T]`: one that has no time axis came just before the first step."""
    if signal is None:
        return None
    if signal.shape == (batch, time):
        return signal.detach()
    if signal.shape != (batch,):
        message = f"a reward or prediction error must have shape [{batch}, {time}] or [{batch}]; got {tuple(signal.shape)}"
        raise ArgumentError(message)
    return functional.pad(signal.detach()[:, None], (0, time - 1))


def _without_gradient(signal: Tensor | None) -> Tensor | None:
    return None if signal is None else signal.detach()
