"""Many evaluations at once: questions -> a bounded number of threads -> a judgement each, at the deadline at the latest.

An evaluation that fails gives no score: it is None and counted, and never the worst score. The same output of the same task is
judged once; one that failed is judged again when it is asked for again, up to three times in all. After a refused key, an empty
account or a spent budget nothing more is asked.
"""

from __future__ import annotations

import contextvars
import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final, Literal, Self, TypeAlias

from llm_brain.backends.contract import LanguageBackend
from llm_brain.errors import ArgumentError, BackendError, BudgetError, DefinitionError, LLMBrainError, MissingKeyError
from llm_brain.interface.teacher import Evaluation
from llm_brain.strategy.asynchronous import AsyncTypedFunction
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.mapping import concerns_all_calls
from llm_brain.strategy.selection import selected_implementation
from llm_brain.tracing.names import ARGUMENTS, EVALUATION_KIND, KIND, SCORE
from llm_brain.tracing.spans import span

Evaluate: TypeAlias = Callable[[str, str], "Evaluation | float"]
OnFailure: TypeAlias = Literal["skip", "raise"]

DEADLINE: Final = 120.0
CONCURRENCY: Final = 16
_MOST_ATTEMPTS: Final = 3
Question: TypeAlias = tuple[str, str]


class FeedbackWarning(UserWarning):
    """A judge gave no score at all where some were asked for.

    Example:
        >>> issubclass(FeedbackWarning, UserWarning)
        True
    """


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge says of one output.

    Attributes:
        task: What the network was given.
        output: What it answered, as the judge read it.
        score: Between 0 and 1; None where the evaluation failed.
        reason: The judge's, where one was given.
        error: Why there is no score.

    Example:
        >>> Judgement("Say hello.", "Hello!", 1.0, "It is one.").score
        1.0
    """

    task: str
    output: str
    score: float | None
    reason: str = ""
    error: LLMBrainError | None = None


@dataclass
class Tally:
    """What evaluations took.

    Attributes:
        evaluations: How many were asked for.
        failures: How many of them gave no score.
        calls: How many replies were asked of the model; what it was asked again counts again, and kept answers do not.
        cost: What they cost, in US dollars; None where that is not known.

    Example:
        >>> Tally().cost
        0.0
    """

    evaluations: int = 0
    failures: int = 0
    calls: int = 0
    cost: float | None = 0.0

    def add(self, *, failed: bool, calls: int, cost: float | None) -> None:
        """Add what one evaluation took."""
        self.evaluations += 1
        self.failures += failed
        self.calls += calls
        self.cost = None if self.cost is None or cost is None else self.cost + cost


class Judge:
    """Has outputs evaluated.

    Args:
        evaluate: Judges an output of a task, by an `Evaluation` or a number between 0 and 1. A typed function, or anything that
            can be called, from several threads at once. What it raises that is no failure of a model comes out of `judge`.
        concurrency: The most evaluations at a time.
        deadline: The longest that `judge` waits, in seconds. What is still under way then goes on by itself.
        on_failure: What becomes of an evaluation that fails: "skip" leaves it without a score, "raise" raises its error.

    Attributes:
        tally: What was taken since it was last set.

    Raises:
        DefinitionError: `evaluate` has to be awaited.
        ArgumentError: `concurrency` or `deadline` is too small.

    Example:
        >>> with Judge(lambda task, output: float(output == "blue")) as judge:
        ...     [judgement.score for judgement in judge.judge([("sky", "blue"), ("sky", "green")])]
        [1.0, 0.0]
    """

    def __init__(
        self,
        evaluate: Evaluate,
        *,
        concurrency: int = CONCURRENCY,
        deadline: float = DEADLINE,
        on_failure: OnFailure = "skip",
    ) -> None:
        if isinstance(evaluate, AsyncTypedFunction):
            message = "`evaluate_output` is asked from several threads, which do not await: declare it with `def`"
            raise DefinitionError(message)
        if concurrency < 1 or not deadline > 0:
            message = f"concurrency must be at least 1 and deadline above 0, got {concurrency} and {deadline}"
            raise ArgumentError(message)
        self.tally = Tally()
        self._evaluate = evaluate
        self._deadline = None if deadline == math.inf else deadline
        self._raises = on_failure == "raise"
        self._pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="llm_brain-judge")
        self._known: dict[Question, Future[_Outcome]] = {}
        self._asked: Counter[Question] = Counter()
        self._untold: set[Future[_Outcome]] = set()
        self._final: LLMBrainError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def judge(self, questions: Sequence[Question]) -> list[Judgement]:
        """Judge outputs.

        Args:
            questions: Tasks, each with an output.

        Returns:
            A judgement for each, in their order.

        Raises:
            BackendError: An evaluation failed, and is not to be skipped.
        """
        futures = {question: self._evaluation(question) for question in dict.fromkeys(questions)}
        wait(futures.values(), timeout=self._deadline)
        judged = {question: self._judgement(question, future) for question, future in futures.items()}
        failed = next((judgement.error for judgement in judged.values() if judgement.error is not None), None)
        if failed is not None and self._raises:
            raise failed
        return [judged[question] for question in questions]

    def close(self) -> None:
        """Give up what has not begun, and wait for nothing."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _evaluation(self, question: Question) -> Future[_Outcome]:
        """Return the evaluation that is known or under way, or else a new one."""
        future = self._known.get(question)
        failed = future is not None and future.done() and future.result().judgement.score is None
        if future is None or (failed and self._asked[question] < _MOST_ATTEMPTS):
            context = contextvars.copy_context()
            future = self._known[question] = self._pool.submit(lambda: context.run(self._ask, *question))
            self._asked[question] += 1
            self._untold.add(future)
        return future

    def _judgement(self, question: Question, future: Future[_Outcome]) -> Judgement:
        if future.done():
            outcome = future.result()
        else:
            message = f"the evaluation was not there after {self._deadline} s: raise `deadline`, or lower `concurrency`"
            late = Judgement(*question, None, error=BackendError(message, kind="timeout", retryable=True))
            if not future.cancel():
                self.tally.cost = None  # it may still be answered, and paid for
                return late
            del self._known[question]
            self._asked[question] -= 1
            outcome = _Outcome(late, 0, 0.0)
        if future in self._untold:
            self._untold.remove(future)
            self.tally.add(failed=outcome.judgement.score is None, calls=outcome.calls, cost=outcome.cost)
        return outcome.judgement

    def _ask(self, task: str, output: str) -> _Outcome:
        if self._final is not None:
            return _Outcome(Judgement(task, output, None, error=self._final), 0, 0.0)
        try:
            with span("evaluation", {KIND: EVALUATION_KIND}) as here:
                here.content(ARGUMENTS, {"task": task, "output": output})
                outcome = self._evaluated(task, output)
                here.set(SCORE, outcome.judgement.score)
        except (BackendError, MissingKeyError) as error:
            if concerns_all_calls(error):
                self._final = error
            return _Outcome(Judgement(task, output, None, error=error), *self._took(error))
        return outcome

    def _evaluated(self, task: str, output: str) -> _Outcome:
        calls, cost = 1, None  # of what is no typed function nobody knows what it costs
        if isinstance(self._evaluate, TypedFunction):
            details = self._evaluate.with_details(task, output)
            value, calls, cost = details.value, 0 if details.cached else details.attempts, details.cost
        else:
            value = self._evaluate(task, output)
        score, reason = _score(value)
        return _Outcome(Judgement(task, output, score, reason), calls, cost)

    def _took(self, error: BackendError | MissingKeyError) -> tuple[int, float | None]:
        """Tell the calls that a failed evaluation took, and what they cost."""
        attempts = len(error.attempts) if isinstance(error, BackendError) else 0
        if isinstance(error, BudgetError | MissingKeyError) and not attempts:
            return 0, 0.0  # nothing was asked
        asked = selected_implementation(self._evaluate.implementation) if isinstance(self._evaluate, TypedFunction) else None
        backend: LanguageBackend | None = getattr(asked, "backend", None)
        usage = error.usage if isinstance(error, BackendError) else None
        return max(attempts, 1), None if backend is None else backend.cost(usage, backend.model_id)


def average(judgements: Sequence[Judgement]) -> float | None:
    """Average the scores that there are.

    Returns:
        The average; None where there is none.

    Example:
        >>> average([Judgement("a", "b", 0.5), Judgement("a", "c", None)])
        0.5
    """
    scores = [judgement.score for judgement in judgements if judgement.score is not None]
    return sum(scores) / len(scores) if scores else None


def warn_of_silence(judgements: Sequence[Judgement], consequence: str) -> None:
    """Warn where judgements were asked for and not one has a score.

    Args:
        judgements: What came.
        consequence: What follows from it.

    Example:
        >>> warn_of_silence([Judgement("a", "b", 0.5)], "no feedback was learned from")
    """
    if judgements and average(judgements) is None:
        message = f"none of {len(judgements)} evaluations gave a score: {consequence}; the first: {judgements[0].error}"
        warnings.warn(message, FeedbackWarning, stacklevel=4)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A judgement and what it took."""

    judgement: Judgement
    calls: int
    cost: float | None


def _score(value: Any) -> tuple[float, str]:
    score, reason = getattr(value, "score", value), getattr(value, "reason", "")
    if isinstance(score, bool) or not isinstance(score, Real):
        message = (
            f"`evaluate_output` gave {value!r:.100}: let it return an Evaluation, something else with a `score`, or a number "
            "between 0 and 1"
        )
        raise DefinitionError(message)
    if not 0 <= float(score) <= 1:
        message = f"the score {score} is not between 0 and 1, and is not clipped: let `evaluate_output` declare its range"
        raise BackendError(message, kind="validation", raw=str(score))
    return float(score), reason if isinstance(reason, str) else ""
