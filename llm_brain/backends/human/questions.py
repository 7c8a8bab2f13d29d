"""What a form asks a person, and what it needs of whoever is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from llm_brain.backends.human.entries import Option
from llm_brain.backends.human.rules import Path, shown_path
from llm_brain.backends.human.schema import Part


@dataclass(frozen=True, slots=True)
class Question:
    """One line that a person is asked for.

    Attributes:
        asks: What for: a value, a line of a menu, whether a part is filled in, or a key.
        path: The place of the answer in the whole.
        hint: What is expected, in words.
        description: What the schema says of the place.
        options: The menu, where the question has one.
        enter: What an empty line means; None where something must be typed.
        at_once: The places that this is the first question about: each can be typed here as JSON, the whole of it.

    Example:
        >>> Question("value", ("orders", 0, "price"), "number above 0").place
        'orders[0].price'
    """

    asks: Literal["value", "menu", "part", "key"]
    path: Path
    hint: str = ""
    description: str = ""
    options: tuple[Option, ...] = ()
    enter: str | None = None
    at_once: tuple[Path, ...] = ()

    @property
    def place(self) -> str:
        """The path, as it is shown and typed."""
        return shown_path(self.path)


class Person(Protocol):
    """Whoever fills in a form.

    Example:
        >>> class Script:
        ...     def begin(self, path, part): pass
        ...     def ask(self, question, problem): return "36"
        ...     def review(self, value, problem): return ""
        >>> from llm_brain.backends.human.form import Form
        >>> Form({"type": "integer"}).answer(Script())
        36
    """

    def ask(self, question: Question, problem: str | None) -> str:
        """Return the line that answers a question. `problem` says why the line before did not."""
        ...

    def begin(self, path: Path, part: Part) -> None:
        """Hear that the fields of a part come next."""
        ...

    def review(self, value: Any, problem: str | None) -> str:
        """Look at the whole: return an empty line to send it, a place to change it, or `-` and a place to take that out."""
        ...
