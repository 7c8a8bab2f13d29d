"""Training pairs: generated or labelled by the teacher, judged before use, deduplicated, balanced; refusals are counted."""

from __future__ import annotations

import itertools
import json
import random
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llm_brain._atomic import write_atomically
from llm_brain.errors import DataError

TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Pair:
    """An input and the answer that the brain should learn to give.

    Attributes:
        text: The input.
        answer: Which of the options is right, by its index.
        probabilities: The teacher's probability of each option.
        source: Where the pair came from: "generated", "labelled", ...

    Example:
        >>> Pair("It broke.", 1, (0.1, 0.9), "labelled").answer
        1
    """

    text: str
    answer: int
    probabilities: tuple[float, ...]
    source: str


@dataclass
class PairSet:
    """Accepted pairs, and how many were refused for which reason.

    Example:
        >>> pairs = PairSet(options=2)
        >>> pairs.add(Pair("It broke.", 1, (0.1, 0.9), "labelled"))
        True
        >>> pairs.add(Pair("it broke", 1, (0.1, 0.9), "generated")), dict(pairs.refused)
        (False, {'duplicate': 1})
    """

    options: int
    pairs: list[Pair] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    _seen: set[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._seen = {_normalized(pair.text) for pair in self.pairs}

    def add(self, pair: Pair) -> bool:
        """Accept a pair, unless its text is empty or, but for case and punctuation, there already.

        A pair is refused as malformed when it cannot be learned from: its text is not valid Unicode, its answer is not one of
        the options, or its probabilities are not one for each option, finite, and 1 together.
        """
        key = _normalized(pair.text)
        reason = "malformed" if self._is_malformed(pair) else "empty" if not key else "duplicate" if key in self._seen else None
        if reason is not None:
            self.refused[reason] += 1
            return False
        self._seen.add(key)
        self.pairs.append(pair)
        return True

    def refuse(self, reason: str, number: int = 1) -> None:
        """Count pairs that were never built: a reply that failed, an answer that the judge disagreed with."""
        self.refused[reason] += number

    def balance(self, *, most: float = 1.5, seed: int = 0) -> None:
        """Drop pairs of the commonest answers at random until none has more than `most` times the rarest's.

        Example:
            >>> pairs = PairSet(options=2)
            >>> _ = [pairs.add(Pair(f"text {number}", int(number == 0), (0.5, 0.5), "labelled")) for number in range(9)]
            >>> pairs.balance(most=2.0)
            >>> [pair.answer for pair in pairs.pairs].count(0)
            2
        """
        by_answer: dict[int, list[Pair]] = defaultdict(list)
        for pair in self.pairs:
            by_answer[pair.answer].append(pair)
        if len(by_answer) < self.options:
            return
        limit = int(most * min(len(group) for group in by_answer.values()))
        generator = random.Random(seed)
        kept: set[int] = set()
        for group in by_answer.values():
            self.refused["unbalanced"] += max(0, len(group) - limit)
            kept.update(id(pair) for pair in generator.sample(group, min(limit, len(group))))
        self.pairs = [pair for pair in self.pairs if id(pair) in kept]

    def save(self, path: Path) -> None:
        """Write the pairs as JSON lines, all or nothing."""
        write_atomically(path, "".join(json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in self.pairs))

    def _is_malformed(self, pair: Pair) -> bool:
        right = len(pair.probabilities) == self.options and 0 <= pair.answer < self.options
        # Written so that a NaN fails it: one in a target would be one in every weight.
        possible = all(probability >= 0 for probability in pair.probabilities) and abs(sum(pair.probabilities) - 1) <= TOLERANCE
        return not (right and possible and _is_unicode(pair.text))


def read_messages(path: Path, *required: str) -> list[dict[str, Any]]:
    r"""Read a JSON-lines file of records.

    Args:
        path: The file.
        required: The fields that every record must have, each a text.

    Raises:
        DataError: The file is not there, or a line of it is not such a record; the message names the line.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder) / "pool.jsonl"; _ = file.write_text('{"message": "Good."}\n')
        ...     read_messages(file, "message")
        [{'message': 'Good.'}]
    """
    try:
        # Not splitlines: a text may hold U+2028, which JSON need not escape.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {error}"
        raise DataError(message) from error
    return [_record(line, f"line {number} of {path}", required) for number, line in enumerate(lines, start=1) if line.strip()]


def _record(line: str, where: str, required: Sequence[str]) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        message = f"{where} is not JSON: {error}"
        raise DataError(message) from error
    if not isinstance(record, dict):
        message = f"{where} is not a JSON object"
        raise DataError(message)
    for name in required:
        if name not in record:
            message = f"{where} has no field `{name}`"
            raise DataError(message)
        if not isinstance(record[name], str) or not _is_unicode(record[name]):
            message = f"the field `{name}` in {where} is not a text"
            raise DataError(message)
    return record


def split(texts: Sequence[str], held_out: int, *, seed: int = 0) -> tuple[list[str], list[str]]:
    """Set texts aside at random.

    Returns:
        The rest, and the `held_out` ones that were set aside.

    Example:
        >>> rest, aside = split(["a", "b", "c"], 1)
        >>> len(rest), len(aside)
        (2, 1)
    """
    shuffled = list(texts)
    random.Random(seed).shuffle(shuffled)
    return shuffled[held_out:], shuffled[:held_out]


def cycle_inputs(values: Mapping[str, Sequence[str]], number: int, *, seed: int = 0) -> list[dict[str, str]]:
    """Draw combinations of values, none twice until all were drawn, as varied inputs for a generator of pairs.

    Raises:
        DataError: A name has no values.

    Example:
        >>> cycle_inputs({"product": ["kettle"], "mood": ["happy", "unhappy"]}, 3)[0]["product"]
        'kettle'
    """
    combinations = [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]
    if not combinations:
        message = f"`{next(name for name, given in values.items() if not given)}` has no values: there is nothing to combine"
        raise DataError(message)
    random.Random(seed).shuffle(combinations)
    return [combinations[index % len(combinations)] for index in range(number)]


def keep_agreed(pairs: Iterable[Pair], judge: Callable[[list[str]], Sequence[tuple[float, ...] | None]], into: PairSet) -> None:
    """Judge pairs before they are used: keep those whose answer the judge agrees with.

    Args:
        pairs: What to judge.
        judge: Gives each text's probabilities of the options, None where it could not say.
        into: Takes what is kept, and counts what is not.

    Example:
        >>> pairs = PairSet(options=2)
        >>> written = [Pair("It broke.", 1, (), "generated"), Pair("It works.", 1, (), "generated")]
        >>> keep_agreed(written, lambda texts: [(0.2, 0.8), (0.9, 0.1)], pairs)
        >>> [pair.text for pair in pairs.pairs], dict(pairs.refused)
        (['It broke.'], {'judge disagrees': 1})
    """
    candidates = list(pairs)
    for pair, probabilities in zip(candidates, judge([pair.text for pair in candidates]), strict=True):
        if probabilities is None:
            into.refuse("not judged")
        elif max(range(len(probabilities)), key=probabilities.__getitem__) != pair.answer:
            into.refuse("judge disagrees")
        else:
            into.add(Pair(pair.text, pair.answer, probabilities, pair.source))


def _normalized(text: str) -> str:
    # Marks stay, since they are the vowels of many scripts, and so do symbols: an emoji may be all that tells two texts apart.
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(" " if unicodedata.category(letter)[0] in "PZC" else letter for letter in folded).split())


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
