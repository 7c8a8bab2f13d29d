"""What prompts begin with, read once: a function's persona, instruction and examples are the same at every call.

Prompts that come together are sorted into families by what they share. What a family shares is read once, and kept. A prompt
that comes alone is kept whole for a while: what it shares shows when the next one comes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from transformers.cache_utils import DynamicCache

from llm_brain.backends.local.key_values import KeyValues, common_length

SHORTEST_SHARED: Final = 16
"""A prefix of fewer tokens is read again: keeping it costs more than it saves."""

MOST_BYTES: Final = 256 * 2**20
"""How much memory the kept prefixes may take, in bytes; those that were not used for longest go first."""

MOST_WHOLE_PROMPTS: Final = 8
"""How many different functions may be called in turn, one call at a time, and still be seen to share something."""

_Kept = OrderedDict[tuple[int, ...], KeyValues]


@dataclass(frozen=True, slots=True)
class Family:
    """Prompts that begin alike.

    Attributes:
        members: Their places among the prompts that were given.
        prefix: What was kept of what they begin with; None where that is too little.
        is_alone: Whether there was no other prompt to see what they share.

    Example:
        >>> Family((0, 1), None).shared
        0
    """

    members: tuple[int, ...]
    prefix: KeyValues | None
    is_alone: bool = False

    @property
    def shared(self) -> int:
        """How many tokens of each prompt need not be read."""
        return 0 if self.prefix is None else self.prefix.length

    def cache(self) -> DynamicCache:
        """Make a cache with a row for each prompt, of what is kept of it."""
        return DynamicCache() if self.prefix is None else self.prefix.as_cache(len(self.members))


class PrefixStore:
    """Keeps the keys and values of what prompts begin with.

    Args:
        read: Reads tokens behind a prefix that was read before (or None), and returns all of it.
        most_bytes: How much memory may be used, in bytes.

    Example:
        >>> import torch
        >>> def read(prefix, tokens):
        ...     print("reads", len(tokens))
        ...     length = len(tokens) + (prefix.length if prefix else 0)
        ...     return KeyValues(((torch.zeros(1, 1, length, 1), torch.zeros(1, 1, length, 1)),))
        >>> store, persona = PrefixStore(read), list(range(100))
        >>> [family.shared for family in store.families([[*persona, 7, 8], [*persona, 9]])]
        reads 100
        [100]
        >>> [family.shared for family in store.families([[*persona, 3, 4, 5]])]
        [100]
    """

    def __init__(self, read: Callable[[KeyValues | None, Sequence[int]], KeyValues], *, most_bytes: int = MOST_BYTES) -> None:
        self._read = read
        self._most_bytes = most_bytes
        self._prefixes: _Kept = OrderedDict()
        self._prompts: _Kept = OrderedDict()

    def families(self, prompts: Sequence[Sequence[int]]) -> list[Family]:
        """Sort prompts into families, and read what they share and nobody has read yet.

        Each prompt keeps at least one token of its own, to be read for what comes after it.
        """
        heads = [list(prompt[:-1]) for prompt in prompts]
        found = []
        for length, members in _families(range(len(heads)), heads):
            for known, family in self._by_what_is_kept(length, members, heads):
                head = heads[family[0]]
                prefix = self._lone(head) if len(family) == 1 else self._shared(head, known)
                found.append(Family(tuple(family), prefix, is_alone=len(family) == 1))
        return found

    def remember(self, prompt: Sequence[int], read: KeyValues, shared: int) -> None:
        """Keep a prompt that came alone, for the next one to be seen beside it.

        Args:
            prompt: Its tokens.
            read: What was read, with room for nothing else.
            shared: How many of its tokens were kept before.
        """
        if len(prompt) - shared < SHORTEST_SHARED:
            return
        self._prompts[tuple(prompt)] = read
        self._prompts.move_to_end(tuple(prompt))
        _trim(self._prompts, self._most_bytes // 4, MOST_WHOLE_PROMPTS)

    def _by_what_is_kept(
        self, length: int, members: Sequence[int], heads: Sequence[list[int]]
    ) -> Iterator[tuple[int, list[int]]]:
        """Split a family where a good deal more is kept of some of them than what all of them share."""
        families: dict[tuple[int, ...], tuple[int, list[int]]] = {}
        for member in members:
            kept, known = max(_best(self._prefixes, heads[member]), _best(self._prompts, heads[member]), key=lambda best: best[1])
            key = kept if known - length >= SHORTEST_SHARED else ()
            least, family = families.setdefault(key, (known if key else length, []))
            families[key] = min(least, known) if key else length, [*family, member]
        yield from families.values()

    def _lone(self, head: list[int]) -> KeyValues | None:
        tokens, length = _best(self._prefixes, head)
        prompt, seen = _best(self._prompts, head)
        if seen - length >= SHORTEST_SHARED:
            return self._keep(head[:seen], self._prompts.pop(prompt).first(seen).copied())
        return self._use(tokens, length)

    def _shared(self, head: list[int], length: int) -> KeyValues | None:
        stem = head[:length]
        kept, known = _best(self._prefixes, stem)
        if length - known < SHORTEST_SHARED:
            return self._use(kept, known)
        prompt, seen = _best(self._prompts, stem)
        begun = self._prompts[prompt].first(seen) if seen > known else self._use(kept, known)
        if begun is not None and begun.length == length:
            return self._keep(stem, begun.copied())
        return self._keep(stem, self._read(begun, stem[0 if begun is None else begun.length :]))

    def _use(self, tokens: tuple[int, ...], length: int) -> KeyValues | None:
        if length < SHORTEST_SHARED:
            return None
        self._prefixes.move_to_end(tokens)
        return self._prefixes[tokens].first(length)

    def _keep(self, tokens: Sequence[int], read: KeyValues) -> KeyValues:
        self._prefixes[tuple(tokens)] = read
        _trim(self._prefixes, self._most_bytes, len(self._prefixes))
        return read


def _best(kept: Mapping[tuple[int, ...], KeyValues], head: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """Find what was kept that begins most like a prompt, and count how far it goes."""
    key = tuple(head)
    lengths = ((tokens, common_length((tokens, key))) for tokens in kept)
    return max(lengths, key=lambda found: found[1], default=((), 0))


def _families(members: Sequence[int], heads: Sequence[list[int]]) -> list[tuple[int, list[int]]]:
    """Split prompts where some of them share a good deal more than all of them do. Gives each family's shared length."""
    shared = common_length([heads[member] for member in members])
    branches: dict[int | None, list[int]] = {}
    for member in members:
        head = heads[member]
        branches.setdefault(head[shared] if len(head) > shared else None, []).append(member)
    families: list[tuple[int, list[int]]] = []
    left: list[int] = []
    for following, branch in branches.items():
        deeper = [] if len(branch) == 1 or following is None else _families(branch, heads)
        for length, family in deeper:
            if len(family) > 1 and length - shared >= SHORTEST_SHARED:
                families.append((length, family))
            else:
                left += family
        left += [] if deeper else branch
    return [*families, (shared, left)] if left else families


def _trim(kept: _Kept, most_bytes: int, most: int) -> None:
    while len(kept) > most or (kept and sum(read.bytes for read in kept.values()) > most_bytes):
        kept.popitem(last=False)
