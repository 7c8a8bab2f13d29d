"""Keys out of a `.env` file: which ones are taken, and that nothing of one's own is changed or sent elsewhere."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_brain.backends import Message, OpenAIBackend, Request, resolve_model
from llm_brain.backends.configuration.environment import PROVIDERS, ConfigWarning, came_from, read_env_file
from llm_brain.errors import MissingKeyError
from llm_brain.tracing.redaction import redact
from tests.backends.conftest import LoopbackServer

KEY = "Zq7-Kd0_pW9xLm4T"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in an empty folder, where no key is set; what a file sets is forgotten afterwards."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_TOKEN", "_BASE_URL")) or name == "LLM_BRAIN_ENV_FILE":
            del os.environ[name]
    inner = tmp_path / "project" / "inner"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    yield inner
    os.environ.clear()
    os.environ.update(before)


def test_a_key_is_taken_from_the_nearest_file_above(folder: Path) -> None:
    file = folder.parent / ".env"
    file.write_text(f"# mine\nexport OPENAI_API_KEY='{KEY}'\nHF_API_TOKEN=hf-not-quoted # told\n")
    assert read_env_file() == file
    assert (os.environ["OPENAI_API_KEY"], os.environ["HF_API_TOKEN"]) == (KEY, "hf-not-quoted")
    assert came_from("OPENAI_API_KEY") == file
    assert PROVIDERS["hf-hosted"].key_variable == "HF_API_TOKEN"
    assert redact(f"the key is {KEY}") == "the key is [redacted]"


def test_a_hosted_model_finds_its_key_there(folder: Path) -> None:
    with pytest.raises(MissingKeyError, match="HF_API_TOKEN or HF_TOKEN"):
        resolve_model("hf-hosted:org/model")
    (folder / "sub").mkdir()
    os.chdir(folder / "sub")  # which was not looked at yet
    (folder / ".env").write_text(f"HF_TOKEN={KEY}\n")
    model = resolve_model("hf-hosted:org/model")
    assert isinstance(model, OpenAIBackend)
    assert (model.model_id, model.base_url) == ("org/model", "https://router.huggingface.co/v1")


@pytest.mark.usefixtures("folder")
def test_the_key_of_another_company_is_not_sent_to_hugging_face(server: LoopbackServer) -> None:
    os.environ["OPENAI_API_KEY"] = KEY
    with pytest.raises(MissingKeyError, match="HF_API_TOKEN"):
        resolve_model("hf-hosted:org/model")
    os.environ["HF_BASE_URL"] = server.url
    server.says({"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]})
    assert resolve_model("hf-hosted:org/model").chat_completion(Request((Message("user", "Hello?"),))).text == "hello"
    assert server.headers[0]["authorization"] == "Bearer EMPTY"


@pytest.mark.parametrize("value", ["mine-is-older", ""])
def test_what_is_set_already_is_not_changed(folder: Path, value: str) -> None:
    (folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    os.environ["OPENAI_API_KEY"] = value
    read_env_file()
    assert os.environ["OPENAI_API_KEY"] == value
    assert came_from("OPENAI_API_KEY") is None


def test_only_keys_and_their_addresses_are_taken(folder: Path) -> None:
    lines = ["PATH=/evil", "PYTHONSTARTUP=evil.py", "LD_PRELOAD=evil.so", "EMPTY_API_KEY=", f"SOME_HOST_API_KEY={KEY}"]
    (folder / ".env").write_text("\n".join([*lines, "SOME_HOST_BASE_URL=http://127.0.0.1:1/v1"]))
    before = dict(os.environ)
    read_env_file()
    assert {name for name in os.environ if os.environ[name] != before.get(name)} == {"SOME_HOST_API_KEY", "SOME_HOST_BASE_URL"}


def test_an_address_takes_no_key_that_is_not_from_its_file(folder: Path) -> None:
    (folder / ".env").write_text("OPENAI_BASE_URL=http://127.0.0.1:1/v1\n")
    os.environ["OPENAI_API_KEY"] = KEY
    with pytest.warns(ConfigWarning, match="OPENAI_BASE_URL of .* is not taken") as heard:
        read_env_file()
    assert "OPENAI_BASE_URL" not in os.environ
    assert KEY not in str(heard[0].message)


def test_an_address_without_any_key_is_taken(folder: Path) -> None:
    (folder / ".env").write_text("OPENAI_BASE_URL=http://127.0.0.1:1/v1\n")
    model = resolve_model("openai:m")
    assert isinstance(model, OpenAIBackend)
    assert model.base_url == "http://127.0.0.1:1/v1"


def test_a_value_quotes_no_other_variable(folder: Path) -> None:
    os.environ["MY_PASSWORD"] = "correct-horse"
    (folder / ".env").write_text("OTHER_API_KEY=${MY_PASSWORD}\n")
    read_env_file()
    assert os.environ["OTHER_API_KEY"] == "${MY_PASSWORD}"


def test_a_file_that_cannot_be_read_is_a_warning_without_its_content(folder: Path) -> None:
    (folder / ".env").write_bytes(f"OPENAI_API_KEY={KEY}\xff".encode("latin-1"))
    with pytest.warns(ConfigWarning, match="cannot be read, and no key is taken from it") as heard:
        assert read_env_file() is None
    assert KEY not in str(heard[0].message)
    assert "OPENAI_API_KEY" not in os.environ


def test_a_folder_is_looked_at_once(folder: Path) -> None:
    assert read_env_file() is None
    (folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    assert read_env_file() is None
    assert "OPENAI_API_KEY" not in os.environ


def test_another_file_or_none_can_be_named(folder: Path) -> None:
    (folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    other = folder / "keys.txt"
    other.write_text("ANTHROPIC_API_KEY=another-key\n")
    os.environ["LLM_BRAIN_ENV_FILE"] = ""
    assert read_env_file() is None
    os.environ["LLM_BRAIN_ENV_FILE"] = str(other)
    assert read_env_file() == other
    assert (os.environ.get("OPENAI_API_KEY"), os.environ["ANTHROPIC_API_KEY"]) == (None, "another-key")
    os.environ["LLM_BRAIN_ENV_FILE"] = str(folder / "none")
    with pytest.warns(ConfigWarning, match="No such file"):
        assert read_env_file() is None


def test_a_folder_named_env_is_no_file(folder: Path) -> None:
    (folder / ".env").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_env_file() is None


def test_a_line_that_is_none_is_told_with_the_files_name_and_the_others_are_taken(folder: Path) -> None:
    file = folder / ".env"
    file.write_text(f"this is = no 'line\nOPENAI_API_KEY={KEY}\n")
    with pytest.warns(ConfigWarning, match=r"\.env, line 1: this is no NAME=VALUE, and is left out"):
        read_env_file()
    assert os.environ["OPENAI_API_KEY"] == KEY


@pytest.mark.parametrize("key", ["two\nlines-of-a-key", "schl\u00fcssel-12345"])
@pytest.mark.usefixtures("folder")
def test_a_key_that_no_header_can_hold_is_refused_by_its_variable_and_never_shown(key: str) -> None:
    os.environ["TOGETHER_API_KEY"] = key
    with pytest.raises(MissingKeyError, match="TOGETHER_API_KEY holds characters that no key has") as caught:
        resolve_model("config:openai,model_id=m,base_url=http://127.0.0.1:1/v1,api_key_env=TOGETHER_API_KEY")
    assert key not in str(caught.value)
