"""What a study is: its space, its task, its cases, and the rules by which it goes. It does not change while the study goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_jsonable_python

from llm_brain.errors import DefinitionError
from llm_brain.optimize.cases import type_of
from llm_brain.optimize.fidelity import check_fidelities
from llm_brain.optimize.objective import LARGEST_SCORE, Objective, Work
from llm_brain.optimize.racing import Unit
from llm_brain.optimize.runs import Need, Rules
from llm_brain.optimize.seeds import seed_for
from llm_brain.optimize.space import Space
from llm_brain.optimize.study import Trial

SCHEMA: Final = 3
MOST_CASES: Final = 64


@dataclass(frozen=True)
class Plan:
    """What a study is.

    Attributes:
        space: What is tuned.
        objective: Makes and measures a run.
        cases: What trials are run on.
        selection: What only the finalists are run on; no proposer reads it.
        replicates: How often a trial is run on a case, each time with another seed.
        confirmations: How often the finalists are run on each case once more; on the cases of `selection`, if there are any.
        parallel: How many trials are under way at once.
        fidelities: Where trials begin, and how they go on, up to 1.
        rules: How a trial is run.
        seed: Of all that is drawn.

    Raises:
        DefinitionError: There is no case, one has no form in which a journal could know it again, or a number makes no sense.
    """

    space: Space[Any]
    objective: Objective[Any, Any]
    cases: Sequence[Any]
    selection: Sequence[Any] = ()
    replicates: int = 1
    confirmations: int = 0
    parallel: int = 1
    fidelities: Sequence[float] = (1.0,)
    rules: Rules = field(default_factory=Rules)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.cases:
            message = "there is nothing to run the task on: give task parameters"
            raise DefinitionError(message)
        for name, least in (("replicates", 1), ("confirmations", 0), ("parallel", 1)):
            given = getattr(self, name)
            if not isinstance(given, int) or given < least:
                message = f"`{name}` is at least {least}, a whole number, and was {given!r}"
                raise DefinitionError(message)
        seed: Any = self.seed
        if not isinstance(seed, int):
            message = f"`seed` is a whole number, and was {seed!r}"
            raise DefinitionError(message)
        failure: Any = self.rules.failure_score
        if failure is not None and not (isinstance(failure, int | float) and abs(failure) <= LARGEST_SCORE):  # nor is NaN
            message = (
                f"`failure_score` is a finite number up to {LARGEST_SCORE:g}, and was {failure!r}: "
                "name one below all that you expect"
            )
            raise DefinitionError(message)
        check_fidelities(self.fidelities)
        for name, cases in (("task_parameters", self.cases), ("selection", self.selection)):
            for place, case in enumerate(cases):
                _check_form(f"{name}[{place}]", case)

    @cached_property
    def case_type(self) -> TypeAdapter[Any]:
        """The type of the cases, for those that are proposed."""
        return TypeAdapter(type_of(self.cases))

    def case(self, told: Any) -> Any:
        """Read a case that was proposed, as JSON has it: by the names of its fields, whatever else they may be called.

        Raises:
            ValidationError: It is none of the study's type, or nothing that JSON holds all of.
        """
        return self.case_type.validate_python(told, by_alias=True, by_name=True)

    @property
    def checks(self) -> Sequence[Any]:
        """What the finalists are run on."""
        return self.selection or self.cases

    @property
    def checked_times(self) -> int:
        """How often the finalists are run on each of `checks`."""
        return max(1, self.confirmations) if self.selection else self.confirmations

    def units(self, cases: int) -> list[Unit]:
        """Give all that a trial has to run, in an order that the seed decides and that is the same for all trials."""
        order = sorted(range(cases), key=lambda case: seed_for(self.seed, "order", case))
        return [(case, replicate) for replicate in range(self.replicates) for case in order]

    def work(self, need: Need, trial: Trial[Any], case: Any, *, is_check: bool) -> Work[Any]:
        """Describe a run for whoever makes it."""
        seed = seed_for(self.seed, "check" if is_check else "run", need.case, need.replicate)
        point = trial.point if self.objective.hyperparameters is not None else self.space.given(trial.hyperparameters)
        return Work(point, need.case, need.replicate, case, trial.fidelity, seed, trial.number)

    def describe(self, proposers: Sequence[str]) -> dict[str, Any]:
        """Tell the plan as JSON: a journal is gone on with only by a study that is the same."""
        return {
            "schema": SCHEMA,
            "seed": self.seed,
            "space": self.space.describe(),
            "default": self.space.point(self.space.default),
            "settings": _settings(self.space),
            "cases": [as_json(case) for case in self.cases],
            "selection": [_hashed(as_json(case)) for case in self.selection],  # no proposer reads them here either
            "replicates": self.replicates,
            "confirmations": self.confirmations,
            "parallel": self.parallel,
            "fidelities": list(self.fidelities),
            "races": self.rules.races,
            "failure_score": self.rules.failure_score,
            "proposers": list(proposers),
        }


def as_json(value: Any) -> Any:
    """Tell a value as JSON, the same in every process.

    Raises:
        ValueError: It has no such form.

    Example:
        >>> as_json({"at": (1, 2), "tags": {"b", "a"}})
        {'at': [1, 2], 'tags': ['a', 'b']}
    """
    told = value.model_dump(mode="json", warnings=False) if isinstance(value, BaseModel) else to_jsonable_python(value)
    return _in_order(told, value)


def parameters_of(task_parameters: Any) -> Sequence[Any]:
    """Read what a user gave as task parameters: a list, a tuple or an iterator of cases, or one by itself.

    Example:
        >>> parameters_of("a hill"), parameters_of(["a", "b"])
        (('a hill',), ('a', 'b'))
    """
    if isinstance(task_parameters, Sequence | Iterator) and not isinstance(task_parameters, str | bytes | Mapping):
        return tuple(task_parameters)
    return (task_parameters,)


def _check_form(name: str, case: Any) -> None:
    try:
        as_json(case)
    except ValueError as error:
        message = (
            f"`{name}` has no form in which the journal could know it again ({error}): "
            "give plain data, a dataclass or a pydantic model, or the name by which the task finds it"
        )
        raise DefinitionError(message) from error


def _settings(space: Space[Any]) -> dict[str, str]:
    """Tell what all fields are by default, those that are not tuned included, as far as they have a form and stay the same.

    It says no more than whether they are the same: what is not tuned may be a key.
    """
    found = {}
    for name in space.model.model_fields:
        with suppress(ValueError):
            values = [space.default.model_dump(include={name}, warnings=False) for _ in range(2)]
            told, again = (
                _hashed(_in_order(to_jsonable_python(value, fallback=lambda inside: type(inside).__qualname__), value))
                for value in values
            )
            if told == again:
                found[name] = told
    return found


def _hashed(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _in_order(told: Any, value: Any) -> Any:
    """Give what was a set, and is told as a list, an order: in another process it has another one."""
    if isinstance(value, BaseModel):
        value = value.model_dump(warnings=False)
    elif is_dataclass(value) and not isinstance(value, type):
        value = {one.name: getattr(value, one.name) for one in fields(value)}
    if not isinstance(value, Collection) or not isinstance(told, dict | list) or len(value) != len(told):
        return told  # it is told in a way of its own
    if isinstance(told, dict):
        inside = value.values() if isinstance(value, Mapping) else value
        return {name: _in_order(one, of) for (name, one), of in zip(told.items(), inside, strict=True)}
    found = [_in_order(one, of) for one, of in zip(told, value, strict=True)]
    return sorted(found, key=json.dumps) if isinstance(value, set | frozenset) else found
