"""Training with a judge's feedback: the loss of the targets, and beside it what the judge thinks of answers that were drawn.

    loss = L(f(x), y) + w * objective - b * H        w is `feedback_weight`, b is `entropy_bonus`, H the answers' entropy

This is the loop of `llm_brain.training`, which waits for no evaluation:

    each step     the loss of a batch; answers to as many inputs are drawn and handed in for evaluation
                  + the objective of those whose evaluations have arrived since
    each epoch    ends with those that are still under way: they are waited for, until the deadline, and learned from

Which step learns from which evaluation depends on when it arrives, so two runs of one seed differ a little, unless nobody is
asked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from llm_brain.errors import ArgumentError
from llm_brain.interface.judgements import warn_of_silence
from llm_brain.interface.judging import Judge
from llm_brain.interface.module_learner import ModuleLearner
from llm_brain.interface.validation import Encode, Validation, device_of, modes_kept
from llm_brain.strategy.words import explain
from llm_brain.tracing.names import EPOCH_KIND, KIND, METRIC, STEP
from llm_brain.tracing.spans import span
from llm_brain.training.loop.randomness import own_randomness
from llm_brain.training.loop.trainer import Trainer
from llm_brain.training.progress import shown_lesson
from llm_brain.training.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What one epoch gave.

    Attributes:
        epoch: Which one, from 1.
        loss: The mean loss of the targets.
        reward: The mean score of the answers that were learned from; None where none has a score.
        entropy: The mean entropy of what they are drawn from, in nats; None without feedback.
        evaluations: How many new answers were judged, in training and validation.
        failures: How many of them got no score.
        calls: How many replies were asked of the judge for it.
        cost: What they cost, in US dollars; None where that is not known.
        validation_score: The average score of the answers to the validation prompts; None where there was no validation.
        seconds: How long it took.

    Example:
        >>> EpochResult(1, 0.7, None, None, 0, 0, 0, 0.0, None, 0.1).loss
        0.7
    """

    epoch: int
    loss: float
    reward: float | None
    entropy: float | None
    evaluations: int
    failures: int
    calls: int
    cost: float | None
    validation_score: float | None
    seconds: float

    def __str__(self) -> str:
        shown = {"loss": self.loss, "reward": self.reward, "validation": self.validation_score}
        said = [f"{name} {value:.3f}" for name, value in shown.items() if value is not None]
        return ", ".join([*said, f"{self.failures} failed"] if self.failures else said)

    def metrics(self) -> dict[str, float]:
        """Give all that is known as numbers, by name.

        Example:
            >>> sorted(EpochResult(1, 0.7, None, None, 0, 0, 0, None, None, 0.1).metrics())
            ['calls', 'epoch', 'evaluations', 'failures', 'loss', 'seconds']
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: float(value) for name, value in values.items() if value is not None}


class FeedbackTraining:
    """One training of a network, with a judge's feedback.

    Args:
        learner: The network, and what it learns from.
        optimizer: Holds the network's parameters.
        settings: How it is trained; see `settings_of`.
        judge: Judges; its tally is counted epoch by epoch.

    Example:
        >>> from llm_brain.interface import Labels
        >>> _ = torch.manual_seed(0)
        >>> model = torch.nn.Linear(1, 2)
        >>> learner = ModuleLearner(
        ...     model, torch.ones(8, 1), torch.zeros(8).long(), lambda output, target: 0 * output.sum(),
        ...     prompts=["sky"] * 8, outputs=Labels(["red", "blue"]))
        >>> settings = settings_of(8, epochs=20, feedback_weight=1.0)
        >>> with Judge(lambda task, output: float(output == "blue")) as judge:
        ...     training = FeedbackTraining(learner, torch.optim.SGD(model.parameters(), 0.5), settings, judge)
        ...     history = training.run(lambda: None)
        >>> history[-1].reward > history[0].reward, bool(torch.softmax(model(torch.ones(1, 1)), dim=-1)[0, 1] > 0.7)
        (True, True)
    """

    def __init__(
        self, learner: ModuleLearner, optimizer: torch.optim.Optimizer, settings: TrainingSettings, judge: Judge
    ) -> None:
        self.learner, self.settings, self.judge = learner, settings, judge
        self._optimizer = optimizer

    def run(self, validate: Callable[[], Validation | None], *, progress: bool | None = False) -> list[EpochResult]:
        """Train.

        Args:
            validate: Validates after every so many epochs.
            progress: Whether a bar shows the epochs; None: where there is a terminal.

        Returns:
            What each epoch gave.

        Raises:
            DataError: The loss is no longer a finite number.
        """
        settings, model, history = self.settings, self.learner.model, []
        with (
            modes_kept(model),
            own_randomness(device_of(model)),
            shown_lesson(settings.epochs, shown=progress, training="epochs") as shown,
            self.judge.pool(self.learner.prompts, max_staleness=settings.max_staleness) as pool,
        ):
            trainer = Trainer(self.learner, settings, feedback=pool, optimizer=self._optimizer)
            for epoch in range(1, settings.epochs + 1):
                with span("training epoch", {KIND: EPOCH_KIND, STEP: trainer.step}) as here:
                    result = self._epoch(epoch, trainer, validate)
                    for name, value in result.metrics().items():
                        here.set(f"{METRIC}.{name}", value)
                history.append(result)
                shown.on_epoch(result.metrics())
        return history

    def _epoch(self, epoch: int, trainer: Trainer, validate: Callable[[], Validation | None]) -> EpochResult:
        begin = time.monotonic()
        batches = trainer.batches(epoch - 1)
        told = [trainer.train_step(batch) for batch in batches]
        loss = sum(len(batch) * step["loss"] for batch, step in zip(batches, told, strict=True))
        all_came = True
        if trainer.feedback is not None:
            all_came = trainer.feedback.wait(None if self.judge.deadline == math.inf else self.judge.deadline)
            told += trainer.feedback_steps()
        reward, entropy = mean_reward(told), [step["entropy"] for step in told if "entropy" in step]
        if trainer.feedback is not None and reward is None:
            number = len(self.learner.prompts) * self.settings.answers_per_prompt
            warn_of_silence(number, self.judge.error, f"epoch {epoch} learned from the targets alone")
        is_last = epoch == self.settings.epochs
        validation = validate() if is_last or epoch % self.settings.validate_every == 0 else None
        tally = self.judge.taken()
        return EpochResult(
            epoch=epoch,
            loss=loss / len(self.learner.example_lengths),
            reward=reward,
            entropy=sum(entropy) / len(entropy) if entropy else None,
            evaluations=tally.evaluations,
            failures=tally.failures,
            calls=tally.calls,
            cost=tally.cost if all_came or not is_last else None,  # what is given up may still be answered, and paid for
            validation_score=None if validation is None else validation.average_score,
            seconds=time.monotonic() - begin,
        )


def settings_of(inputs: int, *, batch_size: int = 32, max_staleness: int | None = None, **words: Any) -> TrainingSettings:
    """Make the settings of a training whose optimiser is the user's: no schedule, no clipping.

    Args:
        inputs: n, how many there are.
        batch_size: Inputs in a step, and inputs that answers are drawn to in a step.
        max_staleness: How many updates old an evaluated answer may be; None: as many as an epoch has, so that none is in vain.
        words: The other settings.

    Raises:
        ArgumentError: One is not known, or makes no sense.

    Example:
        >>> settings_of(100, epochs=3).max_staleness
        4
        >>> settings_of(100, epochs=0)
        Traceback (most recent call last):
        ...
        llm_brain.errors.ArgumentError: `epochs`: Input should be greater than or equal to 1, got 0
    """
    if max_staleness is None:
        max_staleness = math.ceil(inputs / max(1, batch_size))
    given = {"batch_size": batch_size, "feedback_prompts": max(1, batch_size), "max_staleness": max_staleness, **words}
    try:
        return TrainingSettings(schedule="constant", gradient_clip=math.inf, **given)
    except ValidationError as error:
        message = explain(error).replace("validate_every", "validation_interval")
        raise ArgumentError(message) from error


def both_readings(
    inputs: Tensor | Sequence[str], prompts: Sequence[str] | None, encode: Encode, *, asks: bool
) -> tuple[Tensor, Sequence[str]]:
    """Return inputs as the network reads them, and as the judge does.

    Args:
        inputs: A tensor, or texts.
        prompts: The texts that a tensor stands for.
        encode: Turns texts into a tensor.
        asks: Whether the judge will be asked.

    Raises:
        ArgumentError: There is no text for the judge.

    Example:
        >>> both_readings(["sky", "sea"], None, lambda texts: torch.ones(len(texts), 1), asks=True)[1]
        ['sky', 'sea']
    """
    if not isinstance(inputs, Tensor):
        return encode(inputs), inputs if prompts is None else prompts
    if prompts is None and asks:
        message = "the judge reads texts: give `prompts`, a text for each input, or the texts themselves as `inputs`"
        raise ArgumentError(message)
    return inputs, prompts or ()


def mean_reward(steps: Sequence[dict[str, float]]) -> float | None:
    """Average the rewards of steps; None where there was none.

    Example:
        >>> mean_reward([{"loss": 0.5}, {"reward": 1.5, "reward_count": 2}]), mean_reward([])
        (0.75, None)
    """
    number = sum(step.get("reward_count", 0.0) for step in steps)
    return sum(step.get("reward", 0.0) for step in steps) / number if number else None
