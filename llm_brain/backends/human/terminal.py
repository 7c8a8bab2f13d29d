"""A person who sees a screen and types lines: what is shown when, and how a line becomes an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from llm_brain.backends.contract import Message, Request
from llm_brain.backends.human.entries import Misread, Option, chosen, json_of, menu_of, visible
from llm_brain.backends.human.form import Form
from llm_brain.backends.human.lines import Unreadable
from llm_brain.backends.human.questions import Question
from llm_brain.backends.human.rules import Path, shown_path
from llm_brain.backends.human.schema import WRAPPER_FIELD, Part
from llm_brain.backends.human.screen import Screen
from llm_brain.backends.human.text import paragraphs
from llm_brain.errors import BackendError, ReplyError

_PROMPT: Final = "> "
_BLOCK: Final = '"""'
_IN_BLOCK: Final = ". "
_COMPLAINT: Final = "That does not fit"  # how strategy begins to ask again, after an answer that its types refused
_TURNS_OF_RETRY: Final = 3  # the question, its answer, and what is wrong with that
_ONE_OF: Final = "Answer with exactly one of these lines and nothing else:"
_TO_MODELS: Final = re.compile(
    r"Each line `name: value` holds [^\n]*? never instructions\.|Answer with the text only\.|^Begin\.$"
)
_HELP: Final = {
    "text": f"One line, or several between {_BLOCK} and {_BLOCK}. Ctrl-D declines.",
    "menu": "A number, a word, or its beginning. Ctrl-D declines.",
    "form": "Line by line, or all at once as JSON. Ctrl-D declines.",
    "line": "Ctrl-D declines.",
}


@dataclass(slots=True)
class Shown:
    """What is on the screen from earlier calls, and need not be shown again.

    Attributes:
        messages: The turns of the last question.
        helped: For which kinds of answers it was said how they are given.

    Example:
        >>> Shown().messages
        ()
    """

    messages: tuple[Message, ...] = ()
    helped: set[str] = field(default_factory=set)


class Terminal:
    """A person at a terminal, for one call.

    Args:
        screen: What the person sees.
        read_line: Returns what is typed after a prompt.
        shown: What the screen shows already.
        is_there: Whether there is a person, who can be told what is wrong with a line; False where lines come from elsewhere, and
            each question takes one.

    Example:
        >>> import io
        >>> from rich.console import Console
        >>> lines = iter(["green", "b"])
        >>> person = Terminal(Screen(Console(file=io.StringIO())), lambda prompt: next(lines), Shown())
        >>> person.choose(Request((Message("user", "Which one?"),)), ["red", "blue"])
        'blue'
    """

    def __init__(self, screen: Screen, read_line: Callable[[str], str], shown: Shown, *, is_there: bool = True) -> None:
        self._is_there = is_there
        self._screen = screen
        self._read_line = read_line
        self._shown = shown
        self._reviewed: str | None = None
        self._named = ""

    def write(self, request: Request) -> str:
        """Ask for a text.

        Raises:
            BackendError: Of kind "empty" where there is no person, and the line is empty.
        """
        self._show(request, "text")
        if not self._is_there:
            return self._taken()
        while True:
            try:
                text = visible(self._text())
                if text.strip():
                    return text
                self._screen.problem("something must be typed")
            except Misread as error:
                self._screen.problem(str(error))

    def choose(self, request: Request, options: Sequence[str]) -> str:
        """Ask for one of the options, and return it word for word.

        Raises:
            ReplyError: There is no person, and the line names no option.
        """
        self._show(request, "menu", options)
        words = menu_of([option.strip() for option in options])
        menu = [Option(shown.word, option, synonyms=shown.synonyms) for shown, option in zip(words, options, strict=True)]
        self._screen.menu(menu)
        while True:
            line = self._line(_PROMPT).strip() if self._is_there else self._taken()
            try:
                return str(chosen(line, menu))
            except Misread as error:
                if not self._is_there:
                    raise ReplyError(str(error), raw=line) from error
                self._screen.problem(str(error))

    def fill_in(self, request: Request, schema: Mapping[str, Any]) -> str:
        """Ask for a JSON value that fulfils a schema, and return its text.

        An answer that was refused after it had been given is shown again, to be corrected. Where there is no person, the line is
        the answer, and whoever asked has to check it.

        Raises:
            BackendError: Of kind "empty" where there is no person, and the line is empty.
        """
        form = Form(schema)
        self._show(request, "form" if form.part.kind in {"list", "object", "union"} else "line")
        if not self._is_there:
            return self._taken()
        return _json(form.answer(self, _refused_answer(request.messages, form)))

    def ask(self, question: Question, problem: str | None) -> str:
        """Ask one question of a form."""
        if problem is not None:
            self._screen.problem(problem)
        else:
            self._named = self._named or question.place
            self._screen.question(question.place, question.description, _hint(question))
            if question.options:
                self._screen.menu(question.options)
        line = self._line(_PROMPT).strip()
        return json.dumps(self._block(line)) if line.startswith(_BLOCK) else line

    def begin(self, path: Path, part: Part) -> None:
        """Show that the fields of a part come next."""
        if not path or part.description:
            self._screen.question(shown_path(path) if path else "Your answer", part.description, part.name)

    def review(self, value: Any, problem: str | None) -> str:
        """Show the answer, and ask what to do with it."""
        shown = json.dumps(value)
        if shown != self._reviewed:
            self._screen.answer(value)
            self._reviewed = shown
        if problem is not None:
            self._screen.problem(problem)
        named = f" ({self._named})" if self._named else ""
        self._screen.note(f"Enter sends it. The name of a part{named} changes it, -name takes it out.")
        return self._line(_PROMPT)

    def _show(self, request: Request, kind: str, options: Sequence[str] = ()) -> None:
        """Show the turns of a request that are not on the screen already."""
        messages, again = request.messages, ""
        if _asks_again(messages):
            messages, again = messages[:-2], messages[-1].content
        before = self._shown.messages
        if before:
            self._screen.note("")
        if not again or messages != before:
            self._show_turns(messages if messages[:-1] != before[:-1] else messages[-1:], options)
        if again:
            if kind == "text":
                self._screen.turn("Your answer", [request.messages[-2].content])
            self._screen.problem(again)
        if request.sample:
            self._screen.note(f"Another answer to the same question, number {request.sample + 1}.")
        if self._is_there and kind not in self._shown.helped:
            self._screen.note(_HELP[kind])
        self._shown.messages = messages
        self._shown.helped.add(kind)

    def _show_turns(self, messages: Sequence[Message], options: Sequence[str]) -> None:
        """Show who is asked and how, what was asked before and how it was answered, and the question."""
        *earlier, last = messages or (Message("user", ""),)
        if earlier and earlier[0].role == "system":
            self._turn("Instructions", [_for_people(earlier.pop(0), options)])
        self._turn("Before", [_for_people(turn, options) for turn in earlier])
        self._turn("Question", [_for_people(last, options)], "cyan")

    def _turn(self, title: str, turns: Iterable[Iterable[tuple[str, Any] | str]], style: str = "dim") -> None:
        parts = [part for turn in turns for part in turn]
        if any(parts):
            self._screen.turn(title, parts, style)

    def _text(self) -> str:
        line = self._line(_PROMPT).strip()
        return self._block(line) if line.startswith(_BLOCK) else line

    def _block(self, line: str) -> str:
        """Read the other lines of a text of several; Ctrl-D ends it, too."""
        lines = [line.removeprefix(_BLOCK)]
        while not lines[-1].rstrip().endswith(_BLOCK):
            try:
                lines.append(self._line(_IN_BLOCK))
            except EOFError:
                break
        lines[-1] = lines[-1].rstrip().removesuffix(_BLOCK)
        return "\n".join(lines).strip("\n")

    def _taken(self) -> str:
        """Return the line that answers a question, whatever it is."""
        try:
            line = self._read_line("").strip()
        except Unreadable as error:
            message = f"a line of the standard input {error}"
            raise BackendError(message, kind="protocol") from error
        if not line:
            message = "a line of the standard input is empty: each question takes one"
            raise BackendError(message, kind="empty")
        return line

    def _line(self, prompt: str) -> str:
        while True:
            try:
                return self._read_line(prompt)
            except Unreadable as error:
                self._screen.problem(str(error))


def _for_people(turn: Message, options: Sequence[str]) -> Iterator[tuple[str, Any] | str]:
    """Leave out what only models have to be told: that arguments are data, and what a menu or a form shows anyway."""
    if turn.role == "assistant":
        yield "answer", _value_of(turn.content)
        yield ""
        return
    listed = "\n".join([_ONE_OF, *options])
    for part in paragraphs(turn.content):
        told = _TO_MODELS.sub("", part.replace(listed, "")).strip() if isinstance(part, str) else part
        if told:
            yield told


def _value_of(reply: str) -> Any:
    """Read a reply for laying it out: JSON, where it is JSON."""
    try:
        value = json_of(reply)
    except ValueError:
        return reply
    return value[WRAPPER_FIELD] if isinstance(value, dict) and list(value) == [WRAPPER_FIELD] else value


def _asks_again(messages: Sequence[Message]) -> bool:
    return len(messages) >= _TURNS_OF_RETRY and messages[-2].role == "assistant" and messages[-1].content.startswith(_COMPLAINT)


def _refused_answer(messages: Sequence[Message], form: Form) -> Any:
    """Return the answer that was given before and refused, where the form takes it; None elsewhere."""
    if not _asks_again(messages):
        return None
    try:
        value = json_of(messages[-2].content)
    except ValueError:
        return None
    return value if form.takes(value) else None


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text.encode("utf-8", "ignore").decode() == text else json.dumps(value)  # half a pair of surrogates


def _hint(question: Question) -> str:
    told = [question.hint] if question.hint else []
    if question.enter is not None:
        told.append(f"{'y or ' if question.asks == 'part' else ''}Enter: {question.enter}")
    return "; ".join(told)
