"""A language model as implementer: asked again with the error, counted, and never believed without a check."""

from __future__ import annotations

import pickle
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator

from llm_brain.backends import Attempt, Message, Reply, Usage
from llm_brain.errors import BackendError, DefinitionError, ReplyError
from llm_brain.strategy import Likelihood, ModelImplementation, TypedFunction, inspect_function
from tests.strategy.conftest import Scoring, Scripted, returning

Mood = Literal["happy", "sad"]


def count(text: str) -> int:
    """Count."""
    raise NotImplementedError


def score(text: str, mood: Mood) -> Annotated[float, Likelihood(of="mood")]:
    """Tell the mood."""
    raise NotImplementedError


def made(function: Any, backend: Any, **options: Any) -> TypedFunction:
    spec = inspect_function(function) if callable(function) else function
    return TypedFunction(spec, ModelImplementation(backend, **options))


def test_a_bad_reply_is_shown_with_its_error_and_only_the_last_one() -> None:
    backend = Scripted('{"return_value": "first"}', "second", '{"return_value": 3}')
    details = made(count, backend).with_details("a")
    assert (details.value, details.attempts, details.usage) == (3, 3, Usage(30, 6))
    first, second, third = ([message.content for message in request.messages] for request in backend.requests)
    assert second[:-2] == third[:-2] == first
    assert second[-2] == '{"return_value": "first"}'
    assert "valid integer" in second[-1]
    assert third[-2] == "second"
    assert "first" not in third[-1]


def test_after_the_last_attempt_the_error_tells_all() -> None:
    backend = Scripted("one", "two", "three")
    with pytest.raises(ReplyError, match="count: none of 3 replies of 'scripted' fits") as caught:
        made(count, backend)("a")
    assert caught.value.raw == "three"
    assert len(caught.value.attempts) == 3
    assert caught.value.kind == "validation"
    with pytest.raises(ReplyError):
        made(count, backend, max_attempts=1)("a")
    assert len(backend.requests) == 4


def test_attempts_must_be_allowed() -> None:
    with pytest.raises(DefinitionError, match="at least 1"):
        ModelImplementation(Scripted(), max_attempts=0)


def test_what_a_backend_raises_is_not_asked_again() -> None:
    backend = Scripted(BackendError("no", kind="auth"))
    with pytest.raises(BackendError, match="no"):
        made(count, backend)("a")
    assert len(backend.requests) == 1


def test_unknown_usage_stays_unknown_and_cached_means_every_answer_was() -> None:
    known, unknown = Reply("x", "stop", "m", Usage(1, 1), cached=True), Reply('{"return_value": 3}', "stop", "m")
    details = made(count, Scripted(known, unknown)).with_details("a")
    assert details.usage is None
    assert not details.cached
    both = made(count, Scripted(known, Reply('{"return_value": 3}', "stop", "m", cached=True))).with_details("a")
    assert both.cached


def test_a_reply_cut_by_the_limit_is_an_error_of_its_own_and_never_mended() -> None:
    backend = Scripted(Reply('{"return_value": [1, 2', "length", "m", Usage(9, 7)), '{"return_value": [1, 2, 3]}')
    with pytest.raises(BackendError, match="max_tokens") as caught:
        made(returning(list[int]), backend)()
    assert (caught.value.kind, caught.value.raw, caught.value.usage) == ("length", '{"return_value": [1, 2', Usage(9, 7))
    assert [attempt.kind for attempt in caught.value.attempts] == ["length"]


def test_a_reply_that_was_whole_when_the_limit_came_is_taken() -> None:
    backend = Scripted(Reply('{"return_value": [1, 2]}', "length", "m"))
    assert made(returning(list[int]), backend)() == [1, 2]


@pytest.mark.parametrize("accepts", [True, False])
def test_a_text_may_end_at_the_limit_only_where_that_was_allowed(*, accepts: bool) -> None:
    backend = Scripted(Reply("Once upon a", "length", "m"))
    tell = made(returning(str), backend, accept_cut_text=accepts)
    if accepts:
        assert tell() == "Once upon a"
        return
    with pytest.raises(BackendError) as caught:
        tell()
    assert (caught.value.kind, caught.value.raw) == ("length", "Once upon a")


def test_a_fault_after_a_reply_that_did_not_fit_tells_of_both() -> None:
    fault = BackendError("busy", kind="server", attempts=[Attempt("busy", "server", status=503)], usage=Usage(1, 0))
    backend = Scripted(Reply("no list", "stop", "m", Usage(9, 7)), fault)
    with pytest.raises(BackendError) as caught:
        made(returning(list[int]), backend)()
    assert [attempt.kind for attempt in caught.value.attempts] == ["validation", "server"]
    assert caught.value.usage == Usage(10, 7)


def test_a_closed_set_comes_with_its_probabilities() -> None:
    backend = Scoring(0.25, 0.75)
    details = made(returning(Mood), backend).with_details()
    assert details.value == "sad"
    assert details.probabilities == {"happy": 0.25, "sad": 0.75}
    assert (details.usage, details.cached) == (Usage(7, 0), True)
    assert backend.options == [[' "happy"', ' "sad"']]


def test_a_likelihood_is_the_models_own_probability() -> None:
    assert made(score, Scoring(0.25, 0.75))("a", "happy") == 0.25


def test_a_model_that_cannot_score_agrees_or_does_not() -> None:
    function = made(score, Scripted("Happy."))
    assert (function("a", "happy"), function("a", "sad")) == (1.0, 0.0)
    assert function.with_details("a", "happy").probabilities == {}


def test_an_answer_that_is_none_of_the_options_is_asked_for_again() -> None:
    backend = Scripted("Perhaps.", "sad")
    details = made(returning(Mood), backend).with_details()
    assert (details.value, details.attempts) == ("sad", 2)
    assert backend.requests[1].messages[-2].content == "Perhaps."
    with pytest.raises(ReplyError) as caught:
        made(returning(Mood), Scripted("Perhaps."))()
    assert (caught.value.raw, len(caught.value.attempts)) == ("Perhaps.", 3)


def test_options_are_offered_as_words_even_with_quotes_in_them() -> None:
    backend = Scoring(0.1, 0.9, choice_form="chat")
    assert made(returning(Literal['"a"', 1]), backend)() == 1
    assert backend.options == [['"a"', "1"]]


def test_a_validator_of_a_closed_set_is_run() -> None:
    def not_sad(mood: str) -> str:
        if mood == "sad":
            raise ValueError("cheer up")
        return mood.upper()

    checked: Any = Annotated[Mood, AfterValidator(not_sad)]
    assert made(returning(checked), Scoring(0.9, 0.1))() == "HAPPY"
    with pytest.raises(ReplyError, match="cheer up"):
        made(returning(checked), Scoring(0.1, 0.9))()


def test_the_error_after_the_last_attempt_carries_the_conversation_and_the_value_that_does_not_fit() -> None:
    model = Scripted("three", '{"return_value": "x"}', '{"return_value": [1]}')
    with pytest.raises(ReplyError) as caught:
        ModelImplementation(model).call(returning(int), {})
    error = pickle.loads(pickle.dumps(caught.value))
    assert error.conversation == (*model.requests[2].messages, Message("assistant", '{"return_value": [1]}'))
    assert error.invalid == {"return_value": [1]}
    with pytest.raises(ReplyError) as caught:
        ModelImplementation(Scripted("no"), max_attempts=1).call(returning(int), {})
    assert caught.value.invalid == "no"
