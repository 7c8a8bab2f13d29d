"""Whether inputs still come as they did: a bet against it whose winnings are evidence (a conformal test martingale).

    p of a new score   (number greater + u (number equal + 1)) / (n + 1), u uniform: its rank among those before it
    bets               C_e <- (1 - J) C_e + J/3 sum C,  then  C_e <- C_e (1 + e (p - 1/2)),   e in {-1, 0, 1}
    level              sum C + what is kept back; an alarm where it reaches 1 / false_alarm

While scores are exchangeable, the p-values are independent and uniform (Vovk, Gammerman and Shafer, Algorithmic Learning in a
Random World, 2022), so that nobody can expect to win: by Ville's inequality, the chance that an alarm is *ever* raised is at most
`false_alarm`. The bets are the simple jumper's (Vovk et al. 2021, Retrain or not retrain: conformal test martingales for
change-point detection, PMLR 152). They lose in quiet times; so 1/k of the capital is kept back until step k, and put in bit by
bit, which is a bet on a change at any later step, too, and as fair.
"""

from __future__ import annotations

import math
import random
import sys
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from typing import Any

from llm_brain.errors import ArgumentError

BETS = (-1.0, 0.0, 1.0)
JUMP = 0.01
MOST = 5000


class DriftMonitor:
    """Raises an alarm when scores no longer come as they did; that it ever does so without cause has at most a given chance.

    Once it has raised an alarm, it stays: further scores change nothing.

    Args:
        scores: How strange each of some inputs was, from before.
        false_alarm: The chance of ever raising an alarm while nothing changes.
        most: How many scores are remembered. Beyond, one is forgotten at random with each new one, as likely the new one as any:
            what is left is exchangeable with the next, and the guarantee the same.
        seed: Of the numbers that order equal scores and that choose what is forgotten.

    Attributes:
        level: The capital, of 1 at first: the evidence that scores have changed.
        alarm: Whether it has reached 1 / false_alarm.
        observed: How many scores it has bet on.

    Raises:
        ArgumentError: `false_alarm` is not between 0 and 1, or nothing may be remembered.

    Example:
        >>> monitor = DriftMonitor(range(100))
        >>> for score in [50, 3, 71, 96, 20]:
        ...     monitor.observe(score)
        >>> monitor.alarm
        False
        >>> for _ in range(40):
        ...     monitor.observe(1000)
        >>> monitor.alarm
        True
    """

    def __init__(self, scores: Iterable[float] = (), *, false_alarm: float = 0.01, most: int = MOST, seed: int = 0) -> None:
        if not 0 < false_alarm < 1 or most < 1:
            message = f"false_alarm must lie between 0 and 1 and most be at least 1, got {false_alarm} and {most}"
            raise ArgumentError(message)
        self.false_alarm = false_alarm
        self.most = most
        self.seed = seed
        self.observed = 0
        self._scores = sorted(map(_comparable, scores))
        if len(self._scores) > most:
            self._scores = sorted(random.Random(seed).sample(self._scores, most))
        self._capital = [0.0] * len(BETS)
        self.alarm = False

    @property
    def level(self) -> float:
        """The capital: the evidence that scores have changed."""
        return sum(self._capital) + self._kept_back

    def observe(self, score: float) -> None:
        """Bet on one more score; one that is not a number is the strangest of all."""
        if self.alarm:
            return
        score = _comparable(score)
        # Drawn by the step's number, so that the state of a generator need not be saved.
        draw = random.Random(f"{self.seed} {self.observed}")
        self._bet(self._p_value(score, draw.random()))
        insort(self._scores, score)
        if len(self._scores) > self.most:
            del self._scores[draw.randrange(len(self._scores))]

    def state(self) -> dict[str, Any]:
        """Give everything that it knows, as JSON.

        Example:
            >>> monitor = DriftMonitor([1, 2, 3])
            >>> DriftMonitor.restored(monitor.state()).state() == monitor.state()
            True
        """
        return {
            "false_alarm": self.false_alarm,
            "most": self.most,
            "seed": self.seed,
            "observed": self.observed,
            "scores": list(self._scores),
            "capital": list(self._capital),
            "alarm": self.alarm,
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> DriftMonitor:
        """Build a monitor that goes on where another was.

        Raises:
            ArgumentError: That is no state of a monitor.
        """
        try:
            monitor = cls(
                map(float, state["scores"]),
                false_alarm=float(state["false_alarm"]),
                most=int(state["most"]),
                seed=int(state["seed"]),
            )
            monitor.observed = int(state["observed"])
            monitor.alarm = bool(state["alarm"])
            capital = [float(share) for share in state["capital"]]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            message = f"this is no state of a drift monitor: {type(error).__name__}: {error}"
            raise ArgumentError(message) from error
        if len(capital) != len(BETS) or monitor.observed < 0 or not all(0 <= share < math.inf for share in capital):
            message = f"this is no state of a drift monitor: its capital is {capital} after {monitor.observed} bets"
            raise ArgumentError(message)
        monitor._capital = capital
        return monitor

    @property
    def _kept_back(self) -> float:
        return 1 / (self.observed + 1)

    def _p_value(self, score: float, tie: float) -> float:
        below, up_to = bisect_left(self._scores, score), bisect_right(self._scores, score)
        return (len(self._scores) - up_to + tie * (up_to - below + 1)) / (len(self._scores) + 1)

    def _bet(self, p_value: float) -> None:
        before = self._kept_back
        self.observed += 1
        put_in = before - self._kept_back
        evenly = (JUMP * sum(self._capital) + put_in) / len(BETS)
        self._capital = [
            ((1 - JUMP) * share + evenly) * (1 + bet * (p_value - 0.5)) for bet, share in zip(BETS, self._capital, strict=True)
        ]
        self.alarm = self.level >= 1 / self.false_alarm


def _comparable(score: float) -> float:
    # Neither a NaN has a rank, nor an infinity a form in JSON.
    return sys.float_info.max if math.isnan(score) else max(-sys.float_info.max, min(sys.float_info.max, float(score)))
