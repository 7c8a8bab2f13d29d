"""A person at the terminal implements an interface: the editor of a newsletter decides, reviews and writes.

python -m examples.human.newsroom                            questions on the screen, the results below them
python -m examples.human.newsroom > decisions.jsonl          the results into a file, the questions still on the screen
python -m examples.human.newsroom --model openai:MODEL       the same interface, implemented by a language model
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from llm_brain import LLMBrainError, llm_strategy, typed, use_model

DRAFTS = (
    "Our new lamp is bright. It is the brightest lamp of all lamps that are bright.",
    "The workshop is closed on Friday: we move to Harbour Street 4. On Monday at nine the doors open again.",
)


class Remark(BaseModel):
    """One thing that should be better."""

    quote: Annotated[str, Field(description="The words that it is about.", min_length=1)]
    problem: Literal["wrong", "unclear", "too long"]
    better: Annotated[str | None, Field(description="Other words.")] = None


class Review(BaseModel):
    """What an editor says of a draft."""

    grade: Annotated[int, Field(ge=1, le=5, description="1 is poor, 5 is ready to print.")]
    remarks: list[Remark] = []


@llm_strategy("human")
class Editor:
    """You edit the newsletter of a bicycle shop."""

    def decision(self, draft: str) -> Literal["print", "shorten", "drop"]:
        """Decide what becomes of the draft."""
        raise NotImplementedError

    def review(self, draft: str) -> Review:
        """Review the draft for whoever wrote it."""
        raise NotImplementedError

    def headline(self, draft: str) -> str:
        """Write a headline of at most six words."""
        raise NotImplementedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Have every draft edited, and print a line of JSON for each; whoever declines, or presses Ctrl-C, ends it."""
    parser = argparse.ArgumentParser(description="Have the drafts of a newsletter edited.")
    parser.add_argument("--model", default="human", help="who edits: a person, or any model")
    options = parser.parse_args(arguments)
    try:
        with use_model(options.model):
            edit(Editor())
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except LLMBrainError as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    return 0


def edit(editor: Editor) -> None:
    decisions = typed(editor.decision).map(DRAFTS)
    for draft, decision in zip(DRAFTS, decisions, strict=True):
        edited: dict[str, object] = {"draft": draft, "decision": decision}
        if decision == "print":
            edited["headline"] = editor.headline(draft)
        elif decision == "shorten":
            edited["review"] = editor.review(draft).model_dump()
        print(json.dumps(edited), flush=True)


if __name__ == "__main__":
    sys.exit(main())
