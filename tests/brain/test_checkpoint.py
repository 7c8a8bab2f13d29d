"""Brains on disk: what comes back is what was saved, and what cannot be read says why and what to do."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from llm_brain.brain import (
    Brain,
    BrainConfig,
    BrainOutput,
    Choice,
    ChoiceDistribution,
    PlasticRNN,
    load_brain,
    load_network,
    load_state,
    save_brain,
    save_network,
    save_state,
)
from llm_brain.brain.archive import sealed
from llm_brain.errors import CheckpointError

CONFIG = BrainConfig(input_size=6, answer=Choice(options=3), width=8, heads=2, blocks=2, ablate=("serotonin",))


def logits(output: BrainOutput) -> Tensor:
    return cast("ChoiceDistribution", output.answer).logits


def assert_same(found: BrainOutput, expected: BrainOutput, atol: float = 0.0) -> None:
    torch.testing.assert_close((logits(found), *found[1:]), (logits(expected), *expected[1:]), rtol=0, atol=atol)


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
    assert_same(loaded(inputs), brain(inputs))
    assert torch.equal(torch.get_rng_state(), noise)


def test_a_loaded_brain_learns_on(tmp_path: Path) -> None:
    saved(tmp_path)
    loaded = load_brain(tmp_path).brain.train()
    logits(loaded(torch.randn(2, 7, 6))).sum().backward()
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_the_number_format_comes_back(tmp_path: Path) -> None:
    save_brain(Brain(CONFIG).double(), tmp_path)
    assert load_brain(tmp_path).brain.network.project.weight.dtype == torch.float64


def test_an_ablation_made_later_comes_back(tmp_path: Path) -> None:
    brain = Brain(CONFIG).eval()
    brain.set_ablation(["dopamine"])
    save_brain(brain, tmp_path)
    inputs = torch.randn(2, 7, 6)
    assert_same(load_brain(tmp_path).brain(inputs), brain(inputs))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no second device")
def test_a_brain_moves_between_devices(tmp_path: Path) -> None:
    brain = saved(tmp_path / "one")
    away = load_brain(tmp_path / "one", device="cuda").brain
    save_brain(away, tmp_path / "two")
    back, inputs = load_brain(tmp_path / "two").brain, torch.randn(2, 7, 6)
    assert_same(back(inputs), brain(inputs))
    torch.testing.assert_close(logits(away(inputs.cuda())).cpu(), logits(brain(inputs)), rtol=1e-3, atol=1e-3)


def test_a_brain_can_be_loaded_onto_a_device_without_memory(tmp_path: Path) -> None:
    saved(tmp_path)
    assert {parameter.device.type for parameter in load_brain(tmp_path, device="meta").brain.parameters()} == {"meta"}


def test_the_embedding_stays_with_the_caller_and_must_be_the_same(tmp_path: Path) -> None:
    table, tokens = torch.randn(50, 6), torch.tensor([[3, 1, 4]])
    brain = Brain(CONFIG, embedding=table).eval()
    save_brain(brain, tmp_path)
    assert load_brain(tmp_path).brain.embedding is None
    loaded = load_brain(tmp_path, embedding=table.clone()).brain
    assert_same(loaded(tokens), brain(tokens))
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
    assert torch.equal(load_brain(tmp_path).brain.network.project.weight, second.network.project.weight)


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
    assert torch.equal(load_brain(tmp_path).brain.network.project.weight, first.network.project.weight)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_json_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="`extra` cannot be saved"):
        save_brain(Brain(CONFIG), tmp_path / "new", {"labels": {1, 2}})
    assert not (tmp_path / "new").exists()


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "brain.json").read_text())
    change(manifest)
    manifest.pop("manifest_sha256", None)
    (folder / "brain.json").write_text(sealed(manifest))


def weights_of(folder: Path) -> Path:
    return next(folder.glob("*.safetensors"))


def flip_a_byte(folder: Path) -> None:
    content = bytearray(weights_of(folder).read_bytes())
    content[-1] ^= 1
    weights_of(folder).write_bytes(content)


def cut_short(folder: Path) -> None:
    weights_of(folder).write_bytes(weights_of(folder).read_bytes()[:100])


def quieten(folder: Path) -> None:
    text = (folder / "brain.json").read_text()
    (folder / "brain.json").write_text(text.replace('"dropout": 0.1', '"dropout": 0.2'))


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
        (lambda folder: edit(folder, lambda m: m.update(schema_version=1)), "schema version 1.*save the brain again"),
        (lambda folder: (folder / "brain.json").write_text("[" * 100_000), "cannot be read as JSON"),
        (quieten, "damaged or was edited"),
        (
            lambda folder: edit(folder, lambda m: m.update(kind="network")),
            "a network, not a brain: read it with load_network",
        ),
        (lambda folder: edit(folder, lambda m: m["config"]["answer"].update(kind="guess")), "cannot be built: answer"),
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


def every_tenth(content: bytes) -> list[int]:
    return [len(content) * tenth // 10 for tenth in range(10)]


@pytest.mark.parametrize("name", ["brain.json", "weights"])
def test_a_brain_cut_short_at_any_tenth_is_a_checkpoint_error(name: str, tmp_path: Path) -> None:
    saved(tmp_path)
    path = weights_of(tmp_path) if name == "weights" else tmp_path / name
    content = path.read_bytes()
    for length in every_tenth(content):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"damaged|cannot be read"):
            load_brain(tmp_path)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), weights=st.booleans())
def test_a_flipped_bit_anywhere_is_an_error_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, share: float, bit: int, weights: bool
) -> None:
    folder = tmp_path_factory.mktemp("brain")
    brain = saved(folder)
    flip(weights_of(folder) if weights else folder / "brain.json", share, bit)
    try:
        loaded, extra = load_brain(folder)
    except CheckpointError:
        return
    assert not weights  # white space between the parts of the JSON, say
    assert (extra, loaded.config) == ({}, brain.config)


def flip(path: Path, share: float, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1 << bit
    path.write_bytes(content)


def a_life(folder: Path) -> tuple[Brain, Path]:
    brain = saved(folder / "brain")
    with torch.inference_mode():
        return brain, save_state(brain(torch.randn(3, 7, 6)).state, folder / "state.safetensors")


def test_a_state_comes_back_as_it_was_and_life_goes_on(tmp_path: Path) -> None:
    brain = saved(tmp_path / "brain")
    first, second = torch.randn(3, 7, 6), torch.randn(3, 4, 6)
    state = brain(first).state
    save_state(state, tmp_path / "state")
    loaded = load_state(load_brain(tmp_path / "brain").brain, tmp_path / "state")
    torch.testing.assert_close(loaded, state.detach(), rtol=0, atol=0)
    assert_same(brain(second, state=loaded), brain(second, state=state))


def test_a_state_that_was_read_does_not_change_with_its_file(tmp_path: Path) -> None:
    brain, path = a_life(tmp_path)
    loaded = load_state(brain, path)
    before = {name: part.clone() for name, part in loaded.tensors().items()}
    with path.open("r+b") as file:
        file.seek(-400, 2)
        file.write(b"\xff" * 400)
    torch.testing.assert_close(loaded.tensors(), before, rtol=0, atol=0)


def test_a_state_takes_the_precision_of_the_brain_that_goes_on(tmp_path: Path) -> None:
    brain, path = a_life(tmp_path)
    loaded = load_state(brain.double(), path)
    assert {part.dtype for part in loaded.tensors().values()} == {torch.float64}


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_network_and_its_state_come_back_as_they_were(batch_first: bool, tmp_path: Path) -> None:
    network = PlasticRNN(6, 8, 2, heads=2, expansion=0, chunk=3, batch_first=batch_first, ablate=["eligibility"]).eval()
    _, state = network(torch.randn(4, 5, 6))
    loaded = load_network(save_network(network, tmp_path / "network"))
    again = load_state(loaded, save_state(state, tmp_path / "state"))
    torch.testing.assert_close(again, state.detach(), rtol=0, atol=0)
    following = torch.randn(4, 5, 6)
    torch.testing.assert_close(loaded(following, again), network(following, state), rtol=0, atol=0)
    with pytest.raises(CheckpointError, match="holds a network, not a brain"):
        load_brain(tmp_path / "network")


def test_the_state_of_another_brain_is_refused(tmp_path: Path) -> None:
    brain, path = a_life(tmp_path)
    for other in (CONFIG.model_copy(update={"width": 16}), CONFIG.model_copy(update={"blocks": 1})):
        with pytest.raises(CheckpointError, match="does not fit: this is the state of another brain"):
            load_state(Brain(other), path)
    with pytest.raises(CheckpointError, match="does not fit"):
        load_state(brain.network, path)


def test_a_state_put_together_from_two_is_refused(tmp_path: Path) -> None:
    brain = saved(tmp_path / "brain")
    parts = brain.initial_state(2)
    save_state(parts._replace(reading=brain.initial_state(3).reading), tmp_path / "state")
    with pytest.raises(CheckpointError, match="different batches"):
        load_state(brain, tmp_path / "state")


def test_no_state_and_a_foreign_file_are_named(tmp_path: Path) -> None:
    brain = saved(tmp_path / "brain")
    with pytest.raises(CheckpointError, match="no state at"):
        load_state(brain, tmp_path / "none")
    (tmp_path / "text").write_text("not tensors")
    with pytest.raises(CheckpointError, match="is not a safetensors file"):
        load_state(brain, tmp_path / "text")
    save_file({"reading.last": torch.zeros(1, 8)}, tmp_path / "tensors")
    with pytest.raises(CheckpointError, match="holds no state"):
        load_state(brain, tmp_path / "tensors")
    save_file({}, tmp_path / "later", {"format": "llm_brain.state", "schema_version": "9"})
    with pytest.raises(CheckpointError, match=r"schema version '9'.*upgrade"):
        load_state(brain, tmp_path / "later")


def test_a_state_that_cannot_be_written_is_a_checkpoint_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="could not be saved"):
        save_state(Brain(CONFIG).initial_state(1), tmp_path / "file" / "state")


def test_a_state_cut_short_at_any_tenth_is_a_checkpoint_error(tmp_path: Path) -> None:
    brain, path = a_life(tmp_path)
    content = path.read_bytes()
    for length in every_tenth(content):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="damaged"):
            load_state(brain, path)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), header=st.booleans())
def test_a_flipped_bit_in_a_state_is_an_error_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, share: float, bit: int, header: bool
) -> None:
    folder = tmp_path_factory.mktemp("state")
    brain, path = a_life(folder)
    before = load_state(brain, path)
    size = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    flip(path, share * size / path.stat().st_size if header else share, bit)
    try:
        after = load_state(brain, path)
    except CheckpointError:
        return
    torch.testing.assert_close(after, before, rtol=0, atol=0)


TRAIN_ON_ONE_THREAD = """
import sys, torch
from llm_brain.brain import Brain, BrainConfig, Choice, save_brain, save_state
torch.set_num_threads(1)
torch.manual_seed(0)
brain = Brain(BrainConfig(input_size=6, answer=Choice(options=3), width=64, heads=2, dropout=0.0))
optimizer = torch.optim.AdamW(brain.parameter_groups(0.01), lr=1e-3)
inputs = torch.randn(8, 70, 6)
for _ in range(3):
    loss = -brain(inputs).answer.log_prob(torch.arange(8) % 3).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
with torch.no_grad():
    output = brain.eval()(inputs)
save_brain(brain, sys.argv[1], {"inputs": inputs.tolist(), "logits": output.answer.logits.tolist()})
save_state(output.state, sys.argv[1] + "/state")
"""


def test_a_brain_trained_on_one_thread_answers_the_same_on_two(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", TRAIN_ON_ONE_THREAD, str(tmp_path)], check=True, timeout=120)
    brain, extra = load_brain(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.no_grad():
            output = brain(torch.tensor(extra["inputs"]))
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(logits(output), torch.tensor(extra["logits"]), rtol=0, atol=1e-6)
    torch.testing.assert_close(output.state, load_state(brain, tmp_path / "state"), rtol=1e-5, atol=1e-6)
