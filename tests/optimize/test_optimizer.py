"""A study: the default first, a model that can only help, and an answer that was really run."""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from llm_brain import Hyperparameters, track_hyperparameters
from llm_brain.errors import BudgetError, DataError, DefinitionError, LLMBrainError
from llm_brain.optimize import (
    EditProposer,
    ImprovementProbability,
    Lesson,
    LessonSummary,
    OptimizationStep,
    Proposal,
    Run,
    Score,
    Study,
    StudyBudget,
    score_forecasts,
)
from llm_brain.optimize.budget import BudgetWarning
from llm_brain.optimize.choosing import ProposalWarning
from llm_brain.optimize.executors import InlineExecutor
from llm_brain.optimize.forecasts import forecasts_of
from llm_brain.tracing import read_spans, record
from tests.optimize.conftest import REFLECTION, Build, Knobs, Scripted, ScriptedModel, height, hill, trajectory


def trials(number: int) -> StudyBudget:
    return StudyBudget(trials=number)


def suggest(*knobs: Any) -> OptimizationStep[str, Knobs]:
    return OptimizationStep[str, Knobs](suggestion="Try this.", hyperparameter_suggestions=list(knobs))


def proposers(study: Study[Any]) -> list[str]:
    return [trial.proposer for trial in study.trials]


def test_the_first_trial_is_the_default(build: Build) -> None:
    study = build().run(trials(1))
    [trial] = study.trials
    assert (trial.proposer, trial.hyperparameters, trial.status, trial.score) == ("default", Knobs(), "complete", height(Knobs()))


def test_the_models_valid_suggestions_are_tried_on_its_turns(build: Build) -> None:
    good, better = Knobs(rate=0.31, steps=6), Knobs(rate=0.3, steps=6, kind="fancy")
    study = build(model=ScriptedModel([suggest(good), suggest(better)])).run(trials(6))
    told = [trial for trial in study.trials if trial.proposer == "model"]
    assert [trial.hyperparameters for trial in told] == [good, better]
    assert told[0].number == 1
    assert told[0].note == "Try this."
    assert study.best is told[1]


def test_most_trials_are_the_cores_and_a_model_that_is_right_gets_more_of_them(build: Build, tmp_path: Path) -> None:
    def share(name: str, rates: list[float]) -> int:
        model = ScriptedModel(suggest(Knobs(rate=rate)) for rate in rates)
        study = build(model=model, journal=tmp_path / name).run(trials(21))
        return proposers(study).count("model")

    right = share("right", [0.3 + number / 1000 for number in range(20)])
    wrong = share("wrong", [1 - number / 1000 for number in range(20)])
    assert wrong < right
    assert wrong <= 5
    assert 6 < right <= 13


def test_the_model_is_shown_the_best_the_worst_and_the_last_trials_with_its_reflections(build: Build) -> None:
    model = ScriptedModel([suggest(Knobs(rate=0.3)), suggest(Knobs(rate=0.31)), suggest(Knobs(rate=0.32))])
    study = build(model=model).run(trials(9))
    assert [len(shown.task_infos) for shown in model.shown][:1] == [1]
    last = model.shown[-1]
    scored = [trial.score for trial in study.trials[: len(study.trials)]]
    assert len(last.task_infos) <= 5
    assert all(info.reflection == REFLECTION for info in last.task_infos)
    assert last.best_score in scored
    assert last.best_score == max(info.score for info in last.task_infos)
    assert all(info.run.task_parameters == "climb a hill" for info in last.task_infos)


def test_what_the_model_says_about_untuned_fields_is_ignored(build: Build) -> None:
    study = build(model=ScriptedModel([suggest(Knobs.model_construct(rate=0.3, label="changed"))])).run(trials(2))
    assert study.trials[1].hyperparameters == Knobs(rate=0.3)


def test_the_first_new_suggestion_of_several_is_taken(build: Build) -> None:
    study = build(model=ScriptedModel([suggest(Knobs(), Knobs(rate=0.2))])).run(trials(2))
    assert study.trials[1].hyperparameters == Knobs(rate=0.2)


NOT_KNOBS: Any = [None, 3, "x"]
Constructed = OptimizationStep[str, Knobs].model_construct
BAD = {
    "a duplicate": suggest(Knobs()),
    "a duplicate but for an untuned field": suggest(Knobs.model_construct(label="other")),
    "out of bounds": Constructed(suggestion="", hyperparameter_suggestions=[Knobs.model_construct(rate=7.0)]),
    "not a number": Constructed(suggestion="", hyperparameter_suggestions=[Knobs.model_construct(rate=math.nan)]),
    "of another type": Constructed(suggestion="", hyperparameter_suggestions=[Knobs.model_construct(rate="fast", steps=None)]),
    "a dict": {"hyperparameter_suggestions": [{"rate": 0.1}]},
    "text": "lower the rate",
    "nothing": None,
    "no list": Constructed(suggestion="", hyperparameter_suggestions=None),
    "nothing in the list": Constructed(suggestion="", hyperparameter_suggestions=NOT_KNOBS),
    "a refusal": LLMBrainError("no opinion"),
    "a spent budget": BudgetError("spent"),
    "a bug": ZeroDivisionError("a bug"),
}


@pytest.mark.parametrize("reply", BAD.values(), ids=BAD)
def test_a_bad_suggestion_costs_no_trial(reply: Any, build: Build, tmp_path: Path) -> None:
    plain = build(model=None, journal=tmp_path / "plain.jsonl").run(trials(4))
    study = build(model=ScriptedModel([reply])).run(trials(4))
    assert proposers(study) == ["default", "core", "core", "core"]
    assert [trial.point for trial in study.trials] == [trial.point for trial in plain.trials]
    assert study.trials[1].refused[0].startswith("model: ")


def test_a_model_that_is_refused_three_times_in_a_row_is_asked_no_more_also_after_a_resumption(build: Build) -> None:
    model = ScriptedModel(["garbage"] * 40)
    build(model=model).run(trials(15))
    build(model=model).run(trials(25))
    assert len(model.shown) == 3
    model = ScriptedModel()
    build(model=model).run(trials(27))
    assert model.shown == []


@pytest.mark.parametrize("reflection", [None, "well done", LLMBrainError("no"), KeyError("no"), {"feedback": 3}])
def test_reflections_that_fail_end_no_study_and_are_not_asked_for_again(reflection: Any, build: Build) -> None:
    model = ScriptedModel(reflection=reflection)
    study = build(model=model).run(trials(5))
    build(model=model).run(trials(5))
    assert [trial.reflection for trial in study.trials] == [None] * 5
    assert model.times("reflect_on_task_run") == 3


def test_lessons_name_trials_that_there_are_and_are_shown_with_the_next_question(build: Build) -> None:
    told = LessonSummary(
        lessons=[Lesson(text="Low rates win.", trials=[0, 2, 99]), Lesson(text="Nobody showed this.", trials=[77])]
    )
    model = ScriptedModel([suggest(Knobs(rate=0.3))] * 9, lessons=told)
    study = build(model=model).run(trials(9))
    assert list(study.lessons) == [Lesson(text="Low rates win.", trials=[0, 2])]
    assert list(model.shown[-1].lessons) == list(study.lessons)


def test_forecasts_are_scored_by_what_happened(build: Build) -> None:
    sure = ImprovementProbability(considerations=["It must."], probability=1.0)
    study = build(model=ScriptedModel(forecast=sure), task=lambda _: 0.5).run(trials(6))
    assert forecasts_of(study.trials) == [(1.0, False)] * 5
    found = score_forecasts(forecasts_of(study.trials))
    assert found is not None
    assert (found.brier, found.base_rate, found.base_brier) == (1.0, 0.0, 0.0)
    assert found.recalibrated_brier < 0.7


def test_a_task_that_raises_is_a_failed_trial_and_the_study_goes_on(build: Build) -> None:
    def fragile(run: Run[str, Knobs]) -> float:
        if run.trial in {0, 2}:
            raise ValueError("diverged \ud800" + "!" * 5000)
        return hill(run)

    study = build(task=fragile).run(trials(4))
    assert [trial.status for trial in study.trials] == ["failed", "complete", "failed", "complete"]
    assert [trial.score is None for trial in study.trials] == [True, False, True, False]
    exception = study.trials[0].outcomes[0].exception
    assert exception is not None
    assert exception.startswith("ValueError: diverged")
    assert len(exception) <= 500
    assert study.best in (study.trials[1], study.trials[3])
    assert trajectory(build(task=fragile).run(trials(4)).trials) == trajectory(study.trials)


def test_a_failed_run_may_count_as_a_score(build: Build) -> None:
    def fragile(run: Run[int, Knobs]) -> float:
        if run.task_parameters == 1:
            raise ValueError("no answer")
        return 1.0

    study = build(task=fragile, task_parameters=[0, 1, 2, 3], failure_score=0.0).run(trials(1))
    assert (study.trials[0].status, study.trials[0].score) == ("complete", 0.75)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_a_failure_and_never_the_best(value: float, build: Build) -> None:
    study = build(task=lambda run: value if run.trial == 1 else hill(run)).run(trials(3))
    assert study.trials[1].score is None
    assert study.best is not study.trials[1]


@pytest.mark.parametrize("fault", [lambda *_: "high", lambda *_: None, lambda _, result: result / 0])
def test_a_score_that_cannot_be_computed_is_a_failed_trial(fault: Callable[..., Any], build: Build) -> None:
    study = build(score=fault).run(trials(2))
    assert [trial.status for trial in study.trials] == ["failed", "failed"]
    assert all(trial.outcomes[0].exception for trial in study.trials)
    assert study.best is None
    assert "it failed (" in str(study.verdict)
    assert str(study.verdict).endswith("no other trial is complete.")


def test_a_result_of_another_type_than_was_declared_is_a_failed_trial(build: Build) -> None:
    study = build(task=lambda _: "good").run(trials(2))
    assert study.best is None
    assert "TypeError: the task's result is not what `result=` says" in str(study.trials[0].outcomes[0].exception)


def test_an_error_of_this_package_ends_the_study_and_not_the_trial(build: Build) -> None:
    def broke(run: Run[str, Knobs]) -> float:
        if run.trial == 1:
            raise BudgetError("spent")
        return hill(run)

    with pytest.raises(BudgetError):
        build(task=broke).run(trials(3))
    resumed = build().run(trials(3))
    assert [trial.status for trial in resumed.trials] == ["complete"] * 3


def test_the_best_is_a_trial_that_was_run_and_the_default_when_nothing_beat_it(build: Build) -> None:
    level = build(task=lambda _: 0.0).run(trials(4))
    assert level.best is level.trials[0]
    assert level.verdict is not None
    assert level.verdict.trial == 0


def test_zero_and_negative_scores_are_compared_as_numbers(build: Build) -> None:
    values = [-2.0, 0.0, -1.0]
    study = build(task=lambda run: values[run.trial]).run(trials(3))
    assert study.best is study.trials[1]


def test_the_same_seed_gives_the_same_study_and_another_seed_another(build: Build, tmp_path: Path) -> None:
    def study(seed: int, name: str) -> list[Any]:
        return trajectory(build(seed=seed, journal=tmp_path / name).run(trials(8)).trials)

    assert study(0, "a") == study(0, "b")
    first, second = study(0, "c"), study(1, "d")
    assert not {str(trial[2]) for trial in first[1:]} & {str(trial[2]) for trial in second[1:]}


def test_a_study_ends_when_all_points_are_tried_and_none_is_tried_twice(build: Build) -> None:
    class Small(BaseModel):
        flag: bool = False
        size: Literal[1, 2, 3] = 1

    with pytest.warns(ProposalWarning, match="after 6 trials"):
        study = build(task=lambda run: float(run.hyperparameters.size), hyperparameters=Small, model=None).run(trials(8))
    points = Counter(repr(trial.hyperparameters) for trial in study.trials)
    assert len(study.trials) == len(points) == 6


def test_draws_that_the_models_own_validators_refuse_cost_no_trial(build: Build) -> None:
    class Ordered(BaseModel):
        low: float = Field(0.1, ge=0.0, le=1.0)
        high: float = Field(0.9, ge=0.0, le=1.0)

        @model_validator(mode="after")
        def in_order(self) -> "Ordered":
            if self.low > self.high:
                raise ValueError("low is above high")
            return self

    study = build(task=lambda run: run.hyperparameters.high - run.hyperparameters.low, hyperparameters=Ordered, model=None).run(
        trials(8)
    )
    assert len(study.trials) == 8
    assert all(trial.score is not None and trial.score >= 0 for trial in study.trials)


def test_a_model_without_anything_to_tune_is_refused(build: Build) -> None:
    class Fixed(BaseModel):
        label: list[str] = []

    with pytest.raises(DefinitionError, match="no tunable field"):
        build(hyperparameters=Fixed)


class Wording(BaseModel):
    prompt: str = "Say yes."


class Opaque:
    """What pydantic knows nothing of."""


class WithOpaque(Knobs):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    tool: Opaque = Field(default_factory=Opaque, frozen=True)


async def awaited(*_: Any) -> float:
    return 1.0


class Awaited:
    async def __call__(self, run: Run[str, Knobs]) -> float:
        return hill(run)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hyperparameters": {"rate": 0.1}}, "pydantic model"),
        ({"hyperparameters": Hyperparameters()}, "has seen no program: run yours once"),
        ({"task_parameters": []}, "nothing to run"),
        ({"replicates": 0}, "`replicates` is at least 1"),
        ({"parallel": 0}, "`parallel` is at least 1"),
        ({"fidelities": (0.5, 0.2, 1.0)}, "rise"),
        ({"fidelities": (0.5,)}, "rise"),
        ({"hyperparameters": Wording, "model": None}, "nobody rewrites them"),
        ({"core": "magic"}, "no sampler 'magic'"),
        ({"failure_score": math.nan}, "`failure_score` is a finite number"),
        ({"failure_score": -math.inf}, "`failure_score` is a finite number"),
        ({"failure_score": -sys.float_info.max}, r"`failure_score` is a finite number up to 1e\+300"),
        ({"proposers": [Scripted(name="core")]}, "a name of its own"),
        ({"proposers": [Scripted(), Scripted()]}, "a name of its own"),
        ({"proposers": [object()]}, "a name of its own, .*: not None"),
        ({"task": awaited}, "the task is an `async def`"),
        ({"task": Awaited()}, "the task is an `async def`"),
        ({"score": awaited}, "the score is an `async def`"),
        ({"task": None}, "the task is a function, .*: not None"),
        ({"score": 5}, "the score is a function, .*: not 5"),
        ({"replicates": 2.5}, "`replicates` is at least 1, a whole number, and was 2.5"),
        ({"confirmations": "3"}, "`confirmations` is at least 0, a whole number, and was '3'"),
        ({"parallel": "4"}, "`parallel` is at least 1, a whole number, and was '4'"),
        ({"fidelities": 0.5}, "fidelities are numbers .*: not 0.5"),
        ({"fidelities": ("a", 1)}, "fidelities are numbers .*: not .'a', 1"),
        ({"seed": None}, "`seed` is a whole number, and was None"),
        ({"failure_score": "bad"}, r"`failure_score` is a finite number up to 1e\+300, and was 'bad'"),
        ({"executor": "ray"}, "an executor is an object, .*: not 'ray'"),
        ({"executor": InlineExecutor}, "an executor is an object, .*: not <class"),
        ({"journal": None}, "a journal is the path of a file, .*: not None"),
        ({"proposers": None}, "proposers are a list, .*: not None"),
        ({"proposers": Scripted()}, "proposers are a list, .*: not <"),
        ({"proposers": [EditProposer]}, r"EditProposer is a class: write `EditProposer\(...\)`"),
        ({"result": Opaque}, "results are written down, and of their type pydantic has no schema: .*Opaque"),
        ({"task_parameters": [Opaque()]}, r"`task_parameters\[0\]` has no form in which .*Opaque"),
        ({"hyperparameters": WithOpaque}, "a model is shown .* has no schema: .*Opaque"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_once(changes: dict[str, Any], said: str, build: Build) -> None:
    with pytest.raises(DefinitionError, match=said):
        build(**changes)


def test_what_no_model_can_be_shown_is_tuned_without_one(build: Build) -> None:
    study = build(model=None, hyperparameters=WithOpaque).run(trials(3))
    assert [trial.status for trial in study.trials] == ["complete"] * 3


@pytest.mark.parametrize("cases", [[1, 2.5], ["a", 3], [1, None], [None, 1]])
def test_a_model_is_shown_cases_of_several_types(cases: list[Any], build: Build) -> None:
    proposed = OptimizationStep[Any, Knobs](
        suggestion="Try this.", hyperparameter_suggestions=[Knobs(rate=0.3)], task_parameters_suggestions=[cases[1]]
    )
    model = ScriptedModel([proposed])
    study = build(task_parameters=cases, model=model, proposes_cases=True, task=lambda _: 1.0).run(trials(2))
    assert proposers(study) == ["default", "model"]
    assert model.times("reflect_on_task_run") == 2
    assert list(study.cases) == cases


class Graded(BaseModel):
    grade: float = Field(alias="finalGrade")


def test_a_model_is_shown_results_whose_fields_have_other_names(build: Build) -> None:
    model = ScriptedModel([suggest(Knobs(rate=0.3))])
    build(
        task=lambda run: Graded(finalGrade=hill(run)), score=lambda _, told: told.grade, result=Graded, model=model
    ).run(trials(2))  # fmt: skip
    assert model.times("reflect_on_task_run") == 2
    [shown] = [asked.task_infos[0].run.return_value for name, asked in model.asked if name.startswith("suggest")]
    assert isinstance(shown, Graded)


class Question(BaseModel):
    text: str = Field(alias="questionText")


class Key(BaseModel):
    text: str
    key: str = Field(exclude=True)


def test_a_case_whose_fields_have_other_names_may_be_proposed_and_one_that_json_does_not_hold_costs_no_trial(
    build: Build, tmp_path: Path
) -> None:
    def study(known: Any, new: Any, journal: str) -> Study[Any]:
        propose = Scripted([Proposal({"rate": 0.3}, task_parameters=(new,))])
        given: dict[str, Any] = {"task": lambda _: 1.0, "task_parameters": [known], "model": None, "proposers": [propose]}
        build(**given, journal=tmp_path / journal).run(trials(2))
        return build(**given, journal=tmp_path / journal).run(trials(3))

    renamed = [Question(questionText="old"), Question(questionText="new")]
    assert list(study(*renamed, "renamed.jsonl").cases) == renamed
    kept_out = study(Key(text="old", key="a"), Key(text="new", key="b"), "kept out.jsonl")
    assert len(kept_out.trials) == 3
    assert "scripted: not valid: `key`" in kept_out.trials[1].refused[0]


def test_a_case_by_itself_and_an_iterator_of_cases_are_taken_for_what_they_are(build: Build) -> None:
    study = build(task_parameters=map(str, range(3)), selection="other").run(trials(2))
    assert list(study.cases) == ["0", "1", "2"]
    assert [len(trial.outcomes) for trial in study.trials] == [3, 3]
    assert [len(trial.checked) for trial in study.trials] == [1, 1]


def test_a_case_that_is_no_number_does_not_make_another_study(build: Build) -> None:
    for number in (1, 2):
        assert len(build(task_parameters={"from": math.nan}).run(trials(number)).trials) == number


@pytest.mark.parametrize("changes", [{"task": lambda run: awaited(run, 1)}, {"score": lambda *about: awaited(about)}])
def test_a_coroutine_that_nobody_awaits_ends_the_study_and_fails_no_trial(changes: dict[str, Any], build: Build) -> None:
    with pytest.raises(DefinitionError, match="is an `async def`, and nobody awaits it"):
        build(**changes).run(trials(3))
    study = build().run(trials(1))
    assert [trial.status for trial in study.trials] == ["complete"]


def test_no_selection_may_be_written_as_none_and_a_reputation_as_text(build: Build, tmp_path: Path) -> None:
    study = build(model=None, selection=None, reputation=str(tmp_path / "reputation.json")).run(trials(3))
    assert [trial.checked for trial in study.trials] == [[], [], []]
    assert (tmp_path / "reputation.json").exists()


def test_what_is_no_budget_is_refused(build: Build) -> None:
    budget: Any = 20
    with pytest.raises(DefinitionError, match=r"`StudyBudget\(trials=20\)`: not 20"):
        build().run(budget)


def test_a_journal_where_none_can_be_is_a_data_error(build: Build, tmp_path: Path) -> None:
    tmp_path.joinpath("file").write_text("")
    with pytest.raises(DataError, match="cannot be opened"):
        build(journal=tmp_path / "file" / "study.jsonl").run(trials(1))


def test_a_study_goes_on_with_more_trials(build: Build, tmp_path: Path) -> None:
    build().run(trials(3))
    at_once = build(journal=tmp_path / "at once.jsonl").run(trials(6))
    assert trajectory(build().run(trials(6)).trials) == trajectory(at_once.trials)


class OtherLabel(Knobs):
    label: str = Field("another one", frozen=True)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"task_parameters": "another hill"},
        {"parallel": 2},
        {"core": "random"},
        {"proposers": [Scripted()]},
        {"selection": ["unseen"]},
        {"failure_score": 0.0},
        {"hyperparameters": OtherLabel},
    ],
)
def test_the_journal_of_another_study_is_refused(change: dict[str, Any], build: Build) -> None:
    build().run(trials(1))
    with pytest.raises(DataError, match="another study: "):
        build(**change).run(trials(1))


def test_another_selection_of_as_many_cases_is_another_study(build: Build) -> None:
    build(model=None, selection=["old 1", "old 2"]).run(trials(2))
    assert len(build(model=None, selection=["old 1", "old 2"]).run(trials(3)).trials) == 3
    with pytest.raises(DataError, match="selection differs"):
        build(model=None, selection=["new 1", "new 2"]).run(trials(3))


SETS = """
import sys
from dataclasses import dataclass
from pathlib import Path
from pydantic import BaseModel, Field
from llm_brain.optimize import LLMOptimizer, StudyBudget

WORDS = frozenset({"alpha", "beta", "gamma", "delta", "epsilon"})

class Tagged(BaseModel):
    tags: set[str] = set(WORDS)

@dataclass
class Grouped:
    groups: set[frozenset[str]]

class Knobs(BaseModel):
    rate: float = Field(0.5, ge=0, le=1)
    stop: frozenset[str] = Field(WORDS, frozen=True)
    inside: dict[str, set[str]] = Field({"words": set(WORDS)}, frozen=True)

study = LLMOptimizer(
    lambda run: run.hyperparameters.rate, score=lambda _, rate: rate, hyperparameters=Knobs,
    task_parameters=[{"a": WORDS}, [Tagged()], Grouped({WORDS, frozenset({"zeta", "eta", "theta"})})],
    result=float, model=None, selection=[WORDS, {"a": WORDS}], journal=Path(sys.argv[1]),
).run(StudyBudget(trials=int(sys.argv[2])))
print(len(study.trials))
"""


def test_sets_have_the_same_order_in_another_process(tmp_path: Path) -> None:
    for count in (1, 2, 3):
        told = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SETS, str(tmp_path / "study.jsonl"), str(count)],
            env={**os.environ, "PYTHONHASHSEED": str(count)},
            check=True,
            capture_output=True,
            text=True,
        )
        assert told.stdout == f"{count}\n"


def test_fields_that_are_not_tuned_may_be_keys_and_objects_and_new_each_time(build: Build, tmp_path: Path) -> None:
    class Device:
        pass

    class Settings(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        rate: float = Field(0.5, ge=0.0, le=1.0)
        key: str = Field("sk-a-real-one", frozen=True)
        run_id: str = Field(default_factory=lambda: uuid4().hex, frozen=True)
        limit: float = Field(math.nan, frozen=True)

    def run(number: int) -> Study[Any]:
        return build(hyperparameters=Settings, task=lambda run: run.hyperparameters.rate, model=None).run(trials(number))

    run(2)
    assert len(run(3).trials) == 3
    assert "sk-a-real-one" not in (tmp_path / "study.jsonl").read_text()


@dataclass
class Message:
    text: str


@pytest.mark.parametrize("name", ["task_parameters", "selection"])
def test_a_case_that_a_journal_could_not_know_again_is_refused_at_once(name: str, build: Build) -> None:
    with pytest.raises(DefinitionError, match=rf"`{name}\[1\]` has no form in which"):
        build(model=None, **{name: ["a", object()]})
    for case in (("a", 1), {"a": 1.5}, Message("a"), Knobs(), Path("a"), None):
        build(model=None, **{name: [case]})


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "proposed", "trial": 1, "proposer": "core", "point": {"rate": 7}}',
        '{"event": "proposed", "trial": 1, "proposer": "core", "point": {"speed": 7}}',
        '{"event": "proposed", "trial": 1}',
        (
            '{"event": "proposed", "trial": 1, "proposer": "core", "point": {"rate": 0.25}, "fidelity": 1.0}\n'
            '{"event": "outcome", "trial": 1, "case": 0, "replicate": 0, "height": 3}'
        ),
    ],
)
def test_an_event_that_makes_no_sense_is_a_data_error(line: str, build: Build, tmp_path: Path) -> None:
    build(model=None).run(trials(1))
    with (tmp_path / "study.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError):
        build(model=None).run(trials(2))


def test_results_may_be_structured(build: Build) -> None:
    class Outcome(BaseModel):
        accuracy: float
        losses: list[float]

    def run() -> Study[Any]:
        return build(
            task=lambda run: Outcome(accuracy=hill(run), losses=[1.0, math.nan]),
            score=lambda _, outcome: outcome.accuracy,
            result=Outcome,
            task_parameters={"data": "digits"},
        ).run(trials(3))

    before, after = run(), run()
    assert trajectory(before.trials) == trajectory(after.trials)
    assert before.trials[0].outcomes[0].result["accuracy"] == before.trials[0].score


@pytest.mark.parametrize(("kind", "value"), [(bool, False), (int, 0), (str, ""), (list, [])])
def test_a_result_that_is_empty_or_false_is_no_missing_one_after_a_resumption(kind: Any, value: Any, build: Build) -> None:
    def shown(optimizer_trials: int) -> Any:
        model = ScriptedModel()
        build(task=lambda _: value, score=lambda *_: 0.5, result=kind, model=model).run(trials(optimizer_trials))
        return [asked.task_infos[0].run.return_value for name, asked in model.asked if name.startswith("suggest")]

    shown(1)
    assert shown(2)[0] == value
    assert shown(2) == []


def test_a_program_with_tracked_hyperparameters_is_tuned_in_its_scope(build: Build) -> None:
    @track_hyperparameters
    def shorten(text: str, *, _words: int = Field(5, ge=1, le=9)) -> str:
        return " ".join(text.split()[:_words])

    with Hyperparameters() as found:
        shorten("a b c")
    study = build(
        hyperparameters=found, task=lambda run: len(shorten(run.task_parameters).split()), task_parameters="a b c d e f g h i",
        model=None, score=lambda _, words: -abs(words - 7), result=int,
    ).run(trials(9))  # fmt: skip
    assert study.trials[0].outcomes[0].result == 5
    assert study.best is not None
    assert study.best.point == {"shorten.words": 7}
    assert all(trial.outcomes[0].result == trial.point["shorten.words"] for trial in study.trials)


def test_what_a_scorer_says_is_kept_with_the_outcome(build: Build) -> None:
    study = build(score=lambda _, result: Score(result, feedback="Too low.", dollars=0.5)).run(trials(2))
    assert study.trials[1].outcomes[0].feedback == "Too low."
    assert study.spending is not None
    assert study.spending.dollars == 1.0


class NotJson:
    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return "Too low."


def test_what_a_scorer_says_is_written_down_whatever_it_is(build: Build) -> None:
    odd: Any = NotJson(0.25)
    study = build(score=lambda _, result: Score(result, feedback=odd, dollars=odd)).run(trials(1))
    [outcome] = study.trials[0].outcomes
    assert (outcome.feedback, outcome.dollars) == ("Too low.", 0.25)


@pytest.mark.parametrize("largest", [1e300, sys.float_info.max])
def test_scores_may_be_as_large_as_can_be_reckoned_with_and_others_are_failures(largest: float, build: Build) -> None:
    def task(run: Run[int, Knobs]) -> float:
        return largest if run.trial and run.task_parameters else -largest

    study = build(task=task, task_parameters=[0, 1, 2, 3], model=None, confirmations=2).run(trials(4))
    is_known = largest <= 1e300
    assert {trial.status for trial in study.trials} == {"complete" if is_known else "failed"}
    assert study.verdict is not None
    assert study.verdict.pairs == (4 if is_known else 0)


@pytest.mark.parametrize("dollars", [math.nan, math.inf, -1.0, "much"])
def test_a_run_that_costs_no_amount_has_failed(dollars: Any, build: Build) -> None:
    study = build(score=lambda _, result: Score(result, dollars=dollars)).run(trials(2))
    assert [trial.status for trial in study.trials] == ["failed", "failed"]
    assert study.trials[0].outcomes[0].dollars == 0.0


def test_a_proposer_of_ones_own_has_its_turns(build: Build) -> None:
    lower = Scripted([Proposal({"rate": 0.31, "steps": 6}, note="closer")], [Proposal({"rate": 0.3, "steps": 6})], name="mine")
    study = build(proposers=[lower], model=None).run(trials(9))
    mine = [trial for trial in study.trials if trial.proposer == "mine"]
    assert (mine[0].number, mine[0].note, mine[0].point["rate"]) == (1, "closer", 0.31)


def test_a_budget_of_dollars_ends_the_study_and_the_trial_under_way_is_ended(build: Build) -> None:
    study = build(score=lambda _, result: Score(result, dollars=1.0)).run(StudyBudget(dollars=3.5))
    assert len(study.trials) == 4


def test_a_budget_that_will_not_last_is_told_after_the_first_trial(build: Build) -> None:
    with pytest.warns(BudgetWarning, match="lasts for about 3 of 20 trials"):
        build(score=lambda _, result: Score(result, dollars=1.0)).run(StudyBudget(trials=20, dollars=3.0))


@pytest.mark.filterwarnings("error")
def test_a_study_goes_on_where_warnings_are_errors(build: Build) -> None:
    study = build(score=lambda _, result: Score(result, dollars=1.0)).run(StudyBudget(trials=20, dollars=3.0))
    assert len(study.trials) == 3
    assert study.verdict is not None


@pytest.mark.filterwarnings("error")
def test_a_study_that_runs_out_of_points_has_a_verdict_where_warnings_are_errors(build: Build) -> None:
    class Small(BaseModel):
        flag: bool = False

    study = build(task=lambda run: float(run.hyperparameters.flag), hyperparameters=Small, model=None).run(trials(8))
    assert len(study.trials) == 2
    assert study.verdict is not None


def test_what_the_last_runs_take_is_told_after_the_first_trial(build: Build) -> None:
    def study(**changes: Any) -> Study[Any]:
        return build(score=lambda _, result: Score(result, dollars=0.01), model=None, **changes).run(
            StudyBudget(trials=3, dollars=0.1)
        )

    with pytest.warns(BudgetWarning, match=r"the last runs, .*, take about 0.6 dollars on top of the budget of 0.1"):
        found = study(selection=range(20))
    assert found.spending is not None
    assert found.spending.dollars == pytest.approx(0.03 + 0.6)


def test_a_reputation_is_kept_from_study_to_study_and_counts_once(build: Build, tmp_path: Path) -> None:
    def run(name: str, rate: float) -> Study[Any]:
        steady = Scripted(*([Proposal({"rate": rate + number / 1000, "steps": 6})] for number in range(40)), name="mine")
        return build(proposers=[steady], model=None, journal=tmp_path / name, reputation=tmp_path / "reputation.json").run(
            trials(15)
        )

    first = run("a", 0.95)
    before = (tmp_path / "reputation.json").read_bytes()
    run("a", 0.95)
    assert (tmp_path / "reputation.json").read_bytes() == before
    second = run("b", 0.95)
    assert proposers(first).count("mine") > proposers(second).count("mine") > 0


def test_a_study_that_is_gone_on_with_is_credited_with_all_of_its_trials(build: Build, tmp_path: Path) -> None:
    def credited(name: str, *numbers: int) -> Any:
        steady = Scripted(*([Proposal({"rate": 0.3 + number / 1000, "steps": 6})] for number in range(40)), name="mine")
        for number in numbers:
            optimizer = build(
                proposers=[steady], model=None, journal=tmp_path / name, reputation=tmp_path / f"{name}.json"
            )  # fmt: skip
            optimizer.run(trials(number))
        return json.loads((tmp_path / f"{name}.json").read_text())["mine"]

    assert credited("parts", 2, 3, 3, 7) == credited("at once", 7)
    assert credited("at once", 7)["trials"] > 1


def test_what_a_model_proposes_comes_from_the_best_that_it_was_shown(build: Build) -> None:
    study = build(model=ScriptedModel([suggest(Knobs(rate=0.31, steps=6)), suggest(Knobs(rate=0.3, steps=6))])).run(trials(6))
    first, second = (trial for trial in study.trials if trial.proposer == "model")
    assert (first.parents, second.parents) == ((0,), (1,))


def test_trials_are_in_the_trace_inside_of_their_study(build: Build, tmp_path: Path) -> None:
    with record(tmp_path / "run"):
        study = build().run(trials(3))
    *told, whole = [one for one in read_spans(tmp_path / "run") if one.kind in ("trial", "study")]
    assert (whole.kind, {one.parent_id for one in told}) == ("study", {whole.span_id})
    assert [one.attributes["llm_brain.score"] for one in told] == [trial.score for trial in study.trials]


def test_a_study_that_another_process_is_running_is_refused(build: Build) -> None:
    def again(run: Run[str, Knobs]) -> float:
        with pytest.raises(DataError, match="is in use"):
            build().run(trials(1))
        return hill(run)

    assert len(build(task=again).run(trials(1)).trials) == 1
