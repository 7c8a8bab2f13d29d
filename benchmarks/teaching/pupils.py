"""What learns: TF-IDF, nn.GRU, the brain, and the brain with feedback, each from the same number of a teacher's calls.

labels   the teacher's answers to the first N texts of the pool, in the order that a seed gives it
feedback labels for a part of the N calls; the rest are evaluations of the brain's own answers to texts without a label

Nobody is validated on anything: the number of epochs is fixed, and the last running average of the weights is tested.
"""

from __future__ import annotations

import random
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from benchmarks.teaching.gru import gru_of_the_same_size
from benchmarks.teaching.task import TeachingTask
from benchmarks.teaching.teachers import Answers, evaluation, known, options_of
from llm_brain.backends.embedded import weights_folder
from llm_brain.brain import Brain, BrainConfig
from llm_brain.errors import BudgetError
from llm_brain.training import BrainLearner, Pair, TokenReader, TrainingSettings, answer_for
from llm_brain.training.loop.results import Validation
from llm_brain.training.loop.train import train
from llm_brain.training.reading import Reader


@dataclass(frozen=True)
class Recipe:
    """How a network is built and trained on a task.

    Attributes:
        labels: The share of the calls that are labels, where there is feedback.
        feedback_epochs: Epochs after those that learn from labels alone.
    """

    width: int = 128
    blocks: int = 1
    conv_size: int = 1
    dropout: float = 0.3
    epochs: int = 8
    batch_size: int = 32
    learning_rate: float = 3e-3
    word_dropout: float = 0.2
    temperature: float = 1.0
    weight_decay: float = 0.05
    labels: float = 0.7
    feedback_epochs: int = 12
    feedback_rate: float = 1e-3
    feedback_weight: float = 1.0
    objective: str = "best_of_k"
    entropy_bonus: float = 0.01

    def settings(self, seed: int) -> TrainingSettings:
        """Give the settings of learning from labels alone."""
        return TrainingSettings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            word_dropout=self.word_dropout,
            distillation_temperature=self.temperature,
            feedback_weight=0.0,
            validate_every=1000,  # at the end alone
            save_every=100_000,
            seed=seed,
        )

    def feedback_settings(self, seed: int) -> TrainingSettings:
        """Give the settings of going on with feedback."""
        told: Any = {
            "epochs": self.feedback_epochs,
            "learning_rate": self.feedback_rate,
            "feedback_weight": self.feedback_weight,
            "objective": self.objective,
            "entropy_bonus": self.entropy_bonus,
            "seed": seed + 1000,
        }
        return self.settings(seed).model_copy(update=told)


class Pupil(BrainLearner):
    """A brain, whatever its network is."""

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.brain.state_dict(), folder / "pupil.safetensors")

    def load(self, folder: Path) -> None:
        self.brain.load_state_dict(load_file(folder / "pupil.safetensors"))


@dataclass
class Judge:
    """Evaluates answers by what the teacher says, until the calls are spent. The loop remembers what was evaluated before."""

    answers: Answers
    prompts: Sequence[str]
    options: Sequence[Any]
    calls: int
    spent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, prompt: int, answer: Any) -> float:
        with self.lock:
            if self.spent >= self.calls:
                message = f"all of the {self.calls} evaluations are spent"
                raise BudgetError(message)
            self.spent += 1
        return evaluation(self.answers[self.prompts[prompt]], answer, self.options)


@dataclass
class Learned:
    """What learned, and from how many calls of the teacher."""

    answer_all: Callable[[Sequence[str]], list[Any]]
    brain: Brain
    labels: int
    evaluations: int = 0


@cache
def reader() -> Reader:
    """Give the reader of all networks: the embedded model's tokens and their vectors."""
    return TokenReader.from_folder(weights_folder())


def shuffled_pool(task: TeachingTask, answers: Answers, seed: int) -> list[str]:
    """Give the texts of the pool that the teacher can answer, in an order of the seed's own."""
    texts = known(answers, task.inputs)
    random.Random(f"pool {seed}").shuffle(texts)
    return texts


def pairs_of(texts: Sequence[str], answers: Answers) -> list[Pair]:
    """Label texts."""
    return [Pair(text, answers[text].answer, answers[text].probabilities) for text in texts]


def learn(
    task: TeachingTask, answers: Answers, calls: int, recipe: Recipe, seed: int, *, row: str = "brain", order: Sequence[str] = ()
) -> Learned:
    """Teach a network.

    Args:
        task: The task.
        answers: What the teacher says.
        calls: How many of its calls it takes.
        recipe: How it is built and trained.
        seed: Of the order of the pool, the initial weights and all that is drawn.
        row: "brain", "gru" or "feedback".
        order: Of the pool; by the seed when omitted.
    """
    texts = list(order) or shuffled_pool(task, answers, seed)
    labels = round(recipe.labels * calls) if row == "feedback" else calls
    pairs, spent = pairs_of(texts[:labels], answers), 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(task, recipe, gru=row == "gru")
        pupil = taught(pupil_of(network, task, recipe, pairs), recipe.settings(seed))
        if row == "feedback":
            prompts = unsurest(pupil_of(network, task, recipe, prompts=texts[labels:]), texts[labels:], calls - labels)
            judge = Judge(answers, prompts, options_of(task.function), calls - labels)
            pupil = taught(pupil_of(network, task, recipe, pairs, prompts), recipe.feedback_settings(seed), judge)
            spent = judge.spent
    return Learned(pupil.answers, network, labels, spent)


def pupil_of(
    network: Brain, task: TeachingTask, recipe: Recipe, pairs: Sequence[Pair] = (), prompts: Sequence[str] = ()
) -> Pupil:
    """Put a network and what it learns from together."""
    kind = answer_for(task.function.spec.returns)
    return Pupil(network, reader(), kind, pairs, prompts, temperature=recipe.temperature, word_dropout=recipe.word_dropout)


def build(task: TeachingTask, recipe: Recipe, *, gru: bool = False) -> Brain:
    """Build an untrained network."""
    config = BrainConfig(
        input_size=reader().input_size,
        answer=answer_for(task.function.spec.returns).answer,
        width=recipe.width,
        blocks=recipe.blocks,
        conv_size=recipe.conv_size,
        dropout=recipe.dropout,
    )
    table = reader().table
    assert table is not None
    return gru_of_the_same_size(config, table) if gru else Brain(config, embedding=table)


def taught(pupil: Pupil, settings: TrainingSettings, judge: Judge | None = None) -> Pupil:
    """Train, and leave the running average of the last weights."""
    with tempfile.TemporaryDirectory() as folder:
        train(pupil, settings, Path(folder), evaluate=judge, validate=lambda: Validation(1.0))
    return pupil


@torch.no_grad()
def unsurest(pupil: Pupil, prompts: Sequence[str], number: int) -> list[str]:
    """Give those of a learner's prompts whose answers it is least sure of."""
    pupil.eval()
    answer = pupil.policy(range(len(prompts))).answer
    sure = answer.log_prob(answer.best()).tolist()
    return [prompts[place] for place in sorted(range(len(prompts)), key=sure.__getitem__)[:number]]


def described(recipe: Recipe) -> dict[str, Any]:
    """Say in JSON what a run's outcome depends on."""
    return asdict(recipe)
