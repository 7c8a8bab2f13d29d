"""Questions that are asked at once, one after the other: a person can only be asked one, and in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_LOOK = 0.1  # seconds


class GivenUp(Exception):  # noqa: N818 - it never leaves the backend
    """Nobody waits for the answer any more.

    Example:
        >>> issubclass(GivenUp, Exception)
        True
    """


class Turn:
    """One question's place in the queue.

    Attributes:
        given_up: Whether nobody waits for the answer any more.
        has_begun: Whether its thread is there, in the queue or asking.

    Example:
        >>> Turn().given_up.is_set()
        False
    """

    def __init__(self) -> None:
        self.given_up = threading.Event()
        self.has_begun = False


class Turns:
    """The queue in front of one person.

    Example:
        >>> turns = Turns()
        >>> first, second = turns.draw(), turns.draw()
        >>> with turns.taken(first):
        ...     "asking"
        'asking'
        >>> turns.leave(second)
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin with an empty queue, as a forked process must: whoever stood in it is not there."""
        self._moved = threading.Condition()
        self._queue: deque[Turn] = deque()

    def draw(self) -> Turn:
        """Join the queue."""
        turn = Turn()
        with self._moved:
            self._queue.append(turn)
        return turn

    @contextmanager
    def taken(self, turn: Turn) -> Iterator[None]:
        """Wait until it is one's turn, and hold it.

        Raises:
            GivenUp: Nobody waits for the answer any more.
        """
        try:
            with self._moved:
                turn.has_begun = True
                while turn in self._queue and self._queue[0] is not turn and not turn.given_up.is_set():
                    self._moved.wait(_LOOK)
            if turn.given_up.is_set():
                raise GivenUp
            yield
        finally:
            self._remove(turn)

    def leave(self, turn: Turn) -> None:
        """Give a question up. One that is being asked keeps its turn until it has been taken back."""
        turn.given_up.set()
        with self._moved:
            if turn.has_begun:
                return
        self._remove(turn)

    def _remove(self, turn: Turn) -> None:
        with self._moved:
            if turn in self._queue:
                self._queue.remove(turn)
            self._moved.notify_all()
