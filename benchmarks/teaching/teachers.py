"""The teachers: the embedded model, and one that knows the truth and is wrong in a tenth of its answers.

What a teacher says to every text of a task is asked once, and kept in `.answers`: all rows learn from the same answers, and how
many of them a row was told is what it is charged for.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from benchmarks.teaching.order import ITEMS, Order
from benchmarks.teaching.task import TeachingTask
from llm_brain.backends import CachedBackend, LocalBackend
from llm_brain.backends.embedded import weights_folder
from llm_brain.errors import BackendError, LLMBrainError
from llm_brain.strategy import Details, TypedFunction
from llm_brain.strategy.calibration import fit_calibration
from llm_brain.strategy.implementation import Implementation, ModelImplementation
from llm_brain.strategy.signature import FunctionSpec

FOLDER = Path(__file__).parent / ".answers"
NOISE = 0.1
TEACHERS = {"embedded": "the embedded model", "noisy": "the truth with 10% noise"}


@dataclass(frozen=True)
class Told:
    """What a teacher says to a text.

    Attributes:
        answer: None where it gave no answer.
        probabilities: Of all options of a closed set; else nothing.
    """

    answer: Any
    probabilities: tuple[float, ...] = ()


Answers = Mapping[str, Told]


class Noisy:
    """A strong teacher: the true answer, and in a tenth of the texts another one, always the same.

    Args:
        truth: The true answers by text.
        options: Of a closed set; else nothing.
        noise: How often it is wrong.
    """

    name = "noisy"

    def __init__(self, truth: Mapping[str, Any], options: Sequence[Any] = (), noise: float = NOISE) -> None:
        self._truth, self._options, self._noise = truth, list(options), noise

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer one call."""
        del spec, state, sample
        (text,) = arguments.values()
        draw = random.Random(f"noise {text}")
        value = self._truth[text]
        if draw.random() < self._noise:
            value = another(value, self._options, draw)
        rest = self._noise / max(1, len(self._options) - 1)
        shown = {option: 1 - self._noise if option == value else rest for option in self._options}
        return Details(value, self.name, probabilities=shown)


class Recorded:
    """A teacher whose answers are known: it is asked of nobody."""

    def __init__(self, answers: Answers, name: str) -> None:
        self._answers, self.name = answers, name

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer one call.

        Raises:
            BackendError: The teacher had no answer to this.
        """
        del spec, state, sample
        (text,) = arguments.values()
        answer = self._answers[text].answer
        if answer is None:
            message = f"the teacher had no answer to {text!r:.80}"
            raise BackendError(message, kind="validation")
        return Details(answer, self.name)


def another(value: Any, options: Sequence[Any], draw: random.Random) -> Any:
    """Draw a wrong answer in the place of a right one: of a record, one field is wrong."""
    if not isinstance(value, Order):
        return draw.choice([option for option in options if option != value])
    wrong = {"item": ITEMS, "quantity": range(1, 13), "urgent": (False, True)}
    name = draw.choice(list(wrong))
    return value.model_copy(update={name: another(getattr(value, name), wrong[name], draw)})


def options_of(function: TypedFunction[..., Any]) -> tuple[Any, ...]:
    """Give the options of a closed set in the order of their probabilities; of a record, nothing."""
    return tuple(get_args(function.spec.returns))


def teacher(task: TeachingTask, name: str) -> Implementation:
    """Make a teacher. The embedded one keeps its answers in a file, and is freed of its lean on the texts of the pool."""
    function = task.function
    if name == "noisy":
        return Noisy(dict([*task.true_pairs, *task.dev, *task.gold]), options_of(function))
    FOLDER.mkdir(exist_ok=True)
    asked = ModelImplementation(CachedBackend(LocalBackend(weights_folder()), FOLDER / f"{task.name}.sqlite"))
    if not options_of(function):
        return asked
    return fit_calibration(TypedFunction(function.spec, asked, function.instance), task.inputs, progress=f"{task.name}: labels")


def teaches(task: TeachingTask, name: str) -> bool:
    """Tell whether there is such a teacher: without true answers in the pool there is no noisy one."""
    return name == "embedded" or bool(task.true_pairs)


def ask(task: TeachingTask, name: str) -> Path:
    """Have a teacher answer all texts of a task, and write what it says.

    Returns:
        The file, for `read_answers`.
    """
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{task.name}-{name}.json"
    function, texts = task.function, [text for text, _ in (*task.pool, *task.dev, *task.gold)]
    taught = TypedFunction(function.spec, teacher(task, name), function.instance)
    told = taught.map_details(texts, progress=f"{task.name}: {name}")
    options = options_of(function)
    lines = [{"text": text, **written(details, options)} for text, details in zip(texts, told, strict=True)]
    path.write_text(json.dumps(lines), encoding="utf-8")
    return path


def read_answers(task: TeachingTask, name: str) -> dict[str, Told]:
    """Read what `ask` wrote."""
    lines = json.loads((FOLDER / f"{task.name}-{name}.json").read_text(encoding="utf-8"))
    return {line["text"]: Told(value_of(task, line["answer"]), tuple(line["probabilities"])) for line in lines}


def written(told: Details[Any] | LLMBrainError, options: Sequence[Any]) -> dict[str, Any]:
    """Turn what a teacher said into what JSON can hold."""
    if not isinstance(told, Details):
        return {"answer": None, "probabilities": []}
    answer = told.value.model_dump(mode="json") if isinstance(told.value, BaseModel) else told.value
    return {"answer": answer, "probabilities": [told.probabilities[option] for option in options] if told.probabilities else []}


def value_of(task: TeachingTask, told: Any) -> Any:
    """Turn what was written into a value of the task's type."""
    returns = task.function.spec.returns
    if told is not None and isinstance(returns, type) and issubclass(returns, BaseModel):
        return returns.model_validate(told)
    return told


def evaluation(told: Told, answer: Any, options: Sequence[Any]) -> float:
    """Score an answer by what the teacher says: its probability, or the share of a record's fields that are the teacher's.

    A noisy teacher's probabilities say no more than its answer: it likes that, and nothing else.
    """
    if isinstance(answer, BaseModel):
        fields = type(answer).model_fields
        right = [name for name in fields if getattr(answer, name) == getattr(told.answer, name, None)]
        return len(right) / len(fields)
    if told.probabilities and len(set(told.probabilities)) > 2:  # a model's own, and not those that noise is spread to
        return told.probabilities[list(options).index(answer)]
    return float(answer == told.answer)


def known(answers: Answers, texts: Iterable[str]) -> list[str]:
    """Give those texts that the teacher has an answer to."""
    return [text for text in texts if answers[text].answer is not None]
