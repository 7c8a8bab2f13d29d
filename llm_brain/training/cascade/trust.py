"""How far a brain is trusted: a threshold that is calibrated, watched for drift, given up, and calibrated anew.

    calibrated    inputs are watched; the brain answers where it is sure enough, but for a few audits
        | alarm
        v
    collecting    the model answers everything; with `recent` answers, the threshold is calibrated on them alone, and the watch
                  begins anew on their inputs

The guarantee of `conformal.threshold` holds in each stretch, for inputs that are exchangeable with those it was calibrated on;
while answers are collected, every answer is the model's. That inputs have changed, the watch finds out with some delay, in which
nothing is guaranteed; what it cannot see is that the model has changed, of which the audits tell. In a stretch without a change,
the chance of an alarm is at most `false_alarm`.
"""

from __future__ import annotations

import math
import random
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from llm_brain.errors import ArgumentError
from llm_brain.training.cascade.conformal import held_out_needed, threshold
from llm_brain.training.cascade.distance import FeatureDistance
from llm_brain.training.cascade.drift import DriftMonitor

Reason = Literal["sure", "unsure", "audit", "collecting", "drift"]
# So many disagreements, and no fewer, are expected among the answers that a threshold is calibrated on anew.
DISAGREEMENTS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """A call that both the brain and the model answered.

    Example:
        >>> Observation(0.9, True, torch.zeros(4)).agrees
        True
    """

    confidence: float
    agrees: bool
    features: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """Whether the brain answers a call itself ("sure"), or why the model is asked.

    Example:
        >>> Verdict("unsure", 0.4, torch.zeros(4), stretch=1).asks
        True
    """

    reason: Reason
    confidence: float
    features: Tensor
    stretch: int

    @property
    def asks(self) -> bool:
        """Whether the model is asked."""
        return self.reason != "sure"


@dataclass(frozen=True, slots=True)
class CascadeStats:
    """What a cascade has done.

    Attributes:
        answered: Calls that the brain answered.
        asked: Calls that the model answered, audits included.
        audited: Calls of which the brain was sure, and the model was asked all the same.
        audits_agreed: Those of them on which both agreed.
        alarms: How often inputs were found to have changed.

    Example:
        >>> CascadeStats(answered=90, asked=10, audited=1, audits_agreed=1).share
        0.9
    """

    answered: int = 0
    asked: int = 0
    audited: int = 0
    audits_agreed: int = 0
    alarms: int = 0

    @property
    def share(self) -> float:
        """The share of calls that the brain answered; 0 where there were none."""
        return self.answered / (self.answered + self.asked or 1)


class Trust:
    """Decides which calls a brain answers itself. Safe for many threads.

    Args:
        agreement: On which share of all calls the answer shall be the model's, in expectation.
        false_alarm: The chance that an alarm is ever raised in a stretch in which inputs do not change.
        recent: On how many answers of the model the threshold is calibrated anew; 5 / (1 - agreement) when omitted.
        audit: Of which share of the calls of which the brain is sure the model is asked, too.
        seed: Of what is drawn.

    Attributes:
        threshold: The confidence from which on the brain answers itself; infinity while the model answers everything.
        stats: What happened so far.

    Raises:
        ArgumentError: An argument is out of its range, or `recent` answers are too few to hold `agreement`.

    Example:
        >>> trust = Trust(agreement=0.5, audit=0.0)
        >>> trust.judge(0.9, torch.zeros(2)).reason
        'collecting'
        >>> trust.calibrate([Observation(0.9, True, torch.zeros(2)), Observation(0.3, False, torch.ones(2))])
        >>> trust.judge(0.9, torch.zeros(2)).reason, trust.judge(0.3, torch.ones(2)).reason
        ('sure', 'unsure')
    """

    def __init__(
        self, agreement: float, *, false_alarm: float = 0.01, recent: int | None = None, audit: float = 0.01, seed: int = 0
    ) -> None:
        needed = held_out_needed(agreement)
        recent = math.ceil(DISAGREEMENTS / (1 - agreement)) if recent is None else recent
        if recent < needed:
            message = f"recent={recent} answers are too few: to agree on {agreement} of all calls takes at least {needed}"
            raise ArgumentError(message)
        if not 0 <= audit <= 1:
            message = f"audit must lie between 0 and 1, got {audit}"
            raise ArgumentError(message)
        self.agreement = agreement
        self.false_alarm = false_alarm
        self.recent = recent
        self.audit = audit
        self.seed = seed
        self.threshold = math.inf
        self.stats = CascadeStats()
        self._lock = threading.Lock()
        self._collected: list[Observation] = []
        self._watch: tuple[FeatureDistance, DriftMonitor] | None = None
        self._stretch = 0
        self._judged = 0
        DriftMonitor(false_alarm=false_alarm)  # so that what it refuses is refused now

    @property
    def level(self) -> float:
        """The evidence that inputs have changed, 1 at first and 1 / false_alarm at an alarm; 0 while answers are collected."""
        watch = self._watch
        return 0.0 if watch is None else watch[1].level

    def calibrate(self, observations: Sequence[Observation]) -> None:
        """Find the threshold on calls that the brain was not trained on, and watch for inputs unlike theirs.

        Raises:
            ArgumentError: They are too few.
        """
        needed = held_out_needed(self.agreement)
        if len(observations) < needed:
            message = (
                f"{len(observations)} held-out answers are too few: to agree on {self.agreement} of all calls takes at least "
                f"{needed}. Give more, or none: then the first {self.recent} calls are asked"
            )
            raise ArgumentError(message)
        with self._lock:
            self._calibrate(observations)

    def judge(self, confidence: float, features: Tensor) -> Verdict:
        """Decide whether the brain answers a call itself. `count` or `learn` belongs to it, unless nobody answers."""
        confidence = _comparable(confidence)
        with self._lock:
            stretch = self._stretch
            return Verdict(self._reason(confidence, features), confidence, features, stretch)

    def count(self) -> None:
        """Take note that the brain answered."""
        with self._lock:
            self.stats = replace(self.stats, answered=self.stats.answered + 1)

    def learn(self, verdict: Verdict, *, agrees: bool) -> None:
        """Take note that the model was asked, and whether it said what the brain says."""
        with self._lock:
            stats, audited = self.stats, verdict.reason == "audit"
            self.stats = replace(
                stats,
                asked=stats.asked + 1,
                audited=stats.audited + audited,
                audits_agreed=stats.audits_agreed + (audited and agrees),
            )
            # An answer that was long under way may belong to a stretch that is over.
            if verdict.reason == "collecting" and verdict.stretch == self._stretch:
                self._collected.append(Observation(verdict.confidence, agrees, verdict.features))
                if len(self._collected) >= self.recent:
                    self._calibrate(self._collected)

    def _reason(self, confidence: float, features: Tensor) -> Reason:
        if self._watch is None:
            return "collecting"
        distance, monitor = self._watch
        monitor.observe(distance(features))
        if monitor.alarm:
            self.stats = replace(self.stats, alarms=self.stats.alarms + 1)
            self._begin(math.inf, None)
            return "drift"  # not collected: it was chosen for being strange
        if confidence < self.threshold:
            return "unsure"
        self._judged += 1
        return "audit" if random.Random(f"{self.seed} {self._judged}").random() < self.audit else "sure"

    def _calibrate(self, observations: Sequence[Observation]) -> None:
        # The distance of an input from those it was fitted to is smaller than that of a new one: so fit on some, watch the rest.
        shuffled = random.Random(f"{self.seed} {self._stretch}").sample(observations, len(observations))
        half = (len(shuffled) + 1) // 2
        distance = FeatureDistance.fit([one.features for one in shuffled[:half]])
        scores = [distance(one.features) for one in shuffled[half:]]
        monitor = DriftMonitor(scores, false_alarm=self.false_alarm, seed=self.seed + self._stretch)
        confidences = [_comparable(one.confidence) for one in observations]
        self._begin(threshold(confidences, [one.agrees for one in observations], self.agreement), (distance, monitor))

    def _begin(self, threshold: float, watch: tuple[FeatureDistance, DriftMonitor] | None) -> None:
        self.threshold, self._watch, self._collected = threshold, watch, []
        self._stretch += 1

    def state(self) -> dict[str, Any]:
        """Give everything that it knows, as JSON."""
        with self._lock:
            return {
                "agreement": self.agreement,
                "false_alarm": self.false_alarm,
                "recent": self.recent,
                "audit": self.audit,
                "seed": self.seed,
                "threshold": None if math.isinf(self.threshold) else self.threshold,
                "stats": asdict(self.stats),
                "stretch": self._stretch,
                "judged": self._judged,
                "watch": None if self._watch is None else [part.state() for part in self._watch],
                "collected": [[one.confidence, one.agrees, one.features.tolist()] for one in self._collected],
            }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Trust:
        """Build a trust that goes on where another was.

        Raises:
            ArgumentError: That is no state of one.
        """
        try:
            trust = cls(
                float(state["agreement"]),
                false_alarm=float(state["false_alarm"]),
                recent=int(state["recent"]),
                audit=float(state["audit"]),
                seed=int(state["seed"]),
            )
            given, watch = state["threshold"], state["watch"]
            trust.threshold = math.inf if given is None else float(given)
            trust.stats = CascadeStats(**{name: int(count) for name, count in state["stats"].items()})
            trust._stretch, trust._judged = int(state["stretch"]), int(state["judged"])
            if watch is not None:
                distance, monitor = watch
                trust._watch = FeatureDistance.restored(distance), DriftMonitor.restored(monitor)
            trust._collected = [
                Observation(float(confidence), bool(agrees), torch.tensor(features, dtype=torch.float64))
                for confidence, agrees, features in state["collected"]
            ]
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            message = f"this is no state of a trust: {type(error).__name__}: {error}"
            raise ArgumentError(message) from error
        # A brain that nothing watches is trusted with nothing.
        if math.isnan(trust.threshold) or (trust._watch is None and trust.threshold < math.inf):
            message = f"this is no state of a trust: its threshold is {trust.threshold}, and nothing is watched"
            raise ArgumentError(message)
        return trust


def _comparable(confidence: float) -> float:
    # Whoever is sure of no number is less sure than anybody; and an infinity has no form in JSON.
    return -sys.float_info.max if math.isnan(confidence) else max(-sys.float_info.max, min(sys.float_info.max, float(confidence)))
