"""GEPA (Agrawal et al. 2025), by its own package: reflective mutation, and merging where it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

Case = TypeVar("Case")
Metric = Callable[[dict[str, str], Any], tuple[Any, float, str]]
"""Runs texts on a case, and gives the result, its score, and what is said about it."""
Rewrite = Callable[[str, str, Sequence[Mapping[str, Any]]], str]
"""Writes another text, given its name, the present one, and some runs: what was given and made, and what was said."""


class Silent:
    def log(self, message: str) -> None:
        """Say nothing."""


class Adapter(Generic[Case]):
    """What GEPA asks of a program: its interface is `gepa.core.adapter.GEPAAdapter`."""

    def __init__(self, metric: Metric, rewrite: Rewrite) -> None:
        self.metric, self.rewrite, self.calls = metric, rewrite, 0

    def evaluate(self, batch: list[Case], candidate: dict[str, str], capture_traces: bool = False) -> Any:  # noqa: FBT001, FBT002
        from gepa import EvaluationBatch

        self.calls += len(batch)
        made = [self.metric(candidate, case) for case in batch]
        traces = [{"case": case, "result": result, "feedback": said} for case, (result, _, said) in zip(batch, made, strict=True)]
        scores = [score for _, score, _ in made]
        return EvaluationBatch([result for result, _, _ in made], scores, traces if capture_traces else None)

    def make_reflective_dataset(self, candidate: dict[str, str], eval_batch: Any, components_to_update: list[str]) -> Any:
        del candidate
        runs = [
            {"Inputs": trace["case"], "Generated Outputs": trace["result"], "Feedback": trace["feedback"]}
            for trace in eval_batch.trajectories
        ]
        return dict.fromkeys(components_to_update, runs)

    def propose_new_texts(
        self, candidate: dict[str, str], reflective_dataset: Any, components_to_update: list[str]
    ) -> dict[str, str]:
        return {name: self.rewrite(name, candidate[name], reflective_dataset[name]) for name in components_to_update}


def optimise(
    start: dict[str, str], cases: Sequence[Any], metric: Metric, rewrite: Rewrite, *, budget: int, seed: int, **options: Any
) -> tuple[dict[str, str], int]:
    """Run GEPA, and give its best texts and how often they were run. It ends the iteration in which the budget is spent."""
    import gepa

    adapter: Any = Adapter(metric, rewrite)
    val = options.pop("validation", None)
    result = gepa.optimize(
        dict(start), list(cases), val, adapter=adapter, max_metric_calls=budget, seed=seed, logger=Silent(), **options
    )
    return dict(result.best_candidate), adapter.calls
