"""A brain is taught a typed function from pairs, and takes its place: offline, in less than a minute on one processor.

python -m examples.teaching.demo
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch
from rich.console import Console
from rich.markup import escape

from examples.teaching.interface import Colleague, Desk, Plan, Ticket
from examples.teaching.messages import messages
from llm_brain import LLMBrainError, typed
from llm_brain.training import ByteReader, Given, Taught, TrainingSettings, measure, teach
from llm_brain.training.cascade import cascade

SETTINGS = TrainingSettings(epochs=20, batch_size=32, learning_rate=0.01, patience=6, held_out=0.4)
BRAIN = {"width": 64, "conv_size": 4}
AGREEMENT = 0.95


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; an error of ours is one line, and Ctrl-C a clean stop."""
    parser = argparse.ArgumentParser(description="Teach a brain a support desk.")
    parser.add_argument("--run", type=Path, default=Path("runs/teaching"), help="where everything is kept")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        run_demo(options.run, console)
    except KeyboardInterrupt:
        console.print("\nstopped. Nothing is lost: the same command goes on where it was.")
        return 130
    except LLMBrainError as error:
        console.print(f"[bold red]stopped:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return 1
    return 0


def run_demo(run: Path, console: Console, *, pairs: int = 240, calls: int = 200, settings: TrainingSettings = SETTINGS) -> Taught:
    """Teach, then use the brain alone, and the brain with the colleague behind it."""
    torch.set_num_threads(1)
    begin = time.monotonic()

    # 1. Pairs: what was asked and answered so far. Here the colleague answers made-up messages.
    desk = Desk()
    asked = messages(pairs, seed=0)
    tickets: list[Ticket] = typed(desk.triage).map(asked)
    given = Given(list(zip(asked, tickets, strict=True)))

    # 2. A lesson. The folder keeps all of it: the same call goes on where it was, and a finished one is read back.
    taught = teach(Desk.triage, given, folder=run, reader=ByteReader(), settings=settings, brain=BRAIN)
    console.print(f"taught with {len(taught.pairs)} pairs in {time.monotonic() - begin:.0f} s", highlight=False)
    console.print(f"it is right on {taught.score:.0%} of the pairs that were set aside to validate it\n", highlight=False)

    # 3. The brain in the place of the model: one changed line.
    brain: Desk = Desk.using(taught.student)()  # type: ignore[attr-defined]
    for plan in get_args(Plan):
        ticket = brain.triage("The pump does not start.", plan)
        console.print(f"The pump does not start. ({plan})\n  {ticket!r}", highlight=False)

    # 4. New messages, of which it is known what is right.
    new = [call for call in messages(pairs + calls, seed=1) if call not in asked][:calls]
    gold = [({"message": message, "plan": plan}, desk.triage(message, plan)) for message, plan in new]
    alone = measure(Desk.triage, taught.student, gold)
    low, high = alone.interval
    console.print(
        f"\nalone, the brain is right on {alone.accuracy:.1%} of {calls} new calls ({low:.1%} to {high:.1%})", highlight=False
    )

    # 5. The brain where it is sure, the colleague elsewhere.
    both = cascade(taught.student, Colleague(), agreement=AGREEMENT, held_out=taught.calibration)
    together: Desk = Desk.using(both)()  # type: ignore[attr-defined]
    answers = typed(together.triage).map(new)
    right = sum(answer == wanted for answer, (_, wanted) in zip(answers, gold, strict=True))
    share = f"the brain answered {both.stats.share:.0%} of the calls itself"
    console.print(f"with the colleague behind it, {right / calls:.1%}; {share}", highlight=False)
    return taught


if __name__ == "__main__":
    sys.exit(main())
