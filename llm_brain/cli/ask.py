"""`llm-brain ask`: one question, and its answer as text or as a checked value. Nothing but the answer goes to stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_brain.errors import BackendError, DataError, DefinitionError
from llm_brain.tracing.text import clean_text, visible_text

if TYPE_CHECKING:
    from rich.live import Live

    from llm_brain.strategy.function import TypedFunction


def ask(
    question: Annotated[str, typer.Argument(help="The question; - reads it from the standard input.")],
    *,
    model: Annotated[str, typer.Option("--model", "-m", envvar="LLM_BRAIN_MODEL", help="Who answers.")] = "local",
    schema: Annotated[
        str | None, typer.Option("--schema", "-s", metavar="FILE.py:NAME", help="The answer is a value of this type.")
    ] = None,
    system: Annotated[str, typer.Option(help="Who the model is to be.")] = "",
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Show the answer while it comes.")] = True,
    temperature: Annotated[float, typer.Option(min=0.0, help="0: always the likeliest answer.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="The answer's length limit.")] = 1024,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer and how it came about, as JSON.")] = False,
) -> None:
    """Ask a model a question. With --schema the answer is a checked value of a type of yours, printed as JSON."""
    text = _standard_input() if question == "-" else question
    if not text.strip():
        message = "the question is empty"
        raise typer.BadParameter(message)
    function = _typed_question(model, schema, system, temperature, max_tokens)
    try:
        if as_json:
            with _waiting(function):
                told = _told(function, text)
            _print_json(told)
        elif schema is not None:
            _print_value(function, text, stream=stream)
        else:
            _print_text(function, text, stream=stream)
    except BackendError as error:
        raise _in_words_of_options(error, max_tokens) from error


def _standard_input() -> str:
    if sys.stdin is None:
        message = "there is no standard input to read the question from"
        raise DataError(message)
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="strict")
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        message = f"the standard input is not {sys.stdin.encoding.upper()} text: convert it, by `iconv -f latin1 -t utf-8`, say"
        raise DataError(message) from error


def _in_words_of_options(error: BackendError, max_tokens: int) -> BackendError:
    """Say of what was too long which option of this command to change."""
    if error.kind == "length":
        message = f"the answer was cut off after {max_tokens} tokens: raise --max-tokens"
        return BackendError(message, kind="length", raw=error.raw)
    if error.code == "context_length_exceeded":
        told = str(error).rpartition(": ")[0]
        message = f"{told}: shorten the question, or lower --max-tokens ({max_tokens})"
        return BackendError(message, kind=error.kind, code=error.code)
    return error


def _typed_question(model: str, schema: str | None, system: str, temperature: float, max_tokens: int) -> TypedFunction[..., Any]:
    from llm_brain.backends.contract import Sampling
    from llm_brain.backends.registry import resolve_model
    from llm_brain.cli.schema_file import LoadedType, load_type
    from llm_brain.strategy.function import TypedFunction
    from llm_brain.strategy.implementation import ModelImplementation
    from llm_brain.strategy.inspection import inspect_function

    # The question is what the person who types it wants done, and not data: it stands where an instruction does.
    def answer(question: str) -> Any:
        """{question}"""  # noqa: D415
        raise NotImplementedError

    answer.__qualname__ = "answer"  # which messages name
    returns = load_type(schema) if schema is not None else LoadedType(str, {})
    answer.__annotations__ = {"question": str, "return": returns.kind}
    spec = inspect_function(answer, persona=system, names=returns.names)
    if spec.items_are_awaited:
        message = "nobody awaits the items of an answer on a command line: make the type an Iterator"
        raise DefinitionError(message)
    spec = replace(spec, sampling=Sampling(temperature, max_tokens=max_tokens))
    return TypedFunction(spec, ModelImplementation(resolve_model(model)))


def _told(function: TypedFunction[..., Any], text: str) -> dict[str, Any]:
    details = function.with_details(text)
    value = details.value if function.spec.items is None else list(details.value)
    backend = getattr(function.implementation, "backend")  # noqa: B009
    words = function.spec.option_words
    chances = dict(zip(words, details.probabilities.values(), strict=False))
    return {
        "answer": _plain(function, value),
        "model": details.implementation,
        "probabilities": chances or None,
        "attempts": details.attempts,
        "repaired": details.repaired,
        "usage": None if details.usage is None else asdict(details.usage),
        "cost": backend.cost(details.usage, details.implementation),
    }


def _print_text(function: TypedFunction[..., Any], text: str, *, stream: bool) -> None:
    shown = visible_text if sys.stdout.isatty() else clean_text
    if not stream:
        with _waiting(function):
            answer = function(text)
        print(shown(answer))
        return
    pieces, has_begun = function.stream(text), False
    try:
        with _waiting(function):
            first = next(pieces, "")
        has_begun = True
        print(shown(first), end="", flush=True)
        for piece in pieces:
            print(shown(piece), end="", flush=True)
    finally:
        pieces.close()
        if has_begun:
            print(flush=True)


def _print_value(function: TypedFunction[..., Any], text: str, *, stream: bool) -> None:
    if function.spec.items is not None:
        _print_items(function, text, stream=stream)
        return
    value: Any = None
    with _waiting(function) as screen:
        if stream and screen is not None and not function.spec.is_text:
            for value in function.stream(text):
                screen.update(_growing(function, value))
        else:
            value = function(text)
    _print_json(_plain(function, value))


def _print_items(function: TypedFunction[..., Any], text: str, *, stream: bool) -> None:
    """Print each item on a line of its own, as soon as it is complete."""
    items = function.stream(text)
    with _waiting(function):
        first = list(items) if not stream else [item for item in (next(items, _NOTHING),) if item is not _NOTHING]
    for item in (*first, *items):
        [shown] = _plain(function, [item])
        _print_json(shown, indent=None)


_NOTHING = object()


def _plain(function: TypedFunction[..., Any], value: Any) -> Any:
    return function.spec.adapter.dump_python(value, mode="json")


def _print_json(value: Any, *, indent: int | None = 2) -> None:
    if not sys.stdout.isatty():
        print(clean_text(json.dumps(value, ensure_ascii=False)), flush=True)
        return
    from rich.console import Console

    Console().print_json(visible_text(json.dumps(value, ensure_ascii=False)), indent=indent)


class _Screen:
    """What a terminal shows while an answer comes: who is asked, and what there is of it; gone when it is there."""

    def __init__(self, live: Live, asked: str) -> None:
        self._live = live
        self._asked = asked

    def update(self, lines: str) -> None:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.text import Text

        height, width = self._live.console.height, self._live.console.width
        last = [line[: width - 1] for line in lines.splitlines()[-(height - 2) :]]
        self._live.update(Group(Spinner("dots", self._asked), Text("\n".join(last))) if lines else Spinner("dots", self._asked))


@contextmanager
def _waiting(function: TypedFunction[..., Any]) -> Iterator[_Screen | None]:
    """Show on a terminal that somebody is asked. Nothing is shown where nobody looks, or where a person at it is to answer."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal or _is_person(function):
        yield None
        return
    from rich.live import Live

    with Live(console=console, transient=True, refresh_per_second=12) as live:
        screen = _Screen(live, f"asking {visible_text(function.implementation.name)}")
        screen.update("")
        yield screen


def _is_person(function: TypedFunction[..., Any]) -> bool:
    asked: Any = getattr(function.implementation, "backend", None)
    while (inner := getattr(asked, "backend", None)) is not None:
        asked = inner
    return type(asked).__name__ == "HumanBackend"


def _growing(function: TypedFunction[..., Any], value: Any) -> str:
    try:
        # What has not come yet is None, which its type may not allow.
        shown = function.spec.adapter.dump_python(value, mode="json", exclude_unset=True, warnings=False)
    except Exception:  # noqa: BLE001 - a serializer of the user's may not be made for a part of a value
        return ""
    return visible_text(json.dumps(shown, ensure_ascii=False, indent=2))
