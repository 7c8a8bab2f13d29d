"""Filling in: from one place of a schema after another to questions, and from the lines that answer them to JSON values.

A line answers a question, or says something about a part around it of which nothing has been given yet: that it is null, all of
it as JSON, or with Enter, that it is left out. That is handed up to the part as a `_Given`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from llm_brain.backends.human.entries import Misread, Option, anything, chosen, entered, json_of, menu_of, text_of
from llm_brain.backends.human.questions import Person, Question
from llm_brain.backends.human.rules import Path, complaint, hint, part_of_key, problem_of_key, word
from llm_brain.backends.human.schema import Part

_ABSENT: Final = object()
_FILL_IN: Final = object()
_LONGEST_DEFAULT: Final = 40


@dataclass(frozen=True, slots=True)
class Enter:
    """What an empty line means.

    Attributes:
        words: In words.
        value: The value that it stands for.

    Example:
        >>> Enter("no more", ["a", "b"]).words
        'no more'
    """

    words: str
    value: Any


@dataclass(frozen=True, slots=True)
class _Around:
    """A part of which nothing has been given yet: here it can be typed at once."""

    part: Part
    path: Path


@dataclass(frozen=True, slots=True)
class _Given:
    """What stands at a place around the one that was asked for: it is handed up to there."""

    part: Part
    value: Any


class Filling:
    """One person filling in a form.

    Args:
        person: Who is asked.

    Attributes:
        asked: How many questions were asked.

    Example:
        >>> class Script:
        ...     def __init__(self, *lines): self.lines = list(lines)
        ...     def ask(self, question, problem): return self.lines.pop(0)
        >>> filling = Filling(Script("red", "blue", ""))
        >>> filling.fill(Part({"items": {"type": "string"}}), ()), filling.asked
        (['red', 'blue'], 3)
    """

    def __init__(self, person: Person) -> None:
        self.asked = 0
        self._person = person
        self._asked_last: Path | None = None

    def fill(self, part: Part, path: Path, enter: Enter | None = None, around: tuple[_Around, ...] = ()) -> Any:
        """Ask for what stands at a place.

        Args:
            part: What may stand there.
            path: The place.
            enter: What an empty line means; None where it means nothing.
            around: The parts around it of which nothing has been given yet, and which can be given here.
        """
        if enter is None and part.nullable:
            enter = Enter("none", None)
        ask = {"options": self._menu, "union": self._union, "object": self._object, "list": self._list}.get(part.kind)
        if ask is not None:
            return ask(part, path, enter, around)
        if part.kind == "null":
            return None if enter is None else self._ask(Question("value", path, "null"), part, enter, around, _null)
        read = anything if part.kind == "any" else partial(entered, part=part)
        return self._ask(Question("value", path, hint(part), part.description), part, enter, around, read)

    def _ask(
        self, question: Question, part: Part, enter: Enter | None, around: tuple[_Around, ...], read: Callable[[str], Any]
    ) -> Any:
        """Ask until a line answers the question."""
        at_once = tuple(held.path for held in around)
        question = replace(question, enter=enter.words if enter else None, at_once=at_once)
        self.asked += 1
        self._asked_last = question.path
        problem: str | None = None
        while True:
            line = self._person.ask(question, problem).strip()
            if not line and enter is not None:
                return enter.value
            try:
                return _read(line, part, around, read)
            except Misread as error:
                problem = str(error)

    def _menu(self, part: Part, path: Path, enter: Enter | None, around: tuple[_Around, ...]) -> Any:
        if len(part.values) == 1 and enter is None:
            return part.values[0]
        options = menu_of(part.values)
        question = Question("menu", path, "", part.description, options)
        return self._ask(question, part, enter, around, partial(chosen, options=options))

    def _union(self, part: Part, path: Path, enter: Enter | None, around: tuple[_Around, ...]) -> Any:
        options = tuple(Option(_title(member, part), member, member.description) for member in part.alternatives)
        question = Question("menu", path, "which of these", part.description, options)
        around = (*around, _Around(part, path))
        given = self._ask(question, part, enter, around, partial(chosen, options=options))
        return self.fill(given, path) if isinstance(given, Part) else _here(given, part)

    def _object(self, part: Part, path: Path, enter: Enter | None, around: tuple[_Around, ...]) -> Any:
        around = (*around, _Around(part, path))
        if part.takes_more and not part.properties:
            return self._entries({}, part, path, enter, around)
        if enter is not None:
            question = Question("part", path, hint(part), part.description)
            given = self._ask(question, part, enter, around, partial(_agreed, otherwise=enter.value))
            if given is not _FILL_IN:
                return _here(given, part)
            around = ()
        if path != self._asked_last:  # or else the question has just told of it
            self._person.begin(path, part)
        value: dict[str, Any] = {}
        before = self.asked
        for name, held in part.properties.items():
            skipping = None if name in part.required else Enter(_default(held), _ABSENT)
            given = self.fill(held, (*path, name), skipping, around if self.asked == before else ())
            if isinstance(given, _Given):
                return _here(given, part)
            if given is not _ABSENT:
                value[name] = given
        return self._entries(value, part, path, None, ())

    def _entries(self, value: dict[str, Any], part: Part, path: Path, enter: Enter | None, around: tuple[_Around, ...]) -> Any:
        """Ask for the entries of a dictionary, or those beside an object's fields, key by key."""
        while part.takes_more and len(value) < part.most:
            end = Enter("no more" if value else "no entries", value) if len(value) >= part.fewest else None
            end = _held(enter or end, part)
            question = Question("key", path, "key", part.description)
            given = self._ask(question, part.key, end, around, partial(_new_key, value=value, part=part))
            if isinstance(given, _Given):
                return _here(given, part)
            value[given] = self.fill(part_of_key(given, part) or Part({}), (*path, given))
            enter, around = None, ()
        return value

    def _list(self, part: Part, path: Path, enter: Enter | None, around: tuple[_Around, ...]) -> Any:
        items: list[Any] = []
        around = (*around, _Around(part, path))
        while len(items) < part.most:
            end = Enter("no more" if items else "no items", items) if len(items) >= max(part.fewest, len(part.first)) else None
            given = self.fill(part.item(len(items)), (*path, len(items)), _held(enter or end, part), around)
            if isinstance(given, _Given):
                return _here(given, part)
            items.append(given)
            enter, around = None, ()
        return items


def _read(line: str, part: Part, around: tuple[_Around, ...], read: Callable[[str], Any]) -> Any:
    """Read a line: as null, as the JSON of something around it, or as what was asked for."""
    if not line:
        message = 'something must be typed ("" is an empty text)' if part.type == "string" else "something must be typed"
        raise Misread(message)
    if line == "null":
        for held in around:
            if complaint(None, held.part) is None:
                return _Given(held.part, None)
        if complaint(None, part) is None:
            return None
    problem = None
    if around and line[0] in "[{":
        problem, given = _at_once(line, around)
        if given is not None:
            return given
    try:
        return read(line)
    except Misread as error:
        raise Misread(problem or str(error)) from error


def _at_once(line: str, around: tuple[_Around, ...]) -> tuple[str | None, _Given | None]:
    try:
        value = json_of(line)
    except ValueError as error:
        return f"is no JSON: {error}", None
    problem = None
    for held in around:
        problem = complaint(value, held.part)
        if problem is None:
            return None, _Given(held.part, value)
    return problem, None


def _here(given: Any, part: Part) -> Any:
    """Return what was given for this part; what was given for one around it is handed on."""
    return given.value if isinstance(given, _Given) and given.part is part else given


def _held(enter: Enter | None, part: Part) -> Enter | None:
    return None if enter is None else Enter(enter.words, _Given(part, enter.value))


def _default(part: Part) -> str:
    if "default" not in part.schema:
        return "skip"
    told = part.schema["default"]
    shown = "none" if told is None or told in ([], {}) else word(told)
    return shown if 0 < len(shown) <= _LONGEST_DEFAULT else "the default"


def _agreed(line: str, otherwise: Any) -> Any:
    if line.casefold() in {"y", "yes"}:
        return _FILL_IN
    if line.casefold() in {"n", "no"}:
        return otherwise
    message = "type y to fill it in, or Enter alone"
    raise Misread(message)


def _null(line: str) -> None:
    if line != "null":
        message = "must be null"
        raise Misread(message)


def _new_key(line: str, value: Mapping[str, Any], part: Part) -> str:
    key = text_of(line)
    is_there = key in value or key in part.properties
    problem = "is there already" if is_there else problem_of_key(key, part)
    if problem is not None:
        raise Misread(problem)
    return key


def _title(member: Part, union: Part) -> str:
    """Name a member of a union; where two have one name, by its tag, too."""
    told = hint(member)
    if sum(hint(other) == told for other in union.alternatives) > 1:
        tags = [word(held.values[0]) for held in member.properties.values() if held.kind == "options" and len(held.values) == 1]
        return f"{told} {', '.join(tags)}".strip()
    return told
