"""A training whose process is killed at any moment goes on, and is in the end the training that a replay gives."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

SCRIPT = """
import random, sys, time
from pathlib import Path
import torch
from llm_brain.training.loop.results import Validation
from llm_brain.training.loop.train import train
from llm_brain.training.settings import TrainingSettings
from tests.training.loop.toy import Toy

torch.set_num_threads(1)
folder, asks = Path(sys.argv[1]), sys.argv[2] == "asks"

def evaluate(prompt, answer):
    assert asks, "a replay asks nobody"
    with (folder / "asked.txt").open("a") as file:
        file.write(f"{prompt} {answer}\\n")
    time.sleep(random.random() * 0.01)
    return float(answer == (prompt + 1) % 5)

toy = Toy()
settings = TrainingSettings(
    epochs=60, batch_size=8, learning_rate=0.02, feedback_prompts=4, save_every=7, validate_every=9, patience=99, prompts=12
)
print("begins", flush=True)
result = train(toy, settings, folder, evaluate=evaluate, validate=lambda: Validation(0.5))
torch.save(toy.weights(), folder / "weights.pt")
print("ends", flush=True)
"""


def begun(folder: Path, asks: str = "asks") -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SCRIPT, str(folder), asks]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_kill_9_at_random_moments_loses_nothing(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    folder = tmp_path / "killed"
    folder.mkdir()
    kills = 0
    while True:
        process = begun(folder)
        assert process.stdout is not None
        if kills < 4:
            process.stdout.readline()
            time.sleep(draw.uniform(0.0, 0.5))
            process.send_signal(signal.SIGKILL)
            kills += 1
        _, complaints = process.communicate(timeout=120)
        if (folder / "weights.pt").exists():
            break
        assert process.returncode in (0, -signal.SIGKILL), complaints
    replay = tmp_path / "replay"
    replay.mkdir()
    [journal] = folder.glob("journal-*.jsonl")
    shutil.copy(journal, replay / journal.name)
    process = begun(replay, "never")
    _, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints
    assert torch.equal(torch.load(folder / "weights.pt", weights_only=True), torch.load(replay / "weights.pt", weights_only=True))
