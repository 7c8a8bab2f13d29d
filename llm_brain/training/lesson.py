"""Teaching: a typed function, a teacher and data in; a brain that implements the function out.

    sources     pairs that the model labelled, the teacher wrote, traces recorded, a user has      -> pairs.jsonl
    split       to learn from | to validate with | to calibrate a cascade with
    train       the loss of the pairs, and evaluations of the brain's own answers                  -> training.json, journal, best
    taught      the brain in the place of the model; what a cascade is calibrated with      -> student, calibration.jsonl

All of it lies in one folder, together with the answers that were paid for: the same call goes on where it was.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from pydantic import ValidationError

from llm_brain.brain.config import BrainConfig
from llm_brain.brain.model import Brain
from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.strategy.words import explain
from llm_brain.training.answers import answer_for
from llm_brain.training.brain_learner import BrainLearner
from llm_brain.training.call_form import CallForm
from llm_brain.training.callbacks import Callback
from llm_brain.training.data import PairSet, Source, Tell
from llm_brain.training.judging import Judging
from llm_brain.training.keeping import keeping_answers
from llm_brain.training.loop.randomness import own_randomness
from llm_brain.training.loop.train import train
from llm_brain.training.loop.world import joined
from llm_brain.training.progress import shown_lesson
from llm_brain.training.readers import default_reader
from llm_brain.training.reading import Reader, ReadingWarning
from llm_brain.training.settings import TrainingSettings
from llm_brain.training.splitting import set_aside, split_pairs
from llm_brain.training.student import Student
from llm_brain.training.subject import Subject, bound
from llm_brain.training.taught import PAIRS, Taught
from llm_brain.training.teaching import Teaching

Data: TypeAlias = Source | Sequence[Source] | PairSet
"""Where pairs come from, or pairs that were gathered before, as they are."""

BALANCE: Final = 1.5
"""How many times as many pairs as the answer in the middle the commonest may have."""


def teach(
    function: Callable[..., Any],
    data: Data,
    *,
    folder: Path | str,
    teacher: object | None = None,
    held_out: Data | None = None,
    settings: TrainingSettings | None = None,
    brain: Mapping[str, Any] | None = None,
    reader: Reader | None = None,
    balance: float | None = BALANCE,
    longest: int = 64,
    device: torch.device | str = "cpu",
    callbacks: Sequence[Callback] = (),
    progress: bool | None = None,
) -> Taught:
    """Teach a brain a typed function.

    Under `torchrun` all processes call it: the first one asks the model and writes the folder, all of them train.

    Args:
        function: What is taught: `Triage.route`, or `triage.route` of an object whose state matters. Its own model labels inputs
            and judges written pairs.
        data: Where pairs come from: `Given`, `Unlabelled`, `Generated`, `Traced`; or a set of pairs that were gathered before,
            for several trainings with the same.
        folder: Where everything is kept. The same call with the same folder goes on where it was.
        teacher: An object with some of the methods `generate_training_pair`, `evaluate_output`, `rank_outputs` and
            `score_validation`, typed functions or plain Python. Without one nobody evaluates the brain's answers: it learns from
            the pairs alone, and is validated with those that were set aside.
        held_out: Pairs that are not learned from, such as calls will come in use: half of them validates, half calibrates a
            cascade. When omitted, a share of the data, `settings.held_out`.
        settings: How it is trained.
        brain: Fields of `BrainConfig` that the task does not decide: `{"width": 128, "blocks": 2}`.
        reader: How it reads text; by default the tokens and the frozen embeddings of the function's own model where that is on
            this machine, and of the embedded model elsewhere.
        balance: From what is learned, pairs of the commonest answers are dropped until none has more than so many times as many
            as the one in the middle; see `PairSet.balance`. None: nothing is dropped. A set of pairs is taken as it is.
        longest: How many symbols a text that it writes has at most.
        device: Where the brain is trained, and stays.
        callbacks: Are told of updates, epochs and evaluations.
        progress: Whether the terminal shows bars; None: where there is one.

    Raises:
        ArgumentError: `balance` is below 1, or a field of the brain does not fit.
        DefinitionError: It is no typed function, or a brain cannot answer with its type.
        DataError: There are too few pairs; the message tells what was refused, and why.
        BackendError: The model failed in a way that concerns all calls, or the validation failed.
        CheckpointError: The folder cannot be written, or a checkpoint in it is damaged.

    Example:
        >>> import tempfile
        >>> from typing import Literal
        >>> from llm_brain import llm_strategy
        >>> from llm_brain.training import ByteReader, Given
        >>> @llm_strategy("local")
        ... class Desk:
        ...     def route(self, message: str) -> Literal["billing", "bug"]:
        ...         '''Decide who reads a customer's message.'''
        >>> pairs = Given([("I paid twice.", "billing"), ("It crashes.", "bug")] * 1 + [
        ...     (f"Invoice {n} is wrong.", "billing") for n in range(8)] + [(f"Error {n} again.", "bug") for n in range(8)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     taught = teach(Desk.route, pairs, folder=folder, reader=ByteReader(), settings=TrainingSettings(epochs=2))
        >>> Desk.using(taught.student)().route("I was charged twice.") in ("billing", "bug")
        True
    """
    settings, folder = settings or TrainingSettings(), Path(folder)
    if balance is not None and not balance >= 1:
        message = f"balance={balance} would drop pairs of every answer: give 1 or more, or None to keep all"
        raise ArgumentError(message)
    with (
        joined() as world,
        own_randomness(torch.device(device)),
        shown_lesson(settings.epochs, shown=progress if world.is_first else False) as bars,
    ):
        subject = _subject(function, teacher, folder, longest)
        _check_budget(subject, settings)
        aside = None if held_out is None else world.told(lambda: _gathered(subject, held_out, bars.stage))
        pairs = world.told(lambda: _gathered(subject, data, bars.stage))
        if aside is None:
            learned, validated, calibration = split_pairs(pairs, settings.held_out, settings.seed)
        else:
            learned, validated, calibration = set_aside(pairs, aside, settings.seed)
        if balance is not None and not isinstance(data, PairSet):
            # Only what is learned: what validates and calibrates comes as calls do.
            learned = pairs.balance(balance, among=learned)
        world.told(lambda: _write(pairs, folder))
        reader = reader or world.told(lambda: default_reader(subject.function))
        torch.manual_seed(settings.seed)
        network = build_brain(subject, reader, brain or {}).to(device)
        learner = BrainLearner(
            network,
            reader,
            subject.kind,
            learned,
            [pair.text for pair in learned[: settings.prompts]],
            temperature=settings.distillation_temperature,
            word_dropout=settings.word_dropout,
        )
        if (alike := learner.alike) and world.is_first:
            message = (
                f"{alike} of {len(learned)} texts read the same as another one: they differ only after what the reader "
                "takes of a text. Give a `reader` that takes more"
            )
            warnings.warn(message, ReadingWarning, stacklevel=2)
        judging = Judging(subject, learner, learned, validated, is_judged=teacher is not None, folder=folder)
        world.told(judging.check)
        result = train(
            learner,
            settings,
            folder,
            evaluate=judging.evaluate if judging.is_judged else None,
            rank=judging.rank,
            validate=judging.validate,
            described=judging.describe(),
            callbacks=[bars, *callbacks],
            world=world,
        )
        spec = subject.function.spec
        student = Student(network, reader, spec.qualified_name, spec.returns, form=CallForm.of(subject.function))
        taught = Taught(student, result.score or 0.0, result.history, pairs, calibration, folder)
        if world.is_first:
            taught.save()
    return taught


def build_brain(subject: Subject, reader: Reader, fields: Mapping[str, Any]) -> Brain:
    """Build a brain for a function.

    Args:
        subject: What it will be taught.
        reader: How it reads.
        fields: Of `BrainConfig`, beside those that the task decides.

    Raises:
        ArgumentError: A field is not one of them, or has a value that does not fit.
    """
    decided = {"input_size": reader.input_size, "vocabulary": reader.vocabulary, "answer": subject.kind.answer}
    if taken := decided.keys() & fields.keys():
        message = f"the task decides {', '.join(sorted(taken))}: leave it out of `brain`"
        raise ArgumentError(message)
    try:
        config = BrainConfig(**fields, **decided)
    except ValidationError as error:
        message = f"`brain` does not fit: {explain(error)}"
        raise ArgumentError(message) from error
    return Brain(config, embedding=reader.table)


def _subject(function: Callable[..., Any], teacher: object | None, folder: Path, longest: int) -> Subject:
    answers = folder / "answers.sqlite"
    taught = keeping_answers(bound(function), answers)
    teaching = Teaching(teacher, taught, keep=lambda method: keeping_answers(method, answers))
    return Subject(taught, answer_for(taught.spec.returns, longest=longest), teaching)


def _check_budget(subject: Subject, settings: TrainingSettings) -> None:
    if subject.teaching.rank is not None and settings.evaluation_budget is not None:
        message = (
            "`rank_outputs` of the teacher takes one call for several answers, and `evaluation_budget` is of calls for single "
            "ones: leave the one or the other out"
        )
        raise DefinitionError(message)


def _write(pairs: PairSet, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pairs.save(folder / PAIRS)


def _gathered(subject: Subject, data: Data, tell: Tell) -> PairSet:
    if isinstance(data, PairSet):
        return data
    pairs = PairSet(subject.kind)
    for source in data if isinstance(data, Sequence) else [data]:
        source.gather(subject, pairs, tell)
    return pairs
