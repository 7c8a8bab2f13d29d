"""The names of span attributes: OpenTelemetry's GenAI conventions where they have a word, `llm_brain.*` elsewhere.

The `gen_ai.*` names are those of https://opentelemetry.io/docs/specs/semconv/gen-ai/, so that any OpenTelemetry viewer
knows what it is shown. Write attributes with these constants, never with a string of your own.

In the order of a call: what was asked, what came back, what was said (written with `Span.content`, hence only where
contents are captured), which typed function asked and how the reply became a value, and where in training or in a study
it happened. Last, the well-known values of `OPERATION_NAME`.
"""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 1
"""The version of a span's line in the file. A reader refuses a line of a later version."""

OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
OUTPUT_TYPE: Final = "gen_ai.output.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
REASONING_OUTPUT_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
ERROR_TYPE: Final = "error.type"

SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"

FUNCTION: Final = "llm_brain.function"
ARGUMENTS: Final = "llm_brain.arguments"
VALUE: Final = "llm_brain.value"
CACHED: Final = "llm_brain.cached"
ATTEMPTS: Final = "llm_brain.attempts"
ATTEMPT: Final = "llm_brain.attempt"
REPAIRED: Final = "llm_brain.repaired"
FAULT: Final = "llm_brain.fault"
COST_USD: Final = "llm_brain.cost_usd"
SAMPLE: Final = "llm_brain.sample"
OPTIONS: Final = "llm_brain.options"
PROBABILITIES: Final = "llm_brain.probabilities"

EPOCH: Final = "llm_brain.epoch"
STEP: Final = "llm_brain.step"
LOSS: Final = "llm_brain.loss"
SCORE: Final = "llm_brain.score"
STUDY: Final = "llm_brain.study"
TRIAL: Final = "llm_brain.trial"

CHAT: Final = "chat"
TEXT_COMPLETION: Final = "text_completion"
EMBEDDINGS: Final = "embeddings"
