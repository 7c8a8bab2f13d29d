"""The page of a run: how long it takes to write, to open, and to filter, at 1,000 to 50,000 spans, in headless Chromium.

    python -m benchmarks.trace_page.run [--quick]

Every size is opened anew in each round. A filter is timed from the change to the end of the frame that shows it. `--quick`
does one round of the smallest size and writes nothing.
"""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import reports
from benchmarks.trace_page.synthetic import write_run
from tests.tracing.page.chromium import Chromium, Tab

SIZES = (1_000, 10_000, 50_000)
ROUNDS = 5
REPEATS = 3
SEARCHES = ("torn", "battery lasts", "e", '"in the middle of a string"', "nothing-is-found")
CHOICES = {
    "function": "document.getElementById('filter-function').options[1].selected = true",
    "kind": "[...document.getElementById('filter-kind').options].find(one => one.text === 'call').selected = true",
    "status": "[...document.getElementById('filter-status').options].find(one => one.value === 'error').selected = true",
    "step": "document.getElementById('filter-step').value = '10-40'",
}
MEASURES = {
    "write_seconds": ("written", "s", 2),
    "write_peak_megabytes": ("memory to write it", "MB", 0),
    "spans_megabytes": ("size of the spans", "MB", 2),
    "megabytes": ("size of the page", "MB", 2),
    "first_paint": ("first paint", "ms", 0),
    "usable": ("rows shown", "ms", 0),
    "searchable": ("all indexed", "ms", 0),
    "filter_median": ("a filter, median", "ms", 0),
    "filter_95": ("a filter, 95%", "ms", 0),
    "filter_worst": ("a filter, worst", "ms", 0),
    "search_median": ("a search, median", "ms", 0),
    "search_95": ("a search, 95%", "ms", 0),
    "search_worst": ("a search, worst", "ms", 0),
    "scroll_median": ("a screen further, median", "ms", 0),
    "scroll_95": ("a screen further, 95%", "ms", 0),
    "heap_megabytes": ("browser's heap", "MB", 0),
}
FRAME = "await new Promise(done => requestAnimationFrame(() => setTimeout(done)))"


def main() -> None:
    quick = "--quick" in sys.argv
    sizes, rounds = (SIZES[:1], 1) if quick else (SIZES, ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        runs = {size: _written(Path(folder) / str(size), size) for size in sizes}
        found: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes}
        for _ in range(rounds):
            for size, (path, told) in runs.items():
                with Chromium() as browser:
                    version = browser.tell("Browser.getVersion")["product"]
                    found[size].append(told | looked_at(browser, path))
    record = {
        "machine": reports.machine(browser=version),
        "load": os.getloadavg()[1],
        "rounds": rounds,
        "sizes": {str(size): summed(found[size]) for size in sizes},
    }
    Console().print(reports.terminal_table(_heads(sizes), ((None, row) for row in _rows(record)), "A run's page"))
    if not quick:
        reports.write("trace_page", record, {"results": _page(record, sizes)})


def looked_at(browser: Chromium, path: Path) -> dict[str, Any]:
    """Open a page and use it."""
    tab = browser.open(path)
    tab.until("performance.getEntriesByName('searchable').length", 120)
    marks = "Object.fromEntries(performance.getEntries().map(one => [one.name, one.startTime]))"
    times = tab.run(marks)
    filters = [_filtered(tab, name, change) for name, change in list(CHOICES.items()) * REPEATS]
    searches = [_searched(tab, words) for words in SEARCHES * REPEATS]
    tab.press("x")
    tab.run("document.getElementById('tree').focus()")
    scrolls = [_scrolled(tab) for _ in range(10)]
    heap = tab.run("performance.memory.usedJSHeapSize") / 1e6
    assert tab.problems == [], tab.problems
    return {
        "first_paint": times["first-contentful-paint"],
        "usable": times["usable"],
        "searchable": times["searchable"],
        "heap_megabytes": heap,
        "filter": filters,
        "search": searches,
        "scroll": scrolls,
    }


def summed(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the medians over the rounds; of what is done many times, the median, the rank of 95%, and the worst of all times."""
    found: dict[str, Any] = {}
    for name, value in rounds[0].items():
        if isinstance(value, list):
            times = sorted(time for one in rounds for time in one[name])
            found[f"{name}_median"] = reports.median(times)
            found[f"{name}_95"] = reports.rounded(times[math.ceil(0.95 * len(times)) - 1])
            found[f"{name}_worst"] = reports.rounded(times[-1])
            found[f"{name}_times"] = [reports.rounded(time) for time in times]
        else:
            found[name] = reports.median(one[name] for one in rounds)
    return found


def _written(folder: Path, size: int) -> tuple[Path, dict[str, float]]:
    """Write a run, and its page in a process of its own."""
    spans = write_run(folder, size)
    before = time.perf_counter()
    code = "import sys; from llm_brain.tracing.page import write_page; write_page(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, env={**os.environ, "PYTHONPATH": str(reports.ROOT)})
    seconds = time.perf_counter() - before
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    path = folder / "traces.html"
    source = sum(one.stat().st_size for one in (folder / "spans").iterdir())
    told = {"spans": spans, "spans_megabytes": source / 1e6, "megabytes": path.stat().st_size / 1e6}
    return path, told | {"write_seconds": seconds, "write_peak_megabytes": peak}


def _filtered(tab: Tab, name: str, change: str) -> float:
    event = "input" if name in {"step", "search"} else "change"
    place = "search" if name == "search" else f"filter-{name}"
    tab.press("x")
    tab.run(f"(async () => {{ {FRAME}; {FRAME}; performance.clearMeasures() }})()")
    tab.run(f"{change}; document.getElementById('{place}').dispatchEvent(new Event('{event}'))")
    return float(tab.until("performance.getEntriesByName('filter')[0]?.duration"))


def _searched(tab: Tab, words: str) -> float:
    """Give the time without the pause in which the page waits for another key."""
    return _filtered(tab, "search", f"document.getElementById('search').value = {words!r}")


def _scrolled(tab: Tab) -> float:
    change = "document.getElementById('tree').scrollTop += 700"
    return float(
        tab.run(f"(async () => {{ const begun = performance.now(); {change}; {FRAME}; return performance.now() - begun }})()")
    )


def _heads(sizes: tuple[int, ...]) -> list[str]:
    return ["", *(f"{size:,} spans" for size in sizes)]


def _rows(record: dict[str, Any]) -> list[list[str]]:
    return [
        [title, *(f"{size[name]:,.{digits}f} {unit}" for size in record["sizes"].values())]
        for name, (title, unit, digits) in MEASURES.items()
    ]


def _page(record: dict[str, Any], sizes: tuple[int, ...]) -> str:
    machine = f"{reports.told(record['machine'])}, {record['machine']['browser']}"
    told = f"{record['rounds']} rounds on {machine}, with a load of {record['load']:.0f}."
    return f"{reports.page_table(_heads(sizes), _rows(record))}\n\n{told}"


if __name__ == "__main__":
    main()
