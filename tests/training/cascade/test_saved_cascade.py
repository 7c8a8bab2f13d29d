"""A cascade that was saved, and what is made of a damaged one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_brain.errors import CheckpointError
from llm_brain.training.cascade import Cascade
from tests.training.cascade.conftest import Oracle, Unsteady, built, sorter, texts


def test_a_saved_cascade_goes_on_as_it_would_have(tmp_path: Path) -> None:
    one = built()
    sorter(one).urgent.map(texts("new", 50))
    one.save(tmp_path / "new")
    loaded = Cascade.load(tmp_path / "new", Unsteady(), Oracle())
    assert (loaded.stats, loaded.trust.threshold) == (one.stats, one.trust.threshold)
    messages = [*texts("more", 20), *texts("shifted", 200)]
    answers = [
        [detail.implementation for detail in sorter(both).urgent.map_details(messages, concurrency=1)] for both in (one, loaded)
    ]
    assert answers[0] == answers[1]
    assert loaded.stats.alarms == 1


def test_a_cascade_of_another_brain_is_refused(tmp_path: Path) -> None:
    built().save(tmp_path)
    for other in (Unsteady(bend=0.5), Unsteady(lambda _: 0.5)):
        with pytest.raises(CheckpointError, match="another brain than 'brain'"):
            Cascade.load(tmp_path, other, Oracle())


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"cascade": 2}', '{"cascade": 1}', '{"cascade": 1, "trust": {}}', "\x00"]
)
def test_damage_is_a_checkpoint_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "cascade.json").write_text(content)
    with pytest.raises(CheckpointError):
        Cascade.load(tmp_path, Unsteady(), Oracle())


def test_what_is_not_there_or_is_no_text_is_a_checkpoint_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no cascade in"):
        Cascade.load(tmp_path, Unsteady(), Oracle())
    (tmp_path / "cascade.json").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(CheckpointError):
        Cascade.load(tmp_path, Unsteady(), Oracle())
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be saved"):
        built().save(tmp_path / "file")


def test_every_part_of_what_is_saved_is_checked(tmp_path: Path) -> None:
    built().save(tmp_path)
    path = tmp_path / "cascade.json"
    whole = json.loads(path.read_text())

    def damaged(value: Any) -> list[Any]:
        if not isinstance(value, dict):
            return [None, "damaged", {"a": []}]
        return [{**value, name: bad} for name, inner in value.items() for bad in damaged(inner)]

    for one in damaged(whole):
        if isinstance(one.get("trust"), dict) and one["trust"] == {**whole["trust"], "threshold": None}:
            continue  # no damage: the model answers everything
        path.write_text(json.dumps(one))
        with pytest.raises(CheckpointError):
            Cascade.load(tmp_path, Unsteady(), Oracle())
