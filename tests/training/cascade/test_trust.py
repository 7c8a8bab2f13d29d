"""Who answers: by confidence while inputs stay, by the model once they changed."""

from __future__ import annotations

import json
import math
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from llm_brain.errors import ArgumentError
from llm_brain.training.cascade.trust import CascadeStats, Observation, Trust


def features(draw: random.Random, shift: float = 0.0) -> Tensor:
    return torch.tensor([draw.gauss(shift, 1) for _ in range(3)])


def observations(draw: random.Random, number: int) -> list[Observation]:
    made = []
    for _ in range(number):
        confidence = draw.random()
        made.append(Observation(confidence, draw.random() < confidence, features(draw)))
    return made


def calibrated(**options: Any) -> Trust:
    trust = Trust(0.9, **{"audit": 0.0, **options})
    trust.calibrate(observations(random.Random(0), 200))
    return trust


def test_before_it_is_calibrated_the_model_answers_and_then_its_answers_are_held_out() -> None:
    draw = random.Random(0)
    trust = Trust(0.9, recent=100, audit=0.0)
    for one in observations(draw, 100):
        assert trust.threshold == math.inf
        verdict = trust.judge(one.confidence, one.features)
        assert (verdict.reason, verdict.asks) == ("collecting", True)
        trust.learn(verdict, agrees=one.agrees)
    assert trust.threshold < 1
    assert trust.judge(1.0, features(draw)).reason == "sure"
    assert trust.judge(trust.threshold, features(draw)).reason == "sure"
    assert trust.judge(trust.threshold - 1e-9, features(draw)).reason == "unsure"


def test_when_inputs_change_the_model_answers_until_a_new_threshold_is_found_on_its_answers() -> None:
    draw = random.Random(1)
    trust = calibrated(recent=40)
    before = trust.threshold
    reasons: list[str] = []
    while not reasons or reasons[-1] != "drift":
        reasons.append(trust.judge(1.0, features(draw, 6.0)).reason)
    assert set(reasons[:-1]) == {"sure"}
    assert len(reasons) < 60
    assert (trust.threshold, trust.stats.alarms, trust.level) == (math.inf, 1, 0.0)
    for _ in range(40):
        trust.learn(trust.judge(0.2, features(draw, 6.0)), agrees=True)
    assert trust.threshold == 0.2 < before
    for _ in range(300):
        assert trust.judge(0.2, features(draw, 6.0)).reason == "sure"
    assert trust.stats.alarms == 1


def test_where_inputs_do_not_change_trust_is_seldom_lost() -> None:
    seeds, false_alarm, alarms = 100, 0.05, 0
    for seed in range(seeds):
        draw = torch.Generator().manual_seed(seed)
        trust = Trust(0.9, false_alarm=false_alarm, audit=0.0, seed=seed)
        # As many features as inputs that the distance is fitted to, and hardly alike: to those inputs, it is much smaller.
        scales = torch.logspace(0, 3, 30)
        trust.calibrate([Observation(0.9, True, scales * torch.randn(30, generator=draw)) for _ in range(60)])
        for _ in range(200):
            trust.judge(0.9, scales * torch.randn(30, generator=draw))
        alarms += trust.stats.alarms
    assert alarms / seeds <= false_alarm + 3 * math.sqrt(false_alarm * (1 - false_alarm) / seeds)


def test_the_call_that_raised_the_alarm_is_not_among_those_a_threshold_is_found_on() -> None:
    trust = calibrated(recent=9)
    draw = random.Random(2)
    while (verdict := trust.judge(1.0, features(draw, 9.0))).reason != "drift":
        pass
    trust.learn(verdict, agrees=False)
    for _ in range(9):
        assert trust.threshold == math.inf
        trust.learn(trust.judge(0.5, features(draw, 9.0)), agrees=True)
    assert trust.threshold == 0.5


def test_an_answer_of_a_stretch_that_is_over_does_not_count_for_the_next() -> None:
    draw = random.Random(3)
    trust = Trust(0.9, recent=9, audit=0.0)
    late = trust.judge(0.9, features(draw))
    for _ in range(9):
        trust.learn(trust.judge(0.5, features(draw)), agrees=True)
    while trust.judge(1.0, features(draw, 9.0)).reason != "drift":
        pass
    trust.learn(late, agrees=False)
    for _ in range(9):
        trust.learn(trust.judge(0.5, features(draw, 9.0)), agrees=True)
    assert trust.threshold == 0.5


def test_a_share_of_the_sure_calls_is_audited() -> None:
    draw = random.Random(4)
    trust = calibrated(audit=0.1, seed=1)
    for _ in range(2000):
        verdict = trust.judge(1.0, features(draw))
        if verdict.asks:
            trust.learn(verdict, agrees=draw.random() < 0.9)
        else:
            trust.count()
    stats = trust.stats
    assert stats.audited == stats.asked == 2000 - stats.answered
    assert 140 < stats.audited < 260
    assert 0.8 < stats.audits_agreed / stats.audited < 1
    assert stats.share == stats.answered / 2000


def test_without_calls_the_share_is_zero() -> None:
    assert CascadeStats().share == 0


def test_many_threads_lose_no_count() -> None:
    trust = calibrated(audit=0.2)

    def work(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(100):
            verdict = trust.judge(draw.random(), features(draw))
            if verdict.asks:
                trust.learn(verdict, agrees=True)
            else:
                trust.count()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert trust.stats.answered + trust.stats.asked == 800
    assert trust.stats.audits_agreed == trust.stats.audited > 0


def test_a_brain_that_is_sure_of_no_number_is_not_sure() -> None:
    trust = calibrated()
    assert trust.judge(math.nan, torch.zeros(3)).reason == "unsure"
    assert trust.judge(math.inf, torch.zeros(3)).reason == "sure"


def test_a_brain_that_is_sure_of_no_number_is_not_sure_where_confidences_are_logarithms() -> None:
    trust = Trust(0.5, audit=0.0)
    trust.calibrate([Observation(-100.0 - place, True, torch.tensor([place % 3, place % 2])) for place in range(20)])
    assert trust.judge(-100.0, torch.zeros(2)).reason == "sure"
    assert trust.judge(math.nan, torch.zeros(2)).reason == "unsure"


def test_too_few_answers_and_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"5 held-out answers are too few: .* takes at least 19. Give more, or none"):
        Trust(0.95).calibrate(observations(random.Random(0), 5))
    with pytest.raises(ArgumentError, match="recent=5 answers are too few"):
        Trust(0.95, recent=5)
    with pytest.raises(ArgumentError, match="audit"):
        Trust(0.95, audit=1.5)
    with pytest.raises(ArgumentError, match="false_alarm"):
        Trust(0.95, false_alarm=0)
    assert Trust(0.95).recent == 100


def round_trip(trust: Trust) -> Trust:
    return Trust.restored(json.loads(json.dumps(trust.state(), allow_nan=False)))


def test_a_restored_trust_goes_on_as_the_first_would_have() -> None:
    begun = Trust(0.9, recent=30, audit=0.2)
    for seen in observations(random.Random(6), 20):
        begun.learn(begun.judge(seen.confidence, seen.features), agrees=seen.agrees)
    for trust in (calibrated(recent=30, audit=0.2), begun, Trust(0.9, recent=30, audit=0.2)):
        both = trust, round_trip(trust)
        said: list[list[str]] = [[], []]
        for one, reasons in zip(both, said, strict=True):
            draw = random.Random(5)
            for number in range(200):
                verdict = one.judge(draw.random(), features(draw, 8.0 if number > 60 else 0.0))
                reasons.append(verdict.reason)
                one.learn(verdict, agrees=draw.random() < verdict.confidence)
        assert said[0] == said[1]
        assert {"sure", "unsure", "collecting", "drift"} <= set(said[0])
        assert both[0].stats == both[1].stats
        assert both[0].threshold == both[1].threshold


@pytest.mark.parametrize(
    "damage",
    [
        {"agreement": 2},
        {"threshold": math.nan},
        {"threshold": "high"},
        {"watch": None},
        {"watch": [{}, {}]},
        {"watch": 5},
        {"stats": {"answred": 3}},
        {"stats": [1, 2]},
        {"collected": [[1]]},
        {"collected": None},
        {"stretch": None},
    ],
)
def test_a_damaged_state_is_refused(damage: dict[str, Any]) -> None:
    state = calibrated().state()
    with pytest.raises(ArgumentError):
        Trust.restored({**state, **damage})
    with pytest.raises(ArgumentError):
        Trust.restored({name: value for name, value in state.items() if name not in damage})
