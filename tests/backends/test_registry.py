"""Names become backends; a wrong name is answered with the right one."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import llm_brain.errors
from llm_brain.backends import Attempt, LanguageBackend, LocalBackend, Message, OpenAIBackend, Reply, Request, resolve_model
from llm_brain.backends.configuration.environment import PROVIDERS
from llm_brain.backends.hosted.backend import HostedBackend
from llm_brain.backends.registry import check_model_name
from llm_brain.errors import BackendError, DataError, MissingKeyError, ModelNameError, ReplyError, WeightsError


class Saying(LanguageBackend):
    model_id = "saying"

    def __init__(self, text: str) -> None:
        self.text = text

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        assert isinstance(request, Request)
        return Reply(self.text, "stop", self.model_id)


def test_local_is_the_embedded_model_once_a_process() -> None:
    model = resolve_model("local")
    assert isinstance(model, LocalBackend)
    assert model.model_id == "smollm2-135m-instruct"
    assert resolve_model("local") is model


def test_local_that_was_never_fetched_is_an_error_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_BRAIN_HOME", str(tmp_path))
    check_model_name("local")
    with pytest.raises(WeightsError, match="llm-brain models fetch smollm2"):
        resolve_model("local")


def test_a_folder_is_a_model_of_its_own_name(tiny_folder: Path) -> None:
    model = resolve_model(f"hf:{tiny_folder}")
    assert isinstance(model, LocalBackend)
    assert model.model_id == tiny_folder.name
    assert resolve_model(f"hf:{tiny_folder}/.") is model
    assert model.count_tokens("four") == 4


def test_a_folder_without_a_model_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no transformers model"):
        resolve_model(f"hf:{tmp_path}")


def test_a_model_has_the_name_that_it_was_fetched_by(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    fetched = tmp_path / "models--someone--tiny"
    for folder in ("refs", "snapshots"):
        (fetched / folder).mkdir(parents=True)
    (fetched / "refs" / "main").write_text(commit)
    (fetched / "snapshots" / commit).symlink_to(tiny_folder)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    model = resolve_model("hf:someone/tiny")
    assert isinstance(model, LocalBackend)
    assert (model.model_id, model.count_tokens("four")) == ("someone/tiny", 4)
    (fetched / "refs" / "main").write_text("../../../elsewhere")
    with pytest.raises(WeightsError, match=r"is not there, and the hub's cache .* holds none of that name"):
        resolve_model("hf:someone/tiny")


def test_a_hosted_model_is_one_changed_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    model = resolve_model("openai:org/model:tag")
    assert isinstance(model, OpenAIBackend)
    assert (model.model_id, model.base_url) == ("org/model:tag", "http://127.0.0.1:1/v1")


def test_a_hosted_model_is_made_once_for_each_name_and_address_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = resolve_model("openai:m")
    assert resolve_model("openai:m") is model
    assert resolve_model("openai:n") is not model
    monkeypatch.setenv("OPENAI_API_KEY", "Zq7-Kd0_pW9xLm4T")
    with_a_key = resolve_model("openai:m")
    assert with_a_key is not model
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:2/v1")
    elsewhere = resolve_model("openai:m")
    assert isinstance(elsewhere, OpenAIBackend)
    assert elsewhere.base_url == "http://127.0.0.1:2/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert resolve_model("openai:m") is with_a_key


def test_a_hosted_model_without_a_key_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        resolve_model("openai:gpt-5-mini")


@pytest.mark.parametrize(
    ("name", "key", "address", "kind"),
    [
        ("openai:m", "OPENAI_API_KEY", "https://api.openai.com/v1", "OpenAIBackend"),
        ("anthropic:m", "ANTHROPIC_API_KEY", "https://api.anthropic.com", "AnthropicBackend"),
        ("hf-hosted:m", "HF_API_TOKEN", "https://router.huggingface.co/v1", "OpenAIBackend"),
        ("hf-hosted:m", "HF_TOKEN", "https://router.huggingface.co/v1", "OpenAIBackend"),
    ],
)
def test_each_host_has_its_address_and_its_key(
    monkeypatch: pytest.MonkeyPatch, name: str, key: str, address: str, kind: str
) -> None:
    for provider in PROVIDERS.values():
        for variable in (provider.url_variable, *provider.key_variables):
            monkeypatch.delenv(variable, raising=False)
    with pytest.raises(MissingKeyError, match=key):
        resolve_model(name)
    monkeypatch.setenv(key, "Zq7-Kd0_pW9xLm4T")
    model = resolve_model(name)
    assert isinstance(model, HostedBackend)
    assert (type(model).__name__, model.model_id, model.base_url) == (kind, "m", address)
    assert resolve_model(name) is model
    monkeypatch.setenv(PROVIDERS[name.partition(":")[0]].url_variable, "http://127.0.0.1:1/v1")
    elsewhere = resolve_model(name)
    assert isinstance(elsewhere, HostedBackend)
    assert elsewhere.base_url.startswith("http://127.0.0.1:1")


def test_a_person_is_a_model() -> None:
    assert resolve_model("human").model_id == "human"
    assert resolve_model("human") is resolve_model("human")


def test_a_config_is_named_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("model.yaml", "model.yml", "config:model.yaml", str(tmp_path / "model.yaml"), "hf/model.yaml"):
        check_model_name(name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"there is no config at model.yaml"):
        resolve_model("model.yaml")
    (tmp_path / "model.yaml").write_text("_target_: llm_brain.backends.HumanBackend\nmodel_id: me\n", encoding="utf-8")
    assert resolve_model("model.yaml").model_id == "me"
    assert resolve_model(Path("model.yaml")) is resolve_model("config:./model.yaml")
    assert resolve_model("human").model_id == "human"


def test_a_recording_is_a_model(tmp_path: Path) -> None:
    file = tmp_path / "hello.jsonl"
    check_model_name(f"recorded:{file}")
    with pytest.raises(DataError, match="there is no recording"):
        resolve_model(f"recorded:{file}")
    file.write_text('{"recording": 1, "model": "m-1"}', encoding="utf-8")
    assert resolve_model(f"recorded:{file}").model_id == "m-1"


def test_a_backend_is_itself() -> None:
    model = Saying("hi")
    assert resolve_model(model) is model


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lokal", "'local'"),
        ("Local", "'local'"),
        ("local:7b", "'local'"),
        ("opnai:gpt-5", "'openai:gpt-5'"),
        ("OpenAI:gpt-5", "'openai:gpt-5'"),
        ("openai", "'openai:MODEL'"),
        ("openai:", "'openai:MODEL'"),
        ("hf: ", "'hf:PATH'"),
        ("recorded:", "'recorded:PATH'"),
        ("record:a.jsonl", "'recorded:a.jsonl'"),
        ("anthropic", "'anthropic:MODEL'"),
        ("antropic:claude", "'anthropic:claude'"),
        ("hf_hosted:org/model", "'hf-hosted:org/model'"),
        ("Human", "'human'"),
        ("human:me", "'human'"),
        ("confg:openai", "'config:openai'"),
        ("config:", "'config:NAME'"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest_right_one(name: str, meant: str) -> None:
    with pytest.raises(ModelNameError, match="did you mean") as caught:
        check_model_name(name)
    assert f"did you mean {meant}?" in str(caught.value)


@pytest.mark.parametrize("name", ["", " ", "xyzzy", ":", "model.json", "http://127.0.0.1:8000/v1"])
def test_a_name_like_no_other_is_answered_with_the_known_forms(name: str) -> None:
    with pytest.raises(ModelNameError, match="Known: 'local', 'hf:PATH', 'openai:MODEL', 'anthropic:MODEL', 'hf-hosted:MODEL', "):
        resolve_model(name)


@pytest.mark.parametrize("thing", [None, 7, object(), ["local"]])
def test_a_thing_that_is_no_model_is_said_so(thing: object) -> None:
    with pytest.raises(ModelNameError, match="is no model"):
        resolve_model(thing)  # type: ignore[arg-type]


def test_naming_models_loads_no_heavy_library() -> None:
    program = (
        "import sys\n"
        "from llm_brain.backends import Message, Request, TracedBackend, CachedBackend, OpenAIBackend, resolve_model\n"
        "OpenAIBackend('m', base_url='http://127.0.0.1:1/v1')\n"
        "try: resolve_model(7)\n"
        "except ValueError: pass\n"
        "heavy = {'torch', 'transformers', 'openai', 'langchain_core', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    root = str(Path(llm_brain.errors.__file__).parents[1])
    ended = subprocess.run([sys.executable, "-c", program], check=False, env={"PYTHONPATH": root}, timeout=60)
    assert ended.returncode == 0


@pytest.mark.parametrize(
    ("reply", "options", "chosen"),
    [
        ("yes", ["yes", "no"], "yes"),
        (' "Yes." ', ["yes", "no"], "yes"),
        ("yes!", ["yes!", "yes"], "yes!"),
        ("Yes", ["yes", "Yes"], "Yes"),
        ("**no**", ["yes", " no"], " no"),
        ("wow", ["wow!", "no"], "wow!"),
    ],
)
def test_an_option_is_read_out_of_a_reply(reply: str, options: list[str], chosen: str) -> None:
    assert Saying(reply).choose_from_options(Request(()), options).option == chosen


@pytest.mark.parametrize(("reply", "options"), [("maybe", ["yes", "no"]), ("YES", ["yes", "Yes"]), ("yes", [])])
def test_a_reply_that_names_no_option_or_several_is_an_error(reply: str, options: list[str]) -> None:
    with pytest.raises(ReplyError, match="none of the options") as caught:
        Saying(reply).choose_from_options(Request(()), options)
    assert caught.value.raw == reply


@pytest.mark.parametrize(
    "error",
    [
        BackendError("busy", kind="server", retryable=True, raw="raw", attempts=[Attempt("one", "server")]),
        ReplyError("not an int", raw="forty", attempts=[Attempt("not an int", "validation")]),
    ],
)
def test_an_error_survives_a_copy_and_a_pickle(error: BackendError) -> None:
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)
