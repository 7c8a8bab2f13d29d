"""What is told of a measurement: the record that is kept, and the tables that are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from benchmarks import reports

Record = Mapping[str, Any]
HEADS = ("", "calls a second", "tokens a second", "CPU s a call", "times as fast")


def summarised(rounds: Mapping[str, Mapping[str, list[dict[str, float]]]], calls: int) -> dict[str, Any]:
    """Give each way's medians, and how many times as fast as the first one of its group it is: the median of the rounds'."""
    groups: dict[str, Any] = {}
    for group, measured in rounds.items():
        reference = next(iter(measured.values()))
        groups[group] = {}
        for way, turns in measured.items():
            made: dict[str, Any] = {
                "calls_a_second": reports.median(calls / turn["seconds"] for turn in turns),
                "cpu_seconds_a_call": reports.median(turn["cpu_seconds"] / calls for turn in turns),
            }
            rate, unit = _per_call, "calls"
            if any(turn["tokens"] for turn in turns):
                made["tokens_a_second"] = reports.median(turn["tokens"] / turn["seconds"] for turn in turns)
                if group in ("free text", "the schema"):
                    rate, unit = _per_token, "tokens"  # some replies are longer than others
            pairs = list(zip(turns, reference, strict=True))
            made["times_as_fast"] = reports.median(rate(other) / rate(turn) for turn, other in pairs)
            made["times_as_fast_by"] = unit
            made["cpu_times_as_fast"] = reports.median(other["cpu_seconds"] / turn["cpu_seconds"] for turn, other in pairs)
            groups[group][way] = {
                **made,
                "rounds": [{key: reports.rounded(value) for key, value in turn.items()} for turn in turns],
            }
    return groups


def table(record: Record) -> Table:
    """Make the table for a terminal."""
    title = f"The embedded model. Medians of {record['rounds']} rounds of {record['calls']} calls"
    shown = reports.terminal_table(HEADS, (), title)
    for group, ways in record["groups"].items():
        shown.add_section()
        shown.add_row(group, style="bold")
        for way, made in ways.items():
            shown.add_row(f"  {way}", *_cells(made))
    return shown


def results(record: Record) -> str:
    """Make the page's table."""
    rows: list[tuple[str, ...]] = []
    for group, ways in record["groups"].items():
        rows.append((f"**{group}**", *[""] * (len(HEADS) - 1)))
        rows += [(way, *_cells(made)) for way, made in ways.items()]
    machine, load = record["machine"], record["load"]
    place = f"{reports.told(machine)}, torch {machine['torch']}"
    told = f"Medians of {record['rounds']} rounds of {record['calls']} calls in {machine['dtype']} on {place}."
    busy = f"The machine's load was {load['before']:.1f} before the first round and {load['after']:.1f} after the last."
    return "\n".join([reports.page_table(HEADS, rows), "", told, busy])


def _cells(made: Mapping[str, Any]) -> tuple[str, ...]:
    tokens = f"{made['tokens_a_second']:.0f}" if "tokens_a_second" in made else ""
    return f"{made['calls_a_second']:.2f}", tokens, f"{made['cpu_seconds_a_call']:.3f}", f"{made['times_as_fast']:.2f}"


def _per_call(turn: Mapping[str, float]) -> float:
    return turn["seconds"]


def _per_token(turn: Mapping[str, float]) -> float:
    return turn["seconds"] / turn["tokens"]
