"""What is asked of a model on this machine, and how a batch of it is answered: texts written, options scored, vectors made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from llm_brain.attempts import Usage
from llm_brain.backends.contract import Reply, Sampling
from llm_brain.backends.local.batching import Batch, Ticket

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llm_brain.backends.local.engine import Engine
    from llm_brain.backends.local.grammar import Grammar
    from llm_brain.backends.local.row import Row


@dataclass(frozen=True, slots=True)
class Writing:
    """A prompt to be continued.

    Attributes:
        prompt: Its token ids.
        sampling: How tokens are drawn.
        grammar: What the reply must conform to.
        pieces: Where its text is put while it grows, for who wants to see that.

    Example:
        >>> Writing([1, 2, 3], Sampling(max_tokens=8)).grammar is None
        True
    """

    prompt: list[int]
    sampling: Sampling
    grammar: Grammar | None = None
    pieces: SimpleQueue[str | None] | None = None


@dataclass(frozen=True, slots=True)
class Scoring:
    """A prompt and options, to be told how likely each is as its continuation; all in token ids.

    Example:
        >>> len(Scoring([1, 2, 3], ([4], [5, 6])).options)
        2
    """

    prompt: list[int]
    options: tuple[list[int], ...]


@dataclass(frozen=True, slots=True)
class Embedding:
    """A text to be made a vector, in token ids.

    Example:
        >>> Embedding([1, 2, 3]).text
        [1, 2, 3]
    """

    text: list[int]


Job: TypeAlias = Writing | Scoring | Embedding
Answer: TypeAlias = "Reply | list[float] | NDArray[np.float32]"
_Ticket: TypeAlias = "Ticket[Job, Answer]"


class Worker:
    """Answers batches of jobs, all of one kind.

    Args:
        engine: Gives the loaded model.
        model_id: How it is named in replies.
        largest: The most jobs in one forward pass.

    Example:
        >>> from llm_brain.backends.embedded import weights_folder
        >>> from llm_brain.backends.local.engine import Engine
        >>> engine = Engine(weights_folder())
        >>> batch, ticket = Batch(), Ticket(Writing(engine.encode("one, two, three,"), Sampling(max_tokens=3)))
        >>> batch.add(ticket)
        >>> for _ in Worker(lambda: engine, "smollm2", largest=8).work(batch):
        ...     pass
        >>> ticket.future.result().text
        ' four, five'
    """

    def __init__(self, engine: Callable[[], Engine], model_id: str, largest: int) -> None:
        self._engine = engine
        self._model_id = model_id
        self._largest = largest

    def work(self, batch: Batch[Job, Answer]) -> Iterator[None]:
        """Answer a batch, and what joins it meanwhile; see `Batcher`."""
        while batch.is_waiting:
            tickets = batch.take(self._largest)
            if tickets and isinstance(tickets[0].job, Writing):
                yield from self._write(batch, tickets)
            elif tickets:
                self._answer(tickets)
            yield

    def _answer(self, tickets: list[_Ticket]) -> None:
        engine = self._engine()
        answers: Any
        if isinstance(tickets[0].job, Scoring):
            scorings = [cast("Scoring", ticket.job) for ticket in tickets]
            answers = engine.score([job.prompt for job in scorings], [job.options for job in scorings])
        else:
            answers = engine.embed([cast("Embedding", ticket.job).text for ticket in tickets]).numpy()
        for ticket, answer in zip(tickets, answers, strict=True):
            ticket.answer(answer)

    def _write(self, batch: Batch[Job, Answer], tickets: list[_Ticket]) -> Iterator[None]:
        from llm_brain.backends.local.decoding import Decoding

        decoding = Decoding(self._engine())
        writing: dict[Row, _Ticket] = {}
        while True:
            joining: list[Row] = []
            for place, ticket in enumerate(tickets):
                row = self._row(ticket)
                if not decoding.has_room_for(row, joining):
                    batch.put_back(tickets[place:])
                    break
                writing[row] = ticket
                joining.append(row)
            finished = decoding.join(joining) if joining else []
            finished += decoding.step()
            for row in finished:
                self._finish(row, writing.pop(row))
            if not decoding.rows and not batch.is_waiting:
                return
            yield
            for row, ticket in writing.items():
                row.abandoned = not ticket.is_open
            tickets = batch.take(self._largest - len(decoding.rows))

    def _row(self, ticket: _Ticket) -> Row:
        from llm_brain.backends.local.growing_text import GrowingText
        from llm_brain.backends.local.row import Row

        job, engine = cast("Writing", ticket.job), self._engine()
        row = Row(job.prompt, job.sampling, job.grammar, end_tokens=engine.end_tokens())
        if job.pieces is not None:
            row.on_token = partial(_say, row, GrowingText(engine.decode), job.pieces)
        return row

    def _finish(self, row: Row, ticket: _Ticket) -> None:
        if row.error is not None:
            ticket.fail(row.error)
            return
        usage = Usage(len(row.prompt), len(row.tokens))
        text = self._engine().decode(row.tokens)
        ticket.answer(Reply(text, "stop" if row.ended else "length", self._model_id, usage, notes=tuple(_notes(row))))


def _say(row: Row, text: Any, pieces: SimpleQueue[str | None]) -> None:
    pieces.put(text.piece(row.tokens))


def _notes(row: Row) -> Iterator[str]:
    limit = row.sampling.max_tokens
    if row.shortened:
        yield f"max_tokens={limit} was nearly reached: the value was ended early, in the shortest way that its schema allows"
    elif row.too_short and not row.ended:
        yield f"max_tokens={limit} is too low for any value of the schema: give more"
