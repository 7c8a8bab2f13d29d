"""Reading lines from whoever is at the standard input: a person at a terminal, or text that was piped in.

In the main thread a person has readline's editing. In other threads, which Ctrl-C does not reach, the terminal's own editing
has to do, so that a question that nobody waits for any more can be taken back.
"""

from __future__ import annotations

import os
import select
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from llm_brain.backends.human.turns import GivenUp, Turn
from llm_brain.errors import BackendError

_LOOK: Final = 0.1  # seconds
_LONGEST_LINE: Final = 4095  # bytes that a terminal keeps of a line, where readline does not read it


class Unreadable(ValueError):  # noqa: N818 - it never leaves the backend
    """A line was typed that cannot be read; the message says why.

    Example:
        >>> str(Unreadable("is too long"))
        'is too long'
    """


def is_terminal() -> bool:
    """Tell whether a person can type: False where the standard input is text from elsewhere.

    Raises:
        BackendError: Of kind "connection" where it is neither.

    Example:
        >>> import io
        >>> kept, sys.stdin = sys.stdin, io.StringIO("an answer")
        >>> is_terminal()
        False
        >>> sys.stdin = kept
    """
    source = sys.stdin
    with suppress(ValueError, AttributeError):  # a closed stream, or none at all
        if source.isatty():
            return True
        if source.readable() and not _is_device(source):
            return False
    message = (
        "nobody can be asked: the standard input is no terminal. Run the program in one, pipe the answers in, a line each, or "
        "give HumanBackend(read_line=...) another way of asking"
    )
    raise BackendError(message, kind="connection")


def shown_on() -> IO[str]:
    """Return the stream on which a person sees something: the standard error, so that the standard output stays the program's.

    Example:
        >>> shown_on().writable()
        True
    """
    return next((stream for stream in (sys.stderr, sys.stdout) if stream is not None and stream.isatty()), sys.stderr)


def read_line(prompt: str, shown: IO[str], turn: Turn | None = None) -> str:
    """Read a line, without its end.

    Args:
        prompt: What stands before it.
        shown: Where that is shown.
        turn: The question's turn; once it is given up, the waiting ends.

    Raises:
        EOFError: There is none: the person pressed Ctrl-D.
        GivenUp: Nobody waits for the line any more.
        Unreadable: The line is no text, or too long for the terminal.

    Example:
        >>> import io
        >>> kept, sys.stdin = sys.stdin, io.StringIO("an answer")
        >>> read_line("> ", io.StringIO())
        'an answer'
        >>> sys.stdin = kept
    """
    try:
        if _has_editing():
            with _pasting_lines():
                return input(prompt)
        shown.write(prompt)
        shown.flush()
        if turn is not None and sys.stdin.isatty():  # of a pipe, lines may have been read ahead, which no waiting would see
            _wait(turn)
        line = sys.stdin.readline()
    except UnicodeDecodeError as error:
        message = "holds a byte that is no character"
        raise Unreadable(message) from error
    if not line:
        raise EOFError
    if sys.stdin.isatty() and len(line.encode("utf-8", "replace")) >= _LONGEST_LINE:
        message = f'is longer than a terminal takes ({_LONGEST_LINE} bytes): type several lines between """ and """'
        raise Unreadable(message)
    return line.rstrip("\r\n")


def _is_device(source: IO[str]) -> bool:
    """Tell whether a stream is /dev/null or another device, where no answers come from."""
    try:
        return stat.S_ISCHR(os.fstat(source.fileno()).st_mode)
    except OSError:  # a stream in memory has no number
        return False


def _has_editing() -> bool:
    # Python's `input` edits lines where both streams are the process's own and terminals, and else writes its prompt elsewhere.
    if threading.current_thread() is not threading.main_thread() or sys.stdin is not sys.__stdin__:
        return False
    if sys.stdout is not sys.__stdout__ or not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        return False
    try:
        import readline  # noqa: F401 - to have it is enough
    except ImportError:
        return False
    return True


@contextmanager
def _pasting_lines() -> Iterator[None]:
    """Let a text of several lines that is pasted be one answer, as far as readline and the terminal can."""
    import readline

    is_able = "libedit" not in (readline.__doc__ or "") and os.environ.get("TERM", "dumb") != "dumb"
    if is_able:
        readline.parse_and_bind("set enable-bracketed-paste on")
    try:
        yield
    finally:
        if is_able:
            readline.parse_and_bind("set enable-bracketed-paste off")


def _wait(turn: Turn) -> None:
    """Wait until something can be read."""
    while True:
        if turn.given_up.is_set():
            raise GivenUp
        try:
            if select.select([sys.stdin], [], [], _LOOK)[0]:
                return
        except (OSError, ValueError):  # what is no file cannot be waited for; it is read as it is
            return
