"""The support desk at work, with the embedded model: no key, no network, about twenty seconds.

python -m examples.support_desk.demo
"""

from __future__ import annotations

import sys
import time
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from examples.support_desk.interface import Department, SupportDesk
from examples.support_desk.tickets import CRANK, INBOX
from llm_brain import Details, LLMBrainError, typed
from llm_brain.errors import BackendError

T = TypeVar("T")

# The one changed line for a stronger model: `Desk = llm_strategy("openai:MODEL")(SupportDesk)`.
Desk = SupportDesk

NOTE = """\
The embedded model has 135 million parameters and runs on this processor.
It [bold]chooses[/] among a few answers rather well. It [bold]writes[/] fluently and knows next to
nothing: what it writes is checked for its form, not for its truth."""
SHOWN = (
    "Where is my order? It was promised for Monday.",
    "My card was debited two times.",
    "There is a crack in the frame.",
    "Wo bleibt mein Paket?",
    "Où est mon colis ?",
    "Great service, the parcel came a day early.",
)


def main() -> int:
    """Run the demo; an error of ours is one line, and Ctrl-C a clean stop."""
    console = Console()
    desk = Desk("Nordwind Bikes")
    try:
        run_demo(desk, console)
    except KeyboardInterrupt:
        console.print("\nstopped")
        return 130
    except LLMBrainError as error:
        console.print(f"[bold red]stopped:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return 1
    return 0


def run_demo(desk: SupportDesk, console: Console) -> None:
    """Show one way of calling after the other."""
    begin = time.monotonic()
    console.print(NOTE)
    show_routes(desk, console)
    show_inbox(desk, console)
    show_reply(desk, console)
    show_questions(desk, console)
    show_details(desk, console)
    console.print(f"\n{time.monotonic() - begin:.0f} s", style="dim", highlight=False)


def show_routes(desk: SupportDesk, console: Console) -> None:
    """Ask three questions about each message, and show how sure the model is of its answers."""
    _title(console, "Choices, with their probabilities", "desk.department(message), desk.language(message), ...")
    table = Table(box=None, pad_edge=False)
    for column in ("message", *(department.value for department in Department), "language", "happy"):
        table.add_column(column, justify="left" if column in ("message", "language") else "right")
    departments = typed(desk.department).map_details(SHOWN)
    languages = typed(desk.language).map_details(SHOWN)
    moods = typed(desk.is_happy).map_details(SHOWN)
    for message, department, language, mood in zip(SHOWN, departments, languages, moods, strict=True):
        table.add_row(message, *_shares(department), _best(language), _best(mood))
    console.print(table)


def show_inbox(desk: SupportDesk, console: Console) -> None:
    """Route thirty messages in one call, and count how many went where a person would send them."""
    _title(console, "Many at once", 'typed(desk.department).map(messages, progress="routing")')
    messages = [(message, department) for department, batch in INBOX.items() for message in batch]
    begin = time.monotonic()
    answers = typed(desk.department).map([message for message, _ in messages], progress="routing")
    took = time.monotonic() - begin
    right = sum(answer is department for answer, (_, department) in zip(answers, messages, strict=True))
    console.print(f"{right} of {len(messages)} are where a person would send them; {took:.1f} s", highlight=False)
    for answer, (message, department) in zip(answers, messages, strict=True):
        if answer is not department:
            console.print(f"  {answer.value} instead of {department.value}: {message}", style="dim", highlight=False)


def show_reply(desk: SupportDesk, console: Console) -> None:
    """Print a text as it is written."""
    _title(console, "A text, word by word", 'for piece in typed(desk.reply).stream("a late parcel"): ...')
    try:
        for piece in typed(desk.reply).stream("a late parcel"):
            console.print(piece, end="", markup=False, highlight=False)
        console.print()
    except BackendError as error:
        if error.kind != "length":
            raise
        # A text that was cut off is no answer, and says so; a small model seldom finds its end.
        console.print(" ... (cut off by its length limit)", style="dim", highlight=False)


def show_questions(desk: SupportDesk, console: Console) -> None:
    """Print the items of a list, each as soon as it is complete."""
    _title(console, "A list, item by item", 'for question in desk.open_questions("a broken part"): ...')
    begin = time.monotonic()
    for question in desk.open_questions("a broken part"):
        console.print(f"{time.monotonic() - begin:4.1f} s  {question!r}", markup=False, highlight=False)


def show_details(desk: SupportDesk, console: Console) -> None:
    """Show what is known about one answer."""
    _title(console, "One of three types, and how it came about", "typed(desk.next_action).with_details(ticket)")
    details = typed(desk.next_action).with_details(CRANK)
    known = {
        "value": details.value,
        "implementation": details.implementation,
        "attempts": details.attempts,
        "repaired": details.repaired,
        "tokens": f"{details.usage.input_tokens} read, {details.usage.output_tokens} written" if details.usage else "unknown",
    }
    for name, value in known.items():
        console.print(f"{name:>14}  {value!r}" if name == "value" else f"{name:>14}  {value}", markup=False, highlight=False)


def _title(console: Console, title: str, code: str) -> None:
    console.print(f"\n[bold]{title}[/]\n[dim]{escape(code)}[/]", highlight=False)


def _shares(answer: Details[Department] | LLMBrainError) -> list[str]:
    """Show the probability of every department, the chosen one's in bold."""
    if isinstance(answer, LLMBrainError):
        return ["?"] * len(Department)
    shares = answer.probabilities  # a model that answers in words gives none
    cells = {department: f"{shares[department]:.0%}" if shares else "" for department in Department}
    cells[answer.value] = f"[bold]{cells[answer.value] or 'x'}[/]"
    return list(cells.values())


def _best(answer: Details[T] | LLMBrainError) -> str:
    if isinstance(answer, LLMBrainError):
        return "?"
    share = answer.probabilities.get(answer.value)
    return str(answer.value) if share is None else f"{answer.value} {share:.0%}"


if __name__ == "__main__":
    sys.exit(main())
