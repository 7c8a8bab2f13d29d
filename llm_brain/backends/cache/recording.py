"""The file of a recording: its lines as people read them, written one at a time, and what is nearest to a question."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from io import SEEK_END, FileIO
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

from llm_brain.backends.cache.forms import choice_of, reply_of, vector_of
from llm_brain.backends.cache.keeping import Question
from llm_brain.backends.cache.patience import AT_ONCE, BusyError
from llm_brain.backends.contract import Message, PromptForm, Request, Sampling
from llm_brain.backends.hosted.faults import clipped
from llm_brain.errors import DataError
from llm_brain.tracing.redaction import may_hold_secret, redact_all

FORMAT: Final = 1
_COMPARED: Final = 2000
_NEARLY: Final = 0.3
_WAIT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Head:
    """The first line: what of the model shapes its prompts.

    Example:
        >>> Head("gpt-5-mini").choice_form
        'chat'
    """

    model: str
    choice_form: PromptForm = "chat"
    enforces_schema: bool = False
    context_length: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Any other line: a question and its answer.

    Attributes:
        question: What was asked, as it stands in the file.
        answer: What is kept of the `Reply` or the `Choice`, or a text's vector.
        key: The question's key, where the file does not show all of it.

    Example:
        >>> Line(Question("chat", Request(())), {"text": "hello"}).key is None
        True
    """

    question: Question
    answer: Mapping[str, Any]
    key: str | None = None


def read_recording(content: bytes, path: Path) -> tuple[Head | None, list[Line]]:
    r"""Read a recording. A last line that was cut off as it was written is left out.

    Returns:
        The first line, None where there is none, and all others.

    Raises:
        DataError: A line cannot be read; the message says which and why.

    Example:
        >>> head, lines = read_recording(b'{"recording": 1, "model": "m"}\n{"kind": "ch', Path("hello.jsonl"))
        >>> head.model, lines
        ('m', [])
    """
    head: Head | None = None
    lines: list[Line] = []
    written = content.split(b"\n")
    for number, text in enumerate(written, start=1):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
            if "recording" in value:
                head = _head(value, head)
            elif head is None:
                message = "the first line tells of the model"
                raise ValueError(message)  # noqa: TRY301 - told as any other line that cannot be read
            else:
                lines.append(_line(value))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if head is not None and number == len(written) and isinstance(error, json.JSONDecodeError):
                break
            message = f"line {number} of {path} is no line of a recording ({type(error).__name__}: {error})"
            raise DataError(message) from error
    return head, lines


def write_line(path: Path, head: Head, line: Line, key: str, *, patient: bool = True) -> None:
    """Add a line to a recording, in one write; to a new one, the first line as well. Secrets are cut out of it.

    Raises:
        DataError: The file cannot be written.
        BusyError: Another process is writing to it, and this call is not to be patient.
    """
    told = _told(line)
    if may_hold_secret(json.dumps(told, ensure_ascii=False)):
        told = {**_redacted(told), "key": key}  # with what was cut out, the key could not be told from the line
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _other_processes_waiting(path, patient=patient), path.open("a+b", buffering=0) as file:
            _end_last_line(file)
            begun = b"" if file.seek(0, SEEK_END) else _encoded({"recording": FORMAT, **asdict(head)})
            content = begun + _encoded(told)
            if file.write(content) != len(content):
                message = "the disk is full"
                raise OSError(message)  # noqa: TRY301 - told as any other reason for which it cannot be written
    except OSError as error:
        message = f"the recording {path} cannot be written: {error}"
        raise DataError(message) from error


def nearest(question: Question, lines: Sequence[Line]) -> str:
    """Say which recorded question is the nearest to one that is not recorded, and in what they differ.

    Example:
        >>> asked, recorded = (Question("chat", Request((Message("user", "Hi"),), sample=sample)) for sample in (1, 0))
        >>> nearest(asked, [Line(recorded, {})])
        '; the nearest one that is recorded has the same messages and another sample'
    """
    if not lines:
        return "; nothing is recorded there"
    same = [line.question for line in lines if line.question.request.messages == question.request.messages]
    if same:
        fewest = min((_differences(question, other) for other in same), key=len)
        return f"; the nearest one that is recorded has the same messages and another {' and another '.join(fewest)}"
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(_words(question))
    scores: list[tuple[float, int]] = []
    for place, line in enumerate(lines):
        matcher.set_seq1(_words(line.question))
        scores.append((matcher.quick_ratio(), -place))
    score, place = max(scores)
    if score < _NEARLY:
        return f"; none of the {len(lines)} that are recorded is like it"
    return f"; the nearest one that is recorded ends with: {clipped(_words(lines[-place].question)[-300:])!r}"


def _differences(one: Question, other: Question) -> list[str]:
    named = [name for name in _FIELDS if getattr(one.request, name) != getattr(other.request, name)]
    if one.kind != other.kind:
        return [*named, "kind of question"]
    return [*named, "list of options"] if one.options != other.options else named


def _words(question: Question) -> str:
    return "\n".join(message.content for message in question.request.messages)[-_COMPARED:]


def _head(value: Any, before: Head | None) -> Head:
    told = dict(value)
    version = told.pop("recording")
    head = Head(**told)
    if version != FORMAT:
        message = f"a recording of the format {version!r}, where {FORMAT} is known"
        raise ValueError(message)
    if before is not None and before != head:  # two processes may have begun the file together
        message = f"it tells of another model than {before.model!r}"
        raise ValueError(message)
    return head


def _line(value: Any) -> Line:
    told = dict(value)
    kind = told.pop("kind")
    if kind not in _READERS:
        message = f"{kind!r} is none of {', '.join(map(repr, _READERS))}"
        raise ValueError(message)
    if kind == "embed":
        question = Question.of_text(told.pop("text"))
    else:
        question = Question(kind, _request(told.pop("request")), tuple(told.pop("options", ())))
    line = Line(question, **told)
    _READERS[kind](line.answer)
    return line


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {
    "chat": reply_of,
    "choose": choice_of,
    "embed": vector_of,
}


def _request(value: Any) -> Request:
    told = dict(value)
    messages = tuple(Message(**turn) for turn in told.pop("messages"))
    return Request(messages, Sampling(**told.pop("sampling", {})), **told)


def _told(line: Line) -> dict[str, Any]:
    question = line.question
    if question.kind == "embed":
        return {"kind": "embed", "text": question.request.messages[0].content, "answer": dict(line.answer)}
    request = {name: getattr(question.request, name) for name in _FIELDS}
    request["messages"] = [asdict(message) for message in question.request.messages]
    request["sampling"] = _without_empty(asdict(question.request.sampling))
    options = {"options": question.options} if question.kind == "choose" else {}
    told = {"kind": question.kind, "request": _without_empty(request), **options, "answer": line.answer}
    plain: dict[str, Any] = json.loads(json.dumps(told, default=dict))  # a schema may be any mapping
    return plain


def _without_empty(value: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing: no schema, no seed, the first sample."""
    return {name: item for name, item in value.items() if item is not None and not (name == "sample" and item == 0)}


def _redacted(told: dict[str, Any]) -> dict[str, Any]:
    redacted = redact_all(told)
    return redacted if isinstance(redacted, dict) else told


def _encoded(value: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair can only be written as an escape
        return json.dumps(value).encode() + b"\n"


@contextmanager
def _other_processes_waiting(path: Path, *, patient: bool) -> Iterator[None]:
    from filelock import FileLock, Timeout

    # Not beside the file, which often lies among tests, under version control.
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    lock = FileLock(Path(gettempdir()) / f"llm_brain-recording-{name}.lock")
    try:
        lock.acquire(timeout=_WAIT_SECONDS if patient else AT_ONCE, poll_interval=AT_ONCE / 2)
    except Timeout as error:
        if patient:
            raise
        raise BusyError from error
    try:
        yield
    finally:
        lock.release()


def _end_last_line(file: FileIO) -> None:
    """Begin on a line of one's own: what was cut off as it was written is of no use, but a hand may have left the end out."""
    size = file.seek(0, SEEK_END)
    file.seek(max(0, size - 1))
    if file.read(1) in (b"", b"\n"):
        return
    file.seek(0)
    last = file.read(size).rpartition(b"\n")[2]
    try:
        json.loads(last)
    except ValueError:
        file.truncate(size - len(last))
    else:
        file.write(b"\n")


_FIELDS: Final = tuple(field.name for field in fields(Request) if field.compare)
