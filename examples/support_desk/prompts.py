"""The exact prompts of the support desk's twelve methods, kept in docs/prompts, so that a changed prompt is a visible diff.

    python -m examples.support_desk.prompts     writes them anew; a test compares what is kept with what is made

NAME.txt              for a server that is handed the JSON Schema of the reply beside the messages
NAME.in-prompt.txt    for a server that is not: the schema stands in the prompt
NAME.completion.txt   for the embedded model, which continues a text rather than answering in a chat
NAME.retry.txt        what is added to the first prompt after a reply that does not fit
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from examples.support_desk.interface import SupportDesk
from examples.support_desk.tickets import CRANK
from llm_brain import LLMBrainError, use_model
from llm_brain.backends import Choice, LanguageBackend, Layer, Message, OpenAIBackend, Reply, Request, resolve_model
from llm_brain.backends.asking import Asking
from llm_brain.errors import BackendError

FOLDER = Path(__file__).parents[2] / "docs" / "prompts"
DESK = SupportDesk("Nordwind Bikes", api_key="never shown to a model")
CALLS: dict[str, Callable[[SupportDesk], object]] = {
    "department": lambda desk: desk.department("Where is my order?"),
    "is_happy": lambda desk: desk.is_happy("My daughter is delighted with the helmet."),
    "language": lambda desk: desk.language("Wo bleibt mein Paket?"),
    "patience": lambda desk: desk.patience(CRANK.messages),
    "reply": lambda desk: desk.reply("a broken part"),
    "summary": lambda desk: asyncio.run(desk.summary(CRANK)),
    "next_action": lambda desk: desk.next_action(CRANK),
    "delivery_days": lambda desk: desk.delivery_days("It comes on Monday or on Tuesday.", today=date(2025, 3, 1)),
    "search_words": lambda desk: desk.search_words("a late parcel"),
    "order_in": lambda desk: desk.order_in("My Tourer 7, number NB-4711, was 899 euros."),
    "open_questions": lambda desk: list(desk.open_questions("a broken part")),
    "most_relevant": lambda desk: desk.most_relevant(CRANK.messages, "What is broken?"),
}
UNFIT = '{"return_value": {"kind": "refund", "order": "4711", "amount": -899}}'


class Asked(Layer):
    """Keeps what a model is asked, and asks it nothing: gives the replies that it was made with, and then an error."""

    def __init__(self, backend: LanguageBackend, replies: Sequence[str] = ()) -> None:
        super().__init__(backend)
        self.requests: list[Request] = []
        self._replies = iter(replies)

    async def around_chat(self, request: Request, inner: Asking) -> Reply:
        self.requests.append(request)
        text = next(self._replies, None)
        if text is None:
            message = f"{inner.backend.model_id} is not asked here"
            raise BackendError(message, kind="connection")
        return Reply(text, "stop", inner.backend.model_id)

    async def around_choice(self, request: Request, options: Sequence[str], inner: Asking) -> Choice:
        reply = await self.around_chat(request, inner)
        return Choice(options[0], None, reply.model)

    async def around_stream(self, request: Request, inner: Asking) -> AsyncGenerator[str | Reply, None]:
        yield await self.around_chat(request, inner)


def requests_of(name: str, backend: LanguageBackend, replies: Sequence[str] = ()) -> list[Request]:
    """Return what one of the `CALLS` asks a model, reply after reply."""
    asked = Asked(backend, replies)
    with use_model(asked), suppress(LLMBrainError):
        CALLS[name](DESK)
    return asked.requests


def golden_prompts() -> dict[str, str]:
    """Make every file of docs/prompts: its name and its text."""
    server = OpenAIBackend("MODEL", base_url="http://127.0.0.1/v1")
    without_schemas = OpenAIBackend("MODEL", base_url="http://127.0.0.1/v1", schema_mode="prompt")
    files = {f"{name}.txt": _shown(requests_of(name, server)[0]) for name in CALLS}
    for name in ("next_action", "patience"):
        # A backend without schema mode is given the schema, too, and does not send it.
        files[f"{name}.in-prompt.txt"] = _turns(requests_of(name, without_schemas)[0].messages)
    (completion,) = requests_of("department", resolve_model("local"))[0].messages
    files["department.completion.txt"] = completion.content
    first, second = requests_of("next_action", server, [UNFIT])
    files["next_action.retry.txt"] = _turns(second.messages[len(first.messages) :])
    return files


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    files = golden_prompts()
    for kept in FOLDER.glob("*.txt"):
        if kept.name not in files:
            kept.unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(f"{text}\n", encoding="utf-8")
    print(f"{len(files)} prompts in {FOLDER}")


def _shown(request: Request) -> str:
    if request.schema is None:
        return _turns(request.messages)
    schema = json.dumps(request.schema, indent=2, ensure_ascii=False)
    return f"{_turns(request.messages)}\n\n[beside the messages: the reply's JSON Schema]\n{schema}"


def _turns(messages: Sequence[Message]) -> str:
    return "\n\n".join(f"[{message.role}]\n{message.content}" for message in messages)


if __name__ == "__main__":
    main()
