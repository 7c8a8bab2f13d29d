"""A causal transformers model on this machine: batched option scoring and batched generation, and nothing else.

Padding stands on the left, so that every row ends at the same place. What all prompts of a batch begin with (a function's
persona, instruction and examples) is computed once and kept as a key-value cache.
"""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from llm_brain.backends.contract import Sampling
from llm_brain.backends.processors import idle_processors, native_dtype
from llm_brain.backends.sampler import RowSampler
from llm_brain.errors import WeightsError, missing_dependency

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerFast

    from llm_brain.backends.grammar import Grammar

SHORTEST_SHARED_PREFIX = 16
KEPT_PREFIXES = 8


@dataclass(frozen=True, slots=True)
class Generated:
    """One generated reply, in tokens.

    Example:
        >>> Generated((1, 2), ended=True).ended
        True
    """

    tokens: tuple[int, ...]
    ended: bool


class OptionTree:
    """A prompt and the options behind it as branches of one row of tokens.

    Attributes:
        tokens: The prompt, then each option without its last token, which is only predicted.
        positions: Each token's place in its own branch.
        predictions: For each token of each option in turn: the place in the row that predicts it, and the token.

    Example:
        >>> tree = OptionTree([5, 6], [[1, 2], [3]])
        >>> tree.tokens, tree.positions, tree.predictions
        ([5, 6, 1], [0, 1, 2], [(1, 1), (2, 2), (1, 3)])
    """

    def __init__(self, prompt: list[int], options: Sequence[list[int]]) -> None:
        # What all options begin with is read once, as if it were the prompt's; each keeps a token of its own.
        stem = min(_common_length(options), min(map(len, options)) - 1)
        trunk = [*prompt, *options[0][:stem]]
        self.tokens = list(trunk)
        self.positions = list(range(len(trunk)))
        self.predictions: list[tuple[int, int]] = []
        self._branches: list[tuple[int, int]] = []
        for option in options:
            start = len(self.tokens)
            self.tokens.extend(option[stem:-1])
            self.positions.extend(range(len(trunk), len(trunk) + len(option) - stem - 1))
            self._branches.append((start, len(self.tokens)))
            places = [*range(len(prompt) - 1, len(trunk)), *range(start, len(self.tokens))]
            self.predictions.extend(zip(places, option, strict=True))

    def visible(self) -> torch.Tensor:
        """Tell which token [row] sees which [column]: those before it, except other branches."""
        size = len(self.tokens)
        seen = torch.ones(size, size, dtype=torch.bool).tril()
        for start, end in self._branches:
            seen[end:, start:end] = False
        return seen


class Engine:
    """A loaded model and its tokenizer. Not safe for threads: one thread at a time calls it (see `batching`).

    Args:
        folder: Holds config.json, model.safetensors and tokenizer.json.
        dtype: The number format of the computation; by default bfloat16 where the processor multiplies it natively and
            float32 elsewhere.

    Raises:
        WeightsError: The folder does not hold a model that can be loaded.
        MissingDependencyError: transformers is not installed.
    """

    def __init__(self, folder: Path, dtype: torch.dtype | None = None) -> None:
        try:
            from transformers import AutoModelForCausalLM, AutoTokenizer
            from transformers.utils import logging
        except ImportError as error:
            raise missing_dependency("transformers", extra="local") from error
        logging.disable_progress_bar()
        try:
            self.tokenizer = cast("PreTrainedTokenizerFast", AutoTokenizer.from_pretrained(folder, local_files_only=True))
            model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype or native_dtype(), local_files_only=True
            )
        except Exception as error:  # transformers, safetensors and json raise many unrelated types for a bad file
            message = f"no model could be loaded from {folder}: {error}"
            raise WeightsError(message) from error
        self.model = model.eval()
        self.context_length: int = model.config.max_position_embeddings
        self._prefixes: OrderedDict[tuple[int, ...], DynamicCache] = OrderedDict()
        self._previous: list[int] = []

    def encode(self, text: str) -> list[int]:
        """Turn text into token ids, without adding any. Text that looks like a control token is text."""
        return list(self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Write a conversation in the model's own chat format, ready for its next turn, as token ids.

        Control tokens come from the model's template only: a message that holds one (`<|im_end|>`) cannot end its turn.
        """
        # The template is filled with private-use characters, and each message is encoded by itself in their place.
        marked = [{**message, "content": f"\ue000{index}\ue001"} for index, message in enumerate(messages)]
        text = str(self.tokenizer.apply_chat_template(marked, tokenize=False, add_generation_prompt=True))
        tokens: list[int] = []
        for place, part in enumerate(re.split("\ue000(\\d+)\ue001", text)):
            if place % 2:
                tokens += self.encode(messages[int(part)]["content"])
            else:
                tokens += cast("list[int]", self.tokenizer.encode(part, add_special_tokens=False))
        return tokens

    def end_of_turn(self) -> list[int]:
        """Tell by which token the model ends a turn, or a line end where its tokenizer names none."""
        token = self.tokenizer.eos_token_id
        return self.encode("\n") if token is None else [cast("int", token)]

    @idle_processors()
    @torch.inference_mode()
    def score(self, prompts: Sequence[list[int]], options: Sequence[Sequence[list[int]]]) -> list[list[float]]:
        """Score each option of each prompt by its log-probability as the prompt's continuation, summed over its tokens.

        All options of a prompt stand in one row behind it, as branches of a tree: an option's tokens see the prompt and
        themselves, not the other options, and every option's positions begin where the prompt ends.

        Args:
            prompts: Token ids of each prompt, `n` of them.
            options: Token ids of each option of each prompt, at least one token each.

        Returns:
            Log-probabilities in nats, one list a prompt.
        """
        rows = [OptionTree(prompt, row_options) for prompt, row_options in zip(prompts, options, strict=True)]
        cache, shared = self._shared_cache(prompts)
        width = max(len(row.tokens) for row in rows) - shared
        tokens = torch.zeros(len(rows), width, dtype=torch.long)
        positions = torch.zeros(len(rows), width, dtype=torch.long)
        visible = torch.zeros(len(rows), 1, width, shared + width, dtype=torch.bool)
        for index, row in enumerate(rows):
            length = len(row.tokens) - shared
            tokens[index, :length] = torch.tensor(row.tokens[shared:])
            positions[index, :length] = torch.tensor(row.positions[shared:])
            visible[index, 0, :length, : shared + length] = row.visible()[shared:]
            visible[index, 0, length:, 0] = True  # padding must see something, or its softmax is NaN
        mask = torch.zeros(visible.shape, dtype=self.model.dtype).masked_fill(~visible, torch.finfo(self.model.dtype).min)
        hidden = self.model.base_model(
            input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache
        ).last_hidden_state
        # The vocabulary is 85 times wider than the hidden state: only what is asked for goes through the head.
        places = [(index, place - shared, token) for index, row in enumerate(rows) for place, token in row.predictions]
        read = hidden[[index for index, _, _ in places], [place for _, place, _ in places]]
        head: Any = self.model.get_output_embeddings()
        logs = torch.log_softmax(head(read).float(), dim=-1)
        values = iter(logs[torch.arange(len(places)), [token for _, _, token in places]].tolist())
        return [[sum(next(values) for _ in option) for option in row_options] for row_options in options]

    @idle_processors()
    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[list[int]],
        samplings: Sequence[Sampling],
        grammars: Sequence[Grammar | None],
        watch: Callable[[int, Sequence[int]], None] | None = None,
    ) -> list[Generated]:
        """Continue each prompt until the model ends it, its grammar is complete, or its length limit is reached.

        Rows that have ended leave the batch, so a long reply does not make the short ones wait.

        Args:
            prompts: Token ids of each prompt.
            samplings: How each row is drawn; equal seeds give equal draws whatever else is in the batch.
            grammars: What each row's text must conform to, or None for free text.
            watch: Called at each step for each row that goes on, with the row and its tokens so far.
        """
        logits, cache, mask = self._prefill(prompts)
        ends = self._end_tokens()
        samplers = [RowSampler(sampling, grammar, ends) for sampling, grammar in zip(samplings, grammars, strict=True)]
        alive = list(range(len(prompts)))
        while True:
            # One token a row; rows that ended are dropped from the key-value cache too.
            drawn = [samplers[row].draw(logits[index]) for index, row in enumerate(alive)]
            if watch is not None:
                for row in alive:
                    watch(row, samplers[row].tokens)
            going = [index for index, row in enumerate(alive) if not samplers[row].finished]
            if not going:
                break
            if len(going) < len(alive):
                kept = torch.tensor(going)
                cache.batch_select_indices(kept)
                mask = mask[kept]
                alive = [alive[index] for index in going]
                drawn = [drawn[index] for index in going]
            positions = mask.sum(dim=1, keepdim=True)
            mask = torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1)
            result = self.model(
                input_ids=torch.tensor(drawn)[:, None],
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
            )
            logits = result.logits[:, -1].float()
        return [Generated(tuple(sampler.tokens), sampler.ended) for sampler in samplers]

    def _prefill(self, prompts: Sequence[list[int]]) -> tuple[torch.Tensor, DynamicCache, torch.Tensor]:
        """Read the prompts. Returns the last position's logits [n, vocabulary], the cache, and the attention mask [n, t]."""
        cache, shared = self._shared_cache(prompts)
        rests = [prompt[shared:] for prompt in prompts]
        width = max(len(rest) for rest in rests)
        tokens = torch.tensor([[0] * (width - len(rest)) + rest for rest in rests])
        mask = torch.tensor([[1] * shared + [0] * (width - len(rest)) + [1] * len(rest) for rest in rests])
        positions = (mask.cumsum(dim=1) - 1).clamp_min(0)[:, shared:]
        result = self.model(
            input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
        )
        return result.logits[:, -1].float(), cache, mask

    def _shared_cache(self, prompts: Sequence[list[int]]) -> tuple[DynamicCache, int]:
        """Build a key-value cache of what all prompts begin with, a row a prompt, and tell how many tokens it holds."""
        from transformers import DynamicCache

        shared = self._shared_length(prompts)
        if not shared:
            return DynamicCache(config=self.model.config), 0
        cache = copy.deepcopy(self._prefix_cache(tuple(prompts[0][:shared])))
        cache.batch_repeat_interleave(len(prompts))
        return cache, shared

    def _shared_length(self, prompts: Sequence[list[int]]) -> int:
        """Count the leading tokens to take from, or put into, the kept prefixes; 0 when too few to pay.

        A call that comes alone shows what it shares only beside the call before it.
        """
        room = min(len(prompt) for prompt in prompts) - 1  # each prompt keeps a token of its own to be read
        beside = [*prompts, self._previous]
        self._previous = prompts[0]
        common = _common_length(beside)
        if common < SHORTEST_SHARED_PREFIX and len(prompts) > 1:
            common = _common_length(prompts)
        common = min(common, room)
        known = max(
            (len(prefix) for prefix in self._prefixes if len(prefix) <= common and _starts_with(prompts[0], prefix)),
            default=0,
        )
        if known and common - known < SHORTEST_SHARED_PREFIX:
            return known
        return common if common >= SHORTEST_SHARED_PREFIX else 0

    def _prefix_cache(self, prefix: tuple[int, ...]) -> DynamicCache:
        from transformers import DynamicCache

        if prefix in self._prefixes:
            self._prefixes.move_to_end(prefix)
            return self._prefixes[prefix]
        cache = DynamicCache(config=self.model.config)
        self.model.base_model(input_ids=torch.tensor([prefix]), past_key_values=cache)
        self._prefixes[prefix] = cache
        if len(self._prefixes) > KEPT_PREFIXES:
            self._prefixes.popitem(last=False)
        return cache

    def _end_tokens(self) -> frozenset[int]:
        configured: Any = self.model.generation_config.eos_token_id if self.model.generation_config else None
        ids = configured if isinstance(configured, list) else [configured, self.tokenizer.eos_token_id]
        return frozenset(int(token) for token in ids if token is not None)


def _common_length(prompts: Sequence[list[int]]) -> int:
    """Count the tokens that all prompts begin with."""
    first, last = min(prompts), max(prompts)  # lexicographic extremes share what all share
    length = 0
    for left, right in zip(first, last, strict=False):
        if left != right:
            break
        length += 1
    return length


def _starts_with(tokens: list[int], prefix: tuple[int, ...]) -> bool:
    return tuple(tokens[: len(prefix)]) == prefix
