"""What a proposer is: an object with a name that looks at a study's past and proposes what to try next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from llm_brain.optimize.models import Lesson
from llm_brain.optimize.space import Space
from llm_brain.optimize.study import Trial, best_of

Values = TypeVar("Values", bound=BaseModel)


@dataclass(frozen=True)
class Proposal:
    """What somebody proposes to try. It is checked before it is tried: it may be anything.

    Attributes:
        hyperparameters: A model of the hyperparameters, or values by name; those that are not named keep their defaults.
        note: Why.
        parents: The numbers of the trials that it was made from.
        task_parameters: Further cases that the task should be run on.
        gate: Cases that it is run on first. It goes on only if their sum is higher than that of its first parent.

    Example:
        >>> Proposal({"rate": 0.2}, note="lower").parents
        ()
    """

    hyperparameters: BaseModel | Mapping[str, Any]
    note: str = ""
    parents: tuple[int, ...] = ()
    task_parameters: tuple[Any, ...] = ()
    gate: tuple[int, ...] = ()


@dataclass(frozen=True)
class History(Generic[Values]):
    """What is known of a study when something is proposed.

    Attributes:
        space: What can be tuned.
        trials: The trials that are over, oldest first.
        cases: The task parameters that may be read; the trials' outcomes count them from 0.
        lessons: What was learned.

    Example:
        >>> class Knobs(BaseModel):
        ...     fast: bool = False
        >>> History(Space(Knobs), []).best is None
        True
    """

    space: Space[Values]
    trials: Sequence[Trial[Values]]
    cases: Sequence[Any] = ()
    lessons: Sequence[Lesson] = ()

    @property
    def best(self) -> Trial[Values] | None:
        """The trial with the best score so far."""
        return best_of(self.trials)


class Proposer(Protocol):
    """Proposes what to try next.

    A proposal depends on the history and the seed, on nothing else but a language model's replies. A proposer may raise what it
    likes, and propose what it likes: what cannot be used costs no trial. After several refusals in a row it is asked no more.

    Attributes:
        name: What it is called in the study.

    Example:
        >>> class Lower:
        ...     name = "lower"
        ...     def propose(self, history, *, seed):
        ...         return [Proposal({"rate": trial.point["rate"] / 2}, parents=(trial.number,)) for trial in history.trials[-1:]]
        >>> proposer: Proposer = Lower()
    """

    @property
    def name(self) -> str:
        """What it is called in the study."""
        ...

    def propose(self, history: History[Any], *, seed: int) -> Iterable[Proposal]:
        """Propose what to try next, the best first; the first that can be used is tried.

        Args:
            history: What is known.
            seed: For what is drawn.
        """
        ...
