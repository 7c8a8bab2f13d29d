"""opentelemetry-sdk: a `BatchSpanProcessor` whose thread writes a line of JSON a span to a file; messages as JSON text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from benchmarks.tracing.call import NAME


class Recorder:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "spans.jsonl"
        self.file = self.path.open("w", encoding="utf-8")
        exporter = ConsoleSpanExporter(out=self.file, formatter=lambda span: span.to_json(indent=None) + "\n")
        provider = TracerProvider()
        # With the usual queue of 2,048 spans it drops what comes faster than its thread writes.
        self.processor = BatchSpanProcessor(exporter, max_queue_size=1 << 20)
        provider.add_span_processor(self.processor)
        self.tracer = provider.get_tracer("benchmark")

    def record(self, attributes: dict[str, Any], prompt: list[Any], reply: list[Any]) -> None:
        with self.tracer.start_as_current_span(NAME) as here:
            for name, value in attributes.items():
                here.set_attribute(name, value)
            here.set_attribute("gen_ai.input.messages", json.dumps(prompt))
            here.set_attribute("gen_ai.output.messages", json.dumps(reply))

    def flush(self) -> None:
        self.processor.force_flush(60_000)

    def recorded(self) -> int:
        with self.path.open(encoding="utf-8") as lines:
            return sum(1 for _ in lines)
