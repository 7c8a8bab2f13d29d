"""The example that tunes a training: what it may try, what a trial is, and what it tells."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from examples.optimize import training
from examples.optimize.training import MOOD, RUBRICS, Group, Knobs, Pairs, Report, Rewards, Rubrics, School, Unmodulated
from llm_brain.backends import resolve_model
from llm_brain.optimize import History, Run, Space, Trial
from llm_brain.training import read_messages


def test_settings_of_a_choice_exist_only_where_it_was_made() -> None:
    point = Space(Knobs).point(Knobs(feedback=Pairs(), synapses=Unmodulated()))
    assert set(point) == {"learning_rate", "feedback.objective", "synapses.modulators"}
    judged = Space(Knobs).point(Knobs(feedback=Rewards()))
    assert {"feedback[rloo].weight", "feedback[rloo].rubric", "synapses[on].longest_trace"} < set(judged)


def test_no_message_is_both_tuned_with_and_held_out() -> None:
    rows = [row for name in ("dev", "gold") for row in read_messages(MOOD / f"{name}.jsonl", "message", "mood")]
    tuned, held_out = training.groups("to tune with", rows[::2], 2), training.groups("held out", rows[1::2], 6)
    texts = [message for group in (*tuned, *held_out) for message in group.messages]
    assert len(texts) == len(set(texts)) == len(rows)
    for group in (*tuned, *held_out):
        assert 0.3 < group.moods.count("happy") / len(group.moods) < 0.7


def test_a_rubric_that_was_tried_is_not_proposed_again() -> None:
    knobs = Knobs(feedback=Rewards(rubric=RUBRICS[0]), learning_rate=0.01)
    tried = Trial(0, "default", knobs, Space(Knobs).point(knobs), status="complete", score=0.6)
    proposals = list(Rubrics().propose(History(Space(Knobs), [tried]), seed=0))
    assert [proposal.hyperparameters["feedback[rloo].rubric"] for proposal in proposals] == list(RUBRICS[1:])  # type: ignore[index]
    assert {proposal.hyperparameters["learning_rate"] for proposal in proposals} == {0.01}  # type: ignore[index]


def test_a_trial_is_shown_by_what_it_changes() -> None:
    knobs = Knobs(learning_rate=0.01, feedback=Rewards(weight=2.0))
    shown = io.StringIO()
    trial = Trial(3, "core", knobs, Space(Knobs).point(knobs), fidelity=0.5, status="complete", score=0.6)
    training.show(trial, Console(file=shown, width=120))
    said = "3 0.600 50% of them core learning_rate 0.01, feedback.objective rloo, feedback[rloo].weight 2"
    assert " ".join(shown.getvalue().split()) == said


@pytest.mark.slow
def test_a_brain_is_trained_and_answers_the_messages_of_its_case(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pool = [line["message"] for line in read_messages(MOOD / "pool.jsonl", "message")][:60]
    school = School(resolve_model("local"), tmp_path, pool)
    case = Group(name="two", messages=["I love it.", "It broke."], moods=["happy", "unhappy"])
    report = school.train(Run(case, Knobs(feedback=Pairs(), synapses=Unmodulated()), fidelity=1 / 9))
    torch.set_num_threads(threads)
    assert 0 < report.certainty < 1
    assert report.right == 1 - len(report.missed) / 2
    assert Report.model_validate_json(report.model_dump_json()) == report


@pytest.mark.slow
def test_a_study_ends_with_its_verdict_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert training.main(["--run", str(tmp_path), "--trials", "4"]) == 0
    shown = capsys.readouterr().out
    assert "On messages that nothing was chosen by: " in shown
    assert "of those messages right, over 6 trainings" in shown
