"""A reply of Anthropic's messages API: the body's JSON -> the text in its blocks -> what its stop reason means -> Reply.

The text of a reply is that of its text blocks, or the input of the tool that a schema was given as. Thinking is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from llm_brain.attempts import Usage
from llm_brain.backends.anthropic.faults import TOO_LONG, fault_in_reply
from llm_brain.backends.anthropic.tool import Unwrapping, cut_inputs
from llm_brain.backends.contract import Reply
from llm_brain.backends.hosted.events import read_json
from llm_brain.backends.hosted.faults import clipped
from llm_brain.errors import BackendError

_FINISH: Final[Mapping[str, str]] = {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "stop", "max_tokens": "length"}

# With what an absent one means: the API says nothing, or null, where nothing was kept.
_COUNTS: Final[Mapping[str, int | None]] = {
    "input_tokens": None,
    "output_tokens": None,
    "cache_read_input_tokens": 0,
    "cache_creation_input_tokens": 0,
}


@dataclass(slots=True)
class Said:
    """What a model said, before anybody has looked at why it stopped.

    Attributes:
        text: The text, or the tool's input.
        stop: The API's word for why it stopped; None where it said none.
        served: The model that answered, as it names itself.
        usage: Its tokens.
        why: The API's words about a refusal.

    Example:
        >>> Said("Hello!", "end_turn", "claude").usage is None
        True
    """

    text: str
    stop: str | None
    served: str
    usage: Usage | None = None
    why: str = ""


def read_reply(content: bytes, *, model: str, base_url: str, has_tool: bool, is_wrapped: bool) -> Reply:
    """Read a reply out of the body of a successful answer.

    Args:
        content: The body.
        model: The model that was asked.
        base_url: The server, as messages name it.
        has_tool: Whether the request had a schema, so that a tool's input is the reply.
        is_wrapped: Whether that schema was put into a field of an object.

    Raises:
        BackendError: There is no reply in it.

    Example:
        >>> body = b'{"content": [{"type": "text", "text": "Hello!"}], "stop_reason": "end_turn", "model": "claude-x"}'
        >>> read_reply(body, model="claude", base_url="http://127.0.0.1", has_tool=False, is_wrapped=False).text
        'Hello!'
    """
    body, inputs = _body_and_inputs(content) if has_tool else (read_json(content), [])
    if isinstance(body, dict) and body.get("error"):
        raise fault_in_reply(body["error"], model=model, base_url=base_url)
    if not isinstance(body, dict) or "content" not in body:
        message = f"{base_url} did not answer with a message of Anthropic's API: {clipped(content)}"
        raise BackendError(message, kind="protocol", retryable=True, perhaps_billed=True)
    usage = usage_of(body.get("usage"))
    blocks = [] if body["content"] is None else body["content"]
    if not isinstance(blocks, list) or not all(map(_is_block, blocks)):
        message = f"{base_url} answered with a message whose content is no list of blocks: {clipped(content)}"
        raise BackendError(message, kind="protocol", retryable=True, usage=usage, perhaps_billed=True)
    said = Said(_text(blocks, inputs, is_wrapped=is_wrapped), word(body.get("stop_reason")), model, usage)
    said.served = word(body.get("model")) or model
    said.why = reason(body.get("stop_details"))
    return judged(said, model=model, base_url=base_url)


def judged(said: Said, *, model: str, base_url: str) -> Reply:
    """Make what was said a reply, if it is one by its stop reason.

    Raises:
        BackendError: It is none.

    Example:
        >>> judged(Said("Once upon", "max_tokens", "claude"), model="claude", base_url="http://127.0.0.1").finish_reason
        'length'
    """
    if said.stop == "refusal":
        message = f"{model!r} declined to answer: {clipped(said.why or said.text or 'it gave no reason')}"
        raise BackendError(message, kind="refusal", raw=said.text or None, usage=said.usage)
    if said.stop == "model_context_window_exceeded":
        message = f"{model!r} filled its context window before its reply was at its end: shorten the arguments or the examples"
        raise BackendError(message, kind="bad_request", code=TOO_LONG, raw=said.text or None, usage=said.usage)
    if said.stop == "pause_turn":
        told = f"{model!r} at {base_url} paused in the middle of its reply"
        raw = said.text or None
        raise BackendError(told, kind="incomplete", retryable=True, raw=raw, usage=said.usage, perhaps_billed=True)
    # A tool's input that was cut before its first word comes as an object without anything.
    if not said.text or (said.text == "{}" and said.stop == "max_tokens"):
        _raise_empty(said, model, base_url)
    return Reply(said.text, _FINISH.get(said.stop or "", said.stop or "unknown"), said.served, said.usage)


def usage_of(value: object) -> Usage | None:
    """Read the tokens out of a body's `usage`; None where it is missing or junk.

    The API counts the tokens of its cache apart.

    Example:
        >>> usage_of({"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 3})
        Usage(input_tokens=100, output_tokens=3, cache_read_tokens=90, cache_write_tokens=0)
    """
    if not isinstance(value, dict):
        return None
    counts: list[int] = []
    for name, absent in _COUNTS.items():
        count = value.get(name)
        count = absent if count is None else count
        if type(count) is not int or count < 0:
            return None
        counts.append(count)
    fresh, written, kept, stored = counts
    return Usage(fresh + kept + stored, written, kept, stored)


def word(value: object) -> str | None:
    """Return a value if it is a word.

    Example:
        >>> word("end_turn"), word(7), word("")
        ('end_turn', None, None)
    """
    return value if isinstance(value, str) and value else None


def reason(details: object) -> str:
    """Take the words about a refusal out of a message's `stop_details`.

    Example:
        >>> reason({"type": "refusal", "category": "cyber", "explanation": "No malware."})
        'No malware.'
    """
    if not isinstance(details, dict):
        return ""
    return word(details.get("explanation")) or word(details.get("category")) or ""


def _body_and_inputs(content: bytes) -> tuple[Any, list[str]]:
    try:
        shorter, inputs = cut_inputs(content.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        return None, []
    return read_json(shorter.encode("utf-8", "surrogatepass")), inputs


def _is_block(block: object) -> bool:
    return isinstance(block, dict) and (block.get("type") != "text" or isinstance(block.get("text"), str))


def _text(blocks: Sequence[Mapping[str, Any]], inputs: Sequence[str], *, is_wrapped: bool) -> str:
    for block in blocks:
        place = block.get("input")
        if block.get("type") == "tool_use" and type(place) is int and 0 <= place < len(inputs):
            unwrapping = Unwrapping()
            return unwrapping.feed(inputs[place]) + unwrapping.rest() if is_wrapped else inputs[place]
    return "".join(block["text"] for block in blocks if block.get("type") == "text")


def _raise_empty(said: Said, model: str, base_url: str) -> NoReturn:
    if said.stop == "max_tokens":
        message = f"{model!r} reached its length limit before the first word of its reply: raise `max_tokens`"
        raise BackendError(message, kind="length", usage=said.usage)
    message = f"{model!r} at {base_url} answered with an empty reply (stop reason {said.stop!r})"
    raise BackendError(message, kind="empty", retryable=True, usage=said.usage, perhaps_billed=True)
