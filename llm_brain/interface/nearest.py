"""Outputs that are vectors, each read as the nearest of the texts that are known."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from torch import Tensor

from llm_brain.brain.heads.choice import ChoiceDistribution
from llm_brain.brain.text.vectors import VectorCodec
from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.interface.outputs import Outputs, shaped
from llm_brain.interface.vectors import Vectors


class NearestTexts(Outputs):
    """Outputs are vectors [n, d], each read as the text whose vector is nearest to it, of those that are known.

    A vector has no text of its own: this names the nearest one, and is not an inverse.

    Args:
        texts: The texts that are known.
        temperature: Of the probabilities that answers are drawn by: softmax of cosine similarity / temperature.

    Raises:
        DefinitionError: A text is empty or stands there twice, there is none, or the temperature is not above 0.

    Example:
        >>> from llm_brain.backends import resolve_model
        >>> vectors = Vectors(resolve_model("local"), 64)
        >>> known = NearestTexts(["a cup of tea", "an underground train"])
        >>> known.read(vectors(["a cup of tea"]), vectors)
        ["'a cup of tea' (cosine similarity 1.00; the nearest of 2 known texts, which is not an inverse)"]
    """

    def __init__(self, texts: Sequence[str], *, temperature: float = 0.1) -> None:
        self.texts = tuple(texts)
        self.temperature = temperature
        self._known: WeakKeyDictionary[Vectors, dict[int, VectorCodec]] = WeakKeyDictionary()
        if not self.texts or len(set(self.texts)) < len(self.texts) or not all(text.strip() for text in self.texts):
            message = "give texts that differ, and none that is empty: the nearest of them is what an output means"
            raise DefinitionError(message)
        if not temperature > 0:
            message = f"temperature must be above 0, got {temperature}"
            raise DefinitionError(message)

    def answers(self, output: Tensor, vectors: Vectors | None = None) -> list[str]:
        """Name the text that is nearest to each output."""
        return self.said(self._similarities(output, vectors).argmax(dim=-1))

    def read(self, output: Tensor, vectors: Vectors | None = None) -> list[str]:
        """Name the text that is nearest to each output, and how near it is."""
        near = self._similarities(output, vectors).max(dim=-1)
        what = f"the nearest of {len(self.texts)} known texts, which is not an inverse"
        found = zip(near.values.tolist(), near.indices.tolist(), strict=True)
        return [f"{self.texts[place]!r} (cosine similarity {similarity:.2f}; {what})" for similarity, place in found]

    def distribution(self, output: Tensor, vectors: Vectors | None = None) -> ChoiceDistribution:
        """Give the known texts' probabilities: the nearer, the likelier."""
        return ChoiceDistribution(self._similarities(output, vectors) / self.temperature)

    def said(self, target: Tensor) -> list[str]:
        """Give known texts by their places."""
        return [self.texts[place] for place in target.tolist()]

    def _similarities(self, output: Tensor, vectors: Vectors | None) -> Tensor:
        if vectors is None:
            message = "NearestTexts compares vectors with those of texts: hand in the `Vectors` that turn texts into some"
            raise ArgumentError(message)
        output = shaped(output, 2, None, "vectors [n, d]")
        by_size = self._known.setdefault(vectors, {})
        size = output.shape[1]
        if size not in by_size:
            by_size[size] = VectorCodec(self.texts, vectors(self.texts, size))
        return by_size[size].similarities(output)
