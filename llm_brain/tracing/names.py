"""The names of span attributes: OpenTelemetry's GenAI conventions where they have a word, `llm_brain.*` elsewhere.

The `gen_ai.*` names are those of https://opentelemetry.io/docs/specs/semconv/gen-ai/, so that any OpenTelemetry viewer
knows what it is shown. Write attributes with these constants, never with a string of your own.

In the order of a call: what was asked, what came back, what was said (written with `Span.content`, hence only where
contents are captured), which typed function asked and how the reply became a value, and where in training or in a study
it happened. Last, the well-known values of `OPERATION_NAME`, and those of `KIND`, by which sums are made: a span without a
kind is the user's own work.
"""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 1
"""The version of a span's line in the file. A reader refuses a line of a later version."""

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
"""The version of OpenTelemetry's conventions that the `gen_ai.*` names are from; collectors are told it."""

OPERATION_NAME: Final = "gen_ai.operation.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_SEED: Final = "gen_ai.request.seed"
OUTPUT_TYPE: Final = "gen_ai.output.type"

RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
ERROR_TYPE: Final = "error.type"
HTTP_STATUS: Final = "http.response.status_code"

INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"

KIND: Final = "llm_brain.kind"
FUNCTION: Final = "llm_brain.function"
ARGUMENTS: Final = "llm_brain.arguments"
VALUE: Final = "llm_brain.value"
CACHED: Final = "llm_brain.cached"
ATTEMPT: Final = "llm_brain.attempt"
REASON: Final = "llm_brain.reason"
ATTEMPTS: Final = "llm_brain.attempts"
REPAIRED: Final = "llm_brain.repaired"
FAULT: Final = "llm_brain.fault"
COST: Final = "llm_brain.cost"
TRIES: Final = "llm_brain.tries"
TRY_ERRORS: Final = "llm_brain.try_errors"
NOTES: Final = "llm_brain.notes"
SAMPLE: Final = "llm_brain.sample"
OPTIONS: Final = "llm_brain.options"
PROBABILITIES: Final = "llm_brain.probabilities"
IMPLEMENTATION: Final = "llm_brain.implementation"
CONFIDENCE: Final = "llm_brain.confidence"

STEP: Final = "llm_brain.step"
SCORE: Final = "llm_brain.score"
TRIAL: Final = "llm_brain.trial"
PROPOSER: Final = "llm_brain.proposer"
HYPERPARAMETERS: Final = "llm_brain.hyperparameters"
METRIC: Final = "llm_brain.metric"

CHAT: Final = "chat"
TEXT_COMPLETION: Final = "text_completion"
EMBEDDINGS: Final = "embeddings"

FUNCTION_KIND: Final = "function"
"""One call of a typed function."""
REPAIR_KIND: Final = "repair"
"""One more question, after a reply that did not fit; `ATTEMPT` counts from 2, `REASON` is what did not fit."""
CASCADE_KIND: Final = "cascade"
"""A brain, and a model where it is unsure; `IMPLEMENTATION` is who answered, `REASON` why."""
CALL_KIND: Final = "call"
"""One call of a model. Tokens, cost and whether it was cached stand here and nowhere else, so that they may be added up."""
ATTEMPT_KIND: Final = "attempt"
"""One request to a server, where a call needed more than one; `ATTEMPT` counts from 1."""
EPOCH_KIND: Final = "epoch"
STEP_KIND: Final = "step"
"""One update of a network."""
VALIDATION_KIND: Final = "validation"
EVALUATION_KIND: Final = "evaluation"
"""One answer of a network, judged."""
TRIAL_KIND: Final = "trial"
STUDY_KIND: Final = "study"
SCAN_KIND: Final = "scan"
RETRIEVAL_KIND: Final = "retrieval"
