"""Validation by a judge: prompts and the inputs made of them -> a network's answers -> a judgement each -> the average."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from llm_brain.errors import ArgumentError
from llm_brain.interface.judgements import Judgement, average
from llm_brain.interface.judging import Judge
from llm_brain.interface.outputs import Outputs
from llm_brain.interface.vectors import Vectors
from llm_brain.tracing.names import KIND, SCORE, VALIDATION_KIND
from llm_brain.tracing.spans import span

if TYPE_CHECKING:
    from collections.abc import Iterator

Encode: TypeAlias = Callable[[Sequence[str]], Tensor]
"""Turns n texts into a network's inputs, [n, ...]."""

_BATCH: Final = 64
_VECTORS: Final = 2
_SEQUENCES: Final = 3


class Validation(NamedTuple):
    """What a validation gave: `average_score, results = ...`.

    Attributes:
        average_score: Of the answers that have a score; None where none has.
        results: A judgement for each prompt, in their order.

    Example:
        >>> Validation(0.5, [Judgement("a", "b", 0.5), Judgement("c", "d", None)]).failures
        1
    """

    average_score: float | None
    results: list[Judgement]

    @property
    def failures(self) -> int:
        """How many evaluations gave no score."""
        return sum(judgement.score is None for judgement in self.results)


def validate(
    model: nn.Module,
    prompts: Sequence[str],
    inputs: Tensor,
    *,
    outputs: Outputs,
    vectors: Vectors,
    judge: Judge,
    device: torch.device | str | None = None,
) -> Validation:
    """Have a network's answers to prompts judged.

    Args:
        model: Is asked, without dropout and gradients.
        prompts: What it is asked, as the judge reads it.
        inputs: The same as the network reads it, [n, ...].
        outputs: What the network's outputs mean.
        vectors: How texts become vectors.
        judge: Judges.
        device: Where the network is; its first parameter's device by default.

    Raises:
        ArgumentError: The network does not give one output for each prompt.

    Example:
        >>> model = nn.Linear(1, 2)
        >>> _ = nn.init.zeros_(model.weight), model.bias.data.copy_(torch.tensor([0.0, 1.0]))
        >>> from llm_brain.backends import resolve_model
        >>> from llm_brain.interface import Labels
        >>> with Judge(lambda task, output: float(output == "blue")) as judge:
        ...     validate(model, ["sky", "sea"], torch.ones(2, 1), outputs=Labels(["red", "blue"]),
        ...              vectors=Vectors(resolve_model("local")), judge=judge).average_score
        1.0
    """
    place = device_of(model) if device is None else checked_device(device)
    with span("validation", {KIND: VALIDATION_KIND}) as here:
        answers: list[str] = []
        with evaluating(model):
            for batch in inputs.split(_BATCH):
                output = model(batch.to(place))
                answers += outputs.answers(output_tensor(output), vectors)
        if len(answers) != len(prompts):
            message = f"the network gave {len(answers)} outputs for {len(prompts)} prompts: it should give one for each of them"
            raise ArgumentError(message)
        judged = judge.judge(list(zip(prompts, answers, strict=True)))
        score = average(judged)
        if score is not None:
            here.set(SCORE, score)
    return Validation(score, judged)


def inputs_like(others: Tensor, texts: Sequence[str], vectors: Vectors) -> Tensor:
    """Turn texts into inputs of the shape that others have: vectors, or sequences of vectors.

    Args:
        others: [m, d] or [m, T, d].
        texts: The n texts.
        vectors: How texts become vectors.

    Returns:
        [n, d] or [n, T, d].

    Raises:
        ArgumentError: The others are neither.

    Example:
        >>> from llm_brain.backends import resolve_model
        >>> inputs_like(torch.zeros(5, 3, 16), ["a cup of tea"], Vectors(resolve_model("local"), 16)).shape
        torch.Size([1, 3, 16])
    """
    is_sequence = others.dim() == _SEQUENCES
    if others.is_floating_point() and (is_sequence or others.dim() == _VECTORS):
        made = vectors.sequences(texts, others.shape[1]) if is_sequence else vectors(texts)
        if made.shape[1:] == others.shape[1:]:
            return made
    message = (
        f"the inputs {list(others.shape)} are no vectors of texts: give `encode`, which turns validation prompts into inputs, or "
        "validation_prompts=[] for no validation"
    )
    raise ArgumentError(message)


def output_tensor(given: Any) -> Tensor:
    """Take the tensor out of what a network gives: itself, its `logits`, or those of its `answer`, as a brain gives them.

    Raises:
        ArgumentError: There is none.

    Example:
        >>> output_tensor(torch.zeros(2)).shape
        torch.Size([2])
    """
    tensor = getattr(getattr(given, "answer", given), "logits", given)
    if not isinstance(tensor, Tensor):
        message = (
            f"the network gave a {type(given).__name__}, which is neither a tensor nor has `logits`: wrap it in a module that "
            "gives the one that means something"
        )
        raise ArgumentError(message)
    return tensor


def checked_device(device: torch.device | str) -> torch.device:
    """Turn a device's name into a device.

    Raises:
        ArgumentError: torch knows no such device, or it is not there.

    Example:
        >>> checked_device("cpu")
        device(type='cpu')
    """
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except Exception as error:  # torch raises what it likes for a device that is not there
        message = f"device {str(device)!r} cannot be used: {str(error).splitlines()[0]}"
        raise ArgumentError(message) from error
    return found


def device_of(model: nn.Module) -> torch.device:
    """Tell where a network is: where its first parameter is.

    Example:
        >>> device_of(nn.Linear(1, 1)).type
        'cpu'
    """
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Let a network answer without dropout and gradients, and be as it was afterwards.

    Example:
        >>> model = nn.Dropout()
        >>> with evaluating(model):
        ...     model.training
        False
        >>> model.training
        True
    """
    with modes_kept(model), torch.no_grad():
        model.eval()
        yield


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Leave each part of a network in the mode that it was in: one that is frozen on purpose stays so.

    Example:
        >>> model = nn.Dropout()
        >>> with modes_kept(model):
        ...     _ = model.eval()
        >>> model.training
        True
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
