"""A person in a real pseudo-terminal answers typed calls."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

ROOT = Path(__file__).parents[3]
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])|\r")
COLOURS = re.compile(r"\x1b\[([0-9;]*m|\?2004[hl])")
PROMPT = r"[\r\n](\x1b\[\?2004[hl]|\r)*%s"
HEAD = """
import asyncio, json, sys, threading
from datetime import date
from typing import Annotated, Literal
from pydantic import BaseModel, Field, field_validator
from llm_brain import llm_strategy, typed
from llm_brain.backends.human.backend import HumanBackend
from llm_brain.backends import Message, Request

class Customer(BaseModel):
    '''Who bought it.'''
    name: Annotated[str, Field(description="As on the bill.")]
    language: Literal["English", "German"] = "English"

class Order(BaseModel):
    '''What was bought.'''
    customer: Customer
    price: Annotated[float, Field(gt=0)]
    tags: list[str] = []
    gift: date | None = None

    @field_validator("tags")
    @classmethod
    def no_red(cls, tags):
        if "red" in tags:
            raise ValueError("red is no tag")
        return tags

@llm_strategy(HumanBackend())
class Clerk:
    '''You read letters.'''
    def order(self, letter: str) -> Order:
        '''Read the order.'''
        raise NotImplementedError
    def mood(self, letter: str) -> Literal["happy", "unhappy", "unsure"]:
        '''Tell the mood.'''
        raise NotImplementedError
    def reply(self, letter: str) -> str:
        '''Write a reply.'''
        raise NotImplementedError
    async def urgent(self, letter: str) -> bool:
        '''Tell whether it is urgent.'''
        raise NotImplementedError

clerk = Clerk()
"""


class Screen:
    """A program in a pseudo-terminal, as a person sees it."""

    def __init__(self, child: pexpect.spawn[str]) -> None:
        self.child = child
        self.text = ""
        self.raw = ""

    def sees(self, text: str) -> str:
        """Wait for a text, and return what came before it."""
        return self._waits(re.escape(text))

    def types(self, *lines: str, prompt: str = "> ") -> str:
        """Answer prompts, and return what stood above the last one."""
        above = ""
        for line in lines:
            above = self._waits(PROMPT % prompt)
            self.child.sendline(line)
        return above

    def presses(self, key: str) -> None:
        """Press a key with Ctrl at the next prompt."""
        self._waits(PROMPT % "> ")
        self.child.sendcontrol(key)

    def _waits(self, pattern: str) -> str:
        self.child.expect(pattern)
        self.raw += f"{self.child.before}{self.child.after}"
        before = ESCAPES.sub("", self.child.before or "")
        self.text += before + ESCAPES.sub("", str(self.child.after))
        return before

    def rest(self) -> str:
        """Wait for the program's end, and return what it still showed."""
        self.child.expect(pexpect.EOF)
        rest = ESCAPES.sub("", self.child.before or "")
        self.raw += self.child.before or ""
        self.text += rest
        self.child.close()
        return rest


Run = Callable[..., Screen]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    screens: list[Screen] = []

    def begin(program: str, *, width: int = 80, shell: str = "", **environment: str) -> Screen:
        path = tmp_path / "program.py"
        path.write_text(HEAD + program)
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        variables: Any = {**kept, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **environment}
        command = f"{sys.executable} {path}"
        child = pexpect.spawn(
            "/bin/sh",
            ["-c", f"{command} {shell}"],
            env=variables,
            encoding="utf-8",
            codec_errors="replace",
            dimensions=(40, width),
            timeout=20,
            cwd=tmp_path,
        )
        child.delaybeforesend = None  # it is only typed at a prompt
        screens.append(Screen(child))
        return screens[-1]

    yield begin
    for screen in screens:
        screen.child.close(force=True)


def test_a_nested_model_is_filled_in_and_a_wrong_entry_corrected(run: Run) -> None:
    screen = run("print('GOT', clerk.order('I want a lamp. Ada').model_dump(mode='json'))")
    screen.types("Ada", "g", "free")
    assert screen.types("-1").endswith("! must be a number above 0")
    assert screen.types("899").endswith("! must be above 0")
    assert screen.types("lamp", "", "").endswith("gift  (date, as 2026-01-31; Enter: none)")
    assert "Enter sends it." in screen.types("")
    assert (
        "GOT {'customer': {'name': 'Ada', 'language': 'German'}, 'price': 899.0, 'tags': ['lamp'], 'gift': None}" in screen.rest()
    )


def test_a_line_of_a_menu_is_chosen(run: Run) -> None:
    screen = run("print('GOT', clerk.mood('Thanks!'), clerk.mood('Hm.'))")
    assert "  1  happy\n  2  unhappy\n  3  unsure" in screen.types("un")
    assert screen.types("uns").endswith("! 'un' may be 'unhappy' or 'unsure': type more of it")
    screen.types("1")
    assert "GOT unsure happy" in screen.rest()


def test_ctrl_d_declines(run: Run) -> None:
    screen = run("""
try:
    clerk.order('I want a lamp.')
except Exception as error:
    print('GOT', type(error).__name__, error.kind, error.retryable, len(error.attempts), error)
""")
    screen.types("Ada")
    screen.presses("d")
    rest = screen.rest()
    assert "declined\n" in screen.text
    assert "GOT BackendError refusal False 1 the person declined to answer" in rest


def test_ctrl_c_is_a_keyboard_interrupt(run: Run) -> None:
    screen = run("""
try:
    clerk.mood('Thanks!')
except KeyboardInterrupt:
    print('GOT it')
print('NEXT', clerk.mood('Thanks!'))
""")
    screen.presses("c")
    screen.sees("GOT it")
    screen.types("happy")
    assert "NEXT happy" in screen.rest()


def test_a_text_is_one_line_or_several(run: Run) -> None:
    screen = run("print('GOT', [clerk.reply('One?'), clerk.reply('Several?'), clerk.reply('Pasted?')])")
    screen.types("", "Yes, one.", '"""Dear all,')
    screen.types("", "bye", '"""', prompt=r"\. ")
    screen.types("\x1b[200~first\nsecond\x1b[201~")
    assert "something must be typed" in screen.text
    assert "\x1b[?2004h" in screen.raw  # the terminal is asked to mark what is pasted
    assert "GOT ['Yes, one.', 'Dear all,\\n\\nbye', 'first\\nsecond']" in screen.rest()


def test_a_line_can_be_edited_and_called_up_again(run: Run) -> None:
    screen = run("print('GOT', [clerk.reply('One?'), clerk.reply('Two?')])")
    screen.types("wrold\x1b[D\x1b[D\x1b[D\x7f\x1b[Cr", "\x1b[A!")
    assert "GOT ['world', 'world!']" in screen.rest()


def test_the_answer_is_corrected_before_it_is_sent(run: Run) -> None:
    screen = run("print('GOT', clerk.order('I want a lamp.').model_dump_json(exclude_unset=True))")
    screen.types("Ada", "", "899", "", "")
    assert '"customer": {"name": "Ada"}' in screen.types("name")
    screen.types("Bo")
    assert '"customer": {"name": "Bo"}' in screen.types("nmae")
    assert "! there is no 'nmae'" in screen.types("")
    assert 'GOT {"customer":{"name":"Bo"},"price":899.0}' in screen.rest()


def test_an_answer_that_the_type_refuses_is_shown_with_the_error_and_corrected(run: Run) -> None:
    screen = run("print('GOT', clerk.order('I want a lamp.').tags)")
    screen.types("Ada", "", "899", "red", "big", "", "", "")
    above = screen.types("-tags[0]")
    assert "That does not fit: `tags`: Value error, red is no tag" in above
    assert '"tags": ["red", "big"]' in above
    assert "I want a lamp." not in above
    screen.types("")
    assert "GOT ['big']" in screen.rest()


def test_nothing_in_a_prompt_acts_on_the_terminal(run: Run) -> None:
    hostile = (
        "\x1b]0;title\x07\x1b[2J\x1b[31mred \u202eturned\u2066 \x9b31m [bold]marked[/] :smile: \ud800 \x00 \r over\nother: 1"
    )
    screen = run(f"""
HOSTILE = {hostile!r}
clerk.mood(HOSTILE.replace("\\ud800", "?"))
person = HumanBackend()
person.choose_from_options(Request((Message("user", HOSTILE),)), [HOSTILE, "second"])
schema = {{"type": "object", "title": HOSTILE, "properties": {{HOSTILE: {{"description": HOSTILE, "enum": [HOSTILE, "b"]}}}}}}
person.chat_completion(Request((Message("system", HOSTILE), Message("user", HOSTILE)), schema=schema))
print("END")
""")
    raw = []
    for line in ("1", "1", "1"):
        screen.types(line)
        raw.append(screen.child.before)
    screen.rest()
    shown = "".join(raw)
    for told in (r"\x1b[2J", r"\u202e", r"\u2066", r"\x9b", r"\ud800", r"\x00", "[bold]marked[/]", ":smile:"):
        assert told in shown, told
    assert "\x1b" not in COLOURS.sub("", shown)
    assert not set(shown) & {"\x07", "\x00", "\x9b", "\u202e", "\u2066"}


def test_calls_of_two_threads_are_asked_one_after_the_other(run: Run) -> None:
    screen = run("""
answers = {}
def ask(name):
    answers[name] = clerk.order(name).customer.name
threads = [threading.Thread(target=ask, args=(f"letter {n}",)) for n in (1, 2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("GOT", all(answers[name] == f"by {name}" for name in answers), len(answers))
""")
    for _ in range(2):
        letter = re.search(r"letter \d", screen.types("")).group()
        screen.types(f"by {letter}", "", "1", "", "", "")
    assert "GOT True 2" in screen.rest()


def test_awaited_calls_leave_the_event_loop_free_and_are_asked_in_their_order(run: Run) -> None:
    screen = run("""
async def main():
    async def tick():
        while True:
            await asyncio.sleep(0.1)
            print("TICK")
    ticking = asyncio.create_task(tick())
    print("GOT", await asyncio.gather(*(clerk.urgent(f"letter {n}") for n in range(5))))
    ticking.cancel()
asyncio.run(main())
""")
    for n, answer in enumerate(("y", "n", "y", "n", "n")):
        screen.sees(f"letter {n}")
        screen.sees("TICK")  # while the question waits
        screen.child.sendline(answer)
    assert "GOT [True, False, True, False, False]" in screen.rest()


def test_a_question_that_is_not_waited_for_any_more_is_taken_back(run: Run) -> None:
    screen = run("""
async def main():
    try:
        await asyncio.wait_for(clerk.urgent("first"), 0.5)
    except TimeoutError:
        print("TOO LATE")
    print("GOT", await clerk.urgent("second"))
asyncio.run(main())
""")
    screen.sees("TOO LATE")
    assert "second" in screen.types("y")
    assert "taken back" in screen.text
    assert "GOT True" in screen.rest()


@pytest.mark.parametrize(
    "program",
    ["asyncio.run(clerk.urgent('now'))", "typed(clerk.mood).map(['a', 'b', 'c'])", "clerk.mood('now')"],
    ids=["awaited", "mapped", "blocking"],
)
def test_ctrl_c_ends_the_program_at_once(run: Run, program: str) -> None:
    screen = run(f"""
try:
    {program}
except KeyboardInterrupt:
    print("GOT it")
""")
    screen.presses("c")
    assert "GOT it" in screen.rest()


def test_many_inputs_are_asked_in_their_order_and_what_they_share_is_shown_once(run: Run) -> None:
    screen = run("print('GOT', typed(clerk.mood).map([f'letter {n}' for n in range(4)]))")
    for n, answer in enumerate(["happy", "unhappy", "unsure", "happy"]):
        assert f"letter {n}" in screen.types(answer)
    assert screen.text.count("Tell the mood.") == 1
    assert "GOT ['happy', 'unhappy', 'unsure', 'happy']" in screen.rest()


def test_the_standard_output_is_the_programs_own(run: Run, tmp_path: Path) -> None:
    screen = run("print(json.dumps([clerk.mood('Thanks!'), clerk.reply('Well?')]))", shell="> out.json")
    screen.types("happy", "Fine.")
    screen.rest()
    assert (tmp_path / "out.json").read_text() == '["happy", "Fine."]\n'


def test_what_is_asked_is_seen_though_the_standard_error_goes_elsewhere(run: Run) -> None:
    screen = run("print('GOT', clerk.mood('Thanks!'))", shell="2> errors")
    assert "Thanks!" in screen.types("happy")
    assert "GOT happy" in screen.rest()


@pytest.mark.parametrize(
    ("width", "environment"),
    [(60, {}), (70, {"NO_COLOR": "1", "TERM": "dumb"}), (40, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})],
    ids=["narrow", "dumb", "ascii"],
)
def test_every_terminal_will_do(run: Run, width: int, environment: dict[str, str]) -> None:
    screen = run("print('GOT', clerk.order('Grüße und ein langer Brief, ' * 5).model_dump_json())", width=width, **environment)
    screen.types("Ada", "g", "12", "", "", "")
    assert all(len(line) <= width for line in screen.text.splitlines())
    assert 'GOT {"customer":{"name":"Ada","language":"German"},"price":12.0' in screen.rest()
    if "TERM" in environment:
        assert "\x1b" not in screen.raw
    if "LC_ALL" in environment:
        assert screen.raw.isascii()


def test_a_line_that_is_longer_than_the_terminal_keeps_is_not_cut_in_silence(run: Run) -> None:
    screen = run("print('GOT', len(clerk.reply('Well?')))", shell="| cat")  # no readline, which has no such limit
    screen.types("a" * 5000)
    assert "is longer than a terminal takes" in screen.types("short")
    assert "GOT 5" in screen.rest()


def test_bytes_that_are_no_text_are_asked_for_again(run: Run) -> None:
    screen = run("print('GOT', clerk.reply('Well?'))")
    screen.sees("Ctrl-D declines.")
    os.write(screen.child.child_fd, b"\xff\n")
    screen.types("fine", "")
    assert "GOT" in screen.rest()
