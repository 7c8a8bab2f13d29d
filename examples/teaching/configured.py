"""The lesson of `demo`, configured by Hydra: overrides on the command line, sweeps, and a folder for each run.

python -m examples.teaching.configured training.epochs=20 brain.width=64 brain.conv_size=4
python -m examples.teaching.configured --multirun training.learning_rate=0.003,0.01
"""

from __future__ import annotations

from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from examples.teaching.interface import Desk
from examples.teaching.messages import messages
from llm_brain import teach, typed
from llm_brain.training import ByteReader, Given, load_teaching_config

PAIRS = 240


@hydra.main(version_base=None, config_path="pkg://llm_brain.configs", config_name="teaching")
def main(config: DictConfig) -> float:
    """Teach, and return the score, which is what Hydra's sweepers optimise."""
    torch.set_num_threads(1)
    lesson = load_teaching_config(config)
    asked = messages(PAIRS, seed=0)
    given = Given(list(zip(asked, typed(Desk().triage).map(asked), strict=True)))
    folder = Path(HydraConfig.get().runtime.output_dir)
    taught = teach(Desk.triage, given, folder=folder, reader=ByteReader(), settings=lesson.settings, brain=lesson.brain)
    print(f"score {taught.score:.3f}, in {folder}")
    return taught.score


if __name__ == "__main__":
    main()
