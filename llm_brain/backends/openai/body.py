"""A request as the body of a POST, in the words that its server takes.

Request -> the body as most servers read it -> without what this one has refused; a refusal -> the names that it is about.
Reasoning models take no temperature, say, and some servers know no `seed`: only the answer to a request tells. A schema that is
refused, or that a reply pays no heed to, is told in words from then on.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from llm_brain.backends.contract import Request
from llm_brain.backends.hosted.events import read_json
from llm_brain.backends.hosted.faults import complaint

_OPTIONAL: Final = ("temperature", "top_p", "seed", "stream_options")
_OTHER_LIMIT: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_SCHEMA: Final = "response_format"
_UNHEEDED: Final = "unheeded"
_ABOUT_SCHEMA: Final = re.compile(
    r"response[ _]format|json[ _]?schema|structured[ _]output|xgrammar|guided[ _]"
    r"|(parse|compile|convert|invalid|unsupported) (the )?grammar|grammar is not valid"
)
_REFUSING: Final = re.compile(
    r"\bun(supported|recogni[sz]ed|known|expected)|(not|n't|no longer) (be )?(support|permit|allow)|extra_forbidden|deprecated"
)


def body_of(request: Request, model: str, *, limit_name: str, enforces_schema: bool, streamed: bool) -> dict[str, Any]:
    """Put a request into a body.

    Args:
        request: What is asked.
        model: The model's name, as the server knows it.
        limit_name: What the server calls the most tokens of a reply.
        enforces_schema: Whether a schema goes along.
        streamed: Whether the reply is to come piece by piece.

    Example:
        >>> from llm_brain.backends import Message
        >>> body_of(Request((Message("user", "Hello?"),)), "m", limit_name="max_tokens", enforces_schema=True, streamed=False)
        {'model': 'm', 'messages': [{'role': 'user', 'content': 'Hello?'}], 'temperature': 0.0, 'max_tokens': 256}
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "temperature": sampling.temperature,
        limit_name: sampling.max_tokens,
    }
    if sampling.top_p != 1.0:
        body["top_p"] = sampling.top_p
    if sampling.seed is not None:
        body["seed"] = sampling.seed + request.sample
    if request.schema is not None and enforces_schema:
        # Not strict: strict mode refuses most of JSON Schema, and the reply is validated here anyway.
        described = {"name": "reply", "schema": dict(request.schema), "strict": False}
        body["response_format"] = {"type": "json_schema", "json_schema": described}
    if streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def without_refused(body: dict[str, Any], refused: AbstractSet[str]) -> dict[str, Any]:
    """Leave out what a server has refused; the most tokens of a reply go under their other name.

    Example:
        >>> without_refused({"model": "m", "temperature": 0.0, "max_tokens": 9}, {"temperature", "max_tokens"})
        {'model': 'm', 'max_completion_tokens': 9}
    """
    if not refused:  # as at most servers; a schema's name is not made for nothing
        return body
    renamed = {_OTHER_LIMIT[name]: body[name] for name in body if name in refused and name in _OTHER_LIMIT}
    kept = {**{name: value for name, value in body.items() if name not in refused}, **renamed}
    schema = _schema_in(body)
    if schema is None or not any(" " in name for name in refused):  # no schema is among them
        return kept
    name = _name_of(schema)
    if f"{_SCHEMA} {name}" in refused:
        del kept[_SCHEMA]
        return _with_schema_in_words(kept, schema)
    return _with_schema_in_words(kept, schema) if f"{_UNHEEDED} {name}" in refused else kept


def ignored(schema: Mapping[str, Any] | None, text: str) -> frozenset[str]:
    """Tell by a reply whether a server pays no heed to a schema, so that the next one is told in words as well.

    Args:
        schema: The schema that was sent along.
        text: The reply, which was not cut.

    Example:
        >>> len(ignored({"type": "object"}, "Well, it is forty-two.")), len(ignored({"type": "object"}, '{"a": 42}'))
        (1, 0)
    """
    if schema is None or "{" in text or schema.get("type") != "object":
        return frozenset()
    return frozenset([f"{_UNHEEDED} {_name_of(schema)}"])


def newly_refused(status: int, content: bytes, *, sent: Mapping[str, Any], refused: AbstractSet[str]) -> frozenset[str]:
    """Tell which of the parameters that were sent an answer refuses, so that it is worth asking again.

    A value that is out of range is no refusal, and is for the caller to know.

    Args:
        status: The answer's status.
        content: What it says.
        sent: The body that it answers.
        refused: What the server has refused before.

    Example:
        >>> told = b'{"error": {"message": "temperature does not support 0.0 with this model.", "param": "temperature"}}'
        >>> newly_refused(400, told, sent={"temperature": 0.0, "max_tokens": 9}, refused=set())
        frozenset({'temperature'})
        >>> newly_refused(400, b"temperature is above 2", sent={"temperature": 3.0}, refused=set())
        frozenset()
    """
    if status not in (400, 422):
        return frozenset()
    text = complaint(content)
    about = _parameter(content) or text
    is_refusing = _REFUSING.search(text.casefold()) is not None
    schema = _schema_in(sent)
    if schema is not None and _ABOUT_SCHEMA.search(about.casefold()):
        # Whether this server takes none, or only cannot keep this one, it is told in words.
        return frozenset([f"{_SCHEMA} {_name_of(schema)}"])
    return frozenset(
        name
        for name in (*_OPTIONAL, *_OTHER_LIMIT)
        if name in sent
        and _OTHER_LIMIT.get(name) not in refused
        and (is_refusing or name == "stream_options")
        and re.search(rf"\b{name}\b", about)
    )


def _schema_in(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    described = body.get(_SCHEMA)
    return described["json_schema"]["schema"] if described else None


def _name_of(schema: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(schema, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _with_schema_in_words(body: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    told = json.dumps(schema, ensure_ascii=False)
    asked = f"Answer with one JSON object that fulfils this JSON Schema, and nothing else:\n{told}"
    *turns, last = body["messages"]
    if last["role"] != "user":
        return {**body, "messages": [*turns, last, {"role": "user", "content": asked}]}
    return {**body, "messages": [*turns, {**last, "content": f"{last['content']}\n\n{asked}"}]}


def _parameter(content: bytes) -> str:
    """Take the parameter's name out of an error body, where it tells; a message may name others, or quote the prompt."""
    body = read_json(content)
    error = body.get("error") if isinstance(body, dict) else None
    name = error.get("param") if isinstance(error, dict) else None
    return name if isinstance(name, str) else ""
