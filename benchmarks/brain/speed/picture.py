"""The page's picture: tokens a second beside nn.GRU, and memory against the length of a sequence."""

from __future__ import annotations

from typing import Any

from benchmarks.brain.speed.report import KNOWN, Record, trained
from benchmarks.brain.speed.rows import EQUAL_WIDTH, OURS, REFERENCE
from benchmarks.reports import ROOT

PICTURE = ROOT / "docs" / "pictures" / "brain-speed.svg"
DARK, LIGHT, GREY = "#3949ab", "#9fa8da", "#a6a9b8"
PAPER = "#fafaff"


def draw(record: Record) -> None:
    """Draw how many times nn.GRU's tokens a second each row has, and what a pass keeps in memory."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "brain speed", "font.family": "sans-serif", "font.size": 10})
    figure, (speed, memory) = plt.subplots(1, 2, figsize=(9.8, 4.6), facecolor=PAPER, layout="constrained")
    _speed(speed, record)
    _memory(memory, record)
    figure.savefig(PICTURE, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _speed(panel: Any, record: Record) -> None:
    rows = trained(record, EQUAL_WIDTH)[::-1]
    places = [place["rows"] for place in record["places"].values() if place["device"] == "cpu"]
    height = 0.8 / len(places)
    for number, (found, colour) in enumerate(zip(places, (LIGHT, DARK), strict=False)):
        values = [found[row.name]["times_gru"][f"{EQUAL_WIDTH}.tokens_per_second"] for row in rows]
        offset = (number - (len(places) - 1) / 2) * height
        threads = "1 thread" if number == 0 else "2 threads"
        bars = panel.barh([place - offset for place in range(len(rows))], values, height, color=colour, label=threads)
        panel.bar_label(bars, labels=[f"{value:.2f}" for value in values], padding=3, fontsize=7.5, color="#333")
    panel.axvline(1.0, color=GREY, linewidth=1, zorder=0)
    panel.set_yticks(range(len(rows)), [row.title for row in rows])
    panel.set(title="tokens a second, forward and backward", xlabel="times nn.GRU's, 256 wide", facecolor=PAPER)
    panel.legend(frameon=False, loc="lower right")
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)


def _memory(panel: Any, record: Record) -> None:
    steps: list[int] = []
    for name, points in record["memory"]["rows"].items():
        steps = [told["steps"] for told in points]
        colour = DARK if name in OURS else GREY if name == REFERENCE else LIGHT
        panel.plot(steps, [told["saved_bytes"] / 1e6 for told in points], color=colour, marker="o", label=KNOWN[name].title)
    panel.set(xscale="log", yscale="log", xlabel="steps of a sequence", facecolor=PAPER)
    panel.set_xticks(steps, [str(count) for count in steps])
    panel.minorticks_off()
    panel.yaxis.set_major_formatter("{x:,.0f}")
    panel.set_title(f"MB kept for the way back, {record['memory']['batch']} sequences")
    panel.legend(frameon=False)
    panel.spines[["top", "right"]].set_visible(False)
