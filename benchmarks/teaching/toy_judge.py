"""What a judge's scores teach a small policy, by objective, at the same number of judgements.

    python -m benchmarks.teaching.toy_judge                # all of it; writes benchmarks/results/toy_judge.json
    python -m benchmarks.teaching.toy_judge --quick        # one seed; writes nothing
    python -m benchmarks.teaching.toy_judge --rates        # chooses the learning rates anew, on other seeds; writes nothing

A prompt is 16 numbers, an answer one of 8 options. The right one is the largest entry of a random linear map of the prompt; the
teacher that labelled the prompts uses another map, and agrees on about 30% of them: its mistakes have a system, for random ones
would average out, and the labels alone would do. The judge gives 1 for the right answer, 0 to .4 with noise for the others, and
no score at all in 5% of its evaluations.

Every policy starts from the same weights: a perceptron that has learned the labels. Then each has the same updates, on the same
prompts. What draws answers has them judged, and learns from a judgement two updates after the draw. "supervised" goes on with
the labels and asks no judge. "a factor" goes on with the labels too, with a loss that is multiplied by 1 + w (1 - score), the
score being the judge's mean score of the answers that it drew: of the whole batch, as the project that this one grew from had
it, or of each prompt. "beside the labels" is RLOO with a weight, added to the labels' loss; the other objectives leave the
labels behind after the start, as labels and judge contradict each other here. Each row has the learning rate that is best for
it on other seeds.

What is told is the judge's score, without noise and failures, of the likeliest answers to prompts that nobody trained on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.reports import RESULTS, machine, rounded, terminal_table
from llm_brain.training.objectives import OBJECTIVES, Samples, entropy

INPUTS, OPTIONS, HIDDEN = 16, 8, 64
LABELLED, TESTED = 1024, 2000
PROMPTS, ANSWERS, UPDATES, DELAY = 32, 4, 200, 2
COLD_START = 100
AGREEMENT, FAILURES, NOISE = 0.3, 0.05, 0.1
FACTOR_WEIGHT, ENTROPY_BONUS = 1.0, 0.01
BESIDE_LABELS = {"rloo_beside_labels": 0.5, "more_rloo_beside_labels": 8.0}
SEEDS = range(7)
RATE_SEEDS = range(1000, 1003)
# The best of these for each row on RATE_SEEDS, as --rates finds them.
CANDIDATES = (1e-3, 3e-3, 1e-2, 3e-2)
RATES = dict.fromkeys([*OBJECTIVES, "more_rloo_beside_labels"], 1e-2) | {
    "rloo_beside_labels": 3e-2,
    "factor": 3e-2,
    "factor_of_each_prompt": 3e-2,
    "supervised": 3e-3,
}
TITLES = {
    "rloo": "RLOO",
    "reinforce": "REINFORCE, value head",
    "grpo": "GRPO",
    "grpo_without_std": "GRPO without std",
    "dpo": "online DPO",
    "best_of_k": "best of K",
    "rloo_beside_labels": "RLOO, 0.5 beside the labels",
    "more_rloo_beside_labels": "RLOO, 8 beside the labels",
    "factor": "a factor on the supervised loss",
    "factor_of_each_prompt": "a factor for each prompt",
    "supervised": "supervised alone",
}


@dataclass(frozen=True)
class World:
    """What is right, what the teacher takes for right, and what the judge thinks."""

    prompts: Tensor
    labels: Tensor
    grades: Tensor
    held_out: Tensor
    held_out_grades: Tensor
    agreement: float

    def judge(self, rows: Tensor, answers: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Score answers `[n, K]` to the prompts of these numbers; tell too which of them have a score."""
        grade = self.grades[rows].gather(1, answers)
        noisy = (grade + NOISE * torch.randn(grade.shape, generator=random)).clamp(0, 0.4)
        known = torch.rand(grade.shape, generator=random) >= FAILURES
        return torch.where(grade == 1, grade, noisy).masked_fill(~known, float("nan")), known


def world(seed: int) -> World:
    """Make a world. The teacher's map is the right one and another, mixed so that they agree as often as they should."""
    random = torch.Generator().manual_seed(seed)
    right, other = torch.randn(2, OPTIONS, INPUTS, generator=random)
    prompts = torch.randn(LABELLED + TESTED, INPUTS, generator=random)
    answers = (prompts @ right.T).argmax(-1)
    mixes = [(prompts @ (share * right + (1 - share) * other).T).argmax(-1) for share in torch.linspace(0, 1, 101)]
    labels = min(mixes, key=lambda mix: abs(float((mix == answers).float().mean()) - AGREEMENT))
    grades = 0.4 * (prompts @ right.T).argsort(-1).argsort(-1) / (OPTIONS - 2)
    grades.scatter_(1, answers[:, None], 1.0)
    split = LABELLED
    agreement = float((labels == answers)[:split].float().mean())
    return World(prompts[:split], labels[:split], grades[:split], prompts[split:], grades[split:], agreement)


class Policy(nn.Module):
    """A perceptron with a value head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.Tanh())
        self.options, self.value = nn.Linear(HIDDEN, OPTIONS), nn.Linear(HIDDEN, 1)

    def forward(self, prompts: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.body(prompts)
        return self.options(hidden), self.value(hidden.detach())[:, 0]


@dataclass(frozen=True)
class Judged:
    """Answers that were drawn for some prompts, and what the judge says of them."""

    rows: Tensor
    answers: Tensor
    behaviour: Tensor
    rewards: Tensor
    known: Tensor


class Pupil:
    """One training: a policy, the policy that it started from, and what it learns from."""

    def __init__(self, name: str, world: World, seed: int, rate: float) -> None:
        self.name, self.world = name, world
        self.random = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.policy, self.start = Policy(), Policy()
        optimizer = torch.optim.Adam(self.policy.parameters(), lr=1e-2)
        for _ in range(COLD_START):
            self._update(optimizer, self._supervised(self._rows()).mean())
        self.start.load_state_dict(self.policy.state_dict())
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=rate)
        self.waiting: deque[Judged] = deque()
        self.judgements = self.failures = 0

    def learn(self, updates: int) -> None:
        for _ in range(updates):
            rows = self._rows()
            if self.name == "supervised":
                self._update(self.optimizer, self._supervised(rows).mean())
                continue
            self.waiting.append(self._judged(rows))
            if len(self.waiting) > DELAY:
                self._update(self.optimizer, self._loss(self.waiting.popleft()))

    @torch.no_grad()
    def score(self) -> tuple[float, float]:
        """Give the mean grade of the likeliest answers to the held-out prompts, and the share of right ones."""
        grades = self.world.held_out_grades.gather(1, self.policy(self.world.held_out)[0].argmax(-1, keepdim=True))
        return float(grades.mean()), float((grades == 1).float().mean())

    def _rows(self) -> Tensor:
        return torch.randint(LABELLED, (PROMPTS,), generator=self.random)

    def _supervised(self, rows: Tensor) -> Tensor:
        return functional.cross_entropy(self.policy(self.world.prompts[rows])[0], self.world.labels[rows], reduction="none")

    @torch.no_grad()
    def _judged(self, rows: Tensor) -> Judged:
        logs = self.policy(self.world.prompts[rows])[0].log_softmax(-1)
        answers = torch.multinomial(logs.exp(), ANSWERS, replacement=True, generator=self.random)
        rewards, known = self.world.judge(rows, answers, self.random)
        self.judgements += known.numel()
        self.failures += int((~known).sum())
        return Judged(rows, answers, logs.gather(1, answers), rewards, known)

    def _loss(self, judged: Judged) -> Tensor:
        if self.name == "factor":
            return (1 + FACTOR_WEIGHT * (1 - judged.rewards.nanmean())) * self._supervised(judged.rows).mean()
        seen = judged.known.any(dim=1)
        earned = judged.rewards[seen].nanmean(dim=1)
        if self.name == "factor_of_each_prompt":
            return ((1 + FACTOR_WEIGHT * (1 - earned)) * self._supervised(judged.rows[seen])).mean()
        prompts = self.world.prompts[judged.rows]
        logits, value = self.policy(prompts)
        with torch.no_grad():
            reference = self.start(prompts)[0].log_softmax(-1).gather(1, judged.answers)
        drawn = logits.log_softmax(-1).gather(1, judged.answers)
        samples = Samples(drawn, judged.rewards, judged.known, judged.behaviour, baseline=value.detach(), reference=reference)
        loss = functional.mse_loss(value[seen], earned) - ENTROPY_BONUS * entropy(logits)
        if self.name in BESIDE_LABELS:
            return loss + BESIDE_LABELS[self.name] * OBJECTIVES["rloo"](samples) + self._supervised(judged.rows).mean()
        return loss + OBJECTIVES[self.name](samples)

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train(name: str, seed: int, rate: float, updates: int = UPDATES) -> dict[str, Any]:
    """Train one policy and score it."""
    made = world(seed)
    pupil = Pupil(name, made, seed, rate)
    before, _ = pupil.score()
    began = time.process_time()
    pupil.learn(updates)
    score, right = pupil.score()
    return {
        "score": score,
        "right": right,
        "before": before,
        "agreement": made.agreement,
        "judgements": pupil.judgements,
        "failures": pupil.failures,
        "cpu_seconds": time.process_time() - began,
    }


def run(seeds: Iterable[int] = SEEDS, names: Sequence[str] = tuple(TITLES), updates: int = UPDATES) -> list[dict[str, Any]]:
    """Train with each objective from each seed; give a row for each, medians over the seeds and the range of its score."""
    seeds, rows = list(seeds), []
    for name in names:
        runs = [train(name, seed, RATES[name], updates) for seed in seeds]
        scores = [one["score"] for one in runs]
        rows.append({
            "name": name,
            "title": TITLES[name],
            "rate": RATES[name],
            "seeds": len(seeds),
            **{key: rounded(statistics.median(one[key] for one in runs)) for key in runs[0]},
            "lowest": rounded(min(scores)),
            "highest": rounded(max(scores)),
            "scores": [rounded(score) for score in scores],
        })  # fmt: skip
    return rows


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """Make the table for a terminal."""
    heads = ("", "score", "lowest", "highest", "right", "judged", "rate")
    shown = (
        (None, (row["title"], *(f"{row[key]:.3f}" for key in ("score", "lowest", "highest", "right")),
                f"{row['judgements']:,.0f}", f"{row['rate']:g}"))
        for row in rows
    )  # fmt: skip
    before, seeds = rows[0]["before"], rows[0]["seeds"]
    return terminal_table(heads, shown, f"what a judge teaches: medians of {seeds} seeds, from a score of {before:.3f}")


def best_rates(told: Callable[[str], object]) -> dict[str, float]:
    """Choose each row's learning rate by the median score on seeds that are not reported."""
    best = {}
    for name in TITLES:
        scores = {rate: statistics.median(train(name, seed, rate)["score"] for seed in RATE_SEEDS) for rate in CANDIDATES}
        best[name] = max(scores, key=scores.__getitem__)
        told(f"{name}: " + ", ".join(f"{rate:g}: {score:.3f}" for rate, score in scores.items()))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed; writes nothing")
    parser.add_argument("--rates", action="store_true", help="choose the learning rates anew; writes nothing")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.rates:
        print(best_rates(print))
        return
    rows = run(range(1) if asked.quick else SEEDS)
    Console().print(table(rows))
    if not asked.quick:
        path = RESULTS / "toy_judge.json"
        path.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n", encoding="utf-8")
        print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
