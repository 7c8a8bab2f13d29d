"""A brain's answers to many texts at once, as training validates them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from llm_brain.brain.model import Brain
from llm_brain.training.reading import TokenReader


@torch.inference_mode()
def predict(brain: Brain, reader: TokenReader, texts: Sequence[str], *, batch_size: int = 64) -> list[int]:
    """Let a brain answer texts.

    Returns:
        The index of the likeliest option for each text.

    Example:
        >>> from tokenizers import Tokenizer
        >>> from llm_brain.brain import BrainConfig
        >>> from tokenizers.models import WordLevel
        >>> reader = TokenReader(Tokenizer(WordLevel({"?": 0, "good": 1}, unk_token="?")), torch.eye(2))
        >>> brain = Brain(BrainConfig(input_size=2, choices=2, width=8, heads=1, head_size=4), embedding=reader.table)
        >>> len(predict(brain, reader, ["good", "good good"]))
        2
    """
    training = brain.training
    brain.eval()
    answers: list[int] = []
    for start in range(0, len(texts), batch_size):
        tokens, lengths = reader.read(texts[start : start + batch_size])
        answers.extend(brain(tokens, lengths=lengths).logits.argmax(dim=-1).tolist())
    brain.train(training)
    return answers
