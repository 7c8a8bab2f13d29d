"""Training with a judge's feedback: the loss of the targets, and beside it what the judge thinks of answers that were drawn.

    loss = L(f(x), y) + w * policy - b * H
    policy = - mean over prompts x and their K answers a_i ~ pi(. | x) of   A_i log pi(a_i | x)
    A_i = R_i - mean of the other R_j                           RLOO (Ahmadian et al. 2024); w is `feedback_weight`
    H = the entropy of pi; b is `entropy_bonus`, without which a policy gradient stalls

The answers are drawn and judged in the step that learns from them, so no ratio between an older policy and this one is needed. A
step waits for its evaluations, until a deadline at the longest; `llm_brain.train` waits for none of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from llm_brain.errors import ArgumentError, DataError
from llm_brain.interface.judging import Judge, Judgement, Tally, average, warn_of_silence
from llm_brain.interface.outputs import Outputs
from llm_brain.interface.plan import Plan
from llm_brain.interface.progress import shown_epochs
from llm_brain.interface.validation import Encode, Validation, device_of, modes_kept, output_tensor
from llm_brain.interface.vectors import Vectors
from llm_brain.tracing.names import EPOCH_KIND, KIND, METRIC, STEP, STEP_KIND
from llm_brain.tracing.spans import Span, span
from llm_brain.training.objectives import leave_one_out_advantages


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What one epoch gave.

    Attributes:
        epoch: Which one, from 1.
        loss: The mean loss of the targets.
        reward: The mean score of the answers that were drawn; None where none has a score.
        entropy: The mean entropy of what they were drawn from, in nats; None without feedback.
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


class FeedbackTraining:
    """One training of a network, with a judge's feedback.

    Args:
        model: Is trained in place.
        data: Inputs and targets, n of each.
        prompts: The inputs as the judge reads them, n texts.
        optimizer: Holds the model's parameters.
        loss_fn: Takes the model's output and the targets, and gives a scalar.
        outputs: What the model's outputs mean; None where nobody is asked.
        vectors: How texts become vectors.
        judge: Judges; its tally is counted epoch by epoch.
        plan: How it is trained.

    Raises:
        ArgumentError: There are not as many inputs as targets and prompts.

    Example:
        >>> from llm_brain.backends import resolve_model
        >>> from llm_brain.interface import Labels
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Linear(1, 2)
        >>> with Judge(lambda task, output: float(output == "blue")) as judge:
        ...     training = FeedbackTraining(
        ...         model, (torch.ones(8, 1), torch.zeros(8).long()), ["sky"] * 8, torch.optim.SGD(model.parameters(), 0.5),
        ...         lambda output, target: 0 * output.sum(), outputs=Labels(["red", "blue"]),
        ...         vectors=Vectors(resolve_model("local")), judge=judge, plan=Plan(epochs=20, feedback_weight=1.0))
        ...     history = training.run(lambda: None)
        >>> history[-1].reward > history[0].reward, bool(torch.softmax(model(torch.ones(1, 1)), dim=-1)[0, 1] > 0.7)
        (True, True)
    """

    def __init__(
        self,
        model: nn.Module,
        data: tuple[Tensor, Tensor],
        prompts: Sequence[str],
        optimizer: torch.optim.Optimizer,
        loss_fn: Callable[[Tensor, Tensor], Tensor],
        *,
        outputs: Outputs | None,
        vectors: Vectors,
        judge: Judge,
        plan: Plan,
    ) -> None:
        self.model, self.optimizer, self.loss_fn = model, optimizer, loss_fn
        self.prompts, self.outputs, self.vectors, self.judge, self.plan = prompts, outputs, vectors, judge, plan
        self.inputs, self.targets = data
        self.random = torch.Generator().manual_seed(plan.seed)
        self.step = 0
        counts = {"inputs": len(self.inputs), "targets": len(self.targets)}
        if outputs is not None:
            counts["prompts"] = len(prompts)
        if len(set(counts.values())) > 1 or not len(self.inputs):
            said = ", ".join(f"{number} {name}" for name, number in counts.items())
            message = f"each input needs its target, and its text for the judge to read: there are {said}"
            raise ArgumentError(message)

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
        history = []
        with modes_kept(self.model), shown_epochs(self.plan.epochs, shown=progress) as tell:
            self.model.train()
            for epoch in range(1, self.plan.epochs + 1):
                with span("training epoch", {KIND: EPOCH_KIND, STEP: self.step}) as here:
                    result = self._epoch(epoch, validate)
                    _tell_metrics(here, **{field.name: getattr(result, field.name) for field in fields(result)})
                history.append(result)
                tell(str(result))
        return history

    def _epoch(self, epoch: int, validate: Callable[[], Validation | None]) -> EpochResult:
        begin = time.monotonic()
        self.judge.tally = Tally()
        losses, entropies = 0.0, 0.0
        judged: list[Judgement] = []
        for batch in self._batches():
            with span("training step", {KIND: STEP_KIND, STEP: self.step}) as here:
                loss, entropy, judgements = self._step(batch)
                _tell_metrics(here, loss=loss, reward=average(judgements), entropy=entropy if judgements else None)
            losses += loss * len(batch)
            entropies += entropy * len(batch)
            judged += judgements
        warn_of_silence(judged, f"epoch {epoch} learned from the targets alone")
        is_due = epoch % self.plan.validation_interval == 0 or epoch == self.plan.epochs
        validation = validate() if is_due else None
        tally = self.judge.tally
        return EpochResult(
            epoch=epoch,
            loss=losses / len(self.inputs),
            reward=average(judged),
            entropy=entropies / len(self.inputs) if judged else None,
            evaluations=tally.evaluations,
            failures=tally.failures,
            calls=tally.calls,
            cost=tally.cost,
            validation_score=None if validation is None else validation.average_score,
            seconds=time.monotonic() - begin,
        )

    def _batches(self) -> Iterator[Tensor]:
        return iter(torch.randperm(len(self.inputs), generator=self.random).split(self.plan.batch_size))

    def _step(self, batch: Tensor) -> tuple[float, float, list[Judgement]]:
        device = device_of(self.model)
        output = output_tensor(self.model(self.inputs[batch].to(device)))
        supervised = self.loss_fn(output, self.targets[batch].to(device))
        loss, entropy = supervised, 0.0
        judged: list[Judgement] = []
        self._check(supervised)
        if self.outputs is not None:
            objective, entropy, judged = self._feedback(self.outputs, output, [self.prompts[int(place)] for place in batch])
            loss = supervised + objective
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return float(supervised.detach()), entropy, judged

    def _feedback(self, outputs: Outputs, output: Tensor, prompts: Sequence[str]) -> tuple[Tensor, float, list[Judgement]]:
        """Draw answers, have them judged, and build what is to be minimised."""
        drawn = outputs.draw(output, self.plan.answers_per_prompt, self.random, self.vectors)
        asked = [(prompt, text) for prompt, texts in zip(prompts, drawn.texts, strict=True) for text in texts]
        judged = self.judge.judge(asked)
        scores = [judgement.score for judgement in judged]
        shape, device = drawn.log_probabilities.shape, drawn.log_probabilities.device
        rewards = torch.tensor([0.0 if score is None else score for score in scores], device=device).view(shape)
        known = torch.tensor([score is not None for score in scores], device=device).view(shape)
        objective = self.plan.feedback_weight * policy_loss(drawn.log_probabilities, rewards, known)
        if known.any():
            objective = objective - self.plan.entropy_bonus * drawn.entropy
        return objective, float(drawn.entropy.detach()), judged

    def _check(self, loss: Tensor) -> None:
        if not torch.isfinite(loss).all():
            message = (
                f"the loss is no longer a finite number after {self.step} steps: lower the learning rate, or look for such "
                "numbers in inputs and targets"
            )
            raise DataError(message)


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


def policy_loss(log_probabilities: Tensor, rewards: Tensor, known: Tensor) -> Tensor:
    """REINFORCE with a leave-one-out baseline, for answers that were just drawn.

    Args:
        log_probabilities: Of K answers to each of n prompts, [n, K].
        rewards: Their scores, [n, K]; what stands where `known` is false does not matter.
        known: Which of them have one, [n, K].

    Returns:
        A scalar whose gradient estimates minus the gradient of the expected score.

    Example:
        >>> logs = torch.tensor([[-0.7, -0.7]], requires_grad=True)
        >>> policy_loss(logs, torch.tensor([[1.0, 0.0]]), torch.tensor([[True, True]])).backward()
        >>> logs.grad.tolist()
        [[-0.5, 0.5]]
    """
    measured = known & (known.sum(dim=1, keepdim=True) > 1)
    return -(leave_one_out_advantages(rewards, known) * log_probabilities).sum() / measured.sum().clamp_min(1)


def _tell_metrics(here: Span, **metrics: float | None) -> None:
    for name, value in metrics.items():
        if value is not None:
            here.set(f"{METRIC}.{name}", value)
