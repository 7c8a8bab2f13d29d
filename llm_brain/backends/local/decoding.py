"""Replies that are being written together: rows join a running batch as they come, and leave it as they end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import torch

from llm_brain.backends.local.grammar import mask_logits
from llm_brain.backends.local.key_values import Slots
from llm_brain.backends.local.processors import idle_processors
from llm_brain.backends.local.sampler import draw

if TYPE_CHECKING:
    from llm_brain.backends.local.engine import Engine
    from llm_brain.backends.local.row import Row

MOST_COLUMNS: Final = 2**16
"""How many tokens all rows may take together, each as many as the longest may become: memory is reserved for none of them, and
65,536 are 1.5 GB with the embedded model."""


def draw_all(rows: Sequence[Row], logits: torch.Tensor) -> list[int]:
    """Draw a token for each row, under its grammar.

    Returns:
        The places of the rows behind whose last token nothing may follow.

    Example:
        >>> from llm_brain.backends.contract import Sampling
        >>> from llm_brain.backends.local.row import Row
        >>> row = Row([1], Sampling())
        >>> draw_all([row], torch.tensor([[0.0, 5.0]])), row.tokens
        ([], [1])
    """
    mask_logits([row.allowed() for row in rows], logits)
    stuck = []
    for place, (row, token) in enumerate(zip(rows, draw(rows, logits), strict=True)):
        if row.error is not None:
            continue
        found = _redrawn(row, token, logits[place : place + 1]) if row.barred or row.refuses(token) else token
        if found is None:
            stuck.append(place)
        else:
            row.take(found)
    return stuck


class Decoding:
    """The running batch.

    Args:
        engine: Reads prompts and tokens.

    Attributes:
        rows: What is being written.

    Example:
        >>> from llm_brain.backends.contract import Sampling
        >>> from llm_brain.backends.embedded import weights_folder
        >>> from llm_brain.backends.local.engine import Engine
        >>> from llm_brain.backends.local.row import Row
        >>> engine = Engine(weights_folder())
        >>> decoding, row = Decoding(engine), Row(engine.encode("one, two, three,"), Sampling(max_tokens=3))
        >>> decoding.join([row])
        []
        >>> while decoding.rows:
        ...     finished = decoding.step()
        >>> finished == [row], engine.decode(row.tokens)
        (True, ' four, five')
    """

    def __init__(self, engine: Engine) -> None:
        self.rows: list[Row] = []
        self._engine = engine
        self._slots = Slots()

    def has_room_for(self, row: Row, beside: Sequence[Row] = ()) -> bool:
        """Tell whether a row may join, beside others that are about to. A batch that is empty takes anyone."""
        rows = [*self.rows, *beside, row]
        return len(rows) == 1 or len(rows) * max(map(_longest, rows)) <= MOST_COLUMNS

    @idle_processors()
    @torch.inference_mode()
    def join(self, rows: Sequence[Row]) -> list[Row]:
        """Read the rows' prompts, and draw the first token of each.

        Returns:
            Those that are finished by that, which leave.
        """
        for read in self._engine.read([row.prompt for row in rows]):
            joining, begin = [rows[member] for member in read.members], len(self.rows)
            self._slots.add(read.cache, read.visible)
            self.rows += joining
            for place in draw_all(joining, read.logits):
                self._step_back(begin + place)
        return self._leave()

    @idle_processors()
    @torch.inference_mode()
    def step(self) -> list[Row]:
        """Draw one more token of each row.

        Returns:
            Those that are finished by that, which leave.
        """
        finished = self._leave()  # who has been abandoned meanwhile
        if self.rows:
            for place in draw_all(self.rows, self._engine.step(self._slots, [row.last for row in self.rows])):
                self._step_back(place)
        return finished + self._leave()

    def _step_back(self, place: int) -> None:
        # What was read last led nowhere; and the one before it is read again for what may follow it.
        if self.rows[place].step_back():
            self._slots.rewind(place, 2)

    def _leave(self) -> list[Row]:
        finished = []
        for place in reversed(range(len(self.rows))):
            if self.rows[place].finished:
                finished.append(self.rows[place])
                self._slots.remove(place)
                self.rows[place] = self.rows[-1]
                self.rows.pop()
        return finished


def _redrawn(row: Row, token: int | None, logits: torch.Tensor) -> int | None:
    """Draw until a token is not refused, each time without those that were."""
    logits[0, list(row.barred)] = -torch.inf
    if token in row.barred:
        token = _drawn(row, logits)
    while token is not None and row.refuses(token):
        logits[0, token] = -torch.inf
        token = _drawn(row, logits)
    return token


def _drawn(row: Row, logits: torch.Tensor) -> int | None:
    return draw([row], logits)[0] if bool(logits.isfinite().any()) else None


def _longest(row: Row) -> int:
    return len(row.prompt) + row.sampling.max_tokens
