"""The object's words and its shorter methods: what names a model, what is sent, and what comes back as text or as a tensor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from llm_brain.backends import BudgetedBackend, Reply, Usage
from llm_brain.backends.configuration.environment import ConfigWarning
from llm_brain.errors import ArgumentError, BackendError, DataError, DefinitionError, MissingKeyError
from llm_brain.interface import Labels, LLMInterface
from tests.interface.models import SIZE, Scripted, vector_of
from tests.servers.acts import streams
from tests.servers.dialects import OPENAI
from tests.servers.faulty import Stage

KEY = "sk-a-key-that-nobody-may-see"


def hosted(stage: Stage, **words: object) -> LLMInterface:
    options = {"provider": "openai", "api_endpoint": f"{stage.url}/v1", "model_name": "m-1", "api_key": KEY, **words}
    return LLMInterface(**options)


def test_the_classic_words_open_no_connection_before_the_first_question(stage: Stage) -> None:
    interface = LLMInterface(
        api_endpoint=f"{stage.url}/v1",
        model_name="m-1",
        max_tokens=99,
        temperature=0.25,
        provider="openai",
        api_key=None,
        embedding_dim=768,
    )
    assert stage.connections == 0
    assert interface.get_response("What is neuromodulation?") == "Hello!"
    (request,) = stage.requests
    assert request.path == "/v1/chat/completions"
    assert request.body["messages"] == [{"role": "user", "content": "What is neuromodulation?"}]
    assert (request.body["model"], request.body["max_tokens"], request.body["temperature"]) == ("m-1", 99, 0.25)


@pytest.mark.parametrize("provider", ["openai", "huggingface", "anthropic"])
def test_every_provider_is_asked_at_the_endpoint_with_the_key(stage: Stage, provider: str) -> None:
    interface = LLMInterface(
        provider=provider,
        api_endpoint=stage.url if provider == "anthropic" else f"{stage.url}/v1",
        model_name="m-1",
        api_key=KEY,
    )
    assert interface.get_response("Hello?") == "Hello!"
    sent = stage.requests[0].headers
    assert KEY in (sent.get("authorization", "") + sent.get("x-api-key", ""))
    assert KEY not in repr(interface) + repr(interface.backend)


@pytest.mark.parametrize("provider", ["openai", "huggingface", "anthropic"])
def test_without_a_key_the_constructor_says_which_one_is_missing(provider: str) -> None:
    with pytest.raises(MissingKeyError, match=r"_API_KEY|HF_API_TOKEN"):
        LLMInterface(provider=provider, model_name="m-1")


def test_a_key_in_a_word_is_no_key_in_a_file_and_makes_no_warning(stage: Stage, recwarn: pytest.WarningsRecorder) -> None:
    hosted(stage)
    assert not list(recwarn)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ({"provider": "opnai"}, DataError, r"LLMInterface: `provider`: input should be 'openai'.* got 'opnai'"),
        ({"provider": "openai", "api_key": "EMPTY"}, DataError, "LLMInterface: `model_name` has to name the model at 'openai'"),
        ({"provider": ""}, DataError, "`provider`: input should be"),
        ({"modle_name": "m"}, TypeError, r"LLMInterface.__init__\(\) got an unexpected keyword argument 'modle_name'"),
        (
            {"provider": "openai", "model_name": "m", "api_endpoint": "localhost"},
            DataError,
            "`api_endpoint`: should be an address",
        ),
        ({"max_tokens": 0}, DataError, "`max_tokens`"),
        ({"temperature": -1}, DataError, "`temperature`"),
        ({"embedding_dim": 0}, DataError, "`embedding_dim`"),
        ({"provider": "local", "api_key": KEY}, DefinitionError, "'local' has no use for `api_key`"),
        ({"api_endpoint": "http://127.0.0.1/v1"}, DefinitionError, "'local' has no use for `api_endpoint`"),
        ({"provider": "human", "model_name": "Ada"}, DefinitionError, "'human' has no use for `model_name`"),
        ({"teacher": object()}, DefinitionError, "`evaluate_output` or `generate_training_pair`"),
        ({"backend": "local", "model_name": "m", "api_key": KEY}, DefinitionError, "leave out `model_name`, `api_key`"),
    ],
)
def test_words_that_do_not_fit_are_refused_by_name(words: dict[str, object], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as raised:
        LLMInterface(**words)
    assert KEY not in str(raised.value)


def test_a_backend_with_its_layers_is_taken_as_it_is() -> None:
    model = BudgetedBackend(Scripted("Yes."), calls=1)
    interface = LLMInterface(backend=model)
    assert interface.get_response("Well?") == "Yes."
    assert model.left.calls == 0


def test_the_object_and_its_room_load_no_torch() -> None:
    code = (
        "import sys; from llm_brain.interface import LLMInterface; i = LLMInterface(provider='human'); "
        "print([name for name in ('torch', 'transformers', 'openai', 'aiohttp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_pieces_of_a_stream_add_up_to_the_text_and_come_one_by_one(stage: Stage) -> None:
    stage.plays(OPENAI.says("Neurons that fire together wire together."))
    pieces: list[str] = []
    text = hosted(stage).get_response("Explain neural plasticity.", streaming=True, callback=pieces.append)
    assert text == "".join(pieces) == "Neurons that fire together wire together."
    assert len(pieces) > 5


def test_a_stream_that_breaks_off_is_no_answer(stage: Stage) -> None:
    stage.plays(streams(*OPENAI.events("Neurons that fire", end=None, closed=False), then="close"))
    with pytest.raises(BackendError) as raised:
        hosted(stage).get_response("Explain.", streaming=True, callback=lambda _: None)
    assert (raised.value.kind, raised.value.raw) == ("incomplete", "Neurons that fire")


@pytest.mark.parametrize("given", [{"streaming": True}, {"callback": print}])
def test_streaming_and_its_callback_come_together(given: dict[str, object]) -> None:
    model = Scripted()
    with pytest.raises(ArgumentError, match="streaming needs a `callback`"):
        LLMInterface(backend=model).get_response("Hello?", **given)
    assert not model.requests


@pytest.mark.parametrize("streaming", [False, True])
def test_a_text_that_the_limit_cut_off_is_an_error_unless_it_is_wanted(streaming: bool) -> None:
    cut = Reply("Once upon a", "length", "scripted", Usage(3, 4))
    given = {"streaming": True, "callback": lambda _: None} if streaming else {}
    with pytest.raises(BackendError, match="max_tokens") as raised:
        LLMInterface(backend=Scripted(cut)).get_response("Tell a story.", **given)
    assert (raised.value.kind, raised.value.raw, raised.value.usage) == ("length", "Once upon a", Usage(3, 4))
    assert LLMInterface(backend=Scripted(cut), accept_cut_text=True).get_response("Tell a story.", **given) == "Once upon a"


def test_a_text_is_a_row_of_the_declared_size_and_its_embedding_is_that_row() -> None:
    interface = LLMInterface(backend=Scripted(), embedding_dim=7)
    row = interface.response_to_model_input("a cup of tea")
    assert (row.shape, row.dtype, row.requires_grad) == ((1, 7), torch.float32, False)
    assert torch.equal(row[0], interface.get_embedding("a cup of tea"))


@pytest.mark.parametrize("size", [None, SIZE])
def test_vectors_of_the_models_own_size_are_its_own(size: int | None) -> None:
    interface = LLMInterface(backend=Scripted(), embedding_dim=size)
    assert interface.get_embedding("a cup of tea").tolist() == vector_of("a cup of tea").tolist()


def test_vectors_are_asked_of_the_model_that_was_named_for_them() -> None:
    model, other = Scripted(), Scripted()
    LLMInterface(backend=model, embedding_backend=other).get_embedding("tea")
    assert (model.embedded, other.embedded) == ([], ["tea"])


def test_openai_itself_is_asked_for_vectors_by_the_model_it_has_for_them(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert LLMInterface(provider="openai", model_name="gpt-4").vectors.backend.model_id == "text-embedding-3-small"
    assert hosted(stage).vectors.backend.model_id == "m-1"
    monkeypatch.setenv("OPENAI_BASE_URL", f"{stage.url}/v1")
    assert LLMInterface(provider="openai", model_name="gpt-4").vectors.backend.model_id == "gpt-4"


def test_a_model_without_vectors_says_how_to_name_one_that_has_some(stage: Stage) -> None:
    stage.plays(OPENAI.fails(404, "there is no such model"))
    with pytest.raises(BackendError) as raised:
        hosted(stage).get_embedding("tea")
    assert any("embedding_backend=" in note for note in raised.value.__notes__)


def test_one_output_is_one_text_and_several_are_numbered() -> None:
    interface = LLMInterface(backend=Scripted(), outputs=Labels(["happy", "unhappy"]))
    assert interface.model_output_to_prompt(torch.tensor([0.0, 0.0])) == "happy (50.0%), unhappy (50.0%)"
    both = torch.tensor([[9.0, 0.0], [0.0, 9.0]], requires_grad=True)
    assert interface.model_output_to_prompt(both) == "1. happy (100.0%), unhappy (0.0%)\n2. unhappy (100.0%), happy (0.0%)"


def test_what_outputs_mean_is_never_guessed() -> None:
    with pytest.raises(ArgumentError, match=r"outputs=Labels\(\[\.\.\.\]\).*Tokens.*NearestTexts"):
        LLMInterface(backend=Scripted()).model_output_to_prompt(torch.zeros(1, 2))


FILE = """
llm:
  provider: openai
  api_endpoint: {url}/v1
  max_tokens: 77
  temperature: 0.5
  embedding_dim: 3
  openai:
    model_name: m-1
    embedding_model: for-vectors
validation:
  prompts: ["What is learning?"]
  interval: 2
training:
  use_llm_feedback: false
  feedback_weight: 0.125
  generate_data: true
"""


def test_every_key_of_a_file_does_what_it_says(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(FILE.format(url=stage.url), encoding="utf-8")
    interface = LLMInterface.from_config(tmp_path / "project.yaml", outputs=Labels(["a", "b"]))
    assert stage.connections == 0
    assert interface.get_response("Hello?") == "Hello!"
    assert interface.get_embedding("tea").shape == (3,)
    chat, vectors = (request.body for request in stage.requests)
    assert (chat["model"], chat["max_tokens"], chat["temperature"], vectors["model"]) == ("m-1", 77, 0.5, "for-vectors")
    assert (interface.validation.prompts, interface.validation.interval) == (("What is learning?",), 2)
    training = interface.training
    assert (training.use_llm_feedback, training.feedback_weight, training.generate_data) == (False, 0.125, True)
    assert interface.outputs is not None


def test_an_unknown_key_of_a_file_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text("llm: {provider: local, temprature: 0.5}", encoding="utf-8")
    with pytest.raises(DataError, match="did you mean `temperature`"):
        LLMInterface.from_config(tmp_path / "project.yaml")


def test_a_key_in_a_file_works_with_a_warning_that_does_not_show_it(stage: Stage) -> None:
    llm = {"provider": "openai", "api_endpoint": f"{stage.url}/v1", "openai": {"model_name": "m-1", "api_key": KEY}}
    with pytest.warns(ConfigWarning) as told:
        interface = LLMInterface.from_config({"llm": llm})
    assert KEY not in str(told[0].message)
    interface.get_response("Hello?")
    assert stage.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_what_is_no_text_and_no_tensor_is_refused_in_words() -> None:
    interface = LLMInterface(outputs=Labels(["yes", "no"]))
    with pytest.raises(ArgumentError, match="the content of a message is a text, got one of type NoneType"):
        interface.get_response(None)
    for turn in (interface.get_embedding, interface.response_to_model_input):
        with pytest.raises(ArgumentError, match="give one text, got one of type list"):
            turn(["tea"])
    with pytest.raises(ArgumentError, match="a network's output is a tensor, and this is of type list"):
        interface.model_output_to_prompt([1, 2])


def test_a_device_that_is_not_there_is_refused_in_words() -> None:
    interface = LLMInterface(embedding_dim=8, outputs=Labels(["red", "blue"]))
    with pytest.raises(ArgumentError, match="device 'cpuu' cannot be used"):
        interface.validate_with_llm(torch.nn.Linear(8, 2), ["the sky"], "cpuu")
