"""Tune a program from outside: the wording of a question and a threshold, neither of which is passed through any call.

    python -m examples.hyperparameters.tune

The embedded model answers; no key, no network, about fifty seconds. A wording and a threshold are chosen on the 48 messages of
`examples/mood/dev.jsonl`; the 240 of `gold.jsonl`, on which nothing is chosen, tell what the choice is worth.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field

from examples.mood.interface import ANSWERS, Mood
from llm_brain import Details, Hyperparameters, LLMBrainError, examples, llm_strategy, track_hyperparameters, typed

MOOD = Path(__file__).parents[1] / "mood"
WORDINGS = (
    "Tell whether a customer is happy or unhappy with a product or a service.",
    "Would this customer come back? Happy customers do, and unhappy ones do not.",
)
THRESHOLDS = (0.35, 0.65)
# One answer more on 48 messages is luck: on the 240 others such a change made things worse.
MARGIN = 2


class Case(NamedTuple):
    message: str
    mood: Mood


@track_hyperparameters
@llm_strategy("local")
class Reader:
    @examples(*ANSWERS)
    def mood(self, message: str) -> Mood:
        """Read the review, and say how its writer feels."""
        raise NotImplementedError


@track_hyperparameters
def read(messages: Sequence[str], *, _unhappy_from: Annotated[float, Field(ge=0.05, le=0.95)] = 0.5) -> list[Mood]:
    """Read messages; a customer is unhappy from this probability on."""
    answers = typed(Reader().mood).map_details(messages)
    return ["unhappy" if unhappiness(answer) >= _unhappy_from else "happy" for answer in answers]


def unhappiness(answer: Details[Mood] | LLMBrainError) -> float:
    if isinstance(answer, LLMBrainError):
        raise answer
    return answer.probabilities["unhappy"]


def right_answers(cases: Sequence[Case]) -> int:
    """Run the program that is tuned; there is no word of hyperparameters in it."""
    moods = read([case.message for case in cases])
    return sum(mood == case.mood for mood, case in zip(moods, cases, strict=True))


def cases_in(name: str) -> list[Case]:
    rows = [json.loads(line) for line in (MOOD / name).read_text(encoding="utf-8").splitlines()]
    return [Case(row["message"], row["mood"]) for row in rows]


def main() -> int:
    chosen_on, checked_on = cases_in("dev.jsonl"), cases_in("gold.jsonl")

    with Hyperparameters() as best:
        most = right_answers(chosen_on)
    print("What a run found in the program:")
    print(best.model_dump_json(indent=2))
    print(f"{most:3} of {len(chosen_on)} right: as it was written")

    for name, values in (("Reader.mood", WORDINGS), ("read.unhappy_from", THRESHOLDS)):
        for value in values:
            with Hyperparameters({**dict(best.model), name: value}) as candidate:
                right = right_answers(chosen_on)
            print(f"{right:3} of {len(chosen_on)} right: {name} = {value!r}")
            if right >= most + MARGIN:
                best, most = candidate, right

    print("What is kept:")
    print(best.model_dump_json(indent=2))
    with best:
        tuned = right_answers(checked_on)
    print(f"On others, {right_answers(checked_on)} of {len(checked_on)} are right as it was written, and {tuned} tuned.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
