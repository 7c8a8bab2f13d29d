"""What a language model makes of a study while it goes on: reflections, lessons and forecasts, each asked for once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from llm_brain.optimize.advice import Advisor
from llm_brain.optimize.effects import Effects, reading
from llm_brain.optimize.models import ImprovementProbability, Lesson, TaskReflection
from llm_brain.optimize.proposers.contract import History
from llm_brain.optimize.study import Trial

LESSONS_EVERY: Final = 4
SILENCE: Final = 3
"""After as many failures in a row the model is asked this no more."""
LONGEST_ERROR: Final = 500


class Reflections:
    """Asks a model, and keeps what it says. Its failures cost no trial and end no study.

    Args:
        advisor: The model.
        effects: The study's journal.

    Example:
        >>> import pathlib, tempfile
        >>> from pydantic import BaseModel
        >>> from llm_brain.optimize.journal import Journal
        >>> class Knobs(BaseModel):
        ...     rate: float = 0.5
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     effects = Effects(Journal(pathlib.Path(folder) / "study.jsonl"))
        ...     reflections = Reflections(Advisor("local", str, float, Knobs), effects)
        ...     reflections.reflect(Trial(0, "default", Knobs()), ["a hill"]) is None
        True
    """

    def __init__(self, advisor: Advisor, effects: Effects) -> None:
        self._advisor, self._effects = advisor, effects

    def reflect(self, trial: Trial[Any], cases: Sequence[Any]) -> TaskReflection | None:
        """Reflect on a trial; None where nothing of use came."""
        told = self._asked("reflected", trial.number, lambda: self._advisor.reflect(trial, cases))
        with reading():
            return None if told is None else TaskReflection.model_validate(told)

    def lessons(self, number: int, past: History[Any]) -> list[Lesson]:
        """Give the lessons after a trial: after every fourth they are written anew."""
        if number % LESSONS_EVERY != LESSONS_EVERY - 1:
            return list(past.lessons)
        told = self._asked("learned", number, lambda: self._advisor.summarize(past))
        with reading():
            return list(past.lessons) if told is None else [Lesson.model_validate(lesson) for lesson in told]

    def forecast(self, number: int, history: History[Any]) -> ImprovementProbability | None:
        """Forecast a trial; None where nothing of use came."""
        told = self._asked("forecast", number, lambda: self._advisor.forecast(history))
        with reading():
            return None if told is None else ImprovementProbability.model_validate(told)

    def _asked(self, event: str, number: int, ask: Callable[[], Any]) -> Any:
        def asked() -> dict[str, Any]:
            last = [told for told in self._effects.store.events if told["event"] == event][-SILENCE:]
            if len(last) == SILENCE and all(told["told"] is None for told in last):
                return {"told": None, "error": "it is asked no more, after several failures in a row"}
            try:
                return {"told": _plain(ask())}
            except Exception as error:  # noqa: BLE001 - a faulty model costs no trial and ends no study
                return {"told": None, "error": f"{type(error).__name__}: {error}"[:LONGEST_ERROR]}

        told = self._effects.once(event, asked, trial=number)
        with reading():
            return told["told"]


def _plain(told: Any) -> Any:
    if isinstance(told, list):
        return [_plain(value) for value in told]
    return None if told is None else told.model_dump(mode="json")
