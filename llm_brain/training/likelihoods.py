"""How likely a function's own model finds an answer: one call for all answers to an input, however many threads ask."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from llm_brain.errors import ArgumentError
from llm_brain.strategy.function import TypedFunction
from llm_brain.training.calls import call_of, call_text, state_of

Probabilities = Mapping[Any, float]


class Likelihoods:
    """The probabilities of a function's options, asked once for each input and kept; a failure is not kept.

    Args:
        function: Whose answers form a closed set, or else nothing is ever asked.

    Example:
        >>> from llm_brain.strategy import Details, TypedFunction, inspect_function
        >>> class Sure:
        ...     name = "sure"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details(True, self.name, probabilities={True: 0.9, False: 0.1})
        >>> def even(number: int) -> bool:
        ...     '''Tell whether a number is even.'''
        >>> Likelihoods(TypedFunction(inspect_function(even), Sure())).of({"number": 4}, False)
        0.1
    """

    def __init__(self, function: TypedFunction[..., Any]) -> None:
        self._function = function
        self._known: dict[str, Future[Probabilities]] = {}
        self._lock = threading.Lock()
        self._scores = function.spec.options is not None and function.spec.likelihood_of is None

    def of(self, arguments: Mapping[str, Any], answer: Any) -> float | None:
        """Give the probability of an answer; None where the model tells none.

        Raises:
            ArgumentError: The answer is none of the options.
            LLMBrainError: The call failed.
        """
        if not self._scores:
            return None
        probabilities = self._asked(arguments)
        if not probabilities:
            self._scores = False  # a model that scores no options does not begin to
            return None
        for option, probability in probabilities.items():
            if type(option) is type(answer) and option == answer:
                return float(probability)
        message = f"{answer!r:.100} is none of the answers of {self._function.spec.qualified_name}"
        raise ArgumentError(message)

    def _asked(self, arguments: Mapping[str, Any]) -> Probabilities:
        spec = self._function.spec
        key = call_text(spec, arguments, state_of(self._function))
        with self._lock:
            future = self._known.get(key)
            mine = future is None
            if future is None:
                future = self._known[key] = Future()
        if not mine:
            return future.result()
        args, kwargs = call_of(spec, arguments)
        try:
            found = self._function.with_details(*args, **kwargs).probabilities
        except BaseException as error:
            with self._lock:
                del self._known[key]
            future.set_exception(error)
            raise
        future.set_result(found)
        return found
