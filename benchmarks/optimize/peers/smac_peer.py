"""SMAC3's facade for hyperparameters (random forests, conditions), by ask and tell."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer
from smac import HyperparameterOptimizationFacade, Scenario
from smac.runhistory.dataclasses import TrialInfo, TrialValue

from benchmarks.optimize.spaces import Knob, Values

logging.disable(logging.WARNING)


class Smac:
    def __init__(self, knobs: Sequence[Knob], seed: int, trials: int) -> None:
        self._knobs, self._seed, self._trials = knobs, seed, trials
        self._facade: Any = None
        self._info: Any = None
        self._folder = tempfile.TemporaryDirectory(prefix="smac-")

    def _space(self, default: Values) -> ConfigurationSpace:
        space = ConfigurationSpace(seed=self._seed)
        for knob in self._knobs:
            first = default.get(knob.name, knob.from_unit(0.5))
            if knob.choices:
                made: Any = Categorical(knob.name, [str(choice) for choice in knob.choices], default=str(first))
            elif knob.integer:
                made = Integer(knob.name, (int(knob.low), int(knob.high)), log=knob.log, default=int(first))
            else:
                made = Float(knob.name, (float(knob.low), float(knob.high)), log=knob.log, default=float(first))
            space.add(made)
            if knob.parent is not None:
                space.add(EqualsCondition(space[knob.name], space[knob.parent], knob.tag))
        return space

    def ask(self) -> Values:
        self._info = self._facade.ask()
        found = dict(self._info.config)
        by_text = {knob.name: {str(choice): choice for choice in knob.choices} for knob in self._knobs}
        return {
            knob.name: by_text[knob.name].get(str(found[knob.name]))
            if knob.choices
            else (int if knob.integer else float)(found[knob.name])
            for knob in self._knobs
            if knob.name in found
        }

    def tell(self, values: Values, loss: float) -> None:
        if self._facade is None:
            space = self._space(values)
            scenario = Scenario(
                space, output_directory=Path(self._folder.name), deterministic=True, n_trials=self._trials, seed=self._seed
            )
            self._facade = HyperparameterOptimizationFacade(scenario, _nothing, overwrite=True, logging_level=False)
            self._info = TrialInfo(space.get_default_configuration(), seed=0)
        self._facade.tell(self._info, TrialValue(cost=loss))


def _nothing(config: Any, seed: int = 0) -> float:
    raise AssertionError((config, seed))  # points are asked for, and evaluated elsewhere
