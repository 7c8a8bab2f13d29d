"""The training loop: distillation on pairs, evaluations of the brain's own answers beside it, validation by the teacher.

What happens, and when:

    each step    the loss of a batch of pairs
                 + answers drawn to some prompts are handed in for evaluation, not waited for
                 + the objective of the evaluations that have arrived meanwhile
    each N epochs    the teacher scores the answers to held-out prompts: the best weights are kept, and a training that gains
                     nothing more stops
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import torch

from llm_brain.brain.checkpoint import load_brain, save_brain
from llm_brain.brain.model import Brain
from llm_brain.brain.text.codec import pad
from llm_brain.errors import DataError
from llm_brain.tracing.names import EPOCH_KIND, KIND, METRIC, SCORE, STEP, STEP_KIND, VALIDATION_KIND
from llm_brain.tracing.spans import span
from llm_brain.training.averaging import RunningAverage
from llm_brain.training.checkpoints import TrainingState, load_training, save_training
from llm_brain.training.feedback import FeedbackPool, Group, group_tensors
from llm_brain.training.lesson import Lesson, TrainingResult
from llm_brain.training.objectives import distillation, entropy, rloo
from llm_brain.training.prediction import chosen, predict
from llm_brain.training.reading import TokenReader
from llm_brain.training.settings import TrainingSettings


def train(
    brain: Brain,
    reader: TokenReader,
    lesson: Lesson,
    settings: TrainingSettings,
    folder: Path,
    *,
    on_epoch: Callable[[dict[str, float]], object] = lambda _: None,
) -> TrainingResult:
    """Train a brain.

    The best weights lie in `folder/best`, and after each epoch everything needed to go on in `folder`: the same call after an
    interruption goes on after the last whole epoch. A finished training is not run again.

    Args:
        brain: Is trained in place.
        reader: How it reads text.
        lesson: What it is taught.
        settings: How.
        folder: Where the checkpoints lie.
        on_epoch: Told the metrics of each epoch.

    Raises:
        DataError: The lesson has no pairs, or nothing to validate with.
        DefinitionError: The brain does not choose from a closed set.
        CheckpointError: A checkpoint cannot be written, or one that is there is damaged.
        BackendError: Validation failed; failed evaluations only count.

    Example:
        >>> import tempfile
        >>> from tokenizers import Tokenizer
        >>> from llm_brain.brain import BrainConfig, Choice
        >>> from llm_brain.training import Pair
        >>> from tokenizers.models import WordLevel
        >>> words = Tokenizer(WordLevel({"?": 0, "good": 1, "bad": 2}, unk_token="?"))
        >>> reader = TokenReader(words, torch.eye(3))
        >>> brain = Brain(BrainConfig(input_size=3, answer=Choice(options=2), width=8, heads=1), embedding=reader.table)
        >>> lesson = Lesson(
        ...     pairs=[Pair("good", 0, (0.9, 0.1), "labelled"), Pair("bad", 1, (0.1, 0.9), "labelled")],
        ...     prompts=[], held_out=["good"],
        ...     evaluate=lambda prompt, answer: 1.0, validate=lambda answers: 1.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     train(brain, reader, lesson, TrainingSettings(epochs=2), Path(folder)).score
        1.0
    """
    if not lesson.pairs or not lesson.held_out:
        message = (
            f"the lesson has no {'held-out texts: there is nothing to validate with' if lesson.pairs else 'pairs to learn from'}"
        )
        raise DataError(message)
    trainer = _Trainer(brain, reader, lesson, settings, folder)
    with FeedbackPool(lesson.evaluate, max_staleness=settings.max_staleness) as feedback:
        return trainer.run(feedback, on_epoch)


class _Trainer:
    def __init__(self, brain: Brain, reader: TokenReader, lesson: Lesson, settings: TrainingSettings, folder: Path) -> None:
        self.brain, self.reader, self.lesson, self.settings, self.folder = brain, reader, lesson, settings, folder
        self.random = torch.Generator().manual_seed(settings.seed)
        self.rows = [reader.tokens(pair.text) for pair in lesson.pairs]
        self.prompt_rows = {prompt: reader.tokens(prompt) for prompt in lesson.prompts}
        self.targets = torch.tensor([pair.probabilities for pair in lesson.pairs])
        self.steps = math.ceil(len(lesson.pairs) / settings.batch_size)
        self.optimizer = torch.optim.AdamW(brain.parameter_groups(settings.weight_decay), lr=settings.learning_rate)
        self.average = RunningAverage(brain, settings.averaging)
        self.state = TrainingState(0, 0, {}, self._fingerprint())

    def run(self, feedback: FeedbackPool, on_epoch: Callable[[dict[str, float]], object]) -> TrainingResult:
        self._resume()
        resumed = self.state.epoch
        while self.state.epoch < self.settings.epochs and self.state.waited < self.settings.patience:
            with span("training epoch", {KIND: EPOCH_KIND, STEP: self.state.step}) as epoch:
                metrics = self._epoch(feedback)
                for name, value in metrics.items():
                    epoch.set(f"{METRIC}.{name}", value)
            on_epoch(metrics)
        self._load_best()
        return TrainingResult(self.brain, self.state.best or 0.0, self.state.history, resumed)

    def _epoch(self, feedback: FeedbackPool) -> dict[str, float]:
        sums: Counter[str] = Counter()
        prompts = self._prompt_batches()
        steps: Counter[str] = Counter()
        for indices in length_batches([len(row) for row in self.rows], self.settings.batch_size, self.random):
            with span("training step", {KIND: STEP_KIND, STEP: self.state.step}) as here:
                told = self._step(indices, prompts, feedback)
                for name, value in told.items():
                    if name not in _REWARDS:
                        here.set(f"{METRIC}.{name}", value)
                if told.get("reward_count"):
                    here.set(f"{METRIC}.reward", told["reward"] / told["reward_count"])
            for name, value in told.items():
                sums[name] += value  # type: ignore[assignment] # a Counter of floats
                steps[name] += 1
        self.state.epoch += 1
        metrics: dict[str, float] = {name: value / steps[name] for name, value in sums.items() if name not in _REWARDS}
        if sums["reward_count"]:
            metrics["reward"] = sums["reward"] / sums["reward_count"]
        counts = feedback.counts
        metrics |= {"epoch": self.state.epoch, "step": self.state.step, "evaluations_pending": feedback.pending}
        metrics |= {"groups_used": counts.used, "groups_stale": counts.stale, "evaluations_failed": counts.failed}
        metrics["staleness"] = sum(counts.staleness) / max(1, len(counts.staleness))
        last = self.state.epoch == self.settings.epochs
        if last or self.state.epoch % self.settings.validate_every == 0:
            metrics["validation_score"] = self._validate()
        self.state.history.append(metrics)
        self._save()
        return metrics

    def _step(self, indices: list[int], prompts: Iterator[list[str]], feedback: FeedbackPool) -> dict[str, float]:
        self._schedule()
        self.brain.train()
        tokens, lengths = pad([self.rows[index] for index in indices])
        answer = chosen(self.brain(self._hide_words(tokens), lengths=lengths))
        loss = distillation(answer.logits, self.targets[indices], temperature=self.settings.distillation_temperature)
        metrics = {"loss": float(loss.detach())}
        if self.settings.feedback_weight and self.lesson.prompts:
            objective, more = self._feedback(next(prompts), feedback)
            loss = loss + objective
            metrics |= more
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.brain.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        self.average.update()
        self.state.step += 1
        return metrics

    def _prompt_batches(self) -> Iterator[list[str]]:
        """Go through the prompts in random batches of similar length, over and over."""
        lengths = [len(self.prompt_rows[prompt]) for prompt in self.lesson.prompts]
        while lengths:
            for batch in length_batches(lengths, self.settings.feedback_prompts, self.random):
                yield [self.lesson.prompts[index] for index in batch]

    def _feedback(self, prompts: list[str], feedback: FeedbackPool) -> tuple[torch.Tensor, dict[str, float]]:
        """Hand in fresh answers, and build the objective of those whose evaluations have arrived."""
        self.brain.eval()  # without dropout the policy that is improved is the one that drew the answers
        feedback.submit(self._draw(prompts))
        groups = feedback.arrived(self.state.step)
        if not groups:
            return torch.zeros(()), {}
        tokens, lengths = pad([self.prompt_rows[group.prompt] for group in groups])
        output = self.brain(tokens, lengths=lengths)
        answers, rewards, known, behaviour = group_tensors(groups)
        logits = chosen(output).logits
        spread = entropy(logits)
        policy = rloo(logits, answers, rewards, known, behaviour)
        # The value head learns what the brain's answers earn: it is what the brain expects of an evaluation.
        earned = (rewards * known).sum(dim=1) / known.sum(dim=1).clamp_min(1)
        seen = known.any(dim=1)
        value = ((output.value - earned).square() * seen).sum() / seen.sum().clamp_min(1)
        objective = self.settings.feedback_weight * (policy + 0.1 * value) - self.settings.entropy_bonus * spread
        arrived = int(known.sum())
        return objective, {
            "reward": float((rewards * known).sum()),
            "reward_count": arrived,
            "entropy": float(spread.detach()),
            "policy_loss": float(policy.detach()),
        }

    @torch.no_grad()
    def _draw(self, prompts: list[str]) -> list[Group]:
        tokens, lengths = pad([self.prompt_rows[prompt] for prompt in prompts])
        logs = torch.log_softmax(chosen(self.brain(tokens, lengths=lengths)).logits, dim=-1)
        drawn = torch.multinomial(logs.exp(), self.settings.answers_per_prompt, replacement=True, generator=self.random)
        behaviour = logs.gather(1, drawn).tolist()
        return [
            Group(prompt, tuple(answers), tuple(row), self.state.step)
            for prompt, answers, row in zip(prompts, drawn.tolist(), behaviour, strict=True)
        ]

    def _hide_words(self, tokens: torch.Tensor) -> torch.Tensor:
        if not self.settings.word_dropout:
            return tokens
        hidden = torch.rand(tokens.shape, generator=self.random) < self.settings.word_dropout
        return tokens.masked_fill(hidden, 0)

    def _schedule(self) -> None:
        """One cycle: a linear warm-up over a tenth of the training, then a cosine down to a hundredth (Smith and Topin 2018)."""
        total = self.steps * self.settings.epochs
        done = self.state.step / max(1, total)
        warm = 0.1
        scale = (done + 1 / total) / warm if done < warm else 0.01 + 0.495 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * min(1.0, scale)

    def _validate(self) -> float:
        with span("validation", {KIND: VALIDATION_KIND, STEP: self.state.step}) as here, self.average.applied():
            with self.brain.record() as recording:
                answers = predict(self.brain, self.reader, self.lesson.held_out)
            here.set(f"{METRIC}.modulators", recording.levels())
            score = self.lesson.validate(list(zip(self.lesson.held_out, answers, strict=True)))
            here.set(SCORE, score)
            # A score that is not a number is beaten by any that is.
            if self.state.best is None or math.isnan(self.state.best) or score > self.state.best:
                self.state.best, self.state.waited = score, 0
                save_brain(self.brain, self.folder / "best")
            else:
                self.state.waited += 1
        return score

    def _save(self) -> None:
        names = [name for name, _ in self.brain.named_parameters()]
        averages = {f"average.{name}": value for name, value in zip(names, self.average.values, strict=True)}
        tensors: dict[str, torch.Tensor] = dict(self.brain.named_parameters()) | averages
        for name, parameter in self.brain.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{key}.{name}"] = value
        tensors |= {"random": self.random.get_state(), "random.global": torch.get_rng_state()}
        self.state.tensors = tensors
        save_training(self.state, self.folder)

    def _resume(self) -> None:
        found = load_training(self.folder, self.state.fingerprint)
        if found is None:
            return
        self.state = found
        self.average.updates = found.step
        with torch.no_grad():
            for (name, parameter), average in zip(self.brain.named_parameters(), self.average.values, strict=True):
                parameter.copy_(found.tensors[name])
                average.copy_(found.tensors[f"average.{name}"])
                moments = {key: found.tensors.get(f"optimizer.{key}.{name}") for key in ("step", "exp_avg", "exp_avg_sq")}
                if moments["step"] is not None:  # a parameter that never had a gradient has none
                    self.optimizer.state[parameter] = moments
        self.random.set_state(found.tensors["random"])
        torch.set_rng_state(found.tensors["random.global"])

    def _load_best(self) -> None:
        best = load_brain(self.folder / "best").brain
        self.brain.load_state_dict(best.state_dict())
        self.brain.eval()

    def _fingerprint(self) -> str:
        described = {
            "settings": self.settings.model_dump(mode="json"),
            "brain": self.brain.config.model_dump(mode="json"),
            "reader": [self.rows, self.reader.longest, list(self.reader.table.shape), float(self.reader.table.double().sum())],
            "pairs": [asdict(pair) for pair in self.lesson.pairs],
            "prompts": list(self.lesson.prompts),
            "held_out": list(self.lesson.held_out),
        }
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def length_batches(lengths: Sequence[int], size: int, random: torch.Generator) -> list[list[int]]:
    """Split indices into random batches of similar length, so that little of a batch is padding.

    Args:
        lengths: Of the rows.
        size: Of a batch.
        random: Draws the order.

    Returns:
        Every index once, in batches in random order.

    Example:
        >>> batches = length_batches([5, 1, 4, 2], 2, torch.Generator().manual_seed(0))
        >>> sorted(index for batch in batches for index in batch)
        [0, 1, 2, 3]
    """
    order = torch.randperm(len(lengths), generator=random).tolist()
    batches = []
    for start in range(0, len(order), 16 * size):
        part = sorted(order[start : start + 16 * size], key=lengths.__getitem__)
        batches += [part[begin : begin + size] for begin in range(0, len(part), size)]
    return [batches[index] for index in torch.randperm(len(batches), generator=random).tolist()]


_REWARDS: Final = ("reward", "reward_count")  # sums: as many evaluations arrive in a step as happen to
