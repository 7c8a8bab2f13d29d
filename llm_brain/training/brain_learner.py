"""A brain that learns from texts: pairs of a text and an answer, and prompts that it answers for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llm_brain.brain.checkpoint import load_brain, save_brain
from llm_brain.brain.heads.choice import ChoiceDistribution
from llm_brain.brain.model import Brain
from llm_brain.brain.state import BrainOutput
from llm_brain.brain.text.codec import pad
from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.strategy.words import json_text
from llm_brain.training.answers import AnswerType
from llm_brain.training.data.pairs import Pair
from llm_brain.training.learner import Learner, Policy, on_device
from llm_brain.training.objectives import distillation
from llm_brain.training.reading import Reader


class BrainLearner(Learner):
    """A brain, the pairs that it learns from, and the prompts that it answers.

    Args:
        brain: Is trained in place.
        reader: How it reads text.
        kind: The type of its answers.
        pairs: Texts with right answers.
        prompts: Texts whose answers are evaluated.
        temperature: Of the distillation: below 1 sharpens the teacher's probabilities.
        word_dropout: Share of the tokens that are hidden while it learns from pairs.

    Raises:
        DefinitionError: The brain answers with another type.
        ArgumentError: An answer of a pair is none of the type.

    Example:
        >>> from llm_brain.brain import BrainConfig
        >>> from llm_brain.training import ByteReader, Pair, answer_for
        >>> kind, reader = answer_for(bool), ByteReader()
        >>> brain = Brain(BrainConfig(input_size=32, vocabulary=reader.vocabulary, answer=kind.answer, width=8, heads=1))
        >>> learner = BrainLearner(brain, reader, kind, [Pair("good", True), Pair("bad", False)], ["fine"])
        >>> learner.loss([0, 1]).shape, learner.policy([0]).answer.best().shape
        (torch.Size([]), torch.Size([1]))
    """

    def __init__(
        self,
        brain: Brain,
        reader: Reader,
        kind: AnswerType,
        pairs: Sequence[Pair],
        prompts: Sequence[str] = (),
        *,
        temperature: float = 1.0,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if kind.answer != brain.config.answer:
            message = f"the brain answers with {brain.config.answer!r}, and the pairs with {kind.answer!r}"
            raise DefinitionError(message)
        self.brain = brain
        self._reader, self._kind, self._temperature, self._word_dropout = reader, kind, temperature, word_dropout
        self._rows = [reader.tokens(pair.text) for pair in pairs]
        self._prompts = list(prompts)
        self._prompt_rows = [reader.tokens(prompt) for prompt in prompts]
        self.example_lengths = [len(row) for row in self._rows]
        self.prompt_lengths = [len(row) for row in self._prompt_rows]
        self._answers = [pair.answer for pair in pairs]
        self._targets = [] if not pairs else kind.target(self._answers)
        self._probabilities = probabilities_of(pairs, self._targets) if isinstance(self._targets, Tensor) else None
        self._described = {
            "brain": brain.config.model_dump(mode="json"),
            "reader": reader.describe(),
            "answers": kind.meaning(),
            "pairs": [[pair.text, json_text(pair.answer), list(pair.probabilities)] for pair in pairs],
            "prompts": self._prompts,
            "learning": [temperature, word_dropout],
        }

    @property
    def alike(self) -> int:
        """How many examples read the same as an earlier one: what tells them apart stands after the reader's cut."""
        return len(self._rows) - len(set(map(tuple, self._rows)))

    def loss(self, examples: Sequence[int]) -> Tensor:
        """Give the mean cross-entropy against the teacher's probabilities, or against the answers where there are none."""
        answer = self._read([self._rows[example] for example in examples], hide=self.training).answer
        if isinstance(answer, ChoiceDistribution) and self._probabilities is not None:
            wanted = self._probabilities[list(examples)].to(answer.logits.device)
            return distillation(answer.logits, wanted, temperature=self._temperature)
        target = self._kind.target([self._answers[example] for example in examples])
        return -answer.log_prob(on_device(target, self._device())).mean()

    def policy(self, prompts: Sequence[int]) -> Policy:
        """Read some prompts."""
        output = self._read([self._prompt_rows[prompt] for prompt in prompts], hide=False)
        return Policy(output.answer, output.value)

    def values(self, target: Any) -> list[Any]:
        """Turn answers into values of the type that was asked for."""
        return self._kind.values(target)

    def prompt_text(self, prompt: int) -> str:
        """Give a prompt's text."""
        return self._prompts[prompt]

    @torch.no_grad()
    def answers(self, texts: Sequence[str], *, batch_size: int = 128) -> list[Any]:
        """Answer texts as the brain would after training.

        Example:
            >>> from llm_brain.brain import BrainConfig
            >>> from llm_brain.training import ByteReader, answer_for
            >>> kind, reader = answer_for(bool), ByteReader()
            >>> brain = Brain(BrainConfig(input_size=32, vocabulary=reader.vocabulary, answer=kind.answer, width=8, heads=1))
            >>> len(BrainLearner(brain, reader, kind, []).answers(["good", "bad", "fine"]))
            3
        """
        training = self.training
        self.eval()
        rows = [self._reader.tokens(text) for text in texts]
        found = []
        for start in range(0, len(rows), batch_size):
            found += self._kind.values(self._read(rows[start : start + batch_size], hide=False).answer.best())
        self.train(training)
        return found

    @torch.no_grad()
    def likelihood(self, pairs: Sequence[Pair], *, batch_size: int = 128) -> float:
        """Give the mean log-probability of the answers of pairs, in nats; of a real number, the log of its density.

        Example:
            >>> from llm_brain.brain import BrainConfig
            >>> from llm_brain.training import ByteReader, Pair, answer_for
            >>> kind, reader = answer_for(bool), ByteReader()
            >>> brain = Brain(BrainConfig(input_size=32, vocabulary=reader.vocabulary, answer=kind.answer, width=8, heads=1))
            >>> BrainLearner(brain, reader, kind, []).likelihood([Pair("good", True), Pair("bad", False)]) < 0
            True
        """
        training = self.training
        self.eval()
        device, total = next(self.brain.parameters()).device, 0.0
        for start in range(0, len(pairs), batch_size):
            part = pairs[start : start + batch_size]
            wanted = on_device(self._kind.target([pair.answer for pair in part]), device)
            answer = self._read([self._reader.tokens(pair.text) for pair in part], hide=False).answer
            total += float(answer.log_prob(wanted).sum())
        self.train(training)
        return total / len(pairs)

    def describe(self) -> dict[str, Any]:
        """Say what the brain is, how it reads, and all that it learns from."""
        return self._described

    def save(self, folder: Path) -> None:
        """Write the brain."""
        save_brain(self.brain, folder)

    def load(self, folder: Path) -> None:
        """Read the brain's weights."""
        self.brain.load_state_dict(load_brain(folder).brain.state_dict())

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Split the parameters as the brain wants it."""
        return self.brain.parameter_groups(weight_decay)

    def _read(self, rows: Sequence[Sequence[int]], *, hide: bool) -> BrainOutput:
        tokens, lengths = pad(rows)
        if hide and self._word_dropout:
            tokens = tokens.masked_fill(torch.rand(tokens.shape) < self._word_dropout, 0)
        device = self._device()
        output: BrainOutput = self.brain(tokens.to(device), lengths=lengths.to(device))
        return output

    def _device(self) -> torch.device:
        return next(self.brain.parameters()).device


def probabilities_of(pairs: Sequence[Pair], places: Tensor) -> Tensor | None:
    """Lay the teacher's probabilities of each pair's options out, [n, options]; a one and zeros where it gave none.

    Args:
        pairs: Of a closed set of answers.
        places: Which option each pair's answer is, [n].

    Returns:
        None where no pair has any, and the answers say all.

    Raises:
        ArgumentError: Two pairs have different numbers of options.

    Example:
        >>> probabilities_of([Pair("good", True, (0.25, 0.75)), Pair("bad", False)], torch.tensor([1, 0])).tolist()
        [[0.25, 0.75], [1.0, 0.0]]
    """
    sizes = {len(pair.probabilities) for pair in pairs} - {0}
    if not sizes:
        return None
    if len(sizes) > 1:
        message = f"pairs have probabilities of {' and of '.join(map(str, sorted(sizes)))} options: they are not of one task"
        raise ArgumentError(message)
    table = torch.zeros(len(pairs), sizes.pop())
    for row, pair, place in zip(table, pairs, places.tolist(), strict=True):
        if pair.probabilities:
            row[:] = torch.tensor(pair.probabilities)
        else:
            row[place] = 1.0
    return table
