"""A brain's answers to many texts at once, as training validates them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from llm_brain.brain.heads.choice import ChoiceDistribution
from llm_brain.brain.model import Brain
from llm_brain.brain.state import BrainOutput
from llm_brain.errors import DefinitionError
from llm_brain.training.reading import TokenReader


@torch.inference_mode()
def predict(brain: Brain, reader: TokenReader, texts: Sequence[str], *, batch_size: int = 64) -> list[int]:
    """Let a brain that chooses answer texts.

    Returns:
        The index of the likeliest option for each text.

    Raises:
        DefinitionError: The brain does not choose from a closed set.

    Example:
        >>> from tokenizers import Tokenizer
        >>> from llm_brain.brain import BrainConfig, Choice
        >>> from tokenizers.models import WordLevel
        >>> reader = TokenReader(Tokenizer(WordLevel({"?": 0, "good": 1}, unk_token="?")), torch.eye(2))
        >>> brain = Brain(BrainConfig(input_size=2, answer=Choice(options=2), width=8, heads=1), embedding=reader.table)
        >>> len(predict(brain, reader, ["good", "good good"]))
        2
    """
    training = brain.training
    brain.eval()
    answers: list[int] = []
    for start in range(0, len(texts), batch_size):
        tokens, lengths = reader.read(texts[start : start + batch_size])
        answers.extend(chosen(brain(tokens, lengths=lengths)).best().tolist())
    brain.train(training)
    return answers


def chosen(output: BrainOutput) -> ChoiceDistribution:
    """Take the probabilities of the options from what a brain answers.

    Raises:
        DefinitionError: The brain does not choose from a closed set.

    Example:
        >>> from llm_brain.brain import BrainConfig, Choice
        >>> brain = Brain(BrainConfig(input_size=2, answer=Choice(options=3)))
        >>> chosen(brain(torch.randn(1, 5, 2))).logits.shape
        torch.Size([1, 3])
    """
    if not isinstance(output.answer, ChoiceDistribution):
        message = (
            f"the brain answers with a {type(output.answer).__name__}, and this training knows choices only: build it with "
            "answer=Choice(options=...)"
        )
        raise DefinitionError(message)
    return output.answer
