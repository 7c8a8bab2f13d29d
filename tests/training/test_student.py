"""A trained brain in the place of a language model."""

import json
import math
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pytest
import torch
from pydantic import BaseModel, Field

from llm_brain.brain import Brain, BrainConfig, save_brain
from llm_brain.errors import CheckpointError, DefinitionError
from llm_brain.strategy import Details, llm_strategy, typed
from llm_brain.training import ByteReader, Student, TokenReader, answer_for

NewBrain = Callable[[], Brain]
Mood = Literal["happy", "unhappy"]
Share = Annotated[float, Field(ge=0, lt=1)]


class Feeling(Enum):
    HAPPY = "happy"
    UNHAPPY = "unhappy"


class Review(BaseModel):
    mood: Mood
    stars: int = Field(ge=1, le=5)
    title: str


@llm_strategy("local")
class Critic:
    """You read reviews."""

    def mood(self, message: str) -> Literal["happy", "unhappy"]:
        """Tell the mood."""
        raise NotImplementedError

    def tone(self, message: str) -> Literal["happy", "unhappy"]:
        """Tell the tone."""
        raise NotImplementedError

    def summary(self, message: str) -> str:
        """Sum it up."""
        raise NotImplementedError

    def feeling(self, message: str) -> Feeling:
        """Tell the feeling."""
        raise NotImplementedError

    def share(self, message: str) -> Share:
        """Tell how much of it is praise."""
        raise NotImplementedError

    def review(self, message: str) -> Review:
        """Sort it."""
        raise NotImplementedError

    def compare(self, one: str, other: str) -> bool:
        """Tell whether the one is better."""
        raise NotImplementedError


def implemented_by(student: Student) -> Any:
    return Critic.using(student)()  # type: ignore[attr-defined]


@pytest.fixture
def student(new_brain: NewBrain, reader: TokenReader) -> Student:
    return Student(new_brain(), reader, "Critic.mood", Mood)


def test_a_student_implements_the_function_it_was_taught(student: Student) -> None:
    texts = ["the good film", "awful", "", "words that nobody knows", "\ud800"]
    critic = implemented_by(student)
    expected = student.answer_all(texts)
    assert [critic.mood(text) for text in texts] == expected
    assert critic.mood.map(texts) == expected


def test_its_answer_is_the_likeliest_and_comes_with_probabilities(student: Student) -> None:
    details: Details = implemented_by(student).mood.with_details("the good film")
    assert details.implementation == "brain"
    assert sum(details.probabilities.values()) == pytest.approx(1.0)
    assert details.value == max(details.probabilities, key=lambda option: details.probabilities[option])


@pytest.mark.parametrize("name", ["tone", "summary", "feeling"])
def test_it_refuses_a_function_that_it_was_not_taught(name: str, student: Student) -> None:
    with pytest.raises(DefinitionError, match=rf"was taught Critic\.mood .* cannot implement Critic\.{name}"):
        getattr(implemented_by(student), name)("good")


@pytest.mark.parametrize("returns", [Literal["unhappy", "happy"], Literal["happy", "sad"], bool])
def test_it_refuses_other_answers_or_another_order_of_them(returns: Any, new_brain: NewBrain, reader: TokenReader) -> None:
    with pytest.raises(DefinitionError, match="cannot implement it with the answers"):
        implemented_by(Student(new_brain(), reader, "Critic.mood", returns)).mood("good")


def test_a_student_whose_weights_were_changed_unseen_answers_anew_when_it_has_forgotten(student: Student) -> None:
    student.answer("the good film")
    for parameter in student.brain.parameters():
        parameter.data.mul_(0.0)
    student.forget()
    assert student.answer("the good film").confidence == pytest.approx(0.5)
    assert student.answer("the good film").features.abs().max() == 0.0


def test_it_reads_several_arguments_as_lines(new_brain: NewBrain, reader: TokenReader) -> None:
    student = Student(new_brain(), reader, "Critic.compare", bool)
    details = implemented_by(student).compare.with_details("good", "bad")
    text = 'one: "good"\nother: "bad"'
    assert details.value == student.answer(text).details.value
    assert student.text(typed(Critic.compare).spec, {"one": "good", "other": "bad"}) == text


def test_it_reads_the_state_of_the_object(student: Student) -> None:
    critic = implemented_by(student)
    critic.audience = "children"
    details = critic.mood.with_details("good")
    expected = student.answer('self: {"audience": "children"}\nmessage: "good"').details.probabilities
    assert details.probabilities == expected


def test_many_answers_at_once_are_those_of_one_by_one(student: Student) -> None:
    texts = ["the good film", "awful", "", "words that nobody knows", "it film bad the film"] * 3
    assert student.answer_all(texts, batch_size=4) == [student.answer(text).details.value for text in texts]
    assert student.answer_all([]) == []


def test_it_is_as_sure_as_its_answer_is_likely(student: Student) -> None:
    answered = student.answer("the good film")
    assert answered.confidence == pytest.approx(max(answered.details.probabilities.values()))
    assert answered.features.shape == (16,)


def test_long_texts_of_which_it_is_hardly_sure_can_be_told_apart() -> None:
    torch.manual_seed(0)
    reader, kind = ByteReader(), answer_for(str, longest=256)
    config = BrainConfig(input_size=reader.input_size, vocabulary=reader.vocabulary, answer=kind.answer, width=16, heads=2)
    student = Student(Brain(config), reader, "Critic.blurb", str)
    confidences = [student.answer(text).confidence for text in ("one", "two", "three four")]
    assert len(set(confidences)) == 3
    assert all(math.isfinite(confidence) for confidence in confidences)


def test_a_brain_has_one_output_for_each_option(new_brain: NewBrain, reader: TokenReader) -> None:
    with pytest.raises(DefinitionError, match=r"the brain answers with Choice\(.*options=2\)"):
        Student(new_brain(), reader, "Critic.mood", Literal["happy", "unhappy", "neither"])


def test_a_student_that_was_saved_answers_as_before(student: Student, reader: TokenReader, tmp_path: Path) -> None:
    student.save(tmp_path)
    loaded = Student.load(tmp_path, reader, Mood)
    before, after = (implemented_by(one).mood.with_details("the awful film") for one in (student, loaded))
    assert (after.value, after.probabilities) == (before.value, before.probabilities)


def test_the_options_of_an_enum_come_back_as_its_members(new_brain: NewBrain, reader: TokenReader, tmp_path: Path) -> None:
    Student(new_brain(), reader, "Critic.feeling", Feeling).save(tmp_path)
    assert isinstance(implemented_by(Student.load(tmp_path, reader, Feeling)).feeling("good"), Feeling)


def test_a_folder_without_a_student_is_a_checkpoint_error(new_brain: NewBrain, reader: TokenReader, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no brain in"):
        Student.load(tmp_path / "none", reader, Mood)
    save_brain(new_brain(), tmp_path)
    with pytest.raises(CheckpointError, match="implements no function"):
        Student.load(tmp_path, reader, Mood)
    save_brain(new_brain(), tmp_path, {"function": "Critic.mood"})
    with pytest.raises(CheckpointError, match="implements no function"):
        Student.load(tmp_path, reader, Mood)


@pytest.mark.parametrize("returns", [Literal["unhappy", "happy"], bool, Literal["happy", "unhappy", "neither"], str, list[str]])
def test_a_student_of_other_answers_is_a_checkpoint_error(
    returns: Any, student: Student, reader: TokenReader, tmp_path: Path
) -> None:
    student.save(tmp_path)
    with pytest.raises(CheckpointError, match=r"gives the answers|does not fit"):
        Student.load(tmp_path, reader, returns)


def test_a_damaged_student_and_one_of_another_table_are_checkpoint_errors(
    student: Student, reader: TokenReader, tmp_path: Path
) -> None:
    student.save(tmp_path)
    with pytest.raises(CheckpointError, match="another embedding table"):
        Student.load(tmp_path, TokenReader(reader.codec.tokenizer, reader.table + 1), Mood)
    manifest = json.loads((tmp_path / "brain.json").read_text())
    (tmp_path / manifest["weights"]).write_bytes(b"")
    with pytest.raises(CheckpointError, match="damaged"):
        Student.load(tmp_path, reader, Mood)


@pytest.mark.parametrize(("name", "returns"), [("summary", str), ("share", Share), ("review", Review)])
def test_a_student_answers_with_the_type_of_its_function(name: str, returns: Any, reader: TokenReader, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = BrainConfig(input_size=8, answer=answer_for(returns, longest=6).answer, width=16, heads=2)
    Student(Brain(config, embedding=reader.table), reader, f"Critic.{name}", returns).save(tmp_path)
    student = Student.load(tmp_path, reader, returns)
    details = getattr(implemented_by(student), name).with_details("the good film")
    kind = get_args(returns)[0] if returns is Share else returns
    assert isinstance(details.value, kind)
    assert not details.probabilities
