"""The ways of asking that are compared. Each asks all questions of its kind once, and tells how many tokens it wrote."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from benchmarks.local_model.questions import (
    AT_ONCE,
    FREE_TOKENS,
    Ticket,
    free_requests,
    mood_requests,
    ticket_requests,
    typed_tickets,
)
from llm_brain.backends import Choice, LocalBackend, Reply, Request
from llm_brain.backends.embedded import weights_folder
from llm_brain.backends.local.processors import idle_processors, native_dtype

Way = Callable[[], int]


def ways() -> dict[str, dict[str, Way]]:
    """Give the ways of asking, by what is asked; the first of each group is what the others are compared with."""
    model = LocalBackend(weights_folder())
    plain = Plain(model)
    tickets, free = ticket_requests(model), free_requests()
    ungrammatical = [Request(request.messages, request.sampling) for request in tickets]
    moods, options = mood_requests(model)
    unalike, _ = mood_requests(model, alike=False)
    typed: Any = typed_tickets(model)
    plain.check(moods, options)
    return {
        "typed calls": {
            "one after the other": lambda: _tickets([model.chat_completion(request) for request in tickets]),
            f"{AT_ONCE} threads": lambda: _tickets(in_threads(model.chat_completion, tickets)),
            f"{AT_ONCE} tasks": lambda: _tickets(asyncio.run(in_tasks(model, tickets))),
            f"map, {AT_ONCE} at a time": lambda: _map(typed),
        },
        "free text": {
            "transformers, one by one": lambda: sum(plain.generate([request]) for request in free),
            f"transformers, {AT_ONCE} in a batch by hand": lambda: plain.generate(free),
            "llm_brain, one after the other": lambda: _written([model.chat_completion(request) for request in free]),
            f"llm_brain, {AT_ONCE} threads": lambda: _written(in_threads(model.chat_completion, free)),
        },
        "the schema": {
            f"without, {AT_ONCE} threads": lambda: _written(in_threads(model.chat_completion, ungrammatical)),
            f"with, {AT_ONCE} threads": lambda: _tickets(in_threads(model.chat_completion, tickets)),
        },
        "options": {
            "transformers, a pass an option": lambda: plain.score(moods, options),
            "llm_brain, one after the other": lambda: _chosen([model.choose_from_options(one, options) for one in moods]),
            f"llm_brain, {AT_ONCE} threads": lambda: _chosen(
                in_threads(lambda one: model.choose_from_options(one, options), moods)
            ),
        },
        "the prefix": {
            "prompts that begin differently": lambda: _chosen([model.choose_from_options(one, options) for one in unalike]),
            "prompts of one function": lambda: _chosen([model.choose_from_options(one, options) for one in moods]),
        },
    }


class Plain:
    """The same weights in the same number format, by transformers alone."""

    def __init__(self, model: LocalBackend) -> None:
        from transformers import AutoModelForCausalLM

        self._ours = model
        self._model = AutoModelForCausalLM.from_pretrained(weights_folder(), dtype=native_dtype(), local_files_only=True).eval()

    @idle_processors()
    @torch.inference_mode()
    def generate(self, requests: Sequence[Request]) -> int:
        """Generate by `generate`, padded on the left where there are several. Returns how many tokens were written."""
        engine = self._ours.engine
        prompts = [
            engine.encode_chat([{"role": turn.role, "content": turn.content} for turn in one.messages]) for one in requests
        ]
        width = max(map(len, prompts))
        tokens = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        made = self._model.generate(
            tokens, attention_mask=mask, do_sample=False, max_new_tokens=FREE_TOKENS, min_new_tokens=FREE_TOKENS, pad_token_id=0
        )
        return int(made[:, width:].numel())

    def score(self, requests: Sequence[Request], options: Sequence[str]) -> int:
        for request in requests:
            self.probabilities(request, options)
        return 0

    @idle_processors()
    @torch.inference_mode()
    def probabilities(self, request: Request, options: Sequence[str]) -> list[float]:
        """Score each option by a forward pass over the prompt and the option."""
        engine = self._ours.engine
        prompt = engine.encode(request.messages[-1].content)
        scores = []
        for option in map(engine.encode, options):
            logs = self._model(torch.tensor([[*prompt, *option]])).logits[0, len(prompt) - 1 : -1].float().log_softmax(dim=-1)
            scores.append(float(logs.gather(1, torch.tensor(option)[:, None]).sum()))
        total = sum(math.exp(score - max(scores)) for score in scores)
        return [math.exp(score - max(scores)) / total for score in scores]

    def check(self, requests: Sequence[Request], options: Sequence[str]) -> None:
        """See that both ways find the same probabilities, as far as the number format goes."""
        for request in requests:
            ours = self._ours.choose_from_options(request, options).probabilities or ()
            for one, other in zip(ours, self.probabilities(request, options), strict=True):
                assert abs(one - other) < 0.2, (request, ours)


def in_threads(ask: Callable[[Request], Any], requests: Sequence[Request]) -> list[Any]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, requests))


async def in_tasks(model: LocalBackend, requests: Sequence[Request]) -> list[Reply]:
    return await asyncio.gather(*map(model.achat_completion, requests))


def _tickets(replies: Sequence[Reply]) -> int:
    for reply in replies:
        Ticket.model_validate_json(reply.text)
    return _written(replies)


def _written(replies: Sequence[Reply]) -> int:
    return sum(reply.usage.output_tokens for reply in replies if reply.usage)


def _chosen(choices: Sequence[Choice]) -> int:
    assert all(choice.probabilities for choice in choices)
    return 0


def _map(typed: Any) -> int:
    from benchmarks.local_model.questions import messages

    details = typed.map_details(messages(), concurrency=AT_ONCE)
    assert all(isinstance(one.value, Ticket) for one in details)
    return sum(one.usage.output_tokens for one in details if one.usage)
