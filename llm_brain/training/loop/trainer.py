"""The training loop: learning from examples, evaluations of the network's own answers beside it.

    each step    the loss of a batch of examples
                 + answers drawn to some prompts are handed in for evaluation, not waited for; none while all evaluators are busy
                 + the objective of the evaluations that have arrived meanwhile

What a step draws comes from the training's seed, its number and the process's rank alone: nothing random has to be kept for a
training to go on as it would have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from llm_brain.errors import DataError, DefinitionError
from llm_brain.tracing.names import KIND, METRIC, STEP, STEP_KIND
from llm_brain.tracing.spans import Span, span
from llm_brain.training.averaging import RunningAverage
from llm_brain.training.feedback import FeedbackPool, Group
from llm_brain.training.learner import Learner, rows_of
from llm_brain.training.loop.batches import PromptBatches, length_batches
from llm_brain.training.loop.losses import REWARDS, Losses, Work, log_probabilities, together
from llm_brain.training.loop.randomness import seed_of
from llm_brain.training.loop.schedule import SCHEDULES
from llm_brain.training.loop.weights import feedback_weights
from llm_brain.training.loop.world import World
from llm_brain.training.settings import TrainingSettings

NEWEST = 0.2
"""How much of a prompt's running mean reward its newest rewards are."""


class Trainer:
    """Trains a learner, a step at a time.

    Args:
        learner: What is trained, in place.
        settings: How.
        feedback: Evaluates answers; None: only the examples are learned from.
        optimizer: Holds the learner's parameters, with learning rates that are its owner's; when omitted, AdamW with the
            learning rate and the schedule of the settings.
        world: The processes that train together.

    Attributes:
        step: Updates made.
        average: The running average of the weights.
        rewards: The running mean reward of each prompt, [prompts], NaN where there was none.

    Raises:
        ArgumentError: There is no objective of that name.
        DefinitionError: The device has no bfloat16.
    """

    def __init__(
        self,
        learner: Learner,
        settings: TrainingSettings,
        *,
        feedback: FeedbackPool | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        world: World | None = None,
    ) -> None:
        self.learner, self.settings, self.world = learner, settings, world or World()
        self.feedback = feedback if settings.feedback_weight and learner.prompt_lengths else None
        self.device = next(learner.parameters()).device
        self.optimizer = optimizer or torch.optim.AdamW(
            learner.parameter_groups(settings.weight_decay), lr=settings.learning_rate
        )
        self._is_scheduled = optimizer is None
        self.average = RunningAverage(learner, settings.averaging)
        self.rewards = torch.full((len(learner.prompt_lengths),), math.nan)
        self.step = 0
        self._alone = 0  # of these from evaluations alone: no prompts were theirs
        self.steps_an_epoch = math.ceil(len(learner.example_lengths) / settings.batch_size)
        self._prompts = PromptBatches(learner.prompt_lengths, settings.feedback_prompts, settings.seed)
        self._losses = Losses(learner, settings)
        self._module: nn.Module = self._losses
        if self.world.size > 1:
            devices = [self.device.index] if self.device.type == "cuda" else None
            self._module = DistributedDataParallel(self._losses, device_ids=devices, find_unused_parameters=True)
        if settings.precision == "bfloat16" and self.device.type == "cuda" and not torch.cuda.is_bf16_supported():
            message = f"{torch.cuda.get_device_name(self.device)} has no bfloat16: train with precision='float32'"
            raise DefinitionError(message)

    def batches(self, epoch: int) -> list[list[int]]:
        """Give the batches of an epoch, counted from 0."""
        return length_batches(
            self.learner.example_lengths, self.settings.batch_size, seed_of(self.settings.seed, "examples", epoch)
        )

    def train_step(self, examples: Sequence[int]) -> dict[str, float]:
        """Make one update.

        Returns:
            The metrics of the step: those of `Losses`, the learning rate, and the norm of the gradient before it was clipped.

        Raises:
            DataError: The loss or its gradient is no longer a finite number; nothing was updated.
        """
        with span("training step", {KIND: STEP_KIND, STEP: self.step}) as here:
            return _shown(here, self._step(examples, self._feedback_groups()))

    def feedback_steps(self) -> list[dict[str, float]]:
        """Learn from the evaluations that have arrived alone: nothing is drawn, and nothing is waited for.

        An update takes as many prompts as a step draws answers to. Where evaluations are waited for before this, at the end of a
        training say, none was in vain. With a journal it is for the end of a training only.

        Returns:
            The metrics of each update, as those of `train_step`, without those of examples.
        """
        feedback = self.feedback
        if feedback is None:
            return []
        arrived = self.world.told(lambda: feedback.arrived(self.step))
        groups = [group for group in arrived if any(reward is not None for reward in group.rewards)]
        told, most = [], self.settings.feedback_prompts
        for begin in range(0, len(groups), most):
            with span("training step", {KIND: STEP_KIND, STEP: self.step}) as here:
                told.append(_shown(here, self._step([], groups[begin : begin + most])))
            self._alone += 1
        return told

    def _step(self, examples: Sequence[int], groups: Sequence[Group]) -> dict[str, float]:
        settings = self.settings
        if self._is_scheduled:
            for group in self.optimizer.param_groups:
                group["lr"] = settings.learning_rate * SCHEDULES[settings.schedule](self._done())
        torch.manual_seed(seed_of(settings.seed, "step", self.step, self.world.rank))
        self.optimizer.zero_grad()
        told = []
        parts = self._parts(examples, groups)
        for number, work in enumerate(parts):
            with self._synchronised(last=number == len(parts) - 1):
                with self._precision():
                    loss, metrics = self._module(work)
                self._check_finite("loss", loss)
                loss.backward()
            told.append(metrics)
        norm = nn.utils.clip_grad_norm_(self.learner.parameters(), settings.gradient_clip)
        self._check_finite("gradient", norm)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        self._remember(groups)
        return {**together(parts, told), "learning_rate": self.optimizer.param_groups[0]["lr"], "gradient_norm": float(norm)}

    def _check_finite(self, what: str, value: Tensor) -> None:
        if not torch.isfinite(value):
            message = (
                f"the {what} is no longer a finite number after {self.step} steps: lower the learning rate, or look for such "
                "numbers in inputs and targets"
            )
            raise DataError(message)

    def _done(self) -> float:
        """Tell which share of the training is behind when this step is."""
        return (self.step + 1) / (self.steps_an_epoch * self.settings.epochs)

    def _parts(self, examples: Sequence[int], groups: Sequence[Group]) -> list[Work]:
        """Take this process's share of a step, in as many parts as gradients are accumulated over."""
        world, number = self.world, min(self.settings.accumulate, max(1, len(examples) // self.world.size))
        mine, own_groups = world.share(examples), world.share(groups)
        # A process without a share still takes part in the pass that the others make, with a weight of nothing.
        own = mine or list(examples[:1])
        reference = self._reference(own_groups)
        weight = 1 - (1 - self.settings.distillation_end) * self._done()
        asked_in = [own_groups[place::number] for place in range(number)]
        weights = feedback_weights(asked_in, groups, self.settings.objective, world.size)
        parts = []
        for place, asked in enumerate(asked_in):
            taken = own[place::number]
            parts.append(
                Work(
                    taken,
                    weight * len(taken) * world.size / len(examples) if mine else 0.0,
                    asked,
                    weights[place],
                    None if reference is None else reference[place::number],
                    self._baseline(asked),
                )
            )
        return parts

    def _feedback_groups(self) -> list[Group]:
        """Hand in fresh answers, and take those whose evaluations have arrived: rank 0 does, and tells the others."""
        if self.feedback is None:
            return []
        feedback = self.feedback

        def asked() -> list[Group]:
            if feedback.has_room(self.step):
                feedback.submit(self._draw(self._prompts.at(self.step - self._alone)))
            return feedback.arrived(self.step)

        return self.world.told(asked)

    @torch.no_grad()
    def _draw(self, prompts: Sequence[int]) -> list[Group]:
        if not prompts:
            return []
        self.learner.eval()
        random = torch.Generator().manual_seed(seed_of(self.settings.seed, "draw", self.step))
        columns = []
        with self._precision():  # as the loss has it: an answer that is as likely as it was has a ratio of one
            answer = self.learner.policy(prompts).answer
            for _ in range(self.settings.answers_per_prompt):
                target = answer.sample(random)
                columns.append((self.learner.values(target), rows_of(target), answer.log_prob(target).tolist()))
        groups = []
        for place, prompt in enumerate(prompts):
            answers, targets, behaviour = zip(*((a[place], t[place], b[place]) for a, t, b in columns), strict=True)
            groups.append(Group(prompt, answers, targets, behaviour, self.step))
        return groups

    @torch.no_grad()
    def _reference(self, groups: Sequence[Group]) -> Tensor | None:
        if not groups or not (self.settings.kl_weight or self.settings.objective == "dpo"):
            return None
        self.learner.eval()
        with self.average.applied(), self._precision():
            return log_probabilities(self.learner.policy([group.prompt for group in groups]), groups, self.device)

    def _baseline(self, groups: Sequence[Group]) -> Tensor | None:
        if not groups:
            return None
        known = self.rewards[[group.prompt for group in groups]]
        anywhere = self.rewards.nanmean()
        return torch.where(known.isnan(), anywhere.nan_to_num(0.0), known).to(self.device)

    def _remember(self, groups: Sequence[Group]) -> None:
        for group in groups:
            given = [reward for reward in group.rewards if reward is not None]
            if given:
                mean, before = sum(given) / len(given), float(self.rewards[group.prompt])
                self.rewards[group.prompt] = mean if math.isnan(before) else before + NEWEST * (mean - before)

    def _synchronised(self, *, last: bool) -> AbstractContextManager[None]:
        if last or not isinstance(self._module, DistributedDataParallel):
            return nullcontext()
        held: AbstractContextManager[None] = self._module.no_sync()
        return held

    def _precision(self) -> AbstractContextManager[Any]:
        if self.settings.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


def _shown(here: Span, metrics: dict[str, float]) -> dict[str, float]:
    for name, value in metrics.items():
        if name not in REWARDS:
            here.set(f"{METRIC}.{name}", value)
    if metrics.get("reward_count"):
        here.set(f"{METRIC}.reward", metrics["reward"] / metrics["reward_count"])
    return metrics
