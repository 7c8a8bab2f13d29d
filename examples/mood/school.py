"""The lesson: a calibrated teacher, the pairs that it makes, and one training of a brain with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, Field

from examples.mood.interface import MOODS, MoodReader, Product, Teacher, Topic
from llm_brain import TrainingSettings, llm_strategy, teach, typed
from llm_brain.backends import LanguageBackend
from llm_brain.strategy.calibration import Calibrated, fit_calibration
from llm_brain.strategy.implementation import Implementation, ModelImplementation
from llm_brain.tracing import span
from llm_brain.training import Callback, Generated, PairSet, Subject, Taught, TokenReader, Unlabelled
from llm_brain.training.data import Tell, split

GENERATED = 160
HELD_OUT = 240  # half of them validates the brain, half calibrates the cascade
CLAUSES = 1500
BRAIN = {"width": 96, "heads": 4}


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


@dataclass(frozen=True)
class School:
    """The calibrated model, and what it has labelled and written: every trial is taught with the same pairs."""

    model: Calibrated
    pairs: PairSet
    held_out: PairSet
    tokens: TokenReader

    def teach(self, knobs: Knobs, folder: Path, callback: Callback) -> Taught:
        """Teach a brain once. A training that was interrupted goes on; one that was finished is only read back."""
        return teach(
            implemented(self.model).mood,
            self.pairs,
            folder=folder,
            teacher=llm_strategy(self.model)(Teacher)(),
            held_out=self.held_out,
            settings=TrainingSettings(**knobs.model_dump(exclude={"dropout"})),
            brain={**BRAIN, "dropout": knobs.dropout},
            reader=self.tokens,
            callbacks=[callback],
            progress=False,
        )


def open_school(model: LanguageBackend, tokens: TokenReader, pool: Sequence[str], tell: Tell) -> School:
    """Calibrate the model, and let it label the pool and write pairs of its own.

    Args:
        model: The teacher's language model.
        tokens: How the brain will read.
        pool: Unlabelled messages.
        tell: Announces a stage of so many calls; what it returns is called after each.
    """
    learned, held_out = split(pool, HELD_OUT)
    with span("calibrate the teacher"):
        calibrated = calibrate(model, learned, held_out, tell)
    subject = Subject.of(typed(implemented(calibrated).mood), llm_strategy(calibrated)(Teacher)())
    pairs, aside = PairSet(subject.kind), PairSet(subject.kind)
    with span("gather pairs"):
        Unlabelled(held_out).gather(subject, aside, named("the teacher labels what is held out", tell))
        Unlabelled([*learned, *clauses(learned)]).gather(subject, pairs, named("the teacher labels pool and clauses", tell))
        Generated(GENERATED, product=get_args(Product), topic=get_args(Topic), mood=MOODS).gather(subject, pairs, tell)
    pairs.balance()
    return School(calibrated, pairs, aside, tokens)


def implemented(model: LanguageBackend | Implementation) -> MoodReader:
    """Return the task's interface, implemented by a model, a brain, or both."""
    reader: MoodReader = llm_strategy(model)(MoodReader)()
    return reader


def calibrate(model: LanguageBackend, learned: Sequence[str], held_out: Sequence[str], tell: Tell) -> Calibrated:
    """Take out a small model's lean towards one answer, whatever it reads: it is measured on messages without labels."""
    reader, teacher = implemented(model), llm_strategy(model)(Teacher)()
    priors = dict(fit_calibration(typed(reader.mood), learned, on_result=tell("the teacher reads the pool", len(learned))).priors)
    judged = [(message, MOODS[0]) for message in held_out]
    tick = tell("the teacher is calibrated", 2 * len(judged))
    for function in (teacher.evaluate_output, teacher.score_validation):
        priors |= fit_calibration(typed(function), judged, on_result=tick).priors
    return Calibrated(ModelImplementation(model), priors)


def named(name: str, tell: Tell) -> Tell:
    """Announce whatever stage it is under a name of one's own."""
    return lambda _, number: tell(name, number)


def clauses(messages: Sequence[str]) -> list[str]:
    """Cut messages at their punctuation.

    A sentence's mood is made in its clauses, and a clause is cheap to label: pairs of clauses teach which of them says what.
    """
    cut = [re.split(r"(?<=[.!?;:,])\s+", message) for message in messages]
    return [part.strip() for parts in cut for part in parts if len(parts) > 1 and len(part.split()) >= 3][:CLAUSES]
