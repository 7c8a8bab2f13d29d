"""Where pairs come from: what every source does, pairs that the user has, and inputs that the function's own model answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeAlias

from llm_brain.errors import ArgumentError, DataError
from llm_brain.strategy.implementation import Details
from llm_brain.training.calls import bound_arguments, call_of
from llm_brain.training.data.pairs import Pair, PairSet
from llm_brain.training.data.records import numbered_records
from llm_brain.training.data.texts import normalized
from llm_brain.training.many import reraised
from llm_brain.training.written import checked_answer

if TYPE_CHECKING:
    from llm_brain.training.subject import Subject

Tell: TypeAlias = Callable[[str, int], Callable[[], None]]
"""Begins a stage of so many calls, for a display of progress; what it returns is called after each."""

ANSWER: Final = "answer"
ARGUMENTS: Final = "arguments"


class Source(Protocol):
    """Gathers pairs. One call that fails is counted; what concerns all calls is raised.

    Example:
        >>> class Nothing:
        ...     def gather(self, subject, into, tell):
        ...         into.refuse("there is nothing")
        >>> nothing: Source = Nothing()
    """

    def gather(self, subject: Subject, into: PairSet, tell: Tell) -> None:
        """Add the pairs of a subject to a set, and count there what is refused.

        Raises:
            LLMBrainError: What no further call can mend: a refused key, a spent budget, a teacher that does not fit.
        """
        ...


class Given:
    """Pairs that the user has.

    Args:
        pairs: Each the arguments of a call (a text, or a tuple or a mapping of arguments, as `TypedFunction.map` takes them) and
            the answer to it. What does not fit the function's types is refused as malformed.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> from llm_brain.training.subject import Subject
        >>> @llm_strategy("local")
        ... def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> subject = Subject.of(mood)
        >>> pairs = PairSet(subject.kind)
        >>> given = Given([("It works.", True), ({"message": "It broke."}, False)])
        >>> given.gather(subject, pairs, lambda stage, total: lambda: None)
        >>> [(pair.text, pair.answer) for pair in pairs.pairs]
        [('It works.', True), ('It broke.', False)]
    """

    def __init__(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        self._pairs: list[Any] = list(pairs)
        for place, pair in enumerate(self._pairs):
            if not isinstance(pair, tuple | list) or len(pair) != 2:  # noqa: PLR2004 - a pair
                message = f"pair {place} is none: {pair!r:.100}; give the arguments of a call and the answer to it"
                raise DataError(message)

    @classmethod
    def from_file(cls, path: Path | str) -> Self:
        r"""Read pairs from JSON lines.

        A line is `{"arguments": ..., "answer": ...}`, with a text, a list or an object of arguments, or an object with the
        names of the parameters and `answer`. Where a parameter is called `answer`, too, the arguments stand under `arguments`.

        Raises:
            DataError: The file cannot be read, or a line of it is not a JSON object with an `answer`; the message names the line.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     file = Path(folder) / "pairs.jsonl"
            ...     _ = file.write_text('{"message": "It works.", "answer": true}\n{"arguments": "It broke.", "answer": false}\n')
            ...     len(Given.from_file(file))
            2
        """
        pairs: list[tuple[Any, Any]] = []
        for where, record in numbered_records(Path(path)):
            if ANSWER not in record or len(record) == 1:
                message = f"{where} has no {'arguments' if ANSWER in record else 'field `answer`'}"
                raise DataError(message)
            rest = {name: value for name, value in record.items() if name != ANSWER}
            pairs.append((rest, record[ANSWER]))
        return cls(pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def gather(self, subject: Subject, into: PairSet, tell: Tell) -> None:
        """Check the pairs, and add them."""
        del tell  # nothing is asked
        spec = subject.function.spec
        for given, answer in self._pairs:
            try:
                arguments = bound_arguments(subject.function, unfolded(given, spec.parameters))
                pair = Pair(subject.text(arguments), checked_answer(answer, spec), (), "given", arguments)
            except ArgumentError as error:
                into.refuse("malformed", because=error)
            else:
                into.add(pair)


class Unlabelled:
    """Inputs that the function's own model answers, with its probabilities where it tells them.

    Args:
        inputs: Each a text, or a tuple or a mapping of arguments, as `TypedFunction.map` takes them.

    Example:
        >>> from llm_brain.strategy import Details, llm_strategy
        >>> from llm_brain.training.subject import Subject
        >>> class Sure:
        ...     name = "sure"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details(True, self.name, probabilities={True: 0.9, False: 0.1})
        >>> @llm_strategy(Sure())
        ... def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> subject = Subject.of(mood)
        >>> pairs = PairSet(subject.kind)
        >>> Unlabelled(["It works.", "It broke."]).gather(subject, pairs, lambda stage, total: lambda: None)
        >>> pairs.pairs[0]
        Pair(text='It works.', answer=True, probabilities=(0.9, 0.1), source='unlabelled')
    """

    def __init__(self, inputs: Iterable[Any]) -> None:
        if isinstance(inputs, str):
            message = "give a list of inputs, and not one text"
            raise ArgumentError(message)
        self._inputs = list(inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    def gather(self, subject: Subject, into: PairSet, tell: Tell) -> None:
        """Have the inputs answered, each text once, and add the pairs."""
        drafts = Drafts(subject, into)
        for given in self._inputs:
            try:
                drafts.add(bound_arguments(subject.function, given))
            except ArgumentError as error:
                into.refuse("malformed", because=error)
        for draft, details in zip(drafts.kept, drafts.answered("the model answers the inputs", tell), strict=True):
            if isinstance(details, Details):
                into.add(Pair(draft.text, details.value, subject.probabilities(details), "unlabelled", draft.arguments))
            else:
                into.refuse("not answered", because=details)


@dataclass(frozen=True, slots=True)
class Draft:
    """A call that is not a pair yet.

    Attributes:
        arguments: By name.
        text: As the brain reads it.
        answer: Where one was written, which is not yet judged.

    Example:
        >>> Draft({"message": "It broke."}, "It broke.").answer is None
        True
    """

    arguments: Mapping[str, Any]
    text: str
    answer: Any = None


class Drafts:
    """Calls on their way to being pairs: what would be refused anyway is refused before anything is asked about it.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> from llm_brain.training.subject import Subject
        >>> @llm_strategy("local")
        ... def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> subject = Subject.of(mood)
        >>> pairs = PairSet(subject.kind)
        >>> drafts = Drafts(subject, pairs)
        >>> _ = drafts.add({"message": "It broke."}), drafts.add({"message": "it broke!"})
        >>> len(drafts.kept), dict(pairs.refused)
        (1, {'duplicate': 1})
    """

    def __init__(self, subject: Subject, into: PairSet) -> None:
        self._subject = subject
        self._into = into
        self._seen: set[str] = set()
        self.kept: list[Draft] = []

    def add(self, arguments: Mapping[str, Any], answer: Any = None) -> None:
        """Keep a call, unless no pair can come of it.

        Raises:
            ArgumentError: An argument has no JSON form.
        """
        text = self._subject.text(arguments)
        reason = self._into.refusal(text)
        if reason is None and normalized(text) in self._seen:
            reason = "duplicate"
        if reason is not None:
            self._into.refuse(reason)
            return
        self._seen.add(normalized(text))
        self.kept.append(Draft(arguments, text, answer))

    def answered(self, stage: str, tell: Tell) -> list[Any]:
        """Have the function's own model answer the calls: details, or the error of a call.

        Raises:
            LLMBrainError: What concerns all calls.
        """
        function = self._subject.function
        tick = tell(stage, len(self.kept))
        return list(
            reraised(function.map_details([_input(function.spec, draft.arguments) for draft in self.kept], on_result=tick))
        )


def _input(spec: Any, arguments: Mapping[str, Any]) -> Any:
    args, kwargs = call_of(spec, arguments)
    return dict(arguments) if kwargs else args


def unfolded(given: Any, parameters: Mapping[str, Any]) -> Any:
    """Take the arguments out of a record that holds nothing else, where no parameter is called so.

    Example:
        >>> unfolded({"arguments": [3, 4]}, {"base": int, "exponent": int}), unfolded({"base": 3}, {"base": int})
        ((3, 4), {'base': 3})
    """
    if isinstance(given, Mapping) and set(given) == {ARGUMENTS} and ARGUMENTS not in parameters:
        inner = given[ARGUMENTS]
        return tuple(inner) if isinstance(inner, list) else inner
    return given
