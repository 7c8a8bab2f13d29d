"""Reflection: what a model is shown of a text, and what becomes of its reply."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from llm_brain.errors import DataError, LLMBrainError
from llm_brain.optimize import LLMOptimizer, Run, Score, StudyBudget
from llm_brain.optimize.choosing import ProposalWarning
from llm_brain.optimize.objective import Outcome
from llm_brain.optimize.proposers.contract import History, Proposal, Proposer
from llm_brain.optimize.proposers.merge import MergeProposer
from llm_brain.optimize.proposers.reflection import ReflectionProposer
from llm_brain.optimize.space import Space
from llm_brain.optimize.study import Trial
from llm_brain.optimize.testing.proposers import ProposerConformance
from llm_brain.optimize.texts.review import BetterText, TextReview
from llm_brain.strategy import Details, FunctionSpec


class Knobs(BaseModel):
    rate: float = Field(0.5, ge=0.0, le=1.0)
    persona: str = Field("You read.", max_length=60)
    question: str = "What does {message} say?"


class Writer:
    """Adds something to the text; or gives what the test says."""

    name = "writer"

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.reviews: list[TextReview[str]] = []

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        del spec, state, sample
        review = arguments["review"]
        self.reviews.append(review)
        text = f"{review.text} Well." if self.text is None else self.text
        return Details(BetterText[str](reason="It was too short.", text=text), self.name)


def trial(
    number: int, knobs: Knobs, scores: list[float], parents: tuple[int, ...] = (), proposer: str = "reflection"
) -> Trial[Any]:
    outcomes = [Outcome(case, 0, score, feedback=f"said of {case}", result={"made": case}) for case, score in enumerate(scores)]
    mean = sum(scores) / len(scores)
    return Trial(number, proposer, knobs, knobs.model_dump(), parents, status="complete", score=mean, outcomes=outcomes)


def history(*trials: Trial[Any], cases: int = 6) -> History[Any]:
    return History(Space(Knobs), trials, cases=[f"message {case}" for case in range(cases)])


SOME_WRONG = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]


def propose(writer: Writer, told: History[Any], seed: int = 0, **options: Any) -> Proposal:
    [proposal] = ReflectionProposer(writer, **options).propose(told, seed=seed)
    return proposal


def test_a_proposal_has_the_numbers_of_its_parent() -> None:
    proposal = propose(Writer(), history(trial(0, Knobs(rate=0.2), SOME_WRONG)))

    assert dict(proposal.hyperparameters) == {
        "rate": 0.2,
        "persona": "You read. Well.",
        "question": "What does {message} say?",
    }
    assert (proposal.parents, proposal.note) == ((0,), "It was too short.")


def test_the_model_sees_inputs_outputs_and_feedback() -> None:
    writer = Writer()

    propose(writer, history(trial(0, Knobs(), SOME_WRONG)))

    [review] = writer.reviews
    assert len(review.runs) == 3
    for run in review.runs:
        case = run.given.removeprefix("message ")
        assert (run.made, run.feedback, run.score) == (f'{{"made": {case}}}', f"said of {case}", SOME_WRONG[int(case)])


@pytest.mark.parametrize("seed", range(10))
def test_most_of_what_is_shown_could_be_better_and_the_gate_was_not_shown(seed: int) -> None:
    writer = Writer()

    proposal = propose(writer, history(trial(0, Knobs(), SOME_WRONG)), seed, cases=3, gate=2)

    assert sum(run.score == 0.0 for run in writer.reviews[0].runs) >= 2
    failing_and_shown = {int(run.given[-1]) for run in writer.reviews[0].runs if run.score == 0.0}
    assert len(proposal.gate) == 2
    assert all(SOME_WRONG[case] == 0.0 for case in proposal.gate)
    assert len(failing_and_shown & set(proposal.gate)) == len(failing_and_shown) - 2


def test_without_a_number_the_gate_is_what_was_shown() -> None:
    writer = Writer()

    proposal = propose(writer, history(trial(0, Knobs(), SOME_WRONG)), gate=None)

    assert [f"message {case}" for case in proposal.gate] == [run.given for run in writer.reviews[0].runs]


def test_cases_that_fail_are_shown_first_of_all() -> None:
    writer, told = Writer(), trial(0, Knobs(), [0.5] * 6)
    told.failure_score = 0.0
    told.outcomes[4:] = [Outcome(case, 0, None, exception="ValueError: no JSON") for case in (4, 5)]

    proposal = propose(writer, history(told), cases=2, gate=None)

    assert [run.made for run in writer.reviews[0].runs] == ["ValueError: no JSON"] * 2
    assert set(proposal.gate) == {4, 5}


def test_of_a_case_with_several_runs_one_that_failed_says_most() -> None:
    writer, told = Writer(), trial(0, Knobs(), [-1.0])
    told.failure_score = 0.0
    told.outcomes.append(Outcome(0, 1, None, exception="ValueError: no JSON"))

    propose(writer, history(told, cases=1))

    assert [run.made for run in writer.reviews[0].runs] == ["ValueError: no JSON"]


@pytest.mark.parametrize(
    ("before", "most", "length", "is_taken"),
    [(10, 8000, 5000, True), (5000, 4000, 4900, True), (5000, 4000, 5001, False), (10, 100, 101, False)],
)
def test_a_text_may_be_as_long_as_was_said_and_as_the_one_before_it(before: int, most: int, length: int, is_taken: bool) -> None:
    class Long(BaseModel):
        prompt: str = "x" * before

    point = Long().model_dump()
    default = Trial(0, "default", Long(), point, status="complete", score=0.0, outcomes=[Outcome(0, 0, 0.0)])
    proposer = ReflectionProposer(Writer("y" * length), most=most)
    past = History(Space(Long), [default], cases=["a"])
    if is_taken:
        assert len(next(iter(proposer.propose(past, seed=0))).hyperparameters["prompt"]) == length  # type: ignore[index]
    else:
        with pytest.raises(DataError, match=f"may have {max(before, most)}"):
            proposer.propose(past, seed=0)


@pytest.mark.parametrize("failure_score", [None, 0.0, -2.0])
def test_a_prompt_that_fails_everywhere_is_mended(failure_score: float | None, tmp_path: Path) -> None:
    class Prompt(BaseModel):
        prompt: str = "Answer."

    def task(run: Run[str, Prompt]) -> float:
        if "Well." not in run.hyperparameters.prompt:
            raise ValueError("no JSON in the reply")
        return 1.0

    study = LLMOptimizer(
        task,
        score=lambda _, result: result,
        hyperparameters=Prompt,
        task_parameters=["a", "b", "c"],
        result=float,
        model=None,
        journal=tmp_path / "study.jsonl",
        proposers=[ReflectionProposer(writer := Writer())],
        failure_score=failure_score,
    ).run(StudyBudget(trials=3))

    assert {run.made for run in writer.reviews[0].runs} == {"ValueError: no JSON in the reply"}
    assert (study.trials[1].status, study.trials[1].score, study.trials[1].parents) == ("complete", 1.0, (0,))
    assert study.best is not None
    assert "Well." in study.best.hyperparameters.prompt


def test_where_all_scores_are_the_same_any_cases_are_shown() -> None:
    assert propose(Writer(), history(trial(0, Knobs(), [0.0] * 6))).gate


def test_what_is_perfect_is_left_as_it_is() -> None:
    told = history(trial(0, Knobs(), [1.0] * 6))

    assert not ReflectionProposer(Writer(), perfect=1.0).propose(told, seed=0)
    assert ReflectionProposer(Writer(), perfect=1.1).propose(told, seed=0)


def test_texts_have_their_turns_along_a_lineage() -> None:
    writer = Writer()
    default = trial(0, Knobs(), [0.0] * 6)
    child = trial(1, Knobs(persona="You read. Well."), [1.0] * 6, parents=(0,))

    propose(writer, history(default))
    propose(writer, history(default, child))
    grandchild = trial(2, Knobs(persona="You read. Well.", question="{message}?"), [2.0] * 6, parents=(1,))
    propose(writer, history(default, child, grandchild))

    assert [review.name for review in writer.reviews] == ["persona", "question", "persona"]


def test_a_text_whose_child_was_stopped_gives_its_turn_to_the_next() -> None:
    writer = Writer()
    stopped = trial(1, Knobs(persona="Bad."), [0.0] * 6, parents=(0,))
    stopped.status = "stopped"

    propose(writer, history(trial(0, Knobs(), SOME_WRONG), stopped))

    assert writer.reviews[0].name == "question"


def test_the_question_names_the_placeholders_and_bounds_the_length() -> None:
    writer = Writer()

    propose(writer, history(trial(0, Knobs(), SOME_WRONG)))
    propose(writer, history(trial(0, Knobs(), [0.0] * 6), trial(1, Knobs(persona="P."), [1.0] * 6, parents=(0,))))

    assert [review.must_keep for review in writer.reviews] == [[], ["{message}"]]
    assert type(writer.reviews[0]).model_json_schema()["properties"]["text"]["maxLength"] == 60


@pytest.mark.parametrize(("text", "reason"), [("x" * 61, "may have 60"), ("  ", "is empty")])
def test_a_text_that_cannot_be_used_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        propose(Writer(text), history(trial(0, Knobs(), SOME_WRONG)))


def test_a_lost_placeholder_is_refused_and_other_braces_are_not() -> None:
    class One(BaseModel):
        question: str = "What does {message} say?"

    default = trial(0, One(), SOME_WRONG)
    told = History(Space(One), [default], cases=["message"] * 6)

    with pytest.raises(DataError, match=r"has lost \{message\}"):
        propose(Writer("Is it {kind}?"), told)
    assert dict(propose(Writer("{message} {{ {0} }"), told).hyperparameters) == {"question": "{message} {{ {0} }"}


def test_a_model_that_writes_what_was_tried_is_asked_of_another_text() -> None:
    writer = Writer("{message}")
    tried = trial(1, Knobs(persona="{message}"), [0.0] * 6, parents=(0,), proposer="edits")

    proposal = propose(writer, history(trial(0, Knobs(), SOME_WRONG), tried))

    assert [review.name for review in writer.reviews] == ["persona", "question"]
    assert dict(proposal.hyperparameters)["question"] == "{message}"


def test_a_model_that_only_writes_what_was_tried_proposes_nothing() -> None:
    class Same(Writer):
        def call(
            self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
        ) -> Details[Any]:
            self.text = arguments["review"].text
            return super().call(spec, arguments, state=state, sample=sample)

    same = Same()

    assert not ReflectionProposer(same).propose(history(trial(0, Knobs(), SOME_WRONG)), seed=0)
    assert len(same.reviews) == 3


def test_cases_that_may_not_be_read_are_neither_shown_nor_run() -> None:
    writer = Writer()

    proposal = propose(writer, history(trial(0, Knobs(), [0.0] * 6), cases=2), cases=5, gate=5)

    assert sorted(run.given for run in writer.reviews[0].runs) == ["message 0", "message 1"]
    assert proposal.gate == (0, 1)


def test_what_is_long_is_shown_by_its_beginning_and_its_end() -> None:
    writer = Writer()
    told = History(Space(Knobs), [trial(0, Knobs(), [0.0])], cases=["a" * 5000 + "z"])

    propose(writer, told)

    given = writer.reviews[0].runs[0].given
    assert len(given) < 700
    assert given.endswith("z")


def test_the_same_history_and_seed_give_the_same_proposal() -> None:
    told = history(trial(0, Knobs(), SOME_WRONG))

    assert propose(Writer(), told, seed=3) == propose(Writer(), told, seed=3)


def test_nothing_is_proposed_before_a_trial_is_complete() -> None:
    assert not ReflectionProposer(Writer()).propose(history(), seed=0)


def test_a_model_that_fails_is_a_refusal() -> None:
    class Silent(Writer):
        def call(self, *_: Any, **__: Any) -> Details[Any]:
            raise LLMBrainError("no opinion")

    with pytest.raises(LLMBrainError, match="no opinion"):
        propose(Silent(), history(trial(0, Knobs(), SOME_WRONG)))


def test_a_study_improves_its_texts_step_by_step_and_stops_what_its_gate_refuses(tmp_path: Path) -> None:
    class Two(BaseModel):
        persona: str = "You"
        question: str = "Who?"

    class Hinted(Writer):
        def call(
            self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
        ) -> Details[Any]:
            review = arguments["review"]
            hints = [run.feedback for run in review.runs if run.feedback.startswith(review.name)]
            # Every third reply is of no use.
            word = hints[0].split()[-1] if hints and len(self.reviews) % 3 else f"noise{len(self.reviews)}"
            self.text = f"{review.text} {word}"
            return super().call(spec, arguments, state=state, sample=sample)

    cases = [f"{name} {word}" for name in ("persona", "question") for word in ("red", "blue", "green") for _ in range(2)]

    def task(run: Run[str, Two]) -> bool:
        name, word = run.task_parameters.split()
        return word in getattr(run.hyperparameters, name).split()

    optimizer = LLMOptimizer(
        task,
        score=lambda case, is_there: Score(float(is_there), feedback="" if is_there else case),
        hyperparameters=Two,
        task_parameters=cases,
        result=bool,
        model=None,
        journal=tmp_path / "study.jsonl",
        proposers=[ReflectionProposer(Hinted(), perfect=1.0), MergeProposer()],
    )
    with pytest.warns(ProposalWarning, match="nobody proposes anything new"):  # all that the writer knows is tried
        study = optimizer.run(StudyBudget(evaluations=300))

    assert study.best is not None
    assert study.best.score == 1.0
    stopped = [trial for trial in study.trials if trial.status == "stopped"]
    assert stopped
    assert all(len(trial.outcomes) < len(cases) for trial in stopped)


class TestReflection(ProposerConformance):
    @pytest.fixture
    def proposer(self) -> Proposer:
        return ReflectionProposer(Writer())
