"""Training with feedback: in which direction it pulls, on what, what it counts, and what it does when no score comes."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.backends import Request
from llm_brain.errors import ArgumentError, BackendError, DataError
from llm_brain.interface import Described, FeedbackWarning, Labels, LLMInterface, NearestTexts, Outputs, Teacher, Tokens
from llm_brain.interface.feedback import policy_loss
from llm_brain.strategy import llm_strategy
from llm_brain.tracing import read_spans, record
from llm_brain.training import rloo
from tests.interface.models import SIZE, Rules, Scripted, judged_by

COLOURS = Labels(["red", "green", "blue"])
PROMPTS = ["the sky", "a rose", "grass"]
TRUTH = {"the sky": "blue", "a rose": "red", "grass": "green"}


def right(task: str, output: str) -> float:
    return float(TRUTH[task] == output)


def nothing(output: Tensor, _target: Tensor) -> Tensor:
    """Be a loss that teaches nothing, so that feedback alone does."""
    return output.sum() * 0.0


def network(size: int = 3) -> nn.Linear:
    """Make a network that gives one-hot inputs logits of their own, all equal at first."""
    model = nn.Linear(3, size)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return model


def train(interface: LLMInterface, model: nn.Module, **options: Any) -> Any:
    data = {
        "inputs": torch.eye(3),
        "targets": torch.zeros(3).long(),
        "optimizer": torch.optim.SGD(model.parameters(), 1.0),
        "loss_fn": nothing,
        "epochs": 30,
        "feedback_weight": 1.0,
        "prompts": PROMPTS,
    }
    return interface.train_with_llm_feedback(model, **{**data, **options})


def probabilities(model: nn.Module) -> Tensor:
    return torch.softmax(model(torch.eye(3)), dim=-1).detach()


def liked(model: nn.Module) -> list[float]:
    """Tell how likely the network gives the answer that the judge likes, prompt by prompt."""
    labels = COLOURS.labels
    return [float(row[labels.index(TRUTH[prompt])]) for prompt, row in zip(PROMPTS, probabilities(model), strict=True)]


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
    assert all(epoch.reward is not None and 0.1 <= epoch.reward <= 0.85 for epoch in history)


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


def test_the_gradient_is_on_average_that_of_the_expected_score() -> None:
    logits = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64, requires_grad=True)
    rewards = torch.tensor([0.1, 0.9, 0.4], dtype=torch.float64)
    (exact,) = torch.autograd.grad((torch.softmax(logits, 0) * rewards).sum(), logits)
    mean = torch.zeros(3, dtype=torch.float64)
    for draws in itertools.product(range(3), repeat=3):
        logs = torch.log_softmax(logits, 0)[list(draws)][None]
        loss = policy_loss(logs, rewards[list(draws)][None], torch.ones(1, 3).bool())
        mean -= torch.autograd.grad(loss, logits)[0] * logs.detach().sum().exp()
    assert torch.allclose(mean, exact)


def test_the_objective_is_that_of_the_training_loop_for_answers_just_drawn() -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 5, requires_grad=True)
    answers, rewards, known = torch.randint(5, (4, 3)), torch.rand(4, 3), torch.rand(4, 3) > 0.3
    logs = torch.log_softmax(logits, dim=-1).gather(1, answers)
    mine = policy_loss(logs, rewards, known)
    theirs = rloo(logits, answers, rewards, known, logs.detach())
    assert torch.allclose(mine, theirs)
    assert torch.allclose(*(torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (mine, theirs)))


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
    history = train(judged_by(rules, outputs=words), shaped, answers_per_prompt=8, epochs=60)
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
    train(interface, model, epochs=60)
    assert similarity() > before + 0.3
    assert outputs.answers(model(torch.eye(3)).detach(), interface.vectors) == ["a train"] * 3


def test_texts_can_be_the_inputs() -> None:
    torch.manual_seed(0)
    model = nn.Linear(SIZE, 3)
    rules = Rules(right)
    train(judged_by(rules, outputs=COLOURS), model, inputs=PROMPTS, prompts=None, epochs=60)
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


def test_the_same_seed_trains_the_same_network() -> None:
    weights = []
    for seed in (1, 1, 2):
        model = network()
        train(judged_by(right, outputs=COLOURS), model, seed=seed, batch_size=2)
        weights.append(model.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_all_inputs_are_seen_in_every_epoch_in_batches() -> None:
    seen: list[int] = []

    class Watching(nn.Linear):
        def forward(self, given: Tensor) -> Tensor:
            seen.extend(given.argmax(dim=-1).tolist())
            assert len(given) <= 2
            return super().forward(given)

    model = Watching(3, 3)
    train(judged_by(right, outputs=COLOURS), model, epochs=4, batch_size=2)
    assert [sorted(seen[at : at + 3]) for at in range(0, 12, 3)] == [[0, 1, 2]] * 4


def test_each_part_of_the_network_is_in_the_mode_that_it_was_in() -> None:
    seen: list[bool] = []

    class Watched(nn.Linear):
        def forward(self, given: Tensor) -> Tensor:
            seen.append(self.training)
            return super().forward(given)

    model = nn.Sequential(Watched(3, 3), nn.Identity())
    model[1].eval()
    options = {"validation_prompts": ["the sky"], "validation_interval": 1, "encode": lambda _: torch.eye(3)[:1]}
    train(judged_by(right, outputs=COLOURS), model, epochs=2, **options)
    assert seen == [True, False, True, False]
    assert [module.training for module in model] == [True, False]


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
        ({"epochs": 0}, "epochs must be 1 or more"),
        ({"answers_per_prompt": 1}, "answers_per_prompt must be 2 or more"),
        ({"feedback_weight": -1}, "feedback_weight must be 0 or more"),
        ({"feedback_weight": math.nan}, "feedback_weight must be 0 or more"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
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
    assert all(span.attributes["llm_brain.metric.loss"] >= 0 for span in kinds["step"])


def test_a_bar_shows_the_epochs_where_it_is_wanted_and_none_is_shown_without_a_terminal(capsys: Any) -> None:
    for wanted, shown in ((None, False), (False, False), (True, True)):
        train(judged_by(right, outputs=COLOURS), network(), epochs=2, progress=wanted)
        told = capsys.readouterr()
        assert ("2/2" in told.err and "reward" in told.err) is shown
        assert not told.out


def test_an_answer_that_was_drawn_is_the_one_that_is_judged() -> None:
    seen: list[tuple[str, str]] = []

    class Numbered(Outputs):
        """Draws texts that say which input they belong to."""

        def answers(self, output: Tensor, vectors: Any = None) -> list[str]:
            raise NotImplementedError

        def draw(self, output: Tensor, number: int, *_: Any) -> Any:
            from llm_brain.interface.outputs import Drawn

            texts = [[f"{PROMPTS[int(row.argmax())]} {draw}" for draw in range(number)] for row in output]
            return Drawn(texts, torch.log_softmax(output, dim=-1)[:, :number], output.sum() * 0)

    def note(task: str, output: str) -> float:
        seen.append((task, output))
        return 0.5

    model = nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.eye(3))
    train(judged_by(note, outputs=Numbered()), model, answers_per_prompt=2, epochs=1)
    assert sorted(seen) == sorted((prompt, f"{prompt} {draw}") for prompt in PROMPTS for draw in range(2))


class _nothing:  # noqa: N801 - it stands where a context manager does
    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        return
