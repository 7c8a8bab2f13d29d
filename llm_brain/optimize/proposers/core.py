"""The classical core: one of Optuna's samplers, asked by name and told all trials."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from llm_brain.errors import DefinitionError, missing_dependency
from llm_brain.optimize.proposers.contract import History, Proposal
from llm_brain.optimize.proposers.scales import Scale, scales
from llm_brain.optimize.study import Trial

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

SamplerName = Literal["tpe", "gp", "cmaes", "random"]
ATTEMPTS: Final = 50
ATTEMPTS_OF_THE_SAMPLER: Final = 5
"""After as many draws that cannot be used the rest are uniform: a sampler may insist on what the model's validators forbid."""
STARTUP_TRIALS: Final = 10


class CoreProposer:
    """Draws what is tried next from one of Optuna's samplers (Akiba et al. 2019).

    Of several fidelities it looks at the highest one at which there are enough trials (as Falkner et al. 2018), and of a space
    with texts it draws the numbers only, beside the texts of the best trial.

    Args:
        sampler: "tpe" (Bergstra et al. 2011; Watanabe 2023), "gp" (a Gaussian process), "cmaes" (Hansen & Ostermeier 2001;
            Nomura et al. 2021), or "random".

    Raises:
        DefinitionError: There is no such sampler.

    Example:
        >>> from pydantic import BaseModel, Field
        >>> from llm_brain.optimize.space import Space
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.5, ge=0.0, le=1.0)
        >>> proposal = next(iter(CoreProposer().propose(History(Space(Knobs), []), seed=0)))
        >>> 0 <= proposal.hyperparameters["rate"] <= 1
        True
    """

    name = "core"

    def __init__(self, sampler: SamplerName = "tpe") -> None:
        if sampler not in _SAMPLERS:
            message = f"there is no sampler {sampler!r}: there are {', '.join(_SAMPLERS)}"
            raise DefinitionError(message)
        self.sampler: SamplerName = sampler

    def propose(self, history: History[Any], *, seed: int) -> Iterator[Proposal]:
        """Draw one point after the other, as long as somebody wants another one."""
        try:
            import optuna
        except ImportError as error:
            raise missing_dependency("optuna", extra="optimize") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        space, scaled = history.space, scales(history.space)
        best = history.best
        texts = {} if best is None else {name: best.point[name] for name in space.texts if name in best.point}
        told = _told(history, texts)
        for attempt in range(ATTEMPTS if scaled else 0):
            own = int.from_bytes(hashlib.sha256(f"{seed} {attempt}".encode()).digest()[:4])
            sampler = self.sampler if attempt < ATTEMPTS_OF_THE_SAMPLER else "random"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                drawn = _drawn(_study(told, scaled, sampler, own).ask(), scaled)
            yield Proposal({**texts, **drawn})


def _told(history: History[Any], texts: dict[str, Any]) -> Sequence[Trial[Any]]:
    """Choose the trials that a sampler is told: those that are like what is sought now."""
    scored = [trial for trial in history.trials if trial.score is not None]
    enough = len(history.space.knobs) + 2
    for fidelity in sorted({trial.fidelity for trial in scored}, reverse=True):
        here = [trial for trial in scored if trial.fidelity == fidelity]
        if len(here) >= enough or fidelity == min(trial.fidelity for trial in scored):
            scored = here
            break
    # Numbers are tuned given the texts; the trials with other texts tell something as long as there are few with these.
    same = [trial for trial in scored if all(trial.point.get(name) == text for name, text in texts.items())]
    return same if len(same) >= enough else scored


def _study(told: Sequence[Trial[Any]], scaled: dict[str, Scale], sampler: SamplerName, seed: int) -> Study:
    import optuna

    known = []
    for trial in told:
        knobs = {scale: scale.inward(trial.point[name]) for name, scale in scaled.items() if name in trial.point}
        known.append(
            optuna.trial.create_trial(
                params={scale.name: value for scale, value in knobs.items()},
                distributions={scale.name: scale.distribution for scale in knobs},
                value=trial.score,
            )
        )
    study = optuna.create_study(direction="maximize", sampler=_SAMPLERS[sampler](seed, known))
    study.add_trials(known)
    return study


def _drawn(trial: Any, scaled: dict[str, Scale]) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    for name, scale in scaled.items():
        condition = scale.part.condition
        if condition is None or (condition[0] in drawn and drawn[condition[0]] == condition[1]):
            drawn[name] = scale.draw(trial)
    return drawn


def _tpe(seed: int, _: Sequence[FrozenTrial]) -> BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=True, group=True)


def _gp(seed: int, _: Sequence[FrozenTrial]) -> BaseSampler:
    import optuna

    return optuna.samplers.GPSampler(seed=seed, n_startup_trials=STARTUP_TRIALS, deterministic_objective=False)


def _cmaes(seed: int, known: Sequence[FrozenTrial]) -> BaseSampler:
    """Give a sampler that draws from the distribution of the best tenth of the trials (Nomura et al. 2021).

    Optuna's own keeps its state in the trials that it drew, which a study that is made of points and scores has not: it would
    begin anew with every trial, and learn nothing.
    """
    import optuna
    from optuna.distributions import CategoricalDistribution

    shared = {
        name: distribution
        for name, distribution in (known[0].distributions.items() if known else ())
        if all(name in trial.params for trial in known)
        and not distribution.single()
        and not isinstance(distribution, CategoricalDistribution)
    }
    if len(known) < STARTUP_TRIALS or not shared:
        return _random(seed, known)
    sources = [
        optuna.trial.create_trial(params={name: trial.params[name] for name in shared}, distributions=shared, value=trial.value)
        for trial in known
    ]
    return optuna.samplers.CmaEsSampler(seed=seed, source_trials=sources, warn_independent_sampling=False)


def _random(seed: int, _: Sequence[FrozenTrial]) -> BaseSampler:
    import optuna

    return optuna.samplers.RandomSampler(seed=seed)


_SAMPLERS: Final = {"tpe": _tpe, "gp": _gp, "cmaes": _cmaes, "random": _random}
