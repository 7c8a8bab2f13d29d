"""The category of a quotation, out of Debian's package `fortunes`: real texts, whose true categories are known.

The package sorts its quotations into files. Six inoffensive ones of these are taken, each quotation without its author and
source, which would give it away. Very short and long ones are left out, those that stand in two files, and those in doubtful
taste. Which quotations are gold is decided by the hashes of their texts, and hence the same wherever the package is.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from pathlib import Path
from typing import Literal, get_args

from benchmarks.teaching.task import Example, TeachingTask
from llm_brain import examples, llm_strategy
from llm_brain.errors import DataError

Category = Literal["computers", "education", "food", "law", "literature", "science"]
CATEGORIES: tuple[Category, ...] = get_args(Category)

FOLDER = Path(os.environ.get("FORTUNES_FOLDER", "/usr/share/games/fortunes"))
LONGEST = 300  # characters
SHORTEST = 5  # words
TASTELESS = re.compile(
    r"\b(suicid|murder|kill|rape|sex|hetero|homo|naked|nude|whore|bitch|crap|shit|fuck|damn|drunk|divorc|gyps)", re.IGNORECASE
)
GOLD = 30  # of each category
POOL = 200  # of each category, where there are as many
DEV = 6  # of each category

TOPICS = {
    "category": CATEGORIES,
    "voice": ("a professor", "a comedian", "a proverb", "an old aunt", "a cynic", "a poet", "a reporter", "an inventor"),
    "length": ("one short sentence", "two sentences", "a question and its answer", "a short definition"),
}


@llm_strategy("local")
class Librarian:
    """Sorts quotations."""

    @examples(
        ({"quotation": "A program is never finished, it is only released."}, "computers"),
        ({"quotation": "The pupils slept, and so the lesson was a quiet one."}, "education"),
        ({"quotation": "Soup is what a cook makes of a mistake."}, "food"),
        ({"quotation": "The contract was so long that only its author broke it."}, "law"),
        ({"quotation": "He wrote one novel, and then the same novel again."}, "literature"),
        ({"quotation": "Two theories explain the experiment, and both are wrong."}, "science"),
    )
    def category(self, quotation: str) -> Category:
        """Tell which shelf a quotation belongs to."""
        raise NotImplementedError


def load_task(folder: Path = FOLDER) -> TeachingTask:
    """Load the task.

    Args:
        folder: Where the files of `fortunes` are.

    Raises:
        DataError: They are not there.
    """
    pool: list[Example] = []
    gold: list[Example] = []
    dev: list[Example] = []
    for category, quotations in read_quotations(folder).items():
        labelled = [(quotation, category) for quotation in quotations]
        size = min(GOLD, len(labelled) // 3)
        gold += labelled[:size]
        dev += labelled[size : size + DEV]
        pool += labelled[size + DEV : size + DEV + POOL]
    return TeachingTask(
        name="fortunes",
        interface=Librarian,
        function_name="category",
        pool=sorted(pool, key=_place),
        gold=sorted(gold, key=_place),
        dev=sorted(dev, key=_place),
        topics=TOPICS,
    )


def read_quotations(folder: Path) -> dict[Category, list[str]]:
    """Read the quotations of each category, in the order of their hashes.

    Raises:
        DataError: A file is not there, or is not text.
    """
    read: dict[Category, list[str]] = {}
    for category in CATEGORIES:
        try:
            text = (folder / category).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            message = (
                f"{folder / category} cannot be read ({error}); install the quotations with: apt-get install fortunes, or name "
                "their folder in FORTUNES_FOLDER"
            )
            raise DataError(message) from error
        read[category] = list(dict.fromkeys(map(bare, re.split(r"^%$", text, flags=re.MULTILINE))))
    files = Counter(quotation for quotations in read.values() for quotation in quotations)
    return {
        category: sorted((quotation for quotation in quotations if files[quotation] == 1 and _fits(quotation)), key=_hash)
        for category, quotations in read.items()
    }


def bare(entry: str) -> str:
    r"""Return a quotation in one line and without its author.

    Example:
        >>> bare("A door is what a dog is\nperpetually on the wrong side of.\n\t\t-- Ogden Nash\n")
        'A door is what a dog is perpetually on the wrong side of.'
    """
    return " ".join(re.split(r"^[ \t]+--", entry, maxsplit=1, flags=re.MULTILINE)[0].split())


def _fits(quotation: str) -> bool:
    return len(quotation) <= LONGEST and len(quotation.split()) >= SHORTEST and not TASTELESS.search(quotation)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _place(example: Example) -> str:
    # Not the hash that chose: the least hashes of a long file are less than those of a short one, so it would come first.
    return _hash(f"place {example[0]}")
