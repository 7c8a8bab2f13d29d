"""A causal transformers model on this machine: what it reads, and how likely it finds what. Batched, and nothing else.

Rows of a batch that are shorter than the longest are padded on the left, so that what is predicted ends at the same place.
What prompts begin with (a function's persona, instruction and examples) is read once; see `prefixes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from transformers.cache_utils import Cache

from llm_brain.backends.local.attention import use_grouped_attention
from llm_brain.backends.local.inputs import TOKENS_AT_ONCE, Inputs, causal, chunks, padded_left, positions_of
from llm_brain.backends.local.key_values import KeyValues, Slots
from llm_brain.backends.local.loading import as_dtype, load
from llm_brain.backends.local.locks import ProcessLock
from llm_brain.backends.local.option_tree import OptionTree
from llm_brain.backends.local.prefixes import Family, PrefixStore
from llm_brain.backends.local.processors import chosen_device, idle_processors, native_dtype


@dataclass(frozen=True, slots=True)
class Read:
    """Prompts that have been read, with which their continuation begins.

    Attributes:
        members: Their places among the prompts that were given.
        logits: What may come next, in float32 on the processor. Shape [rows, vocabulary].
        cache: The rows' keys and values.
        visible: Which columns of the cache are tokens and no padding. Shape [rows, columns].

    Example:
        >>> from llm_brain.backends.embedded import weights_folder
        >>> engine = Engine(weights_folder())
        >>> with torch.inference_mode():
        ...     (read,) = engine.read([engine.encode("one two three four"), engine.encode("five")])
        >>> read.members, read.visible.int().tolist()
        ((1, 0), [[0, 0, 0, 1], [1, 1, 1, 1]])
    """

    members: tuple[int, ...]
    logits: torch.Tensor
    cache: Cache
    visible: torch.Tensor


class Engine:
    """A loaded model and its tokenizer. Only `encode` and `encode_chat` are safe for threads (see `batching`).

    Args:
        path: A folder with config.json, model.safetensors and tokenizer.json, or a GGUF file.
        dtype: The number format of the computation; by default bfloat16 where the processor multiplies it natively and
            float32 elsewhere.
        device: Where to compute: "cpu", "cuda", or "auto" for a GPU where there is one.
        model_kwargs: Options of transformers' `from_pretrained` for the model; see `loading`.
        tokenizer_kwargs: The same for the tokenizer.

    Attributes:
        model: The transformers model.
        tokenizer: Its tokenizer.
        context_length: The most tokens that a prompt and its reply may have together.
        vocabulary: How many logits the model gives.
        width: How many dimensions its hidden states have.
        tokens_read: How many tokens have gone through the model, padding not counted.

    Raises:
        WeightsError: The files do not hold a model that can be loaded.
        MissingDependencyError: transformers is not installed.

    Example:
        >>> from llm_brain.backends.embedded import weights_folder
        >>> engine = Engine(weights_folder())
        >>> options = [engine.encode(option) for option in (" Paris", " a potato")]
        >>> (scores,) = engine.score([engine.encode("The capital of France is")], [options])
        >>> scores[0] > scores[1], engine.tokens_read
        (True, 6)
    """

    def __init__(
        self,
        path: Path,
        dtype: torch.dtype | None = None,
        *,
        device: str = "auto",
        model_kwargs: Mapping[str, Any] | None = None,
        tokenizer_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        options = dict(model_kwargs or {})
        named = options.pop("dtype", None)
        self.device = chosen_device(device)
        self.model, self.tokenizer = load(
            path,
            dtype=dtype or (native_dtype(self.device) if named is None else as_dtype(named)),
            device=self.device,
            model_kwargs=options,
            tokenizer_kwargs=tokenizer_kwargs or {},
        )
        use_grouped_attention(self.model)
        self.tokens_read = 0
        config: Any = self.model.config.get_text_config(decoder=True)
        self.context_length: int = config.max_position_embeddings
        self.vocabulary: int = config.vocab_size
        self.width: int = config.hidden_size
        self._inputs = Inputs(self.model)
        self._prefixes = PrefixStore(self._read_prefix)
        self._encoding = ProcessLock()  # a tokenizer's options are set for each text, and shared by all threads

    def encode(self, text: str) -> list[int]:
        """Turn text into token ids, without adding any. Text that looks like a control token is text."""
        with self._encoding:
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
                with self._encoding:
                    tokens += cast("list[int]", self.tokenizer.encode(part, add_special_tokens=False))
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """Turn token ids into text, control tokens left out."""
        with self._encoding:
            # Spaces before a comma stay where they are: a reply may be JSON, whose strings are not ours to tidy up.
            text = self.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    def end_of_turn(self) -> list[int]:
        """Tell by which token the model ends a turn, or a line end where its tokenizer names none."""
        token = self.tokenizer.eos_token_id
        return self.encode("\n") if token is None else [cast("int", token)]

    def end_tokens(self) -> frozenset[int]:
        """Tell by which tokens the model may end what it writes."""
        configured: Any = getattr(self.model.generation_config, "eos_token_id", None)
        ids = configured if isinstance(configured, list) else [configured, self.tokenizer.eos_token_id]
        return frozenset(int(token) for token in ids if token is not None)

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
        trees = [OptionTree(prompt, row_options) for prompt, row_options in zip(prompts, options, strict=True)]
        scores: dict[int, list[float]] = {}
        for family in self._families(prompts, [tree.tokens for tree in trees]):
            lengths = [len(prompts[member]) for member in family.members]
            logs = self._logs([trees[member] for member in family.members], lengths, family)
            for member, values in zip(family.members, logs, strict=True):
                following = iter(values)
                scores[member] = [sum(next(following) for _ in option) for option in options[member]]
        return [scores[member] for member in range(len(prompts))]

    def read(self, prompts: Sequence[list[int]]) -> Iterator[Read]:
        """Read prompts, in one piece or several, to be continued."""
        for family in self._families(prompts, prompts):
            rests = [prompts[member][family.shared :] for member in family.members]
            tokens, real = padded_left(rests)
            visible = torch.cat([real.new_ones(len(rests), family.shared), real], dim=1)
            positions = positions_of(visible)
            cache = family.cache()
            logits = self._logits(tokens, positions[:, family.shared :], causal(visible, tokens.shape[1]), positions, cache)
            self.tokens_read += sum(map(len, rests))
            if family.is_alone:
                self._prefixes.remember(prompts[family.members[0]], KeyValues.of(cache), family.shared)
            yield Read(family.members, logits[:, -1].float().cpu(), cache, visible.to(self.device))

    def step(self, slots: Slots, tokens: Sequence[int]) -> torch.Tensor:
        """Read one more token of each row.

        Returns:
            What may come next, in float32 on the processor. Shape [rows, vocabulary].
        """
        visible = slots.advance()
        last = visible.sum(dim=1, keepdim=True) - 1
        logits = self._logits(torch.tensor(tokens)[:, None], last, visible[:, None], positions_of(visible), slots.cache)
        self.tokens_read += len(tokens)
        return logits[:, -1].float().cpu()

    @idle_processors()
    @torch.inference_mode()
    def embed(self, texts: Sequence[list[int]]) -> torch.Tensor:
        """Turn each text into the mean of its tokens' last hidden states.

        Args:
            texts: Token ids of each text, at least one each.

        Returns:
            Shape [texts, dimensions], float32.
        """
        vectors: dict[int, torch.Tensor] = {}
        for members in chunks(range(len(texts)), list(map(len, texts))):
            tokens, real = padded_left([texts[member] for member in members])
            sums = torch.zeros(len(members), 1)
            for hidden, begin in self._hidden(tokens, real, Family(tuple(members), None).cache()):
                sums = sums + (hidden.float().cpu() * real[:, begin : begin + hidden.shape[1], None]).sum(dim=1)
            vectors.update(zip(members, sums / real.sum(dim=1, keepdim=True), strict=True))
        return torch.stack([vectors[member] for member in range(len(texts))])

    def _families(self, prompts: Sequence[list[int]], rows: Sequence[Sequence[int]]) -> Iterator[Family]:
        """Split prompts into families, each small enough for one forward pass over what `rows` has behind its prefix."""
        for family in self._prefixes.families(prompts):
            for members in chunks(family.members, [len(row) - family.shared for row in rows]):
                prefix, prompt = family.prefix, prompts[members[0]]
                if len(members) == 1 and len(prompt) - family.shared > TOKENS_AT_ONCE:
                    prefix = self._read_prefix(prefix, prompt[family.shared : 1 - TOKENS_AT_ONCE])
                yield Family(tuple(members), prefix, is_alone=family.is_alone)

    def _read_prefix(self, prefix: KeyValues | None, tokens: Sequence[int]) -> KeyValues:
        cache = Family((0,), prefix).cache()
        for _ in self._hidden(torch.tensor([tokens]), torch.ones(1, len(tokens), dtype=torch.bool), cache):
            pass
        return KeyValues.of(cache)

    def _hidden(self, tokens: torch.Tensor, real: torch.Tensor, cache: Cache) -> Iterator[tuple[torch.Tensor, int]]:
        """Read rows behind a cache in pieces of a bounded size. Gives each piece's last hidden states, and where it begins."""
        behind = cache.get_seq_length()
        visible = torch.cat([real.new_ones(len(real), behind), real], dim=1)
        positions = positions_of(visible)
        for begin in range(0, tokens.shape[1], TOKENS_AT_ONCE):
            piece = tokens[:, begin : begin + TOKENS_AT_ONCE]
            end = behind + begin + piece.shape[1]
            seen = causal(visible[:, :end], piece.shape[1])
            inputs = self._inputs.made(piece, positions[:, behind + begin : end], seen, positions[:, :end], cache)
            yield self.model.base_model(**inputs).last_hidden_state, begin
        self.tokens_read += int(real.sum())

    def _logs(self, trees: Sequence[OptionTree], lengths: Sequence[int], family: Family) -> Iterator[list[float]]:
        """Compute the log-probability of each token of each tree's options."""
        shared = family.shared
        before = max(lengths) - shared  # the prompts end together, and the options begin together
        width = before + max(len(tree.tokens) - length for tree, length in zip(trees, lengths, strict=True))
        tokens, positions = torch.zeros(2, len(trees), width, dtype=torch.long)
        visible = torch.eye(width, dtype=torch.bool).repeat(len(trees), 1, 1)
        visible = torch.cat([visible.new_zeros(len(trees), width, shared), visible], dim=2)
        for row, (tree, length) in enumerate(zip(trees, lengths, strict=True)):
            begin = before - (length - shared)
            end = begin + len(tree.tokens) - shared
            tokens[row, begin:end] = torch.tensor(tree.tokens[shared:])
            positions[row, begin:end] = torch.tensor(tree.positions[shared:])
            seen = tree.visible()[shared:]
            visible[row, begin:end, :shared] = seen[:, :shared]
            visible[row, begin:end, shared + begin : shared + end] = seen[:, shared:]
        behind = torch.cat([torch.arange(shared).expand(len(trees), -1), positions], dim=1)
        cache = family.cache()
        logits = self._logits(tokens, positions, visible, behind, cache, keep=width - before + 1)
        self.tokens_read += sum(len(tree.tokens) - shared for tree in trees)
        if family.is_alone:
            prompt = trees[0].tokens[: lengths[0]]
            self._prefixes.remember(prompt, KeyValues.of(cache).first(len(prompt)), shared)
        for row, (tree, length) in enumerate(zip(trees, lengths, strict=True)):
            places, predicted = zip(*tree.predictions, strict=True)
            # Row by row and in float32: the vocabulary is wide.
            found = logits[row, [place - length + 1 for place in places]].float()
            chosen = found.gather(1, torch.tensor(predicted, device=found.device)[:, None])[:, 0]
            yield (chosen - found.logsumexp(dim=1)).tolist()

    def _logits(self, *args: Any, keep: int = 1) -> torch.Tensor:
        return cast("torch.Tensor", self.model(**self._inputs.made(*args), logits_to_keep=keep).logits)
