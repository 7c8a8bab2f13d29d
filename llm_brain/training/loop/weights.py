"""What a part of a step counts, so that its parts together, and its processes, are the whole step.

Each term of a loss is a mean over something of its own: measured answers, prompts of which a reward is known, all prompts. A part
divides by how many of these it has, and so counts by its share of them: a failed evaluation or a tie in one part changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from llm_brain.training.feedback import Group, group_tensors
from llm_brain.training.objectives import measured


class FeedbackWeights(NamedTuple):
    """What the terms count that evaluations make.

    Attributes:
        objective: The part's share of what the objective is the mean over.
        value: Its share of the prompts of which a reward is known.
        entropy: Its share of the prompts; 0 where no reward of the step is known. Where nothing is taught, the answers are not
            made any less certain either.
        distance: Its share of the prompts.

    Example:
        >>> FeedbackWeights().objective
        1.0
    """

    objective: float = 1.0
    value: float = 1.0
    entropy: float = 1.0
    distance: float = 1.0


def feedback_weights(
    parts: Sequence[Sequence[Group]], whole: Sequence[Group], objective: str, processes: int = 1
) -> list[FeedbackWeights]:
    """Weigh the parts that one process takes of a step's groups.

    Args:
        parts: This process's.
        whole: All groups of the step.
        objective: Its name.
        processes: Among how many processes gradients are averaged.

    Example:
        >>> failed, scored = (Group(0, (0, 1), (0, 1), (-0.7, -0.7), 0, rewards=rewards) for rewards in [(None, 1.0), (0.0, 1.0)])
        >>> [weights.objective for weights in feedback_weights([[failed], [scored]], [failed, scored], "rloo")]
        [0.0, 1.0]
    """
    all_measured, all_seen, all_prompts = _counts(whole, objective)
    found = []
    for part in parts:
        measures, seen, prompts = _counts(part, objective)
        distance = _share(prompts, all_prompts, processes)
        found.append(
            FeedbackWeights(
                objective=_share(measures, all_measured, processes),
                value=_share(seen, all_seen, processes),
                entropy=distance if all_seen else 0.0,
                distance=distance,
            )
        )
    return found


def _counts(groups: Sequence[Group], objective: str) -> tuple[int, int, int]:
    if not groups:
        return 0, 0, 0
    rewards, known, _ = group_tensors(groups)
    return measured(objective, rewards, known), int(known.any(dim=1).sum()), len(groups)


def _share(part: int, whole: int, processes: int) -> float:
    return processes * part / whole if whole else 0.0
