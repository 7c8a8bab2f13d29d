"""Constrained decoding: a JSON Schema becomes a mask over the next token, by llguidance."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from llm_brain.backends.local.closing import OUTSIDE, Closing, after
from llm_brain.backends.local.enforceable import enforceable
from llm_brain.backends.local.locks import ProcessLock
from llm_brain.backends.local.unique import Watch, needs_watching
from llm_brain.errors import BackendError, DefinitionError, missing_dependency

if TYPE_CHECKING:
    from llguidance import LLMatcher
    from transformers import PreTrainedTokenizerFast

_OPTIONS: Final = {"whitespace_flexible": False}


class GrammarCompiler:
    """Builds grammars for one tokenizer. Preparing the tokenizer takes a third of a CPU second, once.

    Args:
        tokenizer: The model's tokenizer.
        vocabulary: The width of the model's logits.

    Raises:
        MissingDependencyError: llguidance is not installed.

    Example:
        >>> from llm_brain.backends.embedded import weights_folder
        >>> from transformers import AutoTokenizer
        >>> tokenizer = AutoTokenizer.from_pretrained(weights_folder())
        >>> grammar = GrammarCompiler(tokenizer, len(tokenizer)).compile({"enum": ["yes", "no"]})
        >>> for token in tokenizer.encode('"n'):
        ...     grammar.accept(token)
        >>> tokenizer.decode(grammar.shortest_end(9))
        'o"'
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, vocabulary: int) -> None:
        try:
            import llguidance.hf
        except ImportError as error:
            raise missing_dependency("llguidance", extra="local") from error
        self.vocabulary = vocabulary
        size = max(vocabulary, len(tokenizer))  # either may be the larger one; `mask_logits` leaves out what has no logit
        self._tokenizer = llguidance.hf.from_tokenizer(tokenizer, n_vocab=size)
        self._pieces = [self._tokenizer.decode_bytes([token]) for token in range(vocabulary)]
        self._closing = Closing(self._pieces)
        self._compiled: dict[str, LLMatcher] = {}
        self._compiling = ProcessLock()
        self._can_match = cache(self._matches)

    def compile(self, schema: Mapping[str, Any]) -> Grammar:
        """Build a fresh grammar for one reply.

        Raises:
            DefinitionError: The schema asks for something that cannot be enforced while decoding.
        """
        text = json.dumps(schema)  # the order of the properties counts: they are generated in it
        watch = Watch(schema, self._pieces) if needs_watching(schema) else None
        with self._compiling:
            if text not in self._compiled:
                self._compiled[text] = self._matcher(schema)
            matcher = self._compiled[text].deep_copy()
        return Grammar(matcher, self._pieces, self._closing, watch)

    def _matcher(self, schema: Mapping[str, Any]) -> LLMatcher:
        problem = ""
        for bounded in (True, False):  # where bounds leave nothing, a pattern of very long texts say, there are none
            try:
                matcher = self._made(enforceable(schema, can_match=self._can_match, bounded=bounded))
            except (ValueError, LookupError, TypeError, AttributeError, re.error) as error:  # the schema may be anything
                message = f"this return type cannot be enforced while decoding: {error}"
                raise DefinitionError(message) from error
            if not matcher.is_error():
                return matcher
            problem = problem or matcher.get_error().strip().splitlines()[0]
        message = f"this return type cannot be enforced while decoding: {problem}"
        raise DefinitionError(message)

    def _made(self, schema: Mapping[str, Any]) -> LLMatcher:
        from llguidance import LLMatcher

        grammar = LLMatcher.grammar_from_json_schema({**schema, "x-guidance": _OPTIONS})
        return LLMatcher(self._tokenizer, grammar, log_level=0)

    def _matches(self, pattern: str) -> bool:
        return not self._made({"type": "string", "pattern": pattern}).is_error()


class Grammar:
    """The state of one reply under a grammar.

    Args:
        matcher: llguidance's own state.
        pieces: The bytes of each token.
        closing: Finds the way to the end of the value.
        watch: Sees to what the grammar cannot say, where there is such a thing.

    Example:
        >>> from llm_brain.backends.embedded import weights_folder
        >>> from transformers import AutoTokenizer
        >>> tokenizer = AutoTokenizer.from_pretrained(weights_folder())
        >>> grammar = GrammarCompiler(tokenizer, len(tokenizer)).compile({"const": 7})
        >>> allowed = int.from_bytes(grammar.allowed(), "little")
        >>> [tokenizer.decode([token]) for token in range(len(tokenizer)) if allowed >> token & 1]
        ['7']
    """

    def __init__(self, matcher: LLMatcher, pieces: Sequence[bytes], closing: Closing, watch: Watch | None = None) -> None:
        self._matcher = matcher
        self._pieces = pieces
        self._closing = closing
        self._places = [OUTSIDE]
        self._watch = watch

    @property
    def complete(self) -> bool:
        """Whether the text is a whole value that nothing more may follow."""
        return bool(self._matcher.is_stopped())

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was written may have to be taken back."""
        return self._watch is None or self._watch.is_settled

    def allowed(self) -> bytes:
        """Tell which tokens may come next: a bit a token, the first token's being the lowest of the first byte.

        Raises:
            BackendError: The grammar has become too complex to be followed.
        """
        mask = self._matcher.compute_bitmask()
        self._check()
        return mask

    def refuses(self, token: int) -> bool:
        """Tell whether a token that the grammar allows would make an item of a set, or a name, that is there already."""
        return self._watch is not None and self._watch.refuses(token)

    def accept(self, token: int) -> None:
        """Advance by a token that was drawn, and is not refused.

        Raises:
            BackendError: The grammar has become too complex to be followed.
        """
        self._matcher.consume_token(token)
        self._check()
        self._places.append(after(self._pieces[token], self._places[-1]))
        if self._watch is not None:
            self._watch.accept(token)

    def rollback(self, tokens: int) -> None:
        """Take back the last tokens."""
        self._matcher.rollback(tokens)
        del self._places[len(self._places) - tokens :]
        if self._watch is not None:
            self._watch.rollback(tokens)

    def shortest_end(self, most: int) -> list[int] | None:
        """Find a short way to the end of the value, in tokens; none where it would take more than `most`."""
        return self._closing.way(self._matcher, self._watch, most, self._places[-1])

    def _check(self) -> None:
        if self._matcher.is_error():
            reason = self._matcher.get_error().strip().splitlines()[0]
            message = f"the grammar of the schema cannot be followed any further: {reason}"
            raise BackendError(message, kind="server")


def mask_logits(masks: Sequence[bytes | None], logits: torch.Tensor) -> None:
    r"""Set the logits of every token that may not come next to minus infinity, in place.

    Args:
        masks: For each row what `Grammar.allowed` gives; None lets every token through.
        logits: Shape [rows, vocabulary].

    Example:
        >>> logits = torch.zeros(2, 3)
        >>> mask_logits([b"\x05", None], logits)
        >>> logits.tolist()
        [[0.0, -inf, 0.0], [0.0, 0.0, 0.0]]
    """
    size = next((len(mask) for mask in masks if mask is not None), 0)
    if size:
        allowed = np.frombuffer(b"".join(mask or b"\xff" * size for mask in masks), np.uint8).reshape(len(masks), size)
        bits = np.unpackbits(~allowed, axis=1, bitorder="little")[:, : logits.shape[1]]
        logits.masked_fill_(torch.from_numpy(bits).view(torch.bool), -torch.inf)
