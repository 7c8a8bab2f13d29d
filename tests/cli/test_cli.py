"""The command as a whole: it starts fast, explains itself, and says what it does not know."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest
from typer.testing import CliRunner

from llm_brain.cli import app

WRONG = [["models", "fetch", "gpt-9"], ["models", "sell"], ["fly"], ["models", "list", "--fast"], ["ask"], ["doctor", "--now"]]
RIGHT = [[], ["models"], ["models", "fetch"], ["models", "list"], ["ask"], ["teach"], ["evaluate"], ["doctor"]]


@pytest.mark.parametrize("arguments", WRONG)
def test_what_is_not_known_is_explained_and_is_status_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "Usage" in result.stderr


@pytest.mark.parametrize("arguments", RIGHT)
def test_every_verb_explains_itself(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, [*arguments, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_the_command_starts_without_heavy_libraries() -> None:
    code = (
        "import sys, llm_brain.cli; "
        "print([name for name in ('torch', 'transformers', 'openai', 'aiohttp', 'pydantic', 'yaml') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("command", [["-c", "from llm_brain.cli import main; main()"], ["-m", "llm_brain"]])
def test_the_version_is_told(command: list[str]) -> None:
    said = subprocess.run([sys.executable, *command, "--version"], capture_output=True, text=True, check=True).stdout
    assert said == f"llm-brain {metadata.version('llm_brain')}\n"
