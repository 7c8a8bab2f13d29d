"""The embedded model's files: taken only with the right hash, used only undamaged, and each error says the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_brain.backends.embedded import GGUF_SHA256, MANIFEST, NAME, fetch, file_sha256, weights_folder
from llm_brain.errors import WeightsError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLM_BRAIN_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def kept(home: Path) -> Path:
    """Lay out a folder as a fetch leaves it, with small files."""
    folder = home / "models" / NAME
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_text(f"this stands for {name}", encoding="utf-8")
    hashes = {file.name: file_sha256(file) for file in folder.iterdir()}
    (folder / MANIFEST).write_text(json.dumps({"sha256": hashes}), encoding="utf-8")
    return folder


def test_a_model_that_was_never_fetched_is_an_error_with_the_command(home: Path) -> None:
    with pytest.raises(WeightsError, match="llm-brain models fetch smollm2`"):
        weights_folder()
    assert not list(home.iterdir())


def test_undamaged_files_are_used(kept: Path) -> None:
    assert weights_folder() == kept
    assert fetch() == kept


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", MANIFEST])
@pytest.mark.parametrize("damage", ["changed", "emptied", "missing"])
def test_a_damaged_file_is_named_with_the_command_that_mends_it(kept: Path, name: str, damage: str) -> None:
    file = kept / name
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1] + b"\x00" if damage == "changed" else b"")
    with pytest.raises(WeightsError, match="llm-brain models fetch smollm2 --force") as caught:
        weights_folder()
    assert name in str(caught.value) or damage == "missing"


@pytest.mark.parametrize("manifest", ["{}", "[]", "null", '{"sha256": {}}', '{"sha256": []}', '{"sha256": {"config.json": 1}}'])
def test_a_manifest_that_vouches_for_nothing_is_damage(kept: Path, manifest: str) -> None:
    (kept / MANIFEST).write_text(manifest, encoding="utf-8")
    with pytest.raises(WeightsError, match="--force"):
        weights_folder()


def test_a_gguf_file_with_another_hash_is_not_used(home: Path) -> None:
    foreign = home / "model.gguf"
    foreign.write_bytes(b"GGUF and something else")
    with pytest.raises(WeightsError, match=GGUF_SHA256) as caught:
        fetch(gguf=foreign)
    assert file_sha256(foreign) in str(caught.value)
    assert not (home / "models" / NAME).exists()
    assert not list((home / "models").glob(".fetching-*"))


def test_a_gguf_file_that_is_not_there_is_said_so(home: Path) -> None:
    with pytest.raises(WeightsError, match="not a file"):
        fetch(gguf=home / "nowhere.gguf")


def test_a_failed_fetch_leaves_the_old_model_where_it_was(kept: Path) -> None:
    foreign = kept.parent / "model.gguf"
    foreign.write_bytes(b"GGUF and something else")
    with pytest.raises(WeightsError):
        fetch(gguf=foreign, force=True)
    assert weights_folder() == kept
