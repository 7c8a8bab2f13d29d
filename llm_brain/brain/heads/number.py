"""A number in a range: probabilities of knots, and straight lines between them.

    c_1 .. c_K     knots from the lowest value to the highest, evenly spread; for whole numbers, on whole numbers
    w_i(y)         1 at c_i, 0 at the knots beside it, a straight line between: y's two-hot weights, sum_i w_i(y) = 1
    p              softmax(W pooled + b)
    f(y)         = sum_i p_i w_i(y) / Z_i,      Z_i = the integral, or for whole numbers the sum, of w_i over the range
    best         = sum_i p_i c_i;                     where each whole number is a knot, the likeliest one

Targets on two neighbouring bins, and the mean as the answer, are those of MuZero (Schrittwieser et al. 2020) and DreamerV3
(Hafner et al. 2023), after the histogram losses of Imani and White (2018). Their cross-entropy `-sum_i w_i log p_i` is no
likelihood; f is the density whose likelihood it bounds (Jensen), so that one can draw from f and learn from what was drawn.
Where whole numbers are no more than the knots, each is a knot and f is a plain categorical distribution. Its mean may be a
number that is hardly ever right: of two or twelve pieces, nobody has ordered seven.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain.heads.answers import KNOTS, Number
from llm_brain.brain.heads.distribution import Distribution, Head, Prompt, drawn
from llm_brain.errors import ArgumentError


@dataclass(frozen=True, slots=True, eq=False)
class NumberDistribution(Distribution[Tensor]):
    """A piecewise linear density over a range, or such probabilities of its whole numbers. Targets are the numbers, `[B]`.

    Attributes:
        answer: The range.
        logits: One a knot, `[B, K]`; see `knots`.

    Example:
        >>> answer = NumberDistribution(Number(low=1, high=3, whole=True), torch.tensor([[0.0, 0.0, 50.0]]))
        >>> answer.best().tolist(), answer.log_prob(torch.tensor([3.0])).exp().tolist()
        ([3.0], [1.0])
    """

    answer: Number
    logits: Tensor

    @property
    def knots(self) -> Tensor:
        """The knots, `[K]`, in float64, so that every number of the range can be told from the next."""
        return knots(self.answer).to(self.logits.device)

    def log_prob(self, target: Tensor) -> Tensor:
        """Give the log of the density, or of a whole number's probability, for each row, `[B]`.

        Raises:
            ArgumentError: The target is not one number a row, lies outside of the range, or is not whole where it should be.
        """
        places, exact, rows = self.knots, target.double(), self.logits.shape[0]
        low, high = self.answer.low, self.answer.high
        allowed = (exact >= low) & (exact <= high) & ((exact == exact.round()) | (not self.answer.whole))
        if target.shape != (rows,) or not allowed.all():
            kind = "whole numbers" if self.answer.whole else "numbers"
            message = f"a target must be {rows} {kind} from {low:g} to {high:g}, one a row; got {target}"
            raise ArgumentError(message)
        after = torch.searchsorted(places, exact).clamp(1, max(1, len(places) - 1)).clamp(max=len(places) - 1)
        around = torch.stack([(after - 1).clamp(min=0), after], dim=-1)
        gap = (places[around[:, 1]] - places[around[:, 0]]).clamp(min=torch.finfo(torch.float64).tiny)
        share = (exact - places[around[:, 0]]) / gap
        weights = torch.stack([1 - share, share], dim=-1).log().to(self.logits.dtype)
        return torch.logsumexp((self._log_heights().gather(1, around)) + weights, dim=-1)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw a number for each row, `[B]`, in float64: a knot, a side of it, and how far from it."""
        left, right = _gaps(self.knots)
        knot = drawn(self.logits, generator)
        masses = torch.stack([_mass(left, whole=self.answer.whole), _mass(right, whole=self.answer.whole)], dim=-1)
        if self.answer.whole:  # the third way is to stay at the knot
            masses = functional.pad(masses, (0, 1), value=1.0)
        side = drawn(masses[knot].log(), generator)
        gap = torch.stack([left, right, torch.zeros_like(left)], dim=-1)[knot, side]
        first, second = torch.rand(2, len(knot), dtype=torch.float64, generator=generator).to(gap.device)
        if self.answer.whole:  # the difference of two of g whole numbers that are not the same
            first, second = (first * gap).floor(), (second * (gap - 1)).floor()
            second = second + (second >= first)
            distance = torch.where(gap > 1, (first - second).abs(), torch.zeros_like(gap))
        else:
            distance = (first - second).abs() * gap
        direction = torch.tensor([-1.0, 1.0, 0.0], dtype=torch.float64, device=gap.device)[side]
        return (self.knots[knot] + direction * distance).clamp(self.answer.low, self.answer.high)

    def best(self) -> Tensor:
        """Give the mean of the knots for each row, `[B]`, in float64; of whole numbers that are all knots, the likeliest."""
        if self.answer.whole and self.logits.shape[1] > self.answer.high - self.answer.low:
            return self.knots[self.logits.argmax(dim=-1)]
        probabilities = torch.softmax(self.logits.detach().double(), dim=-1)
        # Summed from the lowest on, so that a large offset costs no digits.
        mean = self.answer.low + probabilities @ (self.knots - self.answer.low)
        return (mean.round() if self.answer.whole else mean).clamp(self.answer.low, self.answer.high)

    def entropy(self, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002 - known without drawing
        """Give `-sum_i p_i log(p_i / Z_i)` for each row, `[B]`.

        That is the entropy where each whole number is a knot; elsewhere it is the entropy up to half a nat, and in the limit of a
        density that changes little from knot to knot.
        """
        return -(torch.softmax(self.logits, dim=-1) * self._log_heights()).sum(dim=-1)

    def _log_heights(self) -> Tensor:
        """Give log(p_i / Z_i), the log of the density at each knot, `[B, K]`."""
        left, right = _gaps(self.knots)
        mass = _mass(left, whole=self.answer.whole) + _mass(right, whole=self.answer.whole) + float(self.answer.whole)
        return torch.log_softmax(self.logits, dim=-1) - mass.log().to(self.logits.dtype)


class NumberHead(Head):
    """Scores the knots of a `Number`.

    Args:
        answer: The type of the answer.
        size: Length of the pooled features.

    Example:
        >>> from llm_brain.brain import PlasticRNN
        >>> network = PlasticRNN(4, 8, heads=2)
        >>> head = NumberHead(Number(low=-1, high=1), 16)
        >>> bool(head(Prompt(torch.randn(1, 16), network, network.initial_state(1))).best().abs() <= 1)
        True
    """

    def __init__(self, answer: Number, size: int) -> None:
        super().__init__()
        self.answer = answer
        self.score = nn.Linear(size, len(knots(answer)))

    def forward(self, prompt: Prompt) -> NumberDistribution:
        """Answer from what was read."""
        return NumberDistribution(self.answer, functional.linear(prompt.pooled, self.score.weight, self.score.bias))


def knots(answer: Number) -> Tensor:
    """Spread the knots evenly over a range, `[K]`, in float64.

    Example:
        >>> knots(Number(low=1, high=4, whole=True)).tolist(), len(knots(Number(low=0, high=1)))
        ([1.0, 2.0, 3.0, 4.0], 256)
    """
    span = answer.high - answer.low
    if not answer.whole:
        return answer.low + torch.linspace(0.0, span, KNOTS, dtype=torch.float64)
    return answer.low + torch.linspace(0.0, span, int(min(span + 1, KNOTS)), dtype=torch.float64).round()


def _gaps(places: Tensor) -> tuple[Tensor, Tensor]:
    """Measure how far it is to the knot before and to the one after each, `[K]` twice; 0 at the ends."""
    between = places.diff()
    return functional.pad(between, (1, 0)), functional.pad(between, (0, 1))


def _mass(gap: Tensor, *, whole: bool) -> Tensor:
    """Integrate a straight line from 1 to 0 over a gap, or sum it over the whole numbers strictly inside."""
    return ((gap - 1) / 2).clamp(min=0.0) if whole else gap / 2
