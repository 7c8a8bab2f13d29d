"""Does the loop go on at its speed while evaluations of a second each are under way?

    python -m benchmarks.teaching.overlap            # four ways, several rounds; writes benchmarks/results/teaching_overlap.json
    python -m benchmarks.teaching.overlap --quick    # a few seconds each; writes nothing

A brain learns the routing task from its true labels, and its answers are evaluated by a server on this machine, in a process of
its own, that takes a second for each. Four ways are timed one after the other in every round:

    alone       no feedback at all
    at once     a judge that answers immediately, in memory: what drawing answers and learning from them costs by itself
    overlapped  the server, sixteen evaluations in flight, none of them waited for
    blocking    the server, sixteen in flight, and every step waits for the evaluations of the answers that it drew, as the seed
                of this project did

The loop is `Trainer` with its journal, as `train` calls it, without validation and checkpoints.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.reports import RESULTS, machine, rounded, terminal_table
from benchmarks.teaching import plan, pupils
from llm_brain.training import FeedbackPool, Journal, Pair
from llm_brain.training.feedback import Evaluate
from llm_brain.training.loop.trainer import Trainer
from llm_brain.training.settings import TrainingSettings

WAYS = {
    "alone": "no feedback",
    "at_once": "a judge that answers at once",
    "overlapped": "a second each, overlapped",
    "blocking": "a second each, waited for",
}
IN_FLIGHT, PROMPTS, ANSWERS = 16, 8, 4
LATENCY = 1.0
ROUNDS, SECONDS, WARM_UP = 5, 12.0, 2.0
QUICK_ROUNDS, QUICK_SECONDS = 1, 3.0
STALENESS = (
    1000  # a step takes milliseconds, an evaluation a second: an answer is some dozens of updates old when its score comes
)
SETTINGS = TrainingSettings(
    epochs=10_000,
    batch_size=32,
    schedule="constant",
    feedback_prompts=PROMPTS,
    answers_per_prompt=ANSWERS,
    evaluations_in_flight=IN_FLIGHT,
    max_staleness=STALENESS,
)


class Evaluator(BaseHTTPRequestHandler):
    """Scores an answer after a second: 1 where it is the one that the request says is right, else 0."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(LATENCY)
        body = json.dumps({"score": float(asked["answer"] == asked["right"])}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as there are evaluations in flight; the base class lets five wait."""

    daemon_threads = True
    request_queue_size = 4 * IN_FLIGHT


def serve(told: Connection) -> None:
    """Serve until the process is ended."""
    server = Server(("127.0.0.1", 0), Evaluator)
    told.send(server.server_address[1])
    server.serve_forever()


@contextmanager
def served() -> Iterator[int]:
    """Run the server in a process of its own; give its port."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def asking(port: int, right: list[Any]) -> Evaluate:
    """Give what asks the server for a score."""

    def evaluate(prompt: int, answer: Any) -> float:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", "/", json.dumps({"answer": answer, "right": right[prompt]}))
            return float(json.loads(connection.getresponse().read())["score"])
        finally:
            connection.close()

    return evaluate


def measure(way: str, port: int, seconds: float, warm_up: float = WARM_UP) -> dict[str, float]:
    """Train for some seconds, and tell how fast.

    Args:
        way: Of `WAYS`.
        port: The server's.
        seconds: How long.
        warm_up: How long before anything is counted.
    """
    task = plan.load("routing")
    pairs = [Pair(text, answer) for text, answer in task.true_pairs]
    prompts = [pair.text for pair in pairs]
    right = [pair.answer for pair in pairs]
    recipe = plan.recipe("routing")
    torch.manual_seed(0)
    learner = pupils.pupil_of(pupils.build(task, recipe), task, recipe, pairs, prompts)
    evaluate = asking(port, right) if way in ("overlapped", "blocking") else lambda prompt, answer: float(answer == right[prompt])
    with (
        tempfile.TemporaryDirectory() as folder,
        Journal(Path(folder, "journal.jsonl"), way) as journal,
        FeedbackPool(evaluate, max_staleness=STALENESS, workers=IN_FLIGHT, journal=journal) as pool,
    ):
        trainer = Trainer(learner, SETTINGS, feedback=None if way == "alone" else pool)
        run_for(trainer, warm_up, pool.wait if way == "blocking" else None)
        before = pool.counts.metrics()
        steps, taken, cpu = run_for(trainer, seconds, pool.wait if way == "blocking" else None)
        counted = {name: value - before[name] for name, value in pool.counts.metrics().items()}
    return {
        "steps_a_second": steps / taken,
        "evaluations_a_second": counted["asked"] / taken,
        "used_a_second": ANSWERS * counted["used"] / taken,
        "drawn": 0.0 if way == "alone" else 1 - counted["held_back"] / steps,
        "cpu_ms": 1000 * cpu / steps,
    }


def run_for(trainer: Trainer, seconds: float, after_step: Callable[[], object] | None) -> tuple[int, float, float]:
    """Make updates for some seconds; tell how many, how long it took, and how much CPU."""
    begun, cpu, before = time.perf_counter(), time.process_time(), trainer.step
    for epoch in itertools.count(trainer.step // trainer.steps_an_epoch):
        for batch in trainer.batches(epoch):
            if time.perf_counter() - begun >= seconds:
                return trainer.step - before, time.perf_counter() - begun, time.process_time() - cpu
            trainer.train_step(batch)
            if after_step is not None:
                after_step()
    raise AssertionError


def run(rounds: int, seconds: float, warm_up: float = WARM_UP) -> list[dict[str, Any]]:
    """Time all ways, in turn in each round; give a row for each, with the medians of its rounds."""
    told: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with served() as port:
        for _ in range(rounds):
            for way, found in told.items():
                found.append(measure(way, port, seconds, warm_up))
    alone, alone_cpu = ([one[name] for one in told["alone"]] for name in ("steps_a_second", "cpu_ms"))
    shares = {way: [one["steps_a_second"] / base for one, base in zip(found, alone, strict=True)] for way, found in told.items()}
    return [
        {
            "name": way,
            "title": WAYS[way],
            "of_alone": rounded(statistics.median(shares[way])),
            "of_alone_range": [rounded(min(shares[way])), rounded(max(shares[way]))],
            "of_alone_by_cpu": rounded(
                statistics.median(base / one["cpu_ms"] for one, base in zip(found, alone_cpu, strict=True))
            ),
            **{name: rounded(statistics.median(one[name] for one in found)) for name in found[0]},
        }
        for way, found in told.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few seconds each; writes nothing")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often (default: {ROUNDS})")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    rounds = QUICK_ROUNDS if asked.quick else asked.rounds
    rows = run(rounds, QUICK_SECONDS if asked.quick else SECONDS)
    heads = ("", "steps/s", "of alone", "by CPU", "evaluations/s", "drawn in", "CPU, ms")
    cells = (
        (
            None,
            (
                row["title"],
                f"{row['steps_a_second']:.1f}",
                f"{row['of_alone']:.1%}",
                f"{row['of_alone_by_cpu']:.1%}",
                f"{row['evaluations_a_second']:.1f}",
                f"{row['drawn']:.0%}",
                f"{row['cpu_ms']:.1f}",
            ),
        )
        for row in rows
    )
    Console().print(terminal_table(heads, cells, "learning while evaluations are under way"))
    if not asked.quick:
        path = RESULTS / "teaching_overlap.json"
        record = {"machine": machine(), "rounds": rounds, "seconds": SECONDS, "latency": LATENCY, "rows": rows}
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
