"""Where pairs come from: given, answered by the model, and written by the teacher; each refusal is counted, and few end it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_brain.errors import ArgumentError, BackendError, BudgetError, DataError, DefinitionError, MissingKeyError
from llm_brain.strategy import FunctionSpec
from llm_brain.training import Generated, Given, Pair, Subject, Unlabelled
from tests.training.functions import (
    Customer,
    Model,
    Review,
    Urgency,
    answered_by,
    by_words,
    gathered,
    happy,
    hours,
    is_before,
    method_of,
    stars,
)

BUSY = BackendError("busy", kind="server")


def texts(pairs: Any) -> list[str]:
    return [pair.text for pair in pairs.pairs]


def test_given_pairs_are_checked_against_the_types() -> None:
    subject = Subject.of(answered_by(by_words))
    pairs = gathered(
        Given(
            [("I love it.", "happy"), ({"message": "It broke."}, "unhappy"), ("So so.", "glad"), ((1,), "happy"), (" ", "happy")]
        ),
        subject,
    )
    assert pairs.pairs == [Pair("I love it.", "happy"), Pair("It broke.", "unhappy")]
    assert dict(pairs.refused) == {"malformed": 2, "empty": 1}


def test_given_pairs_of_several_parameters_and_of_an_objects_state() -> None:
    subject = Subject.of(method_of(Model(lambda *_: "billing"), "route", "Norwegian"))
    ada = {"name": "Ada", "since": 2020}
    pairs = gathered(Given([(("It broke.", ada), "repairs"), (("Pay!", Customer(**ada), Urgency.HIGH), "billing")]), subject)
    assert [pair.answer for pair in pairs.pairs] == ["repairs", "billing"]
    assert texts(pairs)[1].splitlines() == [
        'self: {"language": "Norwegian"}',
        'message: "Pay!"',
        'customer: {"name": "Ada", "since": 2020}',
        "urgency: 2",
    ]


def test_numbers_that_differ_by_a_sign_are_other_calls() -> None:
    subject = Subject.of(answered_by(lambda *_: True, is_before))
    assert len(gathered(Given([((1, 2), True), ((-1, 2), True), ((1, -2), False)]), subject)) == 3


def test_given_pairs_are_read_from_a_file_in_both_forms(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    lines = [
        '{"number": 1, "other": 2, "answer": true}',
        '{"arguments": {"number": 3, "other": 2}, "answer": false}',
        "",
        '{"arguments": [4, 2], "answer": false}',
        '{"number": 1, "answer": true}',
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    pairs = gathered(Given.from_file(path), Subject.of(answered_by(lambda *_: True, is_before)))
    assert texts(pairs) == ["number: 1\nother: 2", "number: 3\nother: 2", "number: 4\nother: 2"]
    assert dict(pairs.refused) == {"malformed": 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"number": 1}', "line 1 of .* has no field `answer`"),
        ('{"answer": 1}', "line 1 of .* has no arguments"),
        ("[1]", "line 1 of .* is not a JSON object"),
    ],
)
def test_a_line_that_is_no_pair_is_named(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        Given.from_file(path)


def test_what_is_no_pair_is_said_at_once() -> None:
    with pytest.raises(DataError, match="pair 1 is none"):
        Given([("a", True), "text"])  # type: ignore[list-item]


def test_unlabelled_inputs_are_answered_with_the_probabilities() -> None:
    model = Model(by_words)
    subject = Subject.of(answered_by(model))
    pairs = gathered(Unlabelled(["I love it.", {"message": "It broke."}, "i love it", ("",), 5]), subject)
    assert pairs.pairs == [
        Pair("I love it.", "happy", (0.9, 1 - 0.9), "unlabelled"),
        Pair("It broke.", "unhappy", (0.2, 0.8), "unlabelled"),
    ]
    assert dict(pairs.refused) == {"duplicate": 1, "empty": 1, "malformed": 1}
    assert len(model.asked) == 2


def test_a_call_that_fails_is_counted_and_ends_nothing() -> None:
    def answer(_: FunctionSpec, arguments: Mapping[str, Any]) -> Any:
        return BUSY if "b" in arguments["message"] else happy(0.9)

    pairs = gathered(Unlabelled(["aaa", "bbb", "ccc"]), Subject.of(answered_by(answer)))
    assert texts(pairs) == ["aaa", "ccc"]
    assert dict(pairs.refused) == {"not answered": 1}


@pytest.mark.parametrize("error", [BudgetError("spent"), MissingKeyError("no key"), BackendError("refused", kind="auth")])
@pytest.mark.parametrize("source", [Unlabelled(["aaa", "bbb"]), Generated(2, topic=["a", "b"])])
def test_what_concerns_all_calls_ends_the_gathering(error: Exception, source: Any) -> None:
    class Writer:
        def generate_training_pair(self, topic: str) -> tuple[str, str]:
            return f"I love {topic}.", "happy"

    with pytest.raises(type(error)):
        gathered(source, Subject.of(answered_by(lambda *_: error), Writer()))


def test_one_text_is_no_list_of_inputs() -> None:
    with pytest.raises(ArgumentError, match="not one text"):
        Unlabelled("text")


def test_models_and_numbers_are_answers_like_others() -> None:
    reviews = gathered(Unlabelled(["Good."]), Subject.of(answered_by(lambda *_: Review(praises=True, stars=4), stars)))
    assert reviews.pairs == [Pair("Good.", Review(praises=True, stars=4), (), "unlabelled")]
    numbers = gathered(Unlabelled([("It broke.", 24)]), Subject.of(answered_by(lambda *_: 12, hours)))
    assert numbers.pairs == [Pair('message: "It broke."\nlimit: 24', 12, (), "unlabelled")]


class Writer:
    """Writes what its rules say of a topic, or raises it."""

    def __init__(self, written: Mapping[str, Any], scores: Mapping[str, Any] | None = None) -> None:
        self.written = written
        self.scores = scores or {}

    def generate_training_pair(self, topic: str) -> Any:
        told = self.written[topic]
        if isinstance(told, Exception):
            raise told
        return told

    def evaluate_output(self, task: str, _output: str) -> float:
        told = self.scores[task]
        if isinstance(told, Exception):
            raise told
        return float(told)


def test_written_pairs_are_kept_where_the_model_agrees_and_each_other_one_is_counted() -> None:
    def answer(_: FunctionSpec, arguments: Mapping[str, Any]) -> Any:
        return BUSY if "unknown" in arguments["message"] else by_words(_, arguments)

    written: dict[str, Any] = {
        "agreed": ("I love it.", "happy"),
        "again": ("i love it", "happy"),
        "wrong": ("It broke.", "happy"),
        "unknown": ("An unknown word.", "happy"),
        "failed": BUSY,
        "no option": ("I love tea.", "glad"),
        "empty": (" ", "happy"),
        "surrogate": ("I love \ud800.", "happy"),
    }
    subject = Subject.of(answered_by(answer), Writer(written))
    pairs = gathered(Generated(len(written), topic=list(written)), subject)
    assert [(pair.answer, pair.probabilities, pair.source) for pair in pairs.pairs] == [("happy", (0.9, 1 - 0.9), "generated")]
    assert dict(pairs.refused) == {
        "reply did not fit": 2,
        "duplicate": 1,
        "judge disagrees": 1,
        "not judged": 1,
        "empty": 1,
        "malformed": 1,
    }


def test_answers_that_are_no_closed_set_are_kept_by_their_evaluation() -> None:
    good = Review(praises=True, stars=5)
    written = {"a": ("Great.", good), "b": ("Awful.", good), "c": ("So so.", good), "d": ("Fine.", {"praises": True, "stars": 9})}
    scores = {"Great.": 0.5, "Awful.": 0.49, "So so.": BUSY}
    subject = Subject.of(answered_by(lambda *_: good, stars), Writer(written, scores))
    pairs = gathered(Generated(4, topic=list(written)), subject)
    assert pairs.pairs == [Pair("Great.", good, (), "generated")]
    assert dict(pairs.refused) == {"judge disagrees": 1, "not judged": 1, "reply did not fit": 1}


def test_every_combination_is_written_about_before_any_repeats() -> None:
    seen: list[tuple[str, str]] = []

    class Both:
        def generate_training_pair(self, topic: str, persona: str) -> tuple[str, str]:
            seen.append((topic, persona))
            return f"I love {topic}, says {persona} {len(seen)}.", "happy"

    source = Generated(6, seed=3, topic=["tea", "rain"], persona=["a", "b"])
    gathered(source, Subject.of(answered_by(by_words), Both()))
    assert len(seen) == 6
    assert len(set(seen)) == 4
    assert max(seen.count(one) for one in seen) == 2


def test_the_standard_teacher_writes_pairs_of_an_objects_method() -> None:
    def answer(spec: FunctionSpec, arguments: Mapping[str, Any]) -> Any:
        if spec.name == "mood":
            return by_words(spec, arguments)
        assert arguments["task"].endswith('self: {"language": "Norwegian"}')
        return spec.adapter.validate_python({"input": f"I love {arguments['topic']}.", "output": "happy"})

    subject = Subject.of(method_of(Model(answer), "mood", "Norwegian"))
    pairs = gathered(Generated(2, topic=["tea", "rain"]), subject)
    assert sorted(texts(pairs)) == [f'self: {{"language": "Norwegian"}}\nmessage: "I love {topic}."' for topic in ("rain", "tea")]


def test_a_teacher_that_writes_no_pairs_of_this_function_ends_the_gathering() -> None:
    with pytest.raises(DefinitionError, match="let it return"):
        gathered(Generated(2, topic=["a"]), Subject.of(answered_by(by_words), Writer({"a": "text"})))
    with pytest.raises(DefinitionError, match="has no parameter `persona`"):
        gathered(Generated(2, persona=["a"]), Subject.of(answered_by(by_words), Writer({})))


def test_what_is_varied_by_is_a_list_and_something_is_asked_for() -> None:
    with pytest.raises(ArgumentError, match="`topic` is one text"):
        Generated(2, topic="tea")
    with pytest.raises(ArgumentError, match="1 pair or more"):
        Generated(0)
    with pytest.raises(DataError, match="`topic` has no values"):
        gathered(Generated(2, topic=[]), Subject.of(answered_by(by_words)))


def test_probabilities_of_some_options_only_are_not_learned_from() -> None:
    pairs = gathered(Unlabelled(["I love it."]), Subject.of(answered_by(lambda *_: {"happy": 1.0})))
    assert pairs.pairs == [Pair("I love it.", "happy", (), "unlabelled")]
