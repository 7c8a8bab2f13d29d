"""The brain: inputs, a network, and a head, with a state that a caller carries from call to call.

tokens -> rows of an embedding table (frozen and handed in, or learned) -> norm
       -> network (see `layers.network`): the features -> readout (see `readout`): pooled features, expected evaluation
       -> head (see `heads`): a distribution over answers
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain.config import BrainConfig
from llm_brain.brain.equations.norms import rms_norm
from llm_brain.brain.equations.tables import steps
from llm_brain.brain.heads.build import head_for
from llm_brain.brain.heads.distribution import Prompt
from llm_brain.brain.layers.ablations import Ablation
from llm_brain.brain.layers.network import PlasticRNN, parameter_groups
from llm_brain.brain.layers.recording import Recording
from llm_brain.brain.layers.state import NetworkState
from llm_brain.brain.readout import ReadingState, Readout
from llm_brain.brain.state import BrainOutput, BrainState
from llm_brain.errors import ArgumentError

TOKENS, VECTORS = 2, 3


class Brain(nn.Module):
    """A small recurrent network with neuromodulators and plastic synapses that reads, remembers and answers.

    Args:
        config: Its shape, and what it is asked for.
        embedding: A frozen table `[vocabulary, input_size]` whose rows stand for tokens. It stays the caller's: it is
            not trained, and not saved with the brain.

    Attributes:
        network: The recurrent network, batch first.
        head: What turns what was read into a distribution over answers.

    Raises:
        ArgumentError: The table does not fit the configuration.

    Example:
        >>> import torch
        >>> from llm_brain.brain import Choice
        >>> config = BrainConfig(input_size=4, answer=Choice(options=2), width=8, heads=2)
        >>> brain = Brain(config, embedding=torch.randn(100, 4))
        >>> tokens = torch.tensor([[5, 7, 9], [3, 1, 0]])
        >>> output = brain(tokens, lengths=torch.tensor([3, 2]))
        >>> output.answer.logits.shape, output.value.shape, output.features.shape
        (torch.Size([2, 2]), torch.Size([2]), torch.Size([2, 3, 8]))
    """

    embedding: Tensor | None

    def __init__(self, config: BrainConfig, embedding: Tensor | None = None) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("embedding", None, persistent=False)
        self.set_embedding(embedding)
        self.tokens = None if config.vocabulary is None else nn.Embedding(config.vocabulary, config.input_size)
        self.network = PlasticRNN(
            config.input_size,
            config.width,
            config.blocks,
            heads=config.heads,
            key_size=config.key_size,
            expansion=config.expansion,
            conv_size=config.conv_size,
            chunk=config.chunk,
            dropout=config.dropout,
            batch_first=True,
            eligibility_decay=config.eligibility_decay,
            ablate=config.ablate,
        )
        self.readout = Readout(config.width, dropout=config.dropout)
        self.head = head_for(config.answer, input_size=config.input_size, width=config.width)

    def set_embedding(self, embedding: Tensor | None) -> None:
        """Hand in the frozen embedding table, or take it away.

        Raises:
            ArgumentError: The table does not fit the configuration.

        Example:
            >>> import torch
            >>> from llm_brain.brain import Choice
            >>> brain = Brain(BrainConfig(input_size=4, answer=Choice(options=2)))
            >>> brain.set_embedding(torch.randn(100, 4))
            >>> brain(torch.tensor([[5, 7, 9]])).answer.logits.shape
            torch.Size([1, 2])
        """
        _check_table(self.config, embedding)
        self.embedding = None if embedding is None else embedding.detach()

    def initial_state(self, batch: int) -> BrainState:
        """Build the state of a brain that has seen nothing.

        Example:
            >>> from llm_brain.brain import Choice
            >>> brain = Brain(BrainConfig(input_size=4, answer=Choice(options=2)))
            >>> brain.initial_state(1).network.blocks[0].synapses.plastic.shape
            torch.Size([1, 4, 32, 16])
        """
        return BrainState(self.network.initial_state(batch), self.readout.initial_state(batch))

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
        if lengths is not None:
            padded = steps(time, inputs.device) >= lengths[:, None]
            inputs = inputs.masked_fill(padded[..., None] if inputs.is_floating_point() else padded, 0)
        features, memory = self.network(
            self.embed(inputs),
            None if state is None else state.network,
            lengths=lengths,
            reward=_along_time(reward, batch, time),
            prediction_error=_along_time(prediction_error, batch, time),
        )
        return self._answer(features, memory, None if state is None else state.reading, lengths)

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

        Raises:
            ArgumentError: A shape does not fit.

        Example:
            >>> import torch
            >>> from llm_brain.brain import Choice
            >>> brain = Brain(BrainConfig(input_size=4, answer=Choice(options=2)))
            >>> output = brain.step(torch.randn(1, 4), brain.initial_state(1))
            >>> output.answer.logits.shape
            torch.Size([1, 2])
        """
        _check_sequence(inputs.unsqueeze(1), None)
        features, memory = self.network.step(self.embed(inputs), state.network, reward=reward, prediction_error=prediction_error)
        output = self._answer(features[:, None], memory, state.reading, None)
        return output._replace(features=features)

    def embed(self, inputs: Tensor) -> Tensor:
        """Turn tokens, `[...]`, or vectors into what the network reads, `[..., input_size]`.

        Raises:
            ArgumentError: There is no embedding for tokens, it has no such row, or the vectors have another size.

        Example:
            >>> import torch
            >>> from llm_brain.brain import Choice
            >>> brain = Brain(BrainConfig(input_size=4, answer=Choice(options=2), vocabulary=9))
            >>> brain.embed(torch.tensor([5, 7])).shape
            torch.Size([2, 4])
        """
        if not inputs.is_floating_point():
            table = self.embedding if self.tokens is None else self.tokens.weight
            if table is None:
                message = "this brain has no embedding for tokens: hand one in (`embedding=`), or pass vectors"
                raise ArgumentError(message)
            try:
                inputs = functional.embedding(inputs, table)
            except IndexError as error:
                message = f"the tokens go from {int(inputs.min())} to {int(inputs.max())} and the table has {len(table)} rows"
                raise ArgumentError(message) from error
        if inputs.shape[-1] != self.config.input_size:
            message = f"the inputs have {inputs.shape[-1]} numbers each and this brain takes {self.config.input_size}"
            raise ArgumentError(message)
        vectors = rms_norm(inputs.to(self.readout.attention.dtype))
        if self.training and self.config.dropout:
            vectors = functional.dropout(vectors, self.config.dropout)
        return vectors

    def set_ablation(self, ablations: Iterable[Ablation]) -> None:
        """Switch these off in every block and all others on; see `BrainBlock.set_ablation`. The configuration follows.

        Raises:
            ArgumentError: There is none of that name.

        Example:
            >>> from llm_brain.brain import Choice
            >>> brain = Brain(BrainConfig(input_size=4, answer=Choice(options=2)))
            >>> brain.set_ablation(["dopamine"])
            >>> brain.config.ablate
            ('dopamine',)
        """
        chosen = tuple(ablations)
        self.network.set_ablation(chosen)
        self.config = self.config.model_copy(update={"ablate": chosen})

    @contextmanager
    def record(self) -> Iterator[Recording]:
        """Record the time courses of the modulators, `[T, B, ...]`, while the `with` block is open.

        Example:
            >>> import torch
            >>> from llm_brain.brain import Choice
            >>> brain = Brain(BrainConfig(input_size=4, answer=Choice(options=2)))
            >>> with brain.record() as recording:
            ...     _ = brain(torch.randn(1, 7, 4))
            >>> recording.course(0).dopamine.shape
            torch.Size([7, 1, 4])
        """
        with self.network.record() as recording:
            yield recording

    def parameter_groups(self, weight_decay: float) -> list[dict[str, object]]:
        """Split the parameters for an optimiser, as `parameter_groups` does: matrices decay, all else does not.

        Example:
            >>> import torch
            >>> from llm_brain.brain import Choice
            >>> brain = Brain(BrainConfig(input_size=4, answer=Choice(options=2)))
            >>> optimizer = torch.optim.AdamW(brain.parameter_groups(0.01), lr=3e-3)
            >>> [group["weight_decay"] for group in optimizer.param_groups]
            [0.01, 0.0]
        """
        return parameter_groups(self, weight_decay)

    def _answer(self, features: Tensor, memory: NetworkState, before: ReadingState | None, lengths: Tensor | None) -> BrainOutput:
        pooled, value, reading = self.readout(features, before, lengths)
        answer = self.head(Prompt(pooled, self.network, memory))
        return BrainOutput(answer, value, features, BrainState(memory, reading))


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
    if inputs.dim() != (VECTORS if inputs.is_floating_point() else TOKENS) or inputs.shape[1] == 0:
        message = f"inputs of shape {tuple(inputs.shape)}: pass vectors [B, T, input_size] or tokens [B, T], T at least one"
        raise ArgumentError(message)
    if lengths is not None and (lengths.shape != inputs.shape[:1] or lengths.is_floating_point()):
        message = f"lengths must be {inputs.shape[0]} whole numbers, one a row; got shape {tuple(lengths.shape)}"
        raise ArgumentError(message)


def _along_time(signal: Tensor | None, batch: int, time: int) -> Tensor | None:
    """Lay a signal out as `[B, T]`: one that has no time axis came just before the first step."""
    if signal is None or signal.shape == (batch, time):
        return signal
    if signal.shape != (batch,):
        message = f"a reward or prediction error must have shape [{batch}, {time}] or [{batch}]; got {tuple(signal.shape)}"
        raise ArgumentError(message)
    return functional.pad(signal[:, None], (0, time - 1))
