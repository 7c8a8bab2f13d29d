"""The human backend under the contract: what is shown and asked, lines from a pipe, cancellation, and whoever embeds it."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import AfterValidator
from rich.console import Console

from examples.support_desk.interface import Action, Department, SupportDesk
from examples.support_desk.tickets import CRANK
from llm_brain import llm_strategy, typed
from llm_brain.backends import CachedBackend, Message, Reply, Request, TracedBackend
from llm_brain.backends.human.backend import HumanBackend
from llm_brain.backends.human.turns import GivenUp, Turns
from llm_brain.errors import ArgumentError, BackendError

ROOT = Path(__file__).parents[3]
QUESTION = Request((Message("user", "Which one?"),))
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


class Person:
    """Types the given lines, and keeps what was on the screen."""

    def __init__(self, *lines: str | BaseException, width: int = 80) -> None:
        self.lines = list(lines)
        self.shown = io.StringIO()
        self.backend = HumanBackend(console=Console(file=self.shown, width=width), read_line=self.read)

    def read(self, prompt: str) -> str:
        line = self.lines.pop(0)
        self.shown.write(prompt)
        if isinstance(line, BaseException):
            raise line
        self.shown.write(f"{line}\n")
        return line

    @property
    def screen(self) -> str:
        return self.shown.getvalue()


def desk_of(person: Person) -> SupportDesk:
    Desk: type[SupportDesk] = llm_strategy(person.backend)(SupportDesk)  # noqa: N806 - a class
    return Desk("Nordwind Bikes")


def test_a_reply_names_the_person_and_its_time_and_no_tokens() -> None:
    reply = Person("Blue.").backend.chat_completion(QUESTION)
    assert (reply.text, reply.finish_reason, reply.model, reply.usage, reply.cached) == ("Blue.", "stop", "human", None, False)
    assert reply.latency is not None
    assert reply.latency >= 0


def test_several_lines_keep_their_indentation() -> None:
    reply = Person('"""', "  if red:", "    stop", '"""').backend.chat_completion(QUESTION)
    assert reply.text == "  if red:\n    stop"
    reply = Person('"""one', 'two"""').backend.chat_completion(QUESTION)
    assert reply.text == "one\ntwo"
    reply = Person('"""one', EOFError()).backend.chat_completion(QUESTION)
    assert reply.text == "one"


def test_a_field_takes_several_lines_too() -> None:
    schema = {"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"]}
    reply = Person('"""one', 'two"""').backend.chat_completion(Request(QUESTION.messages, schema=schema))
    assert reply.text == '{"note": "one\\ntwo"}'


def test_an_option_comes_back_word_for_word_and_without_probabilities() -> None:
    choice = Person("b").backend.choose_from_options(QUESTION, [" red\n", " blue\n"])
    assert (choice.option, choice.probabilities, choice.model) == (" blue\n", None, "human")


def test_a_person_costs_nothing_and_has_no_embeddings() -> None:
    backend = HumanBackend()
    assert backend.cost(None, "human") == 0.0
    assert backend.count_tokens("Which one?") > 0
    assert backend.enforces_schema
    with pytest.raises(BackendError) as caught:
        backend.embed(["text"])
    assert caught.value.kind == "bad_request"


def test_a_stream_is_the_whole_text_at_once() -> None:
    *pieces, reply = Person("Blue.").backend.stream(QUESTION)
    assert pieces == ["Blue."]
    assert isinstance(reply, Reply)


@pytest.mark.parametrize(
    "ask",
    [
        lambda backend: backend.chat_completion(QUESTION),
        lambda backend: backend.chat_completion(Request(QUESTION.messages, schema=SCHEMA)),
        lambda backend: backend.choose_from_options(QUESTION, ["red", "blue"]),
        lambda backend: asyncio.run(backend.achat_completion(QUESTION)),
    ],
    ids=["text", "form", "menu", "awaited"],
)
def test_the_end_of_the_input_declines(ask: Callable[[HumanBackend], object]) -> None:
    person = Person(EOFError())
    with pytest.raises(BackendError) as caught:
        ask(person.backend)
    assert (caught.value.kind, caught.value.retryable) == ("refusal", False)
    assert [attempt.kind for attempt in caught.value.attempts] == ["refusal"]
    assert person.screen.endswith("> declined\n")


def test_what_cannot_be_read_or_written_is_an_error_of_ours() -> None:
    with pytest.raises(BackendError) as caught:
        Person(OSError(5, "Input/output error")).backend.chat_completion(QUESTION)
    assert caught.value.kind == "connection"


def test_a_broken_pipe_does_not_end_the_program() -> None:
    read, write = os.pipe()
    os.close(read)
    program = "from llm_brain.backends import *; from llm_brain.backends.human.backend import HumanBackend\n"
    program += "try: HumanBackend().chat_completion(Request((Message('user', 'x' * 99999),)))\n"
    program += "except Exception as error: print(type(error).__name__, error.kind)"
    done = subprocess.run(
        [sys.executable, "-c", program], input=b"x\n", stdout=subprocess.PIPE, stderr=write, cwd=ROOT, timeout=60, check=False
    )
    os.close(write)
    assert done.stdout == b"BackendError connection\n"


def run(program: str, stdin: bytes | int) -> tuple[str, str]:
    """Run a program with a pipe or a file as its standard input; return what it printed, and what was shown."""
    head = "from llm_brain.backends import HumanBackend, Message, Request\nh = HumanBackend()\n"
    head += "from llm_brain.errors import BackendError\nq = Request((Message('user', 'Which one?'),))\n"
    head += "def tell(ask):\n    try: print(repr(ask()))\n    except BackendError as error: print(error.kind, error)\n"
    text, source = (stdin, None) if isinstance(stdin, bytes) else (None, stdin)
    command = [sys.executable, "-c", head + program]
    done = subprocess.run(command, input=text, stdin=source, capture_output=True, cwd=ROOT, timeout=60, check=False)
    return done.stdout.decode(), done.stderr.decode()


def test_each_call_takes_a_line_of_a_text_that_is_piped_in() -> None:
    program = """
from dataclasses import replace
tell(lambda: h.chat_completion(q).text)
tell(lambda: h.choose_from_options(q, ["red", "blue"]).option)
tell(lambda: h.choose_from_options(q, ["red", "blue"]).option)
tell(lambda: h.chat_completion(replace(q, schema={"type": "object"})).text)
tell(lambda: h.choose_from_options(q, ["red", "blue"]).option)
tell(lambda: h.chat_completion(q).text)
tell(lambda: h.chat_completion(q).text)
"""
    printed, shown = run(program, b'Blue.\n2\nred\n{"age": 3}\ngreen\n\n')
    assert printed.splitlines() == [
        "'Blue.'",
        "'blue'",
        "'red'",
        "'{\"age\": 3}'",
        "validation 'green' is none of them: type a number or a word of the list",
        "empty a line of the standard input is empty: each question takes one",
        "connection the standard input has ended: each question takes a line of it",
    ]
    assert "Which one?" in shown


def test_lines_that_were_written_at_once_are_read_at_once_though_the_pipe_stays_open() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"one\ntwo\n")
    try:
        printed, _ = run("for _ in 'ab': tell(lambda: h.chat_completion(q).text)", reading)
    finally:
        os.close(reading)
        os.close(writing)
    assert printed.splitlines() == ["'one'", "'two'"]


@pytest.mark.parametrize("closes", [False, True], ids=["/dev/null", "closed"])
def test_where_nobody_can_be_asked_the_error_says_what_to_do(closes: bool) -> None:
    program = "import sys; sys.stdin.close()\n" if closes else ""
    printed, shown = run(f"{program}tell(lambda: h.chat_completion(q))", subprocess.DEVNULL)
    assert printed.startswith("connection nobody can be asked: the standard input is no terminal. Run the program in one, pipe")
    assert "Which one?" not in shown


def test_a_typed_call_reads_json_from_a_pipe_and_asks_again_with_the_next_line() -> None:
    program = """
from llm_brain import llm_strategy
@llm_strategy(h)
def ages(text: str) -> dict[str, int]:
    '''Read the ages.'''
    raise NotImplementedError
print(ages("Ada is 36."))
"""
    printed, shown = run(program, b'{"Ada": "old"}\n{"Ada": 36}\n')
    assert printed == "{'Ada': 36}\n"
    assert "That does not fit: `Ada`: Input should be a valid integer" in shown


def test_what_only_models_must_be_told_is_not_shown() -> None:
    person = Person("2", "Sorry!", "y", "NB-4711", "Tourer", "899", "")
    desk = desk_of(person)
    assert desk.department("Twice.") is Department.BILLING
    assert desk.reply("a broken part") == "Sorry!"
    assert desk.order_in("My Tourer.").price == 899
    assert "never instructions" not in person.screen
    assert "Answer with" not in person.screen
    assert '"message"' not in person.screen
    assert "message  My Tourer." in person.screen


def test_examples_are_shown_as_questions_and_answers_before_the_question() -> None:
    person = Person("2")
    desk_of(person).department("Twice.")
    before, _, question = person.screen.partition("Question")
    assert "message  My parcel has not arrived." in before
    assert "answer   delivery" in before
    assert "message  Twice." in question


def test_only_the_question_is_shown_where_the_rest_is_on_the_screen() -> None:
    person = Person("2", "1", "Sorry!")
    desk = desk_of(person)
    desk.department("Twice.")
    first = person.screen
    desk.department("Late.")
    assert "Instructions" not in person.screen.removeprefix(first)
    assert "message  Late." in person.screen.removeprefix(first)
    desk.reply("a late parcel")
    assert person.screen.removeprefix(first).count("Instructions") == 1


def test_a_union_of_models_is_a_menu_and_the_chosen_one_is_filled_in() -> None:
    person = Person("esc", "bill", "Angry.", "")
    action: Action = desk_of(person).next_action(CRANK)
    assert action.model_dump(mode="json") == {"kind": "escalate", "department": "billing", "note": "Angry."}
    assert "  2  Replace  Send the product, or a part of it, again." in person.screen


def test_items_of_an_iterator_are_asked_for_one_by_one() -> None:
    person = Person("y", "When?", "y", "Where?", "", "")
    questions = desk_of(person).open_questions("a late parcel")
    assert [question.text for question in questions] == ["When?", "Where?"]


def test_a_text_that_is_refused_is_asked_for_again_with_the_error() -> None:
    def short(text: str) -> str:
        if len(text) > 5:
            message = "too long"
            raise ValueError(message)
        return text

    person = Person("very long", "short")

    @llm_strategy(person.backend)
    def headline(text: str) -> Annotated[str, AfterValidator(short)]:
        """Write a headline."""
        raise NotImplementedError

    assert headline("Rain.") == "short"
    assert person.screen.count("text  Rain.") == 1
    assert "! That does not fit: Value error, too long" in person.screen


def test_a_question_that_is_asked_again_after_another_one_is_shown_again() -> None:
    person = Person("blue")
    again = (Message("assistant", "green"), Message("user", "That does not fit: it is none of the options. Answer again."))
    person.backend.choose_from_options(Request((*QUESTION.messages, *again)), ["red", "blue"])
    assert "Which one?" in person.screen
    assert "! That does not fit: it is none of the options." in person.screen


def test_an_earlier_answer_that_is_not_of_the_form_is_typed_anew() -> None:
    person = Person("36")
    again = (Message("assistant", "I am 36"), Message("user", "That does not fit: the reply holds no JSON value. Answer again."))
    reply = person.backend.chat_completion(Request((*QUESTION.messages, *again), schema=SCHEMA))
    assert reply.text == '{"age": 36}'


def test_another_answer_to_the_same_question_is_announced() -> None:
    person = Person("red", "blue")

    @llm_strategy(person.backend)
    def name(kind: str) -> str:
        """Invent a name."""
        raise NotImplementedError

    assert typed(name).map(["cat", "cat"], concurrency=1) == ["red", "blue"]
    assert "Another answer to the same question, number 2." in person.screen


def test_layers_stand_around_a_person_as_around_any_model(tmp_path: Path) -> None:
    person = Person("Blue.")
    backend = TracedBackend(CachedBackend(person.backend, tmp_path / "answers.db"))
    assert [backend.chat_completion(QUESTION).text for _ in range(2)] == ["Blue.", "Blue."]
    assert (backend.calls, backend.cached_calls) == (1, 1)
    assert backend.enforces_schema


def test_questions_of_many_threads_never_mix() -> None:
    asking, most = 0, 0

    def read(_: str) -> str:
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        threading.Event().wait(0.001)
        asking -= 1
        return "36"

    backend = HumanBackend(console=Console(file=io.StringIO()), read_line=read)
    ages: list[str] = []
    request = Request(QUESTION.messages, schema=SCHEMA)
    threads = [threading.Thread(target=lambda: ages.append(backend.chat_completion(request).text)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert ages == ['{"age": 36}'] * 16
    assert most == 1


def test_a_question_that_was_given_up_in_the_queue_is_never_asked() -> None:
    asking, typing, asked = threading.Event(), threading.Event(), []

    def read(prompt: str) -> str:
        asked.append(prompt)
        asking.set()
        assert typing.wait(30)
        return "Blue."

    backend = HumanBackend(console=Console(file=io.StringIO()), read_line=read)

    async def main() -> list[object]:
        first, second, third = (asyncio.create_task(backend.achat_completion(QUESTION)) for _ in range(3))
        await asyncio.to_thread(asking.wait, 30)
        second.cancel()
        await asyncio.wait([second])
        typing.set()
        return list(await asyncio.gather(first, second, third, return_exceptions=True))

    first, second, third = asyncio.run(main())
    assert isinstance(first, Reply)
    assert isinstance(second, asyncio.CancelledError)
    assert isinstance(third, Reply)
    assert len(asked) == 2


def test_a_question_that_is_given_up_before_it_begins_keeps_nobody_waiting() -> None:
    turns = Turns()
    first, second = turns.draw(), turns.draw()
    turns.leave(first)
    with turns.taken(second):
        pass
    with pytest.raises(GivenUp), turns.taken(first):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_does_not_wait_for_a_question_of_its_parent() -> None:
    program = """
import io, os, sys, threading, time
shown = io.StringIO()
from rich.console import Console
asking = HumanBackend(console=Console(file=shown))
threading.Thread(target=lambda: asking.chat_completion(q), daemon=True).start()
while "Which one?" not in shown.getvalue():
    time.sleep(0.01)
if os.fork() == 0:
    sys.stdin = io.StringIO("Blue.")
    tell(lambda: h.chat_completion(q).text)
    sys.stdout.flush()
    os._exit(0)
os.wait()
os._exit(0)
"""
    reading, writing = os.pipe()  # nothing is ever written: the parent's question stays open
    try:
        printed, _ = run(program, reading)
    finally:
        os.close(reading)
        os.close(writing)
    assert printed == "'Blue.'\n"


def test_options_that_cannot_be_told_apart_are_refused_and_the_next_question_comes() -> None:
    person = Person("yes")
    for options in ("ab", ["yes", "no", "yes"]):
        with pytest.raises(ArgumentError):
            person.backend.choose_from_options(QUESTION, options)
    assert person.backend.choose_from_options(QUESTION, ["yes", "no"]).option == "yes"
