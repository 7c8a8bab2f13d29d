"""What is expected of tracked hyperparameters and of a study with a language model: behaviours 42 to 52, under their numbers.

Names differ: a hyperparameter's name begins with `_`, and a study is `LLMOptimizer(...).run(budget)`. It is built otherwise than
the meta loop that the list was made from: it has as many trials as it is told and not two rounds, the defaults come first, and
the model proposes a share of the trials and is asked no more after three refusals in a row.
"""

# mypy: disable-error-code="empty-body,valid-type,no-untyped-def,type-arg"
from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, List, Literal, TypeVar  # noqa: UP035 - the old way of writing it is tested, too

import pytest
from pydantic import BaseModel, Field

from llm_brain import Hyperparameters, LLMOptimizer, llm_explicit_function, llm_function, llm_strategy, track_hyperparameters
from llm_brain.backends import Request
from llm_brain.errors import BackendError
from llm_brain.optimize import Run, Study, StudyBudget
from llm_brain.strategy import inspect_function
from tests.strategy.conftest import Answering, Scripted

T = TypeVar("T")


@track_hyperparameters
def f(*, _a: int = 1, _b: int = 2) -> int:
    return _a + _b


@track_hyperparameters
def g(_c: int = 3) -> int:
    return _c + f()


@track_hyperparameters
def declared(*, _size: int = Field(4, ge=0)) -> int:
    return _size


@track_hyperparameters
def fixed() -> str:
    return "fixed"


def test_the_defaults_of_what_is_called_in_a_scope_are_recorded() -> None:  # 42
    with Hyperparameters() as h:
        assert f() == 3
    assert dict(h.model) == {"f.a": 1, "f.b": 2}


def test_a_value_that_was_set_counts_when_the_scope_is_entered_again_and_for_its_function_only() -> None:  # 42
    with Hyperparameters() as h:
        assert (f(), declared()) == (3, 4)
    h[f].a = 3
    with h:
        assert (f(), declared()) == (5, 4)


def test_without_a_scope_there_is_the_default() -> None:  # 42
    with Hyperparameters({"f.a": 30}):
        assert f() == 32
    assert f() == 3


def test_a_tracked_function_that_calls_another_one_takes_up_the_values_of_both() -> None:  # 43
    with Hyperparameters() as h:
        assert g() == 6
    h[g].c = 4
    with h:
        assert g() == 7
    h[f].a = 5
    with h:
        assert g() == 11


def test_an_argument_counts_more_than_the_scope() -> None:  # 44
    with Hyperparameters({"f.a": 30, "g.c": 300}):
        assert f(_a=10) == 12
        assert g(_c=1) == g(1) == 33


def test_a_default_that_a_field_declares_is_there_in_a_scope_and_without_one() -> None:  # 45
    assert declared() == 4
    with Hyperparameters() as h:
        assert declared() == 4
    h[declared].size = 9
    with h:
        assert declared() == 9
    assert declared() == 4


def test_what_was_written_as_json_and_read_again_behaves_the_same() -> None:  # 46
    with Hyperparameters() as h:
        g()
    h[g].c, h[f].a = 4, 5
    text = h.model_dump_json()
    assert json.loads(text) == {"g.c": 4, "f.a": 5, "f.b": 2}
    with Hyperparameters.model_validate_json(text) as again:
        assert g() == 11
    assert again.model_dump_json() == text


def test_hyperparameters_are_built_anew_from_those_that_are_there() -> None:  # 47
    with Hyperparameters() as h:
        assert (fixed(), f()) == ("fixed", 3)
    h[f].a = 5
    for given in (h, h.model):
        again = Hyperparameters(given)
        with again:
            assert (fixed(), f()) == ("fixed", 7)
        assert dict(again[fixed]) == {}
        again[f].a = 50
    assert h[f].a == 5


def without_default(*, _a: int) -> None: ...
def without_type(*, _a=1) -> None: ...  # noqa: ANN001
def with_field_without_default(*, _a: int = Field(description="How many.")) -> None: ...


@pytest.mark.parametrize(
    ("function", "lacking"), [(without_default, "default"), (without_type, "type"), (with_field_without_default, "default")]
)
def test_a_hyperparameter_without_a_default_or_a_type_is_refused(function: Callable[..., None], lacking: str) -> None:  # 48
    with pytest.raises(ValueError, match=f"`_a` of `{function.__name__}` has no {lacking}"):
        track_hyperparameters(function)


def test_threads_in_scopes_of_their_own_do_not_see_each_others_values() -> None:  # 49
    inside, seen = threading.Barrier(2, timeout=10), dict[int, int]()

    def run(value: int) -> None:
        with Hyperparameters({"f.a": value}):
            inside.wait()
            seen[value] = f()
            inside.wait()

    threads = [threading.Thread(target=run, args=(value,)) for value in (10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {10: 12, 20: 22}


def test_tasks_in_scopes_of_their_own_do_not_see_each_others_values() -> None:  # 49
    async def run(value: int, entered: asyncio.Event, other: asyncio.Event) -> int:
        with Hyperparameters({"f.a": value}):
            entered.set()
            await other.wait()
            return f()

    async def both() -> list[int]:
        first, second = asyncio.Event(), asyncio.Event()
        return list(await asyncio.gather(run(10, first, second), run(20, second, first)))

    assert asyncio.run(both()) == [12, 22]


def ask(model: str, city: BaseModel) -> str:
    """Ask about a city."""
    raise NotImplementedError


def climb(*, _rate: float = 0.5) -> float:
    """Climb."""
    return _rate


@pytest.mark.parametrize(("wrap", "plain"), [(llm_function, ask), (llm_explicit_function, ask), (track_hyperparameters, climb)])
def test_a_wrapped_function_has_the_attributes_of_the_function_in_it(wrap: Any, plain: Any) -> None:  # 50
    plain.colour = "red"
    made = wrap(plain)
    assert (made.colour, made.__doc__, made.__module__) == ("red", plain.__doc__, __name__)
    assert set(dir(made)) >= set(dir(plain))
    assert all(hasattr(made, name) for name in dir(plain))
    with pytest.raises(AttributeError, match="weight"):
        _ = made.weight


def test_the_methods_of_an_implemented_class_have_the_attributes_of_those_in_it() -> None:  # 50
    class Guide:
        def sights(self) -> list[str]:
            """Name the sights."""
            raise NotImplementedError

        sights.colour = "red"  # type: ignore[attr-defined]

    made: Any = llm_strategy(Scripted(""))(Guide)
    assert (made.sights.colour, made().sights.colour) == ("red", "red")
    assert {"colour", "__name__", "__doc__", "__wrapped__"} <= set(dir(made().sights))


class B(BaseModel, Generic[T]):
    value: T


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (int, "int"),
        (List[int], "list[int]"),  # noqa: UP006 - see above
        (dict[str, list[int]], "dict[str, list[int]]"),
        (set[frozenset[str]], "set[frozenset[str]]"),
        (B, "B[T]"),
        (B[int], "B[int]"),
        (list[B[int]], "list[B[int]]"),
        (int | None, "int | None"),
        (Literal["a", 1], "Literal['a', 1]"),
    ],
)
def test_types_are_named_in_prompts_as_a_reader_writes_them(kind: Any, name: str) -> None:  # 51
    def look(thing: Any) -> bool:
        """Look at it."""
        raise NotImplementedError

    look.__annotations__["thing"] = kind
    assert inspect_function(look).line == f"look(thing: {name}) -> bool"


class Knobs(BaseModel):
    rate: float = Field(0.5, ge=0.0, le=1.0)
    template: Literal["Sum up: {text}", "Sum up: {text"] = "Sum up: {text}"


REFLECTION = json.dumps(dict.fromkeys(("feedback", "evaluation", "hyperparameter_suggestion", "hyperparameter_missing"), "-"))


LESSONS = json.dumps({"lessons": [{"text": "Near 0.3 it is best.", "trials": [0]}]})
FORECAST = json.dumps({"considerations": ["It may."], "probability": 0.5})


class Advice:
    """A model that reflects on every run, and says what a test has written down when it is asked what to try next."""

    def __init__(self, *suggestions: Knobs | BackendError) -> None:
        self._suggestions = iter(suggestions)
        self.model = Answering(self._answer, model_id="advice")

    def _answer(self, request: Request) -> str:
        asked_for = (request.schema or {})["properties"]
        if not self.asks_for_a_suggestion(request):
            return LESSONS if "lessons" in asked_for else FORECAST if "probability" in asked_for else REFLECTION
        suggestion = next(self._suggestions)
        if isinstance(suggestion, BackendError):
            raise suggestion
        return json.dumps({"suggestion": "Try this.", "hyperparameter_suggestions": [suggestion.model_dump()]})

    def asks_for_a_suggestion(self, request: Request) -> bool:
        return "hyperparameter_suggestions" in (request.schema or {})["properties"]

    @property
    def asked(self) -> list[str]:
        """The questions for suggestions, in their order."""
        return [request.messages[-1].content for request in self.model.requests if self.asks_for_a_suggestion(request)]


def study_of(advice: Advice, folder: Path, trials: int) -> Study[Knobs]:
    def task(run: Run[str, Knobs]) -> str:
        return run.hyperparameters.template.format(text=f"{1 - abs(run.hyperparameters.rate - 0.3):.3f}")

    optimizer = LLMOptimizer(
        task,
        score=lambda _, result: float(result.removeprefix("Sum up: ")),
        hyperparameters=Knobs,
        task_parameters="sum up",
        result=str,
        model=advice.model,
        journal=folder / "study.jsonl",
    )
    return optimizer.run(StudyBudget(trials=trials))


def test_a_study_asks_its_model_as_often_as_it_says(tmp_path: Path) -> None:  # 52
    tried = [Knobs(rate=number / 20) for number in range(1, 12)]
    advice = Advice(*tried)
    study = study_of(advice, tmp_path, trials=12)
    told = [trial for trial in study.trials if trial.proposer == "model"]
    # A reflection on each trial, a forecast of each after the first, lessons after every fourth, and the suggestions.
    assert len(advice.model.requests) == 12 + 11 + 3 + len(told)
    assert told[0].number == 1
    assert [trial.hyperparameters for trial in told] == tried[: len(told)]
    assert (study.trials[0].proposer, study.trials[0].hyperparameters) == ("default", Knobs())
    assert all(trial.reflection is not None for trial in study.trials)
    assert [lesson.text for lesson in study.lessons] == ["Near 0.3 it is best."]
    best = study.best
    assert best is not None
    assert best.score == max(trial.score for trial in study.trials if trial.score is not None)


def test_a_model_that_refuses_is_asked_three_times_and_the_study_goes_on_without_it(tmp_path: Path) -> None:  # 52
    advice = Advice(*[BackendError("I would rather not", kind="content_filter")] * 20)
    study = study_of(advice, tmp_path, trials=20)
    assert len(advice.asked) == 3
    assert [trial.proposer for trial in study.trials] == ["default"] + ["core"] * 19


def test_more_than_twenty_runs_go_through_and_the_history_that_is_shown_stays_short(tmp_path: Path) -> None:  # 52
    advice = Advice(*[Knobs(rate=number / 100) for number in range(1, 20)])
    study = study_of(advice, tmp_path, trials=25)
    assert [trial.number for trial in study.trials if trial.status != "running"] == list(range(25))
    assert len(advice.asked) > 4
    assert len(advice.asked[-1]) < 1.2 * len(advice.asked[1])


def test_a_suggested_template_that_is_broken_is_a_failed_run_and_the_study_goes_on(tmp_path: Path) -> None:  # 52
    advice = Advice(Knobs(template="Sum up: {text"), Knobs(rate=0.3), *[Knobs(rate=0.2)] * 9)
    study = study_of(advice, tmp_path, trials=20)
    broken, repaired, *_ = [trial for trial in study.trials if trial.proposer == "model"]
    assert (broken.number, broken.status, broken.score) == (1, "failed", None)
    assert str(broken.outcomes[0].exception).startswith("ValueError: expected '}'")
    assert repaired.score == 1.0
    assert "expected '}'" in advice.asked[1]  # the model is told
    events = [json.loads(line) for line in (tmp_path / "study.jsonl").read_text().splitlines()]
    assert [event["exception"] for event in events if event["event"] == "outcome" and event["trial"] == 1] == [
        broken.outcomes[0].exception
    ]


def test_a_stray_brace_in_a_text_that_was_set_is_only_a_brace() -> None:  # 52
    model = Scripted("fine")

    @track_hyperparameters
    @llm_strategy(model)
    def sum_up(text: str) -> str:
        """Sum up."""

    with Hyperparameters({"sum_up": "Sum up {text} in {one} line {."}):
        assert sum_up("It rained.") == "fine"
    assert 'Sum up "It rained." in {one} line {.' in model.requests[0].messages[-1].content
