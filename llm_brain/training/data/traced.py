"""Pairs out of the traces of real use: what a typed function was asked there, and what it answered.

    read_spans -> function spans of this function that ended well -> the recorded JSON as values of its types -> pairs

A model's call ends before the typed call that it was made for, and so stands above it in the file. From it come the probabilities
of the options and, since a function's span does not hold it, the state of the object whose method was called.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from llm_brain.errors import ArgumentError
from llm_brain.strategy.annotations.closed_sets import closed_set
from llm_brain.strategy.annotations.hidden import hides
from llm_brain.strategy.parameters import arguments_adapter
from llm_brain.tracing import names
from llm_brain.tracing.reader import SpanRecord, read_spans
from llm_brain.tracing.redaction import REDACTED
from llm_brain.tracing.safe import json_safe
from llm_brain.training.calls import call_text, state_of
from llm_brain.training.data.pairs import Pair, PairSet
from llm_brain.training.data.sources import Tell

if TYPE_CHECKING:
    from llm_brain.training.subject import Subject

NOT_CAPTURED: Final = "contents not captured"
NOT_WHOLE: Final = "redacted or cut"
NO_STATE: Final = "state not recorded"
BRAINS: Final = "answered by a brain"


class Traced:
    """Pairs that were recorded where the function was in use; those of calls that failed are no pairs.

    What was answered is learned as it is, whoever answered, but for what the brain of a cascade was sure of: it would learn from
    itself. A span is refused, and counted, where such a brain answered, where its contents were not captured, where a secret was
    taken out of them or they were too long to be kept whole, where they no longer fit the function's types, and where the
    function's object has a state and no model's call tells what it was.

    Args:
        folder: What was given to `record`.
        brains: Whether the answers of cascades' brains are taken, too.

    Example:
        >>> import tempfile
        >>> from llm_brain.strategy import Details, llm_strategy
        >>> from llm_brain.tracing import record
        >>> from llm_brain.training.subject import Subject
        >>> class Words:
        ...     name = "words"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details("love" in arguments["message"], self.name)
        >>> @llm_strategy(Words())
        ... def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> subject = Subject.of(mood)
        >>> pairs = PairSet(subject.kind)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with record(folder):
        ...         _ = mood("I love it.")
        ...     Traced(folder).gather(subject, pairs, lambda stage, total: lambda: None)
        >>> pairs.pairs
        [Pair(text='I love it.', answer=True, probabilities=(), source='traced')]
    """

    def __init__(self, folder: Path | str, *, brains: bool = False) -> None:
        self.folder = Path(folder)
        self.brains = brains

    def gather(self, subject: Subject, into: PairSet, tell: Tell) -> None:
        """Read the spans, and add the pairs.

        Raises:
            DataError: There is no such folder, or its spans were written by a later version.
        """
        del tell  # nothing is asked
        reading = _Reading(subject)
        for recorded in _recorded(read_spans(self.folder), subject.function.spec.qualified_name):
            is_refused = recorded.below.is_brains and not self.brains
            told = BRAINS if is_refused else reading.pair(recorded, into.options)
            if isinstance(told, Pair):
                into.add(told)
            else:
                into.refuse(told)


@dataclass(slots=True)
class _Below:
    """What the spans below one tell.

    Attributes:
        state: The line of the state in the last prompt that had one.
        probabilities: Of the last choice.
        is_brains: Whether a cascade's brain answered.
    """

    state: str | None = None
    probabilities: tuple[float, ...] = ()
    is_brains: bool = False


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A call of the function.

    Attributes:
        attributes: Its span's.
        below: What the model's calls for it tell.
    """

    attributes: Mapping[str, Any]
    below: _Below


def _recorded(spans: Iterable[SpanRecord], function: str) -> Iterator[_Recorded]:
    """Give the calls of a function that ended well, each with what stands below it, which was read before."""
    waiting: dict[str, _Below] = {}
    for one in spans:
        below = waiting.pop(one.span_id, None)
        if one.kind == names.FUNCTION_KIND:
            if one.attributes.get(names.FUNCTION) == function and one.status == "ok":
                yield _Recorded(one.attributes, below or _Below())
            continue
        if one.is_call and one.status == "ok" and one.attributes.get(names.OPERATION_NAME) != names.EMBEDDINGS:
            below = _Below(_state_line(one.attributes), _numbers(one.attributes.get(names.PROBABILITIES)))
        if one.kind == names.CASCADE_KIND and one.attributes.get(names.REASON) == "sure":
            below = _Below(is_brains=True)
        if below is not None and one.parent_id is not None:
            waiting[one.parent_id] = below


class _Reading:
    """Turns what was recorded back into values of a function's types."""

    def __init__(self, subject: Subject) -> None:
        self._spec = subject.function.spec
        self._has_state = bool(state_of(subject.function))
        self._shown = {name: kind for name, kind in self._spec.parameters.items() if not hides(kind)}
        self._arguments: TypeAdapter[dict[str, Any]] = arguments_adapter(
            {name: kind for name, kind in self._shown.items() if closed_set(kind) is None}
        )

    def pair(self, recorded: _Recorded, options: tuple[Any, ...]) -> Pair | str:
        """Make the pair, or tell why there is none."""
        arguments, value = (recorded.attributes.get(name, _MISSING) for name in (names.ARGUMENTS, names.VALUE))
        if arguments is _MISSING or value is _MISSING:
            return NOT_CAPTURED
        if not _is_whole([arguments, value]):
            return NOT_WHOLE
        state = _state(recorded.below.state) if self._spec.takes_self else None
        if self._has_state and state is None:
            return NO_STATE
        try:
            text = call_text(self._spec, self._values(arguments), state)
            answer = _value(value, self._spec.returns, self._spec.adapter)
        except (ValidationError, ArgumentError, KeyError, TypeError, AttributeError):
            return "malformed"
        likely = recorded.below.probabilities
        # Whoever corrects a model's probabilities, or adds to them, answers otherwise than they say.
        fits = len(likely) == len(options) > 0 and options[max(range(len(likely)), key=likely.__getitem__)] == answer
        return Pair(text, answer, likely if fits else (), "traced")

    def _values(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        chosen = {
            name: _option(arguments[name], closed_set(kind) or ()) for name, kind in self._shown.items() if closed_set(kind)
        }
        others = {name: value for name, value in arguments.items() if name in self._shown and name not in chosen}
        return {**self._arguments.validate_python(others, by_alias=True, by_name=True), **chosen}


def _value(value: Any, annotation: Any, adapter: TypeAdapter[Any]) -> Any:
    options = closed_set(annotation)
    return adapter.validate_python(value, by_alias=True, by_name=True) if options is None else _option(value, options)


def _option(value: Any, options: tuple[Any, ...]) -> Any:
    """Find the option that is recorded so.

    Raises:
        KeyError: There is none, or more than one.
    """
    key = json.dumps(value)
    found = [option for option in options if json.dumps(json_safe(option)) == key]
    if len(found) != 1:
        raise KeyError(key)
    return found[0]


def _is_whole(value: Any) -> bool:
    """Tell whether nothing was taken out of a recorded value: no secret, no tail, no part that could not be read."""
    todo = [value]
    for each in todo:
        if isinstance(each, str):
            if REDACTED in each or _CUT.search(each):
                return False
        elif isinstance(each, Mapping):
            todo += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            todo += each
    return True


def _state_line(attributes: Mapping[str, Any]) -> str | None:
    """Find the line of a prompt that tells the object's state; see `llm_brain.strategy.prompt`."""
    for message in attributes.get(names.INPUT_MESSAGES) or ():
        for part in message.get("parts", ()) if isinstance(message, Mapping) else ():
            content = part.get("content") if isinstance(part, Mapping) else None
            for line in content.split("\n") if isinstance(content, str) else ():
                if line.startswith(_STATE):
                    return str(line)
    return None


def _state(line: str | None) -> Mapping[str, Any] | None:
    try:
        state = json.loads((line or "").removeprefix(_STATE))
    except ValueError:  # there is none, or its line was cut
        return None
    return state if isinstance(state, Mapping) and _is_whole(state) else None


def _numbers(value: Any) -> tuple[float, ...]:
    fits = isinstance(value, list) and all(isinstance(number, (int, float)) for number in value)
    return tuple(map(float, value)) if fits else ()


_MISSING: Final = object()
_STATE: Final = "self: "
_CUT: Final = re.compile(
    r"<\d+ (characters|items|bytes) left out>$|^<left out>$|^<[^<>]*: (left out|unreadable|contains itself)>$"
)
