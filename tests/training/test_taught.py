"""What was taught lies in a folder, from which it is read again."""

from __future__ import annotations

import json
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, Literal

import pytest

from llm_brain.errors import CheckpointError, DefinitionError
from llm_brain.strategy import TypedFunction, llm_strategy
from llm_brain.training import ByteReader, Given, Taught, TrainingSettings, teach
from llm_brain.training.taught import FILE
from tests.training.functions import answered_by, by_words, mood

PAIRS = [(f"I love the {number}.", "happy") for number in range(12)] + [(f"{number} broke.", "unhappy") for number in range(12)]


def taught_in(folder: Path, function: Any) -> Taught:
    settings, shape = TrainingSettings(epochs=2, held_out=0.5), {"width": 8, "heads": 1}
    return teach(function, Given([*PAIRS, PAIRS[0]]), folder=folder, reader=ByteReader(), settings=settings, brain=shape)


@pytest.fixture
def function() -> TypedFunction[..., Any]:
    return answered_by(by_words)


def test_what_is_read_is_what_was_taught(tmp_path: Path, function: TypedFunction[..., Any]) -> None:
    taught = taught_in(tmp_path, function)
    again = Taught.load(tmp_path, function)
    texts = [text for text, _ in PAIRS]
    assert again.student.answer_all(texts) == taught.student.answer_all(texts)
    assert (again.score, again.history) == (taught.score, taught.history)
    assert (again.calibration, again.pairs.pairs) == (taught.calibration, taught.pairs.pairs)
    assert dict(again.pairs.refused) == dict(taught.pairs.refused) == {"duplicate": 1}


def test_a_method_is_read_through_its_class_too(tmp_path: Path) -> None:
    class Stateless:
        def mood(self, message: str) -> Literal["happy", "unhappy"]:
            """Tell the mood."""
            raise NotImplementedError

    desk: Any = llm_strategy("local")(Stateless)
    taught = taught_in(tmp_path, desk.mood)
    again = Taught.load(str(tmp_path), desk.mood)
    assert desk.using(again.student)().mood("I love it.") == desk.using(taught.student)().mood("I love it.")


def test_a_folder_where_teaching_did_not_end_says_how_to_go_on(tmp_path: Path, function: TypedFunction[..., Any]) -> None:
    taught_in(tmp_path, function)
    (tmp_path / FILE).unlink()
    with pytest.raises(CheckpointError, match="no finished teaching: `teach` with this folder goes on"):
        Taught.load(tmp_path, function)


def test_another_function_is_refused(tmp_path: Path, function: TypedFunction[..., Any]) -> None:
    taught_in(tmp_path, function)

    def feeling(message: str) -> Literal["happy", "unhappy"]:
        """Tell the mood."""
        raise NotImplementedError

    with pytest.raises(CheckpointError, match=r"was taught mood, and not .*feeling"):
        Taught.load(tmp_path, llm_strategy("local")(feeling))


def test_another_reader_is_refused(tmp_path: Path, function: TypedFunction[..., Any]) -> None:
    taught_in(tmp_path, function)
    with pytest.raises(CheckpointError, match=r"the brain in .* read by"):
        Taught.load(tmp_path, function, ByteReader(longest=9))


def test_a_reader_of_ones_own_has_to_be_handed_in(tmp_path: Path) -> None:
    class Lower(ByteReader):
        def tokens(self, text: str) -> list[int]:
            return super().tokens(text.lower())

        def describe(self) -> Any:
            return "lower case"

    function = answered_by(by_words, mood)
    teach(function, Given(PAIRS), folder=tmp_path, reader=Lower(), settings=TrainingSettings(epochs=1), brain={"width": 8})
    with pytest.raises(CheckpointError, match="a reader of your own: hand it in"):
        Taught.load(tmp_path, function)
    assert Taught.load(tmp_path, function, Lower()).student.answer_all(["I LOVE it."])


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "",
        lambda _: "[]",
        lambda told: json.dumps({**told, "format": 99}),
        lambda told: json.dumps({**told, "score": None}),
        lambda told: json.dumps({name: value for name, value in told.items() if name != "reader"}),
    ],
)
def test_a_damaged_file_is_one_error(tmp_path: Path, function: TypedFunction[..., Any], damage: Any) -> None:
    taught_in(tmp_path, function)
    told = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(damage(told))
    with pytest.raises(CheckpointError):
        Taught.load(tmp_path, function)


def test_other_parameters_are_refused(tmp_path: Path) -> None:
    def declared(*parameters: str) -> Any:
        def triage() -> Literal["happy", "unhappy"]:
            """Tell the mood."""
            raise NotImplementedError

        kinds = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=str) for name in parameters]
        triage.__annotations__ = {**dict.fromkeys(parameters, str), "return": Literal["happy", "unhappy"]}
        triage.__signature__ = Signature(kinds)  # type: ignore[attr-defined]
        return llm_strategy("local")(triage)

    taught = taught_in(tmp_path, declared("message"))
    with pytest.raises(
        CheckpointError, match=r"taught .*triage\(message: str\), and not .*triage\(message: str, customer: str\)"
    ):
        Taught.load(tmp_path, declared("message", "customer"))
    with pytest.raises(DefinitionError, match=r"it cannot implement .*triage\(text: str\).*: teach it anew"):
        llm_strategy(taught.student)(declared("text"))("It broke.")
    again = Taught.load(tmp_path, declared("message")).student
    assert again.form == taught.student.form
    with pytest.raises(DefinitionError, match="teach it anew"):
        llm_strategy(again)(declared("text"))("It broke.")
