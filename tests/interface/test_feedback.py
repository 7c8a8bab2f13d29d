"""Training with feedback: in which direction it pulls, on what, what it counts, and what it does when no score comes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from llm_brain.backends import Request
from llm_brain.errors import ArgumentError, BackendError, DataError, DefinitionError
from llm_brain.interface import Described, FeedbackWarning, LLMInterface, NearestTexts, Teacher, Tokens
from llm_brain.strategy import llm_strategy
from llm_brain.tracing import read_spans, record
from tests.interface.colours import COLOURS, PROMPTS, liked, network, probabilities, right, train
from tests.interface.models import SIZE, Rules, Scripted, judged_by


def test_feedback_raises_the_probability_of_what_the_judge_likes() -> None:
    model = network()
    history = train(judged_by(right, outputs=COLOURS), model)
    assert min(liked(model)) > 0.8
    assert history[0].reward < 0.7 < history[-1].reward
    assert history[-1].entropy < history[0].entropy


def test_feedback_lowers_the_probability_of_what_the_judge_dislikes() -> None:
    model = network()
    train(judged_by(lambda task, output: 1 - right(task, output), outputs=COLOURS), model)
    assert max(liked(model)) < 0.1


def test_a_judge_who_counts_to_a_hundred_pulls_in_the_same_direction() -> None:
    def percent(request: Request) -> str:
        score = 85 if '"blue"' in str(request.messages) else 10
        was_refused = len(request.messages) > 2
        return json.dumps({"reason": "so", "score": score / 100 if was_refused else score})

    model = network()
    interface = LLMInterface(backend=Scripted(percent), embedding_dim=None, outputs=COLOURS)
    history = train(interface, model)
    assert probabilities(model)[:, 2].min() > 0.8
    assert all(epoch.reward is not None and 0.1 - 1e-6 <= epoch.reward <= 0.85 + 1e-6 for epoch in history)


def test_what_every_answer_earns_alike_pulls_nowhere() -> None:
    model = network()
    train(judged_by(lambda _task, _output: 0.9, outputs=COLOURS), model, entropy_bonus=0.0)
    assert probabilities(model).flatten().tolist() == pytest.approx([1 / 3] * 9, abs=1e-5)


def test_the_weight_of_feedback_is_weighed_against_the_targets() -> None:
    made = {}
    for weight in (0.0, 0.2, 20.0):
        model = network()
        train(judged_by(right, outputs=COLOURS), model, loss_fn=functional.cross_entropy, feedback_weight=weight)
        made[weight] = sum(liked(model))
    assert made[0.0] < made[0.2] < made[20.0]
    assert made[20.0] > 2.4


def test_without_a_weight_nobody_is_asked_and_neither_prompts_nor_meaning_are_needed() -> None:
    rules = Rules(right)
    model = network()
    history = train(judged_by(rules), model, feedback_weight=0.0, prompts=None, loss_fn=functional.cross_entropy)
    assert not rules.judged
    assert probabilities(model)[:, 0].min() > 0.8
    assert (history[0].reward, history[0].entropy, history[0].evaluations, history[0].cost) == (None, None, 0, 0.0)


def test_the_same_answer_is_judged_once_in_a_training() -> None:
    rules = Rules(right)
    history = train(judged_by(rules, outputs=COLOURS), network())
    assert len(rules.judged) == len(set(rules.judged)) <= 9
    assert sum(epoch.evaluations for epoch in history) == len(rules.judged)


def test_failed_evaluations_drop_out_and_are_counted() -> None:
    def partly(task: str, output: str) -> float:
        if output == "green":
            message = "no idea"
            raise BackendError(message, kind="server")
        return right(task, output)

    model = network()
    history = train(judged_by(partly, outputs=COLOURS), model)
    assert liked(model)[0] > 0.6
    assert liked(model)[1] > 0.6
    assert sum(epoch.failures for epoch in history) == 9  # three tries for each prompt
    assert all(epoch.reward is not None for epoch in history)


def test_without_any_score_the_targets_alone_are_learned_from_and_a_warning_says_so() -> None:
    made = []
    for weight in (0.0, 1.0):
        model = network()
        interface = LLMInterface(backend=Scripted("no idea"), embedding_dim=None, outputs=COLOURS)
        with pytest.warns(FeedbackWarning, match="learned from the targets alone") if weight else _nothing():
            history = train(interface, model, feedback_weight=weight, epochs=2, loss_fn=functional.cross_entropy)
        made.append(probabilities(model))
        assert history[0].reward is None
    assert torch.equal(*made)


def test_a_failure_can_end_the_training() -> None:
    interface = LLMInterface(backend=Scripted("no idea"), embedding_dim=None, outputs=COLOURS)
    with pytest.raises(BackendError, match="none of 3 replies"):
        train(interface, network(), on_failure="raise")


def test_a_refused_key_is_met_once() -> None:
    model = Scripted(BackendError("no", kind="auth"))
    interface = LLMInterface(backend=model, embedding_dim=None, outputs=COLOURS)
    with pytest.warns(FeedbackWarning, match="no"):
        train(interface, network(), concurrency=1)
    assert len(model.requests) == 1


def test_a_whole_text_of_tokens_is_drawn_and_judged() -> None:
    model = network(2 * 4)
    words = Tokens(Words(), end=0)
    rules = Rules(lambda _task, output: float(output == "bc"))
    shaped = nn.Sequential(model, nn.Unflatten(1, (2, 4)))
    history = train(judged_by(rules, outputs=words), shaped, answers_per_prompt=8)
    assert history[-1].reward > 0.9
    assert words.answers(shaped(torch.eye(3))) == ["bc"] * 3


class Words:
    def decode(self, ids: list[int]) -> str:
        return "".join(chr(ord("a") + token - 1) for token in ids)


def test_a_vector_moves_towards_the_known_text_that_the_judge_likes() -> None:
    texts = ["a cup of tea", "a train", "rain"]
    outputs = NearestTexts(texts)
    torch.manual_seed(0)
    model = nn.Linear(3, SIZE)
    interface = judged_by(lambda _task, output: float(output == "a train"), outputs=outputs)

    def similarity() -> float:
        return float(torch.cosine_similarity(model(torch.eye(3)), interface.get_embedding("a train")).min().detach())

    before = similarity()
    train(interface, model)
    assert similarity() > before + 0.3
    assert outputs.answers(model(torch.eye(3)).detach(), interface.vectors) == ["a train"] * 3


def test_texts_can_be_the_inputs() -> None:
    torch.manual_seed(0)
    model = nn.Linear(SIZE, 3)
    rules = Rules(right)
    train(judged_by(rules, outputs=COLOURS), model, inputs=PROMPTS, prompts=None)
    interface = judged_by(right, outputs=COLOURS)
    assert interface.validate_with_llm(model, PROMPTS).average_score == 1.0
    assert {task for task, _ in rules.judged} == set(PROMPTS)


def test_validation_comes_every_so_many_epochs_and_after_the_last_one() -> None:
    interface = judged_by(right, outputs=COLOURS)
    history = train(
        interface,
        network(),
        epochs=5,
        validation_prompts=PROMPTS,
        validation_interval=2,
        encode=lambda texts: torch.eye(len(texts)),
    )
    assert [epoch.epoch for epoch in history if epoch.validation_score is not None] == [2, 4, 5]


def test_prompts_are_read_for_validation_as_the_inputs_of_training_were_made() -> None:
    interface = judged_by(lambda _task, _output: 1.0, outputs=COLOURS)
    sequences = interface.vectors.sequences(PROMPTS, 5)
    model = nn.Sequential(nn.Flatten(), nn.Linear(5 * SIZE, 3))
    given = {"validation_prompts": ["the sea at night"], "epochs": 1}
    assert train(interface, model, inputs=sequences, **given)[0].validation_score == 1.0
    flat = nn.Linear(SIZE, 3)
    assert train(interface, flat, inputs=interface.vectors(PROMPTS), **given)[0].validation_score == 1.0


def test_what_a_config_says_of_training_is_done() -> None:
    config = {
        "llm": {"provider": "local", "embedding_dim": 8},
        "training": {"use_llm_feedback": False},
        "validation": {"prompts": ["the sky"], "interval": 3},
    }
    rules = Rules(right)
    interface = LLMInterface.from_config(config, outputs=COLOURS, teacher=llm_strategy(rules)(Teacher)())
    options = {"feedback_weight": None, "epochs": 4, "encode": lambda texts: torch.eye(3)[: len(texts)]}
    history = train(interface, network(), **options)
    assert [epoch.reward for epoch in history] == [None] * 4
    assert [epoch.validation_score for epoch in history].count(None) == 2
    assert {task for task, _ in rules.judged} == {"the sky"}
    config["training"] = {"feedback_weight": 0.125}
    interface = LLMInterface.from_config(config, outputs=COLOURS, teacher=llm_strategy(rules)(Teacher)())
    assert train(interface, network(), **options)[0].reward is not None


def test_the_entropy_bonus_keeps_answers_from_becoming_certain() -> None:
    entropies = []
    for bonus in (0.0, 0.5):
        history = train(judged_by(right, outputs=COLOURS), network(), entropy_bonus=bonus)
        entropies.append(history[-1].entropy)
    assert entropies[0] < entropies[1] - 0.2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prompts": None}, "give `prompts`, a text for each input"),
        ({"prompts": PROMPTS[:2]}, "3 inputs, 3 targets, 2 prompts"),
        ({"targets": torch.zeros(2).long()}, "3 inputs, 2 targets"),
        ({"outputs": Described(str)}, "feedback_weight=0"),
        ({"validation_prompts": ["a"]}, "give `encode`"),
        ({"epochs": 0}, "`epochs`: Input should be greater than or equal to 1"),
        ({"answers_per_prompt": 1}, "`answers_per_prompt`: rloo measures answers to a prompt against each other: take 2 or more"),
        ({"answers_per_prompt": 0}, "`answers_per_prompt`: Input should be greater than or equal to 1"),
        ({"feedback_weight": -1}, "`feedback_weight`: Input should be greater than or equal to 0"),
        ({"feedback_weight": math.nan}, "`feedback_weight`: Input should be greater than or equal to 0"),
        ({"objective": "ppo"}, "`objective`: Input should be 'rloo'"),
        ({"validation_interval": 0}, "`validation_interval`: Input"),
        ({"max_staleness": -1}, "`max_staleness`: Input"),
        ({"batch_size": 0}, "`batch_size`: Input should be greater than or equal to 1"),
    ],
)
def test_what_does_not_fit_is_said_before_a_step_is_made(changes: dict[str, Any], said: str) -> None:
    model = network()
    with pytest.raises(ArgumentError, match=said):
        train(judged_by(right, outputs=COLOURS), model, **changes)
    assert not model.weight.any()


def test_what_outputs_mean_has_to_be_said_for_feedback() -> None:
    with pytest.raises(ArgumentError, match=r"outputs=Labels"):
        train(judged_by(right), network())


def test_a_loss_that_is_no_number_ends_the_training_before_it_ruins_the_network() -> None:
    model = network()
    with pytest.raises(DataError, match="lower the learning rate"):
        train(judged_by(right, outputs=COLOURS), model, loss_fn=lambda output, _target: output.sum() * math.nan)
    assert torch.isfinite(model.weight).all()


def test_epochs_are_seen_in_the_trace(tmp_path: Any) -> None:
    with record(tmp_path):
        history = train(judged_by(right, outputs=COLOURS), network(), epochs=2)
    epochs = [span for span in read_spans(tmp_path) if span.name == "training epoch"]
    assert [span.attributes["llm_brain.metric.reward"] for span in epochs] == [epoch.reward for epoch in history]


def test_every_evaluation_is_seen_inside_of_the_step_that_asked_for_it(tmp_path: Any) -> None:
    with record(tmp_path):
        train(judged_by(right, outputs=COLOURS), network(), epochs=2)
    spans = {span.span_id: span for span in read_spans(tmp_path)}
    kinds = {kind: [span for span in spans.values() if span.kind == kind] for kind in ("epoch", "step", "evaluation")}
    assert {spans[span.parent_id or ""].kind for span in kinds["step"]} == {"epoch"}
    assert {spans[span.parent_id or ""].kind for span in kinds["evaluation"]} == {"step"}
    assert {span.attributes["llm_brain.score"] for span in kinds["evaluation"]} <= {0.0, 1.0}
    assert all(span.attributes.get("llm_brain.metric.loss", 0.0) >= 0 for span in kinds["step"])


def test_a_bar_shows_the_epochs_where_it_is_wanted_and_none_is_shown_without_a_terminal(capsys: Any) -> None:
    for wanted, shown in ((None, False), (False, False), (True, True)):
        train(judged_by(right, outputs=COLOURS), network(), epochs=2, progress=wanted)
        told = capsys.readouterr()
        assert ("2/2" in told.err and "reward" in told.err) is shown
        assert not told.out


@pytest.mark.parametrize("objective", ["rloo", "reinforce", "grpo", "grpo_without_std", "dpo", "best_of_k"])
def test_every_objective_raises_what_the_judge_likes(objective: str) -> None:
    model = network()
    train(judged_by(right, outputs=COLOURS), model, objective=objective)
    assert sum(liked(model)) > 1.8


def test_a_score_that_cannot_be_one_ends_the_training() -> None:
    class Wordy:
        def evaluate_output(self, task: str, output: str) -> str:
            return f"{task}: {output}"

    interface = LLMInterface(backend=Scripted(), embedding_dim=None, outputs=COLOURS, teacher=Wordy())
    with pytest.raises(DefinitionError, match="let it return an Evaluation"):
        train(interface, network())


class _nothing:  # noqa: N801 - it stands where a context manager does
    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        return
