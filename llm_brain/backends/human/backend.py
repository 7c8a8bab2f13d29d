"""A person as a language model: whoever sits at the terminal answers, in words, from a menu, or in a form."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from llm_brain.attempts import Attempt, FaultKind, Usage
from llm_brain.backends.contract import Choice, LanguageBackend, Message, Reply, Request
from llm_brain.backends.estimate import estimate_tokens
from llm_brain.backends.human.lines import is_terminal, read_line
from llm_brain.backends.human.screen import Screen, person_console
from llm_brain.backends.human.terminal import Shown, Terminal
from llm_brain.backends.human.turns import GivenUp, Turn, Turns
from llm_brain.backends.portal import in_thread
from llm_brain.backends.validity import check_choices
from llm_brain.errors import BackendError

if TYPE_CHECKING:
    from rich.console import Console


class HumanBackend(LanguageBackend):
    """Asks the person at the terminal. A text is typed, an option chosen from a menu, and a schema filled in as a form.

    What is asked is shown on the standard error, so that the standard output stays the program's own. Calls that are made at
    once are asked one after the other. Ctrl-D declines a question, and Ctrl-C is `KeyboardInterrupt` as everywhere. Where the
    standard input is no terminal but text, each call takes a line of it: the text, the option's number or word, or the JSON.

    Args:
        console: Where things are shown.
        read_line: Another way of asking for a line: takes what stands before it, and raises `EOFError` for an answer declined.

    Example:
        >>> import io
        >>> from rich.console import Console
        >>> lines = iter(["Ada", "thirty-six", "36", ""])
        >>> person = HumanBackend(console=Console(file=io.StringIO()), read_line=lambda prompt: next(lines))
        >>> fields = {"name": {"type": "string"}, "age": {"type": "integer"}}
        >>> schema = {"type": "object", "properties": fields, "required": ["name", "age"]}
        >>> person.chat_completion(Request((Message("user", "Who are you?"),), schema=schema)).text
        '{"name": "Ada", "age": 36}'
    """

    model_id = "human"
    enforces_schema = True

    def __init__(self, *, console: Console | None = None, read_line: Callable[[str], str] | None = None) -> None:
        self._console = console
        self._read_line = read_line
        self._turns = Turns() if read_line else _TURNS
        self._shown = Shown() if console or read_line else _SHOWN

    def __repr__(self) -> str:
        return "HumanBackend()"

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        """Estimate, on the high side: people have no tokens."""
        return estimate_tokens(text)

    def cost(self, usage: Usage | None, model: str) -> float | None:  # noqa: ARG002 - the price is always the same
        """Tell what an answer costs: nothing."""
        return 0.0

    def chat_completion(self, request: Request) -> Reply:
        """Ask for a text, or for a form that makes JSON, where the request has a schema.

        Raises:
            BackendError: Of kind "refusal" when the person declines; of kind "connection" when nobody can be asked.
        """
        return self._reply(request, self._turns.draw())

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Ask for one of the options, in a menu. People give no probabilities.

        Raises:
            BackendError: As `chat_completion`; of kind "validation" when a line of a text is none of the options.
        """
        check_choices(options)
        return self._choice(request, options, self._turns.draw())

    async def achat_completion(self, request: Request) -> Reply:
        """Ask for a text or a form, awaited; a cancellation takes the question back."""
        turn = self._turns.draw()
        try:
            return await in_thread(self._reply, request, turn)
        finally:
            self._turns.leave(turn)

    async def achoose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        """Ask for one of the options, awaited; a cancellation takes the question back."""
        check_choices(options)
        turn = self._turns.draw()
        try:
            return await in_thread(self._choice, request, options, turn)
        finally:
            self._turns.leave(turn)

    def _reply(self, request: Request, turn: Turn) -> Reply:
        begin = time.monotonic()
        with self._person(turn) as person:
            text = person.write(request) if request.schema is None else person.fill_in(request, request.schema)
        return Reply(text, "stop", self.model_id, latency=time.monotonic() - begin)

    def _choice(self, request: Request, options: Sequence[str], turn: Turn) -> Choice:
        begin = time.monotonic()
        with self._person(turn) as person:
            option = person.choose(request, options)
        return Choice(option, None, self.model_id, latency=time.monotonic() - begin)

    @contextmanager
    def _person(self, turn: Turn) -> Iterator[Terminal]:
        """Wait for one's turn with the person, and make errors of ours of whatever keeps an answer away."""
        begin, is_there = time.monotonic(), True
        try:
            with self._turns.taken(turn):
                is_there = self._read_line is not None or is_terminal()
                console = self._console or person_console()
                screen = Screen(console)
                lines = self._read_line or partial(read_line, shown=console.file, turn=turn)
                with _last_words(screen, "declined" if is_there else "the answers have ended"):
                    yield Terminal(screen, lines, self._shown, is_there=is_there)
        except EOFError as error:
            if is_there:
                message = "the person declined to answer"
                raise _failed(message, "refusal", begin) from error
            message = "the standard input has ended: each question takes a line of it"
            raise _failed(message, "connection", begin) from error
        except GivenUp as error:
            message = "the question was taken back: nobody waits for its answer any more"
            raise _failed(message, "refusal", begin) from error
        except OSError as error:
            message = f"the person cannot be reached: {error}"
            raise _failed(message, "connection", begin) from error


_TURNS: Final = Turns()
_SHOWN: Final = Shown()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_TURNS.renew)


@contextmanager
def _last_words(screen: Screen, at_end: str) -> Iterator[None]:
    """End the line on which an answer was waited for in vain."""
    try:
        yield
    except EOFError:
        screen.note(at_end)
        raise
    except GivenUp:
        screen.note("taken back")
        raise
    except KeyboardInterrupt:
        screen.note("")
        raise


def _failed(message: str, kind: FaultKind, begin: float) -> BackendError:
    attempt = Attempt(message, kind, duration=time.monotonic() - begin)
    return BackendError(message, kind=kind, attempts=(attempt,))
