"""Any torch module as what the training loop trains: tensors to learn from, and the same inputs as prompts to answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from llm_brain.errors import ArgumentError, DataError
from llm_brain.interface.outputs import Outputs
from llm_brain.interface.validation import device_of, output_tensor
from llm_brain.interface.vectors import Vectors
from llm_brain.training.learner import Learner, Policy

WEIGHTS: Final = "model.safetensors"


class ModuleLearner(Learner):
    """A network, the inputs and targets that it learns from, and the inputs as prompts whose answers are judged.

    Args:
        model: Is trained in place.
        inputs: [n, ...].
        targets: [n, ...], as `loss_fn` takes them.
        loss_fn: Takes the model's output and the targets, and gives a scalar.
        prompts: The inputs as the judge reads them, n texts; not needed where nobody is asked.
        outputs: What the model's outputs mean; None where nobody is asked.
        vectors: How texts become vectors, for outputs that are compared with some.

    Attributes:
        model: As given.
        prompts: As given; none where nobody is asked.

    Raises:
        ArgumentError: There are not as many inputs as targets and prompts.

    Example:
        >>> from llm_brain.interface import Labels
        >>> learner = ModuleLearner(
        ...     nn.Linear(1, 2), torch.ones(3, 1), torch.zeros(3).long(), nn.functional.cross_entropy,
        ...     prompts=["the sky"] * 3, outputs=Labels(["red", "blue"]))
        >>> learner.loss([0, 2]).shape, learner.values(learner.policy([0]).answer.best())[0] in ("red", "blue")
        (torch.Size([]), True)
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Tensor,
        targets: Tensor,
        loss_fn: Callable[[Tensor, Tensor], Tensor],
        *,
        prompts: Sequence[str] = (),
        outputs: Outputs | None = None,
        vectors: Vectors | None = None,
    ) -> None:
        super().__init__()
        counts = {"inputs": len(inputs), "targets": len(targets)}
        if outputs is not None:
            counts["prompts"] = len(prompts)
        if len(set(counts.values())) > 1 or not len(inputs):
            said = ", ".join(f"{number} {name}" for name, number in counts.items())
            message = f"each input needs its target, and its text for the judge to read: there are {said}"
            raise ArgumentError(message)
        self.model = model
        self.prompts = [] if outputs is None else list(prompts)
        self._inputs, self._targets = inputs.detach(), targets.detach()
        self._loss_fn, self._outputs, self._vectors = loss_fn, outputs, vectors
        self.example_lengths = [1] * len(inputs)
        self.prompt_lengths = [1] * len(self.prompts)

    def loss(self, examples: Sequence[int]) -> Tensor:
        """Give `loss_fn` of some outputs and their targets."""
        return self._loss_fn(self._output(examples), self._targets[list(examples)].to(device_of(self.model)))

    def policy(self, prompts: Sequence[int]) -> Policy:
        """Give the distributions that the outputs mean.

        Raises:
            ArgumentError: Nothing can be drawn from outputs of this kind.
            DataError: An output is no longer a finite number.
        """
        output = self._output(prompts)
        if not torch.isfinite(output).all():
            message = (
                "the network's outputs are no longer finite numbers: lower the learning rate, or look for such numbers in inputs"
            )
            raise DataError(message)
        return Policy(self._meaning.distribution(output, self._vectors))

    def values(self, target: Any) -> list[str]:
        """Say what was drawn as the texts that the judge reads."""
        return self._meaning.said(target)

    def prompt_text(self, prompt: int) -> str:
        """Give an input as the judge reads it."""
        return self.prompts[prompt]

    def describe(self) -> dict[str, Any]:
        """Say what the network is, and what it learns from, by digests. Two losses of one name are not told apart."""
        return {
            "model": repr(self.model),
            "parameters": {name: list(parameter.shape) for name, parameter in self.model.named_parameters()},
            "inputs": _digest(self._inputs),
            "targets": _digest(self._targets),
            "prompts": self.prompts,
            "outputs": type(self._outputs).__qualname__,
            "loss": getattr(self._loss_fn, "__qualname__", type(self._loss_fn).__qualname__),
        }

    def save(self, folder: Path) -> None:
        """Write the model's weights; tensors that its parts share are written once."""
        folder.mkdir(parents=True, exist_ok=True)
        save_model(self.model, str(folder / WEIGHTS))

    def load(self, folder: Path) -> None:
        """Read the model's weights."""
        load_model(self.model, folder / WEIGHTS)

    @property
    def _meaning(self) -> Outputs:
        if self._outputs is None:
            message = "nothing says what the network's outputs mean: give `outputs`"
            raise ArgumentError(message)
        return self._outputs

    def _output(self, rows: Sequence[int]) -> Tensor:
        device = device_of(self.model)
        return output_tensor(self.model(self._inputs[list(rows)].to(device))).to(device)


def _digest(tensor: Tensor) -> str:
    data = tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(f"{tensor.dtype} {list(tensor.shape)}".encode() + data).hexdigest()
