"""LangChain's messages, options and results beside ours: what its models are asked with, and what they answer with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ChatMessage, HumanMessage, SystemMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, GenerationChunk

from llm_brain.attempts import Usage
from llm_brain.backends.contract import Message, Reply, Role, Sampling
from llm_brain.errors import BackendError


def turn_of(message: BaseMessage) -> Message:
    """Read a message as a turn.

    Raises:
        BackendError: Of kind "bad_request" when it holds more than a text, or is none of a person, a model or the system.

    Example:
        >>> turn_of(HumanMessage("Hello"))
        Message(role='user', content='Hello')
    """
    role = _role(message)
    parts = [message.content] if isinstance(message.content, str) else message.content
    others = [part for part in parts if not isinstance(part, str) and part.get("type") != "text"]
    if role is None or others or getattr(message, "tool_calls", None):
        told = f"a {type(message).__name__} of this kind cannot be sent: our models take texts of system, user and assistant"
        raise BackendError(told, kind="bad_request")
    return Message(role, str(message.text))


def sampling_of(sampling: Sampling, options: Mapping[str, Any]) -> Sampling:
    """Change how replies are drawn by the options of one call.

    Raises:
        BackendError: Of kind "bad_request" when an option is not understood.

    Example:
        >>> sampling_of(Sampling(), {"temperature": 0.7}).temperature
        0.7
    """
    unknown = sorted(options.keys() - asdict(sampling).keys())
    if unknown:
        known = ", ".join(["stop", *asdict(sampling)])
        message = f"our models do not understand {', '.join(map(repr, unknown))}; of LangChain's options they take {known}"
        raise BackendError(message, kind="bad_request")
    return replace(sampling, **options)


def chat_result(reply: Reply) -> ChatResult:
    """Write a reply as a chat model's result.

    Example:
        >>> chat_result(Reply("World", "stop", "m", Usage(3, 1))).generations[0].message.usage_metadata["total_tokens"]
        4
    """
    message = AIMessage(reply.text, usage_metadata=_usage(reply.usage), response_metadata=_metadata(reply))
    return ChatResult(generations=[ChatGeneration(message=message)])


def chat_chunk(piece: str | Reply) -> ChatGenerationChunk:
    """Write a piece of a streamed reply as a chunk; the reply at its end tells only of usage and the like.

    Example:
        >>> chat_chunk("Wor").text, chat_chunk(Reply("World", "stop", "m")).text
        ('Wor', '')
    """
    if isinstance(piece, str):
        return ChatGenerationChunk(message=AIMessageChunk(content=piece))
    usage, told = _usage(piece.usage), _metadata(piece)
    last = AIMessageChunk(content="", usage_metadata=usage, response_metadata=told, chunk_position="last")
    return ChatGenerationChunk(message=last)


def text_chunk(piece: str | Reply) -> GenerationChunk:
    """Write a piece of a streamed reply as a text model's chunk.

    Example:
        >>> text_chunk("Wor").text, text_chunk(Reply("World", "stop", "m")).text
        ('Wor', '')
    """
    if isinstance(piece, str):
        return GenerationChunk(text=piece)
    return GenerationChunk(text="", generation_info=_metadata(piece))


def _role(message: BaseMessage) -> Role | None:
    if isinstance(message, ChatMessage):
        named: dict[str, Role] = {
            "system": "system",
            "user": "user",
            "human": "user",
            "assistant": "assistant",
            "ai": "assistant",
        }
        return named.get(message.role)
    if isinstance(message, SystemMessage):
        return "system"
    if isinstance(message, HumanMessage):
        return "user"
    return "assistant" if isinstance(message, AIMessage) else None


def _usage(usage: Usage | None) -> UsageMetadata | None:
    if usage is None:
        return None
    read, written = usage.input_tokens, usage.output_tokens
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)


def _metadata(reply: Reply) -> dict[str, Any]:
    return {"finish_reason": reply.finish_reason, "model_name": reply.model}
