"""HEBO (Cowen-Rivers et al. 2022), which knows no conditions: it sees a flat space, and what does not hold is ignored."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

from benchmarks.optimize.peers.contract import whole
from benchmarks.optimize.spaces import Knob, Values

warnings.filterwarnings("ignore")


class Hebo:
    def __init__(self, knobs: Sequence[Knob], seed: int) -> None:
        np.random.seed(seed)  # noqa: NPY002 - what HEBO draws from
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        self._knobs = {knob.name.replace(".", "__"): knob for knob in knobs}
        self._optimizer = HEBO(
            DesignSpace().parse([_described(name, knob) for name, knob in self._knobs.items()]), scramble_seed=seed
        )

    def ask(self) -> Values:
        self._asked = self._optimizer.suggest(n_suggestions=1)
        row = self._asked.iloc[0]
        return {knob.name: _read(knob, row[name]) for name, knob in self._knobs.items()}

    def tell(self, values: Values, loss: float) -> None:
        if not hasattr(self, "_asked"):
            first = whole(list(self._knobs.values()), values)
            told = {name: str(first[knob.name]) if knob.choices else first[knob.name] for name, knob in self._knobs.items()}
            self._asked = pd.DataFrame([told])
        self._optimizer.observe(self._asked, np.array([[loss]]))


def _described(name: str, knob: Knob) -> dict[str, Any]:
    if knob.choices:
        return {"name": name, "type": "cat", "categories": [str(choice) for choice in knob.choices]}
    kind = {(False, False): "num", (False, True): "pow", (True, False): "int", (True, True): "pow_int"}[knob.integer, knob.log]
    return {"name": name, "type": kind, "lb": knob.low, "ub": knob.high}


def _read(knob: Knob, value: Any) -> Any:
    if knob.choices:
        return {str(choice): choice for choice in knob.choices}[str(value)]
    value = min(max(float(value), knob.low), knob.high)
    return round(value) if knob.integer else value
