r"""A fixed number of calls, spent on the answers that a predictor is unsure of, without a bias.

.. math::
    \tilde R = \hat r + \frac{1[\text{asked}]}{p} (R - \hat r), \qquad E[\tilde R] = R \text{ for any } \hat r \text{ and } p > 0

p rises with the predictor's uncertainty (Horvitz and Thompson 1952; with a control variate: Cassel et al. 1976). The corrected
reward lies outside of the score range at times. It is not clamped, which would bias it.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from llm_brain.errors import ArgumentError
from llm_brain.training.feedback.predictor import RewardPredictor

FLOOR: Final = 0.05
_RECENT: Final = 128
_HALVINGS: Final = 50


@dataclass(frozen=True, slots=True)
class Draw:
    """What was predicted of an answer, and whether its evaluation was drawn.

    Attributes:
        predicted: What it is expected to earn.
        probability: That its evaluation is asked for; 0 where the budget is spent.
        asked: Whether it is.

    Example:
        >>> Draw(0.5, 0.25, asked=True).reward(0.75), Draw(0.5, 0.25, asked=False).reward(None)
        (1.5, 0.5)
    """

    predicted: float
    probability: float
    asked: bool

    def reward(self, score: float | None) -> float | None:
        """Correct the prediction.

        Args:
            score: What the evaluation gave; None where it failed, or was not asked for.

        Returns:
            The corrected reward, whose expectation over the draw is the score. None where the evaluation failed.
        """
        if not self.asked:
            return self.predicted
        return None if score is None else self.predicted + (score - self.predicted) / self.probability


class Allocation:
    """Decides which answers are evaluated, so that the calls last for the whole training.

    Each answer's draw depends on the seed, the number of its group and the answer, so that a repeated run draws equally.

    Args:
        predictor: What tells the expected score of an answer.
        prompt_text: Tells a prompt's text by its place.
        budget: How many evaluations may be asked for in all.
        planned: How many answers the training is going to draw. What is remembered costs nothing, so this is an upper bound.
        score_range: What predictions are clamped to.
        floor: The least probability: it bounds how far a corrected reward lies from the prediction. A budget below
            floor * planned is therefore spent before the training ends, and the rest goes on on predictions alone.
        seed: Of the draws.

    Attributes:
        spent: How many evaluations were asked for.

    Raises:
        ArgumentError: The budget or the plan is negative, or the floor is no probability above 0.

    Example:
        >>> from llm_brain.training.feedback.predictor import LinearRewardPredictor
        >>> allocation = Allocation(LinearRewardPredictor(), ["It broke."].__getitem__, budget=4, planned=4)
        >>> [draw.probability for draw in allocation.draws(0, 0, ["good", "bad"], size=2)]
        [1.0, 1.0]
    """

    def __init__(
        self,
        predictor: RewardPredictor,
        prompt_text: Callable[[int], str],
        *,
        budget: int,
        planned: int,
        score_range: tuple[float, float] = (0.0, 1.0),
        floor: float = FLOOR,
        seed: int = 0,
    ) -> None:
        if budget < 0 or planned < 0 or not 0 < floor <= 1:
            message = f"budget and planned must not be negative, and floor lie in (0, 1], got {budget}, {planned} and {floor}"
            raise ArgumentError(message)
        self.spent = 0
        self._predictor, self._prompt_text, self._seed = predictor, prompt_text, seed
        self._low, self._high = score_range
        self._budget, self._planned, self._floor = budget, planned, floor
        self._recent: deque[float] = deque(maxlen=_RECENT)

    @property
    def is_spent(self) -> bool:
        """Whether nothing more is asked for."""
        return self.spent >= self._budget

    def stop(self) -> None:
        """Ask for nothing more."""
        self._budget = min(self._budget, self.spent)

    def learn(self, prompt: int, answer: str, score: float) -> None:
        """Let the predictor learn what an answer earned."""
        self._predictor.learn(self._prompt_text(prompt), answer, score)

    def draws(self, number: int, prompt: int, answers: Sequence[str], size: int) -> list[Draw]:
        """Decide for the answers of a group, and count those that are to be asked for as spent.

        Args:
            number: Of the group.
            prompt: Its prompt.
            answers: Those of which nothing is known, each once.
            size: How many answers each group has.

        Returns:
            A decision for each.

        Raises:
            ArgumentError: The predictor gives no finite numbers.
        """
        text = self._prompt_text(prompt)
        predictions = [self._predictor.predict(text, answer) for answer in answers]
        if not all(math.isfinite(mean) and 0 <= uncertainty < math.inf for mean, uncertainty in predictions):
            message = f"the reward predictor must give finite means and uncertainties of at least 0, got {predictions!r:.200}"
            raise ArgumentError(message)
        self._recent.extend(uncertainty for _, uncertainty in predictions)
        rest = max(self._planned - number * size, size)
        rate = (self._budget - self.spent) / max(1, rest)
        scale = scale_for(rate, self._recent, self._floor)
        return [
            self._draw(number, answer, mean, _clip(scale * uncertainty, self._floor))
            for answer, (mean, uncertainty) in zip(answers, predictions, strict=True)
        ]

    def _draw(self, number: int, answer: str, mean: float, probability: float) -> Draw:
        predicted = min(max(mean, self._low), self._high)
        if self.is_spent:
            return Draw(predicted, 0.0, asked=False)
        asked = random.Random(f"{self._seed} {number} {answer}").random() < probability
        self.spent += asked
        return Draw(predicted, probability, asked)


def scale_for(rate: float, uncertainties: Iterable[float], floor: float = FLOOR) -> float:
    """Find the factor that makes probabilities of uncertainties, so that so many are asked for in expectation.

    Args:
        rate: The share that is to be asked for.
        uncertainties: Of recent answers.
        floor: The least probability.

    Returns:
        c, so that the mean of clip(c * uncertainty, floor, 1) is `rate`, where any factor makes it so; else the one that comes
        nearest.

    Example:
        >>> round(scale_for(0.5, [1.0, 3.0], floor=0.05), 6)
        0.25
    """
    known = list(uncertainties)
    top = max(known, default=0.0)
    least = max(min((value for value in known if value > 0), default=top), 1e-6 * top)
    if not known or top <= 0:
        return 0.0
    low, high = 0.0, 1 / least
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if sum(_clip(middle * value, floor) for value in known) < rate * len(known):
            low = middle
        else:
            high = middle
    return high


def _clip(probability: float, floor: float) -> float:
    return min(max(probability, floor), 1.0)
