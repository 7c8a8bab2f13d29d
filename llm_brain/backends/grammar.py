"""Constrained decoding: a JSON Schema becomes a mask over the next token, by llguidance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from llm_brain.errors import DefinitionError, missing_dependency

if TYPE_CHECKING:
    from llguidance import LLTokenizer
    from transformers import PreTrainedTokenizerFast

LONGEST_STRING = 240
LONGEST_LIST = 8
LARGEST_NUMBER = 10**15
SMALLEST_STEP = 1e-9


class GrammarCompiler:
    """Builds grammars for one tokenizer. Preparing the tokenizer takes about a CPU second, once.

    Args:
        tokenizer: The model's tokenizer.
        vocabulary: The width of the model's logits, which may exceed the tokenizer's own vocabulary.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, vocabulary: int) -> None:
        try:
            import llguidance.hf
        except ImportError as error:
            raise missing_dependency("llguidance", extra="local") from error
        self._tokenizer = llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary)
        self._compiled: dict[str, str] = {}

    def compile(self, schema: Mapping[str, Any]) -> Grammar:
        """Build a fresh grammar for one reply.

        Raises:
            DefinitionError: The schema asks for something that cannot be enforced while decoding.
        """
        from llguidance import LLMatcher

        text = json.dumps(schema)  # the order of the properties counts: they are generated in it
        if text not in self._compiled:
            bounded = {**bound(schema), "x-guidance": {"whitespace_flexible": False, "coerce_one_of": True}}
            self._compiled[text] = LLMatcher.grammar_from_json_schema(bounded)
        return Grammar(self._tokenizer, self._compiled[text])


class Grammar:
    """The state of one reply under a grammar."""

    def __init__(self, tokenizer: LLTokenizer, grammar: str) -> None:
        from llguidance import LLMatcher

        self._matcher = LLMatcher(tokenizer, grammar)
        if self._matcher.is_error():
            message = f"this return type cannot be enforced while decoding: {self._matcher.get_error()}"
            raise DefinitionError(message)

    def mask(self, logits: torch.Tensor) -> torch.Tensor:
        """Set the logits [vocabulary] of every token that may not come next to minus infinity."""
        # A byte a token, 0 where it may not come. llguidance's own torch functions would start torch's compiler for this.
        allowed = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8)
        return logits.masked_fill(allowed[: logits.shape[-1]] == 0, -torch.inf)

    def accept(self, token: int) -> None:
        """Advance by a token that was drawn."""
        self._matcher.consume_token(token)

    @property
    def complete(self) -> bool:
        """Whether the text is a whole value that nothing more may follow."""
        return bool(self._matcher.is_stopped())


def bound(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give every string a longest length, every list a longest size and every object no extra keys.

    A small model that may write on does so: every failure to close a JSON value was an unbounded string or number. Bounds
    that the schema has already are kept. Of a number the digits are bounded, by a range and a smallest step. That the items of
    a list are unique cannot be enforced while decoding, and is left to whoever reads the reply.

    Example:
        >>> bound({"type": "array", "items": {"type": "string"}})
        {'type': 'array', 'items': {'type': 'string', 'maxLength': 240}, 'maxItems': 8}
    """
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if isinstance(value, Mapping) and key in ("properties", "$defs"):
            result[key] = {name: bound(part) for name, part in value.items()}
        elif isinstance(value, Mapping) and key in ("items", "additionalProperties"):
            result[key] = bound(value)
        elif isinstance(value, list) and key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            result[key] = [bound(part) for part in value]
        elif key != "uniqueItems":
            result[key] = value
    return {**result, **_limits(schema)}


def _limits(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Make the limits that a schema lacks."""
    kind = schema.get("type")
    limits: dict[str, Any] = {}
    if kind == "string" and not {"enum", "const", "pattern", "format", "maxLength"} & schema.keys():
        limits["maxLength"] = LONGEST_STRING
    elif kind in ("number", "integer") and not {"enum", "const"} & schema.keys():
        low, high = {"minimum", "exclusiveMinimum"} & schema.keys(), {"maximum", "exclusiveMaximum"} & schema.keys()
        limits = {} if low else {"minimum": -LARGEST_NUMBER}
        limits |= {} if high else {"maximum": LARGEST_NUMBER}
        limits |= {} if kind == "integer" or "multipleOf" in schema else {"multipleOf": SMALLEST_STEP}
    elif kind == "array" and "maxItems" not in schema:
        limits["maxItems"] = max(LONGEST_LIST, int(schema.get("minItems", 0)))
    elif kind == "object" and "properties" in schema and "additionalProperties" not in schema:
        limits["additionalProperties"] = False
    return limits
