"""`llm-brain models`: what is listed, and how fetching fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_brain.backends.embedded import models_folder
from tests.cli.conftest import KEY, CommandLine, ModelServer


@pytest.fixture
def home(llm_brain: CommandLine, tmp_path: Path) -> Path:
    llm_brain.environment["LLM_BRAIN_HOME"] = str(tmp_path / "home")
    llm_brain.environment["HF_HOME"] = str(tmp_path / "hub")
    return tmp_path / "home"


def listed(llm_brain: CommandLine, *arguments: str, **variables: str) -> dict[str, dict[str, Any]]:
    result = llm_brain("models", "list", "--json", *arguments, **variables)
    assert (result.returncode, result.stderr) == (0, "")
    return {line["name"]: line for line in json.loads(result.stdout)}


@pytest.mark.usefixtures("home")
def test_every_way_to_name_a_model_is_listed(llm_brain: CommandLine) -> None:
    lines = listed(llm_brain)
    forms = ["local", "hf:PATH", "openai:MODEL", "anthropic:MODEL", "hf-hosted:MODEL", "human", "recorded:PATH", "PATH.yaml"]
    assert set(forms) <= lines.keys()
    assert {"config:openai", "config:hf", "config:fschat", "config:anthropic", "config:human"} <= lines.keys()
    assert lines["openai:MODEL"]["state"] == "set OPENAI_API_KEY"
    assert lines["hf-hosted:MODEL"]["state"] == "set HF_API_TOKEN or HF_TOKEN"
    assert [name for name, line in lines.items() if line["ready"]] == ["human"]


def test_models_without_a_word_more_is_the_list(llm_brain: CommandLine, home: Path) -> None:
    result = llm_brain("models")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == llm_brain("models", "list").stdout
    assert "llm-brain models fetch smollm2" in " ".join(result.stdout.split())
    assert not home.exists()


@pytest.mark.usefixtures("home")
def test_a_key_is_said_to_be_set_and_not_shown(llm_brain: CommandLine) -> None:
    result = llm_brain("models", OPENAI_API_KEY=KEY, HF_TOKEN=KEY, ANTHROPIC_BASE_URL="http://u:lovelace-1843@127.0.0.1:1")
    assert "OPENAI_API_KEY is set" in result.stdout
    assert "HF_TOKEN is set" in result.stdout
    assert "http://127.0.0.1:1" in result.stdout
    assert KEY not in result.stdout
    assert "lovelace" not in result.stdout


def test_folders_are_listed_by_names_that_work(llm_brain: CommandLine, home: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    hub = home.parent / "hub" / "hub" / "models--openchat--openchat_3.5"
    for folder in (home / "models" / "mine", hub / "snapshots" / commit, home / "models" / "empty"):
        folder.mkdir(parents=True)
    (hub / "refs").mkdir()
    (hub / "refs" / "main").write_text(commit)
    (home / "models" / "mine" / "config.json").write_text("{}")
    (hub / "snapshots" / commit / "config.json").write_text("{}")
    lines = listed(llm_brain)
    assert lines["hf:mine"]["state"] == str(home / "models" / "mine")
    assert lines["hf:openchat/openchat_3.5"]["state"] == str(hub / "snapshots" / commit)
    assert "hf:empty" not in lines


@pytest.mark.usefixtures("home")
def test_servers_are_asked_only_when_that_is_wanted(llm_brain: CommandLine, server: ModelServer) -> None:
    server.key = KEY
    variables = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY}
    assert "openai:qwen3-4b" not in listed(llm_brain, **variables)
    assert not server.paths
    lines = listed(llm_brain, "--servers", **variables)
    assert server.paths == ["/v1/models"]
    assert {"openai:qwen3-4b", "openai:qwen3-8b"} <= lines.keys()


@pytest.mark.usefixtures("home")
def test_a_long_list_of_a_server_is_cut_for_people_and_whole_for_machines(llm_brain: CommandLine, server: ModelServer) -> None:
    server.models = [f"model-{number}" for number in range(30)]
    shown = llm_brain("models", "list", "--servers", OPENAI_BASE_URL=server.url).stdout
    assert "openai:model-19" in shown
    assert "openai:model-20" not in shown
    assert "and 10 more" in shown
    assert "openai:model-29" in listed(llm_brain, "--servers", OPENAI_BASE_URL=server.url)


@pytest.mark.usefixtures("home")
def test_a_server_that_does_not_answer_is_listed_with_the_reason(llm_brain: CommandLine, server: ModelServer) -> None:
    server.status = 503
    [line] = [line for name, line in listed(llm_brain, "--servers", OPENAI_BASE_URL=server.url).items() if name == "openai:..."]
    assert not line["ready"]
    assert "answered 503" in line["told"]


@pytest.mark.parametrize("columns", [60, 80])
def test_the_list_fits_the_terminal_and_a_path_is_never_cut_short(llm_brain: CommandLine, tmp_path: Path, columns: int) -> None:
    home = tmp_path / ("a_long_name_" * 12)
    result = llm_brain("models", LLM_BRAIN_HOME=str(home), COLUMNS=str(columns))
    assert all(len(line) <= columns for line in result.stdout.splitlines())
    assert "…" not in result.stdout
    assert str(home / "models") in "".join(result.stdout.split())


def test_the_model_that_is_there_is_ready(llm_brain: CommandLine) -> None:
    if not (models_folder() / "smollm2-135m-instruct").is_dir():
        pytest.skip("the embedded model was not fetched")
    lines = listed(llm_brain)
    assert lines["local"]["ready"]
    assert str(models_folder()) in lines["local"]["state"]


def test_a_damaged_model_is_listed_with_the_command_that_repairs_it(llm_brain: CommandLine, home: Path) -> None:
    folder = home / "models" / "smollm2-135m-instruct"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{")
    line = listed(llm_brain)["local"]
    assert not line["ready"]
    assert "llm-brain models fetch smollm2 --force" in line["state"]


def test_fetching_from_a_file_that_is_not_the_model_is_one_line_and_status_1(
    llm_brain: CommandLine, home: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"not the model")
    result = llm_brain("models", "fetch", "--gguf", str(wrong))
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("llm-brain: wrong.gguf has the SHA-256")
    assert not list(home.glob("models/*/"))


@pytest.mark.usefixtures("home")
def test_fetching_from_a_file_that_is_not_there_is_one_line_and_status_1(llm_brain: CommandLine, tmp_path: Path) -> None:
    result = llm_brain("models", "fetch", "--gguf", str(tmp_path / "none.gguf"))
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.endswith("none.gguf is not a file")


def test_a_home_that_cannot_be_written_is_one_line_and_status_1(llm_brain: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = llm_brain("models", "fetch", LLM_BRAIN_HOME=str(tmp_path / "file"))
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("llm-brain: ")
