"""What happened: spans, the file they are written to, and what shows them again.

    names, identity                how attributes are called; ids, and how a trace goes on in another process
    spans                          `record` and `span`: what the rest of the house writes with
    safe, redaction, text, notice  values made fit for a file, keys cut out, and one warning when something is lost
    tracer, writer                 JSON lines, one file a process
    reader, following, runs        and in again, later or while they are written; which runs there are
    totals, as_text                sums by function, and a span as text
    wandb_run                      the run in Weights & Biases too, offline unless told otherwise
    otlp                           the run in an OpenTelemetry collector, later or while it goes on
    page                           the run's spans as one page of HTML, with a tree, a search, comparisons and curves
    report, sections               one page of HTML that shows a run's results without a script

This is the ground floor: it knows no model and no training, and nothing here may make a call fail: a sink reads the files. What
does not live here: metrics and what they mean (`training`, `optimize`), and prices (`backends`).
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.tracing.notice import TracingWarning as TracingWarning
    from llm_brain.tracing.otlp import OtlpExporter as OtlpExporter
    from llm_brain.tracing.otlp import export_run as export_run
    from llm_brain.tracing.otlp_batches import Exported as Exported
    from llm_brain.tracing.reader import SpanRecord as SpanRecord
    from llm_brain.tracing.reader import read_spans as read_spans
    from llm_brain.tracing.redaction import keep_secret as keep_secret
    from llm_brain.tracing.redaction import redact as redact
    from llm_brain.tracing.report import write_report as write_report
    from llm_brain.tracing.safe import json_safe as json_safe
    from llm_brain.tracing.sections import Bars as Bars
    from llm_brain.tracing.sections import ConfusionMatrix as ConfusionMatrix
    from llm_brain.tracing.sections import Curve as Curve
    from llm_brain.tracing.sections import Prose as Prose
    from llm_brain.tracing.sections import Section as Section
    from llm_brain.tracing.sections import Table as Table
    from llm_brain.tracing.spans import Span as Span
    from llm_brain.tracing.spans import current_traceparent as current_traceparent
    from llm_brain.tracing.spans import current_tracer as current_tracer
    from llm_brain.tracing.spans import record as record
    from llm_brain.tracing.spans import span as span
    from llm_brain.tracing.tracer import Tracer as Tracer
    from llm_brain.tracing.wandb_run import WandbRun as WandbRun

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Bars": "sections",
        "ConfusionMatrix": "sections",
        "Curve": "sections",
        "Exported": "otlp_batches",
        "OtlpExporter": "otlp",
        "Prose": "sections",
        "Section": "sections",
        "Span": "spans",
        "SpanRecord": "reader",
        "Table": "sections",
        "Tracer": "tracer",
        "TracingWarning": "notice",
        "WandbRun": "wandb_run",
        "current_traceparent": "spans",
        "current_tracer": "spans",
        "export_run": "otlp",
        "json_safe": "safe",
        "keep_secret": "redaction",
        "read_spans": "reader",
        "record": "spans",
        "redact": "redaction",
        "span": "spans",
        "write_report": "report",
    },
)
