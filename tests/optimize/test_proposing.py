"""Who proposes, and when nobody does: no answer is lost, none is paid twice, and silence is never for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from llm_brain.attempts import Usage
from llm_brain.backends.layers.usage import note_usage
from llm_brain.errors import BackendError, MissingKeyError
from llm_brain.optimize import Proposal, Run, StudyBudget
from llm_brain.optimize.choosing import ProposalWarning
from llm_brain.optimize.proposers.reflection import ReflectionProposer
from llm_brain.optimize.silence import SilenceWarning
from llm_brain.optimize.texts.review import BetterText
from llm_brain.strategy import Details
from tests.optimize.conftest import Build, Scripted, ScriptedModel, trajectory
from tests.optimize.test_driver import Shuffled


class Wording(BaseModel):
    prompt: str = "Answer."


def length(run: Run[str, Wording]) -> float:
    return float(len(run.hyperparameters.prompt))


class Polite:
    """A model that adds a word to any text."""

    name = "polite"

    def call(self, spec: Any, arguments: Any, **about: Any) -> Details[Any]:
        del spec, about
        return Details(BetterText(reason="It was rude.", text=arguments["review"].text + " Please."), self.name)


def events(journal: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in map(json.loads, journal.read_text().splitlines()) if event["event"] == kind]


def texts(build: Build, **changes: Any) -> Any:
    given = {"hyperparameters": Wording, "task": length, "task_parameters": ["a", "b"], "model": None, **changes}
    return build(**given)


@pytest.mark.parametrize("parallel", [1, 2, 5])
def test_texts_alone_are_tuned_with_any_number_of_trials_at_once(parallel: int, build: Build, tmp_path: Path) -> None:
    def run(name: str, executor: Any = None, trials: int = 7) -> Any:
        given = {"proposers": [ReflectionProposer(Polite())], "parallel": parallel, "executor": executor}
        return trajectory(texts(build, **given, journal=tmp_path / name).run(StudyBudget(trials=trials)).trials)

    inline = run("inline")
    assert len(inline) == 7
    assert run("shuffled", Shuffled(1)) == inline
    run("later", trials=3)
    assert run("later") == inline
    lines = (tmp_path / "inline").read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)):
        (tmp_path / "killed").write_bytes(b"".join(lines[:kept]))
        assert run("killed") == inline, f"killed after {kept} events"
        assert len((tmp_path / "killed").read_bytes().splitlines()) == len(lines)


def test_who_was_silent_is_asked_again_when_the_study_is_gone_on_with(build: Build) -> None:
    class Flaky:
        name = "flaky"
        is_up = False

        def propose(self, history: Any, *, seed: int) -> list[Proposal]:
            del seed
            if not self.is_up:
                raise ConnectionError("down")
            return [Proposal({"prompt": f"version {len(history.trials)}"})]

    flaky = Flaky()
    for _ in range(2):
        with pytest.warns(ProposalWarning, match="after 1 trial, as nobody .* down"):
            assert len(texts(build, proposers=[flaky]).run(StudyBudget(trials=6)).trials) == 1
    flaky.is_up = True
    study = texts(build, proposers=[flaky]).run(StudyBudget(trials=6))
    assert len(study.trials) == 6
    assert study.trials[1].refused == ()


def test_an_answer_that_was_refused_is_not_asked_for_and_paid_again_after_an_interruption(build: Build, tmp_path: Path) -> None:
    class Paid:
        name = "paid"
        asked = 0

        def propose(self, history: Any, *, seed: int) -> list[Proposal]:
            del history, seed
            self.asked += 1
            note_usage(Usage(100, 10), 1.0)
            return [Proposal({"rate": 7})]

    paid, broken = Paid(), Scripted(KeyboardInterrupt(), name="broken")

    def interrupted(history: Any, *, seed: int) -> list[Proposal]:
        del history, seed
        raise KeyboardInterrupt

    broken.propose = interrupted  # type: ignore[method-assign]
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            build(proposers=[paid, broken], model=None).run(StudyBudget(trials=2))
    broken.propose = lambda history, *, seed: []  # type: ignore[method-assign]  # noqa: ARG005 - as it is asked
    study = build(proposers=[paid, broken], model=None).run(StudyBudget(trials=2))
    assert paid.asked == 1
    assert study.spending is not None
    assert (study.spending.dollars, study.spending.tokens) == (1.0, 110)
    assert [event["proposer"] for event in events(tmp_path / "study.jsonl", "asked")] == ["paid", "broken"]
    assert study.trials[1].refused[0].startswith("paid: not valid")


@pytest.mark.parametrize(
    "error", [BackendError("401", kind="auth"), BackendError("no credit", kind="quota"), MissingKeyError("set a key")]
)
def test_a_model_that_says_it_will_never_answer_is_asked_no_more_and_that_is_said_once(error: Exception, build: Build) -> None:
    model = ScriptedModel([error] * 50, reflection=error, forecast=error, lessons=error)
    with pytest.warns(SilenceWarning) as heard:
        study = build(model=model).run(StudyBudget(trials=12))
    assert [str(one.message) for one in heard] == [f"the model is asked no more: {error}"]
    assert (len(model.asked), len(study.trials)) == (1, 12)
    mended = ScriptedModel()
    build(model=mended).run(StudyBudget(trials=13))
    assert mended.times("reflect_on_task_run") == 1
    assert mended.times("suggest_next_optimization_step") == 1


def test_whose_key_is_refused_is_asked_once_in_every_run_however_many_there_were(build: Build) -> None:
    for run in range(1, 7):
        model = ScriptedModel([BackendError("401", kind="auth")])
        with pytest.warns(SilenceWarning, match="401"):
            build(model=model).run(StudyBudget(trials=2 * run))
        assert model.times("suggest_next_optimization_step") == 1
    mended = ScriptedModel()
    build(model=mended).run(StudyBudget(trials=14))
    assert mended.times("suggest_next_optimization_step") > 0


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_study_that_nobody_goes_on_with_asks_once_more_in_each_run_and_shows_all_trials(parallel: int, build: Build) -> None:
    seen: list[int] = []

    class Few:
        name = "few"

        def propose(self, history: Any, *, seed: int) -> list[Proposal]:
            del seed
            seen.append(len(history.trials))
            return [Proposal({"prompt": "A" * count}) for count in (1, 2, 3)]

    def run() -> None:
        with pytest.warns(ProposalWarning, match="after 4 trials, as nobody"):
            texts(build, proposers=[Few()], parallel=parallel).run(StudyBudget(trials=9))

    run()
    for _ in range(2):
        seen.clear()
        run()
        assert set(seen) == {4}
        assert len(seen) <= 4, "once for each attempt at a proposal"


def test_whoever_is_asked_no_more_after_several_failures_is_named(build: Build) -> None:
    with pytest.warns(SilenceWarning) as heard:
        build(model=ScriptedModel()).run(StudyBudget(trials=9))
    forecasts, proposals = sorted(str(one.message).removeprefix("the model is asked for ") for one in heard)
    assert forecasts == "forecasts no more: 3 times in a row none came, the last time as LLMBrainError: no forecast"
    assert proposals == "proposals no more: 3 trials in a row none could be used, the last time as LLMBrainError: no opinion"


def test_where_warnings_are_errors_a_study_goes_on_all_the_same(build: Build) -> None:
    assert len(build(model=ScriptedModel([BackendError("401", kind="auth")])).run(StudyBudget(trials=4)).trials) == 4
