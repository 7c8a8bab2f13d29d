"""Brains on disk: what comes back is what was saved, and what cannot be read says why and what to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from llm_brain.brain import Brain, BrainConfig, load_brain, save_brain
from llm_brain.errors import CheckpointError

CONFIG = BrainConfig(input_size=6, choices=3, width=8, heads=2, head_size=4, blocks=2, ablate=("serotonin",))


def saved(folder: Path, **extra: Any) -> Brain:
    torch.manual_seed(0)
    brain = Brain(CONFIG).eval()
    save_brain(brain, folder, extra)
    return brain


def test_a_brain_comes_back_as_it_was(tmp_path: Path) -> None:
    brain = saved(tmp_path, labels=["a", "b", "c"], score=0.5)
    inputs, noise = torch.randn(2, 7, 6), torch.get_rng_state()
    loaded, extra = load_brain(tmp_path)
    assert extra == {"labels": ["a", "b", "c"], "score": 0.5}
    assert loaded.config == CONFIG
    assert not loaded.training
    torch.testing.assert_close(loaded(inputs), brain(inputs), rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), noise)


def test_a_loaded_brain_learns_on(tmp_path: Path) -> None:
    saved(tmp_path)
    loaded = load_brain(tmp_path).brain.train()
    loaded(torch.randn(2, 7, 6)).logits.sum().backward()
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_the_number_format_comes_back(tmp_path: Path) -> None:
    save_brain(Brain(CONFIG).double(), tmp_path)
    assert load_brain(tmp_path).brain.project.weight.dtype == torch.float64


def test_an_ablation_made_later_comes_back(tmp_path: Path) -> None:
    brain = Brain(CONFIG).eval()
    brain.set_ablation(["dopamine"])
    save_brain(brain, tmp_path)
    inputs = torch.randn(2, 7, 6)
    torch.testing.assert_close(load_brain(tmp_path).brain(inputs), brain(inputs), rtol=0, atol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no second device")
def test_a_brain_moves_between_devices(tmp_path: Path) -> None:
    brain = saved(tmp_path / "one")
    away = load_brain(tmp_path / "one", device="cuda").brain
    save_brain(away, tmp_path / "two")
    back, inputs = load_brain(tmp_path / "two").brain, torch.randn(2, 7, 6)
    torch.testing.assert_close(back(inputs), brain(inputs), rtol=0, atol=0)
    torch.testing.assert_close(away(inputs.cuda()).logits.cpu(), brain(inputs).logits, rtol=1e-3, atol=1e-3)


def test_a_brain_can_be_loaded_onto_a_device_without_memory(tmp_path: Path) -> None:
    saved(tmp_path)
    assert {parameter.device.type for parameter in load_brain(tmp_path, device="meta").brain.parameters()} == {"meta"}


def test_the_embedding_stays_with_the_caller_and_must_be_the_same(tmp_path: Path) -> None:
    table, tokens = torch.randn(50, 6), torch.tensor([[3, 1, 4]])
    brain = Brain(CONFIG, embedding=table).eval()
    save_brain(brain, tmp_path)
    assert load_brain(tmp_path).brain.embedding is None
    loaded = load_brain(tmp_path, embedding=table.clone()).brain
    torch.testing.assert_close(loaded(tokens).logits, brain(tokens).logits, rtol=0, atol=0)
    with pytest.raises(CheckpointError, match="trained with another embedding table"):
        load_brain(tmp_path, embedding=table + 1)
    with pytest.raises(CheckpointError, match="trained with another embedding table"):
        load_brain(tmp_path, embedding=torch.randn(51, 6))


def test_an_embedding_of_another_width_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    with pytest.raises(CheckpointError, match="does not fit the brain"):
        load_brain(tmp_path, embedding=torch.randn(50, 7))


def test_saving_again_replaces_the_brain_and_leaves_nothing_behind(tmp_path: Path) -> None:
    saved(tmp_path)
    second = Brain(CONFIG).eval()
    save_brain(second, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert torch.equal(load_brain(tmp_path).brain.project.weight, second.project.weight)


def test_a_save_that_breaks_half_way_leaves_the_old_brain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = saved(tmp_path)
    replace, calls = Path.replace, []

    def break_on_the_second(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", break_on_the_second)
    with pytest.raises(CheckpointError, match="No space left on device"):
        save_brain(Brain(CONFIG), tmp_path)
    assert torch.equal(load_brain(tmp_path).brain.project.weight, first.project.weight)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_json_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="`extra` cannot be saved"):
        save_brain(Brain(CONFIG), tmp_path / "new", {"labels": {1, 2}})
    assert not (tmp_path / "new").exists()


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "brain.json").read_text())
    change(manifest)
    (folder / "brain.json").write_text(json.dumps(manifest))


def weights_of(folder: Path) -> Path:
    return next(folder.glob("*.safetensors"))


def flip_a_byte(folder: Path) -> None:
    content = bytearray(weights_of(folder).read_bytes())
    content[-1] ^= 1
    weights_of(folder).write_bytes(content)


def cut_short(folder: Path) -> None:
    weights_of(folder).write_bytes(weights_of(folder).read_bytes()[:100])


def swap_for_noise(folder: Path) -> None:
    weights_of(folder).write_bytes(b"not tensors")
    edit(folder, lambda manifest: manifest.update(sha256=hashlib.sha256(b"not tensors").hexdigest()))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "brain.json").unlink(), "brain.json is missing; check the path"),
        (lambda folder: (folder / "brain.json").write_text('{"format": '), "cannot be read as JSON"),
        (lambda folder: (folder / "brain.json").write_bytes(b"\xff\xfe"), "cannot be read as JSON"),
        (lambda folder: (folder / "brain.json").write_text("[]"), "is not a brain of this package"),
        (lambda folder: edit(folder, lambda m: m.update(format="other")), "is not a brain of this package"),
        (lambda folder: edit(folder, lambda m: m.update(schema_version=99)), "schema version 99.*upgrade"),
        (lambda folder: edit(folder, lambda m: m.pop("sha256")), "incomplete: sha256"),
        (lambda folder: edit(folder, lambda m: m["config"].update(width=0)), "cannot be built: width"),
        (lambda folder: edit(folder, lambda m: m["config"].update(colour=1)), "cannot be built: colour"),
        (lambda folder: edit(folder, lambda m: m["config"].update(width=16)), "do not fit their configuration"),
        (lambda folder: edit(folder, lambda m: m["config"].update(blocks=3)), "is absent"),
        (lambda folder: edit(folder, lambda m: m.update(weights="../brain.json")), "they are not there"),
        (lambda folder: weights_of(folder).unlink(), "they are not there; copy the folder again"),
        (flip_a_byte, "is damaged.*SHA-256 differs"),
        (cut_short, "is damaged.*SHA-256 differs"),
        (swap_for_noise, "is not a safetensors file"),
    ],
)
def test_each_kind_of_damage_is_named(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    saved(tmp_path)
    damage(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        load_brain(tmp_path)
