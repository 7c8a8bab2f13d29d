"""The options behind a prompt as branches of a tree, so that all of them are scored in one row of one forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from llm_brain.backends.local.key_values import common_length


class OptionTree:
    """A prompt and the options behind it as branches of one row of tokens.

    Attributes:
        tokens: The prompt, then each option without its last token, which is only predicted.
        positions: Each token's place in its own branch.
        predictions: For each token of each option in turn: the place in the row that predicts it, and the token.

    Example:
        >>> tree = OptionTree([5, 6], [[1, 2], [3]])
        >>> tree.tokens, tree.positions, tree.predictions
        ([5, 6, 1], [0, 1, 2], [(1, 1), (2, 2), (1, 3)])
    """

    def __init__(self, prompt: list[int], options: Sequence[list[int]]) -> None:
        # What all options begin with is read once, as if it were the prompt's; each keeps a token of its own.
        stem = min(common_length(options), min(map(len, options)) - 1)
        trunk = [*prompt, *options[0][:stem]]
        self.tokens = list(trunk)
        self.positions = list(range(len(trunk)))
        self.predictions: list[tuple[int, int]] = []
        self._branches: list[tuple[int, int]] = []
        for option in options:
            start = len(self.tokens)
            self.tokens.extend(option[stem:-1])
            self.positions.extend(range(len(trunk), len(trunk) + len(option) - stem - 1))
            self._branches.append((start, len(self.tokens)))
            places = [*range(len(prompt) - 1, len(trunk)), *range(start, len(self.tokens))]
            self.predictions.extend(zip(places, option, strict=True))

    def visible(self) -> torch.Tensor:
        """Tell which token [row] sees which [column]: those before it, except other branches."""
        size = len(self.tokens)
        seen = torch.ones(size, size, dtype=torch.bool).tril()
        for start, end in self._branches:
            seen[end:, start:end] = False
        return seen
