"""A teacher's methods, whatever their parameters are called."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import BaseModel

from examples.mood.interface import Teacher as MoodTeacher
from llm_brain import llm_strategy
from llm_brain.errors import ArgumentError, BackendError, DefinitionError, LLMBrainError
from llm_brain.interface import Evaluation, Teacher
from llm_brain.strategy import FunctionSpec, Hidden
from llm_brain.training import Teaching
from tests.strategy.conftest import Scripted
from tests.training.functions import (
    Customer,
    Model,
    Review,
    Urgency,
    answered_by,
    by_words,
    happy,
    hours,
    is_before,
    method_of,
    stars,
)

ROUTE = {"message": "It broke.", "customer": Customer(name="Ada", since=2020), "urgency": Urgency.LOW}


def judged(score: float) -> Evaluation:
    return Evaluation(reason="by rule", score=score)


def test_the_methods_of_the_mood_example_work() -> None:
    def likelihood(spec: FunctionSpec, arguments: Mapping[str, Any]) -> Any:
        return {"evaluate_output": 0.9, "score_validation": 0.8}[spec.name] if arguments["mood"] == "happy" else 0.1

    teaching = Teaching(llm_strategy(Model(likelihood))(MoodTeacher)(), answered_by(by_words))
    call = {"message": "I love it."}
    assert (teaching.evaluate(call, "happy"), teaching.evaluate(call, "unhappy")) == (0.9, 0.1)
    assert (teaching.score(call, "happy"), teaching.score(call, "unhappy")) == (0.8, 0.1)
    assert teaching.rank is None


def test_the_pairs_of_the_mood_example_are_taken_apart() -> None:
    class Written(BaseModel):
        message: str
        mood: str

    model = Model(lambda _, arguments: Written(message=f"I love {arguments['product']}.", mood=arguments["mood"]))
    teaching = Teaching(llm_strategy(model)(MoodTeacher)(), answered_by(by_words))
    told = teaching.write(product="a sofa", topic="comfort", mood="happy")
    assert told == ({"message": "I love a sofa."}, "happy")


def test_the_standard_teacher_is_told_the_task_and_the_answer_as_text() -> None:
    model = Model(lambda *_: judged(0.7))
    teaching = Teaching(llm_strategy(model)(Teacher)(), method_of(Model(lambda *_: "billing"), "route"))
    assert teaching.evaluate(ROUTE, "billing") == 0.7
    (asked,) = model.asked
    assert asked["output"] == "billing"
    assert asked["task"].splitlines() == [
        "You sort what customers write.",
        "Triage.route(message: str, customer: Customer, urgency: Urgency = Urgency.LOW) -> Literal['billing', 'repairs']",
        "Tell who has to answer.",
        "",
        'self: {"language": "English"}',
        'message: "It broke."',
        'customer: {"name": "Ada", "since": 2020}',
        "urgency: 1",
    ]


def test_the_standard_teacher_writes_what_the_function_takes_and_returns() -> None:
    def write(spec: FunctionSpec, arguments: Mapping[str, Any]) -> Any:
        assert list(arguments) == ["task", "topic", "document"]
        assert "about `topic`, with what it says taken from `document`, and" in spec.instruction
        assert "persona" not in spec.instruction
        return spec.adapter.validate_python({"input": {"number": 1, "other": 2}, "output": True})

    model = Model(write)
    teaching = Teaching(llm_strategy(model)(Teacher)(), answered_by(lambda *_: True, is_before))
    assert teaching.write(document="A page.", topic="numbers") == ({"number": 1, "other": 2}, True)
    with pytest.raises(DefinitionError, match="vary by topic, persona, document, and not by 'product'"):
        teaching.write(product="a sofa")


def test_without_a_teacher_the_functions_own_model_writes_texts_for_a_function_of_one_text() -> None:
    def answer(spec: FunctionSpec, arguments: Mapping[str, Any]) -> Any:
        assert spec.line == "Teacher.generate_training_pair(task: str) -> TrainingPair"
        assert arguments["task"] == "stars(message: str) -> Review\nRead the review."
        return spec.adapter.validate_python({"input": "Good.", "output": {"praises": True, "stars": 4}})

    teaching = Teaching(None, answered_by(answer, stars))
    assert teaching.write() == ({"message": "Good."}, Review(praises=True, stars=4))


class Tagged(NamedTuple):
    answer: bool
    other: int
    number: int


@dataclass
class Ordered:
    one: int
    two: int
    right: bool


@pytest.mark.parametrize(
    "written",
    [
        Tagged(answer=True, other=2, number=1),
        Ordered(1, 2, right=True),
        (1, 2, True),
        ("1", "2", "true"),
        {"number": 1, "other": 2, "is_before": True},
        ({"number": 1, "other": 2}, True),
    ],
)
def test_a_written_pair_is_taken_apart_by_names_or_by_order(written: Any) -> None:
    class Writer:
        def generate_training_pair(self) -> Any:
            return written

    assert Teaching(Writer(), answered_by(lambda *_: True, is_before)).write() == ({"number": 1, "other": 2}, True)


@pytest.mark.parametrize("written", [(1, True), (1, 2, 3, True), "text", None, {"number": 1, "answer": True}])
def test_what_is_no_pair_of_the_function_is_a_definition_error(written: Any) -> None:
    class Writer:
        def generate_training_pair(self) -> Any:
            return written

    with pytest.raises(DefinitionError, match=r"takes \(number, other\) and, last, the answer"):
        Teaching(Writer(), answered_by(lambda *_: True, is_before)).write()


@pytest.mark.parametrize("written", [("x", 2, True), (1, 2, "perhaps")])
def test_what_does_not_fit_the_types_is_an_argument_error(written: Any) -> None:
    class Writer:
        def generate_training_pair(self) -> Any:
            return written

    with pytest.raises(ArgumentError):
        Teaching(Writer(), answered_by(lambda *_: True, is_before)).write()


def test_a_generator_is_called_by_the_names_of_its_parameters() -> None:
    class Writer:
        def generate_training_pair(self, product: str, mood: str = "happy") -> tuple[str, str]:
            return f"I love my {product}.", mood

    teaching = Teaching(Writer(), answered_by(by_words))
    assert teaching.write(product="sofa") == ({"message": "I love my sofa."}, "happy")
    with pytest.raises(DefinitionError, match="has no parameter `topic`: vary the pairs by product, mood"):
        teaching.write(product="sofa", topic="price")
    with pytest.raises(DefinitionError, match="needs `product`"):
        teaching.write(mood="happy")


def test_a_judge_is_given_the_arguments_in_order_or_the_calls_text() -> None:
    seen: list[Any] = []

    class InOrder:
        def evaluate_output(self, ticket: str, who: Customer, how: Urgency, desk: str) -> float:
            seen.append((ticket, who, how, desk))
            return 0.25

    class AsText:
        def evaluate_output(self, task: str, output: str) -> Evaluation:
            seen.append((task, output))
            return judged(0.75)

    route = method_of(Model(lambda *_: "billing"), "route")
    assert Teaching(InOrder(), route).evaluate(ROUTE, "billing") == 0.25
    assert Teaching(AsText(), route).evaluate(ROUTE, "billing") == 0.75
    assert seen[0] == ("It broke.", ROUTE["customer"], Urgency.LOW, "billing")
    assert seen[1][0].startswith('self: {"language": "English"}\nmessage: "It broke."\n')


def test_a_value_for_a_text_is_written_as_json() -> None:
    class Judge:
        def evaluate_output(self, number: int, other: str, answer: str) -> float:
            return float((number, other, answer) == (1, "2", "true"))

    assert Teaching(Judge(), answered_by(lambda *_: True, is_before)).evaluate({"number": 1, "other": 2}, answer=True) == 1.0


def test_a_judge_of_other_arguments_is_refused_before_anything_is_asked() -> None:
    class Judge:
        def evaluate_output(self, one: str, two: str, three: str, four: str, answer: str) -> float:
            raise NotImplementedError

    with pytest.raises(DefinitionError, match="takes one, two, three, four, answer: let it take the 2 arguments"):
        Teaching(Judge(), answered_by(lambda *_: True, is_before))


@pytest.mark.parametrize("score", [85, -0.1, float("nan"), float("inf"), judged(0.5).model_copy(update={"score": 2.0})])
def test_a_score_outside_of_the_range_is_no_score(score: Any) -> None:
    class Judge:
        def evaluate_output(self, _message: str, _answer: str) -> Any:
            return score

    with pytest.raises(BackendError, match="is not between 0 and 1"):
        Teaching(Judge(), answered_by(by_words)).evaluate({"message": "It broke."}, "happy")


@pytest.mark.parametrize("score", [None, "0.5", [0.5]])
def test_what_is_no_number_is_a_fault_of_the_teacher(score: Any) -> None:
    class Judge:
        def evaluate_output(self, _message: str, _answer: str) -> Any:
            return score

    with pytest.raises(DefinitionError, match="let it return a number between 0 and 1"):
        Teaching(Judge(), answered_by(by_words)).evaluate({"message": "It broke."}, "happy")


def test_without_a_judge_an_answer_is_as_good_as_the_model_finds_it_likely_for_one_call_an_input() -> None:
    begun = threading.Barrier(4)
    model = Model(by_words)
    teaching = Teaching(None, answered_by(model))

    def evaluate(answer: str) -> float:
        begun.wait()
        return teaching.evaluate({"message": "I love it."}, answer)

    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(evaluate, ["happy", "unhappy", "happy", "unhappy"]))
    assert scores == pytest.approx([0.9, 0.1, 0.9, 0.1])
    assert len(model.asked) == 1
    assert teaching.evaluate({"message": "It broke."}, "happy") == pytest.approx(0.2)


def test_a_failure_is_not_kept() -> None:
    answers: list[Any] = [BackendError("busy", kind="server"), happy(0.9)]
    teaching = Teaching(None, answered_by(lambda *_: answers.pop(0)))
    with pytest.raises(BackendError, match="busy"):
        teaching.evaluate({"message": "I love it."}, "happy")
    assert teaching.evaluate({"message": "I love it."}, "happy") == 0.9


def test_a_model_that_tells_no_probabilities_is_asked_as_a_judge() -> None:
    model = Model(lambda spec, _: judged(0.6) if spec.name == "evaluate_output" else "happy")
    teaching = Teaching(None, answered_by(model))
    call = {"message": "I love it."}
    assert [teaching.evaluate(call, answer) for answer in ("happy", "unhappy")] == [0.6, 0.6]
    assert [spec.name for spec in model.functions] == ["mood", "evaluate_output", "evaluate_output"]


def test_answers_that_are_no_closed_set_are_judged() -> None:
    def judge(_: FunctionSpec, arguments: Mapping[str, Any]) -> Any:
        return judged(1.0 if arguments["output"] == '{"praises": true, "stars": 4}' else 0.0)

    assert Teaching(None, answered_by(judge, stars)).evaluate({"message": "Good."}, Review(praises=True, stars=4)) == 1.0


def test_without_a_method_for_validation_the_evaluation_is_the_score() -> None:
    class Judge:
        def evaluate_output(self, _message: str, answer: str) -> bool:
            return answer == "happy"

    teaching = Teaching(Judge(), answered_by(by_words))
    assert [teaching.score({"message": "a"}, answer) for answer in ("happy", "unhappy")] == [1.0, 0.0]


def test_a_group_is_ranked_as_texts() -> None:
    class Ranker:
        def rank_outputs(self, message: str, limit: int, outputs: list[str]) -> list[int]:
            assert (message, limit) == ("It broke.", 24)
            return sorted(range(len(outputs)), key=lambda place: outputs[place])

    rank = Teaching(Ranker(), answered_by(lambda *_: 1, hours)).rank
    assert rank is not None
    assert rank({"message": "It broke.", "limit": 24}, [3, 12, 2]) == [1, 2, 0]


@pytest.mark.parametrize("ranking", [[0, 0], [1], [0, 1, 2], [1, 2], None, ["0", "1"], [True, False]])
def test_a_ranking_that_does_not_name_each_answer_once_is_refused(ranking: Any) -> None:
    class Ranker:
        def rank_outputs(self, _task: str, _outputs: list[str]) -> Any:
            return ranking

    rank = Teaching(Ranker(), answered_by(by_words)).rank
    assert rank is not None
    with pytest.raises(BackendError, match="each of 0 to 1 once"):
        rank({"message": "It broke."}, ["happy", "unhappy"])


class Awaits:
    async def nothing(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("teacher", [object(), MoodTeacher, Awaits()])
def test_what_is_no_teacher_is_refused(teacher: Any) -> None:
    with pytest.raises(DefinitionError, match=r"has none of the methods|is a class"):
        Teaching(teacher, answered_by(by_words))


def test_methods_that_are_only_inherited_from_the_standard_teacher_are_its() -> None:
    class Mine(Teacher):
        def evaluate_output(self, _message: str, _answer: str) -> float:  # type: ignore[override]
            return 0.5

    def write(spec: FunctionSpec, _: Mapping[str, Any]) -> Any:
        return spec.adapter.validate_python({"input": "Good.", "output": "happy"})

    teaching = Teaching(Mine(), answered_by(write))
    assert teaching.evaluate({"message": "a"}, "happy") == 0.5
    assert teaching.write(topic="tea") == ({"message": "Good."}, "happy")


def test_an_error_of_one_pair_stands_in_its_place() -> None:
    class Writer:
        def generate_training_pair(self, topic: str) -> tuple[str, str]:
            if topic == "bad":
                raise BackendError("no reply", kind="server")
            return topic, "happy"

    told = Teaching(Writer(), answered_by(by_words)).write_all([{"topic": "tea"}, {"topic": "bad"}])
    assert told[0] == ({"message": "tea"}, "happy")
    assert isinstance(told[1], LLMBrainError)


def test_a_fault_in_the_teachers_own_code_comes_out() -> None:
    class Writer:
        def generate_training_pair(self, topic: str) -> tuple[str, str]:
            raise ZeroDivisionError(topic)

    with pytest.raises(ZeroDivisionError):
        Teaching(Writer(), answered_by(by_words)).write_all([{"topic": "tea"}] * 3)


def test_a_method_that_has_worked_may_fail_now_and_then() -> None:
    class Flaky:
        def evaluate_output(self, _message: str, answer: str) -> float:
            if answer == "unhappy":
                raise ConnectionError("timed out")
            return 1.0

    teaching = Teaching(Flaky(), answered_by(by_words))
    assert teaching.evaluate({"message": "a"}, "happy") == 1.0
    for _ in range(5):
        with pytest.raises(BackendError, match="`evaluate_output` of the teacher failed: ConnectionError: timed out") as caught:
            teaching.evaluate({"message": "a"}, "unhappy")
        assert caught.value.retryable


class Awaited:
    async def __call__(self, _message: str, _answer: str) -> float:
        raise NotImplementedError


class AwaitsItsEvaluation:
    async def evaluate_output(self, message: str, answer: str) -> float:
        raise NotImplementedError


class HoldsWhatIsAwaited:
    evaluate_output = Awaited()


@pytest.mark.parametrize("teacher", [AwaitsItsEvaluation(), HoldsWhatIsAwaited()])
def test_a_method_that_is_awaited_is_refused_before_anything_is_asked(teacher: Any) -> None:
    with pytest.raises(DefinitionError, match=r"`evaluate_output` of the teacher .* declare it with `def`"):
        Teaching(teacher, answered_by(by_words))


def test_a_method_without_its_object_cannot_be_taught() -> None:
    from tests.training.functions import Triage

    with pytest.raises(DefinitionError, match="is a method"):
        Teaching(None, llm_strategy(Model(by_words))(Triage).mood)


def test_the_standard_teacher_writes_the_one_argument_whatever_its_type_and_leaves_out_what_is_hidden() -> None:
    def even(number: int) -> bool:
        """Tell whether a number is even."""
        raise NotImplementedError

    def allowed(user: str, key: Annotated[str, Hidden] = "none") -> bool:
        """Tell whether the user may."""
        raise NotImplementedError

    def secret(key: Annotated[str, Hidden], user: str) -> bool:
        """Tell whether the user may."""
        raise NotImplementedError

    def writing(given: Any) -> Model:
        return Model(lambda spec, _: spec.adapter.validate_python({"input": given, "output": True}))

    assert Teaching(None, answered_by(writing(4), even)).write() == ({"number": 4}, True)
    assert Teaching(None, answered_by(writing({"user": "ada"}), allowed)).write() == ({"user": "ada", "key": "none"}, True)
    with pytest.raises(DefinitionError, match=r"`key` of .*secret is hidden"):
        Teaching(None, answered_by(writing("ada"), secret)).write()


def test_a_language_model_is_asked_for_pairs_by_their_schema() -> None:
    reply = '{"input": {"number": 1, "other": 2}, "output": true}'
    backend = Scripted(reply, enforces_schema=False)
    assert Teaching(None, llm_strategy(backend)(is_before)).write(topic="tea") == ({"number": 1, "other": 2}, True)
    system, question = (message.content for message in backend.requests[-1].messages)
    assert "Write one example of `task`, for the network to learn from: a short input about `topic`, and" in system
    assert '"number": {"type": "integer"}' in system
    assert question.splitlines()[0].startswith('task: "is_before(number: int, other: int) -> bool')
    assert question.splitlines()[1] == 'topic: "tea"'
