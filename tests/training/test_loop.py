"""A whole training: that it learns, what feedback adds, and that an interruption at any point changes nothing."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from llm_brain.brain import Brain, load_brain
from llm_brain.errors import BackendError, CheckpointError, DataError
from llm_brain.tracing import read_spans, record
from llm_brain.training import Lesson, Pair, TokenReader, TrainingResult, TrainingSettings, predict, train

NewBrain = Callable[[], Brain]
ALONE = TrainingSettings(epochs=6, batch_size=16, learning_rate=0.01, feedback_weight=0.0, validate_every=2, averaging=0.5)


def never(_prompt: str, _answer: int) -> float:
    raise AssertionError("nothing should be evaluated")


def scores(*values: float) -> Callable[[Sequence[tuple[str, int]]], float]:
    given = iter(values)
    return lambda _: next(given)


def weights(brain: Brain) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in brain.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_brain_learns_a_small_task_from_pairs_alone(
    new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path
) -> None:
    told: list[dict[str, float]] = []
    result = train(new_brain(), reader, replace(lesson, evaluate=never), ALONE, tmp_path, on_epoch=told.append)
    assert result.score > 0.9
    assert told == result.history
    assert [epoch["epoch"] for epoch in result.history] == [1, 2, 3, 4, 5, 6]
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert not result.brain.training
    answers = predict(result.brain, reader, lesson.held_out)
    assert lesson.validate(list(zip(lesson.held_out, answers, strict=True))) == result.score


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("after", [1, 2, 5, 6])
def test_a_training_that_is_interrupted_goes_on_as_if_it_had_not_been(
    after: int, new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path
) -> None:
    def interrupt(metrics: dict[str, float]) -> None:
        if metrics["epoch"] == after:
            raise Interrupted

    whole = train(new_brain(), reader, lesson, ALONE, tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(new_brain(), reader, lesson, ALONE, tmp_path / "cut", on_epoch=interrupt)
    torch.rand(17)  # whatever another process draws
    resumed = train(new_brain(), reader, lesson, ALONE, tmp_path / "cut")
    assert resumed.resumed_epochs == after
    assert resumed.history == whole.history
    assert resumed.score == whole.score
    assert same(weights(resumed.brain), weights(whole.brain))


def test_an_interruption_within_an_epoch_loses_that_epoch_only(
    new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path
) -> None:
    def failing(_: Sequence[tuple[str, int]]) -> float:
        raise BackendError("the server answered 503", kind="server")

    whole = train(new_brain(), reader, lesson, ALONE, tmp_path / "whole")
    with pytest.raises(BackendError):
        train(new_brain(), reader, replace(lesson, validate=failing), ALONE, tmp_path / "cut")
    resumed = train(new_brain(), reader, lesson, ALONE, tmp_path / "cut")
    assert resumed.resumed_epochs == 1
    assert resumed.history == whole.history


def test_a_finished_training_is_not_run_again(new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path) -> None:
    first = train(new_brain(), reader, lesson, ALONE, tmp_path)
    told: list[dict[str, float]] = []
    again = train(new_brain(), reader, replace(lesson, validate=scores()), ALONE, tmp_path, on_epoch=told.append)
    assert told == []
    assert (again.score, again.history, again.resumed_epochs) == (first.score, first.history, 6)
    assert same(weights(again.brain), weights(first.brain))


def changed_table(reader: TokenReader) -> TokenReader:
    return TokenReader(reader.codec.tokenizer, reader.table + 1)


def test_other_settings_pairs_or_embeddings_begin_anew(
    new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path
) -> None:
    short = ALONE.model_copy(update={"epochs": 1})
    train(new_brain(), reader, lesson, short, tmp_path)
    more = replace(lesson, pairs=[*lesson.pairs, Pair("great", 0, (0.9, 0.1), "labelled")])
    cases: list[tuple[TokenReader, Lesson, TrainingSettings]] = [
        (reader, lesson, short.model_copy(update={"seed": 1})),
        (reader, more, short),
        (changed_table(reader), more, short),
    ]
    for other in cases:
        assert train(new_brain(), *other, tmp_path).resumed_epochs == 0


def test_the_seed_decides_the_order_and_the_draws(
    new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path
) -> None:
    def losses(seed: int, folder: str) -> list[float]:
        settings = ALONE.model_copy(update={"epochs": 2, "seed": seed})
        return [epoch["loss"] for epoch in train(new_brain(), reader, lesson, settings, tmp_path / folder).history]

    assert losses(0, "a") == losses(0, "b") != losses(1, "c")


def test_a_training_that_gains_nothing_more_stops_and_keeps_the_best_weights(
    new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path
) -> None:
    settings = ALONE.model_copy(update={"epochs": 50, "validate_every": 1, "patience": 3})
    kept: list[dict[str, torch.Tensor]] = []

    def keep(_: dict[str, float]) -> None:
        kept.append(weights(load_brain(tmp_path / "best").brain))

    stubborn = replace(lesson, validate=scores(0.5, 0.6, 0.8, 0.7, 0.8, 0.79))
    result = train(new_brain(), reader, stubborn, settings, tmp_path, on_epoch=keep)
    assert (len(result.history), result.score) == (6, 0.8)
    assert same(weights(result.brain), kept[2])
    assert not same(kept[1], kept[2])


def test_a_score_that_is_not_a_number_is_beaten_by_any_that_is(
    new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path
) -> None:
    settings = ALONE.model_copy(update={"epochs": 3, "validate_every": 1})
    result = train(new_brain(), reader, replace(lesson, validate=scores(math.nan, 0.2, math.nan)), settings, tmp_path)
    assert result.score == 0.2


@pytest.mark.parametrize("missing", ["pairs", "held_out"])
def test_a_lesson_without_pairs_or_held_out_texts_is_a_data_error(
    missing: str, new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path
) -> None:
    empty: dict[str, Any] = {missing: []}
    with pytest.raises(DataError, match="the lesson has no"):
        train(new_brain(), reader, replace(lesson, **empty), ALONE, tmp_path)


def test_best_weights_that_were_deleted_are_a_checkpoint_error(
    new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path
) -> None:
    train(new_brain(), reader, lesson, ALONE, tmp_path)
    (tmp_path / "best" / "brain.json").unlink()
    with pytest.raises(CheckpointError):
        train(new_brain(), reader, lesson, ALONE, tmp_path)


def with_feedback(
    weight: float, new_brain: NewBrain, reader: TokenReader, lesson: Lesson, folder: Path, **changes: float
) -> TrainingResult:
    # The pairs say nothing: what is learned is learned from the evaluations.
    silent = replace(lesson, pairs=[replace(pair, probabilities=(0.5, 0.5)) for pair in lesson.pairs])
    settings = TrainingSettings(
        epochs=10, batch_size=8, learning_rate=0.01, feedback_weight=weight, averaging=0.5, word_dropout=0.0, max_staleness=50
    )
    return train(new_brain(), reader, silent, settings.model_copy(update=changes), folder)


def test_evaluations_alone_raise_the_reward(new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path) -> None:
    # Slowly, so that the first epoch still shows where it began.
    result = with_feedback(4.0, new_brain, reader, lesson, tmp_path / "on", entropy_bonus=0.0, learning_rate=0.0015)
    rewards = [epoch["reward"] for epoch in result.history if "reward" in epoch]
    assert rewards[0] < 0.7
    assert rewards[-1] > 0.9
    assert result.score > 0.8
    assert "reward" not in with_feedback(0.0, new_brain, reader, lesson, tmp_path / "off").history[-1]


def test_failed_evaluations_are_counted_and_end_no_training(
    new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path
) -> None:
    def failing(_prompt: str, _answer: int) -> float:
        raise BackendError("the server answered 503", kind="server", retryable=True)

    settings = ALONE.model_copy(update={"feedback_weight": 1.0})
    result = train(new_brain(), reader, replace(lesson, evaluate=failing), settings, tmp_path)
    assert result.history[-1]["evaluations_failed"] > 0
    assert "reward" not in result.history[-1]
    assert all(math.isfinite(value) for epoch in result.history for value in epoch.values())


def test_evaluations_that_never_come_do_not_hold_up_a_training(
    new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path
) -> None:
    gate = threading.Event()

    def slow(_prompt: str, _answer: int) -> float:
        gate.wait(60)
        return 1.0

    settings = ALONE.model_copy(update={"feedback_weight": 1.0, "epochs": 4, "max_staleness": 1})
    started = time.monotonic()
    try:
        result = train(new_brain(), reader, replace(lesson, evaluate=slow), settings, tmp_path)
    finally:
        gate.set()
    assert time.monotonic() - started < 30
    assert result.history[-1]["groups_used"] == 0
    assert result.history[-1]["groups_stale"] > 0


KILLED = """
import json, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from llm_brain.brain import Brain, BrainConfig, Choice
from llm_brain.training import Lesson, Pair, TokenReader, TrainingSettings, train
reader = TokenReader(Tokenizer(WordLevel({"?": 0, "good": 1, "bad": 2}, unk_token="?")), torch.eye(3))
torch.manual_seed(0)
brain = Brain(BrainConfig(input_size=3, answer=Choice(options=2), width=8, heads=1), embedding=reader.table)
pairs = [Pair(text, index, (0.9, 0.1)[:: 1 - 2 * index], "labelled") for index, text in enumerate(["good", "bad"])]
lesson = Lesson(pairs, [], ["good"], lambda prompt, answer: 1.0, lambda answers: 1.0 / (1 + len(answers)))
settings = TrainingSettings(epochs=40, validate_every=1, patience=100, feedback_weight=0.0)
def tell(metrics):
    print(int(metrics["epoch"]), flush=True)
    time.sleep(float(sys.argv[2]))
result = train(brain, reader, lesson, settings, Path(sys.argv[1]), on_epoch=tell)
print(json.dumps([result.resumed_epochs, result.history]))
"""


def test_a_killed_training_goes_on_after_its_last_whole_epoch(tmp_path: Path) -> None:
    def command(folder: str, pause: float) -> list[str]:
        return [sys.executable, "-c", KILLED, str(tmp_path / folder), str(pause)]

    undisturbed = subprocess.Popen(command("whole", 0), stdout=subprocess.PIPE, text=True)
    process = subprocess.Popen(command("killed", 0.01), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 5:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    again = subprocess.run(command("killed", 0), capture_output=True, text=True, check=True)
    resumed, history = json.loads(again.stdout.splitlines()[-1])
    _, whole = json.loads(undisturbed.communicate()[0].splitlines()[-1])
    assert 5 <= resumed < 40
    assert history == whole
    assert not list((tmp_path / "killed").glob(".training*"))


def test_epochs_steps_evaluations_and_validations_are_in_the_trace_each_inside_of_what_caused_it(
    new_brain: NewBrain, reader: TokenReader, lesson: Lesson, tmp_path: Path
) -> None:
    settings = ALONE.model_copy(update={"feedback_weight": 1.0, "epochs": 2, "validate_every": 1})
    with record(tmp_path / "run"):
        history = train(new_brain(), reader, lesson, settings, tmp_path / "training").history
    spans = {one.span_id: one for one in read_spans(tmp_path / "run")}
    of = {kind: [one for one in spans.values() if one.kind == kind] for kind in ("epoch", "step", "validation", "evaluation")}
    assert [len(of["epoch"]), len(of["step"]), len(of["validation"])] == [2, 8, 2]
    assert {spans[one.parent_id or ""].kind for one in of["step"] + of["validation"]} == {"epoch"}
    assert {spans[one.parent_id or ""].kind for one in of["evaluation"]} == {"step"}
    assert [one.attributes["llm_brain.step"] for one in of["step"]] == list(range(8))
    assert [one.attributes["llm_brain.score"] for one in of["validation"]] == [epoch["validation_score"] for epoch in history]
    assert all({"prompt", "answer"} == set(one.attributes["llm_brain.arguments"]) for one in of["evaluation"])
    losses = [one.attributes["llm_brain.metric.loss"] for one in of["step"]]
    assert [sum(losses[:4]) / 4, sum(losses[4:]) / 4] == pytest.approx([epoch["loss"] for epoch in history])
