"""A study: the default first, a model that can only help, and a trajectory that no interruption changes."""

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, model_validator

from llm_brain.errors import BudgetError, DataError, DefinitionError, LLMBrainError
from llm_brain.optimize import LLMOptimizer, OptimizationStep, Study, TaskReflection
from llm_brain.tracing import read_spans, record
from tests.optimize.conftest import REFLECTION, Build, Knobs, ScriptedModel, hill


def suggest(*knobs: Any) -> OptimizationStep[Knobs]:
    return OptimizationStep[Knobs](suggestion="Try this.", hyperparameter_suggestions=list(knobs))


def trajectory(study: Study[Any, Any, Any]) -> list[Any]:
    return [(t.number, t.proposer, t.run.hyperparameters, t.run.score, t.run.exception, t.reflection) for t in study.trials]


def proposers(study: Study[Any, Any, Any]) -> list[str]:
    return [trial.proposer for trial in study.trials]


def test_the_first_trial_is_the_default(build: Build) -> None:
    study = build().run(1)
    [trial] = study.trials
    assert (trial.proposer, trial.run.hyperparameters, trial.finished) == ("default", Knobs(), True)


def test_the_models_valid_suggestions_are_tried_on_its_turns(build: Build) -> None:
    good, better = Knobs(rate=0.31, steps=6), Knobs(rate=0.3, steps=6, kind="fancy")
    study = build(model=ScriptedModel([suggest(good), suggest(better)])).run(6)
    assert proposers(study) == ["default", "model", "tpe", "tpe", "model", "tpe"]
    assert [trial.run.hyperparameters for trial in study.trials if trial.proposer == "model"] == [good, better]
    assert study.best is study.trials[4]


def test_the_model_is_shown_the_last_runs_with_its_reflections_and_the_best_hyperparameters(build: Build) -> None:
    model = ScriptedModel([suggest(Knobs(rate=0.3)), suggest(Knobs(rate=0.31))])
    build(model=model).run(5)
    assert [len(shown.task_infos) for shown in model.shown] == [1, 4]
    assert model.shown[1].best_hyperparameters.rate == pytest.approx(0.3, abs=0.3)
    assert all(info.reflection == REFLECTION for info in model.shown[1].task_infos)
    assert [run.score for run in model.reflected[:2]] == [hill(Knobs(), 0), hill(Knobs(rate=0.3), 1)]
    assert all(run.task_parameters == "climb a hill" for run in model.reflected)


def test_what_the_model_says_about_untuned_fields_is_ignored(build: Build) -> None:
    study = build(model=ScriptedModel([suggest(Knobs(rate=0.3, label="changed"))])).run(2)
    assert study.trials[1].run.hyperparameters == Knobs(rate=0.3)


def test_the_first_new_suggestion_of_several_is_taken(build: Build) -> None:
    study = build(model=ScriptedModel([suggest(Knobs(), Knobs(rate=0.2))])).run(2)
    assert study.trials[1].run.hyperparameters == Knobs(rate=0.2)


BAD = {
    "a duplicate": suggest(Knobs()),
    "a duplicate but for an untuned field": suggest(Knobs(label="other")),
    "out of bounds": OptimizationStep[Knobs].model_construct(
        suggestion="", hyperparameter_suggestions=[Knobs.model_construct(rate=7.0)]
    ),
    "not a number": OptimizationStep[Knobs].model_construct(
        suggestion="", hyperparameter_suggestions=[Knobs.model_construct(rate=math.nan)]
    ),
    "of another type": OptimizationStep[Knobs].model_construct(
        suggestion="", hyperparameter_suggestions=[Knobs.model_construct(rate="fast", steps=None)]
    ),
    "a dict": {"hyperparameter_suggestions": [{"rate": 0.1}]},
    "text": "lower the rate",
    "nothing": None,
    "no list": OptimizationStep[Knobs].model_construct(suggestion="", hyperparameter_suggestions=None),
    "a refusal": LLMBrainError("no opinion"),
    "a spent budget": BudgetError("spent"),
    "a bug": ZeroDivisionError("a bug"),
}


@pytest.mark.parametrize("reply", BAD.values(), ids=BAD)
def test_a_bad_suggestion_costs_no_trial(reply: Any, build: Build, tmp_path: Path) -> None:
    plain = build(journal=tmp_path / "plain.jsonl").run(4)
    study = build(model=ScriptedModel([reply])).run(4)
    assert proposers(study) == ["default", "tpe", "tpe", "tpe"]
    assert trajectory(study) == trajectory(plain)


def test_a_model_that_is_refused_three_times_in_a_row_is_asked_no_more_also_after_a_resumption(build: Build) -> None:
    model = ScriptedModel(["garbage"] * 20)
    build(model=model).run(9)
    build(model=model).run(20)
    assert len(model.shown) == 3
    model = ScriptedModel()
    build(model=model).run(22)
    assert model.shown == []


def test_a_good_suggestion_between_bad_ones_keeps_the_model_in_the_study(build: Build) -> None:
    replies = ["garbage", "garbage", suggest(Knobs(rate=0.3)), "garbage", "garbage", suggest(Knobs(rate=0.31))]
    assert proposers(build(model=ScriptedModel(replies)).run(20)).count("model") == 2


@pytest.mark.parametrize("reflection", [None, "well done", LLMBrainError("no"), KeyError("no"), {"feedback": 3}])
def test_a_reflection_that_fails_ends_no_study_and_is_not_asked_for_again(reflection: Any, build: Build) -> None:
    model = ScriptedModel(reflection=reflection)
    study = build(model=model).run(3)
    build(model=model).run(3)
    assert [trial.reflection for trial in study.trials] == [None, None, None]
    assert len(model.reflected) == 3


def test_a_task_that_raises_is_a_failed_trial_and_the_study_goes_on(build: Build) -> None:
    def fragile(knobs: Knobs, number: int) -> float:
        if number in {0, 2}:
            raise ValueError("diverged \ud800" + "!" * 5000)
        return hill(knobs, number)

    study = build(task=fragile).run(4)
    assert [trial.run.score is None for trial in study.trials] == [True, False, True, False]
    assert all(trial.finished for trial in study.trials)
    exception = study.trials[0].run.exception
    assert exception is not None
    assert exception.startswith("ValueError: diverged")
    assert len(exception) <= 500
    assert study.best in (study.trials[1], study.trials[3])
    assert trajectory(build(task=fragile).study) == trajectory(study)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_none_and_never_the_best(value: float, build: Build) -> None:
    study = build(task=lambda knobs, number: value if number == 1 else hill(knobs, number)).run(3)
    assert study.trials[1].run.score is None
    assert study.best is not study.trials[1]
    assert trajectory(build().study) == trajectory(study)


@pytest.mark.parametrize("fault", [lambda _: "high", lambda _: None, lambda result: result / 0])
def test_a_score_that_cannot_be_computed_is_a_failed_trial(fault: Callable[[float], Any], build: Build) -> None:
    study = build(score=fault).run(2)
    assert [trial.run.score for trial in study.trials] == [None, None]
    assert all(trial.run.exception for trial in study.trials)
    assert study.best is None


def test_a_result_of_another_type_than_was_declared_is_a_failed_trial(build: Build) -> None:
    study = build(task=lambda _knobs, _number: object(), score=lambda _: 1.0).run(2)
    assert study.best is None
    assert "return_value" in str(study.trials[0].run.exception)


def test_an_error_of_this_package_ends_the_study_and_not_the_trial(build: Build) -> None:
    def broke(knobs: Knobs, number: int) -> float:
        if number == 1:
            raise BudgetError("spent")
        return hill(knobs, number)

    with pytest.raises(BudgetError):
        build(task=broke).run(3)
    resumed = build().run(3)
    assert [trial.run.score is None for trial in resumed.trials] == [False, False, False]


def test_the_best_is_a_trial_that_was_run_and_the_default_when_nothing_beat_it(build: Build) -> None:
    level = build(task=lambda _knobs, _number: 0.0, score=float).run(4)
    assert level.best is level.trials[0]


def test_zero_and_negative_scores_are_compared_as_numbers(build: Build) -> None:
    values = [-2.0, 0.0, -1.0]
    study = build(task=lambda _knobs, number: values[number]).run(3)
    assert study.best is study.trials[1]


def test_the_same_seed_gives_the_same_study_and_another_seed_another(build: Build, tmp_path: Path) -> None:
    def study(seed: int, name: str) -> list[Any]:
        return trajectory(build(seed=seed, journal=tmp_path / name).run(8))

    assert study(0, "a") == study(0, "b")
    first, second = study(0, "c"), study(1, "d")
    assert not {str(trial[2]) for trial in first[1:]} & {str(trial[2]) for trial in second[1:]}


def test_no_point_is_tried_twice_while_there_are_others(build: Build) -> None:
    class Small(BaseModel):
        flag: bool = False
        size: Literal[1, 2, 3] = 1

    study = build(task=lambda knobs, _: float(knobs.size), hyperparameters=Small).run(8)
    points = Counter(repr(trial.run.hyperparameters) for trial in study.trials)
    assert len(points) == 6


def test_draws_that_the_models_own_validators_refuse_cost_no_trial(build: Build) -> None:
    class Ordered(BaseModel):
        low: float = Field(0.1, ge=0.0, le=1.0)
        high: float = Field(0.9, ge=0.0, le=1.0)

        @model_validator(mode="after")
        def in_order(self) -> "Ordered":
            if self.low > self.high:
                raise ValueError("low is above high")
            return self

    study = build(task=lambda knobs, _: knobs.high - knobs.low, hyperparameters=Ordered).run(8)
    assert all(trial.run.score is not None and trial.run.score >= 0 for trial in study.trials)


def test_a_model_without_anything_to_tune_is_refused(build: Build) -> None:
    class Fixed(BaseModel):
        label: str = "x"

    with pytest.raises(DefinitionError, match="no tunable field"):
        build(hyperparameters=Fixed)


def counting(runs: Counter[int]) -> Callable[[Knobs, int], float]:
    def task(knobs: Knobs, number: int) -> float:
        runs[number] += 1
        return hill(knobs, number)

    return task


def model_of(events: list[dict[str, Any]]) -> ScriptedModel:
    """The same model after a kill: what it had already suggested, it does not suggest again."""
    used = sum(event["event"] == "proposed" and event["trial"] in {1, 4} for event in events)
    return ScriptedModel([suggest(Knobs(rate=0.3)), suggest(Knobs(steps=7))][used:])


def test_a_study_that_is_killed_at_any_event_takes_the_same_course_and_runs_no_finished_trial_again(
    build: Build, tmp_path: Path
) -> None:
    whole = build(model=model_of([]), journal=tmp_path / "whole.jsonl").run(7)
    content = (tmp_path / "whole.jsonl").read_bytes()
    lines = content.splitlines(keepends=True)
    assert len(lines) == 1 + 3 * 7
    for kept in range(len(lines) + 1):
        for torn in (b"", b'{"event": "fini'):
            path = tmp_path / "killed.jsonl"
            path.write_bytes(b"".join(lines[:kept]) + torn)
            events = [json.loads(line) for line in lines[:kept]]
            done = {event["trial"] for event in events if event["event"] == "finished"}
            runs: Counter[int] = Counter()
            told: list[Any] = []
            study = build(task=counting(runs), model=model_of(events), journal=path).run(7, on_trial=told.append)
            assert trajectory(study) == trajectory(whole)
            assert runs == dict.fromkeys(set(range(7)) - done, 1)
            assert told == study.trials
            assert path.read_bytes() == content


def test_a_study_goes_on_with_more_trials(build: Build, tmp_path: Path) -> None:
    build().run(3)
    assert trajectory(build().run(6)) == trajectory(build(journal=tmp_path / "at once.jsonl").run(6))


@pytest.mark.parametrize("change", ["seed", "space"])
def test_the_journal_of_another_study_is_refused(change: str, build: Build) -> None:
    class Wider(Knobs):
        rate: float = Field(0.5, ge=0.0, le=2.0)

    build().run(1)
    with pytest.raises(DataError, match="another study"):
        build(**({"seed": 1} if change == "seed" else {"hyperparameters": Wider}))


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "finished", "trial": 5, "return_value": 1, "exception": null, "score": 1}',
        '{"event": "finished"}',
        '{"event": "proposed", "trial": 1, "proposer": "tpe", "hyperparameters": {"rate": 7}}',
        '{"event": "reflected", "trial": 0, "reflection": {}}',
        '{"event": "reflected", "trial": "zero", "reflection": null}',
    ],
)
def test_an_event_that_makes_no_sense_is_a_data_error(line: str, build: Build, tmp_path: Path) -> None:
    build().run(1)
    with (tmp_path / "study.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match="does not fit this study"):
        build()


def test_results_may_be_structured(build: Build) -> None:
    class Outcome(BaseModel):
        accuracy: float
        losses: list[float]

    def optimizer() -> LLMOptimizer[Any, Any, Any]:
        return build(
            task=lambda knobs, number: Outcome(accuracy=hill(knobs, number), losses=[1.0, math.nan]),
            score=lambda outcome: outcome.accuracy,
            result=Outcome,
            task_parameters={"data": "digits"},
        )

    before, after = optimizer().run(3).trials, optimizer().study.trials
    assert [repr(trial.run) for trial in after] == [repr(trial.run) for trial in before]
    assert isinstance(after[0].run.return_value, Outcome)
    assert isinstance(after[0].reflection, TaskReflection)


def test_trials_are_in_the_trace_inside_of_their_study(build: Build, tmp_path: Path) -> None:
    with record(tmp_path / "run"):
        study = build().run(3)
    *trials, whole = [one for one in read_spans(tmp_path / "run") if one.kind in ("trial", "study")]
    assert (whole.kind, {one.parent_id for one in trials}) == ("study", {whole.span_id})
    assert [one.attributes["llm_brain.score"] for one in trials] == [trial.run.score for trial in study.trials]
