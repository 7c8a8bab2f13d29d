"""One run of the task, measured: what it is given, what it is worth, and what came of it.

A run is the unit of everything: a trial is the runs of one set of hyperparameters on the cases of a study. The same function
measures it in this process, in another one, and on another machine.
"""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from llm_brain.backends.layers.usage import count_usage
from llm_brain.errors import ArgumentError, BackendError, DefinitionError, LLMBrainError
from llm_brain.optimize.hyperparameters import Hyperparameters
from llm_brain.optimize.space import Space
from llm_brain.strategy.words import explain

LONGEST_EXCEPTION: Final = 500
LARGEST_SCORE: Final = 1e300
"""Sums and differences of what is larger may be no numbers any more."""
ABOUT_A_REPLY: Final = frozenset({"validation", "length", "empty", "refusal", "content_filter", "too_large"})
"""The kinds of a model's failures that another prompt may mend."""

_SPENT: Final = "_spent_in_the_run"

Parameters = TypeVar("Parameters")
Result = TypeVar("Result")
Values = TypeVar("Values")


@dataclass(frozen=True)
class Run(Generic[Parameters, Values]):
    """What the task is given.

    Attributes:
        task_parameters: What it is run on.
        hyperparameters: What it is run with.
        fidelity: How much of the whole work it should do, above 0; 1 is all of it: epochs, examples, the size of a model.
        seed: For what is random in it: the same for all trials on the same case, so that they can be compared in pairs.
        trial: The number of the trial.

    Example:
        >>> Run("digits", {"rate": 0.1}).fidelity
        1.0
    """

    task_parameters: Parameters
    hyperparameters: Values
    fidelity: float = 1.0
    seed: int = 0
    trial: int = 0


@dataclass(frozen=True)
class Score:
    """What a result is worth, where that is more than a number.

    Attributes:
        value: Higher is better.
        feedback: What is said about it, for those who rewrite texts: what was expected, what went wrong.
        dollars: What the run cost beside its calls of models.

    Example:
        >>> Score(0.0, feedback="the answer should be 4").value
        0.0
    """

    value: float
    feedback: str = ""
    dollars: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        case: Which of the study's task parameters it was run on, counted from 0.
        replicate: Which repetition on that case, counted from 0.
        score: What the result is worth; None where the run failed.
        feedback: What was said about it.
        result: The result, as JSON has it; None where the run failed.
        exception: Why it failed.
        seconds: How long it took.
        tokens: What its calls of models read and wrote.
        dollars: What it cost.

    Example:
        >>> Outcome(case=0, replicate=0, score=0.5).exception is None
        True
    """

    case: int
    replicate: int
    score: float | None
    feedback: str = ""
    result: Any = None
    exception: str | None = None
    seconds: float = 0.0
    tokens: int = 0
    dollars: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON, without what is as it would be anyhow."""
        told = asdict(self)
        return {
            name: value
            for name, value in told.items()
            if name in ("case", "replicate", "score") or value or (name == "result" and value is not None)
        }


@dataclass(frozen=True)
class Work(Generic[Parameters]):
    """A run that is to be made: what travels to the worker that makes it."""

    point: dict[str, Any]
    case: int
    replicate: int
    task_parameters: Parameters
    fidelity: float
    seed: int
    trial: int


class Objective(Generic[Parameters, Result]):
    """The task and its score as one function of work, which can be sent to another process.

    Args:
        task: Makes a run.
        score: Tells what a result on task parameters is worth.
        result: The result's type.
        hyperparameters: A pydantic model; or None where hyperparameters are those of functions with `track_hyperparameters`,
            which the task finds in a scope.

    Example:
        >>> class Knobs(BaseModel):
        ...     fast: bool = False
        >>> objective = Objective(lambda run: len(run.task_parameters), lambda case, length: length / 10, int, Knobs)
        >>> objective(Work({"fast": True}, 0, 0, "a text", 1.0, 0, 0)).score
        0.6
    """

    def __init__(
        self,
        task: Callable[[Run[Parameters, Any]], Result],
        score: Callable[[Parameters, Result], float | Score],
        result: Any,
        hyperparameters: type[BaseModel] | None,
    ) -> None:
        self.task, self.score, self.result, self.hyperparameters = task, score, result, hyperparameters

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name in ("task", "score", "result", "hyperparameters")}

    def __call__(self, work: Work[Parameters]) -> Outcome:
        """Make a run, and measure it.

        Raises:
            DefinitionError: The task or the score gives a coroutine.
            LLMBrainError: The task raised one: a spent budget, a full disk, a refused key. It says nothing about the
                hyperparameters, and the study can be gone on with later. Replies that cannot be used and wrong arguments do
                say something: the run has failed.
        """
        begun = time.perf_counter()
        feedback, dollars, value, kept, exception = "", 0.0, None, None, None
        with count_usage() as used:
            try:
                result = _there("task", self._made(work))
                kept = self._kept(result)
                told = _there("score", self.score(work.task_parameters, result))
                score = told if isinstance(told, Score) else Score(float(told))
                feedback, dollars = str(score.feedback), _dollars(score)
                number = float(score.value)
                if not abs(number) <= LARGEST_SCORE:  # nor is NaN
                    message = f"the score is {number}, and no finite number up to {LARGEST_SCORE:g}"
                    raise ValueError(message)  # noqa: TRY301 - as any other failure of the task
                value = number
            except Exception as error:
                if isinstance(error, LLMBrainError) and not _tells_of_hyperparameters(error):
                    # It travels with the error, also between processes.
                    vars(error)[_SPENT] = used.tokens, dollars + used.dollars
                    raise
                exception = f"{type(error).__name__}: {error}"[:LONGEST_EXCEPTION]
        seconds = round(time.perf_counter() - begun, 6)
        return Outcome(work.case, work.replicate, value, feedback, kept, exception, seconds, used.tokens, dollars + used.dollars)

    def _made(self, work: Work[Parameters]) -> Result:
        about = (work.fidelity, work.seed, work.trial)
        if self.hyperparameters is None:
            with Hyperparameters(work.point) as scope:
                return self.task(Run(work.task_parameters, scope, *about))
        values = self._space.values(work.point)
        return self.task(Run(work.task_parameters, values, *about))

    def _kept(self, result: Any) -> Any:
        try:
            valid = self._adapter.validate_python(result)
        except ValidationError as error:
            message = f"the task's result is not what `result=` says: {explain(error)}"
            raise TypeError(message) from None
        return self._adapter.dump_python(valid, mode="json")

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.result)

    @cached_property
    def _space(self) -> Space[Any]:
        assert self.hyperparameters is not None  # noqa: S101 - for the type checkers
        return Space(self.hyperparameters)


def unawaited(name: str) -> str:
    """Say what to do with an `async` task or score."""
    given = {"task": "lambda run: asyncio.run(task(run))", "score": "lambda case, result: asyncio.run(score(case, result))"}
    return f"the {name} is an `async def`, and nobody awaits it: give `{given[name]}`"


def _there(name: str, value: Any) -> Any:
    """Refuse what is yet to be awaited: no hyperparameters would mend that."""
    if inspect.iscoroutine(value):
        value.close()
        raise DefinitionError(unawaited(name))
    return value


def _dollars(score: Score) -> float:
    """Give what a score says that the run cost, as a journal has it.

    Raises:
        ValueError: It is no amount.
    """
    dollars = float(score.dollars)
    if not (math.isfinite(dollars) and dollars >= 0):
        message = f"a run costs 0 dollars or more, and the score says {dollars}"
        raise ValueError(message)
    return dollars


def spent_before(error: LLMBrainError) -> tuple[int, float]:
    """Return the tokens and the dollars that a run spent before it ended with an error.

    Example:
        >>> spent_before(LLMBrainError("the disk is full"))
        (0, 0.0)
    """
    tokens, dollars = vars(error).get(_SPENT, (0, 0.0))
    return tokens, dollars


def _tells_of_hyperparameters(error: LLMBrainError) -> bool:
    return isinstance(error, ArgumentError) or (isinstance(error, BackendError) and error.kind in ABOUT_A_REPLY)
