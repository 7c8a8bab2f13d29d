"""`llm-brain ask` as a person and as a script type it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading

import pexpect
import pytest

from tests.cli.conftest import COMMAND, KEY, CommandLine, ModelServer

TYPES = """
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal

from helpers import Country
from pydantic import BaseModel, Field
from typing_extensions import TypedDict


class Mood(Enum):
    HAPPY = "happy"
    UNHAPPY = "unhappy"


class City(BaseModel):
    name: str
    people: int = Field(ge=0)
    country: Country | None = None


@dataclass
class Point:
    x: int
    y: int


class Reading(TypedDict):
    celsius: float


Answer = Literal["yes", "no"]
Names = list[str]
Pattern = Annotated[str, Field(pattern=r"^(?=a)a$")]
Cities = Iterator[City]
number = 5
"""
HELPERS = """
from pydantic import BaseModel


class Country(BaseModel):
    name: str
"""


@pytest.fixture
def ask(llm_brain: CommandLine, server: ModelServer) -> CommandLine:
    llm_brain.environment |= {"OPENAI_BASE_URL": server.url, "LLM_BRAIN_MODEL": "openai:qwen3-4b"}
    (llm_brain.folder / "types_of_mine.py").write_text(TYPES)
    (llm_brain.folder / "helpers.py").write_text(HELPERS)
    return llm_brain


def test_a_question_is_answered_and_nothing_else_is_printed(ask: CommandLine, server: ModelServer) -> None:
    server.says = "It is Paris, of course."
    result = ask("ask", "What is the capital of France?")
    assert (result.returncode, result.stdout, result.stderr) == (0, "It is Paris, of course.\n", "")
    [body] = server.asked
    assert body["stream"] is True
    assert "What is the capital of France?" in body["messages"][-1]["content"]


def test_a_question_can_come_from_the_standard_input(ask: CommandLine, server: ModelServer) -> None:
    result = ask("ask", "-", "--no-stream", stdin="What is\nthe capital of France?\n")
    assert (result.returncode, result.stdout) == (0, "Paris.\n")
    [body] = server.asked
    assert "stream" not in body
    assert "What is\\nthe capital" in body["messages"][-1]["content"]


def test_a_standard_input_in_another_encoding_is_one_line_and_status_1(ask: CommandLine, server: ModelServer) -> None:
    result = subprocess.run(
        [*COMMAND, "ask", "-"], input=b"\xe9t\xe9 diff\n", capture_output=True, check=False, cwd=ask.folder, env=ask.environment
    )
    assert result.returncode == 1
    assert b"llm-brain: the standard input is not UTF-8 text: convert it" in result.stderr
    assert not server.asked


def test_a_standard_output_that_is_closed_is_one_line_and_status_1(ask: CommandLine) -> None:
    shell = ["sh", "-c", '"$@" >&-', "sh", *COMMAND, "ask", "hi"]
    result = subprocess.run(shell, capture_output=True, text=True, check=False, cwd=ask.folder, env=ask.environment)
    assert (result.returncode, result.stderr) == (1, "llm-brain: there is no standard output to write to\n")


def test_an_answer_that_is_cut_off_names_the_option(ask: CommandLine) -> None:
    result = ask("ask", "Tell me a long story.", "--max-tokens", "3", LLM_BRAIN_MODEL="local")
    assert result.stderr.endswith("llm-brain: the answer was cut off after 3 tokens: raise --max-tokens\n")
    result = ask("ask", "word " * 9000, LLM_BRAIN_MODEL="local")
    assert "takes 8192 together: shorten the question, or lower --max-tokens (1024)" in result.stderr


def test_what_is_said_about_the_answer_reaches_the_model(ask: CommandLine, server: ModelServer) -> None:
    result = ask("ask", "Well?", "--system", "You are a pirate.", "--temperature", "0.8", "--max-tokens", "77")
    assert result.returncode == 0
    [body] = server.asked
    assert body["messages"][0] == {"role": "system", "content": body["messages"][0]["content"]}
    assert body["messages"][0]["content"].startswith("You are a pirate.")
    assert (body["temperature"], body["max_tokens"]) == (0.8, 77)
    assert "seed" not in body  # who asks for chance is not given the same answer again


def test_an_answer_comes_while_it_is_written(ask: CommandLine, server: ModelServer) -> None:
    seen = threading.Event()
    server.says = "One two three."
    server.before_the_second_piece = lambda: seen.wait(60)
    with subprocess.Popen([*COMMAND, "ask", "Count."], stdout=subprocess.PIPE, env=ask.environment, cwd=ask.folder) as process:
        assert process.stdout is not None
        assert process.stdout.read(3) == b"One"  # while the server still holds back the rest
        seen.set()
        assert process.stdout.read() == b" two three.\n"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("name", "reply", "printed"),
    [
        ("City", '{"name": "Oslo", "people": 709000}', {"name": "Oslo", "people": 709000, "country": None}),
        ("Point", '{"x": 1, "y": -2}', {"x": 1, "y": -2}),
        ("Reading", '{"celsius": 21.5}', {"celsius": 21.5}),
        ("Mood", "unhappy", "unhappy"),
        ("Answer", "yes", "yes"),
        ("Names", '{"return_value": ["Oslo", "Bergen"]}', ["Oslo", "Bergen"]),
    ],
)
def test_an_answer_is_a_value_of_any_type_of_a_file(
    ask: CommandLine, server: ModelServer, name: str, reply: str, printed: object
) -> None:
    server.says = reply
    result = ask("ask", "Tell me about Oslo.", "--schema", f"types_of_mine.py:{name}")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    assert json.loads(result.stdout) == printed


def test_items_are_printed_on_lines_of_their_own(ask: CommandLine, server: ModelServer) -> None:
    server.says = '{"return_value": [{"name": "Oslo", "people": 1}, {"name": "Bergen", "people": 2}]}'
    result = ask("ask", "Two cities.", "-s", "types_of_mine.py:Cities")
    assert [json.loads(line)["name"] for line in result.stdout.splitlines()] == ["Oslo", "Bergen"]


def test_a_reply_that_never_fits_is_one_line_and_status_1(ask: CommandLine, server: ModelServer) -> None:
    server.says = '{"name": "Oslo", "people": -1}'
    result = ask("ask", "Tell me about Oslo.", "--schema", "types_of_mine.py:City")
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("llm-brain: ")
    assert "`people`: Input should be greater than or equal to 0, got -1" in line
    assert len(server.asked) == 3


def test_json_tells_how_the_answer_came_about(ask: CommandLine, server: ModelServer) -> None:
    server.says = '```json\n{"name": "Oslo", "people": 709000}\n```'
    result = ask("ask", "Tell me about Oslo.", "--schema", "types_of_mine.py:City", "--json")
    told = json.loads(result.stdout)
    assert told["answer"]["name"] == "Oslo"
    assert (told["model"], told["attempts"], told["repaired"]) == ("qwen3-4b", 1, True)
    assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (12, 3)
    assert "cost" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-s", "types_of_mine.py:Mod"], "did you mean 'Mood'?"),
        (["-s", "types_of_mine.py:Xyzzy"], "it holds 'Mood', 'City', 'Point', 'Reading', 'Answer', 'Names', 'Pattern', 'Cities'"),
        (["-s", "types_of_mine.py:number"], "holds no type 'number'"),
        (["-s", "types_of_mine.py"], "write FILE.py:NAME"),
        (["-s", "none.py:City"], "there is no file none.py"),
        (["-s", "broken.py:City"], "broken.py, line 2, cannot be run: ZeroDivisionError"),
        (["-s", "no_python.py:City"], "no_python.py, line 1, cannot be run: SyntaxError"),
        (["-s", "types_of_mine.py:BaseModel"], "`answer` returns BaseModel itself, which has no fields"),
        (["-s", "types_of_mine.py:Pattern"], "the return type of `answer` cannot be used: regex parse error"),
        (["-m", "opnai:gpt"], "did you mean 'openai:gpt'?"),
        (["-m", "anthropic:claude"], "ANTHROPIC_API_KEY"),
        (["-m", "none.yaml"], "there is no config at none.yaml"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_1(ask: CommandLine, arguments: list[str], said: str) -> None:
    (ask.folder / "broken.py").write_text("x = 1\ny = x / 0\n")
    (ask.folder / "no_python.py").write_text("class = 3\n")
    result = ask("ask", "Well?", *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("llm-brain: ")
    assert said in line


def test_a_key_that_the_server_sends_back_is_not_shown(ask: CommandLine, server: ModelServer) -> None:
    server.status = 400
    result = ask("ask", "Well?", OPENAI_API_KEY=KEY)
    assert result.returncode == 1
    assert "answered 400" in result.stderr
    assert KEY not in result.stderr + result.stdout


def test_an_empty_question_is_a_wrong_use(ask: CommandLine, server: ModelServer) -> None:
    result = ask("ask", "-", stdin=" \n")
    assert result.returncode == 2
    assert "the question is empty" in result.stderr
    assert not server.asked


def test_ctrl_c_ends_it_with_status_130(ask: CommandLine, server: ModelServer) -> None:
    held = threading.Event()
    server.says = "One two three."
    server.before_the_second_piece = lambda: held.wait(60)
    with subprocess.Popen(
        [*COMMAND, "ask", "Count."], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ask.environment, cwd=ask.folder
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(3) == b"One"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""
    held.set()


def test_a_reader_that_goes_away_is_no_traceback(ask: CommandLine, server: ModelServer) -> None:
    server.says = "word " * 20_000
    line = f"{' '.join(map(repr, COMMAND))} ask Talk. --no-stream | head -c 4"
    result = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env=ask.environment, cwd=ask.folder, check=False, timeout=60
    )
    assert result.stdout == "word"
    assert "Traceback" not in result.stderr


def at_a_terminal(ask: CommandLine, *arguments: str, columns: int = 60) -> str:
    environment = {name: value for name, value in ask.environment.items() if name not in ("COLUMNS", "NO_COLOR")}
    child = pexpect.spawn(
        COMMAND[0],
        [*COMMAND[1:], *arguments],
        env={**environment, "TERM": "xterm-256color"},
        cwd=str(ask.folder),
        dimensions=(20, columns),
        encoding="utf-8",
        timeout=60,
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    return str(child.before)


def test_a_terminal_gets_the_value_in_colours_and_on_several_lines(ask: CommandLine, server: ModelServer) -> None:
    server.says = '{"name": "Oslo", "people": 709000}'
    shown = at_a_terminal(ask, "ask", "Tell me about Oslo.", "-s", "types_of_mine.py:City")
    assert "asking qwen3-4b" in shown
    assert "\x1b[" in shown
    last = shown.rpartition("\x1b[2K")[2]  # after the last line that was wiped away
    assert [line.strip() for line in _without_colours(last).split("\r\n") if line.strip()] == [
        "{",
        '"name": "Oslo",',
        '"people": 709000,',
        '"country": null',
        "}",
    ]


def test_a_text_that_comes_in_pieces_is_whole_at_the_end(ask: CommandLine, server: ModelServer) -> None:
    (ask.folder / "word.py").write_text("Word = str\n")
    server.says = "one two three"
    shown = at_a_terminal(ask, "ask", "Count.", "-s", "word.py:Word")
    assert '"one two three"' in _without_colours(shown)


def test_what_would_command_the_terminal_is_written_out(ask: CommandLine, server: ModelServer) -> None:
    server.says = "red \x1b[31m text \x1b]0;title\x07 end"
    shown = at_a_terminal(ask, "ask", "Well?")
    assert "\x1b[31m" not in shown
    assert "\x1b]0;" not in shown
    assert "⟨1B⟩[31m text" in shown


def _without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
