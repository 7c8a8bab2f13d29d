r"""Who is right how often: a brain, its model and a cascade on calls whose answers are known.

.. math::
    \frac{1}{1 + z^2 / n} \Big( p + \frac{z^2}{2 n} \pm z \sqrt{\frac{p (1 - p)}{n} + \frac{z^2}{4 n^2}} \Big), \qquad z = 1.96

is Wilson's interval (1927) of a share p of n, which is right for few calls, too, and for shares near 0 and 1.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from llm_brain.errors import ArgumentError, DataError, LLMBrainError
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.implementation import Details, Implementation
from llm_brain.training.answers import AnswerType
from llm_brain.training.calls import bound_arguments, call_of, call_text
from llm_brain.training.data.pairs import PairSet
from llm_brain.training.data.records import numbered_records
from llm_brain.training.data.sources import ANSWER, unfolded
from llm_brain.training.many import reraised
from llm_brain.training.subject import bound
from llm_brain.training.written import checked_answer

if TYPE_CHECKING:
    from llm_brain.strategy.signature import FunctionSpec

Gold = Sequence[tuple[Mapping[str, Any], Any]]
"""Calls, by the names of their arguments, and the right answer to each."""

NORMAL_95: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Measured:
    """What somebody answered to calls whose answers are known.

    Attributes:
        name: Who it is.
        answers: To each call; its error where it failed.
        right: How many are right; a call that failed is not.
        seconds: Of a call, the mean.
        errors: How far off each number of the answers is, in the mean of the calls that were answered: by its name in a record,
            "" where the answer is the number.

    Example:
        >>> Measured("brain", [True, False, LLMBrainError("no")], right=1, seconds=0.001).failed
        1
    """

    name: str
    answers: list[Any]
    right: int
    seconds: float
    errors: Mapping[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """How many calls failed."""
        return sum(isinstance(answer, LLMBrainError) for answer in self.answers)

    @property
    def accuracy(self) -> float:
        """The share of the calls that is right."""
        return self.right / len(self.answers)

    @property
    def interval(self) -> tuple[float, float]:
        """Between what the accuracy lies, at 95%."""
        return wilson_interval(self.right, len(self.answers))


class Watched:
    """An implementation that is asked each call once, and counted.

    Args:
        implementation: Whoever answers.

    Attributes:
        asked: How often it was asked since `rewind`, answers that it had given before included.
        seconds: How long its answers since then took when they were given.

    Example:
        >>> from llm_brain.strategy import inspect_function
        >>> class Constant:
        ...     name = "constant"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details(42, self.name)
        >>> def count(text: str) -> int:
        ...     '''Count.'''
        >>> watched = Watched(Constant())
        >>> watched.call(inspect_function(count), {"text": "one"}).value, watched.asked
        (42, 1)
    """

    def __init__(self, implementation: Implementation) -> None:
        self.name = implementation.name
        self._implementation = implementation
        self._known: dict[tuple[str, int], tuple[Details[Any], float]] = {}
        self._lock = threading.Lock()
        self.asked = 0
        self.seconds = 0.0

    def rewind(self) -> None:
        """Count from 0 again. Answers are remembered."""
        self.asked, self.seconds = 0, 0.0

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer one call."""
        key = (call_text(spec, arguments, state), sample)
        with self._lock:
            self.asked += 1
            known = self._known.get(key)
        if known is None:
            begin = time.perf_counter()
            known = self._implementation.call(spec, arguments, state=state, sample=sample), time.perf_counter() - begin
        with self._lock:
            self._known[key] = known
            self.seconds += known[1]
        return known[0]


def measure(
    function: Callable[..., Any],
    implementation: Implementation,
    gold: Gold,
    *,
    concurrency: int = 1,
    tick: Callable[[], object] | None = None,
) -> Measured:
    """Have somebody answer calls whose answers are known.

    Args:
        function: What is called: a typed function, or a method, of an object or named through its class.
        implementation: Who answers.
        gold: The calls and their answers.
        concurrency: How many calls are made at a time.
        tick: Called after each.

    Raises:
        ArgumentError: There are no calls.
        DefinitionError: It is no typed function that is called and returns.
        LLMBrainError: What no further call can mend: a refused key, a spent budget. Other failures are counted.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> class Words:
        ...     name = "words"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details("love" in arguments["message"], self.name)
        >>> @llm_strategy("local")
        ... def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> gold = [({"message": "I love it."}, True), ({"message": "It works."}, True)]
        >>> measured = measure(mood, Words(), gold)
        >>> measured.right, measured.answers
        (1, [True, False])
    """
    if not gold:
        message = "there are no calls to measure with"
        raise ArgumentError(message)
    watched, called = Watched(implementation), bound(function)
    asked = TypedFunction(called.spec, watched, called.instance)
    inputs = [_input(called.spec, arguments) for arguments, _ in gold]
    told = reraised(asked.map_details(inputs, concurrency=concurrency, on_result=tick))
    answers = [found.value if isinstance(found, Details) else found for found in told]
    right = sum(_same(answer, wanted) for answer, (_, wanted) in zip(answers, gold, strict=True))
    errors = {} if called.spec.options else number_errors(gold, answers)
    return Measured(implementation.name, answers, right, watched.seconds / len(gold), errors)


def read_gold(path: Path, function: Callable[..., Any]) -> Gold:
    r"""Read calls and their answers from JSON lines, written as `Given.from_file` reads them. Each line has to fit.

    Raises:
        DataError: The file cannot be read, is empty, or a line of it is no call of the function with an answer.

    Example:
        >>> import tempfile
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "gold.jsonl"
        ...     _ = file.write_text('{"message": "It broke.", "answer": false}\n')
        ...     read_gold(file, mood)
        [({'message': 'It broke.'}, False)]
    """
    called, gold = bound(function), []
    spec = called.spec
    for where, record in numbered_records(path):
        if ANSWER not in record:
            message = f"{where} has no field `answer`"
            raise DataError(message)
        given = {name: value for name, value in record.items() if name != ANSWER}
        try:
            gold.append((bound_arguments(called, unfolded(given, spec.parameters)), checked_answer(record[ANSWER], spec)))
        except ArgumentError as error:
            message = f"{where} does not fit {spec.line}: {error}"
            raise DataError(message) from error
    if not gold:
        message = f"{path} holds no calls"
        raise DataError(message)
    return gold


def wilson_interval(right: int, number: int) -> tuple[float, float]:
    """Tell between what a share lies, at 95%, of which `right` of `number` draws were seen.

    Raises:
        ArgumentError: There are no draws.

    Example:
        >>> low, high = wilson_interval(9, 10)
        >>> round(low, 3), round(high, 3)
        (0.596, 0.982)
    """
    if number < 1:
        message = "a share of nothing lies nowhere: give a draw at least"
        raise ArgumentError(message)
    share, spread = right / number, NORMAL_95**2 / number
    middle = share + spread / 2
    half = math.sqrt(spread * (share * (1 - share) + spread / 4))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def confusion(kind: AnswerType, gold: Gold, answers: Sequence[Any]) -> list[list[int]]:
    """Count what was answered where each option was right.

    Args:
        kind: Answers of a closed set.
        gold: The calls and their answers.
        answers: What was answered; a call that failed is left out.

    Returns:
        [options][options]: a row for each right answer, a column for each given one; empty where the set is not closed.

    Example:
        >>> from llm_brain.training.answers import answer_for
        >>> confusion(answer_for(bool), [({}, True), ({}, True), ({}, False)], [True, False, False])
        [[1, 1], [0, 1]]
    """
    options = PairSet(kind).options
    counts = [[0] * len(options) for _ in options]
    for answer, (_, wanted) in zip(answers, gold, strict=True):
        if options and not isinstance(answer, LLMBrainError):
            counts[int(kind.target([wanted])[0])][int(kind.target([answer])[0])] += 1
    return counts


def number_errors(gold: Gold, answers: Sequence[Any]) -> dict[str, float]:
    """Tell how far off the numbers in answers are: the mean absolute errors, by their names in a record.

    Args:
        gold: The calls and their answers.
        answers: What was answered; a call that failed is left out.

    Example:
        >>> number_errors([({}, 0.5), ({}, 0.25)], [0.75, 0.25]), number_errors([({}, "happy")], ["unhappy"])
        ({'': 0.125}, {})
    """
    found: dict[str, list[float]] = defaultdict(list)
    for answer, (_, wanted) in zip(answers, gold, strict=True):
        given = {} if isinstance(answer, LLMBrainError) else _numbers(answer)
        for name, number in _numbers(wanted).items():
            if name in given:
                found[name].append(abs(given[name] - number))
    return {name: math.fsum(each) / len(each) for name, each in found.items()}


def _numbers(answer: Any, name: str = "") -> dict[str, float]:
    if isinstance(answer, BaseModel):
        inside = [_numbers(getattr(answer, part), f"{name}.{part}".lstrip(".")) for part in type(answer).model_fields]
        return {place: number for numbers in inside for place, number in numbers.items()}
    return {name: float(answer)} if isinstance(answer, int | float) and not isinstance(answer, bool) else {}


def _same(answer: Any, wanted: Any) -> bool:
    return type(answer) is type(wanted) and bool(answer == wanted)


def _input(spec: FunctionSpec, arguments: Mapping[str, Any]) -> Any:
    args, kwargs = call_of(spec, arguments)
    return dict(arguments) if kwargs else args
