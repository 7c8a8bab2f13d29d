"""Tune the training of a brain: its numbers, what is switched on, and the words of the rubric that its teacher judges by.

    python -m examples.optimize.training

A language model reads customers' messages, and a small network learns from it to tell the happy ones. How fast should it learn?
Should the model also judge the network's own answers, and by which rubric? Do the modulators of its synapses help? Each trial is
two short trainings; most trials see half of the epochs, and the best of them go on to all of them.

The embedded model answers, which needs no key; `--model openai:MODEL` is the change for a stronger one. Its answers are kept: a
second run asks nothing again, and a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import torch
from pydantic import BaseModel, Field
from rich.console import Console
from rich.markup import escape

from examples.mood.interface import ANSWERS, Mood, MoodReader
from examples.mood.school import implemented
from llm_brain import Details, Likelihood, LLMBrainError, LLMOptimizer, TrainingSettings, examples, llm_strategy, teach, typed
from llm_brain.backends import CachedBackend, LanguageBackend, resolve_model
from llm_brain.backends.embedded import weights_folder
from llm_brain.optimize import History, Proposal, Run, Score, Space, Study, StudyBudget, Trial
from llm_brain.strategy.calibration import Calibrated, fit_calibration
from llm_brain.strategy.implementation import ModelImplementation
from llm_brain.training import PairSet, Subject, TokenReader, Unlabelled, read_messages

MOOD = Path(__file__).parents[1] / "mood"
EPOCHS: Final = 6
POOL, ASIDE = 440, 40
RUBRICS: Final = (
    "Good things happened to happy customers. Unhappy ones were let down.",
    "Happy customers would come back, and unhappy ones would not.",
    "Mind irony: who praises a broken thing is unhappy.",
)


# What is tuned. A choice of models is a tagged union: what stands in one of them exists only where it was chosen.


class Pairs(BaseModel):
    """The network learns from the model's answers, and nobody judges its own."""

    objective: Literal["none"] = "none"


class Judged(BaseModel):
    """The model judges the network's own answers by a rubric."""

    weight: float = Field(
        default=0.5, ge=0.1, le=8.0, description="How much its judgements count.", json_schema_extra={"log": True}
    )
    rubric: str = Field(
        default="Tell whether the customer is happy.",
        max_length=120,
        description="What the judge of the network's answers goes by.",
    )


class Rewards(Judged):
    """Answers of the network that are judged to be good are made more likely."""

    objective: Literal["rloo"] = "rloo"
    entropy_bonus: float = Field(
        default=0.01, ge=0.001, le=0.1, description="Keeps it from being sure.", json_schema_extra={"log": True}
    )


class Preferences(Judged):
    """Of two answers of the network the one that is judged to be better is preferred."""

    objective: Literal["dpo"] = "dpo"


class Modulated(BaseModel):
    """Dopamine and the others decide what the network's fast weights keep."""

    modulators: Literal["on"] = "on"
    longest_trace: float = Field(default=0.9, ge=0.5, le=0.98, description="How long a synapse remembers what it has just seen.")


class Unmodulated(BaseModel):
    """The fast weights keep everything alike."""

    modulators: Literal["off"] = "off"


class Knobs(BaseModel):
    """The training of a small network that tells happy customers from unhappy ones."""

    learning_rate: float = Field(default=0.003, ge=0.0005, le=0.03, json_schema_extra={"log": True})
    feedback: Pairs | Rewards | Preferences = Field(default=Pairs(), discriminator="objective")
    synapses: Modulated | Unmodulated = Field(default=Modulated(), discriminator="modulators")


# What is measured: brains that were trained, on messages that a person has labelled.


class Group(BaseModel):
    """Labelled messages that one trained brain answers."""

    name: str
    messages: list[str] = Field(exclude=True, repr=False)
    moods: list[Mood] = Field(exclude=True, repr=False)


class Report(BaseModel):
    """What came of one training."""

    certainty: float = Field(description="The mean probability that the brain gave to the right mood; .5 is guessing.")
    right: float = Field(description="The share of messages for which that mood was its answer.")
    missed: list[str] = Field(description="Some messages that it was wrong about.")


@llm_strategy("local")
@dataclass
class Judge:
    """Who judges the brain's answers, by a rubric."""

    rubric: str

    @examples(*ANSWERS)
    def evaluate_output(self, message: str, mood: Mood) -> Annotated[float, Likelihood(of="mood")]:
        """Is the customer who wrote this happy or unhappy?"""
        raise NotImplementedError


class School:
    """Trains brains with the same pairs, and measures them.

    Args:
        model: Who labels and judges.
        folder: Where the trainings are kept, each in a folder of its own.
        pool: Messages without labels; the last ones are not learned from.
    """

    def __init__(self, model: LanguageBackend, folder: Path, pool: Sequence[str]) -> None:
        self._model, self._folder = model, folder
        reader = implemented(model)
        self._labels: MoodReader = implemented(
            Calibrated(ModelImplementation(model), dict(fit_calibration(typed(reader.mood), pool).priors))
        )
        subject = Subject.of(typed(self._labels.mood), None)
        self._pairs, self._aside = PairSet(subject.kind), PairSet(subject.kind)
        Unlabelled(pool[:-ASIDE]).gather(subject, self._pairs, _quietly)
        Unlabelled(pool[-ASIDE:]).gather(subject, self._aside, _quietly)
        self._pairs.balance()
        self._tokens = TokenReader.from_folder(weights_folder())

    def train(self, run: Run[Group, Knobs]) -> Report:
        """Teach a brain as the hyperparameters say, and let it answer the messages of the case."""
        knobs, case = run.hyperparameters, run.task_parameters
        epochs = max(1, round(EPOCHS * run.fidelity))
        feedback: dict[str, Any] = {"feedback_weight": 0.0}
        judge = None
        if not isinstance(knobs.feedback, Pairs):
            judge = llm_strategy(self._model)(Judge)(knobs.feedback.rubric)
            feedback = knobs.feedback.model_dump(exclude={"weight", "rubric"}) | {"feedback_weight": knobs.feedback.weight}
        if isinstance(knobs.synapses, Modulated):
            synapses: dict[str, Any] = {"eligibility_decay": (0.5, knobs.synapses.longest_trace)}
        else:
            synapses = {"ablate": ("dopamine", "serotonin", "noradrenaline", "acetylcholine")}
        taught = teach(
            self._labels.mood,
            self._pairs,
            folder=self._folder / f"{run.trial}-{run.seed}",
            teacher=judge,
            held_out=self._aside,
            settings=TrainingSettings(
                epochs=epochs,
                batch_size=16,
                learning_rate=knobs.learning_rate,
                prompts=120,
                validate_every=epochs,  # once: what is measured here are the messages below
                seed=run.seed,
                **feedback,
            ),
            brain={"width": 48, "heads": 4, **synapses},
            reader=self._tokens,
            progress=False,
        )
        told = typed(implemented(taught.student).mood).map_details(case.messages, concurrency=1)
        given = [_probability(one, mood) for one, mood in zip(told, case.moods, strict=True)]
        missed = [f"{message} ({mood})" for message, mood, p in zip(case.messages, case.moods, given, strict=True) if p < 0.5]
        return Report(certainty=statistics.mean(given), right=1 - len(missed) / len(given), missed=missed[:3])


def _probability(told: Details[Mood] | LLMBrainError, mood: Mood) -> float:
    if isinstance(told, LLMBrainError):
        raise told
    return told.probabilities[mood]


def _quietly(_: str, __: int) -> Any:
    return lambda: None


def score(_: Group, report: Report) -> Score:
    """Value a training; whoever rewrites the rubric is told what went wrong."""
    return Score(report.certainty, feedback="wrong about: " + "; ".join(report.missed))


class Rubrics:
    """Proposes rubrics that a person would like to see tried, each beside the best values so far."""

    name = "rubrics"

    def propose(self, history: History[Knobs], *, seed: int) -> Iterable[Proposal]:
        """Give those that were not tried."""
        del seed
        best = history.best
        if best is None:
            return
        tried = {trial.point.get("feedback[rloo].rubric") for trial in history.trials}
        for rubric in RUBRICS:
            if rubric not in tried:
                changed = {"feedback.objective": "rloo", "feedback[rloo].rubric": rubric}
                yield Proposal({**best.point, **changed}, parents=(best.number,), note="a rubric of ours")


def groups(name: str, rows: Sequence[dict[str, Any]], number: int) -> list[Group]:
    """Deal labelled messages into groups."""
    dealt = [rows[place::number] for place in range(number)]
    return [
        Group(name=f"{name} {place + 1}", messages=[row["message"] for row in own], moods=[row["mood"] for row in own])
        for place, own in enumerate(dealt)
    ]


def optimiser(model: LanguageBackend, run: Path) -> LLMOptimizer[Group, Report, Knobs]:
    """Describe the study."""
    labelled = [row for name in ("dev", "gold") for row in read_messages(MOOD / f"{name}.jsonl", "message", "mood")]
    pool = [line["message"] for line in read_messages(MOOD / "pool.jsonl", "message")]
    school = School(model, run / "trainings", pool[:POOL])
    return LLMOptimizer(
        school.train,
        score=score,
        hyperparameters=Knobs,
        task_parameters=groups("to tune with", labelled[::2], 2),
        result=Report,
        model=model,
        proposers=[Rubrics()],
        journal=run / "study.jsonl",
        fidelities=(1 / 2, 1),
        selection=groups("held out", labelled[1::2], 6),  # each of them by a training of its own, with another seed
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; an error of ours is one line, and Ctrl-C a clean stop."""
    parser = argparse.ArgumentParser(description="Tune the training of a brain.")
    parser.add_argument("--run", type=Path, default=Path("runs/optimize-training"), help="where everything is kept")
    parser.add_argument("--trials", type=int, default=12, help="how many trials")
    parser.add_argument("--model", default="local", help="who labels, judges, suggests and reflects: openai:MODEL, ...")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        tune(options.run, options.trials, options.model, console)
    except KeyboardInterrupt:
        console.print("\nstopped. Nothing is lost: the same command goes on where it was.")
        return 130
    except (LLMBrainError, OSError) as error:
        console.print(f"[bold red]stopped:[/] {escape(str(error))}")
        return 1
    return 0


def tune(run: Path, trials: int, model: str, console: Console) -> Study[Knobs]:
    """Run the study, tell of each trial when it is over, and of the verdict in the end."""
    begin = time.monotonic()
    torch.set_num_threads(1)
    run.mkdir(parents=True, exist_ok=True)
    with console.status("the model labels the messages that the brains learn from"):
        optimizer = optimiser(CachedBackend(resolve_model(model), run / "answers.sqlite"), run)
    console.print(f"{trials} trials. The score: how much probability a brain gives to the right mood; .5 is guessing.\n")
    with console.status("trials are under way") as status:

        def tell(trial: Trial[Knobs]) -> None:
            show(trial, console)
            if trial.number == trials - 1:
                status.update("the best trials and the default are trained again, for messages that nothing was chosen by")

        study = optimizer.run(StudyBudget(trials=trials), on_trial=tell)
    if study.verdict is None or study.best is None:
        console.print("the default could not be run: there is nothing to compare with")
        return study
    console.print(f"\nOn messages that nothing was chosen by: {study.verdict}")
    console.print(f"Train with: {escape(study.best.hyperparameters.model_dump_json(indent=2))}")
    for trial in study.trials:
        if trial.checked:
            right = statistics.mean(outcome.result["right"] for outcome in trial.checked if outcome.result)
            console.print(
                f"  trial {trial.number}: {right:.1%} of the held-out messages right, over {len(trial.checked)} trainings"
            )
    console.print(f"{time.monotonic() - begin:.0f} s. The journal: {run / 'study.jsonl'}")
    return study


def show(trial: Trial[Knobs], console: Console) -> None:
    """Print a trial as a line: its score, who proposed it, and how it differs from the default."""
    changed = [
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in _changes(trial.point).items()
    ]
    what = "failed" if trial.score is None else f"{trial.score:.3f}"
    length = "all epochs" if trial.fidelity == 1 else f"{trial.fidelity:.0%} of them"
    console.print(f"[bold]{trial.number:>3}  {what:>6}[/]  {length:>10}  {trial.proposer:<9}  {escape(', '.join(changed))}")
    if trial.reflection is not None:
        console.print(f"             [dim]the model says: {escape(trial.reflection.hyperparameter_suggestion)}[/]")


def _changes(point: Mapping[str, Any]) -> dict[str, Any]:
    """Give what differs from the default: choices, and what is not as it is by default where these choices were made."""
    space = Space(Knobs)
    chosen = {part.name: point[part.name] for part in space.parts if part.models is not None and part.name in point}
    usual = {**space.point(space.values(chosen)), **{name: space.point(space.default)[name] for name in chosen}}
    return {name: value for name, value in point.items() if value != usual[name]}


if __name__ == "__main__":
    sys.exit(main())
