"""What a study asks of the world, each thing once: it stands in the journal before anything depends on it.

A study is code that decides the same each time, but for what proposers, models and runs give back. So an interrupted study is
gone on with by running it from its beginning, where everything that the journal has is taken from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from llm_brain.backends.layers.usage import count_usage
from llm_brain.errors import DataError
from llm_brain.optimize.budget import Spending
from llm_brain.optimize.journal import Store
from llm_brain.optimize.objective import Outcome

Key = tuple[Any, ...]
_ABOUT: Final = {"asked": ("trial", "proposer", "knows", "attempt", "ended")}
"""What tells apart the events of a kind, where that is not the trial, the case and the replicate."""


class Effects:
    """A study's events, by what they were asked for.

    Args:
        store: Where they are kept.

    Example:
        >>> import pathlib, tempfile
        >>> from llm_brain.optimize.journal import Journal
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "study.jsonl"
        ...     first = Effects(Journal(path)).once("proposed", lambda: {"point": 3}, trial=1)
        ...     again = Effects(Journal(path)).once("proposed", lambda: {"point": 4}, trial=1)
        >>> first["point"], again["point"]
        (3, 3)
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known = {_key(event): event for event in store.events}
        self._before = max((event.get("at", 0.0) for event in store.events), default=0.0)
        self._begun = time.monotonic()
        self._tokens = sum(event.get("tokens", 0) for event in store.events)
        self._dollars = sum(event.get("dollars", 0.0) for event in store.events)
        self._runs = 0.0

    @property
    def seconds(self) -> float:
        """How long the study has been running, in this process and in earlier ones."""
        return self._before + time.monotonic() - self._begun

    def spending(self, trials: int, evaluations: float) -> Spending:
        """Tell what was spent."""
        return Spending(trials, evaluations, self._tokens, self._dollars, self.seconds)

    def known(self, event: str, **about: Any) -> dict[str, Any] | None:
        """Return what the journal has, if it does."""
        return self._known.get(_key({"event": event, **about}))

    def once(self, event: str, ask: Callable[[], dict[str, Any]], **about: Any) -> dict[str, Any]:
        """Return what the journal has of something, or ask for it and write it down.

        Raises:
            OSError: The journal cannot be written.
            Exception: Whatever `ask` raises; nothing is written then.
        """
        known = self.known(event, **about)
        if known is not None:
            return known
        begun = time.perf_counter()
        with count_usage() as used:
            told = {**ask(), "seconds": round(time.perf_counter() - begun, 6)}
        if used.tokens or used.dollars:
            told = {**told, "tokens": used.tokens, "dollars": used.dollars}
        return self.write(event, **about, **told)

    def write(self, event: str, **fields: Any) -> dict[str, Any]:
        """Write an event down.

        Raises:
            OSError: The journal cannot be written.
        """
        self.store.append(event, **fields, at=round(self.seconds, 3))
        written = self.store.events[-1]
        self._known[_key(written)] = written
        self._tokens += fields.get("tokens", 0)
        self._dollars += fields.get("dollars", 0.0)
        return written

    def outcome(self, event: str, trial: int, case: int, replicate: int) -> Outcome | None:
        """Return what came of a run, if the journal has it.

        Raises:
            DataError: It stands there in another form.
        """
        told = self.known(event, trial=trial, case=case, replicate=replicate)
        if told is None:
            return None
        with reading():
            return Outcome(**{name: value for name, value in told.items() if name not in ("event", "trial", "at")})


@contextmanager
def reading() -> Iterator[None]:
    """Read what the journal has; what makes no sense there is an error that says what to do.

    Raises:
        DataError: Something makes no sense.

    Example:
        >>> with reading():
        ...     {}["point"]
        Traceback (most recent call last):
        ...
        llm_brain.errors.DataError: the journal does not fit this study: KeyError('point'). Name another file to begin a new one
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        message = f"the journal does not fit this study: {error!r:.300}. Name another file to begin a new one"
        raise DataError(message) from error


def _key(event: dict[str, Any]) -> Key:
    names = _ABOUT.get(event["event"], ("trial", "case", "replicate"))
    return (event["event"], *(event.get(name) for name in names))
