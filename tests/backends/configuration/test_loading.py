"""Models from YAML: every key does what it says, an unknown one is answered with the nearest, and no other class is named."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import LanguageBackend, Message, OpenAIBackend, Reply, Request, resolve_model
from llm_brain.backends.configuration.environment import ConfigWarning
from llm_brain.backends.configuration.loading import config_names, load_config, read_config, register_backend
from llm_brain.backends.contract import LanguageBackend as Contract
from llm_brain.errors import DataError, DefinitionError, MissingKeyError, ModelNameError
from llm_brain.strategy import llm_strategy
from llm_brain.tracing.redaction import redact

KEY = "Zq7-Kd0_pW9xLm4T"
OPENAI = {"_target_": "llm_brain.backends.OpenAIBackend", "model_id": "m", "base_url": "http://127.0.0.1:1/v1"}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "TOGETHER_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LLM_BRAIN_ENV_FILE", "")


@register_backend
class Echo(LanguageBackend):
    """A backend of the user's own."""

    def __init__(self, model_id: str, times: int = 1, mode: Literal["loud", "quiet"] = "quiet", *, where: Path = Path()) -> None:
        self.model_id, self.times, self.mode, self.where = model_id, times, mode, where

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        return Reply(request.messages[-1].content * self.times, "stop", self.model_id)


ECHO = f"{__name__}.Echo"


def write(folder: Path, text: str, name: str = "model.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_names_a_class_and_its_settings(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        _target_: llm_brain.backends.OpenAIBackend
        _partial_: true
        model_id: qwen3-4b
        context_length: 32768
        server_ip: http://127.0.0.1:1/v1
        api_key: EMPTY
        timeout: 30
        retries: 0
        schema_mode: prompt
        limits: {requests_per_minute: 60, in_flight: 4}
        """,
    )
    model = load_config(file)
    assert isinstance(model, OpenAIBackend)
    assert (model.model_id, model.context_length, model.base_url) == ("qwen3-4b", 32768, "http://127.0.0.1:1/v1")
    assert (model.timeout, model.retries, model.enforces_schema) == (30.0, 0, False)


@pytest.mark.parametrize("partial", [{}, {"_partial_": True}, {"_partial_": False}])
def test_a_backend_is_made_whether_hydra_would_put_it_off_or_not(partial: dict[str, bool]) -> None:
    assert load_config({**OPENAI, **partial}).model_id == "m"


def test_the_path_of_the_module_names_the_class_too() -> None:
    assert load_config({**OPENAI, "_target_": "llm_brain.backends.openai.backend.OpenAIBackend"}).model_id == "m"


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "llm_brain.backends.resolve_model",
        "llm_brain.backends.registry.LocalBackend",
        "llm_brain.backends.CachedBackend",
        "llm_brain.backends.LanguageBackend",
        "OpenAIBackend",
        "an_evil_module.Backend",
        "",
        None,
        5,
        ["llm_brain.backends.OpenAIBackend"],
    ],
)
def test_any_other_class_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: object) -> None:
    write(tmp_path, "raise SystemExit('it was imported')", "an_evil_module.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DataError, match="`_target_` may not be"):
        load_config({**OPENAI, "_target_": name})
    assert "an_evil_module" not in sys.modules


def test_a_misspelt_class_is_answered_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"did you mean .*OpenAIBackend'"):
        load_config({**OPENAI, "_target_": "llm_brain.backends.OpenAiBakend"})


def test_a_class_of_the_users_own_is_named_once_it_is_registered() -> None:
    model = load_config({"_target_": ECHO, "model_id": "e", "times": 2, "mode": "loud", "where": "a/b", "context_length": 9})
    assert isinstance(model, Echo)
    assert (model.times, model.mode, model.where, model.context_length) == (2, "loud", Path("a/b"), 9)
    assert model.chat_completion(Request((Message("user", "ha"),))).text == "haha"


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ("unknown key `tims`: did you mean `times`?", {"tims": 2}),
        ("`times`: input should be a valid integer, got 'two'", {"times": "two"}),
        ("`times`: input should be a valid integer, got True", {"times": True}),
        ("`mode`: input should be 'loud' or 'quiet', got 'lout'", {"mode": "lout"}),
        ("`context_length`: input should be greater than 0, got 0", {"context_length": 0}),
    ],
)
def test_the_keys_of_a_users_own_class_are_those_of_its_constructor(said: str, changes: dict[str, Any]) -> None:
    with pytest.raises(DataError) as caught:
        load_config({"_target_": ECHO, "model_id": "e", **changes})
    assert str(caught.value) == f"the mapping: {said}"


def test_a_registered_class_that_takes_anything_is_given_anything() -> None:
    @register_backend(path="mine.Open")
    class Open(Echo):
        def __init__(self, **more: Any) -> None:
            super().__init__("open")
            self.more = more

    model = load_config({"_target_": "mine.Open", "model_id": "named", "whatever": [1], "context_length": None})
    assert isinstance(model, Open)
    assert model.more == {"whatever": [1]}
    assert (model.model_id, model.context_length) == ("named", None)


def test_what_a_constructor_cannot_use_is_said_with_the_configs_name() -> None:
    @register_backend(path="mine.Picky")
    class Picky(Echo):
        def __init__(self, model_id: str, size: str = "small") -> None:
            super().__init__(model_id)
            if size != "small":
                raise ValueError(f"there is no size {size}")

    with pytest.raises(DataError, match=r"^the mapping: Picky: there is no size big"):
        load_config({"_target_": "mine.Picky", "model_id": "p", "size": "big"})


@pytest.mark.parametrize("thing", [int, "llm_brain", Echo("e"), None])
def test_only_classes_of_backends_are_registered(thing: Any) -> None:
    with pytest.raises(DefinitionError, match="is no class of backends"):
        register_backend(path="mine.Thing")(thing)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"modle_id": "x"}, "unknown key `modle_id`: did you mean `model_id`?"),
        ({"Timeout": 3}, "unknown key `Timeout`: did you mean `timeout`?"),
        ({"client": None}, "unknown key `client`"),
        ({"_partial": True}, "unknown key `_partial`: did you mean `_partial_`?"),
        ({"_args_": [1]}, "unknown key `_args_`"),
        ({"_partial_": "yes"}, "`_partial_`: input should be a valid boolean, got 'yes'"),
        ({"model_id": ""}, "`model_id`: "),
        ({"model_id": 7}, "`model_id`: input should be a valid string, got 7"),
        ({"model_id": None}, "`model_id`: input should be a valid string, got None"),
        ({"model_id": "???"}, "`model_id` has to be given"),
        ({"context_length": "???"}, "`context_length` has to be given"),
        ({"context_length": "8k"}, "`context_length`: input should be a valid integer, got '8k'"),
        ({"context_length": 1.5}, "`context_length`: input should be a valid integer"),
        ({"timeout": 0}, "`timeout`: input should be greater than 0, got 0"),
        ({"timeout": float("inf")}, "timeout must be a number of seconds above 0"),
        ({"retries": -1}, "`retries`: input should be greater than or equal to 0, got -1"),
        ({"base_url": "127.0.0.1:8000"}, "`base_url`: should be an address"),
        ({"base_url": "ftp://127.0.0.1/v1"}, "`base_url`: should be an address"),
        ({"server_ip": "http://127.0.0.1:2/v1"}, "`server_ip` and `base_url` are two names of one thing"),
        ({"limits": {"request_per_minute": 5}}, "unknown key `limits.request_per_minute`: did you mean `requests_per_minute`?"),
        ({"limits": {"requests_per_minute": 0}}, "requests_per_minute must be above 0"),
        ({"limits": 5}, "`limits`: "),
        ({"schema_mode": "tool"}, "`schema_mode`: input should be "),
        ({"api_key": KEY, "api_key_env": "TOGETHER_API_KEY"}, "`api_key` and `api_key_env` both say"),
        ({"api_key_env": "PATH"}, "`api_key_env`: should be the name of an environment variable"),
    ],
)
@pytest.mark.filterwarnings("ignore::llm_brain.backends.configuration.environment.ConfigWarning")
def test_a_wrong_key_or_value_says_what_was_expected(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    import yaml

    file = write(tmp_path, yaml.safe_dump({**OPENAI, **changes}))
    with pytest.raises(DataError) as caught:
        load_config(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert said in str(caught.value)
    with pytest.raises(DataError, match=r"^the mapping: "):
        load_config({**OPENAI, **changes})


@given(st.sampled_from(["model_id", "context_length", "base_url", "server_ip", "api_key", "timeout", "retries"]), st.data())
def test_a_key_with_a_letter_less_is_answered_with_the_whole_one(key: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(key) - 1))
    misspelt = key[:place] + key[place + 1 :]
    if misspelt.startswith("_"):
        return
    with pytest.raises(DataError) as caught:
        load_config({**OPENAI, misspelt: 1})
    assert f"unknown key `{misspelt}`: did you mean `{key}`?" in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(DataError) as caught:
        load_config({**OPENAI, "retries": -1, "timeout": "x", "colour": "red"})
    assert all(part in str(caught.value) for part in ("`retries`", "`timeout`", "`colour`"))


def test_a_key_in_a_file_works_and_is_warned_of_and_never_shown(tmp_path: Path) -> None:
    file = write(tmp_path, f"_target_: llm_brain.backends.OpenAIBackend\nmodel_id: m\napi_key: {KEY}\n")
    with pytest.warns(ConfigWarning, match="holds an API key") as heard:
        model = load_config(file)
    assert KEY not in str(heard[0].message)
    assert KEY not in repr(model)
    assert KEY not in repr(read_config(file))
    assert redact(f"sent {KEY}") == "sent [redacted]"


@pytest.mark.parametrize("wrong", [{"api_kye": KEY}, {"api_key": [KEY]}, {"api_key": KEY, "retries": -1}, {"api_key_env": KEY}])
@pytest.mark.filterwarnings("ignore::llm_brain.backends.configuration.environment.ConfigWarning")
def test_no_complaint_holds_a_key(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError) as caught:
        load_config({**OPENAI, **wrong})
    assert KEY not in str(caught.value)


def test_no_complaint_holds_a_password() -> None:
    with pytest.raises(DataError) as caught:
        load_config({**OPENAI, "base_url": f"htp://ada:{KEY}@127.0.0.1/v1"})
    assert KEY not in str(caught.value)


def test_a_key_comes_from_the_variable_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {**OPENAI, "api_key_env": "TOGETHER_API_KEY"}
    with pytest.raises(MissingKeyError, match="`api_key_env` names TOGETHER_API_KEY, which is not set"):
        load_config(config)
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    assert load_config(config).model_id == "m"


def test_an_empty_key_or_address_is_none() -> None:
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        load_config({**OPENAI, "base_url": "", "api_key": ""})


def test_every_packaged_config_says_what_it_is_and_what_it_needs() -> None:
    assert {"anthropic", "embedded", "fschat", "hf", "human", "openai"} <= set(config_names())
    for name in config_names():
        config = read_config(name)
        assert {"_target_", "_partial_", "model_id", "context_length"} <= config.data.keys()
        assert config.data["_partial_"] is True


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("openai", {"model_id": "m", "base_url": "http://127.0.0.1:1/v1"}),
        ("fschat", {"model_id": "m", "context_length": 8192}),
        ("anthropic", {"model_id": "m", "api_key": "short"}),
        ("human", {}),
    ],
)
def test_a_packaged_config_makes_its_backend(name: str, changes: dict[str, Any]) -> None:
    model = load_config(name, **changes)
    assert isinstance(model, Contract)
    assert model.model_id == changes.get("model_id", "human")
    assert model.context_length == changes.get("context_length")


@pytest.mark.parametrize("name", ["openai", "fschat", "anthropic", "hf"])
def test_a_packaged_config_says_what_it_lacks(name: str) -> None:
    with pytest.raises(DataError, match=f"^config:{name}: `model_id` has to be given, as in 'config:{name},model_id=VALUE'"):
        load_config(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("opnai", "did you mean 'config:openai'?"),
        ("OpenAI", "did you mean 'config:openai'?"),
        ("xyzzy", "Known: 'anthropic'"),
        ("../../../etc/passwd", "unknown config"),
        ("", "unknown config"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(ModelNameError) as caught:
        load_config(name)
    assert said in str(caught.value)


def test_a_name_can_carry_changes() -> None:
    model = resolve_model("config:openai,model_id=qwen3,base_url=http://127.0.0.1:1/v1,timeout=5,context_length=10")
    assert isinstance(model, OpenAIBackend)
    assert (model.model_id, model.timeout, model.context_length) == ("qwen3", 5.0, 10)
    with pytest.raises(DataError, match="'model_id' changes nothing in the config 'openai': write `key=value`"):
        resolve_model("config:openai,model_id")


def test_a_config_is_one_model_as_long_as_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "_target_: llm_brain.backends.OpenAIBackend\nmodel_id: m\n"
    file = write(tmp_path, text)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    model = resolve_model(str(file))
    assert resolve_model(file) is model
    assert resolve_model(f"config:{file}") is model
    assert resolve_model({"_target_": "llm_brain.backends.OpenAIBackend", "model_id": "m"}) is model
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:2/v1")
    assert resolve_model(str(file)) is not model
    write(tmp_path, f"{text}retries: 0\n")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert resolve_model(str(file)) is not model


def test_the_embedded_model_of_a_config_is_the_same_one() -> None:
    assert resolve_model("config:embedded") is resolve_model("local")


def test_a_local_model_has_the_settings_of_its_config(tiny_folder: Path) -> None:
    model = load_config("hf", model_id=str(tiny_folder), context_length=99, model_kwargs={"dtype": "float32"})
    assert (model.model_id, model.context_length) == (tiny_folder.name, 99)
    assert model.count_tokens("four") == 4
    assert model.context_length == 99


@pytest.mark.parametrize("option", [{"trust_remote_code": True}, {"dtyp": "float32"}])
def test_what_would_run_code_or_is_unknown_is_refused(tiny_folder: Path, option: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=f"^config:hf: model_kwargs: '{next(iter(option))}'"):
        load_config("hf", model_id=str(tiny_folder), model_kwargs=option)


def test_a_recording_can_be_named(tmp_path: Path) -> None:
    file = write(tmp_path, '{"recording": 1, "model": "m-1"}', "hello.jsonl")
    assert load_config({"_target_": "llm_brain.backends.RecordedBackend", "model_id": str(file)}).model_id == "m-1"


def test_a_mapping_without_a_class_says_what_is_missing() -> None:
    with pytest.raises(DataError, match="`_target_` is missing"):
        load_config({"model_id": "m"})


def test_a_config_implements_an_interface() -> None:
    @llm_strategy({"_target_": ECHO, "model_id": "e"})
    class Parrot:
        def say(self, words: str) -> str:
            """Say the words."""
            raise NotImplementedError

    assert Parrot().say("hello") == 'words: "hello"'


@pytest.mark.parametrize("value", ["0", "-1", "false"])
def test_a_batch_of_no_calls_is_refused_for_the_embedded_model_too(value: str) -> None:
    with pytest.raises(DataError, match="largest_batch"):
        resolve_model(f"config:embedded,largest_batch={value}")


@pytest.mark.parametrize(("name", "meant"), [("OpenAiBackend", "llm_brain.backends.OpenAIBackend"), ("Humna", "HumanBackend")])
def test_the_nearest_class_is_named_as_a_config_would(name: str, meant: str) -> None:
    with pytest.raises(DataError, match=rf"did you mean '[\w.]*{meant}'"):
        load_config({**OPENAI, "_target_": f"llm_brain.backends.{name}"})


def test_a_class_that_is_like_no_other_has_no_nearest() -> None:
    with pytest.raises(DataError, match=r"known are llm_brain\.backends\.AnthropicBackend, "):
        load_config({**OPENAI, "_target_": "llm_brain.backends.CachedBackend"})


def test_a_limit_that_cannot_be_is_told_once() -> None:
    with pytest.raises(DataError) as caught:
        load_config({**OPENAI, "limits": {"requests_per_minute": -5.0}})
    assert str(caught.value).count("got") == 1
