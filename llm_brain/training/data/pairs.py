"""Training pairs: which are taken, and how many were refused for which reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

import torch

from llm_brain.brain.heads.answers import Choice
from llm_brain.errors import DataError
from llm_brain.strategy.annotations.closed_sets import said
from llm_brain.strategy.words import plain_text
from llm_brain.training.answers import AnswerType
from llm_brain.training.data.balance import balanced
from llm_brain.training.data.saving import read_rows, to_json, write_rows
from llm_brain.training.data.texts import is_unicode, normalized

TOLERANCE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Pair:
    """A call, and the answer that the brain should learn to give.

    Attributes:
        text: The call as the brain reads it; see `llm_brain.training.calls.call_text`.
        answer: The right answer, a value of the function's return type.
        probabilities: Of the type's options, in their order, where they are known; else empty.
        source: Where the pair came from: "given", "generated", "traced", "unlabelled".
        arguments: The call's, by name, for who judges other answers to it. None where the text alone is known: in a file, in a
            trace, and in a process that was sent the pair.

    Example:
        >>> Pair("It broke.", "unhappy", (0.1, 0.9), "unlabelled").answer
        'unhappy'
    """

    text: str
    answer: Any
    probabilities: tuple[float, ...] = ()
    source: str = "given"
    arguments: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[type[Pair], tuple[str, Any, tuple[float, ...], str]]:
        """Pickle what is learned from: arguments may hold what cannot be sent, and only the first process judges."""
        return Pair, (self.text, self.answer, self.probabilities, self.source)


@dataclass(frozen=True, slots=True)
class PairCounts:
    """How many pairs there are, and how many there are not.

    Attributes:
        accepted: Pairs by source.
        answers: Pairs by answer, as it is said, every option of a closed set among them; empty for other answers.
        refused: Pairs that were not taken, by reason.

    Example:
        >>> PairCounts({"given": 2}, {"true": 1, "false": 1}, {"duplicate": 3}).accepted
        {'given': 2}
    """

    accepted: Mapping[str, int]
    answers: Mapping[str, int]
    refused: Mapping[str, int]


class PairSet:
    """Accepted pairs, and how many were refused for which reason.

    Args:
        kind: The answers that the pairs have.

    Attributes:
        pairs: Those that were accepted, in their order.
        refused: How many were not, by reason.
        explained: What was wrong with the first of each reason, where that was told.

    Example:
        >>> from llm_brain.training.answers import answer_for
        >>> pairs = PairSet(answer_for(bool))
        >>> pairs.add(Pair("It broke.", False))
        True
        >>> pairs.add(Pair("it broke", True)), dict(pairs.refused)
        (False, {'duplicate': 1})
    """

    def __init__(self, kind: AnswerType) -> None:
        self.kind = kind
        self.pairs: list[Pair] = []
        self.refused: Counter[str] = Counter()
        self.explained: dict[str, str] = {}
        self._seen: set[str] = set()
        answer = kind.answer
        options = kind.values(torch.arange(answer.options)) if isinstance(answer, Choice) else []
        self.options: tuple[Any, ...] = tuple(options)

    def __len__(self) -> int:
        return len(self.pairs)

    def add(self, pair: Pair) -> bool:
        """Accept a pair, unless its text is empty or, but for case and punctuation, there already.

        A pair is refused as malformed when it cannot be learned from: its text is not valid Unicode, its answer is none of the
        type, or its probabilities are not one for each option, finite, and 1 together. Where another option is likelier than the
        answer, the pair is taken without probabilities, since these would teach another answer.
        """
        fault = self._fault(pair)
        reason = self.refusal(pair.text) if fault is None else "malformed"
        if reason is not None:
            self.refuse(reason, because=fault)
            return False
        self._seen.add(normalized(pair.text))
        likely = pair.probabilities
        contradicts = bool(likely) and likely[self._option(pair.answer)] < max(likely)
        self.pairs.append(replace(pair, probabilities=()) if contradicts else pair)
        return True

    def refusal(self, text: str) -> str | None:
        """Tell why no pair with this text would be accepted, whatever its answer; None where one may be.

        Example:
            >>> from llm_brain.training.answers import answer_for
            >>> PairSet(answer_for(bool)).refusal(" ")
            'empty'
        """
        if not is_unicode(text):
            return "malformed"
        key = normalized(text)
        return "duplicate" if key in self._seen else None if key else "empty"

    def refuse(self, reason: str, number: int = 1, *, because: object = None) -> None:
        """Count pairs that were never built: a reply that did not fit, an answer that the judge disagreed with.

        Args:
            reason: In a word or two, by which they are counted.
            number: How many.
            because: What was wrong in this case, an error say; that of the first case is kept.
        """
        self.refused[reason] += number
        if because is not None:
            self.explained.setdefault(reason, str(because))

    def refusals(self) -> str:
        """Say what was refused, with the first case of each reason.

        Example:
            >>> from llm_brain.training.answers import answer_for
            >>> pairs = PairSet(answer_for(bool))
            >>> pairs.refuse("not answered", because="the server answered 503")
            >>> pairs.refuse("duplicate", 2)
            >>> pairs.refusals()
            '1 not answered (the first: the server answered 503), 2 duplicate'
        """
        firsts = {reason: f" (the first: {fault})" for reason, fault in self.explained.items()}
        return ", ".join(f"{number} {reason}{firsts.get(reason, '')}" for reason, number in self.refused.items()) or "none"

    def balance(self, most: float = 1.5, seed: int = 0, *, among: Sequence[Pair] | None = None) -> list[Pair]:
        """Drop pairs of the commonest answers at random until none has more than `most` times as many as the one in the middle.

        The one in the middle is the lower median; of two, the rarer. Where the answers are no closed set, or one of them has no
        pair, nothing is dropped.

        Args:
            most: At least 1.
            seed: Draws.
            among: Those of the pairs that are counted and may be dropped; all when omitted.

        Returns:
            Those of them that are kept.

        Example:
            >>> from llm_brain.training.answers import answer_for
            >>> pairs = PairSet(answer_for(bool))
            >>> _ = [pairs.add(Pair(f"text {number}", number == 0)) for number in range(9)]
            >>> _ = pairs.balance(most=2.0)
            >>> pairs.counts().answers, dict(pairs.refused)
            ({'true': 1, 'false': 2}, {'unbalanced': 6})
        """
        among = list(self.pairs if among is None else among)
        if not self.options:
            return among
        kept = [
            among[place]
            for place in balanced([self._option(pair.answer) for pair in among], len(self.options), most=most, seed=seed)
        ]
        dropped = {pair.text for pair in among} - {pair.text for pair in kept}
        if dropped:
            self.refused["unbalanced"] += len(dropped)
            self.pairs = [pair for pair in self.pairs if pair.text not in dropped]
        return kept

    def counts(self) -> PairCounts:
        """Count the pairs by source and by answer, and the refusals by reason.

        Example:
            >>> from llm_brain.training.answers import answer_for
            >>> pairs = PairSet(answer_for(bool))
            >>> _ = pairs.add(Pair("It works.", True))
            >>> pairs.counts().answers
            {'true': 1, 'false': 0}
        """
        chosen = Counter(self._option(pair.answer) for pair in self.pairs) if self.options else Counter[int]()
        answers = {plain_text(said(option)): chosen[place] for place, option in enumerate(self.options)}
        return PairCounts(dict(Counter(pair.source for pair in self.pairs)), answers, dict(self.refused))

    def save(self, path: Path) -> None:
        """Write the pairs as JSON lines, all or nothing. What was refused is not written."""
        write_rows(path, [(pair.text, pair.answer, pair.probabilities, pair.source) for pair in self.pairs])

    @classmethod
    def load(cls, path: Path, kind: AnswerType, returns: Any) -> Self:
        """Read pairs that were saved.

        Args:
            path: The file.
            kind: The answers that the pairs have.
            returns: The type that they are values of.

        Raises:
            DataError: The file cannot be read, or a line of it is no pair with such an answer; the message names the line.

        Example:
            >>> import tempfile, pathlib
            >>> from llm_brain.training.answers import answer_for
            >>> pairs = PairSet(answer_for(bool))
            >>> _ = pairs.add(Pair("It works.", True, (0.75, 0.25), "traced"))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     pairs.save(pathlib.Path(folder) / "pairs.jsonl")
            ...     PairSet.load(pathlib.Path(folder) / "pairs.jsonl", answer_for(bool), bool).pairs == pairs.pairs
            True
        """
        made = cls(kind)
        for where, row in read_rows(path, returns):
            if not made.add(Pair(*row)):
                message = f"{where} is no pair to learn from: it is {next(iter(made.refused))}"
                raise DataError(message)
        return made

    def _option(self, answer: Any) -> int:
        return int(self.kind.target([answer])[0])

    def _fault(self, pair: Pair) -> str | None:
        """Tell why a pair cannot be learned from; None where nothing is wrong with it."""
        if not is_unicode(pair.text):
            return "a text is no valid Unicode"
        try:
            self.kind.target([pair.answer])
            to_json(pair.answer)
        except (ValueError, TypeError, OverflowError) as error:  # an ArgumentError is a ValueError
            return str(error)
        given = pair.probabilities
        if given and len(given) != len(self.options):
            return f"{len(given)} probabilities are given of {len(self.options)} options"
        # Written so that a NaN fails it: one in a target would be one in every weight.
        if given and not (all(probability >= 0 for probability in given) and abs(sum(given) - 1) <= TOLERANCE):
            return f"the probabilities {given!r:.100} are not 1 together, each 0 at least"
        return None
