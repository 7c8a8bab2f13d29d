"""The one-file form: what its keys do, and what is said of those that do nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import llm_brain
from llm_brain.backends import LanguageBackend, OpenAIBackend, resolve_model
from llm_brain.backends.configuration.environment import ConfigWarning
from llm_brain.backends.configuration.loading import Settings, load_settings
from llm_brain.errors import DataError, MissingKeyError
from llm_brain.tracing.redaction import redact

KEY = "Zq7-Kd0_pW9xLm4T"
EXAMPLE = """
# LLM Integration settings
llm:
    # General LLM settings
    provider: "openai" # Options: "openai", "huggingface", "anthropic"
    api_endpoint: "" # Leave empty to use default endpoints
    model_name: "gpt-4"
    max_tokens: 1024
    temperature: 0.7
    embedding_dim: 768

    # Provider-specific settings
    openai:
        api_key: "" # Set via environment variable OPENAI_API_KEY
        model_name: "gpt-4"
        embedding_model: "text-embedding-3-small"
    huggingface:
        api_key: "" # Set via environment variable HF_API_TOKEN
        model_name: "mistralai/Mistral-7B-Instruct-v0.2"
        embedding_model: "sentence-transformers/all-mpnet-base-v2"
    anthropic:
        api_key: "" # Set via environment variable ANTHROPIC_API_KEY
        model_name: "claude-3-sonnet-20240229"
"""
LESSONS = """
validation:
    prompts:
        - "Explain how neural networks process information similar to the human brain."
        - "Describe the role of neuromodulators in learning and memory."
    interval: 5 # Validate every N epochs
training:
    use_llm_feedback: true # Whether to use LLM feedback during training
    feedback_weight: 0.5   # Weight of LLM feedback in loss calculation
    generate_data: false   # Whether to generate training data using LLM
"""


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "ANTHROPIC", "HF"):
        for ending in ("_API_KEY", "_API_TOKEN", "_TOKEN", "_BASE_URL"):
            monkeypatch.delenv(f"{name}{ending}", raising=False)
    monkeypatch.setenv("LLM_BRAIN_ENV_FILE", "")


def indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


@pytest.mark.parametrize("text", [EXAMPLE + LESSONS, EXAMPLE + indented(LESSONS)])
def test_the_file_is_read_with_its_lessons_inside_or_beside(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    settings = load_settings(file)
    assert (settings.llm.provider, settings.llm.max_tokens, settings.llm.embedding_dim) == ("openai", 1024, 768)
    assert (settings.sampling.temperature, settings.sampling.max_tokens) == (0.7, 1024)
    assert settings.llm.openai.embedding_model == "text-embedding-3-small"
    assert len(settings.validation.prompts) == 2
    assert settings.validation.interval == 5
    assert settings.training.use_llm_feedback
    assert (settings.training.feedback_weight, settings.training.generate_data) == (0.5, False)


def test_the_example_that_is_packaged_can_be_used() -> None:
    file = Path(llm_brain.__file__).parent / "configs" / "config.yaml"
    settings = load_settings(file)
    assert settings.llm.block.model_name
    assert Settings(llm=settings.llm.model_copy(update={"provider": "huggingface"})).llm.block.model_name


@pytest.mark.parametrize(
    ("provider", "variable", "model"),
    [
        ("openai", "OPENAI_API_KEY", "gpt-4"),
        ("huggingface", "HF_API_TOKEN", "mistralai/Mistral-7B-Instruct-v0.2"),
        ("anthropic", "ANTHROPIC_API_KEY", "claude-3-sonnet-20240229"),
    ],
)
def test_the_provider_decides_the_model_and_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str, variable: str, model: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(EXAMPLE.replace('provider: "openai"', f"provider: {provider}"), encoding="utf-8")
    with pytest.raises(MissingKeyError, match=variable):
        load_settings(file).backend()
    monkeypatch.setenv(variable, KEY)
    backend = load_settings(file).backend()
    assert backend.model_id == model
    with pytest.warns(ConfigWarning, match="LLMInterface.from_config"):
        assert resolve_model(file).model_id == model


def test_the_block_of_the_provider_comes_before_the_general_name() -> None:
    llm = {"model_name": "general", "api_endpoint": "http://127.0.0.1:1/v1", "openai": {"model_name": "special"}}
    assert load_settings({"llm": llm}).backend().model_id == "special"
    assert load_settings({"llm": {**llm, "openai": None}}).backend().model_id == "general"


def test_an_endpoint_is_where_the_model_is_asked() -> None:
    backend = load_settings({"llm": {"model_name": "m", "api_endpoint": "http://127.0.0.1:1/v1"}}).backend()
    assert isinstance(backend, OpenAIBackend)
    assert backend.base_url == "http://127.0.0.1:1/v1"


def test_the_model_for_texts_as_vectors_is_another_one() -> None:
    llm = {"model_name": "m", "api_endpoint": "http://127.0.0.1:1/v1", "openai": {"embedding_model": "e"}}
    other = load_settings({"llm": llm}).embedding_backend()
    assert isinstance(other, LanguageBackend)
    assert other.model_id == "e"
    assert load_settings({"llm": {**llm, "openai": {}}}).embedding_backend() is None


@pytest.mark.parametrize(("llm", "name"), [({"provider": "local"}, "local"), ({"provider": "human"}, "human")])
def test_a_model_without_a_provider_is_the_shared_one(llm: dict[str, Any], name: str) -> None:
    assert load_settings({"llm": llm}).backend() is resolve_model(name)


def test_a_file_that_names_no_model_says_which_key_would() -> None:
    with pytest.raises(DataError, match=r"the mapping: `llm.openai.model_name`, or `llm.model_name`, has to name the model"):
        load_settings({"llm": {"provider": "openai"}}).backend()


@pytest.mark.parametrize("data", [{}, {"llm": None}, {"llm": {"max_tokens": 64, "model_name": ""}}, {"validation": {}}])
def test_a_file_that_says_nothing_of_which_model_means_the_embedded_one_as_the_constructor_does(data: dict[str, Any]) -> None:
    assert load_settings(data).backend() is resolve_model("local")


def test_numbers_of_a_file_that_stands_for_a_model_are_said_not_to_count(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("llm: {provider: local, max_tokens: 3, temperature: 0.5}")
    with pytest.warns(ConfigWarning, match=r"one\.yaml: `llm.max_tokens` and `llm.temperature` count for LLMInterface"):
        assert resolve_model(str(file)) is resolve_model("local")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"lm": {}}, "unknown key `lm`: did you mean `llm`?"),
        ({"llm": {"modelname": "m"}}, "unknown key `llm.modelname`: did you mean `model_name`?"),
        ({"llm": {"openai": {"api_kye": KEY}}}, "unknown key `llm.openai.api_kye`: did you mean `api_key`?"),
        ({"llm": {"openai": {"api_kye": None}}}, "unknown key `llm.openai.api_kye`"),
        (
            {"llm": {"provider": "opnai"}},
            "`llm.provider`: input should be 'openai', 'huggingface', 'anthropic', 'local' or 'human'",
        ),
        ({"llm": {"max_tokens": "many"}}, "`llm.max_tokens`: input should be a valid integer, got 'many'"),
        ({"llm": {"max_tokens": 0}}, "`llm.max_tokens`: input should be greater than 0, got 0"),
        ({"llm": {"temperature": -1}}, "`llm.temperature`: input should be greater than or equal to 0, got -1"),
        ({"llm": {"temperature": float("nan")}}, "`llm.temperature`: input should be "),
        ({"llm": {"temperature": True}}, "`llm.temperature`: input should be a valid number"),
        ({"llm": {"api_endpoint": "localhost"}}, "`llm.api_endpoint`: should be an address"),
        ({"llm": []}, "`llm`: input should be an object, got a list"),
        ({"validation": {"prompts": "one"}}, "`validation.prompts`: input should be a valid "),
        ({"validation": {"prompts": ["one", ""]}}, "`validation.prompts[1]`: should be a question, and is empty"),
        ({"validation": {"interval": 0}}, "`validation.interval`: input should be greater than 0, got 0"),
        ({"training": {"feedback_weight": -0.1}}, "`training.feedback_weight`: input should be greater than or equal to 0"),
        ({"training": {"use_llm_feedback": "maybe"}}, "`training.use_llm_feedback`: input should be a valid boolean"),
        ({"training": {}, "llm": {"training": {}}}, "`training` stands twice"),
    ],
)
def test_a_wrong_key_or_value_says_what_was_expected(data: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as caught:
        load_settings(data)
    assert str(caught.value).startswith("the mapping: ")
    assert said in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_key_in_the_file_works_and_is_warned_of_and_never_shown() -> None:
    with pytest.warns(ConfigWarning, match="the mapping holds an API key") as heard:
        settings = load_settings({"llm": {"openai": {"api_key": KEY, "model_name": "m"}}})
    assert settings.backend().model_id == "m"
    shown = [repr(settings), str(settings), settings.model_dump_json(), str(heard[0].message), repr(settings.backend())]
    assert all(KEY not in text for text in shown)


def test_a_key_of_a_provider_that_is_not_used_is_hidden_too() -> None:
    with pytest.warns(ConfigWarning, match="holds an API key"):
        load_settings({"llm": {"provider": "local", "anthropic": {"api_key": "unused-0123456789"}}})
    assert redact("sent unused-0123456789") == "sent [redacted]"


def test_settings_cannot_be_changed_by_accident() -> None:
    settings = load_settings({})
    with pytest.raises(ValidationError, match="frozen"):
        settings.llm.temperature = 1.0  # type: ignore[misc]


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(DataError) as caught:
        load_settings({"llm": {"provider": "local", "modle_name": "m", "temperature": -3}, "validaton": {}})
    for told in ("`validaton`: did you mean", "`llm.modle_name`: did you mean", "`llm.temperature`: input should be greater"):
        assert told in str(caught.value)
    assert "extra inputs" not in str(caught.value)
