"""llm_brain: `record` and `span`. A line is in its file when the span has ended, without keys, and of bounded size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.tracing.call import NAME
from llm_brain.tracing import read_spans, record, span


class Recorder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recording = record(folder)
        self.recording.__enter__()

    def record(self, attributes: dict[str, Any], prompt: list[Any], reply: list[Any]) -> None:
        with span(NAME) as here:
            for name, value in attributes.items():
                here.set(name, value)
            here.content("gen_ai.input.messages", prompt)
            here.content("gen_ai.output.messages", reply)

    def flush(self) -> None:
        """Do nothing: what has ended is written."""

    def recorded(self) -> int:
        return sum(1 for _ in read_spans(self.folder))
