"""A text, written symbol by symbol by the network that has read the prompt.

    e_0   = begin + W_b pooled               the symbol that begins this text, and what it is to be about
    e_t   = E[s_t]                           after that the network reads what it has written
    y_t, S_t = network(norm(e_{t-1}), S_{t-1})      from S_0, its state after the prompt
    p(s_t | s_1 .. s_{t-1}) = softmax(W y_t + b)
    p(s)  = product over t, up to the end symbol; a text of `longest` symbols ends by itself

Given a text, all steps are computed in parallel (`log_prob`); a text is written step by step (`best`, `sample`). Each text of a
record has a beginning of its own, which is the marker of its field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain.equations.norms import rms_norm
from llm_brain.brain.equations.tables import steps
from llm_brain.brain.heads.answers import Text
from llm_brain.brain.heads.distribution import Distribution, Head, Prompt, drawn
from llm_brain.errors import ArgumentError

ROW = 2


@dataclass(frozen=True, slots=True, eq=False)
class TextDistribution(Distribution[Tensor]):
    """Probabilities of texts. Targets are rows of symbols `[B, L]`; what follows the first end of a row is padding.

    Attributes:
        head: What turns symbols to vectors and features to probabilities.
        prompt: What was read.

    Example:
        >>> from llm_brain.brain import Brain, BrainConfig
        >>> brain = Brain(BrainConfig(input_size=4, answer=Text(vocabulary=3, end=2, longest=5))).eval()
        >>> answer = brain(torch.randn(2, 6, 4)).answer
        >>> answer.log_prob(torch.tensor([[0, 1, 2], [2, 2, 2]])).shape
        torch.Size([2])
        >>> answer.best().shape[1] <= 6
        True
    """

    head: TextHead
    prompt: Prompt

    def log_prob(self, target: Tensor) -> Tensor:
        """Give the log-probability of a text for each row, `[B]`: the likelihood of each symbol given those before it.

        Raises:
            ArgumentError: The target is no row of symbols for each row of the batch, longer than `longest`, or does not end.
        """
        symbols, length = self._checked(target)
        longest = self.head.answer.longest
        counted = (length + 1).clamp(max=longest)  # with the end, except where the text ends by itself
        symbols = symbols[:, : int(counted.max())]
        vectors = torch.cat([self._begin()[:, None], functional.embedding(symbols[:, :-1], self.head.read.weight)], dim=1)
        features, _ = self.prompt.network(rms_norm(vectors), self.prompt.state, lengths=counted)
        logs = torch.log_softmax(self._scores(features), dim=-1).gather(-1, symbols[..., None]).squeeze(-1)
        return logs.masked_fill(steps(symbols.shape[1], symbols.device) >= counted[:, None], 0.0).sum(dim=1)

    @torch.no_grad()
    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Write a text for each row, drawing each symbol, `[B, L]`."""
        return self._write(lambda logits: drawn(logits, generator))[0]

    @torch.no_grad()
    def best(self) -> Tensor:
        """Write a text for each row, the likeliest symbol at each step, `[B, L]`. There may be a likelier text than this."""
        return self._write(lambda logits: logits.argmax(dim=-1))[0]

    def entropy(self, generator: torch.Generator | None = None) -> Tensor:
        """Estimate the entropy for each row, `[B]`, from one text that is drawn.

        It is the sum of the entropies of its symbols, each given those before it: right in the mean. Its gradient leaves out that
        other probabilities would draw other texts.
        """
        return self._write(lambda logits: drawn(logits, generator))[1]

    def _begin(self) -> Tensor:
        return self.head.begin + functional.linear(self.prompt.pooled, self.head.about.weight)

    def _scores(self, features: Tensor) -> Tensor:
        return functional.linear(features, self.head.score.weight, self.head.score.bias)

    def _write(self, choose: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Write until every row has ended. Gives the symbols, each row with an end, and the sum of their entropies."""
        answer, network, state = self.head.answer, self.prompt.network, self.prompt.state
        vector = self._begin()
        ended = torch.zeros(len(vector), dtype=torch.bool, device=vector.device)
        written, entropy = [], vector.new_zeros(len(vector))
        for _ in range(answer.longest):
            features, state = network.step(rms_norm(vector), state)
            logs = torch.log_softmax(self._scores(features), dim=-1)
            entropy = entropy - (logs.exp() * logs).sum(dim=-1).masked_fill(ended, 0.0)
            symbol = choose(logs).masked_fill(ended, answer.end)
            written.append(symbol)
            ended = ended | (symbol == answer.end)
            if bool(ended.all()):
                break
            vector = functional.embedding(symbol, self.head.read.weight)
        if not bool(ended.all()):
            written.append(torch.full_like(written[-1], answer.end))
        return torch.stack(written, dim=1), entropy

    def _checked(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Give the symbols, with ends for padding, and how many come before the end of each row, `[B]`."""
        answer, rows = self.head.answer, len(self.prompt.pooled)
        if target.dim() != ROW or len(target) != rows or target.is_floating_point() or not target.shape[1]:
            message = f"a target must be a row of symbols for each of {rows} rows, [{rows}, L]; got {list(target.shape)}"
            raise ArgumentError(message)
        target = functional.pad(target, (0, 1), value=answer.end)
        passed = (target == answer.end).cumsum(dim=1)
        length = (passed == 0).sum(dim=1)
        longest = int(length.max())
        if longest > answer.longest:
            message = (
                f"a target has {longest} symbols and a text of this brain at most {answer.longest}: shorten it, or build the "
                f"brain with Text(longest={longest})"
            )
            raise ArgumentError(message)
        if ((length == target.shape[1] - 1) & (length < answer.longest)).any():
            message = f"a target does not end: put the end symbol, {answer.end}, after its last one"
            raise ArgumentError(message)
        target = target.masked_fill(passed > 0, answer.end)
        if ((target < 0) | (target >= answer.vocabulary)).any():
            message = f"a target holds symbols that are none of 0 to {answer.vocabulary - 1}"
            raise ArgumentError(message)
        return target, length


class TextHead(Head):
    """Lets the network write a `Text`.

    Args:
        answer: The type of the answer.
        size: Length of the pooled features.
        input_size: Length of a vector that the network reads.
        width: d, length of a vector that the network gives.

    Example:
        >>> from llm_brain.brain import PlasticRNN
        >>> network = PlasticRNN(4, 8, heads=2)
        >>> head = TextHead(Text(vocabulary=3, end=2, longest=5), 16, input_size=4, width=8)
        >>> text = head(Prompt(torch.randn(1, 16), network, network.initial_state(1))).sample()
        >>> 2 in text[0]
        True
    """

    def __init__(self, answer: Text, size: int, *, input_size: int, width: int) -> None:
        super().__init__()
        self.answer = answer
        self.begin = nn.Parameter(torch.randn(input_size))
        self.about = nn.Linear(size, input_size, bias=False)
        self.read = nn.Embedding(answer.vocabulary, input_size)
        self.score = nn.Linear(width, answer.vocabulary)

    def forward(self, prompt: Prompt) -> TextDistribution:
        """Answer from what was read."""
        return TextDistribution(self, prompt)
