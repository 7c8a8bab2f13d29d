"""Spend no more than was agreed: a job that ends where its budget does, loses nothing, and is gone on with later.

    python -m examples.budget.demo

The embedded model answers; no key, no network, about ten seconds.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from examples.mood.interface import MoodReader
from llm_brain import typed, use_model
from llm_brain.backends import Budget, BudgetedBackend, CachedBackend, Usage, resolve_model
from llm_brain.backends.layers.prices import price
from llm_brain.errors import BudgetError

GOLD = Path(__file__).parents[1] / "mood" / "gold.jsonl"
MESSAGES = 60
ELSEWHERE = {
    "gpt-4o-mini": "https://api.openai.com/v1",
    "claude-haiku-4-5": "https://api.anthropic.com",
    "my-own-model": "http://127.0.0.1:8000/v1",
}


def main() -> int:
    messages = [json.loads(line)["message"] for line in GOLD.read_text(encoding="utf-8").splitlines()[:MESSAGES]]
    model = resolve_model("local")
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder) / "answers.sqlite"

        print(f"{len(messages)} messages, and a budget of 5,000 tokens:")
        first = Budget(tokens=5_000)
        with use_model(CachedBackend(BudgetedBackend(model, first), answers)):
            try:
                typed(MoodReader().mood).map(messages, concurrency=4)
            except BudgetError as error:
                print(f"  stopped: {error}")
                paid = sum(mood is not None for mood in error.results)
                print(f"  {paid} answers were paid for, and stand in `error.results` in their places")

        print("The same again, with a new budget; what the cache has kept is not asked again:")
        second = Budget()
        with use_model(CachedBackend(BudgetedBackend(model, second), answers)):
            moods = typed(MoodReader().mood).map(messages, concurrency=4)
        print(f"  {len(moods)} answers, {second.spent.calls} of them new: {second.spent.tokens:,} tokens")

    tokens = Usage(first.spent.tokens + second.spent.tokens, 0)
    print("What all of these tokens cost elsewhere, at list prices:")
    for name, address in ELSEWHERE.items():
        cost = price(name, tokens, base_url=address)
        print(f"  {name:>16}  {'nobody knows' if cost is None else f'${cost:.4f}'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
