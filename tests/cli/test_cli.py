"""The command as a person types it: what it prints, where it looks, and how it fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_brain.cli import app


def llm_brain(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from llm_brain.cli import main; main()", *arguments]
    environment = {**os.environ, "LLM_BRAIN_HOME": str(home), "COLUMNS": "80", "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)


def test_models_are_listed_with_what_to_do_when_one_is_absent(tmp_path: Path) -> None:
    result = llm_brain("models", "list", home=tmp_path / "home")
    assert (result.returncode, result.stderr) == (0, "")
    assert all(name in result.stdout for name in ("local", "hf:PATH", "openai:MODEL", "OPENAI_API_KEY"))
    assert not (tmp_path / "home").exists()


def test_a_path_in_the_list_is_never_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / ("a long name " * 12)
    monkeypatch.setenv("LLM_BRAIN_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "80")
    output = CliRunner().invoke(app, ["models", "list"]).stdout
    assert "…" not in output
    joined = "".join(line.split("│")[-2].strip() for line in output.splitlines() if line.startswith("│"))
    assert "".join(str(home / "models").split()) in "".join(joined.split())


def test_fetching_from_a_file_that_is_not_the_model_is_one_line_and_status_1(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"not the model")
    result = llm_brain("models", "fetch", "--gguf", str(wrong), home=tmp_path / "home")
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("llm-brain: wrong.gguf has the SHA-256")
    assert not list((tmp_path / "home").glob("models/*/"))


def test_fetching_from_a_file_that_is_not_there_is_one_line_and_status_1(tmp_path: Path) -> None:
    result = llm_brain("models", "fetch", "--gguf", str(tmp_path / "none.gguf"), home=tmp_path / "home")
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.endswith("none.gguf is not a file")


def test_a_home_that_cannot_be_written_is_one_line_and_status_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = llm_brain("models", "fetch", home=tmp_path / "file")
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("llm-brain: ")


def test_a_damaged_model_is_listed_with_the_command_that_repairs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "models" / "smollm2-135m-instruct"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{")
    monkeypatch.setenv("LLM_BRAIN_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "400")
    result = CliRunner().invoke(app, ["models", "list"])
    assert result.exit_code == 0
    assert "llm-brain models fetch smollm2 --force" in result.stdout


@pytest.mark.parametrize("arguments", [["models", "fetch", "gpt-9"], ["models", "sell"], ["fly"], ["models", "list", "--fast"]])
def test_what_is_not_known_is_explained_and_is_status_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "Usage" in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["models", "--help"], ["models", "fetch", "--help"]])
def test_every_verb_explains_itself(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_the_command_starts_without_heavy_libraries() -> None:
    code = "import sys, llm_brain.cli; print([name for name in ('torch', 'transformers', 'openai') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
