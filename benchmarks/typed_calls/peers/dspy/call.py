"""DSPy: a signature, its default way of asking and its own HTTP client, with every cache off."""

import os

import dspy

from benchmarks.typed_calls.ticket import MODEL, Ticket

dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
dspy.configure(lm=dspy.LM(f"openai/{MODEL}", api_base=os.environ["TYPED_CALLS_URL"], api_key="key", cache=False))


class Read(dspy.Signature):
    """Read a customer's message and file it as a support ticket."""

    message: str = dspy.InputField()
    ticket: Ticket = dspy.OutputField()


read = dspy.Predict(Read)


def call(message: str) -> Ticket:
    return read(message=message).ticket


async def call_async(message: str) -> Ticket:
    return (await read.acall(message=message)).ticket
