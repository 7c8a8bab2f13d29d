"""A task whose texts are regular expressions: a date, an amount and a code are found in a message. Truth needs no judge."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

Texts = dict[str, str]
START: Texts = {"date": r"\d{4}-\d{2}-\d{2}", "amount": r"\$\d+\.\d{2}", "code": r"[A-Z]{2}-\d{4}"}
LONGEST = 600
MONTHS = ("January", "March", "April", "May", "June", "August", "October")


@dataclass(frozen=True)
class Message:
    """What is read, and what should be found in it."""

    text: str
    expected: dict[str, str]


def messages(seed: int, count: int) -> list[Message]:
    """Make messages; the same for the same seed."""
    random = Random(f"messages {seed}")
    return [message(random) for _ in range(count)]


def message(random: Random) -> Message:
    expected = {name: random.choices(kinds, weights=range(len(kinds), 0, -1))[0](random) for name, kinds in KINDS.items()}
    parts = [f"{random.choice(WORDS[name])} {value}" for name, value in expected.items()]
    parts += [noise(random) for noise in random.sample(NOISE, 2)]
    random.shuffle(parts)
    return Message(", ".join(parts), expected)


def found(texts: Texts, text: str) -> dict[str, str | None]:
    """Run the program: the first match of each pattern; nothing where the pattern is none."""
    return {name: _first(pattern, text) for name, pattern in texts.items()}


def score(case: Message, result: dict[str, str | None]) -> tuple[float, str]:
    """Give the share of the fields that were found exactly, and what is to be said of each."""
    lines = [
        f"{name}: right" if result[name] == value else f"{name}: expected {value!r}, found {result[name]!r}"
        for name, value in case.expected.items()
    ]
    return sum(line.endswith(": right") for line in lines) / len(lines), "\n".join(lines)


def accuracy(texts: Texts, cases: list[Message]) -> float:
    return sum(score(case, found(texts, case.text))[0] for case in cases) / len(cases)


def _first(pattern: str, text: str) -> str | None:
    try:
        match = re.search(pattern, text)
    except (re.error, OverflowError):
        return None
    return None if match is None else match[0]


def _day(random: Random) -> int:
    return random.randint(1, 28)


Kind = Callable[[Random], str]
# Of each kind of field the first ones are the most frequent.
KINDS: dict[str, tuple[Kind, ...]] = {
    "date": (
        lambda r: f"{_day(r)} {r.choice(MONTHS)} 20{r.randint(10, 29)}",
        lambda r: f"20{r.randint(10, 29)}-{r.randint(1, 12):02}-{_day(r):02}",
        lambda r: f"{r.choice(MONTHS)} {_day(r)}, 20{r.randint(10, 29)}",
        lambda r: f"{_day(r):02}/{r.randint(1, 12):02}/20{r.randint(10, 29)}",
        lambda r: f"{_day(r)}.{r.randint(1, 12)}.{r.randint(10, 29)}",
    ),
    "amount": (
        lambda r: f"{r.randint(1, 99)}.{r.randint(10, 99)} EUR",
        lambda r: f"${r.randint(1, 99)}.{r.randint(10, 99)}",
        lambda r: f"€{r.randint(1, 9)},{r.randint(100, 999)}",
        lambda r: f"USD {r.randint(5, 400)}",
        lambda r: f"{r.randint(2, 90)} dollars",
    ),
    "code": (
        lambda r: f"#{r.randint(10000, 99999)}",
        lambda r: f"{_letters(r, 2)}-{r.randint(1000, 9999)}",
        lambda r: f"ORD/{r.randint(2010, 2029)}/{r.randint(1, 99)}",
        lambda r: f"{_letters(r, 1)}{r.randint(1, 9)}-{r.randint(10, 99)}-{_letters(r, 1)}",
        lambda r: f"no. {r.randint(100, 999)}",
    ),
}
WORDS = {"date": ("sent on", "bought", "of"), "amount": ("for", "paid", "at"), "code": ("order", "see", "ref")}
NOISE: tuple[Kind, ...] = (
    lambda r: f"phone 555-{r.randint(1000, 9999)}",
    lambda r: f"call after {r.randint(1, 23)}:{r.randint(10, 59)}",
    lambda r: f"{r.randint(2, 9)} items",
    lambda r: f"room {r.randint(1, 40)}{_letters(r, 1)}",
    lambda r: f"version {r.randint(1, 9)}.{r.randint(0, 9)}",
    lambda r: f"{r.choice(MONTHS)} was rainy",
)


def _letters(random: Random, count: int) -> str:
    return "".join(random.choices("ABCDEFGHKLMNPRST", k=count))
