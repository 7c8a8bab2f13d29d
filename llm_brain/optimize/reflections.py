"""What a language model makes of a study while it goes on: reflections, lessons and forecasts, each asked for once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from llm_brain.optimize.advice import Advisor
from llm_brain.optimize.effects import Effects, reading
from llm_brain.optimize.models import ImprovementProbability, Lesson, TaskReflection
from llm_brain.optimize.proposers.contract import History
from llm_brain.optimize.silence import Silence, tell_silence
from llm_brain.optimize.study import Trial

LESSONS_EVERY: Final = 4
SILENCE: Final = 3
"""After as many failures in a row the model is asked this no more."""
LONGEST_ERROR: Final = 500
NAME: Final = "model"
"""What the model is called where it proposes."""
_ASKED: Final = {"reflected": "reflections", "learned": "lessons", "forecast": "forecasts"}


class Reflections:
    """Asks a model, and keeps what it says. Its failures cost no trial and end no study.

    Args:
        advisor: The model.
        effects: The study's journal.
        silence: Who is asked no more in this run.

    Example:
        >>> import pathlib, tempfile
        >>> from pydantic import BaseModel
        >>> from llm_brain.optimize.journal import Journal
        >>> class Knobs(BaseModel):
        ...     rate: float = 0.5
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     effects = Effects(Journal(pathlib.Path(folder) / "study.jsonl"))
        ...     reflections = Reflections(Advisor("local", str, float, Knobs), effects, Silence())
        ...     reflections.reflect(Trial(0, "default", Knobs()), ["a hill"]) is None
        True
    """

    def __init__(self, advisor: Advisor, effects: Effects, silence: Silence) -> None:
        self._advisor, self._effects, self._silence = advisor, effects, silence

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
            failures = self._failures(event)
            if failures >= SILENCE or NAME in self._silence:
                return {"told": None, "error": "it was not asked, after what it had answered before", "answered": False}
            try:
                return {"told": _plain(ask())}
            except Exception as error:  # noqa: BLE001 - a faulty model costs no trial and ends no study
                self._silence.after(NAME, error)
                is_answer = NAME not in self._silence
                why = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
                if is_answer and failures == SILENCE - 1:
                    tell_silence(NAME, f"{SILENCE} times in a row none came, the last time as {why}", about=_ASKED[event])
                return {"told": None, "error": why, **({} if is_answer else {"answered": False})}

        told = self._effects.once(event, asked, trial=number)
        with reading():
            return told["told"]

    def _failures(self, event: str) -> int:
        """Count the last answers to a question that were of no use. A refused key is no answer."""
        told = [one for one in self._effects.store.events if one["event"] == event and one.get("answered", True)]
        return next((place for place, one in enumerate(reversed(told)) if one["told"] is not None), len(told))


def _plain(told: Any) -> Any:
    if isinstance(told, list):
        return [_plain(value) for value in told]
    return None if told is None else told.model_dump(mode="json")
