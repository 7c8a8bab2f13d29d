"""A layer that cuts prompts that are too long, by a declared policy, and says so in the answer's notes.

a request -> the inner backend -> refused as too long? -> cut until it fits -> the inner backend -> an answer with a note
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Final, Literal

from llm_brain.backends.asking import Asking
from llm_brain.backends.contract import Choice, LanguageBackend, Message, Reply, Request
from llm_brain.backends.estimate import estimate_tokens
from llm_brain.backends.layers.layer import Layer
from llm_brain.errors import BackendError, DefinitionError

Cut = Literal["turns", "middle"]
"""What may be cut: whole turns, the oldest first, or the middle of the longest turn of the user's."""

TOO_LONG: Final = "context_length_exceeded"


class FittedBackend(Layer):
    """Cuts a prompt that was refused as too long, and asks once more. A prompt that fits is never touched.

    How much is cut is reckoned with `context_length`; where that is unknown, or what may be cut is not enough, the refusal is
    raised as it came. Texts to embed are never cut. To allow both cuts, put one layer around another, the gentler one inside:
    `FittedBackend(FittedBackend(model, cut="turns"), cut="middle")`. Where answers are kept, the cache belongs inside, so that
    it never gives a cut prompt's answer to the whole one.

    Args:
        backend: What is asked.
        cut: "turns" drops examples and earlier turns, the oldest first. The system's turns stay, and so do the last two
            questions with their replies: the last one may be no more than a word on the one before it. "middle" leaves out
            the middle of the longest turn of the user's, and puts a visible mark in its place.

    Raises:
        DefinitionError: There is no such policy.

    Example:
        >>> class Small(LanguageBackend):
        ...     model_id, context_length = "small", 300
        ...     def count_tokens(self, text): return estimate_tokens(text)
        ...     def chat_completion(self, request):
        ...         if self.count_tokens(request.messages) + request.sampling.max_tokens > self.context_length:
        ...             raise BackendError("too long", kind="bad_request", code=TOO_LONG)
        ...         return Reply(request.messages[-1].content, "stop", self.model_id)
        >>> reply = FittedBackend(Small(), cut="middle").chat_completion(Request((Message("user", "0123456789" * 20),)))
        >>> reply.text
        '01234567890123456789012345678901234567[... 125 characters left out ...]3456789012345678901234567890123456789'
        >>> reply.notes
        ('125 of 200 characters of a turn were left out: with its reply the prompt was longer than 300 tokens',)
    """

    def __init__(self, backend: LanguageBackend, *, cut: Cut) -> None:
        super().__init__(backend)
        if cut not in _CUTS:
            message = f"cut must be 'turns' or 'middle', got {cut!r}"
            raise DefinitionError(message)
        self.cut = cut

    @property
    def identity(self) -> str:
        """The inner backend's, and the policy: the same prompt may be answered otherwise by another one."""
        return f"{self.backend.identity}|cut={self.cut}"

    async def around_chat(self, request: Request, inner: Asking) -> Reply:
        """Ask the inner backend, and once more with less if that was too long."""
        try:
            return await inner.chat(request)
        except BackendError as error:
            fitted, note = self._fitted(request, error)
            refusal = error
        with _after(refusal):
            reply = await inner.chat(fitted)
        return replace(reply, failed=(*refusal.attempts, *reply.failed), notes=(*reply.notes, note))

    async def around_choice(self, request: Request, options: Sequence[str], inner: Asking) -> Choice:
        """Ask the inner backend, and once more with less if that was too long."""
        try:
            return await inner.choose(request, options)
        except BackendError as error:
            fitted, note = self._fitted(request, error)
            refusal = error
        with _after(refusal):
            choice = await inner.choose(fitted, options)
        return replace(choice, failed=(*refusal.attempts, *choice.failed), notes=(*choice.notes, note))

    async def around_stream(self, request: Request, inner: Asking) -> AsyncGenerator[str | Reply, None]:
        """Ask the inner backend, and once more with less if that was too long."""
        begun = False
        try:
            async with aclosing(inner.stream(request)) as pieces:
                async for piece in pieces:
                    begun = True
                    yield piece
        except BackendError as error:
            if begun:
                raise
            fitted, note = self._fitted(request, error)
            refusal = error
        else:
            return
        with _after(refusal):
            async with aclosing(inner.stream(fitted)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Reply):
                        yield replace(piece, failed=(*refusal.attempts, *piece.failed), notes=(*piece.notes, note))
                    else:
                        yield piece

    def _fitted(self, request: Request, error: BackendError) -> tuple[Request, str]:
        """Cut a request so that it fits, and say what was cut; or raise the error again."""
        if error.code != TOO_LONG or self.context_length is None:
            raise error
        room = self.context_length - request.sampling.max_tokens
        if request.schema is not None:  # some servers put it into the prompt
            room -= estimate_tokens(json.dumps(dict(request.schema), default=repr))

        def fits(messages: Sequence[Message]) -> bool:
            prompt = messages if request.form == "chat" else messages[-1].content
            return self.count_tokens(prompt) <= room

        found = None if fits(request.messages) else _CUTS[self.cut](request.messages, fits)
        if found is None:
            raise error
        messages, what = found
        note = f"{what}: with its reply the prompt was longer than {self.context_length:,} tokens"
        return replace(request, messages=tuple(messages)), note


@contextmanager
def _after(refusal: BackendError) -> Iterator[None]:
    """Let a failure tell of the refusal, too, that came before it."""
    try:
        yield
    except BackendError as error:
        error.attempts = (*refusal.attempts, *error.attempts)
        raise


Fits = Callable[[Sequence[Message]], bool]
Found = tuple[Sequence[Message], str]
_KEPT: Final = 2


def _without_oldest(messages: Sequence[Message], fits: Fits) -> Found | None:
    questions = [place for place, turn in enumerate(messages) if turn.role == "user"]
    # Up to a question, so that what is left still begins with one.
    for end in questions[1 : 1 - _KEPT]:
        left = [turn for place, turn in enumerate(messages) if place >= end or turn.role == "system"]
        if fits(left):
            return left, f"the oldest {len(messages) - len(left)} of {len(messages)} turns were dropped"
    return None


def _without_middle(messages: Sequence[Message], fits: Fits) -> Found | None:
    turns = [place for place, turn in enumerate(messages) if turn.role == "user"]
    if not turns:
        return None
    longest = max(turns, key=lambda place: len(messages[place].content))
    content = messages[longest].content

    def shortened(kept: int) -> Sequence[Message]:
        begin, end = (kept + 1) // 2, len(content) - kept // 2
        text = f"{content[:begin]}[... {end - begin:,} characters left out ...]{content[end:]}"
        return [*messages[:longest], Message("user", text), *messages[longest + 1 :]]

    most = -1
    for step in _halvings(len(content)):
        if most + step < len(content) and fits(shortened(most + step)):
            most += step
    if most < 0:
        return None
    return shortened(most), f"{len(content) - most:,} of {len(content):,} characters of a turn were left out"


_CUTS: Final = {"turns": _without_oldest, "middle": _without_middle}


def _halvings(number: int) -> Iterator[int]:
    step: int = 1 << number.bit_length()
    while step:
        yield step
        step >>= 1
