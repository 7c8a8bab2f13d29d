"""Optuna's samplers, by ask and tell.

TPE is asked for a knob only where it holds, which is how Optuna knows conditional spaces. The samplers that look at all knobs
together (GP, CMA-ES, Sobol's points) would leave everything conditional to chance that way: they see a flat space, and what does
not hold is ignored.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import optuna

from benchmarks.optimize.peers.contract import whole
from benchmarks.optimize.spaces import Knob, Values, holds

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", module="optuna")
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

Make = Callable[[Sequence[Knob], int, Values], Any]


class OptunaPeer:
    """A sampler at work.

    Args:
        make: Gives the sampler, from the knobs, a seed and the default.
        is_flat: Whether it is asked for all knobs.
    """

    def __init__(self, make: Make, knobs: Sequence[Knob], seed: int, *, is_flat: bool = False) -> None:
        self._make, self._knobs, self._seed, self._is_flat = make, knobs, seed, is_flat
        self._study: optuna.Study | None = None
        self._trial: optuna.Trial | None = None

    def ask(self) -> Values:
        assert self._study is not None
        self._trial = self._study.ask()
        values: Values = {}
        for knob in self._knobs:
            if self._is_flat or holds(knob, values):
                values[knob.name] = self._suggested(knob, self._trial)
        return values

    def tell(self, values: Values, loss: float) -> None:
        if self._study is None:  # the default
            first = whole(self._knobs, values) if self._is_flat else values
            self._study = optuna.create_study(sampler=self._make(self._knobs, self._seed, whole(self._knobs, values)))
            self._study.enqueue_trial(first)
            self.ask()
        assert self._trial is not None
        self._study.tell(self._trial, loss)

    @staticmethod
    def _suggested(knob: Knob, trial: optuna.Trial) -> Any:
        if knob.choices:
            return trial.suggest_categorical(knob.name, knob.choices)
        if knob.integer:
            return trial.suggest_int(knob.name, int(knob.low), int(knob.high), log=knob.log)
        return trial.suggest_float(knob.name, knob.low, knob.high, log=knob.log)


class SobolThen:
    """Sobol's points at the beginning, then another peer that is told of them."""

    def __init__(self, make: Make, knobs: Sequence[Knob], seed: int, *, points: int = 10) -> None:
        from scipy.stats import qmc

        self._knobs, self._peer, self._points = knobs, OptunaPeer(make, knobs, seed), points
        self._drawn = list(qmc.Sobol(len(knobs), seed=seed).random_base2(4)[:points])
        self._queued = False

    def ask(self) -> Values:
        if self._drawn:
            point = self._drawn.pop()
            values: Values = {}
            for knob, share in zip(self._knobs, point, strict=True):
                if holds(knob, values):
                    values[knob.name] = knob.from_unit(float(share))
            assert self._peer._study is not None  # noqa: SLF001 - one peer in two classes
            self._peer._study.enqueue_trial(values)  # noqa: SLF001
        return self._peer.ask()

    def tell(self, values: Values, loss: float) -> None:
        self._peer.tell(values, loss)


def tpe(_: Sequence[Knob], seed: int, __: Values) -> Any:
    return optuna.samplers.TPESampler(seed=seed)


def tpe_univariate(_: Sequence[Knob], seed: int, __: Values) -> Any:
    return optuna.samplers.TPESampler(seed=seed, multivariate=False)


def tpe_group(_: Sequence[Knob], seed: int, __: Values) -> Any:
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)


def tpe_early(_: Sequence[Knob], seed: int, __: Values) -> Any:
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=5)


def tpe_group_early(_: Sequence[Knob], seed: int, __: Values) -> Any:
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, n_startup_trials=5)


def gp(_: Sequence[Knob], seed: int, __: Values) -> Any:
    return optuna.samplers.GPSampler(seed=seed, deterministic_objective=True)


def cmaes(knobs: Sequence[Knob], seed: int, default: Values) -> Any:
    first = {knob.name: default[knob.name] for knob in knobs if not knob.choices}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Optuna 6 will have no `x0`
        return optuna.samplers.CmaEsSampler(x0=first, seed=seed, n_startup_trials=1, warn_independent_sampling=False)
