"""Token counts without a tokenizer, for models whose tokenizer is not at hand: none is ever downloaded at run time."""

from __future__ import annotations

from collections.abc import Sequence

from llm_brain.backends.contract import Message

BYTES_A_TOKEN = 3
"""English text has about 4.4 bytes a token in today's vocabularies, code and JSON about 3: the estimate errs upwards."""


TOKENS_A_TURN = 8
"""What surrounds each turn of a chat: its role and its borders."""


def estimate_tokens(text: str | Sequence[Message]) -> int:
    """Estimate how many tokens a text or a prompt has, on the high side: its UTF-8 bytes divided by `BYTES_A_TOKEN`.

    Example:
        >>> estimate_tokens("The capital of France is Paris.")
        11
        >>> estimate_tokens([Message("user", "The capital of France is Paris.")])
        19
    """
    if not isinstance(text, str):
        return sum(estimate_tokens(turn.content) + TOKENS_A_TURN for turn in text)
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)
