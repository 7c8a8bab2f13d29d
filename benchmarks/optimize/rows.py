"""Who is compared, and how many seeds and trials each gets."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.brain.speed.environment import SharingEnvironment
from benchmarks.environments import Environment

FOLDER = Path(__file__).parent
ENVIRONMENTS = FOLDER / ".environments"
REQUIREMENTS = FOLDER / "peers" / "requirements"
SEEDS = 20
TRIALS = 80


@dataclass(frozen=True)
class Row:
    """An optimiser.

    Attributes:
        name: In the record.
        title: In tables.
        kind: An Optuna sampler in this process, a peer in an environment of its own, or ours.
        seeds: How many seeds it gets at most, where it is slow.
        trials: How many trials it gets at most.
        proposer: Whom ours has beside its core: one of `scripted.py`, or "embedded" for the embedded model.
        is_obfuscated: Whether names and ranges tell nothing.
        core: Our core's sampler.
    """

    name: str
    title: str
    kind: Literal["optuna", "elsewhere", "ours"]
    seeds: int | None = None
    trials: int = TRIALS
    proposer: str | None = None
    is_obfuscated: bool = False
    core: Literal["tpe", "gp", "cmaes", "random"] = "tpe"

    @property
    def environment(self) -> Environment | None:
        if self.kind != "elsewhere":
            return None
        return SharingEnvironment(ENVIRONMENTS / self.name, REQUIREMENTS / f"{self.name}.txt")

    @property
    def python(self) -> Path:
        return self.environment.python if self.environment else Path(sys.executable)


ROWS = {
    row.name: row
    for row in (
        Row("random", "random search", "optuna"),
        Row("tpe", "Optuna, TPE", "optuna"),  # multivariate, as is the default of Optuna 5
        Row("tpe_univariate", "Optuna, TPE, univariate", "optuna"),
        Row("tpe_group", "Optuna, TPE, grouped", "optuna"),
        Row("tpe_early", "Optuna, TPE after 5 random points", "optuna"),
        Row("tpe_group_early", "Optuna, grouped TPE after 5 random points", "optuna"),
        Row("sobol_tpe", "10 of Sobol's points, then grouped TPE", "optuna"),
        Row("gp", "Optuna, GP", "optuna", seeds=10, trials=40),
        Row("cmaes", "Optuna, CMA-ES", "optuna"),
        Row("smac", "SMAC3", "elsewhere", seeds=5, trials=40),
        Row("hebo", "HEBO", "elsewhere", seeds=2, trials=40),
        Row("core", "ours, the core alone", "ours"),
        Row("core_cmaes", "ours, the core alone, CMA-ES", "ours", core="cmaes"),
        Row("ours_random", "ours, random valid proposals", "ours", proposer="random"),
        Row("ours_weak", "ours, weak proposals", "ours", proposer="weak"),
        Row("ours_medium", "ours, medium proposals", "ours", proposer="medium"),
        Row("ours_strong", "ours, strong proposals", "ours", proposer="strong"),
        Row("ours_misleading", "ours, misleading proposals", "ours", proposer="misleading"),
        Row("ours_embedded", "ours, the embedded model", "ours", seeds=3, trials=40, proposer="embedded"),
        Row("ours_obfuscated", "ours, the embedded model, names and ranges hidden", "ours", seeds=3, trials=40,
            proposer="embedded", is_obfuscated=True),
    )
}  # fmt: skip
REFERENCE = "core"
"""Beside whom ours is compared."""
