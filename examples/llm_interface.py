"""The classic names on one object: a language model answers, reads, judges and teaches, and a small network learns from it.

    python examples/llm_interface.py

The embedded model does it all; no key, no network, about a minute. `--model openai:MODEL`, or one changed line below, has a
strong one judge and write.

The network reads a message's vector and says whether the customer is happy. What it is trained on is poor: labels by a list of
words: whoever uses none of them counts as happy. The language model's feedback on the network's own answers mends that.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from llm_brain import Likelihood, examples, llm_strategy, sampled
from llm_brain.interface import Labels, LLMInterface, TrainingPair
from llm_brain.training import read_messages

MODEL = "local"  # or "openai:gpt-5-mini", "anthropic:claude-haiku-4-5", "human", ...

MESSAGES = Path(__file__).parent / "mood"
LEARNED, VALIDATED = 200, 24
EPOCHS = 15
FEEDBACK_WEIGHT = 8.0  # high, since the labels are poor; with good ones, 0.5 is more like it
COMPLAINTS = {
    "not", "never", "no", "broke", "broken", "late", "rude", "cold", "wrong", "worst", "bad", "refund", "nobody", "waste",
    "cracked", "stopped", "dirty", "slow",
}  # fmt: skip

Mood = Literal["happy", "unhappy"]
MOODS: tuple[Mood, Mood] = ("happy", "unhappy")
SHOWN: tuple[tuple[str, Mood], ...] = (
    ("Arrived a day early and works like a charm.", "happy"),
    ("The lid cracked in a week and nobody answers my emails.", "unhappy"),
    ("I never want to go back to my old bank.", "happy"),
    ("Great, the third replacement is broken as well.", "unhappy"),
)
WRITTEN: tuple[tuple[str, str, Mood], ...] = (
    ("a parcel service", "Arrived a day early and without a scratch.", "happy"),
    ("a teapot", "The lid of the teapot cracked in a week and nobody answers my emails.", "unhappy"),
    ("a phone", "The third replacement phone is broken as well.", "unhappy"),
    ("a bank", "My new bank opened the account within the hour, and the staff were lovely.", "happy"),
)


class MoodTeacher:
    """A teacher of one's own: a small model needs examples, and its score is a likelihood, since its numbers would be noise."""

    @examples(*(({"task": message}, mood) for message, mood in SHOWN))
    def evaluate_output(self, task: str, output: Mood) -> Annotated[float, Likelihood(of="output")]:
        """Read what a customer writes about a product or a service, and tell whether the customer is happy or unhappy."""
        raise NotImplementedError

    @sampled(0.8, max_tokens=80)
    @examples(*(({"topic": topic}, TrainingPair[Mood](input=message, output=mood)) for topic, message, mood in WRITTEN))
    def generate_training_pair(self, topic: str) -> TrainingPair[Mood]:
        """Write one sentence of a customer about {topic}, and whether the customer is happy or unhappy."""
        raise NotImplementedError


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train a small network with a language model's feedback.")
    parser.add_argument("--model", default=MODEL, help="who answers, judges and writes")
    model = parser.parse_args(arguments).model
    console, begin = Console(), time.monotonic()
    torch.set_num_threads(1)  # the network is tiny; the other core belongs to the language model
    interface = LLMInterface(
        backend=model,
        embedding_backend="local",
        embedding_dim=None,
        max_tokens=32,
        temperature=0.0,
        accept_cut_text=True,
        outputs=Labels(MOODS),
        teacher=llm_strategy(model)(MoodTeacher)(),
    )

    console.rule("a prompt, and the reply as it comes")
    interface.get_response("What do customers complain about?", streaming=True, callback=lambda piece: print(piece, end=""))
    print()

    console.rule("texts to tensors, and back")
    one = interface.response_to_model_input("The lid cracked in a week.")
    print(f"a message is a tensor {list(one.shape)}; logits [1.2, -0.4] are: ", end="")
    print(interface.model_output_to_prompt(torch.tensor([1.2, -0.4])))

    console.rule("generated training data")
    data = interface.generate_training_data(["a kettle", "a hotel", "a plumber", "a novel"], sequence_length=16)
    print(f"inputs {list(data.inputs.shape)}, targets {list(data.targets.shape)}, refused: {dict(data.refused)}")
    for pair in data.pairs:
        print(f"  {pair.output:>7}  {pair.input}")

    console.rule("training, on word lists alone and with feedback")
    compare(interface, console)
    print(f"{time.monotonic() - begin:.0f} s in all")
    return 0


def compare(interface: LLMInterface, console: Console) -> None:
    """Train two networks that differ in the feedback alone, and show what became of them."""
    pool = [line["message"] for line in read_messages(MESSAGES / "pool.jsonl", "message")]
    learned = random.Random(0).sample(pool, LEARNED)
    gold = read_messages(MESSAGES / "gold.jsonl", "message", "mood")
    right = torch.tensor([MOODS.index(line["mood"]) for line in gold])
    inputs, tested = interface.vectors(learned), interface.vectors([line["message"] for line in gold])
    mean, spread = inputs.mean(dim=0), inputs.std(dim=0)
    columns: dict[str, dict[str, str]] = {}
    for weight in (0.0, FEEDBACK_WEIGHT):
        torch.manual_seed(0)
        network = Standardised(mean, spread)
        begin = time.monotonic()
        history = interface.train_with_llm_feedback(
            network,
            inputs,
            torch.tensor([word_list(message) for message in learned]),
            torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.3),
            nn.functional.cross_entropy,
            epochs=EPOCHS,
            feedback_weight=weight,
            prompts=learned,
            batch_size=16,
        )
        seconds = time.monotonic() - begin
        score, _ = interface.validate_with_llm(network, [line["message"] for line in gold[:VALIDATED]])
        found = int((network(tested).argmax(dim=-1) == right).sum())
        last = history[-1]
        columns["the word list alone" if weight == 0 else f"and feedback, weight {weight:g}"] = {
            "loss of the word list's labels": f"{last.loss:.2f}",
            "reward, first to last epoch": "" if last.reward is None else f"{history[0].reward:.2f} to {last.reward:.2f}",
            "evaluations": str(sum(epoch.evaluations for epoch in history)),
            "of these without a score": str(sum(epoch.failures for epoch in history)),
            "validation: the judge's average score": "none" if score is None else f"{score:.2f}",
            f"right, of {len(gold)} messages": f"{found} ({found / len(gold):.0%})",
            "seconds": f"{seconds:.1f}",
        }
    table = Table("", *columns)
    for name in columns["the word list alone"]:
        table.add_row(name, *(column[name] for column in columns.values()))
    console.print(table)
    words = sum(word_list(line["message"]) == place for line, place in zip(gold, right.tolist(), strict=True))
    print(f"the word list itself has {words} right ({words / len(gold):.0%})")


class Standardised(nn.Module):
    """One layer over vectors that are brought to mean 0 and variance 1."""

    def __init__(self, mean: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.mean, self.spread = mean, spread
        self.layer = nn.Linear(len(mean), len(MOODS))

    def forward(self, vectors: Tensor) -> Tensor:
        logits: Tensor = self.layer((vectors - self.mean) / self.spread)
        return logits


def word_list(message: str) -> int:
    return int(bool(COMPLAINTS & set(message.lower().replace(",", "").replace(".", "").split())))


if __name__ == "__main__":
    sys.exit(main())
