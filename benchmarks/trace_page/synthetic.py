"""A run that never was: trials of a training, and in each of their steps typed calls, some repaired, failed or cached.

Every span is written as `llm_brain.tracing` writes it, prompts and replies included; the same seed gives the same file.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_brain.tracing import names

WORDS = (
    "the parcel came late and the box was torn but the lamp inside works and the light is warm my order never arrived nobody "
    "answers wonderful service quick reply the zip broke after a week refund was refused sound is thin battery lasts two days "
    "staff were kind I would buy it again cheap plastic smells odd colour differs from the picture fits well easy to clean"
)
SYSTEM = "You read what customers write, and answer as a function does: with one JSON value of the schema, and nothing else.\n"
REASON = "The reply is no JSON: it ends in the middle of a string. Reply again, with the whole value."
FUNCTIONS = ("shop.Desk.mood", "shop.Desk.ticket", "shop.Desk.reply", "shop.Judge.score")
MODELS = ("gpt-5-mini", "smollm2-135m-instruct")
REFUSED = {"type": "llm_brain.errors.BackendError", "message": "the server answered 503 three times: overloaded, try later"}

Line = dict[str, Any]


def write_run(folder: Path, spans: int, seed: int = 0) -> int:
    """Write a run of at least so many spans. Returns how many they are."""
    written = 0
    path = folder / "spans" / "4711-1760000000000000000.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for line in Source(seed).study(spans):
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
            written += 1
    return written


class Source:
    """Draws spans one after the other, children before their parents, as they would have ended."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.now = 1_760_000_000_000_000_000
        self.trace = self.name(32)
        self.words = WORDS.split()

    def study(self, wanted: int) -> Iterator[Line]:
        own, begun, count, number = self.name(), self.now, 1, 0
        while count < wanted:
            for line in self.trial(own, number, min(wanted - count, max(900, wanted // 12))):
                count += 1
                yield line
            number += 1
        yield self.line(own, None, "study", begun, {names.KIND: names.STUDY_KIND})

    def trial(self, parent: str, number: int, wanted: int) -> Iterator[Line]:
        own, begun, count, step, loss = self.name(), self.now, 1, 0, 1.0
        rate = round(10 ** self.draw.uniform(-4, -2), 6)
        knobs = {"learning_rate": rate, "units": self.draw.choice((32, 64, 128)), "dropout": round(self.draw.random() / 2, 3)}
        while count < wanted:
            epoch, epoch_begun = self.name(), self.now
            for _ in range(10):
                for line in self.step(epoch, step, rate):
                    count += 1
                    yield line
                step += 1
            loss = round(self.loss(step, rate), 4)
            metrics = {f"{names.METRIC}.loss": loss, f"{names.METRIC}.entropy": 0.7 * loss, f"{names.METRIC}.step": step}
            yield self.line(
                epoch, own, "training epoch", epoch_begun, {names.KIND: names.EPOCH_KIND, names.STEP: step, **metrics}
            )
            count += 1
        told = {names.KIND: names.TRIAL_KIND, names.TRIAL: number, names.SCORE: 1 - loss / 2, names.HYPERPARAMETERS: knobs}
        yield self.line(own, parent, "trial", begun, told)

    def step(self, parent: str, number: int, rate: float) -> Iterator[Line]:
        own, begun = self.name(), self.now
        for _ in range(self.draw.randint(2, 5)):
            yield from self.function(own)
        told = {names.KIND: names.STEP_KIND, names.STEP: number, f"{names.METRIC}.batch_loss": round(self.loss(number, rate), 4)}
        yield self.line(own, parent, "training step", begun, told)

    def function(self, parent: str) -> Iterator[Line]:
        own, begun, fate = self.name(), self.now, self.draw.random()
        name, text = self.draw.choice(FUNCTIONS), self.sentence(self.draw.randint(12, 90))
        asked = [said("system", SYSTEM * 3), said("user", f"# {name}\n\nmessage: {text}")]
        mood, urgency = self.draw.choice(("happy", "unhappy")), self.draw.randint(1, 5)
        value = {"mood": mood, "urgency": urgency, "summary": self.sentence(9)}
        told: Line = {names.KIND: names.FUNCTION_KIND, names.FUNCTION: name, names.ARGUMENTS: {"message": text}}
        if fate < 0.03:
            yield self.refused(own, asked)
            yield self.line(own, parent, name, begun, told, error=REFUSED)
            return
        whole = json.dumps(value)
        if fate < 0.1:
            yield self.call(own, asked, whole[:-9])
            repair, repair_begun = self.name(), self.now
            yield self.call(repair, [*asked, said("assistant", whole[:-9]), said("user", REASON)], whole)
            told_repair = {names.KIND: names.REPAIR_KIND, names.ATTEMPT: 2, names.REASON: REASON}
            yield self.line(repair, own, "repair", repair_begun, told_repair)
        else:
            yield self.call(own, asked, whole, cached=fate > 0.8)
        yield self.line(own, parent, name, begun, told | {names.VALUE: value, names.REPAIRED: fate < 0.1})

    def call(self, parent: str, asked: list[Line], reply: str, *, cached: bool = False) -> Line:
        begun, model = self.now, MODELS[self.draw.random() < 0.3]
        self.now += 200_000 if cached else int(self.draw.lognormvariate(0, 0.5) * 400_000_000)
        tokens = sum(len(turn["parts"][0]["content"]) for turn in asked) // 4
        told = _request(model, asked) | {
            names.RESPONSE_MODEL: model,
            names.CACHED: cached,
            names.INPUT_TOKENS: tokens,
            names.OUTPUT_TOKENS: len(reply) // 4,
            names.COST: 0.0 if cached else tokens * 2.5e-7,
            names.RESPONSE_FINISH_REASONS: ["stop"],
            names.OUTPUT_MESSAGES: [said("assistant", reply)],
        }
        return self.line(self.name(), parent, f"chat {model}", begun, told)

    def refused(self, parent: str, asked: list[Line]) -> Line:
        begun = self.now
        self.now += 600_000_000
        tries = [{"kind": "server", "status": 503, "duration": 0.2, "perhaps_billed": False}] * 3
        told = {names.FAULT: "server", names.ERROR_TYPE: "server", names.TRIES: tries, names.TRY_ERRORS: [REFUSED["message"]] * 3}
        return self.line(self.name(), parent, f"chat {MODELS[0]}", begun, _request(MODELS[0], asked) | told, error=REFUSED)

    def line(self, own: str, parent: str | None, name: str, begun: int, told: Line, *, error: Any = None) -> Line:
        self.now += 1_000_000
        frame: Line = {"schema": names.SCHEMA_VERSION, "trace_id": self.trace, "span_id": own, "parent_id": parent, "name": name}
        frame |= {"start_ns": begun, "end_ns": self.now, "status": "error" if error else "ok"}
        return frame | ({"error": error} if error else {}) | {"attributes": told}

    def loss(self, step: int, rate: float) -> float:
        return 0.3 + 1.2 / (1 + step * rate * 40) + self.draw.random() * 0.1

    def sentence(self, length: int) -> str:
        return " ".join(self.draw.choices(self.words, k=length))

    def name(self, digits: int = 16) -> str:
        return f"{self.draw.getrandbits(digits * 4):0{digits}x}"


def said(role: str, text: str) -> Line:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _request(model: str, asked: list[Line]) -> Line:
    told = {names.KIND: names.CALL_KIND, names.OPERATION_NAME: names.CHAT, names.REQUEST_MODEL: model}
    return told | {names.REQUEST_TEMPERATURE: 0.0, names.INPUT_MESSAGES: asked}
