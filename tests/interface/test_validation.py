"""Validation by a judge, and training data that a model writes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from llm_brain.backends import Request
from llm_brain.brain import Brain, BrainConfig, Choice
from llm_brain.errors import ArgumentError, BackendError, DataError
from llm_brain.interface import (
    FeedbackWarning,
    GeneratedData,
    Labels,
    LLMInterface,
    NearestTexts,
    Teacher,
    Tokens,
    TrainingPair,
)
from llm_brain.strategy import llm_strategy
from llm_brain.tracing import read_spans, record
from tests.interface.models import SIZE, Rules, Scripted, judged_by, vector_of

COLOURS = Labels(["red", "blue"])
PROMPTS = ["the sky", "a rose", "the sea"]
TRUTH = {"the sky": "blue", "a rose": "red", "the sea": "blue"}


def right(task: str, output: str) -> float:
    return float(TRUTH[task] == output)


class Always(nn.Module):
    """Gives the same logits to every input, whatever the input is."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits, dtype=torch.float32))
        self.seen: list[Tensor] = []

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen.append(inputs)
        return self.logits.expand(len(inputs), -1)


def test_every_prompt_is_answered_judged_and_averaged() -> None:
    rules = Rules(right)
    average, results = judged_by(rules, outputs=COLOURS).validate_with_llm(Always(0, 1), PROMPTS, "cpu")
    assert average == pytest.approx(2 / 3)
    assert [(each.task, each.output, each.score, each.reason) for each in results] == [
        ("the sky", "blue", 1.0, "by rule"),
        ("a rose", "blue", 0.0, "by rule"),
        ("the sea", "blue", 1.0, "by rule"),
    ]
    assert sorted(rules.judged) == sorted((prompt, "blue") for prompt in PROMPTS)


def test_the_network_reads_the_vectors_of_the_prompts() -> None:
    model = Always(0, 1)
    judged_by(right, outputs=COLOURS).validate_with_llm(model, PROMPTS)
    assert model.seen[0].tolist() == [vector_of(prompt).tolist() for prompt in PROMPTS]


def test_the_network_reads_what_it_is_told_to_read() -> None:
    model = Always(0, 1)
    judged_by(right, outputs=COLOURS).validate_with_llm(model, PROMPTS, encode=lambda texts: torch.ones(len(texts), 5))
    assert model.seen[0].shape == (3, 5)


def test_failed_evaluations_are_counted_and_left_out_of_the_average() -> None:
    def half(request: Request) -> str:
        good = "rose" not in str(request.messages)
        return json.dumps({"reason": "so", "score": 0.5 if good else 50})

    interface = LLMInterface(backend=Scripted(half), embedding_dim=None, outputs=COLOURS)
    validation = interface.validate_with_llm(Always(0, 1), PROMPTS)
    assert (validation.average_score, validation.failures) == (0.5, 1)
    assert validation.results[1].score is None
    assert isinstance(validation.results[1].error, BackendError)


def test_without_any_score_there_is_no_average_and_a_warning() -> None:
    interface = LLMInterface(backend=Scripted("Very good!"), embedding_dim=None, outputs=COLOURS)
    with pytest.warns(FeedbackWarning, match="none of 3 evaluations gave a score"):
        average, results = interface.validate_with_llm(Always(0, 1), PROMPTS)
    assert average is None
    assert len(results) == 3


def test_validation_leaves_the_network_as_it_was() -> None:
    class Torn(nn.Identity):
        def forward(self, inputs: Tensor) -> Tensor:
            assert not self.training
            assert not torch.is_grad_enabled()
            return inputs

    model = nn.Sequential(Torn(), nn.Linear(SIZE, 2), nn.BatchNorm1d(2))
    model[2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    interface = judged_by(lambda _task, _output: 1.0, outputs=COLOURS)
    first, second = (interface.validate_with_llm(model, PROMPTS).results for _ in range(2))
    assert first == second
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert (model.training, model[0].training, model[2].training) == (True, True, False)


def test_a_brain_is_a_network_like_any_other() -> None:
    brain = Brain(BrainConfig(input_size=SIZE, answer=Choice(options=2), width=8, heads=1))
    interface = judged_by(right, outputs=COLOURS)
    average, _ = interface.validate_with_llm(brain, PROMPTS, encode=lambda texts: interface.vectors.sequences(texts, 4))
    assert average in (pytest.approx(1 / 3), pytest.approx(2 / 3), 0.0, 1.0)


@pytest.mark.parametrize("prompts", [[], None, "the sky"])
def test_there_must_be_a_list_of_prompts(prompts: Any) -> None:
    with pytest.raises(ArgumentError, match="validation_prompts"):
        judged_by(right, outputs=COLOURS).validate_with_llm(Always(0, 1), prompts)


def test_the_prompts_of_the_config_are_asked_where_there_are_no_others() -> None:
    interface = LLMInterface.from_config(
        {"llm": {"provider": "local", "embedding_dim": 8}, "validation": {"prompts": PROMPTS}},
        outputs=COLOURS,
        teacher=llm_strategy(Rules(right))(Teacher)(),
    )
    _, results = interface.validate_with_llm(Always(0, 1), encode=lambda texts: torch.ones(len(texts), 1))
    assert [each.task for each in results] == PROMPTS


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.LSTM(SIZE, 2), "neither a tensor nor has `logits`"),
        (nn.Flatten(0), r"should be logits \[n, 2\]"),
        (nn.Linear(SIZE, 3), r"should be logits \[n, 2\]"),
        (nn.AdaptiveAvgPool1d(2), "outputs for 3 prompts"),
    ],
)
def test_a_network_that_does_not_fit_is_told_apart(model: nn.Module, said: str) -> None:
    def encode(texts: Any) -> Tensor:
        inputs = torch.ones(len(texts), SIZE)
        return inputs[:2] if isinstance(model, nn.AdaptiveAvgPool1d) else inputs

    with pytest.raises(ArgumentError, match=said):
        judged_by(right, outputs=COLOURS).validate_with_llm(model, PROMPTS, encode=encode)


def test_a_validation_is_seen_in_the_trace_with_its_evaluations(tmp_path: Any) -> None:
    model = Scripted(json.dumps({"reason": "so", "score": 0.5}))
    with record(tmp_path):
        LLMInterface(backend=model, embedding_dim=None, outputs=COLOURS).validate_with_llm(Always(0, 1), PROMPTS)
    spans = list(read_spans(tmp_path))
    (validation,) = [span for span in spans if span.kind == "validation"]
    evaluations = [span for span in spans if span.kind == "evaluation"]
    assert [span.attributes["llm_brain.score"] for span in [validation, *evaluations]] == [0.5] * (1 + len(PROMPTS))
    assert {span.parent_id for span in evaluations} == {validation.span_id}
    asked = [span.parent_id for span in spans if span.kind == "function"]
    assert len(asked) == len(PROMPTS)
    assert set(asked) == {span.span_id for span in evaluations}


def pair(text: str, answer: str) -> str:
    return json.dumps({"input": text, "output": answer})


def writer(*replies: Any, **options: Any) -> LLMInterface:
    return LLMInterface(backend=Scripted(*replies), embedding_dim=None, **options)


def test_pairs_become_tensors_of_the_declared_shapes() -> None:
    interface = writer(pair("the sky at noon", "blue"), pair("a rose", "red"), outputs=COLOURS)
    data = interface.generate_training_data(["sky", "roses"], sequence_length=6, output_size=2, concurrency=1)
    inputs, targets = data
    assert inputs.shape == (2, 6, SIZE)
    assert inputs[1, 0].tolist() == vector_of("a").tolist()
    assert not inputs[1, 2:].any()
    assert targets.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert isinstance(data, GeneratedData)
    assert data.prompts == ["the sky at noon", "a rose"]
    assert [each.output for each in data.pairs] == ["blue", "red"]


def test_a_model_is_asked_for_one_of_the_labels_and_may_give_no_other() -> None:
    model = Scripted(pair("grass", "green"), pair("grass", "blue"))
    data = LLMInterface(backend=model, outputs=COLOURS).generate_training_data(["grass"], 2)
    assert data.targets.tolist() == [[0.0, 1.0]]
    assert model.requests[0].schema is not None
    assert model.requests[0].schema["properties"]["output"]["enum"] == ["red", "blue"]
    assert len(model.requests) == 2


def test_another_writer_of_the_standard_pairs_is_asked_for_a_label_too() -> None:
    other = Scripted(pair("grass", "blue"))
    interface = writer(outputs=COLOURS, teacher=llm_strategy(other)(Teacher)())
    interface.generate_training_data(["grass"], 2)
    assert other.requests[0].schema is not None
    assert other.requests[0].schema["properties"]["output"]["enum"] == ["red", "blue"]
    assert other.requests[0].sampling.temperature > 0


def test_generated_data_are_drawn_as_the_object_says_and_each_mention_of_a_topic_is_another_sample() -> None:
    model = Scripted(lambda request: pair(f"text {request.sample}", "red"))
    interface = LLMInterface(backend=model, temperature=0.9, max_tokens=55, outputs=COLOURS)
    data = interface.generate_training_data(["tea"] * 3, 2)
    assert sorted(data.prompts) == ["text 0", "text 1", "text 2"]
    assert {(each.sampling.temperature, each.sampling.max_tokens) for each in model.requests} == {(0.9, 55)}


def test_pairs_that_cannot_be_used_are_counted_by_reason() -> None:
    replies = [pair("a b", "xy"), pair("A  b", "x"), pair(" ", "x"), pair("c", "xxxxx"), pair("d", " "), "nonsense"]
    interface = writer(*replies, outputs=Tokens(Letters(), end=0))
    data = interface.generate_training_data([str(n) for n in range(6)], 2, 3, concurrency=1)
    assert dict(data.refused) == {"duplicate": 1, "empty": 2, "does not fit": 1, "failed": 1}
    assert data.prompts == ["a b"]
    assert data.targets.tolist() == [[24, 25, 0]]


class Letters:
    def encode(self, text: str) -> list[int]:
        return [ord(letter) - ord("a") + 1 for letter in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(chr(ord("a") + token - 1) for token in ids)


def test_tokens_are_ids_and_what_torch_leaves_out() -> None:
    data = writer(pair("say hi", "hi"), outputs=Tokens(Letters())).generate_training_data(["greetings"], 2, 4)
    assert data.targets.tolist() == [[8, 9, -100, -100]]
    loss = nn.functional.cross_entropy(torch.zeros(1, 27, 4), data.targets)
    assert float(loss) == pytest.approx(torch.tensor(27.0).log().item())


@pytest.mark.parametrize("outputs", [None, NearestTexts(["blue", "red"])])
def test_other_outputs_are_vectors_of_the_answer(outputs: Any) -> None:
    data = writer(pair("the sky", "blue"), outputs=outputs).generate_training_data(["sky"], 2, 5)
    assert data.targets.shape == (1, 5)
    if outputs is not None:
        assert outputs.answers(data.targets, writer().vectors) != []
        assert writer().model_output_to_prompt(data.targets, outputs=outputs).startswith("'blue' (cosine similarity 1.00")


def test_sizes_that_do_not_fit_are_refused_before_anything_is_paid_for() -> None:
    model = Scripted()
    interface = LLMInterface(backend=model)
    none = "give `output_size`"
    for outputs, size, said in ((COLOURS, 64, "output_size is 64"), (None, None, none), (None, 0, none)):
        with pytest.raises(ArgumentError, match=said):
            interface.generate_training_data(["sky"], 4, size, outputs=outputs)
    nothing: list[Any] = [[], "sky"]
    for topics in nothing:
        with pytest.raises(ArgumentError, match="`prompts`"):
            interface.generate_training_data(topics, 4, 2, outputs=COLOURS)
    assert not model.requests


def test_where_nothing_was_written_the_reason_comes_out() -> None:
    with pytest.raises(BackendError) as raised:
        writer(BackendError("no", kind="auth")).generate_training_data(["a", "b"], 2, 3)
    assert raised.value.kind == "auth"
    with pytest.raises(DataError, match="none of 2 pairs can be used: 2 empty"):
        writer(pair(" ", "x")).generate_training_data(["a", "b"], 2, 3)


def test_plain_python_can_write_pairs_too() -> None:
    class Author:
        def generate_training_pair(self, topic: str) -> TrainingPair:
            if topic == "war":
                message = "it would not"
                raise BackendError(message, kind="refusal")
            return TrainingPair(input=f"about {topic}", output="red")

    data = writer(outputs=COLOURS, teacher=Author()).generate_training_data(["tea", "war", "Tea!"], 3)
    assert data.prompts == ["about tea"]
    assert dict(data.refused) == {"failed": 1, "duplicate": 1}
    with pytest.raises(ArgumentError, match="at least one call"):
        writer(outputs=COLOURS, teacher=Author()).generate_training_data(["tea"], 3, concurrency=0)
