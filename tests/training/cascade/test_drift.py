"""The monitor: how often it cries wolf, and how soon it sees one."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from llm_brain.errors import ArgumentError
from llm_brain.training.cascade import DriftMonitor

Draw = Callable[[random.Random], float]


def gauss(draw: random.Random) -> float:
    return draw.gauss(0, 1)


def tied(draw: random.Random) -> float:
    return float(draw.randrange(3))


def heavy(draw: random.Random) -> float:
    return draw.paretovariate(0.5)


@pytest.mark.parametrize(("scores", "most"), [(gauss, 5000), (tied, 5000), (heavy, 5000), (gauss, 20), (tied, 20)])
def test_false_alarms_are_as_rare_as_was_asked_for(scores: Draw, most: int) -> None:
    seeds, false_alarm, alarms = 300, 0.1, 0
    for seed in range(seeds):
        draw = random.Random(seed)
        monitor = DriftMonitor((scores(draw) for _ in range(30)), false_alarm=false_alarm, most=most, seed=seed)
        for _ in range(500):
            monitor.observe(scores(draw))
        alarms += monitor.alarm
    assert alarms / seeds <= false_alarm + 3 * math.sqrt(false_alarm * (1 - false_alarm) / seeds)


def test_at_one_in_a_hundred_too() -> None:
    seeds, alarms = 300, 0
    for seed in range(seeds):
        draw = random.Random(seed)
        monitor = DriftMonitor((gauss(draw) for _ in range(100)), seed=seed)
        for _ in range(500):
            monitor.observe(gauss(draw))
        alarms += monitor.alarm
    assert alarms / seeds <= 0.01 + 3 * math.sqrt(0.01 * 0.99 / seeds)


def delay(draw: random.Random, monitor: DriftMonitor, shift: float) -> int:
    for number in range(1, 2000):
        monitor.observe(draw.gauss(shift, 1))
        if monitor.alarm:
            return number
    return 2000


@pytest.mark.parametrize("shift", [3.0, -3.0])
def test_a_shift_is_seen_within_tens_of_inputs(shift: float) -> None:
    for seed in range(20):
        draw = random.Random(seed)
        monitor = DriftMonitor((gauss(draw) for _ in range(100)), seed=seed)
        for _ in range(50):
            monitor.observe(gauss(draw))
        assert delay(draw, monitor, shift) < 60


def test_after_a_long_quiet_time_a_shift_is_still_seen_soon() -> None:
    for seed in range(3):
        draw = random.Random(seed)
        monitor = DriftMonitor((gauss(draw) for _ in range(100)), seed=seed, false_alarm=0.001)
        for _ in range(10_000):
            monitor.observe(gauss(draw))
        assert not monitor.alarm
        assert delay(draw, monitor, 3.0) < 150


def test_an_alarm_stays_and_says_how_strong_the_evidence_was() -> None:
    monitor = DriftMonitor(range(100), false_alarm=0.05)
    assert monitor.level == 1
    while not monitor.alarm:
        monitor.observe(1000)
    level, observed = monitor.level, monitor.observed
    assert level >= 20
    monitor.observe(50)
    assert (monitor.alarm, monitor.level, monitor.observed) == (True, level, observed)


def test_scores_that_are_no_numbers_are_strange() -> None:
    monitor = DriftMonitor([*range(99), math.nan])
    for _ in range(60):
        monitor.observe(math.nan)
    assert monitor.alarm
    json.dumps(monitor.state(), allow_nan=False)


@pytest.mark.parametrize("most", [40, 5000])
def test_a_restored_monitor_goes_on_as_the_first_would_have(most: int) -> None:
    draw = random.Random(0)
    monitor = DriftMonitor((gauss(draw) for _ in range(50)), seed=3, most=most)
    for _ in range(40):
        monitor.observe(gauss(draw))
    restored = DriftMonitor.restored(json.loads(json.dumps(monitor.state())))
    for score in [gauss(draw) for _ in range(40)]:
        monitor.observe(score)
        restored.observe(score)
    assert restored.state() == monitor.state()
    assert restored.level == monitor.level


def test_no_more_is_remembered_than_was_allowed() -> None:
    monitor = DriftMonitor(range(100), most=10)
    for score in range(30):
        monitor.observe(score)
    assert len(monitor.state()["scores"]) == 10


@pytest.mark.parametrize(
    "damage",
    [
        {"scores": None},
        {"scores": ["a"]},
        {"capital": [1.0]},
        {"capital": [1.0, 1.0, math.nan]},
        {"capital": [1.0, 1.0, -1.0]},
        {"observed": -5},
        {"observed": "x"},
        {"false_alarm": 2},
        {"most": 0},
    ],
)
def test_a_damaged_state_is_refused(damage: dict[str, Any]) -> None:
    state = DriftMonitor([1, 2, 3]).state()
    with pytest.raises(ArgumentError):
        DriftMonitor.restored({**state, **damage})
    with pytest.raises(ArgumentError, match="KeyError"):
        DriftMonitor.restored({name: value for name, value in state.items() if name not in damage})


@pytest.mark.parametrize("false_alarm", [0, 1, -1, math.nan])
def test_a_chance_lies_between_0_and_1(false_alarm: float) -> None:
    with pytest.raises(ArgumentError, match="false_alarm"):
        DriftMonitor(false_alarm=false_alarm)
