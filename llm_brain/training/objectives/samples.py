"""Answers that were drawn, with what was thought of them: all that an objective sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from llm_brain.errors import ArgumentError


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """K answers to each of n prompts.

    An answer's log-probability is that of the whole answer, in nats: of an option, or of a number, or the sum over a text's
    tokens.

    Attributes:
        log_probabilities: Of the answers under the network now, [n, K], with their gradient.
        rewards: Their evaluations, [n, K]; what stands where `known` is false does not matter.
        known: Which evaluations there are, [n, K], bool. A failed one is left out of every mean; it is never a zero.
        behaviour: The answers' log-probabilities under the network that drew them, [n, K].
        baseline: The reward to be expected at each prompt, [n], of a value head or a running mean; None where none is kept.
        reference: The answers' log-probabilities under a slow reference, [n, K]; None where none is kept.

    Raises:
        ArgumentError: The shapes do not fit together.

    Example:
        >>> import torch
        >>> logs = torch.full((1, 2), 0.5).log().requires_grad_()
        >>> samples = Samples(logs, torch.tensor([[1.0, 0.0]]), torch.tensor([[True, True]]), logs.detach())
        >>> samples.reference is None
        True
    """

    log_probabilities: Tensor
    rewards: Tensor
    known: Tensor
    behaviour: Tensor
    baseline: Tensor | None = None
    reference: Tensor | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.log_probabilities.shape)
        if len(shape) != 2:  # noqa: PLR2004 # prompts and answers
            message = f"log_probabilities must be [prompts, answers], and are {list(shape)}: add the axis that is missing"
            raise ArgumentError(message)
        for name, tensor in (
            ("rewards", self.rewards),
            ("known", self.known),
            ("behaviour", self.behaviour),
            ("reference", self.reference),
        ):
            if tensor is not None and tuple(tensor.shape) != shape:
                message = f"{name} must be {list(shape)} as log_probabilities are, and are {list(tensor.shape)}"
                raise ArgumentError(message)
        if self.baseline is not None and tuple(self.baseline.shape) != shape[:1]:
            message = f"baseline must be one number a prompt, {list(shape[:1])}, and is {list(self.baseline.shape)}"
            raise ArgumentError(message)


Objective = Callable[[Samples], Tensor]
"""Turns samples into a scalar that is to be minimised."""
