"""Many conversations as one tree: what they have in common stands once, and each branch stands where it leaves the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TypeAlias, TypedDict

from llm_brain.backends.contract import Message
from llm_brain.strategy.conversation import Conversation


class TranscriptNode(TypedDict):
    """Turns that follow each other, and the ways in which they go on.

    Example:
        >>> TranscriptNode(messages=[{"role": "user", "content": "Hello"}], children=[])["children"]
        []
    """

    messages: list[dict[str, str]]
    children: list[TranscriptNode]


def transcript_tree(conversations: Iterable[Conversation]) -> TranscriptNode:
    """Put conversations together to a tree, in which what they have in common stands once.

    Example:
        >>> from llm_brain.backends import LanguageBackend, Reply
        >>> class Echo(LanguageBackend):
        ...     model_id = "echo"
        ...     def count_tokens(self, text): return 1
        ...     def chat_completion(self, request): return Reply(request.messages[-1].content, "stop", self.model_id)
        >>> _, talk = Conversation(Echo()).ask("Hello")
        >>> tree = transcript_tree([talk, talk.ask("Yes?")[1], talk.ask("No?")[1]])
        >>> [turn["content"] for turn in tree["messages"]], [child["messages"][0]["content"] for child in tree["children"]]
        (['Hello', 'Hello'], ['Yes?', 'No?'])
    """
    ways: _Ways = {}
    for conversation in conversations:
        here = ways
        for message in conversation.messages:
            here = here.setdefault(message, {})
    root = TranscriptNode(messages=[], children=[])
    unfinished = [(root, ways)]
    while unfinished:
        node, ways = unfinished.pop()
        while len(ways) == 1:
            ((message, ways),) = ways.items()
            node["messages"].append(asdict(message))
        for message, further in ways.items():
            child = TranscriptNode(messages=[asdict(message)], children=[])
            node["children"].append(child)
            unfinished.append((child, further))
    return root


_Ways: TypeAlias = "dict[Message, _Ways]"
