"""Several processes that train one network: the first one asks, and all end with the same weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from llm_brain.training.loop.results import Validation
from llm_brain.training.loop.train import train
from llm_brain.training.loop.world import World
from llm_brain.training.settings import TrainingSettings
from tests.training.loop.toy import Toy

SCRIPT = """
import json, sys
from pathlib import Path
import torch
from llm_brain.errors import LLMBrainError
from llm_brain.training.loop.results import Validation
from llm_brain.training.loop.train import train
from llm_brain.training.loop.world import joined
from llm_brain.training.settings import TrainingSettings
from tests.training.loop.toy import Toy

torch.set_num_threads(1)
folder, settings = Path(sys.argv[1]), TrainingSettings.model_validate_json(sys.argv[2])
asked = 0

def evaluate(prompt, answer):
    global asked
    asked += 1
    return float(answer == (prompt + 1) % 5)

with joined() as world:
    toy = Toy(dropout=float(sys.argv[3]))
    result = train(toy, settings, folder, evaluate=evaluate, validate=lambda: Validation(0.5), world=world)
    (folder / f"told-{world.rank}.json").write_text(json.dumps([toy.weights().tolist(), asked, len(result.history), world.size]))
    def fail():
        raise KeyError("lost")
    try:
        world.told(fail)
    except (KeyError, LLMBrainError) as error:
        (folder / f"failed-{world.rank}.txt").write_text(f"{type(error).__name__}: {error}")
"""
SETTINGS = TrainingSettings(
    epochs=4, batch_size=9, learning_rate=0.05, feedback_prompts=4, validate_every=2, averaging=0.5, save_every=3, patience=9
)


def together(folder: Path, settings: TrainingSettings, dropout: float) -> list[tuple[torch.Tensor, int, int, int]]:
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    script = folder / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    arguments = [str(script), str(folder), settings.model_dump_json(), str(dropout)]
    done = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads((folder / f"told-{rank}.json").read_text()) for rank in range(2)]
    return [(torch.tensor(weights), asked, epochs, size) for weights, asked, epochs, size in told]


def test_two_processes_end_with_the_same_weights_and_one_of_them_asks(tmp_path: Path) -> None:
    first, second = together(tmp_path / "two", SETTINGS, 0.3)
    assert torch.equal(first[0], second[0])
    assert first[1] > 0
    assert second[1] == 0
    assert first[2:] == second[2:] == (4, 2)
    assert (tmp_path / "two" / "failed-0.txt").read_text() == "KeyError: 'lost'"
    assert "rank 0 failed: KeyError: 'lost'" in (tmp_path / "two" / "failed-1.txt").read_text()


def test_two_processes_learn_from_examples_as_one_does(tmp_path: Path) -> None:
    alone = SETTINGS.model_copy(update={"feedback_weight": 0.0})
    toy = Toy(dropout=0.0)
    train(toy, alone, tmp_path / "one", validate=lambda: Validation(0.5))
    first, _ = together(tmp_path / "two", alone, 0.0)
    assert torch.allclose(first[0], toy.weights(), atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_shares_are_all_of_it(size: int) -> None:
    items = list(range(7))
    shares = [World(rank, size).share(items) for rank in range(size)]
    assert sorted(item for share in shares for item in share) == items
