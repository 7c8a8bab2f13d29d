"""A form for a JSON Schema: it asks a person for one line after another, and makes JSON of them.

    fields one by one, parts within them, lists item by item, dictionaries key by key -> the whole, shown -> corrections -> sent

Nothing here knows a terminal: whoever is asked is a `Person`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_brain.backends.human.entries import Misread
from llm_brain.backends.human.filling import Enter, Filling
from llm_brain.backends.human.places import Place, changed, find_place, removed
from llm_brain.backends.human.questions import Person
from llm_brain.backends.human.rules import complaint
from llm_brain.backends.human.schema import WRAPPER_FIELD, Part

_KEEP: Final = object()


class Form:
    """A form for the answers that fulfil a schema.

    Args:
        schema: The JSON Schema.

    Attributes:
        part: What is asked for: the whole, or what stands in the only field of a wrapper.

    Example:
        >>> class Script:
        ...     def __init__(self, *lines): self.lines = list(lines)
        ...     def begin(self, path, part): pass
        ...     def review(self, value, problem): return self.lines.pop(0)
        ...     def ask(self, question, problem):
        ...         print(f"{question.place}: {problem or question.hint}")
        ...         return self.lines.pop(0)
        >>> schema = {"properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"]}
        >>> Form(schema).answer(Script("Ada", "x", "36", "age", "37", ""))
        name: text
        age: whole number
        age: must be a whole number
        age: whole number
        {'name': 'Ada', 'age': 37}
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.part = Part(schema)
        self._is_wrapped = list(self.part.properties) == [WRAPPER_FIELD]
        if self._is_wrapped:
            self.part = self.part.properties[WRAPPER_FIELD]

    def answer(self, person: Person, before: Any = None) -> Any:
        """Have a person fill in the form, and look at it before it is sent; a single line is sent at once.

        Args:
            person: Who is asked.
            before: An earlier answer that the form takes, to be corrected; None for a new one.

        Returns:
            A JSON value that fits the schema, as far as the rules of `llm_brain.backends.human.rules` tell.
        """
        filling = Filling(person)
        value = self._unwrapped(before) if before is not None else filling.fill(self.part, ())
        if before is not None or filling.asked > 1:
            value = _reviewed(value, self.part, person, filling)
        return {WRAPPER_FIELD: value} if self._is_wrapped else value

    def takes(self, value: Any) -> bool:
        """Tell whether a value is an answer to the form."""
        try:
            return complaint(self._unwrapped(value), self.part) is None
        except (KeyError, TypeError):
            return False

    def _unwrapped(self, value: Any) -> Any:
        return value[WRAPPER_FIELD] if self._is_wrapped else value


def _reviewed(value: Any, part: Part, person: Person, filling: Filling) -> Any:
    """Let the person look at the whole, and change it until it is sent."""
    problem = complaint(value, part)
    while line := person.review(value, problem).strip():
        try:
            if line.startswith("-"):
                value = removed(value, find_place(line[1:].strip(), value, part))
            else:
                value = _changed(value, find_place(line, value, part), filling)
            problem = complaint(value, part)
        except Misread as error:
            problem = str(error)
    return value


def _changed(value: Any, place: Place, filling: Filling) -> Any:
    given = filling.fill(place.part, place.path, Enter("leave it", _KEEP))
    return value if given is _KEEP else changed(value, place.path, given)
