"""One of a closed set of answers, asked of a server over HTTP: with probabilities where it gives log-probabilities.

    request, options -> the words to answer with -> the reply and its log-probabilities -> an option, and how likely each one is

The options themselves are the words to answer with, so that what is sent is the request as it stands, and its reply is an
answer with and without log-probabilities. Only options that their beginnings do not tell apart ("very good", "very bad") are
put under letters. Models lean towards some letters, whatever stands there (Zheng et al. 2024): calibrate where that matters.
A server that gives no log-probabilities is asked for the option in words, by a schema where it enforces schemas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import ascii_uppercase
from typing import Any, Final

from llm_brain.backends.contract import Choice, Message, Reply, Request
from llm_brain.backends.hosted.events import read_json
from llm_brain.backends.hosted.retrying import AdaptedError
from llm_brain.backends.openai.logprobs import begins_with, is_blurred, probabilities, scored_tokens, tells_apart
from llm_brain.backends.options import THOUGHTS_END, option_in
from llm_brain.errors import BackendError, ReplyError

MOST_OPTIONS: Final = 20
"""So many tokens a server lists for each place, and so many options can be scored."""
_LONGEST_WORD: Final = 80
_SCORED: Final[Mapping[str, Any]] = {"logprobs": True, "top_logprobs": MOST_OPTIONS}
_FIELD: Final = "answer"


@dataclass
class ServerHabits:
    """What a server has shown of itself when it was asked for options.

    Attributes:
        scores: Whether it gives log-probabilities.
        is_brief: Whether the model begins with its answer, so that few tokens are enough.
        blurred: Options that begin with the same token here, and are put under letters.

    Example:
        >>> ServerHabits().scores
        True
    """

    scores: bool = True
    is_brief: bool = True
    blurred: set[tuple[str, ...]] = field(default_factory=set)


class OptionQuestion:
    """One choice, from what is sent to what is chosen. It may take several requests: `put` tells each, `read` the answer.

    Where options are scored nothing is drawn: temperature, seed and sample change nothing.

    Args:
        request: The question.
        options: The answers to choose from.
        habits: What the server has shown so far; what it shows now is noted there.
        model: The model's name, for messages.
        enforces_schema: Whether the server makes replies fit a schema.

    Raises:
        BackendError: There are no options.

    Example:
        >>> question = OptionQuestion(Request((Message("user", "Well?"),)), ["yes", "no"], ServerHabits(), model="m")
        >>> question.put()[1]
        {'logprobs': True, 'top_logprobs': 20}
        >>> tops = '[{"token": "yes", "logprob": -0.1}, {"token": "no", "logprob": -2.4}]'
        >>> body = '{"choices": [{"logprobs": {"content": [{"token": "yes", "top_logprobs": %s}]}}]}' % tops
        >>> choice = question.read(Reply("yes", "stop", "m"), body.encode())
        >>> choice.option, [round(share, 2) for share in choice.probabilities]
        ('yes', [0.91, 0.09])
    """

    def __init__(
        self, request: Request, options: Sequence[str], habits: ServerHabits, *, model: str, enforces_schema: bool = False
    ) -> None:
        if not options:
            message = f"{model!r} was given no options to choose from"
            raise BackendError(message, kind="bad_request")
        self._request = request
        self._options = list(options)
        self._answers = list(options)
        self._habits = habits
        self._model = model
        self._enforces_schema = enforces_schema
        self._is_free = True  # until the model, free to say anything, has said something else
        self._is_scored = False
        self._is_cut = False  # whether there may be fewer tokens than the request allows

    def put(self) -> tuple[Request, Mapping[str, Any]]:
        """Return the request to send now, and the fields that its body has besides."""
        can_score = self._habits.scores and len(self._options) <= MOST_OPTIONS
        self._is_free = self._is_free and can_score
        self._is_scored = can_score and (self._is_free or self._enforces_schema)
        request, self._answers = self._request, self._options
        if self._is_scored and (needs_letters(self._options) or tuple(self._options) in self._habits.blurred):
            request, self._answers = with_letters(request, self._options)
        few = 16 + max(len(answer.encode("utf-8", "replace")) for answer in self._answers)
        self._is_cut = self._is_free and self._habits.is_brief and few < request.sampling.max_tokens
        if self._is_scored:
            most = few if self._is_cut else request.sampling.max_tokens
            request = replace(request, sampling=replace(request.sampling, temperature=0.0, top_p=1.0, max_tokens=most))
        if self._enforces_schema and not self._is_free:
            request = replace(request, schema=_one_of(self._answers))
        return request, _SCORED if self._is_scored else {}

    def read(self, reply: Reply, content: bytes) -> Choice:
        """Read the option out of a reply.

        Args:
            reply: The reply to what was put.
            content: The whole body that it came in, with the log-probabilities.

        Raises:
            AdaptedError: It is worth asking in another way, which `put` tells.
            ReplyError: The reply names none of the options, or several.
        """
        tokens = scored_tokens(content) if self._is_scored else []
        shares = probabilities(self._answers, tokens, after="" if self._is_free else f'"{_FIELD}"')
        if shares is not None:
            return Choice(self._options[max(range(len(shares)), key=shares.__getitem__)], shares, reply.model, reply.usage)
        if self._is_scored:
            self._habits.scores = bool(tokens)
        if is_blurred(self._answers, tokens):
            self._habits.blurred.add(tuple(self._options))
        option = self._named(reply.text)
        if option is not None:
            return Choice(option, None, reply.model, reply.usage)
        if self._is_cut and reply.finish_reason == "length":
            self._habits.is_brief = False
        elif tokens and self._is_free and self._enforces_schema:
            self._is_free = False
        else:
            shown = ", ".join(repr(each) for each in self._options)
            message = f"the reply of {self._model!r} is none of the options {shown}: {reply.text[:200]!r}"
            raise ReplyError(message, raw=reply.text, usage=reply.usage)
        message = f"{self._model!r} said something else first: {reply.text[:200]!r}"
        raise AdaptedError(message, kind="validation", retryable=True, raw=reply.text, usage=reply.usage)

    def told(self, fault: BackendError) -> BackendError:
        """Return what a fault means: where it is worth asking in another way, an `AdaptedError`."""
        # OpenAI's reasoning models refuse scores with status 403; others name the parameter, or how many tokens may be listed.
        if self._is_scored and fault.kind in ("bad_request", "auth") and "logprob" in str(fault).casefold():
            self._habits.scores = False
        elif self._is_cut and fault.kind == "length":
            self._habits.is_brief = False
        else:
            return fault
        return AdaptedError(str(fault), kind=fault.kind, retryable=True, status=fault.status, usage=fault.usage)

    def _named(self, text: str) -> str | None:
        """Return the option that a reply gives by its text or its letter, alone or in the object that was asked for."""
        said = text.rpartition(THOUGHTS_END)[2]
        held = read_json(said.encode("utf-8", "replace"))
        answer = held.get(_FIELD) if isinstance(held, dict) else None
        said = answer if isinstance(answer, str) else said
        option = option_in(said, self._options)
        if option is not None or self._answers == self._options:
            return option
        found = [each for each, letter in zip(self._options, self._answers, strict=True) if begins_with(said, letter)]
        return found[0] if len(found) == 1 else None


def needs_letters(options: Sequence[str]) -> bool:
    """Tell whether options are better put under letters: they begin alike, or are no words.

    Example:
        >>> needs_letters(["yes", "no"]), needs_letters(["very good", "very bad"])
        (False, True)
    """
    return not tells_apart(options) or any("\n" in option or len(option) > _LONGEST_WORD for option in options)


def with_letters(request: Request, options: Sequence[str]) -> tuple[Request, list[str]]:
    r"""Put options under letters, and return the letters.

    The system's list of the options, a line each, and the answers of earlier turns have theirs, too.

    Example:
        >>> request, letters = with_letters(Request((Message("user", "How was it?"),)), ["very good", "very bad"])
        >>> letters
        ['A', 'B']
        >>> print(request.messages[-1].content)
        How was it?
        <BLANKLINE>
        A. very good
        B. very bad
        Answer with the letter only.
    """
    letters = list(ascii_uppercase[: len(options)])
    lettered = "\n".join(f"{letter}. {' '.join(option.split())}" for letter, option in zip(letters, options, strict=True))
    by_option = dict(zip(options, letters, strict=True))
    turns = [_with_letters(turn, by_option, "\n".join(options), lettered) for turn in request.messages]
    asked = f"{lettered}\nAnswer with the letter only."
    if turns and turns[-1].role == "user":
        turns[-1] = replace(turns[-1], content=f"{turns[-1].content}\n\n{asked}")
    else:
        turns.append(Message("user", asked))
    return replace(request, messages=tuple(turns)), letters


def _with_letters(turn: Message, letters: Mapping[str, str], listed: str, lettered: str) -> Message:
    if turn.role == "assistant":
        return replace(turn, content=letters.get(turn.content, turn.content))
    if turn.role == "system":
        return replace(turn, content=f"\n{turn.content}\n".replace(f"\n{listed}\n", f"\n{lettered}\n", 1)[1:-1])
    return turn


def _one_of(options: Sequence[str]) -> dict[str, Any]:
    # An object, as servers demand of a schema at its root.
    answer = {"type": "string", "enum": list(dict.fromkeys(options))}
    return {"type": "object", "properties": {_FIELD: answer}, "required": [_FIELD], "additionalProperties": False}
