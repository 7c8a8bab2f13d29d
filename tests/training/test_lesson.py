"""Teaching a typed function, from sources and a teacher to a brain that implements it."""

import itertools
import random
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import torch
from pydantic import BaseModel, Field

from llm_brain.backends import Choice, LanguageBackend, Message, Reply, Request
from llm_brain.errors import ArgumentError, BackendError, DataError, DefinitionError
from llm_brain.strategy import Details, FunctionSpec, Hidden, llm_strategy
from llm_brain.tracing import read_spans, record
from llm_brain.training import ByteReader, Callback, Given, PairSet, TrainingSettings, Unlabelled, teach
from llm_brain.training.cascade import cascade
from llm_brain.training.reading import ReadingWarning
from tests.training.functions import Model, Triage, answered_by, by_words, mood

QUICK = TrainingSettings(epochs=8, batch_size=16, learning_rate=0.01, validate_every=2, averaging=0.5, word_dropout=0.0)
SMALL = {"width": 16, "heads": 2}


def messages(number: int = 80) -> list[str]:
    draw = random.Random(0)
    nouns = ["kettle", "lamp", "sofa", "train", "hotel", "novel", "coat", "phone"]
    return [f"I {draw.choice(['love', 'hate'])} my {draw.choice(nouns)} {place}" for place in range(number)]


class Judge:
    """Scores an answer by the words of the message."""

    def __init__(self) -> None:
        self.asked = 0
        self.validated = 0
        self._lock = threading.Lock()

    def evaluate_output(self, message: str, mood: str) -> float:
        with self._lock:
            self.asked += 1
        return float((mood == "happy") == ("love" in message))

    def score_validation(self, message: str, mood: str) -> float:
        with self._lock:
            self.validated += 1
        return float((mood == "happy") == ("love" in message))


def test_a_function_is_taught_from_inputs_that_its_model_answers(tmp_path: Path) -> None:
    function = answered_by(by_words)
    taught = teach(function, Unlabelled(messages()), folder=tmp_path, reader=ByteReader(), brain=SMALL, settings=QUICK)
    assert taught.score >= 0.75
    assert len(taught.pairs.pairs) == 80
    assert len(taught.calibration) == 8
    implemented = llm_strategy(taught.student)(mood)
    assert implemented("I love my new lamp") == "happy"
    assert implemented("I hate my new lamp") == "unhappy"
    assert {path.name for path in tmp_path.iterdir()} >= {"pairs.jsonl", "student", "best", "training.json"}


def test_a_teacher_evaluates_the_answers_and_scores_the_validation(tmp_path: Path) -> None:
    judge = Judge()
    told: list[float | None] = []

    class Hear(Callback):
        def on_evaluation(self, prompt: int, answer: Any, score: float | None) -> None:  # noqa: ARG002
            told.append(score)

    settings = QUICK.model_copy(update={"feedback_weight": 1.0, "feedback_prompts": 8})
    taught = teach(
        answered_by(by_words),
        Unlabelled(messages()),
        teacher=judge,
        folder=tmp_path,
        reader=ByteReader(),
        brain=SMALL,
        settings=settings,
        callbacks=[Hear()],
    )
    assert judge.asked == len(told) > 0
    assert 8 <= judge.validated <= 16  # each answer to each of the 8 that validate once
    assert any("reward" in epoch for epoch in taught.history)


def test_without_a_teacher_nobody_evaluates(tmp_path: Path) -> None:
    model = Model(by_words)
    teach(answered_by(model), Unlabelled(messages()), folder=tmp_path, reader=ByteReader(), brain=SMALL, settings=QUICK)
    assert len(model.asked) == 80


def test_a_teacher_is_asked_with_the_arguments_of_the_calls_whatever_their_texts_look_like(tmp_path: Path) -> None:
    seen = set()

    def route(message: str, key: Annotated[str, Hidden]) -> Literal["billing", "bug"]:
        """Decide who reads it."""
        raise NotImplementedError

    class Strict:
        def evaluate_output(self, message: str, key: str, desk: str) -> float:
            seen.add((message, key))
            return float((desk == "billing") == ("paid" in message))

    pairs = [
        ((f"self: I {'paid' if place % 2 else 'crashed'} {place}", "secret"), ("bug", "billing")[place % 2])
        for place in range(20)
    ]
    function = llm_strategy("local")(route)
    taught = teach(
        function, Given(pairs), teacher=Strict(), folder=tmp_path, reader=ByteReader(), brain=SMALL,
        settings=QUICK.model_copy(update={"epochs": 2}),
    )  # fmt: skip
    assert {message for message, _ in seen} <= {pair.text for pair in taught.pairs.pairs}
    assert {key for _, key in seen} == {"secret"}

    seen.clear()
    again = PairSet.load(tmp_path / "pairs.jsonl", taught.pairs.kind, Literal["billing", "bug"])
    with pytest.raises(ArgumentError, match=r"`key` of .* is hidden"):
        teach(function, again, teacher=Strict(), folder=tmp_path / "again", reader=ByteReader(), brain=SMALL, settings=QUICK)
    assert not seen


class Ticket(BaseModel):
    team: Literal["billing", "repairs"]
    hours: int = Field(ge=0, le=8)


def ticket(message: str, vip: bool) -> Ticket:
    """Read what a customer wrote."""
    raise NotImplementedError


def test_a_function_of_several_parameters_with_a_model_as_answer_is_taught_from_given_pairs(tmp_path: Path) -> None:
    words: list[tuple[str, Literal["billing", "repairs"]]] = [("invoice", "billing"), ("broken", "repairs")]
    rows = [
        ({"message": f"{word} {place}", "vip": vip}, Ticket(team=team, hours=1 if vip else 4))
        for place, ((word, team), vip) in enumerate(itertools.product(words * 12, [True, False]))
    ]
    settings = QUICK.model_copy(update={"epochs": 25})
    function = llm_strategy(Model(by_words))(ticket)
    taught = teach(function, Given(rows), folder=tmp_path, reader=ByteReader(), brain=SMALL, settings=settings)
    implemented = llm_strategy(taught.student)(ticket)
    assert isinstance(implemented("invoice 99", vip=True), Ticket)
    right = [implemented(**given) == answer for given, answer in rows]
    assert sum(right) / len(right) > 0.8


def test_a_method_is_named_through_its_class_where_objects_have_no_state(tmp_path: Path) -> None:
    class Desk:
        def mood(self, message: str) -> Literal["happy", "unhappy"]:
            """Tell the mood."""
            raise NotImplementedError

    desk: Any = llm_strategy(Model(by_words))(Desk)
    taught = teach(desk.mood, Unlabelled(messages(20)), folder=tmp_path, reader=ByteReader(), brain=SMALL, settings=QUICK)
    assert desk.using(taught.student)().mood("I love it") in ("happy", "unhappy")


def test_the_state_of_an_object_is_part_of_what_the_brain_reads(tmp_path: Path) -> None:
    triage: Any = llm_strategy(Model(by_words))(Triage)("Danish")
    taught = teach(triage.mood, Unlabelled(messages(20)), folder=tmp_path, reader=ByteReader(), brain=SMALL, settings=QUICK)
    assert all(pair.text.startswith('self: {"language": "Danish"}\n') for pair in taught.pairs.pairs)


class Counted(LanguageBackend):
    """A language model that counts what it is asked."""

    model_id = "counted"
    context_length = 2048

    def __init__(self) -> None:
        self.calls = 0
        self._lock = threading.Lock()

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(str(text).split())

    def chat_completion(self, request: Request) -> Reply:  # noqa: ARG002
        raise BackendError("it only chooses", kind="bad_request")

    def choose_from_options(self, request: Request, options: Sequence[str]) -> Choice:
        with self._lock:
            self.calls += 1
        likes = "love" in request.messages[-1].content
        chances = [0.9 if ("unhappy" in option) != likes else 0.1 for option in options]
        return Choice(options[chances.index(max(chances))], tuple(chances), self.model_id)


class Stop(Exception):
    pass


class StopAfter(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:  # noqa: ARG002
        if step == self.step:
            raise Stop


def test_an_interrupted_lesson_goes_on_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    model = Counted()
    function: Any = llm_strategy(model)(mood)
    arguments: dict[str, Any] = {"folder": tmp_path / "cut", "reader": ByteReader(), "brain": SMALL, "settings": QUICK}
    with pytest.raises(Stop):
        teach(function, Unlabelled(messages()), callbacks=[StopAfter(7)], **arguments)
    asked = model.calls
    assert asked == 80
    taught = teach(function, Unlabelled(messages()), **arguments)
    assert model.calls == asked
    whole = teach(function, Unlabelled(messages()), **{**arguments, "folder": tmp_path / "whole"})
    assert taught.history == whole.history
    weights = zip(taught.student.brain.parameters(), whole.student.brain.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)


def test_too_few_pairs_are_a_data_error_that_tells_what_was_refused(tmp_path: Path) -> None:
    def failing(_: FunctionSpec, arguments: Mapping[str, Any]) -> Any:
        if "1" in arguments["message"]:
            return BackendError("the server answered 503", kind="server")
        return by_words(_, arguments)

    with pytest.raises(DataError, match=r"3 pairs are too few.*1 not answered"):
        teach(answered_by(failing), Unlabelled(["a1", "b2", "c3", "d4"]), folder=tmp_path, reader=ByteReader())


@pytest.mark.parametrize(
    ("pairs", "refused"),
    [
        ([({"text": f"it works {place}"}, "happy") for place in range(9)], "9 malformed .*Input should be a valid string"),
        ([(f"it works {place}", "glad") for place in range(9)], "9 malformed .*glad"),
    ],
)
def test_too_few_pairs_tell_what_was_wrong_with_the_first(pairs: list[Any], refused: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=refused):
        teach(answered_by(by_words), Given(pairs), folder=tmp_path, reader=ByteReader())
    with pytest.raises(DataError, match=refused):
        teach(
            answered_by(by_words), Unlabelled(messages()), held_out=Given(pairs), folder=tmp_path / "aside", reader=ByteReader()
        )


def test_a_model_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    model = Model(lambda _spec, _arguments: BackendError("cannot connect to http://localhost:1", kind="connection"))
    with pytest.raises(DataError, match=r"80 not answered .*cannot connect to http://localhost:1"):
        teach(answered_by(model), Unlabelled(messages()), folder=tmp_path, reader=ByteReader())


def test_a_ranking_and_a_budget_of_single_evaluations_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    class Ranker:
        def rank_outputs(self, _message: str, outputs: list[str]) -> list[int]:
            return list(range(len(outputs)))

    model = Model(by_words)
    settings = QUICK.model_copy(update={"evaluation_budget": 9})
    with pytest.raises(DefinitionError, match=r"`rank_outputs` .* `evaluation_budget`"):
        teach(answered_by(model), Unlabelled(messages()), teacher=Ranker(), folder=tmp_path, settings=settings)
    assert not model.asked


def test_a_judge_in_plain_python_that_fails_now_and_then_ends_no_lesson(tmp_path: Path) -> None:
    class Flaky(Judge):
        def evaluate_output(self, message: str, mood: str) -> float:
            score = super().evaluate_output(message, mood)
            if self.asked % 5 == 0:
                raise ConnectionError("timed out")
            return score

    taught = teach(
        answered_by(by_words),
        Unlabelled(messages()),
        teacher=Flaky(),
        folder=tmp_path,
        reader=ByteReader(),
        brain=SMALL,
        settings=QUICK.model_copy(update={"epochs": 2, "batch_size": 8}),
    )
    assert taught.history[-1]["feedback_failed"] > 0


def test_a_refused_key_ends_the_lesson_at_once(tmp_path: Path) -> None:
    model = Model(lambda _spec, _arguments: BackendError("401", kind="auth"))
    with pytest.raises(BackendError, match="401"):
        teach(answered_by(model), Unlabelled(messages()), folder=tmp_path, reader=ByteReader())
    assert len(model.asked) < 80


def test_a_number_is_learned_on_where_no_answer_is_the_very_same(tmp_path: Path) -> None:
    def heat(message: str) -> Annotated[float, Field(ge=0, le=1)]:
        """Tell how hot it is."""
        raise NotImplementedError

    words = {"cold": 0.1, "mild": 0.4, "warm": 0.6, "hot": 0.9}
    pairs = Given([(f"{word} day {number}", value) for number in range(20) for word, value in words.items()])
    settings = QUICK.model_copy(update={"epochs": 20, "patience": 2})
    function = llm_strategy(Model(by_words))(heat)
    taught = teach(function, pairs, folder=tmp_path, reader=ByteReader(), brain=SMALL, settings=settings)
    assert taught.score == 0.0
    assert len(taught.history) > 8
    losses = [epoch["validation_loss"] for epoch in taught.history if "validation_loss" in epoch]
    assert losses[0] > min(losses)
    given = taught.student.answer_all([pair.text for pair in taught.calibration])
    errors = [abs(answer - pair.answer) for answer, pair in zip(given, taught.calibration, strict=True)]
    assert sum(errors) / len(errors) < 0.1


class Contrary(Judge):
    def evaluate_output(self, message: str, mood: str) -> float:
        return 1.0 - super().evaluate_output(message, mood)

    def score_validation(self, message: str, mood: str) -> float:
        return 1.0 - super().score_validation(message, mood)


def test_another_teacher_and_other_held_out_pairs_are_another_lesson(tmp_path: Path) -> None:
    def score(teacher: Judge | None, aside: Sequence[tuple[str, str]]) -> float:
        pairs = Given([(message, "happy" if "love" in message else "unhappy") for message in messages()])
        settings = QUICK.model_copy(update={"feedback_weight": 0.0})
        arguments: dict[str, Any] = {"folder": tmp_path, "reader": ByteReader(), "brain": SMALL, "settings": settings}
        return teach(answered_by(by_words), pairs, teacher=teacher, held_out=Given(aside), **arguments).score

    right = [(f"I love it {place}", "happy") for place in range(8)]
    wrong = [(f"I love it {place}", "unhappy") for place in range(8)]
    assert score(Judge(), right) == 1.0
    assert score(Contrary(), right) == 0.0
    assert score(None, right) == 1.0
    assert score(None, wrong) == 0.0


def test_a_rare_answer_throws_nothing_away_and_only_what_is_learned_is_thinned_out(tmp_path: Path) -> None:
    def kind(message: str) -> Literal["a", "b", "c"]:
        """Tell the kind."""
        raise NotImplementedError

    function = llm_strategy(Model(by_words))(kind)
    arguments: dict[str, Any] = {"reader": ByteReader(), "brain": SMALL, "settings": QUICK.model_copy(update={"epochs": 1})}
    rare = Given([(f"{name} {place}", name) for name, number in (("a", 40), ("b", 40), ("c", 2)) for place in range(number)])
    assert len(teach(function, rare, folder=tmp_path / "rare", **arguments).pairs) == 82
    often = Given([(f"{name} {place}", name) for name, number in (("a", 160), ("b", 20), ("c", 20)) for place in range(number)])
    thinned = teach(function, often, folder=tmp_path / "often", **arguments)
    dropped = thinned.pairs.refused["unbalanced"]
    assert len(thinned.pairs) == 200 - dropped < 100
    # 160 of 200 are an a, and so are most of those that calibrate.
    assert sum(pair.answer == "a" for pair in thinned.calibration) > len(thinned.calibration) / 2
    assert len(teach(function, often, folder=tmp_path / "all", balance=None, **arguments).pairs) == 200
    with pytest.raises(ArgumentError, match=r"balance=0.5 would drop pairs of every answer"):
        teach(function, often, folder=tmp_path / "wrong", balance=0.5, **arguments)


def test_texts_that_differ_after_the_readers_cut_are_told(tmp_path: Path) -> None:
    pairs = Given([(f"{'the same beginning ' * 3} {place}", "happy") for place in range(20)])
    arguments: dict[str, Any] = {"folder": tmp_path, "brain": SMALL, "settings": QUICK.model_copy(update={"epochs": 1})}
    with pytest.warns(ReadingWarning, match="15 of 16 texts read the same as another one"):
        teach(answered_by(by_words), pairs, reader=ByteReader(longest=40), **arguments)


def test_a_brain_that_was_taught_without_a_state_is_not_asked_with_one(tmp_path: Path) -> None:
    desk: Any = llm_strategy(Model(by_words))(Triage)
    arguments: dict[str, Any] = {"reader": ByteReader(), "brain": SMALL, "settings": QUICK.model_copy(update={"epochs": 1})}
    without = teach(desk.mood, Unlabelled(messages(20)), folder=tmp_path / "without", **arguments).student
    taught = teach(desk("Danish").mood, Unlabelled(messages(20)), folder=tmp_path / "with", **arguments).student
    assert desk.using(taught)("Norwegian").mood("I love it") in ("happy", "unhappy")
    with pytest.raises(DefinitionError, match=r"taught Triage.mood without a state, and is asked with one \(language\)"):
        desk.using(without)("Danish").mood("I love it")
    both = cascade(without, Model(by_words), agreement=0.5)
    assert desk.using(both)("Danish").mood("I love it") == "happy"
    assert both.stats.asked == 0


def test_what_is_no_typed_function_is_refused(tmp_path: Path) -> None:
    with pytest.raises((DefinitionError, TypeError)):
        teach(mood, Given([]), folder=tmp_path)


def test_a_type_that_a_brain_cannot_answer_with_is_refused(tmp_path: Path) -> None:
    def words(message: str) -> list[str]:
        """List the words."""
        raise NotImplementedError

    with pytest.raises(DefinitionError, match="a brain answers with"):
        teach(llm_strategy(Model(by_words))(words), Given([]), folder=tmp_path, reader=ByteReader())


@pytest.mark.parametrize(("fields", "message"), [({"width": -1}, "does not fit"), ({"answer": 3}, "the task decides answer")])
def test_fields_of_a_brain_that_do_not_fit_are_refused(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=message):
        teach(answered_by(by_words), Unlabelled(messages(8)), folder=tmp_path, reader=ByteReader(), brain=fields)


def test_the_trace_shows_the_lesson(tmp_path: Path) -> None:
    with record(tmp_path / "run"):
        teach(
            answered_by(by_words),
            Unlabelled(messages(20)),
            teacher=Judge(),
            folder=tmp_path / "lesson",
            reader=ByteReader(),
            brain=SMALL,
            settings=QUICK,
        )
    spans = list(read_spans(tmp_path / "run"))
    names = {span.name for span in spans}
    assert names >= {"training epoch", "training step", "validation", "evaluation"}
    evaluation = next(span for span in spans if span.name == "evaluation")
    assert evaluation.attributes["llm_brain.score"] in (0.0, 1.0)
    validation = next(span for span in spans if span.name == "validation")
    assert 0.0 <= validation.attributes["llm_brain.metric.agreement"] <= 1.0


def test_pairs_that_were_gathered_before_are_taken_as_they_are(tmp_path: Path) -> None:
    model = Model(by_words)
    function = answered_by(model)
    first = teach(function, Unlabelled(messages(20)), folder=tmp_path / "a", reader=ByteReader(), brain=SMALL, settings=QUICK)
    second = teach(function, first.pairs, folder=tmp_path / "b", reader=ByteReader(), brain=SMALL, settings=QUICK)
    assert len(model.asked) == 20
    assert second.pairs is first.pairs
    assert (tmp_path / "b" / "pairs.jsonl").read_text() == (tmp_path / "a" / "pairs.jsonl").read_text()


def test_pairs_that_are_held_out_validate_and_calibrate_and_are_not_learned_from(tmp_path: Path) -> None:
    validated: set[str] = set()

    class Listening(Judge):
        def score_validation(self, message: str, mood: str) -> float:
            validated.add(message)
            return super().score_validation(message, mood)

    aside = messages(30)[20:]
    taught = teach(
        answered_by(by_words),
        Unlabelled(messages(22)),
        held_out=Unlabelled(aside),
        teacher=Listening(),
        folder=tmp_path,
        reader=ByteReader(),
        brain=SMALL,
        settings=QUICK,
    )
    calibrated = {pair.text for pair in taught.calibration}
    assert len(calibrated) == len(validated) == 5
    assert calibrated | validated == set(aside)
    assert len(taught.pairs.pairs) > 0


def test_details_of_a_taught_function_name_the_brain(tmp_path: Path) -> None:
    function = answered_by(by_words)
    taught = teach(function, Unlabelled(messages(20)), folder=tmp_path, reader=ByteReader(), brain=SMALL, settings=QUICK)
    details: Details[Any] = llm_strategy(taught.student)(mood).with_details("I love it")  # type: ignore[attr-defined]
    assert details.implementation == "brain"
    assert sum(details.probabilities.values()) == pytest.approx(1.0)
