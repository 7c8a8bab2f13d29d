"""Texts of typed functions that are tuned from outside: docstrings and descriptions, by name, inside a scope."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Generic, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from llm_brain.errors import DefinitionError
from llm_brain.strategy import TypedFunction, inspect_function, llm_strategy
from llm_brain.strategy.texts import (
    apply_texts,
    current_texts,
    described,
    description_of,
    text_names,
    tunable_texts,
    use_texts,
)
from tests.strategy.conftest import Scripted

T = TypeVar("T")


class Team(Enum):
    """Who answers."""

    SALES = "sales"
    REPAIRS = "repairs"


@dataclass
class Place:
    """Where it is."""

    city: Annotated[str, Field(description="In English.")]


class Ticket(BaseModel):
    """What a customer wants."""

    priority: int = Field(description="1 is the highest.")
    team: Team
    places: list[Place] = []


class Pair(BaseModel, Generic[T]):
    """Two of a kind."""

    first: T
    second: T = Field(description="The other one.")


TICKET = json.dumps({"priority": 1, "team": "sales"})
model = Scripted(TICKET)


@llm_strategy(model)
class Triage:
    """You sort messages."""

    def route(self, message: Annotated[str, Field(description="What was written.")], limit: int = 5) -> Ticket:
        """Route the message. {not a place}"""
        raise NotImplementedError

    @property
    def motto(self) -> str:
        """Invent a motto."""
        raise NotImplementedError

    @staticmethod
    def is_urgent(message: str) -> bool:
        """Tell whether it is urgent."""
        raise NotImplementedError

    @classmethod
    def twin(cls, word: str) -> Pair[str]:
        """Find its twin."""
        raise NotImplementedError


@llm_strategy(model)
def summarise(message: str) -> str:
    """Summarise the message."""
    raise NotImplementedError


def system(prompt: str) -> str:
    return prompt.partition("[user]")[0]


def route_prompt() -> str:
    route: Any = Triage().route
    return system(route.prompt("It broke."))


IN_THE_CODE = {
    "Triage": "You sort messages.",
    "Triage.is_urgent": "Tell whether it is urgent.",
    "Triage.motto": "Invent a motto.",
    "Triage.route": "Route the message. {not a place}",
    "Triage.route(message)": "What was written.",
    "Ticket": "What a customer wants.",
    "Ticket.priority": "1 is the highest.",
    "Place": "Where it is.",
    "Place.city": "In English.",
    "Team": "Who answers.",
    "Triage.twin": "Find its twin.",
    "Pair.second": "The other one.",
}


@pytest.mark.parametrize("target", [Triage, Triage()], ids=["class", "object"])
def test_the_texts_of_all_functions_of_a_class_are_listed(target: Any) -> None:
    assert tunable_texts(target) == IN_THE_CODE


def test_a_function_by_itself_has_no_persona() -> None:
    assert tunable_texts(summarise) == tunable_texts(summarise.spec) == {"summarise": "Summarise the message."}
    assert text_names(summarise) == ["summarise", "summarise(message)"]


def test_places_without_a_text_have_names_too() -> None:
    assert {"Triage.route(limit)", "Ticket.team", "Triage.is_urgent(message)"} <= set(text_names(Triage))
    assert set(tunable_texts(Triage)) < set(text_names(Triage))


def test_only_what_has_a_typed_function_has_texts() -> None:
    for target in (Ticket, 3, len):
        with pytest.raises(DefinitionError, match="no typed function"):
            tunable_texts(target)


def test_other_texts_stand_in_the_prompt_inside_the_scope_and_nowhere_else() -> None:
    before = route_prompt()
    texts = {
        "Triage": "You are a clerk.",
        "Triage.route": "Hand the message on.",
        "Ticket": "A wish.",
        "Ticket.priority": "9 is the highest.",
        "Place.city": "",
        "Ticket.team": "Guess.",
    }
    with use_texts(texts, Triage):
        changed = route_prompt()
    assert all(text in changed for text in texts.values())
    assert not any(IN_THE_CODE[name] in changed for name in texts if name in IN_THE_CODE)
    assert "Who answers." in changed
    assert route_prompt() == before


def test_a_call_is_asked_with_the_texts_of_its_scope() -> None:
    with use_texts({"summarise": "Say it in three words."}, summarise):
        summarise("It broke.")
    assert "Say it in three words." in model.requests[-1].messages[0].content


def test_the_texts_of_the_code_change_nothing() -> None:
    before = route_prompt()
    with use_texts(tunable_texts(Triage), Triage):
        assert route_prompt() == before


def test_a_persona_and_a_description_may_be_taken_away_but_not_the_question() -> None:
    with use_texts({"Triage": "", "Ticket": "", "Ticket.priority": ""}):
        assert not any(IN_THE_CODE[name] in route_prompt() for name in ("Triage", "Ticket", "Ticket.priority"))
    with use_texts({"Triage.route": " "}), pytest.raises(DefinitionError, match=r"'Triage\.route' is empty"):
        route_prompt()


def test_a_parameter_is_described_anew() -> None:
    spec = Triage.__dict__["route"].spec
    changed = apply_texts(spec, {"Triage.route(message)": "A complaint.", "Triage.route(limit)": "At most."})
    assert [description_of(annotation) for annotation in changed.parameters.values()] == ["A complaint.", "At most."]
    assert changed.bind(("It broke.",), {}) == {"message": "It broke.", "limit": 5}
    assert [description_of(annotation) for annotation in spec.parameters.values()] == ["What was written.", ""]


def test_whoever_watches_a_scope_is_told_what_is_called_in_it_and_in_those_within() -> None:
    outer: list[str] = []
    inner: list[str] = []
    with use_texts({}, on_call=lambda spec: outer.append(spec.name)):
        summarise.prompt("It broke.")
        with use_texts({"Triage": "You are a clerk."}, on_call=lambda spec: inner.append(spec.name)):
            route_prompt()
    summarise.prompt("It broke.")
    assert (outer, inner) == (["summarise", "route"], ["route"])


def test_a_scope_within_a_scope_adds_its_texts() -> None:
    with use_texts({"Triage": "You are a clerk.", "Triage.route": "Hand the message on."}):
        with use_texts({"Triage.route": "Pass it."}):
            assert route_prompt().startswith("[system]\nYou are a clerk.")
            assert "Pass it." in route_prompt()
            with use_texts({}):
                assert "Pass it." in route_prompt()
        assert "Hand the message on." in route_prompt()


def test_outside_of_all_scopes_the_texts_are_one_and_the_same_empty_mapping() -> None:
    nothing = current_texts()
    with use_texts({}):
        assert current_texts() is nothing
    with pytest.raises(KeyError), use_texts({"Triage": "You are a clerk."}):
        assert dict(current_texts()) == {"Triage": "You are a clerk."}
        raise KeyError
    assert current_texts() is nothing
    assert not nothing


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("Triage.rout", r"'Triage\.rout': did you mean 'Triage\.route'\?"), ("zzz", r"'zzz': known are 'Triage', ")],
)
def test_a_name_that_the_targets_do_not_have_is_refused_at_once(name: str, complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint), use_texts({name: "x"}, Triage):
        pytest.fail("it was entered")


def test_a_parameter_that_is_not_there_is_told_by_the_call() -> None:
    with use_texts({"Triage.route(mesage)": "x"}):
        assert summarise.prompt("It broke.")
        with pytest.raises(DefinitionError, match=r"did you mean 'Triage\.route\(message\)'\?"):
            route_prompt()


def test_texts_of_other_functions_are_passed_over() -> None:
    with use_texts({"Ticket.age": "x", "Clerk": "x", "Triage.other": "x"}):
        assert IN_THE_CODE["Ticket"] in route_prompt()


def test_a_text_is_a_string() -> None:
    texts: Any = {"Triage": 3}
    with pytest.raises(DefinitionError, match="'Triage' should be a string"), use_texts(texts):
        pytest.fail("it was entered")


def test_threads_and_tasks_have_their_own_texts() -> None:
    seen: dict[str, str] = {}
    together = threading.Barrier(2, timeout=10)

    def in_thread(text: str) -> None:
        with use_texts({"Triage": text}):
            together.wait()
            seen[text] = route_prompt()
            together.wait()

    threads = [threading.Thread(target=in_thread, args=(text,)) for text in ("One.", "Two.")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(prompt.startswith(f"[system]\n{text}") for text, prompt in seen.items())
    assert len(seen) == 2

    async def in_task(text: str) -> str:
        with use_texts({"Triage": text}):
            await asyncio.sleep(0)
            return route_prompt()

    async def both() -> tuple[str, str]:
        first, second = await asyncio.gather(in_task("Three."), in_task("Four."))
        return first.splitlines()[1], second.splitlines()[1]

    assert asyncio.run(both()) == ("Three.", "Four.")


def test_the_calls_of_a_map_have_the_texts_of_its_scope() -> None:
    backend = Scripted("ok")
    function: TypedFunction[[str], str] = llm_strategy(backend)(summarise)
    with use_texts({"summarise": "Say it in three words."}):
        function.map(["one", "two", "three"])
    assert len(backend.requests) == 3
    assert all("Say it in three words." in request.messages[0].content for request in backend.requests)


def test_one_text_is_for_a_generic_model_whatever_it_is_made_of() -> None:
    def twin(word: T) -> Pair[T]:
        """Find its twin."""
        raise NotImplementedError

    spec = inspect_function(twin, names={"Pair": Pair})
    assert tunable_texts(spec)["Pair"] == "Two of a kind."
    changed = spec.variant({T: int}, {"Pair": "A couple.", "Pair.first": "Older."})
    assert changed.schema["description"] == "A couple."
    assert changed.schema["properties"]["first"]["description"] == "Older."


def test_a_schema_that_is_described_anew_stays_itself() -> None:
    schema = TypeAdapter(Ticket).json_schema()
    kept = copy.deepcopy(schema)
    changed = described(schema, dict.fromkeys(IN_THE_CODE, "another text"))
    assert schema == kept
    assert json.dumps(changed).count("another text") == 5
    assert described(schema, {}) == kept


@given(text=st.text(alphabet="{}ab (message)%s$\\\"'\n", min_size=1, max_size=12).filter(lambda text: text.strip()))
def test_braces_in_a_text_break_nothing(text: str) -> None:
    texts = {"Triage": text, "Triage.route": text, "Ticket": text, "Ticket.priority": text, "Triage.route(message)": text}
    with use_texts(texts, Triage):
        route: Any = Triage().route
        assert route("It broke.").priority == 1
    schema: Any = apply_texts(Triage.__dict__["route"].spec, texts).schema
    assert schema["properties"]["priority"]["description"] == text


def test_places_for_arguments_are_filled_and_others_stay() -> None:
    with use_texts({"summarise": "Summarise {message} for {reader}, {} {{message}}."}):
        assert 'Summarise "It broke." for {reader}, {} {"It broke."}.' in summarise.prompt("It broke.")
