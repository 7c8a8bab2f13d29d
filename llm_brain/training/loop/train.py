"""A whole training: epochs, validation, the best weights, early stopping, and a folder from which it goes on.

    each N epochs    the answers to held-out prompts are scored: the best weights are kept, and a training that gains nothing more
                     stops
    each M updates   a checkpoint: the same call after an interruption goes on there, in the middle of an epoch, bit by bit as it
                     would have

What evaluations were used at which update depends on when they arrived. A journal of it makes the training that goes on, and one
that is repeated from its beginning, the same training.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from llm_brain.errors import ArgumentError, DataError
from llm_brain.tracing.names import EPOCH_KIND, KIND, METRIC, SCORE, STEP, VALIDATION_KIND
from llm_brain.tracing.spans import span
from llm_brain.training.callbacks import Callback
from llm_brain.training.feedback import Allocation, Evaluate, FeedbackPool, Group, Journal, LinearRewardPredictor, Rank
from llm_brain.training.learner import Learner, target_of
from llm_brain.training.loop.checkpoints import TrainingState, Waiting, load_training, save_training
from llm_brain.training.loop.losses import REWARDS
from llm_brain.training.loop.optimizers import optimizer_tensors, restore_optimizer
from llm_brain.training.loop.randomness import own_randomness
from llm_brain.training.loop.results import TrainingResult, Validation
from llm_brain.training.loop.trainer import Trainer
from llm_brain.training.loop.world import World
from llm_brain.training.settings import TrainingSettings

BEST: Final = "best"


def train(
    learner: Learner,
    settings: TrainingSettings,
    folder: Path,
    *,
    evaluate: Evaluate | None = None,
    rank: Rank | None = None,
    validate: Callable[[], Validation] | None = None,
    described: Mapping[str, Any] | None = None,
    callbacks: Sequence[Callback] = (),
    world: World | None = None,
) -> TrainingResult:
    """Train a learner, and leave it with its best weights.

    The best weights lie in `folder/best`, the checkpoint and the journal of evaluations in `folder`. A training that was
    interrupted goes on at its last checkpoint; a finished one is not run again. One of other settings, data or judges begins
    anew.

    Args:
        learner: Is trained in place.
        settings: How.
        folder: Where checkpoints lie.
        evaluate: Scores an answer to a prompt between 0 and 1; called in the background, from many threads.
        rank: Puts several answers to a prompt in order, the best first, in the place of `evaluate`.
        validate: Scores the learner, which holds the running average of its weights meanwhile.
        described: In JSON, who evaluates and validates, and with what.
        callbacks: Are told of updates, epochs and evaluations.
        world: The processes that train together; see `joined`.

    Raises:
        DataError: There is nothing to learn from, or the loss is no longer a finite number.
        CheckpointError: A checkpoint cannot be written, or one that is there is damaged.
        BackendError: Validation failed; failed evaluations only count.

    Example:
        >>> import tempfile
        >>> from llm_brain.brain import Brain, BrainConfig
        >>> from llm_brain.training import BrainLearner, ByteReader, Pair, answer_for
        >>> kind, reader = answer_for(bool), ByteReader()
        >>> brain = Brain(BrainConfig(input_size=32, vocabulary=reader.vocabulary, answer=kind.answer, width=16, heads=2))
        >>> learner = BrainLearner(brain, reader, kind, [Pair("yes", True), Pair("no", False)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = train(learner, TrainingSettings(epochs=3), Path(folder), validate=lambda: Validation(1.0))
        >>> result.score, len(result.history)
        (1.0, 3)
    """
    if not learner.example_lengths:
        message = "there is nothing to learn from: give a pair at least"
        raise DataError(message)
    world = world or World()
    fingerprint = _fingerprint(learner, settings, world, described)
    asks = evaluate is not None or rank is not None
    with ExitStack() as kept_open:
        pool = kept_open.enter_context(FeedbackPool(_never_asked)) if asks else None
        if asks and world.is_first:
            # A training of other settings or data has another journal, and finds its own again when it comes back.
            journal = kept_open.enter_context(Journal(folder / f"journal-{fingerprint[:12]}.jsonl", fingerprint))
            pool = kept_open.enter_context(
                _pool(learner, settings, journal, evaluate=evaluate or _never_asked, rank=rank, callbacks=callbacks)
            )
        kept_open.enter_context(own_randomness(next(learner.parameters()).device))
        trainer = Trainer(learner, settings, feedback=pool, world=world)
        return _Run(trainer, folder, fingerprint, validate, callbacks).run()


class _Run:
    def __init__(
        self,
        trainer: Trainer,
        folder: Path,
        fingerprint: str,
        validate: Callable[[], Validation] | None,
        callbacks: Sequence[Callback],
    ) -> None:
        self.trainer, self.folder, self.validate, self.callbacks = trainer, folder, validate, callbacks
        self.learner, self.settings, self.world = trainer.learner, trainer.settings, trainer.world
        self.state = TrainingState(fingerprint=fingerprint)
        self.names: dict[Tensor, str] = {parameter: name for name, parameter in self.learner.named_parameters()}

    def run(self) -> TrainingResult:
        resumed = self._resume()
        while self.state.epoch < self.settings.epochs and self.state.waited < self.settings.patience:
            with span("training epoch", {KIND: EPOCH_KIND, STEP: self.trainer.step}) as here:
                metrics = self._epoch()
                for name, value in metrics.items():
                    here.set(f"{METRIC}.{name}", value)
            for callback in self.callbacks:
                callback.on_epoch(metrics)
        if self.state.best is not None:
            self._take_best()
        self.learner.eval()
        return TrainingResult(self.state.best, self.state.history, resumed)

    def _epoch(self) -> dict[str, float]:
        batches = self.trainer.batches(self.state.epoch)
        while self.state.position < len(batches):
            told = self.trainer.train_step(batches[self.state.position])
            for name, value in told.items():
                self.state.sums[name] = self.state.sums.get(name, 0.0) + value
                self.state.counts[name] = self.state.counts.get(name, 0) + 1
            self.state.position += 1
            for callback in self.callbacks:
                callback.on_step(self.trainer.step, told)
            if self.state.position < len(batches) and self.trainer.step % self.settings.save_every == 0:
                self._save()
        return self._end_epoch()

    def _end_epoch(self) -> dict[str, float]:
        state, sums = self.state, self.state.sums
        state.epoch += 1
        metrics = {name: value / state.counts[name] for name, value in sums.items() if name not in REWARDS}
        if sums.get("reward_count"):
            metrics["reward"] = sums["reward"] / sums["reward_count"]
        metrics |= {"epoch": state.epoch, "step": self.trainer.step}
        if self.trainer.feedback is not None and self.world.is_first:
            metrics |= {f"feedback_{name}": value for name, value in self.trainer.feedback.metrics().items()}
        if self.validate is not None and (state.epoch == self.settings.epochs or not state.epoch % self.settings.validate_every):
            metrics |= self._validate(self.validate)
        state.history.append(metrics)
        state.position, state.sums, state.counts = 0, {}, {}
        self._save()
        return metrics

    def _validate(self, validate: Callable[[], Validation]) -> dict[str, float]:
        def found() -> tuple[float, float, dict[str, float]]:
            with span("validation", {KIND: VALIDATION_KIND, STEP: self.trainer.step}) as here, self.trainer.average.applied():
                self.learner.eval()
                validation = validate()
                here.set(SCORE, validation.score)
                for name, value in validation.metrics.items():
                    here.set(f"{METRIC}.{name}", value)
                if self._is_best(validation.score, validation.tie):
                    self.learner.save(self.folder / BEST)
            numbers = {name: float(value) for name, value in validation.metrics.items() if isinstance(value, int | float)}
            return validation.score, validation.tie, numbers

        score, tie, numbers = self.world.told(found)
        if self._is_best(score, tie):
            self.state.best, self.state.tie, self.state.waited = score, tie, 0
        else:
            self.state.waited += 1
        return {"validation_score": score} | {f"validation_{name}": value for name, value in numbers.items()}

    def _is_best(self, score: float, tie: float) -> bool:
        # A score that is not a number is beaten by any that is.
        best = self.state.best
        return best is None or math.isnan(best) or score > best or (score == best and tie > self.state.tie)

    def _save(self) -> None:
        if self.world.is_first:
            state, trainer = self.state, self.trainer
            state.step = trainer.step
            if trainer.feedback is not None:
                state.submitted = trainer.feedback.next_number
                state.waiting = [
                    Waiting(
                        number=group.number,
                        prompt=group.prompt,
                        version=group.version,
                        targets=list(group.targets),
                        behaviour=list(group.behaviour),
                    )
                    for group in trainer.feedback.waiting()
                ]
            averages = zip(self.names.values(), trainer.average.values, strict=True)
            tensors: dict[str, Tensor] = dict(self.learner.named_parameters())
            tensors |= {f"average.{name}": value for name, value in averages}
            tensors |= {f"buffer.{name}": buffer for name, buffer in self._buffers()}
            tensors |= optimizer_tensors(trainer.optimizer, self.names) | {"rewards": trainer.rewards}
            save_training(state, tensors, self.folder)

    def _resume(self) -> int:
        found = self.world.told(lambda: load_training(self.folder, self.state.fingerprint))
        if found is None:
            return 0
        self.state, tensors = found
        trainer = self.trainer
        trainer.step = trainer.average.updates = self.state.step
        trainer.rewards = tensors["rewards"]
        with torch.no_grad():
            for (parameter, name), average in zip(self.names.items(), trainer.average.values, strict=True):
                parameter.copy_(tensors[name])
                average.copy_(tensors[f"average.{name}"])
            for name, buffer in self._buffers():
                buffer.copy_(tensors[f"buffer.{name}"])
        restore_optimizer(trainer.optimizer, self.names, tensors)
        if trainer.feedback is not None and self.world.is_first:
            trainer.feedback.restore([self._group(waiting) for waiting in self.state.waiting], self.state.submitted)
        return self.state.step

    def _buffers(self) -> list[tuple[str, Tensor]]:
        """Give the buffers that belong to the network's state; a frozen table that was handed in does not."""
        kept = self.learner.state_dict().keys() - set(self.names.values())
        return [(name, buffer) for name, buffer in self.learner.named_buffers() if name in kept]

    def _take_best(self) -> None:
        if self.world.is_first:
            self.learner.load(self.folder / BEST)
        self.learner.load_state_dict(self.world.told(self.learner.state_dict))

    def _group(self, waiting: Waiting) -> Group:
        answers = self.learner.values(target_of(waiting.targets))
        return Group(
            waiting.prompt,
            tuple(answers),
            tuple(waiting.targets),
            tuple(waiting.behaviour),
            waiting.version,
            waiting.number,
        )


def _pool(
    learner: Learner,
    settings: TrainingSettings,
    journal: Journal,
    *,
    evaluate: Evaluate,
    rank: Rank | None,
    callbacks: Sequence[Callback],
) -> FeedbackPool:
    def tell(prompt: int, answer: Any, score: float | None) -> None:
        for callback in callbacks:
            callback.on_evaluation(prompt, answer, score)

    allocation = None
    if settings.evaluation_budget is not None:
        steps = settings.epochs * math.ceil(len(learner.example_lengths) / settings.batch_size)
        planned = steps * settings.feedback_prompts * settings.answers_per_prompt
        allocation = Allocation(
            LinearRewardPredictor(),
            learner.prompt_text,
            budget=settings.evaluation_budget,
            planned=planned,
            seed=settings.seed,
        )
    return FeedbackPool(
        evaluate,
        rank=rank,
        max_staleness=settings.max_staleness,
        workers=settings.evaluations_in_flight,
        journal=journal,
        allocation=allocation,
        on_evaluation=tell,
        prompt_text=learner.prompt_text,
    )


def _never_asked(prompt: int, answer: Any) -> float:
    message = f"nobody evaluates answers here (prompt {prompt}, answer {answer!r})"
    raise ArgumentError(message)


def _fingerprint(learner: Learner, settings: TrainingSettings, world: World, described: Mapping[str, Any] | None) -> str:
    told = {"settings": settings.model_dump(mode="json"), "learner": learner.describe(), "processes": world.size}
    if described is not None:
        told["judges"] = described
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
