"""Prompts for the embedded model: how a customer feels, with exact match. The same model reads, and rewrites the instruction.

Answers are kept beside this file, so that what was asked once costs nothing later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Annotated, Any

from pydantic import Field

from benchmarks.optimize import texts_gepa, texts_ours
from examples.mood.interface import ANSWERS, Mood
from llm_brain import LLMBrainError, examples, llm_strategy, typed
from llm_brain.backends import CachedBackend, resolve_model
from llm_brain.optimize.proposers.merge import MergeProposer
from llm_brain.optimize.proposers.reflection import ReflectionProposer, TextFunctions
from llm_brain.optimize.texts.review import BetterText, TextReview, TextRun
from llm_brain.strategy.texts import use_texts

FOLDER = Path(__file__).parent
MOOD = FOLDER.parents[1] / "examples" / "mood"
START = {"Reader.mood": "Read the review, and say how its writer feels."}
SEEDS, CASES, BUDGET, LONGEST = 2, 24, 120, 160
ROWS = ("start", "llm_brain", "gepa")


@cache
def backend() -> CachedBackend:
    (FOLDER / ".environments").mkdir(exist_ok=True)
    return CachedBackend(resolve_model("local"), FOLDER / ".environments" / "answers.sqlite")


@cache
def reader() -> Any:
    class Reader:
        @examples(*ANSWERS)
        def mood(self, message: str) -> Mood:
            """Read the review, and say how its writer feels."""
            raise NotImplementedError

    Reader.__qualname__ = "Reader"
    Reader.mood.__qualname__ = "Reader.mood"
    return llm_strategy(backend())(Reader)()


def metric(texts: dict[str, str], case: Mapping[str, str]) -> tuple[Any, float, str]:
    with use_texts(texts):
        mood = reader().mood(case["message"])
    return mood, float(mood == case["mood"]), "right" if mood == case["mood"] else f"The writer is {case['mood']}, not {mood}."


def rewrite(name: str, text: str, runs: Sequence[Mapping[str, Any]]) -> str:
    """Ask the question that llm_brain's reflection asks; GEPA keeps the text where there is no reply."""
    kind: Any = TextReview[Annotated[str, Field(max_length=max(LONGEST, len(text)))]]
    shown = [
        TextRun(
            given=json.dumps(run["Inputs"]),
            made=run["Generated Outputs"],
            score=float(run["Feedback"] == "right"),
            feedback=run["Feedback"],
        )
        for run in runs
    ]
    try:
        better: BetterText[Any] = llm_strategy(backend())(TextFunctions)().improve_text(kind(name=name, text=text, runs=shown))
    except LLMBrainError:
        return text
    return better.text.strip() or text


def optimised(row: str, cases: Sequence[Any], seed: int) -> tuple[dict[str, str], int]:
    if row == "start":
        return START, 0
    if row == "gepa":
        return texts_gepa.optimise(START, cases, metric, rewrite, budget=BUDGET, seed=seed)
    proposers = [ReflectionProposer(backend(), gate=3, perfect=1.0, most=LONGEST), MergeProposer()]
    return texts_ours.optimise(START, cases, metric, proposers, budget=BUDGET, seed=seed, longest=600)


def measured() -> dict[str, Any]:
    """Run every row with every seed, and score what it found on messages that it did not see."""
    known, hidden = cases_in("dev.jsonl"), cases_in("gold.jsonl")
    rows: dict[str, Any] = {row: {"scores": [], "runs": [], "texts": []} for row in ROWS}
    for seed in range(SEEDS):
        cases = Random(seed).sample(known, CASES)
        for row, found in rows.items():
            texts, runs = optimised(row, cases, seed)
            messages = [case["message"] for case in hidden]
            with use_texts(texts):
                moods = typed(reader().mood).map(messages)
            right = sum(mood == case["mood"] for mood, case in zip(moods, hidden, strict=True))
            found["scores"].append(round(right / len(hidden), 4))
            found["runs"].append(runs)
            found["texts"].append(texts["Reader.mood"])
            print(row, seed, found["scores"][-1], runs, texts, flush=True)
    return {"cases": CASES, "budget": BUDGET, "rows": rows}


def cases_in(name: str) -> list[dict[str, str]]:
    rows = [json.loads(line) for line in (MOOD / name).read_text(encoding="utf-8").splitlines()]
    return [{"message": row["message"], "mood": row["mood"]} for row in rows]
