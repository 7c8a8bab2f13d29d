"""A training on disk: whole or not at all, and never taken up when it is damaged or another."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from llm_brain.errors import CheckpointError
from llm_brain.training.loop.checkpoints import TrainingState, Waiting, load_training, save_training

TENSORS = {"weight": torch.full((4, 4), 0.1), "step": torch.tensor(3.0), "random": torch.get_rng_state()}


def state(step: int = 3) -> TrainingState:
    history = [{"epoch": 1.0, "loss": 0.123456789012345, "validation_score": 0.5}]
    waiting = [Waiting(number=4, prompt=2, version=3, targets=[{"stars": 0.1, "text": [7, 256]}, 1], behaviour=[-0.1, -2.3])]
    return TrainingState(fingerprint="settings", epoch=1, step=step, history=history, best=0.75, waited=2, waiting=waiting)


def test_a_state_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    save_training(state(), TENSORS, tmp_path)
    found = load_training(tmp_path, "settings")
    assert found is not None
    assert found[0] == state()
    assert found[1].keys() == TENSORS.keys()
    assert all(torch.equal(found[1][name], TENSORS[name]) for name in TENSORS)


def test_numbers_that_are_not_finite_are_kept(tmp_path: Path) -> None:
    saved = TrainingState(fingerprint="settings", best=math.nan, sums={"loss": math.inf})
    save_training(saved, TENSORS, tmp_path)
    found = load_training(tmp_path, "settings")
    assert found is not None
    assert math.isnan(found[0].best or 0.0)
    assert found[0].sums == {"loss": math.inf}


def test_only_the_newest_state_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".training-0123.safetensors.4711").write_bytes(b"left by a killed process")
    for step in range(4):
        save_training(state(step), {"weight": torch.full((4,), float(step))}, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    found = load_training(tmp_path, "settings")
    assert found is not None
    assert found[0].step == 3


def test_no_state_and_one_of_other_settings_are_none(tmp_path: Path) -> None:
    assert load_training(tmp_path / "none", "settings") is None
    save_training(state(), TENSORS, tmp_path)
    assert load_training(tmp_path, "other settings") is None


def tensors_file(folder: Path) -> Path:
    [path] = folder.glob("training-*.safetensors")
    return path


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "flipped"])
def test_damaged_tensors_are_a_checkpoint_error(damage: str, tmp_path: Path) -> None:
    save_training(state(), TENSORS, tmp_path)
    path = tensors_file(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes({"empty": b"", "cut": bytes(content[:-9])}.get(damage, bytes(content)))
    if damage == "gone":
        path.unlink()
    with pytest.raises(CheckpointError, match=r"Delete .* to begin anew"):
        load_training(tmp_path, "settings")


@pytest.mark.parametrize(
    "manifest",
    ["", "{", "[]", "null", '"text"', "{}", "[" * 100_000, '{"fingerprint": "settings"}', b"\xff\xfe", "epoch as text"],
    ids=range(10),
)
def test_a_damaged_manifest_is_a_checkpoint_error(manifest: str | bytes, tmp_path: Path) -> None:
    save_training(state(), TENSORS, tmp_path)
    path = tmp_path / "training.json"
    if manifest == "epoch as text":
        whole = json.loads(path.read_text())
        manifest = json.dumps({**whole, "state": {**whole["state"], "epoch": "one"}})
    path.write_bytes(manifest if isinstance(manifest, bytes) else manifest.encode())
    with pytest.raises(CheckpointError, match=r"Delete .* to begin anew"):
        load_training(tmp_path, "settings")


def test_a_manifest_that_points_out_of_its_folder_is_not_followed(tmp_path: Path) -> None:
    save_training(state(), TENSORS, tmp_path / "inside")
    path = tensors_file(tmp_path / "inside")
    path.rename(tmp_path / path.name)
    manifest = tmp_path / "inside" / "training.json"
    manifest.write_text(manifest.read_text().replace(path.name, f"../{path.name}"))
    with pytest.raises(CheckpointError):
        load_training(tmp_path / "inside", "settings")


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import torch
from llm_brain.errors import CheckpointError
from llm_brain.training.loop.checkpoints import TrainingState, save_training
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, limit, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
state = TrainingState(fingerprint="settings", epoch=9, step=9, history=[{"loss": 1.0}] * 200)
try:
    save_training(state, {"weight": torch.zeros(size)}, folder)
except CheckpointError as error:
    print(error)
"""


@pytest.mark.parametrize(("limit", "size"), [(1000, 4000), (1000, 16)], ids=["in the tensors", "in the manifest"])
def test_a_full_disk_leaves_the_old_state_whole(limit: int, size: int, tmp_path: Path) -> None:
    save_training(state(), TENSORS, tmp_path)
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path), str(limit), str(size)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "could not be saved" in result.stdout
    found = load_training(tmp_path, "settings")
    assert found is not None
    assert found[0].step == 3
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_cannot_be_made_is_a_checkpoint_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="could not be saved"):
        save_training(state(), TENSORS, tmp_path / "file")
