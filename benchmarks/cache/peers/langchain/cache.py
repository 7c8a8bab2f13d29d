"""langchain's `SQLiteCache`, given to a chat model as its `cache`; asked by `invoke`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_community.cache import SQLiteCache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from benchmarks.cache.question import INPUT_TOKENS, MAX_TOKENS, MODEL, OUTPUT_TOKENS, SCHEMA, TEMPERATURE, Question, answer

COUNTED: list[int] = []


class Model(BaseChatModel):
    model: str = MODEL
    temperature: float = TEMPERATURE
    max_tokens: int = MAX_TOKENS

    @property
    def _llm_type(self) -> str:
        return "at once"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "temperature": self.temperature, "max_tokens": self.max_tokens}

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        COUNTED.append(1)
        tokens = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS, "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS}
        message = AIMessage(answer(messages[-1].content), usage_metadata=tokens, response_metadata={"finish_reason": "stop"})
        return ChatResult(generations=[ChatGeneration(message=message)])


class Cache:
    def __init__(self, folder: Path) -> None:
        self.model = Model(cache=SQLiteCache(str(folder / "answers.sqlite")))

    def prepared(self, question: Question) -> list[BaseMessage]:
        (_, system), (_, user) = question.messages
        return [SystemMessage(system), HumanMessage(user)]

    def ask(self, messages: list[BaseMessage]) -> str:
        return self.model.invoke(messages, response_format=SCHEMA).content

    @property
    def asked(self) -> int:
        return len(COUNTED)
