"""The page about people shows what happens, and the example that it names runs: both in a pseudo-terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "guide" / "people.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SESSION = re.findall(r"^```text\n(.*?)\n^```$", PAGE, re.MULTILINE | re.DOTALL)[0]


def spawn(*command: str, **environment: str) -> pexpect.spawn[str]:
    plain = {"TERM": "dumb", "NO_COLOR": "1", "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    variables = {**plain, **environment}
    child = pexpect.spawn(
        sys.executable, list(command), env=variables, encoding="utf-8", dimensions=(40, 78), timeout=30, cwd=ROOT
    )
    child.delaybeforesend = None  # it is only typed at a prompt
    return child


def test_the_page_shows_the_session_as_it_is_and_its_other_blocks_run(tmp_path: Path) -> None:
    program = tmp_path / "page.py"
    program.write_text("\n".join(BLOCKS), encoding="utf-8")
    child = spawn(str(program), HOME=str(tmp_path))
    shown = ""
    for line in re.findall(r"^> ?(.*)$", SESSION, re.MULTILINE):
        child.expect("\n> ")
        shown += f"{child.before}{child.after}"
        child.sendline(line)
    child.expect("better=None\\)\\]\\)")
    shown += f"{child.before}{child.after}"
    assert [line.rstrip() for line in shown.splitlines()] == SESSION.splitlines()
    child.expect("Bells!.*\n> ")
    child.sendeof()
    child.expect(pexpect.EOF)
    said = [line.removeprefix("# -> ") for block in BLOCKS for line in block.splitlines() if line.startswith("# -> ")]
    assert [line for line in (child.before or "").split("\r\n") if line][-2:] == ["refusal", *said]
    child.close()


def test_the_newsroom_is_run_by_a_person() -> None:
    child = spawn("-m", "examples.human.newsroom")
    for line in ("s", "print", "2", "y", "bright", "unc", "", "", "", "We move"):
        child.expect("\n> ")
        child.sendline(line)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_the_newsroom_reads_its_answers_from_a_pipe() -> None:
    answers = 'shorten\nprint\n{"grade": 9}\n{"grade": 2}\nWe move\n'
    command = [sys.executable, "-m", "examples.human.newsroom"]
    done = subprocess.run(
        command, input=answers, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, check=True
    )
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["decision"], first["review"]) == ("shorten", {"grade": 2, "remarks": []})
    assert (second["decision"], second["headline"]) == ("print", "We move")


@pytest.mark.parametrize(("key", "status", "said"), [("d", 1, "stopped: the person declined"), ("c", 130, "stopped")])
def test_the_newsroom_stops_in_a_line_when_nobody_goes_on(key: str, status: int, said: str) -> None:
    child = spawn("-m", "examples.human.newsroom")
    child.expect("\n> ")
    child.sendcontrol(key)
    child.expect(pexpect.EOF)
    assert said in (child.before or "")
    assert "Traceback" not in (child.before or "")
    child.close()
    assert child.exitstatus == status
