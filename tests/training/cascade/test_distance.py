"""How far an input is from those before it."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import Tensor

from llm_brain.errors import ArgumentError
from llm_brain.training.cascade import FeatureDistance
from llm_brain.training.cascade.distance import shrunk_covariance


def rows(number: int, size: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=draw)
    return torch.randn(number, size, generator=draw) @ mixing + 3


def test_with_many_inputs_it_is_the_mahalanobis_distance() -> None:
    features = rows(20_000, 4).double()
    one = torch.tensor([1.0, -2.0, 0.5, 7.0])
    centred = one.double() - features.mean(0)
    expected = float((centred @ torch.linalg.inv(torch.cov(features.T, correction=0)) @ centred).sqrt())
    assert FeatureDistance.fit(features)(one) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("number", [1, 2, 5, 30])
def test_inputs_may_be_fewer_than_features(number: int) -> None:
    features = rows(number, 64)
    distance = FeatureDistance.fit(features)
    assert distance(features.mean(0)) == pytest.approx(0, abs=1e-3 if number > 1 else 1e-1)
    assert 0 < distance(features.mean(0) + 1) < math.inf


def test_shrinkage_brings_the_estimate_nearer_to_the_truth() -> None:
    better = 0
    for seed in range(20):
        features = torch.randn(20, 30, generator=torch.Generator().manual_seed(seed)).double()
        centred = features - features.mean(0)
        truth = torch.eye(30, dtype=torch.float64)
        better += bool((shrunk_covariance(centred) - truth).norm() < (centred.T @ centred / 20 - truth).norm())
    assert better == 20


def test_features_that_are_all_the_same_tell_others_apart() -> None:
    distance = FeatureDistance.fit(torch.ones(10, 3))
    assert distance(torch.ones(3)) == 0 < distance(torch.full((3,), 1.1)) < math.inf


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_features_that_are_no_numbers_are_borne(bad: float) -> None:
    features = rows(50, 3)
    assert math.isfinite(FeatureDistance.fit(features)(torch.tensor([bad, 0.0, 0.0])))
    features[7, 1] = bad
    assert math.isfinite(FeatureDistance.fit(features)(torch.zeros(3)))


def test_it_is_the_same_after_a_round_trip_through_json() -> None:
    distance = FeatureDistance.fit(list(rows(50, 5)))
    restored = FeatureDistance.restored(json.loads(json.dumps(distance.state())))
    assert all(restored(one) == distance(one) for one in rows(10, 5, seed=1))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ArgumentError, match="is of 5 features"):
        FeatureDistance.fit(rows(50, 5))(torch.zeros(4))
    for features in (torch.zeros(0, 3), torch.zeros(3), torch.zeros(3, 0)):
        with pytest.raises(ArgumentError, match="give a row of features"):
            FeatureDistance.fit(features)
    state = FeatureDistance.fit(rows(50, 5)).state()
    for damage in ({"mean": [1.0]}, {"whitening": None}, {"whitening": [["a"]]}, {"mean": [[1.0], [1.0, 2.0]]}):
        with pytest.raises(ArgumentError):
            FeatureDistance.restored({**state, **damage})
    with pytest.raises(ArgumentError, match="KeyError"):
        FeatureDistance.restored({})
