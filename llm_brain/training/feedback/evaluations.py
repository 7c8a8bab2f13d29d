"""Each answer evaluated once, in the background, and remembered: a question -> its scores, later.

A question is a prompt and an answer to it, or a prompt and all the different answers that are ranked by one call. A failed one
is asked again when it comes up again, up to three times in all. After a refused key, an empty account or a spent budget nothing
more is asked.
"""

from __future__ import annotations

import contextvars
import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any, Literal, TypeAlias

from llm_brain.errors import BackendError, DefinitionError, LLMBrainError
from llm_brain.strategy.mapping import concerns_all_calls
from llm_brain.tracing.names import ARGUMENTS, EVALUATION_KIND, KIND, SCORE
from llm_brain.tracing.spans import span
from llm_brain.training.feedback.counts import FeedbackCounts
from llm_brain.training.feedback.journal import Journal, Question, Scores
from llm_brain.training.feedback.ranking import rank_scores
from llm_brain.training.feedback.workers import Workers

Evaluate: TypeAlias = Callable[[int, Any], float]
"""Scores an answer to a prompt, which is told by its place."""
Rank: TypeAlias = Callable[[int, Sequence[Any]], list[int]]
"""Orders answers to a prompt: their places, best first."""
OnEvaluation: TypeAlias = Callable[[int, Any, float | None], object]
"""Told of a prompt, an answer and its score, from the thread that evaluated it."""
OnFailure: TypeAlias = Literal["skip", "raise"]

MOST_ATTEMPTS = 3


class Evaluations:
    """Asks, and remembers what was answered. All but the evaluations themselves is done by one thread.

    Args:
        evaluate: Scores one answer; called from many threads.
        rank: Orders several answers by one call.
        score_range: What scores are clamped to.
        workers: The most evaluations in flight.
        counts: Where they are counted.
        journal: Holds what was answered before, and is told what is answered.
        on_failure: What becomes of an evaluation that fails: "skip" leaves it without a score, "raise" makes it an `error`.
        on_evaluation: Told of each evaluation that was asked.
        prompt_text: Tells a prompt's text by its place, for the trace.

    Attributes:
        error: The first that is not to be skipped.
        gave_up: Whether nothing more is asked.

    Example:
        >>> evaluations = Evaluations(lambda prompt, answer: len(answer) / 10)
        >>> evaluations.ask(0, {'"good"': "good"}).result()
        {'"good"': 0.4}
        >>> evaluations.close()
    """

    def __init__(
        self,
        evaluate: Evaluate,
        *,
        rank: Rank | None = None,
        score_range: tuple[float, float] = (0.0, 1.0),
        workers: int = 16,
        counts: FeedbackCounts | None = None,
        journal: Journal | None = None,
        on_failure: OnFailure = "skip",
        on_evaluation: OnEvaluation | None = None,
        prompt_text: Callable[[int], str] = str,
    ) -> None:
        self.error: BaseException | None = None
        self.gave_up = False
        self._evaluate, self._rank, self._range = evaluate, rank, score_range
        self._counts = counts if counts is not None else FeedbackCounts()
        self._prompt_text = prompt_text
        self._journal, self._raises, self._on_evaluation = journal, on_failure == "raise", on_evaluation
        self._workers = Workers(workers, "llm_brain-feedback")
        self._lock = threading.Lock()
        self._under_way: set[Future[Scores]] = set()
        self._scored: deque[tuple[int, Scores]] = deque()
        self._known: dict[Question, Future[Scores]] = {}
        self._asked: Counter[Question] = Counter()
        if journal is not None:
            self._asked.update(journal.asked)
            for question, scores in journal.evaluations.items():
                self._known[question] = _done(scores)
                self._scored.append((question[0], scores))

    def known(self, prompt: int, texts: Sequence[str]) -> Future[Scores] | None:
        """Return what is remembered or under way of answers, by their JSON; None where they would have to be asked for."""
        question = (prompt, frozenset(texts))
        future = self._known.get(question)
        if future is None or future.cancelled() or (_has_failed(future) and self._asked[question] < MOST_ATTEMPTS):
            return None
        return future

    def ask(self, prompt: int, answers: Mapping[str, Any]) -> Future[Scores]:
        """Evaluate an answer, or rank several.

        Args:
            prompt: The prompt.
            answers: Those that belong to one question, by their JSON.

        Returns:
            Their scores: at once where they are remembered, or else when they have come.
        """
        known = self.known(prompt, list(answers))
        if known is not None:
            return known
        question = (prompt, frozenset(answers))
        context = contextvars.copy_context()
        future = self._workers.submit(lambda: context.run(self._scores, prompt, answers))
        self._known[question] = future
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def learned(self) -> Iterator[tuple[int, str, float]]:
        """Go through the scores that have come since it was last asked: prompt, answer as JSON, score."""
        while self._scored:
            prompt, scores = self._scored.popleft()
            yield from ((prompt, text, score) for text, score in scores.items() if score is not None)

    @property
    def pending(self) -> int:
        """How many are asked for and have not come yet."""
        return sum(not future.done() for future in list(self._under_way))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all have come that were not given up, and tell whether they have."""
        return not wait([future for future in list(self._under_way) if not future.cancelled()], timeout).not_done

    def close(self) -> None:
        """Give up what has not begun, and wait for nothing."""
        self._workers.close()

    def _scores(self, prompt: int, answers: Mapping[str, Any]) -> Scores:
        """Ask, in a thread of its own. No error leaves it: what is not to be skipped is put aside."""
        scores: Scores = dict.fromkeys(answers)
        asked = not self.gave_up
        try:
            if asked:
                scores = self._evaluated(prompt, answers)
        except LLMBrainError as error:
            if concerns_all_calls(error):
                self.gave_up = True
            if self._raises or isinstance(error, DefinitionError):  # a definition is as wrong at the next call
                self._put_aside(error)
        except BaseException as error:  # noqa: BLE001 - a fault of the evaluator comes out of `FeedbackPool.arrived`
            self._put_aside(error)
        with self._lock:
            self._counts.asked += asked
            self._asked[prompt, frozenset(answers)] += asked
            self._counts.failed += None in scores.values()
        if asked:
            self._tell(prompt, answers, scores)
        return scores

    def _tell(self, prompt: int, answers: Mapping[str, Any], scores: Scores) -> None:
        try:
            if self._journal is not None:
                self._journal.write_evaluation(prompt, scores)
            self._scored.append((prompt, scores))
            if self._on_evaluation is not None:
                for text, answer in answers.items():
                    self._on_evaluation(prompt, answer, scores[text])
        except BaseException as error:  # noqa: BLE001 - as above
            self._put_aside(error)

    def _evaluated(self, prompt: int, answers: Mapping[str, Any]) -> Scores:
        values = list(answers.values())
        with span("evaluation", {KIND: EVALUATION_KIND}) as here:
            if len(values) > 1 and self._rank is not None:
                here.content(ARGUMENTS, {"prompt": self._prompt_text(prompt), "answers": values})
                order = self._rank(prompt, values)
                return dict(zip(answers, rank_scores(order, len(values), self._range), strict=True))
            (text,) = answers
            here.content(ARGUMENTS, {"prompt": self._prompt_text(prompt), "answer": answers[text]})
            score = float(self._evaluate(prompt, answers[text]))
            here.set(SCORE, score)
        if math.isnan(score):
            message = "the evaluation gave a score that is not a number"
            raise BackendError(message, kind="validation", retryable=True)
        low, high = self._range
        return {text: min(max(score, low), high)}

    def _put_aside(self, error: BaseException) -> None:
        with self._lock:
            if self.error is None:
                self.error = error


def _done(scores: Scores) -> Future[Scores]:
    future: Future[Scores] = Future()
    future.set_result(scores)
    return future


def _has_failed(future: Future[Scores]) -> bool:
    return future.done() and None in future.result().values()
