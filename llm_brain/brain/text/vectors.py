"""Text as vectors: each vector is read as the nearest of the texts that are known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from llm_brain.brain.text.codec import Decoded
from llm_brain.errors import ArgumentError


class VectorCodec:
    """A text is a vector: of a language model's embeddings, say.

    A vector has no text of its own: decoding names the nearest of the known texts and tells how near it is. That is no inverse,
    and `Decoded.exact` is False unless the vector is a known text's own.

    Args:
        texts: The texts that are known.
        vectors: Theirs, `[n, d]`.

    Raises:
        ArgumentError: There is no text, one stands there twice, or the vectors are not one a text.

    Example:
        >>> codec = VectorCodec(["tea", "train"], torch.eye(2))
        >>> codec.decode(torch.tensor([0.6, 0.8]))
        Decoded(text='train', exact=False, similarity=0.80...)
    """

    def __init__(self, texts: Sequence[str], vectors: Tensor) -> None:
        if not texts or len(set(texts)) < len(texts) or vectors.shape[:-1] != (len(texts),):
            message = f"give texts that differ, and a vector for each, [{len(texts)}, d]; got {list(vectors.shape)}"
            raise ArgumentError(message)
        self.texts = tuple(texts)
        self.vectors = vectors
        self._directions = functional.normalize(vectors, dim=-1)

    def similarities(self, vectors: Tensor) -> Tensor:
        """Compare vectors `[..., d]` with those of the known texts, by the cosine between them: `[..., n]`.

        Raises:
            ArgumentError: The vectors have another size.

        Example:
            >>> VectorCodec(["tea", "train"], torch.eye(2)).similarities(torch.tensor([[0.0, 2.0]])).tolist()
            [[0.0, 1.0]]
        """
        if vectors.shape[-1:] != self.vectors.shape[-1:]:
            message = f"the known vectors have {self.vectors.shape[-1]} numbers each; got {list(vectors.shape)}"
            raise ArgumentError(message)
        return functional.normalize(vectors, dim=-1) @ self._directions.to(vectors.device, vectors.dtype).T

    def encode(self, text: str) -> Tensor:
        """Give a known text's vector, `[d]`.

        Raises:
            ArgumentError: The text is not known.
        """
        if text not in self.texts:
            message = f"{text!r} is none of the {len(self.texts)} known texts: its vector is for whoever made theirs to make"
            raise ArgumentError(message)
        return self.vectors[self.texts.index(text)]

    def decode(self, encoded: Tensor) -> Decoded:
        """Name the known text that is nearest to a vector, `[d]`."""
        similarity, place = self.similarities(encoded).max(dim=-1)
        exact = torch.equal(self.vectors[place].to(encoded), encoded)
        return Decoded(self.texts[int(place)], exact=exact, similarity=float(similarity))
