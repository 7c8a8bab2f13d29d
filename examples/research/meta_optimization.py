"""Meta-optimisation: a language model does a task, reflects on how it went, and changes how it does it.

    python -m examples.research.meta_optimization

The task is to write a short paragraph about a topic, for an audience, that names what has to be named. How it is written is up to
the hyperparameters: all at once or a sentence for each point, by which instruction, and how freely. One model does everything: it
writes, reads what it has written as a critic, reflects on each trial, draws lessons, forecasts whether the next trial will be
better, suggests what to try, and proposes further assignments to try it on.

That is the idea. What keeps it honest is outside of the model: paragraphs are scored by rules beside the critic, every suggestion
is run before it counts, a classical sampler proposes, too, forecasts are scored, and the verdict comes from assignments that no
proposer has read.

The embedded model is small, and needs no key. For a stronger one: `--model openai:MODEL`. Its answers are kept: a second run asks
nothing again, and a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from pydantic import BaseModel, Field
from rich.console import Console
from rich.markup import escape
from rich.rule import Rule

from llm_brain import LLMBrainError, LLMOptimizer, llm_strategy, sampled, typed
from llm_brain.backends import CachedBackend, LanguageBackend, resolve_model
from llm_brain.optimize import Run, Score, Space, Study, StudyBudget, Trial, forecasts_of, score_forecasts
from llm_brain.strategy import Implementation
from llm_brain.strategy.texts import use_texts

Model: TypeAlias = LanguageBackend | Implementation

# The task, in three types. The optimiser is generic over them.


class Assignment(BaseModel):
    """What is to be written."""

    topic: str = Field(description="What it is about, in a few words.", max_length=40)
    audience: str = Field(description="Who reads it.", max_length=30)
    points: list[str] = Field(description="Single words that have to be named.", min_length=2, max_length=3)


class Paragraph(BaseModel):
    """What was written, and what is thought of it."""

    text: str
    named: float = Field(description="The share of the points that it names.")
    fitting: float = Field(description="1 where it is as long as it should be, and less the further it is from that.")
    fresh: float = Field(description="1 where it never repeats itself.")
    liked: float = Field(description="How sure the critic is that it is well written for its audience.")


class AtOnce(BaseModel):
    """The writer is asked for the whole paragraph."""

    plan: Literal["at once"] = "at once"
    instruction: str = Field(
        default="Write about {topic} for {audience}.", max_length=120, description="What the writer is told."
    )


class PointByPoint(BaseModel):
    """The writer is asked for a sentence about each point."""

    plan: Literal["point by point"] = "point by point"
    instruction: str = Field(
        default="Write a sentence about {topic} and {point}.",
        max_length=120,
        description="What the writer is told for each sentence.",
    )


class Style(BaseModel):
    """How a paragraph is written."""

    way: AtOnce | PointByPoint = Field(default=AtOnce(), discriminator="plan")
    temperature: float = Field(default=1.0, ge=0.1, le=1.2, description="How freely words are chosen.")


FEWEST, MOST = 12, 45
ASSIGNMENTS: Final = [
    Assignment(topic="why bees matter", audience="children", points=["flowers", "honey"]),
    Assignment(topic="riding a bicycle", audience="beginners", points=["brakes", "balance"]),
]
UNSEEN: Final = [
    Assignment(topic="baking bread", audience="students", points=["yeast", "oven"]),
    Assignment(topic="a walk in the rain", audience="tourists", points=["umbrella", "shoes"]),
    Assignment(topic="keeping a cat", audience="families", points=["food", "sleep"]),
    Assignment(topic="growing tomatoes", audience="neighbours", points=["water", "sun"]),
    Assignment(topic="a train journey", audience="parents", points=["tickets", "window"]),
    Assignment(topic="learning to swim", audience="adults", points=["water", "breathing"]),
    Assignment(topic="a good night", audience="nurses", points=["sleep", "dark"]),
    Assignment(topic="making tea", audience="guests", points=["leaves", "cup"]),
]


class Task:
    """Writes paragraphs.

    Args:
        model: Who writes and who criticises.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._critic: Critic = llm_strategy(model)(Critic)()

    def __call__(self, run: Run[Assignment, Style]) -> Paragraph:
        """Write one, and look at it."""
        assignment, style = run.task_parameters, run.hyperparameters
        text = self._written(assignment, style)
        words = len(text.split())
        told = typed(self._critic.is_good).with_details(text, assignment.audience)
        return Paragraph(
            text=text,
            named=sum(point.lower() in text.lower() for point in assignment.points) / len(assignment.points),
            fitting=max(0.0, 1 - max(FEWEST - words, words - MOST, 0) / FEWEST),
            fresh=freshness(text),
            liked=told.probabilities[True],
        )

    def _written(self, assignment: Assignment, style: Style) -> str:
        @llm_strategy(self._model)
        class Writer:
            """You write for a magazine, briefly and clearly."""

            @sampled(style.temperature, top_p=0.95)
            def paragraph(self, topic: str, audience: str, points: list[str]) -> Text:
                """Write as the hyperparameter says, which takes the place of this docstring."""
                raise NotImplementedError

            @sampled(style.temperature, top_p=0.95)
            def sentence(self, topic: str, audience: str, point: str) -> Sentence:
                """Write as the hyperparameter says, which takes the place of this docstring."""
                raise NotImplementedError

        about = (assignment.topic, assignment.audience)
        if isinstance(style.way, AtOnce):
            with use_texts({"Writer.paragraph": style.way.instruction}, Writer):
                return Writer().paragraph(*about, assignment.points).text
        with use_texts({"Writer.sentence": style.way.instruction}, Writer):
            sentences = typed(Writer().sentence).map([(*about, point) for point in assignment.points])
        return " ".join(sentence.text for sentence in sentences)


class Text(BaseModel):
    """A short paragraph."""

    text: str = Field(max_length=300)


class Sentence(BaseModel):
    """One sentence."""

    text: str = Field(max_length=150)


class Critic:
    """You teach people to write."""

    def is_good(self, text: str, audience: str) -> bool:
        """Tell whether the text is clear, and well written for its audience."""
        raise NotImplementedError


def freshness(text: str) -> float:
    """Return the share of a text's runs of three words that stand in it once."""
    words = re.findall(r"\w+", text.lower())
    runs = [tuple(words[place : place + 3]) for place in range(len(words) - 2)]
    return len(set(runs)) / len(runs) if runs else 0.0


def score(assignment: Assignment, paragraph: Paragraph) -> Score:
    """Value a paragraph: four parts of ten for what it names, and two each for length, freshness and the critic."""
    value = 0.4 * paragraph.named + 0.2 * (paragraph.fitting + paragraph.fresh + paragraph.liked)
    missing = [point for point in assignment.points if point.lower() not in paragraph.text.lower()]
    said = [
        f"it does not name {' and '.join(missing)}" if missing else "",
        f"it has {len(paragraph.text.split())} words, and should have {FEWEST} to {MOST}" if paragraph.fitting < 1 else "",
        "it repeats itself" if paragraph.fresh < 0.9 else "",
    ]
    return Score(value, feedback="; ".join(filter(None, said)) or "all points are named, and the length is right")


def optimiser(model: Model, journal: Path) -> LLMOptimizer[Assignment, Paragraph, Style]:
    """Describe the study."""
    return LLMOptimizer(
        Task(model),
        score=score,
        hyperparameters=Style,
        task_parameters=ASSIGNMENTS,
        result=Paragraph,
        model=model,
        proposes_cases=True,
        selection=UNSEEN,
        journal=journal,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; an error of ours is one line, and Ctrl-C a clean stop."""
    parser = argparse.ArgumentParser(description="Let a language model improve how it writes.")
    parser.add_argument("--run", type=Path, default=Path("runs/meta-optimization"), help="where everything is kept")
    parser.add_argument("--trials", type=int, default=8, help="how many ways of writing are tried")
    parser.add_argument("--model", default="local", help="who writes, judges, reflects and suggests: openai:MODEL, ...")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        options.run.mkdir(parents=True, exist_ok=True)
        study_writing(
            CachedBackend(resolve_model(options.model), options.run / "answers.sqlite"), options.run, options.trials, console
        )
    except KeyboardInterrupt:
        console.print("\nstopped. Nothing is lost: the same command goes on where it was.")
        return 130
    except (LLMBrainError, OSError) as error:
        console.print(f"[bold red]stopped:[/] {escape(str(error))}")
        return 1
    return 0


def study_writing(model: Model, run: Path, trials: int, console: Console) -> Study[Style]:
    """Run the study and tell of it."""
    begin = time.monotonic()
    console.print(f"{trials} ways of writing are tried, on {len(ASSIGNMENTS)} assignments. Scores are between 0 and 1.")
    seen = list(ASSIGNMENTS)
    optimizer = optimiser(model, run / "study.jsonl")
    with console.status("the model writes and reflects"):

        def tell(trial: Trial[Style]) -> None:
            show(trial, console)
            for assignment in optimizer.study.cases[len(seen) :]:
                console.print(f"  [bold]proposed, to be tried on:[/] {escape(str(assignment))}")
                seen.append(assignment)

        study = optimizer.run(StudyBudget(trials=trials), on_trial=tell)
    conclude(study, console)
    console.print(f"\n{time.monotonic() - begin:.0f} s. The journal: {run / 'study.jsonl'}")
    return study


def show(trial: Trial[Style], console: Console) -> None:
    """Print what a trial changed, its worst paragraph, and what the model made of it."""
    usual = Space(Style).point(Style())
    changed = {name: value for name, value in trial.point.items() if value != usual.get(name)}
    console.print(Rule(f"trial {trial.number}, by {trial.proposer}", align="left"))
    if trial.forecast is not None:
        console.print(f"[dim]forecast: better than all before with {trial.forecast.probability:.0%}[/]")
    for name, value in changed.items():
        console.print(f"  {name}: {value:.2f}" if isinstance(value, float) else f"  {name}: {escape(str(value))}")
    what = "failed" if trial.score is None else f"{trial.score:.3f}"
    console.print(f"[bold]score {what}[/] ({trial.status}, {len(trial.outcomes)} assignments)")
    if (worst := trial.worst) is not None:
        text = worst.exception if worst.result is None else worst.result["text"]
        console.print(f"  the worst: [italic]{escape(str(text))}[/]\n  [dim]{escape(worst.feedback)}[/]")
    if trial.reflection is not None:
        console.print(f"  reflection: {escape(_beginning(trial.reflection.evaluation))}")
        console.print(f"  to change: {escape(_beginning(trial.reflection.hyperparameter_suggestion))}")
        console.print(f"  what cannot be changed yet: {escape(_beginning(trial.reflection.hyperparameter_missing))}")


def _beginning(text: str) -> str:
    return re.split(r"(?<=[.!?])\s", text.strip())[0] or "nothing"


def conclude(study: Study[Style], console: Console) -> None:
    """Print what was learned, what the forecasts were worth, and the verdict."""
    console.print(Rule("what was learned", align="left"))
    for lesson in study.lessons:
        console.print(f"  {escape(lesson.text)} [dim](trials {', '.join(map(str, lesson.trials))})[/]")
    if not study.lessons:
        console.print("  the model gave no lesson that a trial shows")
    forecasts = score_forecasts(forecasts_of(study.trials))
    if forecasts is not None:
        console.print(
            f"{forecasts.number} forecasts: a Brier score of {forecasts.brier:.3f}, where the base rate "
            f"of {forecasts.base_rate:.0%} alone has {forecasts.base_brier:.3f} (lower is better)"
        )
    console.print(Rule("the verdict", align="left"))
    console.print(f"On {len(UNSEEN)} assignments that no proposer has read: {study.verdict}")
    if study.best is not None:
        console.print(escape(study.best.hyperparameters.model_dump_json(indent=2)))


if __name__ == "__main__":
    sys.exit(main())
