"""Models of other architectures: batches and kept prefixes change nothing of what transformers says by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from llm_brain.backends import Sampling
from llm_brain.backends.local.decoding import Decoding
from llm_brain.backends.local.engine import Engine
from llm_brain.backends.local.row import Row
from llm_brain.errors import WeightsError

SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.5,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
GROUPED = {**SIZES, "num_key_value_heads": 2, "head_dim": 8}
OLD: dict[str, Any] = {
    "vocab_size": 64,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 128,
    "initializer_range": 0.5,
    "bos_token_id": None,
    "eos_token_id": None,
}
CONFIGS: dict[str, Any] = {
    "llama": lambda: transformers.LlamaConfig(**GROUPED),
    "mistral, which looks 8 tokens back": lambda: transformers.MistralConfig(**GROUPED, sliding_window=8),
    "qwen2": lambda: transformers.Qwen2Config(**{**SIZES, "num_key_value_heads": 2}),
    "qwen3": lambda: transformers.Qwen3Config(**GROUPED),
    "gemma2, which caps its logits": lambda: transformers.Gemma2Config(**GROUPED, sliding_window=8),
    "gemma3, two kinds of layers": lambda: transformers.Gemma3TextConfig(
        **GROUPED, sliding_window=8, layer_types=["sliding_attention", "full_attention", "sliding_attention"]
    ),
    "phi3": lambda: transformers.Phi3Config(**{**SIZES, "num_key_value_heads": 2}),
    "gpt2": lambda: transformers.GPT2Config(**OLD),
    "gptj": lambda: transformers.GPTJConfig(**OLD, rotary_dim=4),
    "gpt-neox": lambda: transformers.GPTNeoXConfig(**SIZES),
    "olmo2": lambda: transformers.Olmo2Config(**SIZES),
    "cohere, which scales its logits": lambda: transformers.CohereConfig(**SIZES),
    "granite": lambda: transformers.GraniteConfig(**SIZES, logits_scaling=3.0),
    "stablelm": lambda: transformers.StableLmConfig(**{**SIZES, "num_key_value_heads": 2}),
    "falcon": lambda: transformers.FalconConfig(
        vocab_size=64,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        alibi=False,
        bos_token_id=None,
        eos_token_id=None,
    ),
    "opt": lambda: transformers.OPTConfig(
        vocab_size=64,
        hidden_size=32,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        word_embed_proj_dim=32,
        bos_token_id=None,
        eos_token_id=None,
    ),
    "starcoder2": lambda: transformers.Starcoder2Config(**{**SIZES, "num_key_value_heads": 2}, sliding_window=8),
    "smollm3": lambda: transformers.SmolLM3Config(**GROUPED),
    "mixtral": lambda: transformers.MixtralConfig(**GROUPED, num_local_experts=2),
    "gpt-oss": lambda: transformers.GptOssConfig(**GROUPED, num_local_experts=2, num_experts_per_tok=1, sliding_window=8),
}
HEAD = [5, 9, 2, 33, 60, 12, 7, 7, 41, 3, 18, 22, 50, 1, 30, 29, 28, 6, 11, 10]
PROMPTS = [[*HEAD, 8, 4], [*HEAD, 61], [*HEAD, 13, 14, 15, 16, 17, 44, 45], [3, 4, 5]]


def saved(config: Any, folder: Path, tokenizer: Path) -> Path:
    torch.manual_seed(1)
    transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    for file in tokenizer.glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def logs(engine: Engine, tokens: Sequence[int]) -> torch.Tensor:
    logits: torch.Tensor = engine.model(input_ids=torch.tensor([tokens])).logits[0]
    return logits.double().log_softmax(dim=-1)


def continued(engine: Engine, prompts: list[list[int]], lengths: list[int]) -> list[list[int]]:
    rows = [Row(prompt, Sampling(max_tokens=length)) for prompt, length in zip(prompts, lengths, strict=True)]
    decoding = Decoding(engine)
    decoding.join(rows[:2])
    decoding.step()
    decoding.join(rows[2:])
    while decoding.rows:
        decoding.step()
    return [row.tokens for row in rows]


@pytest.mark.parametrize("name", CONFIGS)
@torch.inference_mode()
def test_batches_say_what_transformers_says_row_by_row(name: str, tmp_path: Path, tiny_folder: Path) -> None:
    engine = Engine(saved(CONFIGS[name](), tmp_path, tiny_folder), dtype=torch.float32)
    options = [[1, 2, 3], [1, 2], [40]]
    scores = engine.score(PROMPTS, [options] * len(PROMPTS))
    for prompt, row in zip(PROMPTS, scores, strict=True):
        for option, score in zip(options, row, strict=True):
            expected = logs(engine, [*prompt, *option])
            assert score == pytest.approx(sum(float(expected[len(prompt) - 1 + i, t]) for i, t in enumerate(option)), abs=1e-4)
    for prompt, tokens in zip(PROMPTS, continued(engine, PROMPTS, [9, 20, 14, 6]), strict=True):
        expected = logs(engine, [*prompt, *tokens])
        for place, token in enumerate(tokens, start=len(prompt) - 1):
            assert float(expected[place, token]) == pytest.approx(float(expected[place].max()), abs=1e-4)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (transformers.MambaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=1), "linear_attention"),
        (transformers.BloomConfig(vocab_size=64, hidden_size=32, n_layer=1, n_head=4), "positions"),
    ],
)
def test_a_model_that_cannot_be_batched_is_refused_with_the_reason(
    config: Any, why: str, tmp_path: Path, tiny_folder: Path
) -> None:
    with pytest.raises(WeightsError, match=why):
        Engine(saved(config, tmp_path, tiny_folder))
