"""One run: an optimiser is asked for points and told what they cost, the default first."""

from __future__ import annotations

import atexit
import hashlib
import os
import subprocess
import tempfile
import time
from functools import partial
from typing import Any

import numpy as np
from pydantic import BaseModel

from benchmarks.optimize.peers.contract import Peer, told
from benchmarks.optimize.plan import Unit, settings, split_of
from benchmarks.optimize.problems import PROBLEMS, Evaluation
from benchmarks.optimize.rows import ROWS, Row
from benchmarks.optimize.spaces import Knob, Values, active, drawn, flat, knobs_of, nested
from benchmarks.reports import ROOT, rounded
from benchmarks.workers import Worker


class Record:
    """Keeps what was found: the point with the lowest loss that is seen, and its hidden loss.

    Attributes:
        trials: How many points were evaluated.
        curve: Every trial that was better than all before it, by the loss that is seen: its number, that loss, the hidden one.
        seconds: What the losses that are seen took.
        aside: What all losses took: no optimiser's time.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self.trials = 0
        self.curve: list[tuple[int, float, float]] = []
        self.seconds = self.aside = 0.0

    def loss(self, values: BaseModel) -> float:
        """Evaluate a point; one call is one trial. What is seen of it is returned, and nothing else."""
        begun = time.perf_counter()
        seen = self._evaluation.seen(values)
        self.seconds += time.perf_counter() - begun
        if not self.curve or seen < self.curve[-1][1]:
            self.curve.append((self.trials, seen, self._evaluation.hidden(values)))
        self.trials += 1
        self.aside += time.perf_counter() - begun
        return seen


def work(unit: Unit) -> dict[str, Any]:
    """Run a unit and give its record."""
    problem, row = PROBLEMS[unit.problem], ROWS[unit.row]
    record = Record(Evaluation(problem, split_of(unit.seed)))
    begun = time.perf_counter()
    proposed: dict[str, Any] = {}
    if row.kind == "ours":
        from benchmarks.optimize.ours import ours

        proposed = {"proposed": ours(problem, row, unit.seed, unit.trials, record.loss)}
    else:
        optimise(row, problem.hyperparameters, unit, record)
    taken = time.perf_counter() - begun
    return {
        **unit._asdict(),
        "settings": settings(unit.row),
        "curve": [(at, rounded_to_6(seen), rounded_to_6(hidden)) for at, seen, hidden in record.curve],
        "ran": record.trials,
        "overhead": rounded(max(taken - record.aside, 0.0) / max(record.trials, 1)),
        "evaluation": rounded(record.seconds / max(record.trials, 1)),
        **proposed,
    }


def rounded_to_6(loss: float) -> float:
    return float(f"{loss:.6g}")


def optimise(row: Row, model: type[BaseModel], unit: Unit, record: Record) -> None:
    """Ask a peer and tell it, as often as there are trials."""
    knobs = knobs_of(model)
    peer = build(row, knobs, seed_of(unit), unit.trials)
    default = model()
    peer.tell(flat(knobs, default), record.loss(default))
    for _ in range(unit.trials - 1):
        values = peer.ask()
        peer.tell(values, record.loss(model.model_validate(nested(knobs, active(knobs, values)))))


def seed_of(unit: Unit) -> int:
    """Give the seed of what is drawn: the same for every row, so that rows which begin with the same draws have the same ones."""
    return int.from_bytes(hashlib.sha256(f"{unit.problem} {unit.seed}".encode()).digest()[:4]) % 2**31


def build(row: Row, knobs: list[Knob], seed: int, trials: int) -> Peer:
    """Give the peer of a row."""
    if row.kind == "elsewhere":
        return Elsewhere(row, knobs, seed, trials)
    if row.name == "random":
        return Uniform(knobs, seed)
    from benchmarks.optimize.peers import optuna_peers

    if row.name == "sobol_tpe":
        return optuna_peers.SobolThen(optuna_peers.tpe_group, knobs, seed)
    return optuna_peers.OptunaPeer(getattr(optuna_peers, row.name), knobs, seed, is_flat=row.name in ("gp", "cmaes"))


class Uniform:
    """Random search: every knob uniformly on its own scale."""

    def __init__(self, knobs: list[Knob], seed: int) -> None:
        self._knobs, self._random = knobs, np.random.default_rng(seed)

    def ask(self) -> Values:
        return drawn(self._knobs, self._random)

    def tell(self, values: Values, loss: float) -> None:
        """Learn nothing."""


class Elsewhere:
    """A peer in a process of its environment; one such process serves all runs of this one."""

    _workers: dict[str, Worker] = {}  # noqa: RUF012 - one for each row, as long as this process lives

    def __init__(self, row: Row, knobs: list[Knob], seed: int, trials: int) -> None:
        if row.name not in self._workers:
            self._workers[row.name] = start(row)
        self._worker = self._workers[row.name]
        self._obey = partial(self._worker.obey)
        self._obey(do="begin", name=row.name, knobs=told(knobs), seed=seed, trials=trials)

    def ask(self) -> Values:
        found: Values = self._obey(do="ask")
        return found

    def tell(self, values: Values, loss: float) -> None:
        self._obey(do="tell", values=values, loss=loss)


def start(row: Row) -> Worker:
    """Start the process of a peer."""
    complaints = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - the process writes to it as long as it lives
    process = subprocess.Popen(
        [str(row.python), "-m", "benchmarks.optimize.peers.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True, cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    atexit.register(process.kill)
    return Worker(row.title, process, complaints)


def begin() -> None:
    """Set a process up."""
    import torch

    torch.set_num_threads(1)
