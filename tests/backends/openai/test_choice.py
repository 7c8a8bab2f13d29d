"""Options over HTTP: scored where the server scores tokens, named in words elsewhere, and never more asked than needed."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import Message, OpenAIBackend, Reply, Request, Sampling, Usage
from llm_brain.backends.openai.choice import OptionQuestion, ServerHabits
from llm_brain.backends.openai.logprobs import ScoredToken, probabilities, scored_tokens, tells_apart
from llm_brain.backends.options import option_in
from llm_brain.errors import BackendError, ReplyError

WELL = Request((Message("system", "Answer with one of these lines:\nyes\nno"), Message("user", "Well?")))
MOODS = ["very good", "very bad"]
MOOD = Request(
    (
        Message("system", "Tell the mood. Answer with exactly one of these lines and nothing else:\nvery good\nvery bad"),
        Message("user", "I lost."),
        Message("assistant", "very bad"),
        Message("user", "I won."),
    )
)


def token(text: str, likeliest: Mapping[str, float]) -> dict[str, Any]:
    """Make a scored token; the likeliest in its place by their probabilities."""
    tops = [{"token": each, "logprob": math.log(share), "bytes": list(each.encode())} for each, share in likeliest.items()]
    return {"token": text, "logprob": math.log(likeliest.get(text, 0.001)), "bytes": list(text.encode()), "top_logprobs": tops}


def completion(text: str, *tokens: object, finish: str = "stop") -> dict[str, Any]:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish, "logprobs": {"content": list(tokens)}}
    return {"model": "m", "choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 2}}


def unscored(text: str, finish: str = "stop") -> dict[str, Any]:
    answer = completion(text, finish=finish)
    answer["choices"][0]["logprobs"] = None
    return answer


def saying(server: Any, *answers: dict[str, Any] | tuple[int, object]) -> None:
    """Answer the requests one after the other, the last answer again and again; a pair is a status and a body."""
    left = list(answers)

    def answer(_: object) -> tuple[int, dict[str, str], bytes]:
        said = left.pop(0) if len(left) > 1 else left[0]
        status, body = said if isinstance(said, tuple) else (200, said)
        return status, {}, json.dumps(body).encode()

    server.answer = answer


def backend(server: Any, **options: Any) -> OpenAIBackend:
    return OpenAIBackend("m", **{"base_url": server.url, "timeout": 10.0, **options})


def asked_by_schema(sent: Mapping[str, Any]) -> Any:
    return sent["response_format"]["json_schema"]["schema"]["properties"]["answer"]["enum"]


YES = completion("Yes.", token("Yes", {"Yes": 0.6, " yes": 0.1, "no": 0.1, "No": 0.1, "Perhaps": 0.1}), token(".", {".": 0.9}))


def test_an_option_is_scored_by_all_its_spellings_in_one_request(server: Any) -> None:
    saying(server, YES)
    choice = backend(server).choose_from_options(WELL, ["no", "yes"])
    assert choice.option == "yes"
    assert choice.probabilities == pytest.approx((2 / 9, 7 / 9))
    assert choice.usage == Usage(10, 2)
    (sent,) = server.requests
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 20)
    assert "response_format" not in sent
    assert [turn["content"] for turn in sent["messages"]] == [message.content for message in WELL.messages]


def test_an_awaited_choice_is_the_same(server: Any) -> None:
    saying(server, YES)
    model = backend(server)
    awaited = asyncio.run(model.achoose_from_options(WELL, ["no", "yes"]))
    assert awaited == model.choose_from_options(WELL, ["no", "yes"])


def test_where_options_are_scored_nothing_is_drawn(server: Any) -> None:
    saying(server, YES)
    drawn = Request(WELL.messages, Sampling(temperature=0.9, top_p=0.4, max_tokens=500))
    backend(server).choose_from_options(drawn, ["no", "yes"])
    (sent,) = server.requests
    assert sent["temperature"] == 0
    assert "top_p" not in sent
    assert sent["max_tokens"] < 30


def test_options_that_begin_alike_are_put_under_letters_wherever_they_stand(server: Any) -> None:
    saying(server, completion("A", token("A", {"A": 0.8, "B": 0.1, " a": 0.1})))
    choice = backend(server).choose_from_options(MOOD, MOODS)
    assert choice.option == "very good"
    assert choice.probabilities == pytest.approx((0.9, 0.1))
    system, _, answer, last = (turn["content"] for turn in server.requests[0]["messages"])
    listed = "A. very good\nB. very bad"
    assert system == f"Tell the mood. Answer with exactly one of these lines and nothing else:\n{listed}"
    assert answer == "B"
    assert last == f"I won.\n\n{listed}\nAnswer with the letter only."


@pytest.mark.parametrize("text", ["B", "B.", " b) very bad", "**B**", "very bad", "<think>A or B?</think>\nB"])
def test_a_reply_in_letters_is_read_without_scores_too(server: Any, text: str) -> None:
    saying(server, unscored(text))
    choice = backend(server).choose_from_options(MOOD, MOODS)
    assert (choice.option, choice.probabilities, len(server.requests)) == ("very bad", None, 1)


@pytest.mark.parametrize("text", ["A bad day", "A or B", "Well", "C"])
def test_a_reply_that_gives_no_letter_is_no_option(server: Any, text: str) -> None:
    saying(server, unscored(text))
    with pytest.raises(ReplyError, match="none of the options"):
        backend(server).choose_from_options(MOOD, MOODS)
    assert len(server.requests) == 1


def test_options_of_several_lines_and_long_ones_are_put_under_letters_on_one_line(server: Any) -> None:
    saying(server, completion("B", token("B", {"B": 0.9, "A": 0.1})))
    options = ["one\nof two lines", "long " * 30]
    choice = backend(server).choose_from_options(WELL, options)
    assert choice.option == options[1]
    assert f"A. one of two lines\nB. {'long ' * 30}".strip() in server.requests[0]["messages"][-1]["content"]


def test_options_that_this_tokenizer_begins_alike_are_put_under_letters_the_next_time(server: Any) -> None:
    begun = completion("unsure", token("un", {"un": 0.8, "kind": 0.1}), token("sure", {"sure": 0.7, "happy": 0.3}))
    saying(server, begun, completion("A", token("A", {"A": 0.6, "B": 0.3, "C": 0.1})))
    model, options = backend(server), ["unsure", "unhappy", "kind"]
    first, second = (model.choose_from_options(WELL, options) for _ in range(2))
    assert (first.option, first.probabilities) == ("unsure", None)
    assert second.option == "unsure"
    assert second.probabilities == pytest.approx((0.6, 0.3, 0.1))
    assert len(server.requests) == 2


REFUSALS = [
    (403, {"error": {"message": "You are not allowed to request logprobs from this model", "type": "invalid_request_error"}}),
    (400, {"error": {"message": "Unsupported parameter: 'logprobs' is not supported with this model.", "param": "logprobs"}}),
    (400, {"object": "error", "message": "Cannot request more than 5 logprobs.", "type": "BadRequestError", "code": 400}),
    (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "top_logprobs"], "msg": "Extra inputs are not permitted"}]}),
    (400, {"error": {"message": "Unable to submit request because Logprobs is not supported for this model."}}),
]


@pytest.mark.parametrize(("status", "body"), REFUSALS)
def test_a_server_that_refuses_scores_is_asked_for_the_option_by_a_schema_and_from_then_on_at_once(
    server: Any, status: int, body: object
) -> None:
    saying(server, (status, body), unscored('{"answer": "no"}'))
    model = backend(server)
    first, second = (model.choose_from_options(WELL, ["yes", "no"]) for _ in range(2))
    assert (first.option, first.probabilities, len(first.failed)) == ("no", None, 1)
    assert (second.option, second.probabilities, second.failed) == ("no", None, ())
    _, *others = server.requests
    assert [asked_by_schema(sent) for sent in others] == [["yes", "no"]] * 2
    assert not any("logprobs" in sent for sent in others)


def test_a_refusal_is_remembered_though_there_was_no_try_left(server: Any) -> None:
    saying(server, REFUSALS[0], unscored('{"answer": "no"}'))
    model = backend(server, retries=0)
    with pytest.raises(BackendError, match="logprobs"):
        model.choose_from_options(WELL, ["yes", "no"])
    assert model.choose_from_options(WELL, ["yes", "no"]).option == "no"
    assert len(server.requests) == 2


def test_a_server_that_takes_no_schema_either_is_asked_in_words(server: Any) -> None:
    saying(server, REFUSALS[0], unscored("No."))
    model = backend(server, schema_mode="prompt")
    assert model.choose_from_options(WELL, ["yes", "no"]).option == "no"
    assert "response_format" not in server.requests[1]


def test_a_server_that_gives_no_scores_has_answered_all_the_same(server: Any) -> None:
    saying(server, unscored("yes"))
    model = backend(server)
    for _ in range(2):
        choice = model.choose_from_options(WELL, ["yes", "no"])
        assert (choice.option, choice.probabilities, choice.failed) == ("yes", None, ())
    first, second = server.requests
    assert "logprobs" in first
    assert "logprobs" not in second


def test_a_wrong_key_is_no_refusal_of_scores(server: Any) -> None:
    saying(server, (401, {"error": {"message": "Incorrect API key provided"}}))
    with pytest.raises(BackendError) as caught:
        backend(server).choose_from_options(WELL, ["yes", "no"])
    assert (caught.value.kind, len(server.requests)) == ("auth", 1)


RAMBLE = completion("Well, it depends", token("Well", {"Well": 0.8, "yes": 0.1, "no": 0.1}))


def test_a_model_that_says_something_else_is_asked_by_a_schema_and_all_tokens_are_counted(server: Any) -> None:
    tokens = [token('{"', {'{"': 1.0}), token("answer", {"answer": 1.0}), token('":"', {'":"': 1.0})]
    forced = completion('{"answer":"no"}', *tokens, token("no", {"no": 0.6, "yes": 0.2, "answer": 0.2}), token('"}', {'"}': 1.0}))
    saying(server, RAMBLE, forced)
    choice = backend(server).choose_from_options(WELL, ["yes", "no"])
    assert choice.option == "no"
    assert choice.probabilities == pytest.approx((0.25, 0.75))
    assert choice.usage == Usage(20, 4)
    assert asked_by_schema(server.requests[1]) == ["yes", "no"]


def test_too_little_on_the_options_is_no_score_though_the_option_is_named(server: Any) -> None:
    saying(server, completion("yes", token("yes", {"yes": 0.3, "It": 0.4, "no": 0.1, "The": 0.2})))
    choice = backend(server).choose_from_options(WELL, ["yes", "no"])
    assert (choice.option, choice.probabilities, len(server.requests)) == ("yes", None, 1)


def test_a_model_that_thinks_aloud_first_is_given_its_time_and_from_then_on_at_once(server: Any) -> None:
    thinking = completion("<think>Yes or no, hm", token("<think>", {"<think>": 1.0}), finish="length")
    thoughts = [token("<think>", {"<think>": 1.0}), token("yes", {"yes": 1.0}), token("</think>", {"</think>": 1.0})]
    done = completion("<think>yes</think>\nno", *thoughts, token("\n", {"\n": 1.0}), token("no", {"no": 0.9, "yes": 0.1}))
    saying(server, thinking, done)
    model = backend(server)
    first, second = (model.choose_from_options(WELL, ["yes", "no"]) for _ in range(2))
    assert first.option == second.option == "no"
    assert first.probabilities == second.probabilities == pytest.approx((0.1, 0.9))
    assert [sent["max_tokens"] for sent in server.requests] == [19, 256, 256]
    assert first.usage == Usage(20, 4)


def test_a_limit_that_is_reached_before_the_first_word_is_raised_once(server: Any) -> None:
    saying(server, unscored("", "length"), YES)
    assert backend(server).choose_from_options(WELL, ["yes", "no"]).option == "yes"
    assert [sent["max_tokens"] for sent in server.requests] == [19, 256]


def test_more_options_than_tokens_are_listed_are_asked_for_by_a_schema(server: Any) -> None:
    options = [f"option {number}" for number in range(21)]
    saying(server, unscored('{"answer": "option 20"}'))
    choice = backend(server).choose_from_options(WELL, options)
    assert (choice.option, choice.probabilities) == ("option 20", None)
    (sent,) = server.requests
    assert asked_by_schema(sent) == options
    assert "logprobs" not in sent


def test_no_options_are_a_bad_request(server: Any) -> None:
    with pytest.raises(BackendError, match="no options") as caught:
        backend(server).choose_from_options(WELL, [])
    assert (caught.value.kind, server.requests) == ("bad_request", [])


def test_a_reply_that_names_no_option_holds_its_words(server: Any) -> None:
    saying(server, unscored("perhaps"))
    with pytest.raises(ReplyError) as caught:
        backend(server).choose_from_options(WELL, ["yes", "no"])
    assert caught.value.raw == "perhaps"
    assert caught.value.usage == Usage(10, 2)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 503])
def test_a_fault_that_may_pass_is_tried_again_with_the_same_question(server: Any, status: int) -> None:
    saying(server, (status, {}), YES)
    choice = backend(server).choose_from_options(WELL, ["yes", "no"])
    assert (choice.option, [attempt.kind for attempt in choice.failed]) == ("yes", ["server"])
    assert server.requests[0] == server.requests[1]


def test_scores_in_the_older_form_are_read() -> None:
    old = {"tokens": [" yes", "."], "token_logprobs": [-0.1, -1], "top_logprobs": [{" yes": -0.1, " no": -2.4}, None]}
    tokens = scored_tokens(json.dumps({"choices": [{"logprobs": old}]}).encode())
    assert probabilities(["yes", "no"], tokens) == pytest.approx((0.91, 0.09), abs=0.01)


words = st.sampled_from(["yes", "no", "maybe", "sure"])


@given(st.dictionaries(words, st.lists(st.floats(0.001, 1), min_size=1, max_size=3), min_size=2))
def test_shares_are_what_the_spellings_have_together(parts: Mapping[str, Sequence[float]]) -> None:
    whole = sum(sum(part) for part in parts.values()) * 1.25
    likeliest = [
        (spelling, math.log(share / whole))
        for word, part in parts.items()
        for spelling, share in zip((word, word.upper(), f" {word.capitalize()}"), part, strict=False)
    ]
    shares = probabilities(list(parts), [ScoredToken(next(iter(parts)), tuple(likeliest))])
    assert shares is not None
    assert sum(shares) == pytest.approx(1)
    expected = [sum(part) * 1.25 / whole for part in parts.values()]
    assert shares == pytest.approx(expected)


def test_an_option_that_is_not_listed_is_no_likelier_than_the_least_that_is() -> None:
    likeliest = (("yes", math.log(0.7)), ("Well", math.log(0.2)), ("no", math.log(0.05)))
    shares = probabilities(["yes", "no", "maybe"], [ScoredToken("yes", likeliest)])
    assert shares is not None
    assert 0 < shares[2] <= shares[1] < shares[0]


def test_one_listed_token_tells_nothing_about_the_others() -> None:
    assert probabilities(["yes", "no"], [ScoredToken("yes", (("yes", -0.01),))]) is None


def test_a_lone_letter_is_no_word_unless_the_tokenizer_spells() -> None:
    odds = (("yes", math.log(0.5)), ("I", math.log(0.4)), ("no", math.log(0.1)))
    told = probabilities(["yes", "irrelevant", "no"], [ScoredToken("yes", odds)])
    assert told is not None
    assert told[1] < 0.05
    spelled = [ScoredToken("y", (("y", math.log(0.6)), ("n", math.log(0.4)))), ScoredToken("es", ())]
    assert probabilities(["yes", "no"], spelled) == pytest.approx((0.6, 0.4))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "logprobs", "content", "token", "bytes", "logprob", "top_logprobs", "tokens"]), inner
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_comes_for_scores_they_are_probabilities_or_none(junk: Any) -> None:
    for body in (junk, {"choices": [{"logprobs": junk}]}, {"choices": [{"logprobs": {"content": [junk, junk]}}]}):
        shares = probabilities(["yes", "no"], scored_tokens(json.dumps(body).encode()))
        assert shares is None or sum(shares) == pytest.approx(1)


@given(st.lists(st.text(max_size=6), min_size=1, max_size=4), st.text(max_size=12))
def test_whatever_is_replied_it_is_an_option_or_a_typed_error(options: list[str], reply: str) -> None:
    question = OptionQuestion(WELL, options, ServerHabits(), model="m")
    question.put()
    try:
        choice = question.read(Reply(reply, "stop", "m"), b"{}")
    except ReplyError as error:
        assert error.raw == reply  # noqa: PT017 - one of the two it must be
    else:
        assert choice.option in options


@given(st.lists(st.text(max_size=4), min_size=1, max_size=4))
def test_options_that_are_told_apart_are_so_by_their_beginnings(options: list[str]) -> None:
    if tells_apart(options):
        folded = [option.casefold() for option in options]
        assert not any(one is not other and other.startswith(one) for one in folded for other in folded)


@pytest.mark.parametrize(
    ("text", "options", "option"),
    [
        ("yes", ["yes", "no"], "yes"),
        ('"Yes."', ["yes", "no"], "yes"),
        ("A", ["a", "A"], "A"),
        ("<think>no?</think> yes", ["yes", "no"], "yes"),
        ("yes, no", ["yes", "no"], None),
        ("YES", ["yes", "Yes"], None),
        ("", ["yes"], None),
        ('{"return_value": "yes"}', ["yes", "no"], "yes"),
        ('{"answer": true}', ["true", "false"], "true"),
        ('{"a": "yes", "b": "no"}', ["yes", "no"], None),
        ("[" * 5000, ["yes"], None),
        ("3", ["3", "4"], "3"),
    ],
)
def test_a_reply_in_words_names_an_option_or_none(text: str, options: list[str], option: str | None) -> None:
    assert option_in(text, options) == option
