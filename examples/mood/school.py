"""The lesson: which pairs the teacher makes, who judges them, and one training of a brain with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch
from pydantic import BaseModel, Field

from examples.mood.interface import MOODS, Mood, MoodReader, Product, Teacher, Topic
from llm_brain import llm_strategy, typed
from llm_brain.backends import LanguageBackend
from llm_brain.brain import Brain, BrainConfig, Choice
from llm_brain.strategy import Details, ModelImplementation
from llm_brain.strategy.calibration import Calibrated, fit_calibration
from llm_brain.tracing import span
from llm_brain.training import Lesson, Pair, PairSet, Student, TokenReader, TrainingSettings, train
from llm_brain.training.data import cycle_inputs, keep_agreed, split

GENERATED = 160
HELD_OUT = 120
EVALUATED = 400
CLAUSES = 1500
FUNCTION = "MoodReader.mood"


class Knobs(BaseModel):
    """The hyperparameters that are tuned, with their ranges."""

    learning_rate: float = Field(default=0.003, ge=0.0005, le=0.01, json_schema_extra={"log": True})
    distillation_temperature: float = Field(default=0.5, ge=0.2, le=1.5)
    feedback_weight: float = Field(default=1.0, ge=0.0, le=2.0)
    dropout: float = Field(default=0.2, ge=0.0, le=0.5)


class TrialResult(BaseModel):
    """What came of one training."""

    validation_score: float
    epochs: int
    reward: float


@dataclass
class School:
    """Teacher and reader, calibrated on the pool, and the lesson that they give."""

    model: LanguageBackend
    reader: MoodReader
    teacher: Teacher
    pairs: PairSet
    prompts: Sequence[str]
    held_out: Sequence[str]

    def lesson(self) -> Lesson:
        """Hand the teacher's functions to the training loop."""

        def evaluate(message: str, answer: int) -> float:
            return self.teacher.evaluate_output(message, MOODS[answer])

        def validate(answers: Sequence[tuple[str, int]]) -> float:
            scores = typed(self.teacher.score_validation).map([(message, MOODS[answer]) for message, answer in answers])
            return float(sum(scores) / len(scores))

        return Lesson(self.pairs.pairs, self.prompts, self.held_out, evaluate, validate)


def open_school(model: LanguageBackend, pool: Sequence[str], stage: Callable[[str, int], Callable[[], None]]) -> School:
    """Let the model label the pool and write pairs of its own, and judge these before they are used.

    A small model leans towards one answer whatever it reads: its lean is measured on the unlabelled pool and taken out.

    Args:
        model: The teacher's language model.
        pool: Unlabelled messages.
        stage: Announces a stage of so many calls; what it returns is called after each.
    """
    learned, held_out = split(pool, HELD_OUT)
    reader, teacher = llm_strategy(model)(MoodReader)(), llm_strategy(model)(Teacher)()
    with span("label the pool"):
        tick = stage("the teacher labels the pool", len(learned))
        priors = dict(fit_calibration(typed(reader.mood), learned, on_result=tick).priors)
    with span("calibrate the teacher"):
        tick = stage("the teacher is calibrated", 2 * HELD_OUT)
        sample = [(message, MOODS[0]) for message in held_out]
        for function in (teacher.evaluate_output, teacher.score_validation):
            priors |= fit_calibration(typed(function), sample, on_result=tick).priors
    calibrated = Calibrated(ModelImplementation(model), priors)
    reader, teacher = llm_strategy(calibrated)(MoodReader)(), llm_strategy(calibrated)(Teacher)()

    pairs = PairSet(options=len(MOODS))
    with span("gather pairs"):
        _gather(pairs, reader, teacher, learned, stage)
    pairs.balance()
    return School(model, reader, teacher, pairs, learned[:EVALUATED], held_out)


def _gather(
    pairs: PairSet, reader: MoodReader, teacher: Teacher, learned: Sequence[str], stage: Callable[[str, int], Callable[[], None]]
) -> None:
    answers = typed(reader.mood).map_details(learned)  # answered before, hence from the cache
    for message, answer in zip(learned, answers, strict=True):
        if isinstance(answer, Details):
            pairs.add(Pair(message, MOODS.index(answer.value), _probabilities(answer), "labelled"))
        else:
            pairs.refuse("not answered")
    _add_clauses(pairs, reader, stage)
    _add_generated(pairs, reader, teacher, stage)


def brain_config(tokens: TokenReader, knobs: Knobs) -> BrainConfig:
    """Shape a brain for the task: one block over the teacher's frozen token embeddings."""
    return BrainConfig(
        input_size=tokens.table.shape[1], answer=Choice(options=len(MOODS)), width=96, heads=4, dropout=knobs.dropout
    )


def train_student(
    school: School, tokens: TokenReader, knobs: Knobs, folder: Path, on_epoch: Callable[[dict[str, float]], object]
) -> TrialResult:
    """Train a brain once. A training that was interrupted goes on; one that was finished is only read back."""
    torch.manual_seed(0)
    brain = Brain(brain_config(tokens, knobs), embedding=tokens.table)
    settings = TrainingSettings(**knobs.model_dump(exclude={"dropout"}))
    result = train(brain, tokens, school.lesson(), settings, folder, on_epoch=on_epoch)
    Student(result.brain, tokens, FUNCTION, Mood).save(folder / "student")
    reward = [epoch["reward"] for epoch in result.history if "reward" in epoch]
    return TrialResult(validation_score=result.score, epochs=len(result.history), reward=reward[-1] if reward else 0.0)


def _add_clauses(pairs: PairSet, reader: MoodReader, stage: Callable[[str, int], Callable[[], None]]) -> None:
    parts = [part for pair in list(pairs.pairs) for part in clauses(pair.text)][:CLAUSES]
    for part, probabilities in zip(parts, _judge(reader, parts, stage, "the teacher labels clauses"), strict=True):
        if probabilities is None:
            pairs.refuse("not answered")
        else:
            pairs.add(Pair(part, probabilities.index(max(probabilities)), probabilities, "clause"))


def _add_generated(pairs: PairSet, reader: MoodReader, teacher: Teacher, stage: Callable[[str, int], Callable[[], None]]) -> None:
    inputs = cycle_inputs({"product": get_args(Product), "topic": get_args(Topic), "mood": MOODS}, GENERATED)
    tick = stage("the teacher writes pairs of its own", len(inputs))
    written = typed(teacher.generate_training_pair).map_details(inputs, on_result=tick)
    candidates = []
    for reply in written:
        if isinstance(reply, Details):
            candidates.append(Pair(reply.value.message, MOODS.index(reply.value.mood), (), "generated"))
        else:
            pairs.refuse("reply did not fit")
    keep_agreed(candidates, lambda texts: _judge(reader, texts, stage, "the teacher judges its pairs"), pairs)


def _judge(
    reader: MoodReader, texts: list[str], stage: Callable[[str, int], Callable[[], None]], name: str
) -> list[tuple[float, ...] | None]:
    tick = stage(name, len(texts))
    answers = typed(reader.mood).map_details(texts, on_result=tick)
    return [_probabilities(answer) if isinstance(answer, Details) else None for answer in answers]


def _probabilities(details: Details[Mood]) -> tuple[float, ...]:
    return tuple(details.probabilities[mood] for mood in MOODS)


def clauses(message: str) -> list[str]:
    """Cut a message at its punctuation.

    A sentence's mood is made in its clauses, and a clause is cheap to label: pairs of clauses teach which of them says what.
    """
    parts = re.split(r"(?<=[.!?;:,])\s+", message)
    return [part.strip() for part in parts if len(parts) > 1 and len(part.split()) >= 3]
