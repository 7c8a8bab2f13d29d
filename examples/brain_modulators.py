"""See what the modulators of a brain do over a sequence, and what it costs to switch each of them off.

    python -m examples.brain_modulators

A small network learns delayed-outcome binding: it is shown pairs of a key and a value, learns one step later from an outcome
whether a pair was right, and is asked for the right values at the end. No key, no network, about half a minute on one core. The
picture is written to runs/brain_modulators/modulators.svg.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

from llm_brain.brain import ABLATIONS, CHANNELS, ModulatorSignals, PlasticRNN, parameter_groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SYMBOLS, PAIRS = 16, 6
TIME = 5 * PAIRS  # each key comes with a right and a wrong value, each pair is followed by its outcome; then come the queries
NOT_ASKED = -100
PAPER, INK, GOOD, BAD = "#fafaff", "#333333", "#2e7d32", "#c62828"
COLOURS = ("#3949ab", "#ef6c00", "#00897b", "#8e24aa")
SHADES = ("#1a237e", "#42a5f5", "#00897b", "#ad1457")
MINUS = "\N{MINUS SIGN}"
MIDDLE: dict[str, Any] = {"ha": "center", "va": "center"}


class Lives(NamedTuple):
    """What a batch of lives is made of, time first."""

    input: Tensor
    outcome: Tensor
    answer: Tensor


class BindingNetwork(nn.Module):
    def __init__(self, hidden_size: int = 64) -> None:
        super().__init__()
        self.network = PlasticRNN(2 * SYMBOLS + 1, hidden_size)
        self.readout = nn.Linear(hidden_size, SYMBOLS)

    def forward(self, lives: Lives) -> Tensor:
        # Right and wrong pairs are equally frequent, so an outcome is as surprising as it is good.
        output, _ = self.network(lives.input, reward=lives.outcome, prediction_error=lives.outcome)
        logits: Tensor = self.readout(output)
        return logits


def draw_lives(batch: int, generator: torch.Generator) -> Lives:
    """Draw lives: 6 keys, each once with its right value and once with a wrong one, and the query of every key."""
    rows = torch.arange(batch)
    keys, order, asked = (
        torch.stack([torch.randperm(size, generator=generator) for _ in rows]) for size in (SYMBOLS, 2 * PAIRS, PAIRS)
    )
    right = torch.randint(SYMBOLS, (batch, PAIRS), generator=generator)
    wrong = (right + torch.randint(1, SYMBOLS, (batch, PAIRS), generator=generator)) % SYMBOLS
    shown, outcome = torch.zeros(TIME, batch, 2 * SYMBOLS + 1), torch.zeros(TIME, batch)
    answer = torch.full((TIME, batch), NOT_ASKED)
    for cue in range(2 * PAIRS):
        pair, good = order[:, cue] % PAIRS, order[:, cue] < PAIRS
        shown[2 * cue, rows, keys[rows, pair]] = 1
        shown[2 * cue, rows, SYMBOLS + torch.where(good, right[rows, pair], wrong[rows, pair])] = 1
        outcome[2 * cue + 1] = 2.0 * good - 1
    for query in range(PAIRS):
        at = 4 * PAIRS + query
        shown[at, rows, keys[rows, asked[:, query]]] = 1
        shown[at, :, -1] = 1
        answer[at] = right[rows, asked[:, query]]
    return Lives(shown, outcome, answer)


def train(steps: int, seed: int, console: Console) -> BindingNetwork:
    torch.manual_seed(seed)
    model, generator = BindingNetwork(), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.01), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, steps)
    for _ in track(range(steps), "learning", console=console):
        lives = draw_lives(32, generator)
        loss = functional.cross_entropy(model(lives).flatten(0, 1), lives.answer.flatten(), ignore_index=NOT_ASKED)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.inference_mode()
def accuracy(model: BindingNetwork, lives: Lives) -> float:
    asked = lives.answer != NOT_ASKED
    right = model(lives).argmax(-1) == lives.answer
    return float(right[asked].double().mean())


def accuracy_without_each(model: BindingNetwork, lives: Lives) -> dict[str, float]:
    """Switch off one thing after the other in a network that has learned with all of them."""
    found = {"nothing": accuracy(model, lives)}
    for ablated in ABLATIONS:
        model.network.set_ablation([ablated])
        found[ablated] = accuracy(model, lives)
    model.network.set_ablation([])
    return found


def draw(model: BindingNetwork, life: Lives, costs: dict[str, float], path: Path) -> None:
    """Draw what the modulators say over one life, and what is lost without each of them."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "brain modulators", "font.family": "sans-serif", "font.size": 10}
    )
    with torch.inference_mode(), model.network.record() as recording:
        given = model(life).argmax(-1)[:, 0]
    figure = plt.figure(figsize=(11.5, 6.2), facecolor=PAPER, layout="constrained")
    grid = figure.add_gridspec(3, 2, width_ratios=(2.5, 1), height_ratios=(0.95, 1.35, 1.35))
    events = figure.add_subplot(grid[0, 0])
    dopamine, tonic = (figure.add_subplot(grid[row, 0], sharex=events) for row in (1, 2))
    _draw_events(events, life, given)
    _draw_courses(dopamine, tonic, recording.course(), life)
    _draw_costs(figure.add_subplot(grid[:, 1]), costs)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _draw_events(panel: Axes, life: Lives, given: Tensor) -> None:
    shown, outcome, answer = life.input[:, 0], life.outcome[:, 0], life.answer[:, 0]
    for t in range(TIME):
        key = chr(ord("A") + int(shown[t, :SYMBOLS].argmax()))
        if outcome[t]:
            good = bool(outcome[t] > 0)
            panel.text(t, 1, "+" if good else MINUS, color=GOOD if good else BAD, weight="bold", size=13, **MIDDLE)
        elif answer[t] != NOT_ASKED:
            right = bool(given[t] == answer[t])
            said = f"{key}?\n{int(given[t]) + 1}"
            panel.text(t, 0.15, said, color=GOOD if right else BAD, weight="bold", size=9, linespacing=1.3, **MIDDLE)
        else:
            value = int(shown[t, SYMBOLS:-1].argmax()) + 1
            panel.text(t, 2, f"{key}\n{value}", color=INK, size=9, linespacing=1.3, **MIDDLE)
    panel.set(ylim=(-0.5, 2.6), xlim=(-0.7, TIME - 0.3), title="one life: pairs, their outcomes, and what is asked at the end")
    panel.set_yticks([2, 1, 0.15], ["pair", "outcome", "query, answer"])
    _mark(panel, life)


def _draw_courses(dopamine: Axes, tonic: Axes, course: ModulatorSignals, life: Lives) -> None:
    for head, values in enumerate(course.dopamine[:, 0].unbind(-1)):
        dopamine.plot(values, color=SHADES[head], marker=".", linewidth=1.2, label=f"head {head + 1}")
    for at, channel in enumerate(CHANNELS):
        tonic.plot(course.tonic[:, 0, at], color=COLOURS[at], marker=".", linewidth=1.2, label=channel)
    dopamine.axhline(0, color=INK, linewidth=0.6)
    dopamine.set(title="dopamine: what each head commits, and with which sign", ylim=(-1.12, 1.6))
    dopamine.set_yticks([-1, 0, 1])
    tonic.set(title="tonic levels", ylim=(-0.04, 1.0), xlabel="step")
    for panel in (dopamine, tonic):
        _mark(panel, life)
        panel.legend(ncols=4, fontsize=8, loc="upper right", frameon=False, borderpad=0)
    dopamine.tick_params(labelbottom=False)


def _draw_costs(panel: Axes, costs: dict[str, float]) -> None:
    names = list(costs)[::-1]
    colours = ["#3949ab" if name == "nothing" else "#9fa8da" for name in names]
    bars = panel.barh(names, [100 * costs[name] for name in names], color=colours)
    panel.bar_label(bars, labels=[f"{100 * costs[name]:.0f}" for name in names], padding=4, fontsize=9, color=INK)
    panel.axvline(100 / SYMBOLS, color=INK, linewidth=0.8, linestyle=":")
    panel.text(100 / SYMBOLS + 1.5, -0.62, "chance", fontsize=8, color=INK)
    panel.set(title="right answers without …", xlabel="% of queries; switched off\nafter learning, not retrained", xlim=(0, 112))
    panel.set_facecolor(PAPER)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)


def _mark(panel: Axes, life: Lives) -> None:
    for t in range(TIME):
        if life.outcome[t, 0]:
            panel.axvspan(t - 0.5, t + 0.5, color=GOOD if life.outcome[t, 0] > 0 else BAD, alpha=0.1, linewidth=0)
    panel.axvspan(4 * PAIRS - 0.5, TIME - 0.5, color="#3949ab", alpha=0.07, linewidth=0)
    panel.set_facecolor(PAPER)
    panel.spines[["top", "right"]].set_visible(False)
    if panel.get_xlabel() != "step":
        panel.tick_params(labelbottom=False)


def show(costs: dict[str, float], console: Console) -> None:
    table = Table("switched off", "right answers", title="What each part is good for, in a network that has learned with all")
    table.columns[1].justify = "right"
    for name, share in costs.items():
        table.add_row(name, f"{share:.1%}")
    table.add_row("(chance)", f"{1 / SYMBOLS:.1%}")
    console.print(table)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Draw what a brain's modulators do, and what it costs to switch each off.")
    parser.add_argument("--run", type=Path, default=Path("runs/brain_modulators"), help="where the picture is written")
    parser.add_argument("--steps", type=int, default=500, help="updates of the weights")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    console = Console()
    model = train(chosen.steps, chosen.seed, console)
    generator = torch.Generator().manual_seed(chosen.seed + 1)
    costs = accuracy_without_each(model, draw_lives(500, generator))
    show(costs, console)
    picture = chosen.run / "modulators.svg"
    draw(model, draw_lives(1, generator), costs, picture)
    console.print(f"the picture: {picture}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
