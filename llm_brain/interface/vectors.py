"""Texts as vectors of the size that a network reads.

texts -> the model's own vectors [n, m] -> times a fixed matrix Q [m, d], where d is not m -> [n, d]

Q is a random orthogonal projection, always the same one for the same m and d:

    d < m    Q = sqrt(m / d) times d orthonormal columns: distances are kept on average, and for n texts all of them within a
             factor of 1 +- sqrt(8 log(n) / d) or so (Johnson and Lindenstrauss 1984). What it leaves out is gone: no inverse
    d > m    Q = m orthonormal rows: distances are kept exactly, in a larger space

Neither way leads back from a vector to the text it was made from: many texts have nearly the same vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from llm_brain.backends.contract import LanguageBackend
from llm_brain.errors import ArgumentError, BackendError

_SEED = 0
_MOST_PROJECTIONS = 16


class Vectors:
    """Turns texts into vectors by a language model.

    Args:
        backend: The model.
        size: d, the numbers in a vector; None: as many as the model's own.
        chosen: Whether the model was chosen for this, rather than being the one that answers, too.

    Raises:
        ArgumentError: The size is below 1.

    Example:
        >>> from llm_brain.backends import resolve_model
        >>> vectors = Vectors(resolve_model("local"), 64)
        >>> vectors(["Paris", "Rome"]).shape
        torch.Size([2, 64])
        >>> vectors.sequences(["Rome was not built in a day."], 4).shape
        torch.Size([1, 4, 64])
    """

    def __init__(self, backend: LanguageBackend, size: int | None = None, *, chosen: bool = True) -> None:
        _check_size(size)
        self.backend = backend
        self.size = size
        self._chosen = chosen

    def __call__(self, texts: Sequence[str], size: int | None = None) -> Tensor:
        """Turn texts into vectors.

        Args:
            texts: The texts, none of them empty.
            size: The numbers in a vector, where it is another than usual.

        Returns:
            [n, d], float32.

        Raises:
            BackendError: The model gives no vectors.
        """
        _check_size(size)
        try:
            own = torch.tensor(self.backend.embed(texts).vectors)
        except BackendError as error:
            if not self._chosen:
                error.add_note(
                    f"Vectors were asked of the model that answers, {self.backend.model_id!r}; one that was made for them is "
                    "named by `embedding_backend`: LLMInterface(..., embedding_backend='openai:text-embedding-3-small')"
                )
            raise
        wanted = size or self.size or own.shape[1]
        return own if wanted == own.shape[1] else own @ projection(own.shape[1], wanted)

    def sequences(self, texts: Sequence[str], length: int) -> Tensor:
        """Turn each text into a sequence of vectors, a word at a time.

        A step is one word. A text with more words than there are steps has runs of neighbouring words for steps, as equal in
        number as can be; one with fewer has zeros for its last steps.

        Returns:
            [n, length, d], float32.

        Raises:
            ArgumentError: The length is below 1, or a text has no word.
            BackendError: The model gives no vectors.
        """
        if length < 1:
            message = f"a sequence has 1 step or more, got {length}"
            raise ArgumentError(message)
        rows = [_steps(text, length) for text in texts]
        pieces = list(dict.fromkeys(piece for row in rows for piece in row))
        vectors = dict(zip(pieces, self(pieces), strict=True)) if pieces else {}
        size = len(next(iter(vectors.values()))) if vectors else self.size or 0
        sequences = torch.zeros(len(rows), length, size)
        for place, row in enumerate(rows):
            sequences[place, : len(row)] = torch.stack([vectors[piece] for piece in row])
        return sequences


@lru_cache(maxsize=_MOST_PROJECTIONS)
def projection(own: int, wanted: int) -> Tensor:
    """Make the matrix that turns vectors of one size into vectors of another, and keeps their distances.

    Args:
        own: m, the size that vectors have.
        wanted: d, the size that they should have.

    Returns:
        [m, d], float32; the same one every time.

    Example:
        >>> points = torch.randn(2, 384, generator=torch.Generator().manual_seed(1))
        >>> larger = points @ projection(384, 768)
        >>> bool(torch.isclose(torch.dist(*points), torch.dist(*larger)))
        True
    """
    generator = torch.Generator().manual_seed(_SEED)
    tall, thin = max(own, wanted), min(own, wanted)
    basis, triangle = torch.linalg.qr(torch.randn(tall, thin, generator=generator, dtype=torch.float64))
    # The signs of a QR are the library's choice; these are everybody's.
    basis = basis * torch.sign(torch.diagonal(triangle))
    matrix: Tensor = basis * (own / wanted) ** 0.5 if wanted < own else basis.T
    return matrix.float()


def _check_size(size: int | None) -> None:
    if size is not None and size < 1:
        message = f"a vector has 1 number or more, got a size of {size}"
        raise ArgumentError(message)


def _steps(text: str, length: int) -> list[str]:
    words = text.split()
    if not words:
        message = "a text without a word is no sequence: leave it out, or write what it stands for"
        raise ArgumentError(message)
    number = min(length, len(words))
    cuts = [place * len(words) // number for place in range(number + 1)]
    return [" ".join(words[begin:end]) for begin, end in pairwise(cuts)]
