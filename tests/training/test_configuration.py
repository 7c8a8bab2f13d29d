"""Settings of a lesson come from YAML, and are checked before anything is paid for."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import llm_brain
from llm_brain.brain import BrainConfig
from llm_brain.errors import DataError
from llm_brain.training import TrainingSettings
from llm_brain.training.configuration import DECIDED, load_teaching_config

CONFIGS = Path(llm_brain.__file__).parent / "configs"


def test_the_packaged_training_config_is_the_defaults() -> None:
    assert yaml.safe_load((CONFIGS / "training" / "default.yaml").read_text()) == TrainingSettings().model_dump(mode="json")


def test_the_packaged_brain_config_is_the_defaults_but_for_what_the_task_decides() -> None:
    fields = {name: field.default for name, field in BrainConfig.model_fields.items() if name not in DECIDED}
    told = yaml.safe_load((CONFIGS / "brain" / "default.yaml").read_text())
    assert {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()} == fields


def test_the_packaged_ones_are_a_config_as_hydra_composes_them() -> None:
    composed = {name: yaml.safe_load((CONFIGS / name / "default.yaml").read_text()) for name in ("training", "brain")}
    assert load_teaching_config(composed).settings == TrainingSettings()


def test_a_change_stands_instead_of_what_a_file_says(tmp_path: Path) -> None:
    (tmp_path / "lesson.yaml").write_text("training:\n  epochs: 3\n  learning_rate: 1e-3\nbrain:\n  width: 64\n")
    config = load_teaching_config(tmp_path / "lesson.yaml", training={"epochs": 5}, brain={"dropout": 0.2})
    assert (config.settings.epochs, config.settings.learning_rate) == (5, 0.001)
    assert config.brain == {"width": 64, "dropout": 0.2}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("epochs: 3", "unknown section `epochs`: there are `training:` and `brain:`"),
        ("training: 3", "`training` is a mapping"),
        ("training: {epoch: 3}", "`training` does not fit: `epoch`"),
        ("training: {epochs: soon}", "`training` does not fit: `epochs`"),
        ("brain: {width: 10, heads: 4}", "`brain` does not fit"),
        ("brain: {answer: bool}", "the task decides `answer` of the brain"),
    ],
)
def test_what_does_not_fit_names_the_file_and_the_key(tmp_path: Path, written: str, said: str) -> None:
    (tmp_path / "lesson.yaml").write_text(written)
    with pytest.raises(DataError, match=said) as raised:
        load_teaching_config(tmp_path / "lesson.yaml")
    assert "lesson.yaml" in str(raised.value)


def test_nothing_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "lesson.yaml").write_text("training:\n")
    assert load_teaching_config().settings == load_teaching_config(tmp_path / "lesson.yaml").settings == TrainingSettings()
