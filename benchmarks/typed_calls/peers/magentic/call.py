"""magentic: decorated functions. It always streams, and the ticket is a tool's arguments."""

import os

from magentic import OpenaiChatModel, chatprompt
from magentic.chat_model.message import SystemMessage, UserMessage

from benchmarks.typed_calls.ticket import INSTRUCTION, MODEL, Ticket

model = OpenaiChatModel(MODEL, base_url=os.environ["TYPED_CALLS_URL"], api_key="key")


@chatprompt(SystemMessage(INSTRUCTION), UserMessage("{message}"), model=model)
def call(message: str) -> Ticket: ...


@chatprompt(SystemMessage(INSTRUCTION), UserMessage("{message}"), model=model)
async def call_async(message: str) -> Ticket: ...
