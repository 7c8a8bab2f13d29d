"""What a forward pass is given: rows of tokens of one width, where each token stands, and what it sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers.cache_utils import Cache

TOKENS_AT_ONCE: Final = 2048
"""How many tokens go into one forward pass, padding included, where there are several rows: more is no faster."""


class Inputs:
    """Makes a model's inputs.

    Args:
        model: What they are for.

    Example:
        >>> from transformers import LlamaConfig, LlamaForCausalLM
        >>> from transformers.cache_utils import DynamicCache
        >>> model = LlamaForCausalLM(LlamaConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=4))
        >>> tokens, real = padded_left([[7], [8, 9]])
        >>> made = Inputs(model).made(tokens, positions_of(real), causal(real, 2), positions_of(real), DynamicCache())
        >>> (made["attention_mask"] == 0).int().tolist()
        [[[[1, 0], [0, 1]]], [[[1, 0], [1, 1]]]]
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._windows = _windows(model.config.get_text_config(decoder=True))

    def made(
        self, tokens: torch.Tensor, positions: torch.Tensor, visible: torch.Tensor, behind: torch.Tensor, cache: Cache
    ) -> dict[str, Any]:
        """Make the inputs of one forward pass.

        Args:
            tokens: Shape [rows, width].
            positions: Of each token, of the same shape.
            visible: Which token sees which column of the cache and of the tokens. Shape [rows, width, columns].
            behind: The position of what stands in each column. Shape [rows, columns].
            cache: What was read before, to which the tokens are added.
        """
        masks = {
            kind: self._mask(visible if window is None else visible & (behind[:, None] > positions[:, :, None] - window))
            for kind, window in self._windows.items()
        }
        device = self._model.device
        return {
            "input_ids": tokens.to(device),
            "position_ids": positions.to(device),
            "attention_mask": masks if len(masks) > 1 else next(iter(masks.values())),
            "past_key_values": cache,
            "use_cache": True,
        }

    def _mask(self, visible: torch.Tensor) -> torch.Tensor:
        dtype = self._model.dtype
        mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(~visible, torch.finfo(dtype).min)
        return mask[:, None].to(self._model.device)


def chunks(members: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Split rows into those of one forward pass, similar lengths together.

    Args:
        members: Which rows.
        lengths: How many tokens each row has, those included that are not asked for.

    Example:
        >>> list(chunks([0, 1, 2], [1500, 4, 1000]))
        [[1, 2], [0]]
    """
    chunk: list[int] = []
    for member in sorted(members, key=lengths.__getitem__):
        if chunk and (len(chunk) + 1) * lengths[member] > TOKENS_AT_ONCE:
            yield chunk
            chunk = []
        chunk.append(member)
    yield chunk


def padded_left(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Give rows one width. Returns the tokens, and which of them are no padding; both of shape [rows, width].

    Example:
        >>> [part.tolist() for part in padded_left([[7], [8, 9]])]
        [[[0, 7], [8, 9]], [[False, True], [True, True]]]
    """
    width = max(map(len, rows))
    tokens = torch.tensor([[0] * (width - len(row)) + list(row) for row in rows])
    real = torch.arange(width) >= width - torch.tensor([[len(row)] for row in rows])
    return tokens, real


def positions_of(visible: torch.Tensor) -> torch.Tensor:
    """Count what is no padding before each column.

    Example:
        >>> positions_of(torch.tensor([[False, True, True]])).tolist()
        [[0, 0, 1]]
    """
    return (visible.cumsum(dim=1) - 1).clamp_min(0)


def causal(visible: torch.Tensor, width: int) -> torch.Tensor:
    """Let each of the last `width` columns see those before it that are visible, and itself: to see nothing would be NaN.

    Example:
        >>> causal(torch.tensor([[True, False, True]]), 2).int().tolist()
        [[[1, 1, 0], [1, 0, 1]]]
    """
    columns = visible.shape[1]
    itself = torch.eye(width, columns, dtype=torch.bool).roll(columns - width, dims=1)
    before = torch.ones(width, columns, dtype=torch.bool).tril(columns - width)
    return (before & visible[:, None]) | itself


def _windows(config: Any) -> dict[str, int | None]:
    """Tell how far the layers of each kind look back, in tokens; None where they see everything."""
    window: int | None = getattr(config, "sliding_window", None)
    kinds = sorted(set(getattr(config, "layer_types", None) or [])) or ["sliding_attention" if window else "full_attention"]
    return {kind: window if kind == "sliding_attention" else None for kind in kinds}
