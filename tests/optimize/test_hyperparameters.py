"""Hyperparameters declared where they are used: recorded by a run, and set from outside for the next."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import importlib
import inspect
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from llm_brain.errors import DataError, DefinitionError
from llm_brain.optimize import LLMOptimizer, StudyBudget
from llm_brain.optimize.hyperparameters import Hyperparameters, track_hyperparameters
from llm_brain.strategy import llm_strategy
from llm_brain.strategy.texts import current_texts
from tests.optimize.conftest import ScriptedModel
from tests.strategy.conftest import Scripted

if TYPE_CHECKING:
    from decimal import Decimal


def test_a_files_name_is_no_mapping_and_how_it_is_read_is_said() -> None:
    name: Any = "tuned.json"
    with pytest.raises(DefinitionError, match=r"this is 'tuned.json': a file is read by `Hyperparameters.model_validate_json"):
        Hyperparameters(name)


@track_hyperparameters
def f(*, _a: int = 1, _b: int = 2) -> int:
    """Add."""
    return _a + _b


@track_hyperparameters
def g(_c: int = 3) -> int:
    return _c + f()


@track_hyperparameters
def greet(name: str, *, _greeting: str = "Hello", _times: int = 1) -> str:
    return f"{_greeting} {name}" * _times


@track_hyperparameters
def bare() -> int:
    return 1


@track_hyperparameters
def bounded(_size: int = Field(3, ge=0, le=9, description="How many."), _names: list[str] = Field(default_factory=list)) -> int:  # noqa: B008
    _names.append("used")
    return _size + len(_names)


def test_a_scope_records_the_defaults_of_what_is_called_in_it() -> None:
    with Hyperparameters() as found:
        assert greet("you") == "Hello you"
    assert json.loads(found.model_dump_json()) == {"greet.greeting": "Hello", "greet.times": 1}


def test_a_changed_value_counts_when_the_scope_is_entered_again() -> None:
    with Hyperparameters() as found:
        assert (f(), greet("you")) == (3, "Hello you")
    found[f].a = 3
    with found:
        assert f() == 5
        assert greet("you") == "Hello you"
    assert f() == 3


def test_nested_calls_take_up_the_values_of_each_function() -> None:
    with Hyperparameters() as found:
        assert g() == 6
    found[g].c = 4
    with found:
        assert g() == 7
    found[f].a = 5
    with found:
        assert g() == 11


def test_an_argument_counts_more_than_the_scope() -> None:
    with Hyperparameters({"f.a": 10, "g.c": 20}):
        assert f(_a=1) == 3
        assert g(1) == g(_c=1) == 13


def test_a_field_gives_its_default_with_a_scope_and_without() -> None:
    assert bounded() == 4
    assert bounded(5) == 6
    assert bounded(_names=["x"]) == 5
    with Hyperparameters() as found:
        assert bounded() == 4
    assert found[bounded].size == 3
    found[bounded].size = 9
    found[bounded].names = []
    with found:
        assert bounded() == 10
    assert bounded() == 4


def test_what_was_dumped_behaves_the_same_when_it_is_read_again() -> None:
    with Hyperparameters() as found:
        g()
    found[g].c, found[f].a = 4, 5
    text = found.model_dump_json()
    with Hyperparameters.model_validate_json(text) as again:
        assert g() == 11
    assert again.model_dump_json() == text
    with Hyperparameters(type(found.model).model_validate_json(text)):
        assert g() == 11


@given(a=st.integers(), b=st.integers(), greeting=st.text(), times=st.integers(0, 3))
def test_any_values_survive_the_way_through_json(a: int, b: int, greeting: str, times: int) -> None:
    values = {"f.a": a, "f.b": b, "greet.greeting": greeting, "greet.times": times}
    again = Hyperparameters.model_validate_json(Hyperparameters(values).model_dump_json())
    with again:
        assert (f(), greet("you")) == (a + b, f"{greeting} you" * times)
    assert dict(again.model) == values


def test_another_is_built_from_one_that_is_there_and_stands_by_itself() -> None:
    with Hyperparameters() as found:
        bare()
        bounded()
    found[bounded].names = ["x"]
    other = Hyperparameters(found)
    other[bounded].names.append("y")
    other[bounded].size = 0
    with other:
        assert (bare(), bounded()) == (1, 3)
    assert found[bounded].names == ["x"]
    assert found[bounded].size == 3


def test_a_function_without_hyperparameters_leaves_nothing_behind() -> None:
    with Hyperparameters() as found:
        assert bare() == 1
    assert found.model_dump_json() == "{}"
    assert dict(found[bare]) == {}


def without_default(*, _a: int) -> None: ...
def without_type(*, _a=1) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def with_empty_field(*, _a: int = Field(description="How many.")) -> None: ...
def with_ellipsis(*, _a: int = ...) -> None: ...  # type: ignore[assignment]
def with_wrong_default(*, _a: int = "x") -> None: ...  # type: ignore[assignment]
def with_default_out_of_bounds(*, _a: int = Field(12, le=9)) -> None: ...
def with_unknown_type(*, _a: Unknown = 1) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def only_by_position(_a: int = 1, /) -> None: ...


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (without_default, "`_a` of `without_default` has no default"),
        (without_type, "`_a` of `without_type` has no type"),
        (with_empty_field, "`_a` of `with_empty_field` has no default"),
        (with_ellipsis, "`_a` of `with_ellipsis` has no default"),
        (with_wrong_default, "default of `with_wrong_default` does not fit its type: `a`: .*valid integer"),
        (with_default_out_of_bounds, "less than or equal to 9"),
        (with_unknown_type, "`_a` of `with_unknown_type` has a type that cannot be resolved: .*Unknown"),
        (only_by_position, "put it behind `/`"),
    ],
)
def test_a_hyperparameter_has_a_type_and_a_default_that_fits(function: Callable[..., Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        track_hyperparameters(function)
    assert isinstance(caught.value, DefinitionError)


@pytest.mark.parametrize("target", [3, BaseModel, property(lambda _: 1), len])
def test_what_has_nothing_to_track_is_refused(target: Any) -> None:
    with pytest.raises(DefinitionError, match="nothing to track"):
        track_hyperparameters(target)


def test_other_parameters_and_annotations_are_left_alone() -> None:
    @track_hyperparameters
    def pay(amount: Decimal, _: int, *_rest: int, __private: int = 1, _rate: float = 0.5, **_more: int) -> object:
        return amount, _rest, __private, _rate, _more

    with Hyperparameters() as found:
        assert pay(1, 2, 3, x=4) == (1, (3,), 1, 0.5, {"x": 4})
    assert dict(found.model) == {"pay.rate": 0.5}


def test_a_tracked_function_looks_as_it_did() -> None:
    assert (f.__name__, f.__doc__, f.__module__) == ("f", "Add.", __name__)
    assert list(inspect.signature(f).parameters) == ["_a", "_b"]
    with Hyperparameters(), pytest.raises(TypeError, match=r"greet.* 'name'"):
        greet()
    with Hyperparameters(), pytest.raises(TypeError, match="unexpected keyword argument 'nam'"):
        greet(nam="you")


def test_names_that_pydantic_uses_itself_may_be_parameters() -> None:
    @track_hyperparameters
    def write(*, _copy: bool = False, _model_name: str = "local") -> tuple[bool, str]:
        return _copy, _model_name

    with Hyperparameters() as found:
        write()
    found[write].copy = True
    with found:
        assert write() == (True, "local")


class Settings(BaseModel):
    depth: int = 1


class Local:
    """Objects of any class may be values."""


@track_hyperparameters
def build(*, _settings: Settings = Settings(), _local: Local = Local()) -> tuple[Settings, Local]:  # noqa: B008
    return _settings, _local


def test_values_come_to_the_function_as_what_they_are() -> None:
    with Hyperparameters() as found:
        settings, local = build()
    assert (type(settings), type(local)) == (Settings, Local)
    found[build].settings.depth = 5
    with found:
        assert build()[0].depth == 5
    assert build()[0].depth == 1
    with Hyperparameters({"build.settings": {"depth": 7}}):
        assert build()[0] == Settings(depth=7)


class Worker:
    def __init__(self, name: str) -> None:
        self.name = name

    @track_hyperparameters
    def work(self, *, _hours: int = 8) -> str:
        return f"{self.name}: {_hours}"

    @staticmethod
    @track_hyperparameters
    def rest(*, _hours: int = 1) -> int:
        return _hours

    @track_hyperparameters
    @classmethod
    def hire(cls, *, _name: str = "Ann") -> Worker:
        return cls(_name)

    @property
    @track_hyperparameters
    def wage(self, *, _hourly: int = 10) -> int:  # noqa: PLR0206 - a property has no other way to be tuned
        return _hourly


def test_methods_of_all_kinds_are_tracked_under_the_name_of_their_class() -> None:
    with Hyperparameters() as found:
        worker = Worker.hire()
        assert (worker.work(), Worker.rest(), worker.wage) == ("Ann: 8", 1, 10)
    assert dict(found.model) == {
        "Worker.hire.name": "Ann",
        "Worker.work.hours": 8,
        "Worker.rest.hours": 1,
        "Worker.wage.hourly": 10,
    }
    found[worker.work].hours = 6
    found[Worker.rest].hours = 2
    found[Worker.hire].name = "Bob"
    assert found[Worker.work].hours == 6
    with found:
        assert (Worker.hire().work(), Worker.rest()) == ("Bob: 6", 2)


def test_coroutines_and_generators_have_the_values_of_the_scope_that_called_them() -> None:
    @track_hyperparameters
    async def wait(*, _n: int = 1) -> int:
        await asyncio.sleep(0)
        return _n

    @track_hyperparameters
    def count(*, _n: int = 1) -> Iterator[int]:
        yield from range(_n)

    @track_hyperparameters
    async def count_slowly(*, _n: int = 1) -> AsyncIterator[int]:
        for number in range(_n):
            yield number

    async def run() -> tuple[int, list[int]]:
        return await wait(), [number async for number in count_slowly()]

    assert inspect.iscoroutinefunction(wait)
    with Hyperparameters() as found:
        assert (asyncio.run(run()), list(count())) == ((1, [0]), [0])
    found[wait].n, found[count].n, found[count_slowly].n = 2, 3, 2
    with found:
        numbers = count()
        assert asyncio.run(run()) == (2, [0, 1])
    assert list(numbers) == [0, 1, 2]


def test_threads_with_different_scopes_stay_apart() -> None:
    together = threading.Barrier(3, timeout=10)
    seen: dict[int, int] = {}

    def run(number: int) -> None:
        with Hyperparameters({"f.a": number}):
            together.wait()
            seen[number] = f()
            together.wait()

    threads = [threading.Thread(target=run, args=(number,)) for number in (10, 20)]
    for thread in threads:
        thread.start()
    together.wait()
    assert f() == 3
    together.wait()
    for thread in threads:
        thread.join()
    assert seen == {10: 12, 20: 22}


def test_a_scope_may_be_left_in_any_order_and_in_another_context() -> None:
    def steps(number: int) -> Iterator[tuple[int, str | None]]:
        with Hyperparameters({"f.a": number, "f.b": 0, "Triage.route": f"Route it to {number}."}):
            while True:
                yield f(), current_texts().get("Triage.route")

    first, second = steps(10), steps(20)
    assert (next(first), next(second)) == ((10, "Route it to 10."), (20, "Route it to 20."))
    first.close()  # type: ignore[attr-defined]
    assert next(second) == (20, "Route it to 20.")
    second.close()  # type: ignore[attr-defined]
    assert (f(), dict(current_texts())) == (3, {})

    elsewhere = steps(30)
    assert contextvars.copy_context().run(next, elsewhere) == (30, "Route it to 30.")
    elsewhere.close()  # type: ignore[attr-defined]
    assert f() == 3


def test_a_scope_may_be_entered_while_other_threads_see_functions_for_the_first_time() -> None:
    def define(number: int) -> Callable[[], int]:
        def made(*, _text: str = "a", _n: int = 1) -> int:
            return _n

        made.__qualname__ = f"made{number}"
        return track_hyperparameters(made)

    before = sys.getswitchinterval()
    functions = [define(number) for number in range(300)]
    failures: list[BaseException] = []

    def run(found: Hyperparameters, mine: list[Callable[[], int]]) -> None:
        try:
            for function in mine:
                with found:
                    assert function() == 2
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    sys.setswitchinterval(1e-6)
    try:
        for _ in range(5):
            values = {f"made{number}.{name}": value for number in range(300) for name, value in (("text", "b"), ("n", 2))}
            found = Hyperparameters(values)
            threads = [threading.Thread(target=run, args=(found, functions[place::4])) for place in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not failures


def test_tasks_with_different_scopes_stay_apart() -> None:
    async def run(number: int) -> int:
        with Hyperparameters({"f.a": number}):
            await asyncio.sleep(0)
            return f()

    async def both() -> tuple[int, int]:
        first, second = await asyncio.gather(run(10), run(20))
        return first, second

    assert asyncio.run(both()) == (12, 22)


def test_one_scope_may_be_entered_by_many_threads_at_once() -> None:
    found = Hyperparameters({"f.a": 10})
    results: list[int] = []

    def run() -> None:
        with found:
            results.append(f())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [12] * 8


def test_a_scope_within_a_scope_begins_with_the_values_outside() -> None:
    with Hyperparameters({"f.a": 10, "f.b": 20}) as outer:
        with Hyperparameters({"f.a": 1}) as inner:
            assert f() == 21
            inner[f].b = 0
            assert f() == 1
        assert f() == 30
    assert dict(outer.model) == {"f.a": 10, "f.b": 20}
    with inner:
        assert f() == 1


def test_an_outer_scope_records_what_is_called_in_an_inner_one() -> None:
    with Hyperparameters() as outer, Hyperparameters({"f.a": 7}):
        f()
    assert dict(outer.model) == {"f.a": 1, "f.b": 2}


def test_a_scope_ends_with_an_error_too_and_may_be_within_itself() -> None:
    found = Hyperparameters({"f.a": 10})
    with pytest.raises(KeyError), found, found:
        assert f() == 12
        raise KeyError
    assert f() == 3


def test_a_value_can_be_read_and_set_before_the_function_was_called() -> None:
    found = Hyperparameters()
    assert found[f].b == 2
    found[f].b = 5
    with Hyperparameters({"f.a": 100}), found:
        assert found[f].a == 1
        assert f() == 6


def test_values_that_do_not_fit_are_refused() -> None:
    found = Hyperparameters()
    with pytest.raises(ValidationError, match="valid integer"):
        found[f].a = "x"
    with pytest.raises(ValidationError, match="less than or equal to 9"):
        found[bounded].size = 12
    with pytest.raises(ValueError, match="no attribute"):
        found[f].unknown = 1
    with pytest.raises(ValidationError, match="not permitted"):
        type(found.model).model_validate({"f.a": 1, "f.unknown": 1})


@pytest.mark.parametrize(
    ("values", "call", "complaint"),
    [
        ({"f.a": "x"}, f, "hyperparameters of `f` do not fit: `a`: .*valid integer.* 'x'"),
        ({"greet.greting": "Hi"}, lambda: greet("you"), "`greet` has no hyperparameter 'greting': did you mean 'greeting'"),
        ({"bare.x": 1}, bare, "`bare` has no hyperparameter 'x': it has none"),
    ],
)
def test_given_values_are_checked_by_every_call_of_their_function(
    values: dict[str, Any], call: Callable[[], object], complaint: str
) -> None:
    with Hyperparameters(values) as found:
        for _ in range(2):
            with pytest.raises(DataError, match=complaint):
                call()
    assert dict(found.model) == values


@pytest.mark.parametrize("text", ["", "{", "[1]", "3"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="JSON object"):
        Hyperparameters.model_validate_json(text)


def test_what_is_not_tracked_has_no_hyperparameters() -> None:
    with pytest.raises(DefinitionError, match="len is not tracked"):
        Hyperparameters()[len]


def loaded(folder: Path, text: str) -> ModuleType:
    """Write a module, and load it: again, if it was loaded before."""
    folder.joinpath("defined_again.py").write_text(text, encoding="utf-8")
    importlib.invalidate_caches()
    known = sys.modules.get("defined_again")
    return importlib.import_module("defined_again") if known is None else importlib.reload(known)


LONGER = """
from llm_brain.optimize import track_hyperparameters

@track_hyperparameters
def h(*, _a: int = 1, _b: int = 2):
    return _a, _b
"""
SHORTER = """
from llm_brain.optimize import track_hyperparameters
@track_hyperparameters
def h(*, _a: int = 1):
    return _a
"""


def test_a_function_that_is_defined_again_keeps_the_values_that_it_still_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # which would be as old as the file, to the second
    found = Hyperparameters({"h.a": 10, "h.b": 20})
    with found:
        assert loaded(tmp_path, LONGER).h() == (10, 20)
    with found:
        assert loaded(tmp_path, SHORTER).h() == 10
        assert loaded(tmp_path, LONGER).h() == (10, 2)
    del sys.modules["defined_again"]


def test_a_function_that_is_made_anew_by_each_call_of_another_is_one() -> None:
    def define(rate: float) -> Callable[[], float]:
        @track_hyperparameters
        def step(*, _rate: float = rate) -> float:
            return _rate

        return step

    with Hyperparameters({"step.rate": 0.5}):
        assert (define(0.1)(), define(0.2)()) == (0.5, 0.5)


def test_two_functions_of_one_name_from_two_modules_are_not_mixed_up() -> None:
    def f(*, _a: int = 1) -> int:
        return _a

    f.__module__ = "elsewhere"
    f.__qualname__ = "f"
    other = track_hyperparameters(f)
    with Hyperparameters():
        globals()["f"]()
        with pytest.raises(DefinitionError, match=r"called `f`, in .*test_hyperparameters and in elsewhere"):
            other()


def test_two_local_functions_of_one_name_are_not_mixed_up() -> None:
    def make_slow() -> Callable[[], float]:
        @track_hyperparameters
        def step(*, _rate: float = 0.1) -> float:
            return _rate

        return step

    def make_fast() -> Callable[[], float]:
        @track_hyperparameters
        def step(*, _rate: float = 100.0) -> float:
            return _rate

        return step

    slow, fast = make_slow(), make_fast()
    with Hyperparameters():
        assert slow() == 0.1
        with pytest.raises(DefinitionError, match=r"called `step`, as .*make_slow.<locals>.step and as .*make_fast"):
            fast()
    assert (slow(), fast()) == (0.1, 100.0)


def test_two_functions_of_one_name_in_one_text_are_not_mixed_up() -> None:
    @functools.singledispatch
    def cost(_of: Any) -> float:
        return 0.0

    @cost.register
    @track_hyperparameters
    def _(of: int, *, _scale: float = 1.0) -> float:
        return of * _scale

    @cost.register
    @track_hyperparameters
    def _(of: str, *, _scale: float = 5.0) -> float:
        return len(of) * _scale

    with Hyperparameters():
        assert cost(2) == 2.0
        with pytest.raises(DefinitionError, match=r"called `_`, in lines \d+ and \d+ of .*test_hyperparameters.py"):
            cost("ab")


def test_a_local_class_may_be_a_type() -> None:
    class Mood(BaseModel):
        name: str = "happy"

    @track_hyperparameters
    def tell(*, _mood: Mood = Mood()) -> str:  # noqa: B008
        return _mood.name

    with Hyperparameters({"tell.mood": {"name": "sad"}}):
        assert tell() == "sad"


class Ticket(BaseModel):
    """What a customer wants."""

    priority: int = Field(description="1 is the highest.")


model = Scripted('{"priority": 1}')


@track_hyperparameters
@llm_strategy(model)
class Triage:
    """You sort messages."""

    def route(self, message: str) -> Ticket:
        """Route the message."""
        raise NotImplementedError

    def close(self, message: str) -> str:
        """Say goodbye."""
        raise NotImplementedError


@llm_strategy(model)
class Untracked:
    """You are not tuned."""

    def say(self) -> str:
        """Say something."""
        raise NotImplementedError

    @track_hyperparameters
    def sing(self) -> str:
        """Sing."""
        raise NotImplementedError


ROUTE = {
    "Triage": "You sort messages.",
    "Triage.route": "Route the message.",
    "Ticket": "What a customer wants.",
    "Ticket.priority": "1 is the highest.",
}


def asked() -> str:
    return model.requests[-1].messages[0].content


def test_the_texts_of_tracked_typed_functions_are_recorded() -> None:
    with Hyperparameters() as found:
        Triage().route("It broke.")
        Untracked().say()
        f()
    assert found.texts == ROUTE
    assert json.loads(found.model_dump_json()) == {**ROUTE, "f.a": 1, "f.b": 2}


def test_members_are_tracked_one_by_one_too() -> None:
    with Hyperparameters() as found:
        Untracked().say()
        Untracked().sing()
    assert found.texts == {"Untracked": "You are not tuned.", "Untracked.sing": "Sing."}


def test_a_changed_text_is_what_the_model_is_asked_next() -> None:
    with Hyperparameters() as found:
        Triage().route("It broke.")
    found.texts["Triage.route"] = "Hand the {message} {on}."
    found.texts["Ticket.priority"] = "9 is the highest."
    with Hyperparameters.model_validate_json(found.model_dump_json()):
        Triage().route("It broke.")
    prompt = "\n".join(message.content for message in model.requests[-1].messages)
    assert "9 is the highest." in prompt
    assert 'Hand the "It broke." {on}.' in prompt
    Triage().route("It broke.")
    assert "Route the message." in asked()


def test_texts_are_inherited_and_recorded_as_they_were_in_use() -> None:
    with Hyperparameters({"Triage": "You are a clerk."}):
        with Hyperparameters({"Triage.route": "Hand it on."}) as inner:
            Triage().route("It broke.")
            assert "You are a clerk." in asked()
            assert "Hand it on." in asked()
    assert inner.texts == {**ROUTE, "Triage": "You are a clerk.", "Triage.route": "Hand it on."}


def test_the_model_of_a_scope_has_the_texts_and_values_of_the_code_as_defaults() -> None:
    with Hyperparameters({"Triage.route": "Hand it on.", "f.a": 9}) as found:
        Triage().route("It broke.")
        f()
    assert dict(type(found.model)()) == {**ROUTE, "f.a": 1, "f.b": 2}
    assert dict(found.model) == {**ROUTE, "Triage.route": "Hand it on.", "f.a": 9, "f.b": 2}


@track_hyperparameters
def _private(*, _words: Annotated[int, Field(ge=1, le=9)] = 3) -> float:
    return float(_words)


class _Note(BaseModel):
    """What a customer wants."""

    urgent: bool


@track_hyperparameters
@llm_strategy(Scripted('{"urgent": true}'))
class _Desk:
    """You sort messages."""

    def read(self, message: str) -> _Note:
        """Read the message."""
        raise NotImplementedError


def test_what_is_private_is_recorded_dumped_and_read_as_anything_else() -> None:
    with Hyperparameters() as found:
        _private()
        _Desk().read("It broke.")
    found[_private].words = 7
    found.texts["_Desk.read"] = "Read it."
    assert dict(found.model) == {
        "._private.words": 7,
        "._Desk": "You sort messages.",
        "._Desk.read": "Read it.",
        "._Note": "What a customer wants.",
    }
    again = Hyperparameters.model_validate_json(found.model_dump_json())
    for same in (again, Hyperparameters(found), Hyperparameters({"_private.words": 7, "_Desk.read": "Read it."})):
        with same:
            assert _private() == 7
        assert same.texts["_Desk.read"] == "Read it."


class Tree(BaseModel):
    depth: int = Field(3, ge=1, le=9)


def test_private_functions_and_models_as_values_can_be_optimised(tmp_path: Path) -> None:
    @track_hyperparameters
    def fit(*, _tree: Tree = Tree(), _shape: Literal["oak", "ash"] = "oak") -> float:  # noqa: B008
        return _tree.depth + (_shape == "ash")

    with Hyperparameters() as found:
        fit()
        _private()
    optimizer: Any = LLMOptimizer(
        lambda _: fit() + _private(),
        score=lambda _, result: result,
        hyperparameters=found,
        task_parameters="climb a hill",
        result=float,
        model=None,
        journal=tmp_path / "study.jsonl",
    )
    study = optimizer.run(StudyBudget(trials=6))
    assert set(study.trials[0].point) == {"fit.tree.depth", "fit.shape", "._private.words"}
    for trial in study.trials:
        depth, shape, words = (trial.point[name] for name in ("fit.tree.depth", "fit.shape", "._private.words"))
        assert trial.score == depth + (shape == "ash") + words


def test_what_was_found_can_be_optimised(tmp_path: Path) -> None:
    @track_hyperparameters
    def climb(
        *, _rate: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5, _kind: Literal["plain", "fancy"] = "plain", _note: str = ""
    ) -> float:
        return 1 - abs(_rate - 0.3) + (_kind == "fancy") / 10

    with Hyperparameters() as found:
        climb()

    optimizer: Any = LLMOptimizer(
        lambda _: climb(),
        score=lambda _, result: result,
        hyperparameters=found,
        task_parameters="climb a hill",
        result=float,
        model=ScriptedModel(),
        journal=tmp_path / "study.jsonl",
    )
    study = optimizer.run(StudyBudget(trials=8))
    assert study.trials[0].score == pytest.approx(0.8)
    assert max(trial.score for trial in study.trials) > 0.8
