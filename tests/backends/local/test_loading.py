"""Loading: what is safe is passed on, what is not is refused before anything is read, and GGUF files are models, too."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from llm_brain.backends import LocalBackend, Message, Request, Sampling
from llm_brain.backends.local.growing_text import GrowingText
from llm_brain.errors import DefinitionError, WeightsError


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"model_kwargs": {"trust_remote_code": True}}, "'trust_remote_code' would run code"),
        ({"model_kwargs": {"trust_remote_code": False}}, "'trust_remote_code' would run code"),
        ({"tokenizer_kwargs": {"trust_remote_code": True}}, "'trust_remote_code' would run code"),
        ({"model_kwargs": {"code_revision": "main"}}, "'code_revision' is not known"),
        ({"model_kwargs": {"dtyp": "float32"}}, "did you mean 'dtype'"),
        ({"tokenizer_kwargs": {"chat_templat": ""}}, "did you mean 'chat_template'"),
        ({"model_kwargs": {"attn_implementation": "someone/kernels"}}, "'someone/kernels' cannot be used"),
        ({"model_kwargs": {"attn_implementation": "flash_attention_2"}}, "take one of 'eager', 'sdpa'"),
        ({"model_kwargs": {"dtype": "float23"}}, "'float23' is no number format"),
        ({"model_kwargs": {"dtype": "int8"}}, "'int8' is no number format"),
        ({"model_kwargs": {"dtype": 32}}, "32 is no number format"),
        ({"model_kwargs": {"revision": "main"}}, "'revision' says nothing of files on this machine"),
        ({"tokenizer_kwargs": {"chat_template": 5}}, "chat_template is a text, got 5"),
        ({"device": "cpuu"}, "did you mean 'cpu'"),
        ({"device": 0}, "device 0 is not known"),
    ],
)
def test_an_option_that_is_unknown_or_unsafe_is_refused_at_once(tmp_path: Path, options: dict[str, Any], why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        LocalBackend(tmp_path, **options)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", torch.float32])
def test_an_option_is_what_the_model_is_loaded_with(tiny_folder: Path, attention: str, dtype: Any) -> None:
    model = LocalBackend(tiny_folder, model_kwargs={"dtype": dtype, "attn_implementation": attention})
    assert model.engine.model.dtype == (torch.bfloat16 if dtype == "bfloat16" else torch.float32)
    assert len(model.chat_completion(Request((Message("user", "Hi"),), Sampling(max_tokens=3))).text) <= 3


def test_another_chat_template_makes_other_prompts_and_another_model(tiny_folder: Path) -> None:
    plain = LocalBackend(tiny_folder)
    terse = LocalBackend(tiny_folder, tokenizer_kwargs={"chat_template": "{{ messages[-1]['content'] }}>"})
    turns = (Message("system", "Be brief."), Message("user", "Hi"))
    assert terse.count_tokens(turns) == len("Hi>") < plain.count_tokens(turns)
    assert terse.identity != plain.identity


def test_a_device_that_is_not_there_is_an_error_at_the_first_call(tiny_folder: Path) -> None:
    with pytest.raises(DefinitionError, match="device 'cuda:99' cannot be used"):
        LocalBackend(tiny_folder, device="cuda:99").count_tokens("hello")


@pytest.mark.parametrize("name", ["some/thing", "no.gguf", "/nope"])
def test_a_folder_that_is_not_there_is_refused_before_anything_else_is_asked(name: str) -> None:
    with pytest.raises(WeightsError, match=f"there is neither a folder nor a file '{name}'"):
        LocalBackend(name)


def test_no_name_at_all_is_not_the_working_folder(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_folder)
    with pytest.raises(DefinitionError, match="is a path, got ''"):
        LocalBackend("")


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        ("config.json", r"holds no config\.json"),
        ("model.safetensors", "holds no weights"),
        ("tokenizer.json", "holds no tokenizer"),
    ],
)
def test_a_file_that_a_folder_lacks_is_named(tiny_folder: Path, tmp_path: Path, missing: str, why: str) -> None:
    shutil.copytree(tiny_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / missing).unlink()
    with pytest.raises(WeightsError, match=why):
        LocalBackend(tmp_path)


def test_a_token_that_a_model_does_not_have_ends_nothing(tiny_folder: Path) -> None:
    with pytest.raises(DefinitionError, match="eos_token 'nosuch' is no token of this model"):
        LocalBackend(tiny_folder, tokenizer_kwargs={"eos_token": "nosuch"}).count_tokens("hello")
    other = LocalBackend(tiny_folder, tokenizer_kwargs={"eos_token": "!"})
    assert other.engine.end_of_turn() == other.engine.encode("!")


def test_code_that_lies_beside_a_model_is_not_run(tiny_folder: Path, tmp_path: Path) -> None:
    for file in tiny_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n", encoding="utf-8")
    with pytest.raises(WeightsError, match="its architecture is 'mine', and the installed transformers has no"):
        LocalBackend(tmp_path).count_tokens("hello")
    assert not (tmp_path / "ran").exists()
    assert "mine" not in sys.modules


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a llama of one layer with random weights, as llama.cpp's tools write it. Its tokens are bytes."""
    from gguf import GGUFWriter

    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = GGUFWriter(path, "llama")
    tokens = ["<end>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"]
    width, inner, heads = 32, 64, 4
    for add, value in (
        (writer.add_context_length, 256),
        (writer.add_embedding_length, width),
        (writer.add_block_count, 1),
        (writer.add_feed_forward_length, inner),
        (writer.add_head_count, heads),
        (writer.add_head_count_kv, heads),
        (writer.add_layer_norm_rms_eps, 1e-5),
        (writer.add_rope_dimension_count, width // heads),
        (writer.add_vocab_size, len(tokens)),
        (writer.add_tokenizer_model, "gpt2"),
        (writer.add_token_list, tokens),
        (writer.add_token_types, [3, *[1] * (len(tokens) - 1)]),
        (writer.add_token_merges, ["a b"]),
        (writer.add_eos_token_id, 0),
        (writer.add_bos_token_id, 0),
    ):
        add(value)
    numbers = np.random.default_rng(0)
    shapes = {"token_embd": (len(tokens), width), "output": (len(tokens), width), "output_norm": (width,)}
    shapes |= {f"blk.0.attn_{name}": (width, width) for name in ("q", "k", "v", "output")}
    shapes |= {"blk.0.ffn_gate": (inner, width), "blk.0.ffn_up": (inner, width), "blk.0.ffn_down": (width, inner)}
    shapes |= {"blk.0.attn_norm": (width,), "blk.0.ffn_norm": (width,)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", numbers.normal(0, 0.5, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_gguf_file_is_a_model(gguf_file: Path) -> None:
    model = LocalBackend(gguf_file)
    assert model.model_id == "tiny.gguf"
    assert len(model.identity) == 64
    request = Request((Message("user", "Hello"),), Sampling(max_tokens=40), {"type": "boolean"}, form="completion")
    assert model.chat_completion(request).text in ("true", "false")
    assert model.context_length == 256


def test_a_file_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF and nothing behind it")
    with pytest.raises(WeightsError, match=r"no model could be loaded from .*model\.gguf"):
        LocalBackend(file).count_tokens("hello")


@given(text=st.text(st.sampled_from("aé€😀 \n")), cuts=st.lists(st.integers(0, 60)))
def test_growing_text_gives_each_character_once_and_whole(text: str, cuts: list[int]) -> None:
    tokens = list(text.encode())
    growing = GrowingText(lambda tokens: bytes(tokens).decode("utf-8", "replace"))
    pieces = [growing.piece(tokens[:cut]) for cut in sorted({min(cut, len(tokens)) for cut in cuts} | {len(tokens)})]
    assert "".join(pieces) == text
    assert growing.said == len(text)
