"""A request as the body of a POST to Anthropic's messages API, and what a model there may not take.

Request -> system apart, turns that alternate and end with the user's, a schema as a tool -> without what this model has refused;
a refusal -> the names that it is about. The newest models take no temperature, say, and let no tool be forced on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from llm_brain.backends.anthropic.tool import TOOL, tool_of
from llm_brain.backends.contract import Message, Request
from llm_brain.backends.hosted.faults import complaint

OPENING: Final = "Begin."
"""What the user says first where a conversation begins with the assistant's turn, or has no turn but the system's."""

CONTINUING: Final = "Continue."
"""What the user says last where a conversation ends with the assistant's turn, which the newer models do not go on with."""

_ASKED: Final = f"Give your answer by calling the tool `{TOOL}`."
_OPTIONAL: Final = ("temperature", "top_p", "tool_choice")
_REFUSING: Final = re.compile(
    r"\bun(supported|recogni[sz]ed|known|expected)|(not|n't|no longer) (be )?(support|permit|allow|compatible|enabled)"
    r"|deprecated|may only be set"
)


def body_of(request: Request, model: str, *, forces_tool: bool, streamed: bool) -> dict[str, Any]:
    """Put a request into a body. There is no seed: the API knows none.

    Args:
        request: What is asked.
        model: The model's name, as the server knows it.
        forces_tool: Whether a schema goes along, as a tool that has to be called.
        streamed: Whether the reply is to come piece by piece.

    Example:
        >>> turns = Message("system", "Be kind."), Message("user", "Hello?")
        >>> body = body_of(Request(turns), "m", forces_tool=True, streamed=False)
        >>> body["system"], body["messages"], body["max_tokens"]
        ('Be kind.', [{'role': 'user', 'content': 'Hello?'}], 256)
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": sampling.max_tokens,
        "messages": _turns(request.messages),
        "temperature": sampling.temperature,
    }
    # The API refuses empty turns.
    if system := "\n\n".join(turn.content for turn in request.messages if turn.role == "system" and turn.content.strip()):
        body["system"] = system
    if sampling.top_p != 1.0:
        body["top_p"] = sampling.top_p
    if request.schema is not None and forces_tool:
        body["tools"] = [tool_of(request.schema)]
        body["tool_choice"] = {"type": "tool", "name": TOOL, "disable_parallel_tool_use": True}
    if streamed:
        body["stream"] = True
    return body


def without_refused(body: Mapping[str, Any], refused: AbstractSet[str]) -> dict[str, Any]:
    """Leave out what a model has refused; a tool that may not be forced is asked for in words.

    Example:
        >>> without_refused({"model": "m", "temperature": 0.0}, {"temperature"})
        {'model': 'm'}
    """
    kept = {name: value for name, value in body.items() if name not in refused}
    if "tool_choice" in refused and "tool_choice" in body:
        kept["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}
        kept["system"] = f"{body['system']}\n\n{_ASKED}" if "system" in body else _ASKED
    return kept


def newly_refused(status: int, content: bytes, *, sent: Mapping[str, Any], refused: AbstractSet[str]) -> frozenset[str]:
    """Tell which of the parameters that were sent an answer refuses, so that it is worth asking again.

    A value that is out of range is no refusal, and is for the caller to know.

    Args:
        status: The answer's status.
        content: What it says.
        sent: The body that it answers.
        refused: What the model has refused before.

    Example:
        >>> told = b'{"error": {"message": "`temperature` and `top_p` cannot both be specified for this model."}}'
        >>> newly_refused(400, told, sent={"temperature": 0.0, "top_p": 0.9}, refused=set())
        frozenset({'top_p'})
        >>> newly_refused(400, b"temperature: range: 0..1", sent={"temperature": 3.0}, refused=set())
        frozenset()
    """
    if status not in (400, 422):
        return frozenset()
    text = complaint(content)
    named = frozenset(name for name in _OPTIONAL if name in sent and name not in refused and re.search(rf"\b{name}\b", text))
    if named >= {"temperature", "top_p"} and " both " in text:
        return frozenset({"top_p"})
    if not _REFUSING.search(text.casefold()):
        return frozenset()
    # Models that take no temperature take no `top_p` either, and name one at a time.
    return named | {"top_p"} if "temperature" in named and "top_p" in sent else named


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    turns: list[dict[str, str]] = []
    for message in messages:
        if message.role == "system" or not message.content.strip():
            continue
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += f"\n\n{message.content}"
        else:
            turns.append({"role": message.role, "content": message.content})
    if not turns or turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": OPENING})
    if turns[-1]["role"] == "assistant":
        turns.append({"role": "user", "content": CONTINUING})
    return turns
