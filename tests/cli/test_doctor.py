"""`llm-brain doctor`: what it finds, what it says of it, and what it never shows."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import KEY, CommandLine, ModelServer


def found(llm_brain: CommandLine, *arguments: str, status: int = 0, **variables: str) -> dict[str, dict[str, Any]]:
    result = llm_brain("doctor", "--json", *arguments, **variables)
    assert result.returncode == status, result.stderr + result.stdout
    told = json.loads(result.stdout)
    assert told["ok"] is (status == 0)
    return {f"{check['group']}/{check['name']}": check for check in told["checks"]}


@pytest.fixture
def fetched(llm_brain: CommandLine) -> CommandLine:
    """Make a home in which nothing was fetched yet: the model's own check is for other tests."""
    llm_brain.environment["LLM_BRAIN_HOME"] = str(llm_brain.folder / "home")
    return llm_brain


def test_a_fresh_machine_is_not_broken(fetched: CommandLine) -> None:
    checks = found(fetched, "--offline")
    assert checks["packages/llm_brain"]["state"] == "ok"
    assert "pydantic 2." in checks["packages/llm_brain"]["told"]
    assert "transformers 5." in checks["packages/[local]"]["told"]
    assert checks["models/local"] == {
        "group": "models",
        "name": "local",
        "state": "note",
        "told": checks["models/local"]["told"],
    }
    assert "llm-brain models fetch smollm2" in checks["models/local"]["told"]
    assert {checks[f"keys/{name}"]["state"] for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_API_TOKEN")} == {"note"}
    assert {checks[f"servers/{name}"]["told"] for name in ("openai", "anthropic", "hf-hosted")} == {"not asked (--offline)"}
    assert not (fetched.folder / "home").exists()  # looking changes nothing


def test_a_server_that_answers_is_reachable_and_its_key_is_never_shown(fetched: CommandLine, server: ModelServer) -> None:
    server.key = KEY
    variables = {
        "OPENAI_BASE_URL": server.url,
        "OPENAI_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": server.url.removesuffix("/v1"),
        "ANTHROPIC_API_KEY": KEY,
        "HF_BASE_URL": server.url,
        "HF_TOKEN": KEY,
    }
    checks = found(fetched, **variables)
    assert [checks[f"servers/{name}"]["state"] for name in ("openai", "anthropic", "hf-hosted")] == ["ok"] * 3
    assert server.url in checks["servers/openai"]["told"]
    assert "reachable: 2 models" in checks["servers/openai"]["told"]
    assert checks["keys/HF_TOKEN"]["told"] == "set"
    assert sorted(server.paths) == ["/v1/models"] * 3
    shown = fetched("doctor", **variables).stdout
    assert all(part not in shown for part in (KEY, KEY[:6], KEY[-6:]))


def test_a_refused_key_is_broken_and_says_so(fetched: CommandLine, server: ModelServer) -> None:
    server.key = "another"
    checks = found(fetched, status=1, OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY)
    assert checks["servers/openai"]["state"] == "broken"
    assert "refused: the key is refused (401)" in checks["servers/openai"]["told"]
    shown = fetched("doctor", OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY)
    assert shown.returncode == 1
    assert "Broken: openai." in shown.stdout
    assert KEY not in shown.stdout + shown.stderr


def test_a_key_that_a_server_sends_back_is_cut_out_however_short(fetched: CommandLine, server: ModelServer) -> None:
    server.status = 500
    checks = found(fetched, OPENAI_BASE_URL=server.url, OPENAI_API_KEY="xyz-7")
    assert checks["servers/openai"]["state"] == "warning"
    told = checks["servers/openai"]["told"]
    assert told.startswith(f"{server.url} failing: answered 500 when asked for its models: ")
    assert "Bearer [redacted]" in told


def test_a_server_that_is_not_there_is_no_reason_to_fail(fetched: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    checks = found(fetched, OPENAI_BASE_URL=f"http://ada:lovelace-1843@127.0.0.1:{port}/v1")
    assert checks["servers/openai"]["state"] == "warning"
    assert checks["servers/openai"]["told"].startswith(f"not reachable: no connection to http://127.0.0.1:{port}/v1: ")
    assert "lovelace" not in json.dumps(checks)


def test_servers_that_are_silent_are_waited_for_at_the_same_time(fetched: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        variables = {"OPENAI_BASE_URL": url, "HF_BASE_URL": url, "ANTHROPIC_BASE_URL": url}
        checks = found(fetched, "--timeout", "0.5", **variables)
        assert len([check for check in checks.values() if "no answer within 0.5 seconds" in check["told"]]) == 3
        silent.setblocking(False)
        waiting = [silent.accept()[0] for _ in range(3)]
        with pytest.raises(BlockingIOError):
            silent.accept()
        for connection in waiting:
            connection.close()


def test_a_damaged_model_is_broken(fetched: CommandLine) -> None:
    folder = fetched.folder / "home" / "models" / "smollm2-135m-instruct"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{")
    checks = found(fetched, "--offline", status=1)
    assert checks["models/local"]["state"] == "broken"
    assert "llm-brain models fetch smollm2 --force" in checks["models/local"]["told"]


def test_a_folder_that_cannot_be_made_is_broken(fetched: CommandLine) -> None:
    (fetched.folder / "home").write_text("a file")
    checks = found(fetched, "--offline", status=1)
    assert checks["folders/models"]["state"] == "broken"
    assert "cannot be made" in checks["folders/models"]["told"]


def test_a_key_of_a_file_is_told_with_its_file(fetched: CommandLine) -> None:
    file = fetched.folder / ".env"
    file.write_text(f"OPENAI_API_KEY={KEY}\n")
    del fetched.environment["LLM_BRAIN_ENV_FILE"]
    checks = found(fetched, "--offline")
    assert checks["keys/OPENAI_API_KEY"]["told"] == f"set, by {file}"
    assert checks["keys/.env"]["told"] == str(file)


def test_a_missing_package_is_told_with_the_command_that_installs_it(fetched: CommandLine, tmp_path: Path) -> None:
    # A distribution of this name that stands first on the path says what it needs.
    about = tmp_path / "first" / "llm_brain-9.9.dist-info"
    about.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        "Name: llm_brain",
        "Version: 9.9",
        "Provides-Extra: local",
        "Requires-Dist: pydantic<3,>=2",
        "Requires-Dist: rich>=999",
        'Requires-Dist: no-such-package-at-all; extra == "local"',
        'Requires-Dist: typer>=0.1; extra == "local"',
        'Requires-Dist: llm_brain[local]; extra == "all"',
    ]
    (about / "METADATA").write_text("\n".join(lines))
    path = f"{about.parent}:{fetched.environment['PYTHONPATH']}"
    checks = found(fetched, "--offline", status=1, PYTHONPATH=path)
    extra, core = checks["packages/[local]"], checks["packages/llm_brain"]
    assert extra["state"] == "note"
    assert extra["told"].startswith("no-such-package-at-all is not installed: pip install 'llm_brain[local]'. There are typer 0.")
    assert core["state"] == "broken"
    assert "and >=999 is needed: pip install --upgrade llm_brain" in core["told"]
    assert "packages/[all]" not in checks


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_table_fits_the_terminal(fetched: CommandLine, columns: int) -> None:
    result = fetched("doctor", "--offline", COLUMNS=str(columns))
    assert result.returncode == 0
    assert all(len(line) <= columns for line in result.stdout.splitlines())
    assert "…" not in result.stdout
    assert "Nothing is broken." in result.stdout


@pytest.mark.parametrize("status", [404, 200])
def test_what_answers_without_a_list_of_models_is_marked(fetched: CommandLine, server: ModelServer, status: int) -> None:
    server.status = status
    told = found(fetched, OPENAI_BASE_URL=server.url, OPENAI_API_KEY="EMPTY")["servers/openai"]
    assert told["state"] == "warning"
    assert "up to and with /v1?" in told["told"]


def test_an_address_that_is_none_is_broken_and_says_so(fetched: CommandLine) -> None:
    told = found(fetched, OPENAI_BASE_URL="nonsense", status=1)["servers/openai"]
    assert (told["state"], told["told"].partition(":")[0]) == ("broken", "OPENAI_BASE_URL holds no address")


def test_a_home_in_which_nothing_can_be_written_is_broken(fetched: CommandLine) -> None:
    assert found(fetched, "--offline", LLM_BRAIN_HOME="/proc/nope", status=1)["folders/models"]["state"] == "broken"
    result = fetched("models", "fetch", LLM_BRAIN_HOME="/proc/nope")
    assert result.returncode == 1
    assert "the folder /proc/nope/models cannot be made" in result.stderr
    assert "Set LLM_BRAIN_HOME" in result.stderr


def test_a_file_of_keys_that_is_not_there_is_broken(fetched: CommandLine) -> None:
    told = found(fetched, "--offline", LLM_BRAIN_ENV_FILE="/nope/.env", status=1)["keys/.env"]
    assert told["told"] == "LLM_BRAIN_ENV_FILE names /nope/.env, which cannot be read"


def test_a_key_that_cannot_be_sent_is_broken_and_not_shown(fetched: CommandLine) -> None:
    checks = found(fetched, OPENAI_API_KEY=f"{KEY}\nmore", status=1)
    assert "OPENAI_API_KEY holds characters that no key has" in checks["keys/OPENAI_API_KEY"]["told"]
    assert checks["servers/openai"]["told"] == "not asked: OPENAI_API_KEY cannot be sent"
    assert KEY not in str(checks)
