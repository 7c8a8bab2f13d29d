"""A study as one of Optuna's, rebuilt from the journal: for optuna-dashboard, Optuna's plots, and the importance of knobs.

    number, choice       a parameter with its distribution
    text                 a choice among the hashes of the texts that were tried; the text is a user attribute of the trial
    complete, stopped    COMPLETE, PRUNED; the mean after each run is an intermediate value
    failed, under way    FAIL, RUNNING

It is a view: the journal is the truth, and making the view again replaces it.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from llm_brain.errors import DataError, missing_dependency
from llm_brain.optimize.recorded import Recorded, read_recorded
from llm_brain.optimize.study import Trial
from llm_brain.optimize.telling import verdict_words

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

OURS: Final = "llm_brain"
"""The user attribute by which a study is known to be a view that may be replaced."""
LEAST_TRIALS: Final = 10
"""With fewer trials an importance is noise."""


def to_optuna(journal: Path | str, storage: str | BaseStorage, *, name: str | None = None) -> str:
    """Rebuild an Optuna study from a journal, in any of Optuna's storages. One that was made so before is replaced.

    Args:
        journal: The study's file; it may still be written to.
        storage: The storage, or its address, such as `sqlite:///studies.db`.
        name: What the study is called there; by default as the journal is, without its ending.

    Returns:
        The study's name.

    Raises:
        DataError: The journal cannot be read, the storage cannot be opened, or it has another study of that name.
        MissingDependencyError: optuna is not installed.

    Example:
        >>> import tempfile
        >>> from pydantic import BaseModel, Field
        >>> from llm_brain.optimize import LLMOptimizer, StudyBudget
        >>> class Knobs(BaseModel):
        ...     rate: float = Field(0.5, ge=0.0, le=1.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     journal = Path(folder) / "hill.jsonl"
        ...     optimizer = LLMOptimizer(
        ...         lambda run: 1 - abs(run.hyperparameters.rate - 0.3), score=lambda _, result: result, hyperparameters=Knobs,
        ...         task_parameters="a hill", result=float, model=None, journal=journal)
        ...     _ = optimizer.run(StudyBudget(trials=3))
        ...     to_optuna(journal, f"sqlite:///{folder}/studies.db")
        'hill'
    """
    recorded = read_recorded(Path(journal))
    name = name or recorded.name
    began = datetime.fromisoformat(recorded.begun["began"]).astimezone().replace(tzinfo=None)  # local and naive, as Optuna's
    optuna = _optuna()
    opened = _opened(storage)
    known = {study.study_name: study for study in optuna.get_all_study_summaries(opened)}
    if name in known:
        if OURS not in known[name].user_attrs:
            message = f"{storage} has a study {name!r} that is no view of a journal: give another name"
            raise DataError(message)
        optuna.delete_study(study_name=name, storage=opened)
    _fill(optuna.create_study(storage=opened, study_name=name, direction="maximize"), recorded, began)
    return name


def importances(recorded: Recorded) -> dict[str, float]:
    """Tell how much each hyperparameter decides about being among the best tenth of the trials (PED-ANOVA, Watanabe et al. 2023).

    It looks at the complete trials of the highest fidelity. Of texts nothing is told: most of them are tried once.

    Returns:
        Shares that sum to 1, the largest first; empty where there are too few trials to tell.

    Raises:
        MissingDependencyError: optuna is not installed.
    """
    optuna = _optuna()
    whole = [trial for trial in recorded.finished if trial.status == "complete" and trial.fidelity >= 1]
    knobs = [name for name in recorded.begun["space"] if name not in recorded.texts and any(name in t.point for t in whole)]
    if len(whole) < LEAST_TRIALS or not knobs:
        return {}
    study = optuna.create_study(direction="maximize")
    distributions, began = _distributions(recorded), datetime.fromtimestamp(0)  # noqa: DTZ006 - as Optuna's
    study.add_trials([_trial(trial, distributions, recorded, began) for trial in whole])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = optuna.importance.get_param_importances(study, params=knobs)
    return {str(name): float(share) for name, share in sorted(told.items(), key=lambda item: -item[1])}


def text_hash(text: str) -> str:
    """Give the short name of a text.

    Example:
        >>> text_hash("Say yes.")
        'f3d692b4'
    """
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:8]


def _opened(storage: str | BaseStorage) -> BaseStorage:
    try:
        opened: BaseStorage = _optuna().storages.get_storage(storage)
    except Exception as error:  # whatever Optuna, the database and its driver raise
        reason = str(error).strip().partition("\n")[0]
        message = f"the storage {storage} cannot be opened: {type(error).__name__}: {reason}"
        raise DataError(message) from error
    return opened


def _fill(study: Study, recorded: Recorded, began: datetime) -> None:
    begun = recorded.begun
    study.set_user_attr(OURS, {"schema": begun["schema"], "seed": begun["seed"], "proposers": begun["proposers"]})
    study.set_user_attr("verdict", verdict_words(recorded.study.verdict))
    study.set_user_attr("lessons", [f"{lesson.text} (trials {lesson.trials})" for lesson in recorded.study.lessons])
    distributions = _distributions(recorded)
    for trial in recorded.study.trials:
        study.add_trial(_trial(trial, distributions, recorded, began))


def _distributions(recorded: Recorded) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution, json_to_distribution

    found: dict[str, BaseDistribution] = {}
    for name, told in recorded.begun["space"].items():
        if told["distribution"] is not None:
            found[name] = json_to_distribution(json.dumps(told["distribution"]))
        else:
            texts = [trial.point[name] for trial in recorded.study.trials if name in trial.point]
            found[name] = CategoricalDistribution(list(dict.fromkeys(map(text_hash, texts))) or [""])
    return found


def _trial(trial: Trial[Any], distributions: Mapping[str, BaseDistribution], recorded: Recorded, began: datetime) -> FrozenTrial:
    from optuna.trial import FrozenTrial, TrialState

    states = {
        "complete": TrialState.COMPLETE,
        "stopped": TrialState.PRUNED,
        "failed": TrialState.FAIL,
        "running": TrialState.RUNNING,
    }
    start, end = recorded.told_at.get(trial.number, (0.0, None))
    point = {name: value for name, value in trial.point.items() if name in distributions}
    is_over = trial.status != "running"
    return FrozenTrial(
        number=-1,  # Optuna counts for itself
        trial_id=-1,
        state=states[trial.status],
        value=trial.score if trial.status in ("complete", "stopped") else None,
        values=None,
        datetime_start=began + timedelta(seconds=start),
        datetime_complete=began + timedelta(seconds=start if end is None else end) if is_over else None,
        params={name: text_hash(value) if name in recorded.texts else value for name, value in point.items()},
        distributions={name: distributions[name] for name in point},
        user_attrs=_attributes(trial, recorded.texts),
        system_attrs={},
        intermediate_values=_means(trial),
    )


def _attributes(trial: Trial[Any], texts: tuple[str, ...]) -> dict[str, Any]:
    exceptions = [outcome.exception for outcome in trial.outcomes if outcome.exception]
    told = {
        "proposer": trial.proposer,
        "fidelity": trial.fidelity,
        "note": trial.note,
        "parents": list(trial.parents),
        "refused": list(trial.refused),
        "runs": len(trial.outcomes),
        "seconds": round(trial.seconds, 6),
        "tokens": trial.tokens,
        "dollars": round(trial.dollars, 6),
        "exception": exceptions[0] if exceptions else "",
        "reflection": "" if trial.reflection is None else trial.reflection.evaluation,
        "forecast": None if trial.forecast is None else trial.forecast.probability,
        **{name: trial.point[name] for name in texts if name in trial.point},
    }
    return {name: value for name, value in told.items() if value not in ("", [], None)}


def _means(trial: Trial[Any]) -> dict[int, float]:
    total, found = 0.0, {}
    for place, score in enumerate(outcome.score for outcome in trial.outcomes if outcome.score is not None):
        total += score
        found[place] = total / (place + 1)
    return found


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise missing_dependency("optuna", extra="optimize") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
