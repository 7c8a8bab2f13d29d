"""Whose turn it is: the classical core for most trials, the others for a share that their credit moves.

A rule of "the highest expected improvement wins" would always choose the core, which is the one that computes it. So everyone
beside the core has a share to begin with, about three of the first ten trials; a proposer whose trials do better than the core's
gets more, and one that misleads keeps a small share, in which it may recover.

    share = start * exp(STEEPNESS * (its credit - the core's credit))

The others are ahead by some trials: the core draws at random until it knows enough, and what a model knows is worth most then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm_brain.optimize.proposers.credit import Credit, credits_of
from llm_brain.optimize.study import DEFAULT, PROMOTION, Trial

SHARE: Final = 0.25
AHEAD: Final = 5
"""How many trials the core counts as having had before the first."""
LEAST, MOST = 0.05, 0.6
STEEPNESS: Final = 6.0
LATEST: Final = 6
"""How many trials of each count, the last ones: the core draws at random in the beginning, and learns."""
REFUSALS: Final = 3
"""After as many refusals in a row a proposer is asked no more."""
UNASKED: Final = "cannot be asked: "
"""What the reason begins with where nobody could have answered, after a refused key say: that is no refusal of a proposal."""
CORE: Final = "core"


def shares(
    names: Sequence[str], trials: Sequence[Trial[Any]], reputation: Mapping[str, Credit], *, core: bool = True
) -> dict[str, float]:
    """Give the share of trials that each proposer has, the core's included.

    Args:
        names: The proposers beside the core.
        trials: Those that are over.
        reputation: What earlier studies thought of them.
        core: Whether there is anything that the core can draw.

    Example:
        >>> shares(["model"], [], {})
        {'model': 0.25, 'core': 0.75}
    """
    if not names:
        return {CORE: 1.0}
    now = credits_of(trials, latest=LATEST)
    start = SHARE / len(names) if core else 1 / len(names)
    beside = now.get(CORE, Credit()).mean
    found = {}
    for name in names:
        credit = now.get(name, Credit()) + reputation.get(name, Credit())
        found[name] = start * math.exp(STEEPNESS * (credit.mean - beside))
    if not core:
        whole = sum(found.values())
        return {name: share / whole for name, share in found.items()}
    found = {name: max(LEAST / len(names), share) for name, share in found.items()}
    whole = sum(found.values())
    found = {name: share * min(1.0, MOST / whole) for name, share in found.items()}
    return {**found, CORE: 1.0 - sum(found.values())}


def turn(
    shared: Mapping[str, float],
    before: Sequence[Trial[Any]],
    silent: Sequence[str] = (),
) -> list[str]:
    """Tell whom to ask for the next trial, and whom instead if nothing that it proposes can be used.

    Whoever is furthest behind its share has the turn, as in stride scheduling (Waldspurger & Weihl 1995).

    Args:
        shared: The shares.
        before: All trials that were begun, whether they are over or not.
        silent: Who is asked no more.

    Example:
        >>> turn({"model": 0.25, "core": 0.75}, [Trial(0, "default", None)])
        ['model', 'core']
    """
    had = {name: AHEAD if name == CORE else 0 for name in shared}
    for trial in before:
        asked = trial.proposer
        if asked in had:
            had[asked] += 1
    number = sum(trial.proposer not in (DEFAULT, PROMOTION) for trial in before) + 1 + AHEAD * (CORE in shared)
    willing = [name for name in shared if name not in silent]
    behind = {name: shared[name] * number - had[name] for name in willing}
    return sorted(willing, key=lambda name: (-behind[name], name == CORE))


def silenced(begun: Sequence[Trial[Any]], names: Sequence[str]) -> list[str]:
    """Tell who is asked no more: whose last proposals were all refused.

    Example:
        >>> begun = [Trial(n, "core", None, refused=("model: no answer",)) for n in range(3)]
        >>> silenced(begun, ["model"])
        ['model']
    """
    found = []
    for name in names:
        streak = 0
        for trial in begun:
            told = [line.removeprefix(f"{name}: ") for line in trial.refused if line.startswith(f"{name}: ")]
            refused = any(not reason.startswith(UNASKED) for reason in told)
            streak = 0 if trial.proposer == name else streak + refused
        if streak >= REFUSALS:
            found.append(name)
    return found
