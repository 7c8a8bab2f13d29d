"""A whole training: that it learns, that feedback adds to it, and that an interruption at any point changes nothing."""

import math
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from llm_brain.errors import BackendError, CheckpointError, DataError
from llm_brain.tracing import read_spans, record
from llm_brain.training.callbacks import Callback
from llm_brain.training.feedback import FeedbackPool
from llm_brain.training.loop.losses import log_probabilities
from llm_brain.training.loop.results import Validation
from llm_brain.training.loop.train import train
from llm_brain.training.loop.trainer import Trainer
from llm_brain.training.settings import ObjectiveName, TrainingSettings
from tests.training.loop.toy import OPTIONS, Toy

ALONE = TrainingSettings(
    epochs=6, batch_size=8, learning_rate=0.05, feedback_weight=0.0, validate_every=2, averaging=0.5, save_every=2, patience=9
)
JUDGED = ALONE.model_copy(update={"feedback_weight": 1.0, "feedback_prompts": 4, "max_staleness": 3})
BUSY = JUDGED.model_copy(update={"evaluations_in_flight": 3})


class Interrupted(Exception):
    pass


class InterruptAfter(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:  # noqa: ARG002
        if step == self.step:
            raise Interrupted


def judge(prompt: int, answer: int) -> float:
    """Right answers are those one further than what the examples say: only evaluations can teach them."""
    return float(answer == (prompt + 1) % OPTIONS)


def test_it_learns_from_examples_alone(tmp_path: Path) -> None:
    toy = Toy(dropout=0.0)
    before = toy.accuracy()
    settings = ALONE.model_copy(update={"epochs": 30})
    result = train(toy, settings, tmp_path, validate=lambda: Validation(toy.accuracy()))
    assert result.score is not None
    assert result.score > max(before, 0.8)
    assert [epoch["epoch"] for epoch in result.history] == list(range(1, 31))
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert not toy.training


@pytest.mark.parametrize("name", ["rloo", "reinforce", "grpo", "grpo_without_std", "dpo", "best_of_k"])
def test_every_objective_raises_the_reward(name: ObjectiveName, tmp_path: Path) -> None:
    toy = Toy(examples=12, prompts=12, dropout=0.0, critic=name == "reinforce")
    settings = JUDGED.model_copy(update={"epochs": 60, "objective": name, "feedback_weight": 8.0, "feedback_prompts": 12})
    history = train(toy, settings, tmp_path, evaluate=judge).history
    rewards = [epoch["reward"] for epoch in history if "reward" in epoch]
    assert sum(rewards[-10:]) / 10 > sum(rewards[:3]) / 3 + 0.05


@pytest.mark.parametrize("after", [1, 2, 3, 5, 7, 17, 29])
def test_a_training_that_is_interrupted_goes_on_as_if_it_had_not_been(after: int, tmp_path: Path) -> None:
    whole, cut = Toy(), Toy()
    expected = train(whole, ALONE, tmp_path / "whole", validate=lambda: Validation(whole.accuracy()))
    with pytest.raises(Interrupted):
        train(cut, ALONE, tmp_path / "cut", validate=lambda: Validation(cut.accuracy()), callbacks=[InterruptAfter(after)])
    torch.rand(17)  # whatever another process draws
    cut = Toy()
    resumed = train(cut, ALONE, tmp_path / "cut", validate=lambda: Validation(cut.accuracy()))
    assert resumed.resumed_steps == max([step for step in range(1, after) if step % 2 == 0 or step % 5 == 0], default=0)
    assert resumed.history == expected.history
    assert resumed.score == expected.score
    assert torch.equal(cut.weights(), whole.weights())


class Unhurried:
    """Evaluates when it pleases: each answer waits until some later step has begun."""

    def __init__(self, delays: Iterator[int]) -> None:
        self.delays, self.asked = delays, 0
        self.steps = threading.Condition()
        self.step = 0

    def __call__(self, prompt: int, answer: int) -> float:
        with self.steps:
            self.asked += 1
            until = self.step + next(self.delays, 0)
            self.steps.wait_for(lambda: self.step >= until, timeout=0.2)
        return judge(prompt, answer)

    def go_on(self, step: int) -> None:
        with self.steps:
            self.step = step
            self.steps.notify_all()


class Stepping(Callback):
    def __init__(self, evaluate: Unhurried) -> None:
        self.evaluate = evaluate

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:  # noqa: ARG002
        self.evaluate.go_on(step)


def unhurried() -> Unhurried:
    return Unhurried(iter([0, 2, 1, 0, 3, 5, 0, 1] * 200))


@pytest.mark.parametrize("settings", [JUDGED, BUSY], ids=["free", "busy"])
@pytest.mark.parametrize("after", [3, 8, 21])
def test_with_its_journal_a_training_that_was_interrupted_is_the_one_that_a_replay_gives(
    after: int, settings: TrainingSettings, tmp_path: Path
) -> None:
    evaluate = unhurried()
    with pytest.raises(Interrupted):
        train(Toy(), settings, tmp_path / "cut", evaluate=evaluate, callbacks=[Stepping(evaluate), InterruptAfter(after)])
    cut, evaluate = Toy(), unhurried()
    resumed = train(cut, settings, tmp_path / "cut", evaluate=evaluate, callbacks=[Stepping(evaluate)])
    [journal] = (tmp_path / "cut").glob("journal-*.jsonl")
    (tmp_path / "replay").mkdir()
    shutil.copy(journal, tmp_path / "replay" / journal.name)

    asked = []

    def another(prompt: int, answer: int) -> float:
        asked.append((prompt, answer))
        return 0.5  # nobody listens

    replay = Toy()
    replayed = train(replay, settings, tmp_path / "replay", evaluate=another)
    assert torch.equal(replay.weights(), cut.weights())
    names = ("loss", "reward", "entropy", "policy_loss")
    assert [[epoch.get(name) for name in names] for epoch in replayed.history] == [
        [epoch.get(name) for name in names] for epoch in resumed.history
    ]
    assert any("reward" in epoch for epoch in resumed.history)
    if settings is BUSY:
        assert '"held_back": true' in journal.read_text()
    else:
        assert asked == []


def test_nothing_is_drawn_while_all_evaluators_are_busy() -> None:
    gate = threading.Event()

    def slow(_prompt: int, _answer: int) -> float:
        gate.wait(10)
        return 1.0

    with FeedbackPool(slow, workers=3) as pool:
        trainer = Trainer(Toy(), JUDGED, feedback=pool)
        first, second, third, fourth = trainer.batches(0)[:4]
        for batch in (first, second, third):
            assert "reward" not in trainer.train_step(batch)
        assert (pool.counts.submitted, pool.counts.held_back) == (4, 2)
        gate.set()
        pool.wait()
        assert trainer.train_step(fourth)["reward"] > 0
        assert (pool.counts.submitted, pool.counts.held_back) == (8, 2)


def test_evaluations_correct_what_the_examples_have_wrong_where_these_fade(tmp_path: Path) -> None:
    """The judge wants another answer than every example has."""
    rewards = {}
    for end in (0.0, 1.0):
        toy = Toy(examples=12, prompts=12, dropout=0.0)
        settings = JUDGED.model_copy(
            update={
                "epochs": 150,
                "feedback_weight": 1.0,
                "feedback_prompts": 12,
                "distillation_end": end,
                "schedule": "constant",
            }
        )
        history = train(toy, settings, tmp_path / str(end), evaluate=judge).history
        rewards[end] = sum(epoch.get("reward", 0.0) for epoch in history[-20:]) / 20
    assert rewards[0.0] > rewards[1.0] + 0.1


def test_a_finished_training_is_not_run_again(tmp_path: Path) -> None:
    first = train(Toy(), ALONE, tmp_path, validate=lambda: Validation(0.5))
    told: list[Any] = []

    class Told(Callback):
        def on_epoch(self, metrics: Mapping[str, float]) -> None:
            told.append(metrics)

    again = train(Toy(), ALONE, tmp_path, validate=lambda: Validation(math.nan), callbacks=[Told()])
    assert told == []
    assert (again.score, again.history, again.resumed_steps) == (first.score, first.history, 30)


def test_other_settings_and_other_data_begin_anew(tmp_path: Path) -> None:
    train(Toy(), ALONE, tmp_path)
    assert train(Toy(), ALONE.model_copy(update={"seed": 1}), tmp_path).resumed_steps == 0
    assert train(Toy(dropout=0.1), ALONE, tmp_path).resumed_steps == 0


def test_the_best_weights_are_kept_and_a_training_that_gains_nothing_stops(tmp_path: Path) -> None:
    toy = Toy()
    scores = iter([0.2, 0.9, 0.5, 0.4, 0.3, 0.2])
    weights: list[torch.Tensor] = []

    def validate() -> Validation:
        weights.append(toy.weights())
        return Validation(next(scores))

    settings = ALONE.model_copy(update={"epochs": 12, "validate_every": 1, "patience": 2})
    result = train(toy, settings, tmp_path, validate=validate)
    assert result.score == 0.9
    assert len(result.history) == 4
    assert torch.equal(toy.weights(), weights[1])


def test_of_two_validations_of_one_score_the_likelier_is_kept_and_goes_on(tmp_path: Path) -> None:
    toy = Toy()
    found = iter([(0.0, -3.0), (0.0, -2.0), (0.0, -2.5), (0.0, -1.0), (0.0, -1.0), (0.0, -4.0), (0.0, 0.0)])
    weights: list[torch.Tensor] = []

    def validate() -> Validation:
        weights.append(toy.weights())
        score, tie = next(found)
        return Validation(score, tie=tie)

    settings = ALONE.model_copy(update={"epochs": 12, "validate_every": 1, "patience": 2})
    assert len(train(toy, settings, tmp_path, validate=validate).history) == 6
    assert torch.equal(toy.weights(), weights[3])


def test_the_history_tells_what_else_a_validation_measured(tmp_path: Path) -> None:
    validation = Validation(0.5, {"agreement": 0.25, "failed": 3, "modulators": [1.0]})
    last = train(Toy(), ALONE, tmp_path, validate=lambda: validation).history[-1]
    told = {name: value for name, value in last.items() if name.startswith("validation_")}
    assert told == {"validation_score": 0.5, "validation_agreement": 0.25, "validation_failed": 3}


@pytest.mark.parametrize("described", [None, {"teacher": "the other one"}])
def test_other_judges_begin_anew(described: dict[str, str] | None, tmp_path: Path) -> None:
    validate = {"validate": lambda: Validation(0.5)}
    first = train(Toy(), ALONE, tmp_path, described={"teacher": "the one"}, **validate)
    assert train(Toy(), ALONE, tmp_path, described={"teacher": "the one"}, **validate).resumed_steps == first.history[-1]["step"]
    assert train(Toy(), ALONE, tmp_path, described=described, **validate).resumed_steps == 0


def test_one_answer_to_a_prompt_is_enough_for_reinforce(tmp_path: Path) -> None:
    toy = Toy(examples=12, prompts=12, dropout=0.0)
    told = JUDGED.model_dump() | {"epochs": 60, "objective": "reinforce", "feedback_weight": 8.0, "feedback_prompts": 12}
    history = train(toy, TrainingSettings(**told | {"answers_per_prompt": 1}), tmp_path, evaluate=judge).history
    rewards = [epoch["reward"] for epoch in history if "reward" in epoch]
    assert sum(rewards[-10:]) / 10 > sum(rewards[:3]) / 3 + 0.05
    with pytest.raises(ValidationError, match="rloo measures answers to a prompt against each other"):
        TrainingSettings(answers_per_prompt=1)


def test_a_score_that_is_no_number_is_beaten_by_any_that_is(tmp_path: Path) -> None:
    scores = iter([math.nan, 0.1, 0.05])
    assert train(Toy(), ALONE, tmp_path, validate=lambda: Validation(next(scores))).score == 0.1


def test_without_validation_the_last_weights_stay(tmp_path: Path) -> None:
    toy = Toy()
    result = train(toy, ALONE, tmp_path)
    assert result.score is None
    assert not (tmp_path / "best").exists()
    assert not torch.equal(toy.weights(), Toy().weights())


def test_a_failed_validation_ends_the_training_and_loses_nothing(tmp_path: Path) -> None:
    def failing() -> Validation:
        raise BackendError("the server answered 503", kind="server")

    whole = Toy()
    expected = train(whole, ALONE, tmp_path / "whole", validate=lambda: Validation(0.5))
    with pytest.raises(BackendError):
        train(Toy(), ALONE, tmp_path / "cut", validate=failing)
    cut = Toy()
    assert train(cut, ALONE, tmp_path / "cut", validate=lambda: Validation(0.5)).history == expected.history
    assert torch.equal(cut.weights(), whole.weights())


def test_failed_evaluations_are_counted_and_teach_nothing(tmp_path: Path) -> None:
    def failing(_prompt: int, _answer: int) -> float:
        raise BackendError("the server answered 503", kind="server")

    alone, judged = Toy(dropout=0.0), Toy(dropout=0.0)
    train(alone, ALONE, tmp_path / "alone")
    settings = JUDGED.model_copy(update={"entropy_bonus": 0.0})
    history = train(judged, settings, tmp_path / "judged", evaluate=failing).history
    assert history[-1]["feedback_failed"] > 0
    assert all("reward" not in epoch for epoch in history)
    assert torch.allclose(judged.weights(), alone.weights(), atol=1e-5)


def test_a_loss_that_is_not_finite_is_said_and_nothing_is_updated(tmp_path: Path) -> None:
    toy = Toy()
    toy.inputs[5] = math.nan
    with pytest.raises(DataError, match="no longer a finite number"):
        train(toy, ALONE, tmp_path)


class Steep(Toy):
    """Has a finite loss, and no finite gradient."""

    def loss(self, examples: Sequence[int]) -> torch.Tensor:
        return super().loss(examples) + (0.0 * self.scores.bias).sum().sqrt()


def test_a_gradient_that_is_not_finite_is_said_and_nothing_is_updated(tmp_path: Path) -> None:
    toy = Steep()
    before = toy.weights()
    with pytest.raises(DataError, match="gradient is no longer a finite number"):
        train(toy, ALONE, tmp_path)
    assert torch.equal(toy.weights(), before)


def test_nothing_to_learn_from_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give a pair"):
        train(Toy(examples=0, prompts=0), ALONE, tmp_path)


def test_a_folder_that_cannot_be_written_is_a_checkpoint_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="Not a directory"):
        train(Toy(), ALONE, tmp_path / "file")


def test_torch_draws_afterwards_what_it_would_have_drawn(tmp_path: Path) -> None:
    toy = Toy()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    train(toy, ALONE, tmp_path)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("accumulate", [2, 3, 8])
def test_gradients_that_are_accumulated_are_those_of_the_whole_batch(accumulate: int, tmp_path: Path) -> None:
    whole, parts = Toy(dropout=0.0), Toy(dropout=0.0)
    train(whole, ALONE, tmp_path / "whole")
    train(parts, ALONE.model_copy(update={"accumulate": accumulate}), tmp_path / "parts")
    assert torch.allclose(whole.weights(), parts.weights(), atol=1e-4)


def test_bfloat16_learns_as_well(tmp_path: Path) -> None:
    toy = Toy(dropout=0.0)
    settings = ALONE.model_copy(update={"epochs": 30, "precision": "bfloat16"})
    train(toy, settings, tmp_path)
    assert toy.accuracy() > 0.8
    assert all(parameter.dtype == torch.float32 for parameter in toy.parameters())


def test_in_bfloat16_an_answer_is_drawn_as_likely_as_the_loss_finds_it() -> None:
    gate, toy = threading.Event(), Toy(dropout=0.0)

    def slow(_prompt: int, _answer: int) -> float:
        gate.wait(10)
        return 1.0

    settings = JUDGED.model_copy(update={"precision": "bfloat16"})
    with FeedbackPool(slow) as pool:
        trainer = Trainer(toy, settings, feedback=pool, optimizer=torch.optim.SGD(toy.parameters(), lr=0.0))
        trainer.train_step(range(8))
        waiting = pool.waiting()
        toy.eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            now = log_probabilities(toy.policy([group.prompt for group in waiting]), waiting)
        gate.set()
    assert now.tolist() == [pytest.approx(group.behaviour, abs=1e-6) for group in waiting]


def test_the_trace_tells_of_epochs_steps_validations_and_evaluations(tmp_path: Path) -> None:
    with record(tmp_path / "run"):
        toy = Toy()
        train(toy, JUDGED, tmp_path / "training", evaluate=judge, validate=lambda: Validation(0.5, {"agreement": 0.25}))
    spans = list(read_spans(tmp_path / "run"))
    names = [span.name for span in spans]
    assert names.count("training epoch") == 6
    assert names.count("training step") == 30
    assert names.count("validation") == 3
    assert names.count("evaluation") > 0
    assert {span.attributes["llm_brain.metric.agreement"] for span in spans if span.name == "validation"} == {0.25}


def test_a_ranking_takes_the_place_of_evaluations(tmp_path: Path) -> None:
    toy = Toy(examples=12, prompts=12, dropout=0.0)
    rankings: list[int] = []

    def rank(prompt: int, answers: Sequence[int]) -> list[int]:
        rankings.append(len(answers))
        return sorted(range(len(answers)), key=lambda place: -judge(prompt, answers[place]))

    settings = JUDGED.model_copy(update={"epochs": 60, "feedback_weight": 8.0, "feedback_prompts": 12})
    train(toy, settings, tmp_path, rank=rank)
    assert set(rankings) <= {2, 3, 4}
    toy.eval()
    best = toy.policy(range(12)).answer.best().tolist()
    assert sum(judge(prompt, answer) for prompt, answer in enumerate(best)) >= 6


@pytest.mark.parametrize("budget", [5, 40])
def test_a_budget_of_evaluations_is_kept_and_predictions_go_on(budget: int, tmp_path: Path) -> None:
    asked: list[int] = []

    def counted(prompt: int, answer: int) -> float:
        asked.append(prompt)
        return judge(prompt, answer)

    settings = JUDGED.model_copy(update={"epochs": 20, "evaluation_budget": budget})
    history = train(Toy(), settings, tmp_path, evaluate=counted).history
    assert 0 < len(asked) <= budget
    assert history[-1]["feedback_predicted"] > 0
    assert "reward" in history[-1]


def test_the_distance_from_the_reference_is_told_where_it_counts(tmp_path: Path) -> None:
    settings = JUDGED.model_copy(update={"epochs": 10, "kl_weight": 0.02})
    history = train(Toy(), settings, tmp_path, evaluate=judge).history
    assert all(epoch["kl"] >= 0 for epoch in history if "reward" in epoch)
