"""Calibration of a closed set's probabilities: a model's taste for one option over the others, whatever the input, taken out.

A small model leans towards one answer because of the wording, the examples and the options' names. Batch calibration
(Zhou et al. 2023) estimates that lean as the mean over many unlabelled inputs and divides by it. The calibrated answers to
those inputs are then as often one option as another, so the inputs should be about balanced.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llm_brain.errors import DataError
from llm_brain.strategy.answering import BoundCall
from llm_brain.strategy.implementation import Details, Implementation
from llm_brain.strategy.selection import selected_implementation

if TYPE_CHECKING:
    from llm_brain.strategy.function import TypedFunction
    from llm_brain.strategy.signature import FunctionSpec

# Of a probability of 0 no logarithm is to be had.
_LEAST = 1e-9


class Calibrated:
    """An implementation whose probabilities are freed of the model's lean, for each function that was fitted.

    Args:
        implementation: Who answers. It must give probabilities for the fitted functions.
        priors: The mean log-probability of each option, by function.

    Example:
        >>> Calibrated.correct([0.8, 0.2], [math.log(0.8), math.log(0.2)])
        (0.5, 0.5)
    """

    def __init__(self, implementation: Implementation, priors: Mapping[str, Sequence[float]]) -> None:
        self.name = implementation.name
        self.implementation = implementation
        self.priors = dict(priors)

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer one call, calibrated where its function was fitted."""
        return self._calibrated(spec, arguments, self.implementation.call(spec, arguments, state=state, sample=sample))

    async def acall(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer one call, awaited."""
        inner = BoundCall(spec, arguments, state, sample, self.implementation)
        return self._calibrated(spec, arguments, await inner.ask_awaited())

    @staticmethod
    def correct(probabilities: Sequence[float], prior: Sequence[float]) -> tuple[float, ...]:
        """Divide probabilities by exp(prior) and normalise.

        Example:
            >>> Calibrated.correct([0.8, 0.2], [math.log(0.8), math.log(0.2)])
            (0.5, 0.5)
        """
        logits = [math.log(max(probability, _LEAST)) - lean for probability, lean in zip(probabilities, prior, strict=True)]
        weights = [math.exp(logit - max(logits)) for logit in logits]
        return tuple(weight / sum(weights) for weight in weights)

    def _calibrated(self, spec: FunctionSpec, arguments: Mapping[str, Any], details: Details[Any]) -> Details[Any]:
        prior = self.priors.get(spec.qualified_name)
        if prior is None or not details.probabilities:
            return details
        options = tuple(details.probabilities)
        corrected = self.correct([details.probabilities[option] for option in options], prior)
        shown = dict(zip(options, corrected, strict=True))
        value = shown[arguments[spec.likelihood_of]] if spec.likelihood_of else max(shown, key=shown.__getitem__)
        return replace(details, value=value, probabilities=shown)


def fit_calibration(function: TypedFunction[..., Any], inputs: Iterable[Any], **map_options: Any) -> Calibrated:
    """Estimate a model's lean on unlabelled inputs.

    Args:
        function: A typed function whose answer is one of a closed set, or the likelihood of one.
        inputs: What `function.map` takes.
        map_options: Passed on to `map_details`: `concurrency`, `on_result`.

    Raises:
        DataError: None of the inputs could be answered with probabilities.

    Example:
        >>> from llm_brain.strategy import Details, TypedFunction, inspect_function
        >>> class Leaning:
        ...     name = "leaning"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         even = 0.7 if arguments["number"] % 2 == 0 else 0.6
        ...         return Details(True, self.name, probabilities={True: even, False: 1 - even})
        >>> def even(number: int) -> bool:
        ...     '''Tell whether a number is even.'''
        >>> calibrated = fit_calibration(TypedFunction(inspect_function(even), Leaning()), [1, 2])
        >>> TypedFunction(inspect_function(even), calibrated).map([1, 2])
        [False, True]
    """
    details = function.map_details(inputs, **map_options)
    answered = [detail for detail in details if isinstance(detail, Details) and detail.probabilities]
    if not answered:
        name = function.spec.qualified_name
        message = f"{name} gave no probabilities for these inputs: only a model that scores options can be calibrated"
        raise DataError(message) from next((detail for detail in details if isinstance(detail, Exception)), None)
    columns = zip(*(detail.probabilities.values() for detail in answered), strict=True)
    lean = [sum(math.log(max(probability, _LEAST)) for probability in column) / len(answered) for column in columns]
    return Calibrated(selected_implementation(function.implementation), {function.spec.qualified_name: lean})
