"""Token counts without a tokenizer, for models whose tokenizer is not at hand: none is ever downloaded at run time."""

from __future__ import annotations

BYTES_A_TOKEN = 3
"""English text has about 4.4 bytes a token in today's vocabularies, code and JSON about 3: the estimate errs upwards."""


def estimate_tokens(text: str) -> int:
    """Estimate how many tokens a text has, on the high side: its UTF-8 bytes divided by `BYTES_A_TOKEN`.

    Example:
        >>> estimate_tokens("The capital of France is Paris.")
        11
        >>> estimate_tokens("")
        0
    """
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)
