"""What a network remembers: immutable values that can be kept, carried on, reset, looked into and saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self, TypeVar

import torch
from torch import Tensor

from llm_brain.brain.layers.block import BlockState
from llm_brain.errors import ArgumentError

State = TypeVar("State")


class CarriedState:
    """What every state can do: a nested tuple of tensors, all with the batch as their first axis. Immutable."""

    __slots__ = ()

    def detach(self) -> Self:
        """Cut the gradient, so that a long life is trained piece by piece."""
        return _mapped(Tensor.detach, self)

    def to(self, target: torch.device | torch.dtype | str) -> Self:
        """Move to a device, or convert to another precision."""
        return _mapped(lambda part: part.to(target), self)

    def rows(self, index: Tensor | slice) -> Self:
        """Take some of the batch's rows, by their numbers or by a slice.

        Example:
            >>> import torch
            >>> from llm_brain.brain import PlasticRNN
            >>> PlasticRNN(6, 8, heads=2).initial_state(3).rows(torch.tensor([2, 0])).blocks[0].neuron.shape
            torch.Size([2, 8])
        """
        return _mapped(lambda part: part[index], self)

    def replace_rows(self, where: Tensor, other: Self) -> Self:
        """Take the rows at which `where`, `[B]`, is true from another state: from a fresh one, say, to begin anew there.

        Example:
            >>> import torch
            >>> from llm_brain.brain import PlasticRNN
            >>> network = PlasticRNN(6, 8, heads=2)
            >>> _, state = network(torch.randn(5, 3, 6))
            >>> ended = torch.tensor([False, True, False])
            >>> state.replace_rows(ended, network.initial_state(3)).blocks[0].neuron[1].any().item()
            False
        """

        def chosen(old: Tensor, new: Tensor) -> Tensor:
            return torch.where(where.view(-1, *[1] * (old.dim() - 1)), new, old)

        return _mapped(chosen, self, other)

    def tensors(self) -> dict[str, Tensor]:
        """Give every tensor under its name: to look at, or to save."""
        return _named(self)

    def filled(self, tensors: Mapping[str, Tensor]) -> Self:
        """Put tensors, by the names that `tensors` gives, into the places of this state.

        Raises:
            ArgumentError: A name is missing or too many, or a tensor has another shape but for its batch.

        Example:
            >>> from llm_brain.brain import PlasticRNN
            >>> state = PlasticRNN(6, 8, heads=2).initial_state(3)
            >>> state.filled(state.tensors()).blocks[0].neuron.shape
            torch.Size([3, 8])
        """
        expected = self.tensors()
        for name in sorted({*expected, *tensors}):
            wanted = expected[name].shape[1:] if name in expected else None
            found = tensors[name].shape[1:] if name in tensors else None
            if wanted != found:
                message = (
                    f"this is the state of another brain: {name!r} should be {_shape(wanted)} a row and is {_shape(found)}; "
                    "load it into a brain of the configuration that it was saved from"
                )
                raise ArgumentError(message)
        values = iter(tensors[name] for name in expected)
        return _mapped(lambda _: next(values), self)


class _NetworkFields(NamedTuple):
    recent: Tensor
    blocks: tuple[BlockState, ...]


class NetworkState(CarriedState, _NetworkFields):
    """What a `PlasticRNN` carries from step to step. Immutable, and of a size that never depends on how much was read.

    Attributes:
        recent: The last inputs that the next step's convolution sees, `[B, conv_size - 1, input_size]`.
        blocks: The state of each block, a tuple.

    Example:
        >>> from llm_brain.brain import PlasticRNN
        >>> network = PlasticRNN(6, 8, heads=2)
        >>> state = network.initial_state(3)
        >>> {name: tuple(part.shape) for name, part in state.tensors().items()}
        {'recent': (3, 0, 6), 'blocks.0.tonic': (3, 4), 'blocks.0.neuron': (3, 8), ...}
    """

    __slots__ = ()


def _mapped(change: Callable[..., Tensor], state: State, *others: State) -> State:
    """Apply a function to every tensor of a nested tuple, and of others of the same form beside it."""
    node: Any = state
    if isinstance(node, Tensor):
        node = change(node, *others)
    else:
        beside: list[Any] = list(others)
        parts = [_mapped(change, *same) for same in zip(node, *beside, strict=True)]
        node = type(node)(*parts) if hasattr(node, "_fields") else tuple(parts)
    changed: State = node
    return changed


def _named(state: Any, name: str = "") -> dict[str, Tensor]:
    if isinstance(state, Tensor):
        return {name: state}
    names = getattr(state, "_fields", range(len(state)))
    parts = [_named(part, f"{name}.{key}" if name else str(key)) for key, part in zip(names, state, strict=True)]
    return {key: tensor for part in parts for key, tensor in part.items()}


def _shape(shape: torch.Size | None) -> str:
    return "absent" if shape is None else str(tuple(shape))
