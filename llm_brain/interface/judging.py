"""Who judges: an output of a task -> a judgement, asked once, counted, and never bent.

An evaluation that fails gives no score: it is None and counted, and never the worst score. The same output of the same task is
judged once; one that failed is judged again when it is asked for again, up to three times in all. After a refused key, an empty
account or a spent budget nothing more is asked. That many are made at once is the work of `llm_brain.training.feedback`.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from numbers import Real
from typing import Any, Self, TypeAlias

from llm_brain.backends.contract import LanguageBackend
from llm_brain.errors import ArgumentError, BackendError, BudgetError, DefinitionError, LLMBrainError, MissingKeyError
from llm_brain.interface.judgements import CONCURRENCY, DEADLINE, Judgement, Tally
from llm_brain.strategy.asynchronous import AsyncTypedFunction
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.mapping import concerns_all_calls
from llm_brain.strategy.selection import selected_implementation
from llm_brain.training.feedback.evaluations import MOST_ATTEMPTS, OnFailure
from llm_brain.training.feedback.group import Group
from llm_brain.training.feedback.pool import FeedbackPool
from llm_brain.training.teacher import Evaluation

Evaluate: TypeAlias = Callable[[str, str], "Evaluation | float"]

Question: TypeAlias = tuple[str, str]


class Judge:
    """Has outputs evaluated, each once, and counts what that took.

    Args:
        evaluate: Judges an output of a task, by an `Evaluation` or a number between 0 and 1. A typed function, or anything that
            can be called, from several threads at once. What it raises that is no failure of a model comes out of `judge`.
        concurrency: The most evaluations at a time.
        deadline: The longest that `judge` waits, in seconds. What is still under way then goes on by itself.
        on_failure: What becomes of an evaluation that fails: "skip" leaves it without a score, "raise" raises its error.

    Attributes:
        deadline: As given.
        tally: What was taken since `taken` was called last.
        error: Why the evaluation that failed last has no score.

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
        self.deadline = deadline
        self.tally = Tally()
        self.error: LLMBrainError | None = None
        self._evaluate, self._concurrency = evaluate, concurrency
        self._on_failure: OnFailure = on_failure
        self._places = threading.BoundedSemaphore(concurrency)
        self._lock = threading.Lock()
        self._known: dict[Question, Future[Judgement]] = {}
        self._attempts: Counter[Question] = Counter()
        self._final: LLMBrainError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def judge(self, questions: Sequence[Question]) -> list[Judgement]:
        """Judge outputs, and wait for it until the deadline.

        Args:
            questions: Tasks, each with an output.

        Returns:
            A judgement for each, in their order.

        Raises:
            BackendError: An evaluation failed, and is not to be skipped.
        """
        asked = list(dict.fromkeys(questions))
        with FeedbackPool(lambda place, output: self.score(asked[place][0], output), workers=self._concurrency) as pool:
            pool.submit([Group(place, (output,), (0,), (0.0,), version=0) for place, (_, output) in enumerate(asked)])
            pool.wait(None if self.deadline == math.inf else self.deadline)
            pool.arrived(version=0)  # a fault of the evaluator comes out here
        judged = {question: self._judgement(question) for question in asked}
        failed = next((judgement.error for judgement in judged.values() if judgement.error is not None), None)
        if failed is not None and self._on_failure == "raise":
            raise failed
        return [judged[question] for question in questions]

    def pool(self, prompts: Sequence[str], *, max_staleness: int) -> FeedbackPool:
        """Make the pool that a training hands answers to these prompts in to.

        Args:
            prompts: The tasks.
            max_staleness: How many updates old an answer may be.
        """
        return FeedbackPool(
            lambda prompt, answer: self.score(prompts[prompt], answer),
            max_staleness=max_staleness,
            workers=self._concurrency,
            on_failure=self._on_failure,
        )

    def score(self, task: str, output: str) -> float:
        """Evaluate an output, unless its score is known; one that is under way is waited for. Called from many threads.

        Raises:
            LLMBrainError: There is no score.
        """
        question = (task, output)
        with self._lock:
            future = self._known.get(question)
            is_mine = future is None or (_has_failed(future) and self._attempts[question] < MOST_ATTEMPTS)
            if future is None or is_mine:
                future = self._known[question] = Future()
        if is_mine:
            try:
                future.set_result(self._ask(question))
            except BaseException as error:
                with self._lock:
                    del self._known[question]
                future.set_exception(error)
                raise
        judgement = future.result()
        if judgement.score is None:
            raise judgement.error or BackendError("there is no score", kind="validation")
        return judgement.score

    def taken(self) -> Tally:
        """Give the tally, and begin a new one."""
        with self._lock:
            tally, self.tally = self.tally, Tally()
        return tally

    def close(self) -> None:
        """Ask nothing more."""
        self._final = self._final or BackendError("the evaluation was given up", kind="timeout")

    def _judgement(self, question: Question) -> Judgement:
        future = self._known.get(question)
        if future is not None and future.done():
            return future.result()
        if self._final is not None:
            return Judgement(*question, None, error=self._final)
        if future is not None:
            with self._lock:
                self.tally.cost = None  # it may still be answered, and paid for
        message = f"the evaluation was not there after {self.deadline} s: raise `deadline`, or lower `concurrency`"
        return Judgement(*question, None, error=BackendError(message, kind="timeout", retryable=True))

    def _ask(self, question: Question) -> Judgement:
        with self._places:
            if self._final is not None:
                return Judgement(*question, None, error=self._final)
            self._attempts[question] += 1
            try:
                score, reason, calls, cost = self._evaluated(*question)
                judgement = Judgement(*question, score, reason)
            except DefinitionError:
                raise
            except LLMBrainError as error:
                if concerns_all_calls(error):
                    self._final = error
                self.error = error
                judgement = Judgement(*question, None, error=error)
                calls, cost = self._took(error)
        with self._lock:
            self.tally.add(failed=judgement.score is None, calls=calls, cost=cost)
        return judgement

    def _evaluated(self, task: str, output: str) -> tuple[float, str, int, float | None]:
        """Give the score, the reason, the calls that it took, and what they cost."""
        calls, cost = 1, None  # of what is no typed function nobody knows what it costs
        if isinstance(self._evaluate, TypedFunction):
            details = self._evaluate.with_details(task, output)
            value, calls, cost = details.value, 0 if details.cached else details.attempts, details.cost
        else:
            value = self._evaluate(task, output)
        return *_score(value), calls, cost

    def _took(self, error: LLMBrainError) -> tuple[int, float | None]:
        """Tell the calls that a failed evaluation took, and what they cost."""
        attempts = len(error.attempts) if isinstance(error, BackendError) else 0
        if isinstance(error, BudgetError | MissingKeyError) and not attempts:
            return 0, 0.0  # nothing was asked
        asked = selected_implementation(self._evaluate.implementation) if isinstance(self._evaluate, TypedFunction) else None
        backend: LanguageBackend | None = getattr(asked, "backend", None)
        usage = error.usage if isinstance(error, BackendError) else None
        return max(attempts, 1), None if backend is None else backend.cost(usage, backend.model_id)


def _has_failed(future: Future[Judgement]) -> bool:
    return future.done() and future.exception() is None and future.result().score is None


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
