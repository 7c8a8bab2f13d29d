"""The benchmark of optimisers: its problems, how regret is measured, who proposes, and what is kept of a run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from benchmarks.optimize import plan, report
from benchmarks.optimize.obfuscated import obfuscated
from benchmarks.optimize.plan import CONFIRMING, Unit, split_of, units
from benchmarks.optimize.problems import PROBLEMS, Evaluation, Problem
from benchmarks.optimize.problems import forecasts as smoothing
from benchmarks.optimize.problems.contract import WORST, Losses, known, split_rows
from benchmarks.optimize.problems.curves import Bumps, Hinges, Waves, expanded
from benchmarks.optimize.problems.forecasts import Damped, Periodic, Smoothing
from benchmarks.optimize.references import references
from benchmarks.optimize.regrets import MOST, Known, difference, half, largest_share, mean
from benchmarks.optimize.rows import ROWS
from benchmarks.optimize.scripted import INVALID, KINDS, Scripted
from benchmarks.optimize.spaces import drawn, flat, knobs_of, near, nested
from benchmarks.optimize.store import Store
from benchmarks.optimize.worker import Record, work
from llm_brain.optimize.proposers.contract import History
from llm_brain.optimize.space import Space

EVERY_PROBLEM = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=lambda problem: problem.name)
FUNCTIONS = [problem for problem in PROBLEMS.values() if problem.optimum is not None]
LEARNED = {name: {"seen": 0.2, "hidden": 0.3} for name in ("kernels 0", "kernels 1")}


def run(*hidden: float, row: str = "core", problem: str = "kernels", seed: int = 0, trials: int = 80) -> dict[str, Any]:
    """A run whose points are each better than all before them; the hidden loss is as given."""
    curve = [(at, 1.0 - 0.1 * at, loss) for at, loss in enumerate(hidden)]
    return {"problem": problem, "row": row, "seed": seed, "trials": trials, "curve": curve, "settings": plan.settings(row),
            "overhead": 0.01, "evaluation": 0.002}  # fmt: skip


# Problems


@EVERY_PROBLEM
def test_a_point_is_told_and_read_back_by_every_problem(problem: Problem) -> None:
    knobs, random = knobs_of(problem.hyperparameters), np.random.default_rng(1)
    default = problem.hyperparameters()
    for values in (flat(knobs, default), *(drawn(knobs, random) for _ in range(20))):
        model = problem.hyperparameters.model_validate(nested(knobs, values))
        assert flat(knobs, model) == values
        around = near(knobs, values, random, 0.3)
        assert isinstance(problem.hyperparameters.model_validate(nested(knobs, around)), BaseModel)


@EVERY_PROBLEM
def test_names_and_ranges_are_hidden_and_come_back(problem: Problem) -> None:
    hidden, back = obfuscated(problem.hyperparameters)
    knobs, default = knobs_of(problem.hyperparameters), problem.hyperparameters()
    assert set(hidden.model_fields) == {f"p{place}" for place in range(len(knobs))}
    for name, value in flat(knobs, default).items():
        found = flat(knobs, back(hidden()))[name]
        assert found == pytest.approx(value) if isinstance(value, float) else found == value


@pytest.mark.parametrize("problem", FUNCTIONS, ids=lambda problem: problem.name)
def test_no_point_is_below_the_optimum_of_a_function(problem: Problem) -> None:
    assert problem.optimum is not None
    knobs, random = knobs_of(problem.hyperparameters), np.random.default_rng(2)
    for split in range(3):
        evaluation, best = Evaluation(problem, split), problem.optimum(split)
        lowest = evaluation.seen(best)
        assert lowest == evaluation.hidden(best) < evaluation.seen(problem.hyperparameters())
        for width in (0.3, 0.1, 0.01, 0.001):
            for _ in range(50):
                values = near(knobs, flat(knobs, best), random, width)
                assert evaluation.seen(problem.hyperparameters.model_validate(nested(knobs, values))) > lowest - 1e-6


@pytest.mark.parametrize(("basis", "columns"), [(Bumps(count=5), 5), (Waves(count=3), 6), (Hinges(count=4), 4)])
def test_a_basis_has_as_many_columns_as_it_says_and_rows_do_not_touch_each_other(basis: Any, columns: int) -> None:
    inputs = np.linspace(-1, 1, 7)
    found = expanded(inputs, basis)
    assert found.shape == (7, columns)
    assert np.allclose(found[2:5], expanded(inputs[2:5], basis))


@pytest.mark.parametrize(
    ("series", "values"),
    [
        ("constant", Smoothing()),
        ("seasonal", Smoothing(rate=0.001, begun=8, season=Periodic(rate=1.0, period=4))),
        ("growing", Smoothing(rate=1.0, trend=Damped(rate=1.0, damping=1.0))),
    ],
)
def test_smoothing_forecasts_what_its_parts_are_for(series: str, values: Smoothing) -> None:
    steps = np.arange(smoothing.LENGTH)
    made = {"constant": np.full(len(steps), 5.0), "seasonal": 5.0 + np.array([1, -1, 2, -2])[steps % 4], "growing": 5.0 + steps}
    found = {name: smoothing.error(values, one[None]) for name, one in made.items()}
    assert found[series] == pytest.approx(0.0, abs=1e-3)
    assert series == "constant" or smoothing.error(Smoothing(), made[series][None]) > 0.5


def test_the_hidden_test_sees_other_rows_and_fits_on_as_many() -> None:
    rows = np.arange(100.0)[:, None]
    split = split_rows(rows, rows[:, 0], 3, train=30, folds=3, test=40)
    chosen = set(split.train[1])
    for (_, fitted), (_, scored) in split.held:
        assert len(fitted) == 20
        assert len(scored) == 40
        assert not chosen & {*fitted, *scored}
        assert not set(fitted) & set(scored)
    assert sorted(place for fold in split.folds for place in fold) == list(range(30))


def test_a_point_that_breaks_the_task_has_the_worst_loss_and_a_point_is_evaluated_once() -> None:
    class Knobs(BaseModel):
        x: float = 0.0

    asked = []

    def losses(values: Knobs, split: int) -> Losses:
        asked.append(values.x)
        return known(math.nan if split else 1 / values.x)

    problem = Problem("p", "p", Knobs, losses, "loss")
    evaluation = Evaluation(problem, 0)
    assert evaluation.seen(Knobs()) == WORST == Evaluation(problem, 1).seen(Knobs())
    assert evaluation.seen(Knobs(x=2.0)) == evaluation.seen(Knobs(x=2.0)) == 0.5
    assert asked == [0.0, 0.0, 2.0]


def test_the_hidden_loss_is_asked_for_only_where_what_is_seen_is_better() -> None:
    class Knobs(BaseModel):
        x: float = 0.0

    asked = []

    def hidden(x: float) -> float:
        asked.append(x)
        return 9.0

    problem = Problem("p", "p", Knobs, lambda values, _: Losses(lambda: values.x, lambda: hidden(values.x)), "loss")
    record = Record(Evaluation(problem, 0))
    assert [record.loss(Knobs(x=x)) for x in (3.0, 4.0, 2.0, 2.0)] == [3.0, 4.0, 2.0, 2.0]
    assert asked == [3.0, 2.0]
    assert record.curve == [(0, 3.0, 9.0), (2, 2.0, 9.0)]


# Regret


def test_the_default_has_a_regret_of_one_and_the_best_that_is_known_has_none() -> None:
    runs = [run(1.3, 0.8, 0.3)]
    found = Known(runs, LEARNED)
    assert [found.regret(runs[0], trials) for trials in (1, 2, 3, 40)] == [1.0, pytest.approx(0.5), 0.0, 0.0]


def test_a_run_that_beats_the_search_makes_the_regrets_of_others_larger() -> None:
    mine, better = run(1.3, 0.8), run(1.3, 0.05, row="tpe")
    assert Known([mine, better], LEARNED).regret(better, 80) == 0.0
    assert Known([mine, better], LEARNED).regret(mine, 80) > Known([mine], LEARNED).regret(mine, 80)


def test_regret_is_cut_where_the_hidden_loss_is_far_above_the_default() -> None:
    assert Known([run(1.3, 99.0)], LEARNED).regret(run(1.3, 99.0), 80) == MOST


@given(st.lists(st.lists(st.floats(0.01, 9), min_size=1, max_size=5), min_size=1, max_size=5))
def test_no_row_is_ever_below_nothing(losses: list[list[float]]) -> None:
    runs = [run(*hidden) | {"curve": [(0, 5.0, 5.0), *run(*hidden)["curve"]]} for hidden in losses]
    found = Known(runs, LEARNED)
    assert all(
        0.0 <= found.regret(each, trials, kind) <= MOST for each in runs for trials in (1, 9) for kind in ("seen", "hidden")
    )


def test_rows_are_compared_in_pairs_of_the_same_problem_and_seed() -> None:
    ones = {("a", seed): 0.1 * seed + 0.05 for seed in range(6)} | {("b", 0): 9.0}
    others = {("a", seed): 0.1 * seed for seed in range(5)}
    found = difference(ones, others)
    assert found is not None
    assert found.seeds == 5
    assert found.low == pytest.approx(0.05) == pytest.approx(found.high)
    assert difference({("a", 0): 1.0}, {("a", 0): 0.0}) is None
    assert half([1.0]) == math.inf


def test_a_mean_is_over_seeds_that_have_all_problems_and_the_largest_share_is_told() -> None:
    cells = {("a", 0): 0.2, ("b", 0): 0.6, ("a", 1): 0.4, ("b", 1): 0.8, ("a", 2): 99.0}
    assert mean(cells)[0] == pytest.approx(0.5)
    name, share = largest_share({("a", 0): 0.2, ("b", 0): 0.6})
    assert (name, round(share, 9)) == ("b", 0.75)


# Plan, store and rows


def test_fresh_seeds_have_fresh_data_and_slow_rows_fewer_runs() -> None:
    assert not {split_of(seed) for seed in range(20)} & {split_of(seed + CONFIRMING) for seed in range(20)}
    planned = list(units(["valley", "mixed"], ["core", "gp"], 12, 80))
    assert (
        sum(unit.row == "gp" for unit in planned)
        == 2 * (ROWS["gp"].seeds or 0)
        < sum(unit.row == "core" for unit in planned)
        == 24
    )
    assert {unit.trials for unit in planned if unit.row == "gp"} == {ROWS["gp"].trials}
    assert [unit.seed for unit in planned] == sorted(unit.seed for unit in planned)


def test_a_torn_line_is_dropped_and_other_settings_are_run_again(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    store = Store(path)
    store.add(run(1.0))
    store.add(run(1.0, seed=1) | {"settings": {"problems": 0}})
    path.write_bytes(path.read_bytes() + b'{"problem": "ker')
    again = Store(path)
    assert again.finished(Unit("kernels", "core", 0, 80)) == json.loads(json.dumps(run(1.0)))
    assert again.finished(Unit("kernels", "core", 0, 81)) is None
    assert again.finished(Unit("kernels", "core", 1, 80)) is None
    assert [each["seed"] for each in again.current] == [0]


@pytest.mark.parametrize("row", ["random", "tpe", "cmaes", "core", "ours_weak"])
def test_every_row_runs_the_default_first_and_as_many_trials_as_it_may(row: str) -> None:
    made = work(Unit("dev_hills", row, 0, 12))
    default = Evaluation(PROBLEMS["dev_hills"], 0).seen(PROBLEMS["dev_hills"].hyperparameters())
    assert made["curve"][0][:2] == (0, pytest.approx(default, rel=1e-5))
    assert made["ran"] == 12


def test_every_row_that_was_run_is_told_of_and_what_it_lacks_is_said() -> None:
    runs = [run(1.3, 0.5, row=row, problem=problem) for row in ("core", "tpe") for problem in ("kernels", "mixed")]
    runs.append(run(1.3, 0.4, row="gp"))
    told = report.results(runs, "core", Known(runs, LEARNED))
    assert told.startswith("Seeds 0 to 0: 1 of the 20 that are planned")
    assert all(ROWS[name].title in told for name in ("core", "tpe", "gp"))
    assert "1 (1 problems)" in told
    assert report.results([], "core", Known([])) == "Not run yet."


def test_a_curve_is_of_the_longest_runs_of_whole_seeds() -> None:
    runs = [run(0.5, problem=problem, seed=seed) for problem in ("a", "b") for seed in (0, 1)]
    short = [run(0.4, problem=problem, seed=2, trials=40) for problem in ("a", "b")]
    assert report.longest([*runs[:3], *short]) == [runs[0], runs[2]]
    assert report.longest([]) == []


# Scripted proposers


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**31))
def test_scripted_proposers_are_what_they_say(kind: str, begin: int) -> None:
    problem, space = PROBLEMS["dev_hills"], Space(PROBLEMS["dev_hills"].hyperparameters)
    proposer, history = Scripted(kind, problem, 0), History(space, [])
    invalid, near_best = 0, []
    for seed in range(begin, begin + 60):
        (proposal,) = proposer.propose(history, seed=seed)
        try:
            told = proposal.hyperparameters
            values = space.values(told if not isinstance(told, BaseModel) else space.point(told))
        except (ValidationError, ValueError):
            invalid += 1
        else:
            best = references()["dev_hills 0"]["best"]
            near_best.append(np.mean([abs(getattr(values, name) - best[name]) for name in best]))
    assert (0 < invalid < 60 * INVALID * 2) if kind == "weak" else invalid == 0
    assert (np.mean(near_best) < 0.12) == (kind == "strong")
