"""The main job, from end to end: a language model teaches a brain to read customers' moods, and the brain takes its place.

    make demo                                            or, in an environment of your own:
    python -m examples.mood.demo --run runs/demo

A second run takes every answer of the model from the cache; a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape

from examples.mood.display import Display
from examples.mood.interface import MOODS
from examples.mood.results import (
    Summary,
    accuracies,
    accuracy,
    agreement,
    baseline_answers,
    confusion,
    print_summary,
    save_summary,
    seconds_a_call,
    write_page,
)
from examples.mood.school import Knobs, School, TrialResult, implemented, open_school
from llm_brain import LLMBrainError, LLMOptimizer, Student, TrainingSettings, cascade, record, typed
from llm_brain._atomic import write_atomically
from llm_brain.backends import CachedBackend, LanguageBackend, LocalBackend, TracedBackend, resolve_model
from llm_brain.errors import ModelNameError
from llm_brain.optimize import Run, Study, StudyBudget
from llm_brain.strategy import Implementation
from llm_brain.tracing import WandbRun, names, span
from llm_brain.training import Callback, Cascade, Taught, TokenReader, read_messages

HERE = Path(__file__).parent
TIMED = 30
AGREEMENT = 0.95


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; an error of ours is one line, and Ctrl-C a clean stop."""
    parser = argparse.ArgumentParser(description="Teach a brain the mood of customers' messages.")
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="where everything is written")
    parser.add_argument("--trials", type=int, default=3, help="how many trainings the optimiser may try")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        run_demo(options.run, options.trials, console)
    except KeyboardInterrupt:
        console.print("\nstopped. Nothing is lost: the same command goes on where it was.")
        return 130
    except (LLMBrainError, OSError) as error:
        kept = f" (what {options.run} holds is kept; the same command goes on)" if options.run.is_dir() else ""
        console.print(f"[bold red]stopped:[/] {escape(str(error))}{kept}", highlight=False, soft_wrap=True)
        return 1
    return 0


def run_demo(run: Path, trials: int, console: Console) -> Summary:
    """Label, train, tune, compare, and write everything into the run's folder."""
    begin = time.monotonic()
    torch.set_num_threads(1)  # the brain is small; the other core belongs to the teacher, who answers meanwhile
    gold = read_messages(HERE / "gold.jsonl", "message", "mood")
    pool = [line["message"] for line in read_messages(HERE / "pool.jsonl", "message")]
    settings = {"trials": trials, "pool": len(pool), "gold": len(gold)}
    run.mkdir(parents=True, exist_ok=True)
    with record(run), WandbRun(run, name="mood demo", config=settings) as wandb, Display(console) as display:
        local = resolve_model("local")
        if not isinstance(local, LocalBackend):
            message = f"the brain reads its teacher's embeddings, and {local.model_id} is not a model on this machine"
            raise ModelNameError(message)
        model = TracedBackend(CachedBackend(local, run / "cache.sqlite"), on_call=display.call)
        uncached = TracedBackend(local, on_call=display.call)
        school = open_school(model, TokenReader.from_folder(local.folder), pool, display.stage)
        school.pairs.save(run / "pairs.jsonl")
        study, taught = tune(school, model, run=run, trials=trials, display=display)
        taught.student.save(run / "brain")
        both = cascade(taught.student, school.model, agreement=AGREEMENT, held_out=taught.calibration)
        with span("the gold set", {names.KIND: names.VALIDATION_KIND}) as here:
            answers = answer_gold(school, taught.student, both, gold, display)
            here.set(f"{names.METRIC}.confusion", {"labels": list(MOODS), "counts": confusion(answers["brain"], gold)})
        summary = Summary(
            **accuracies(answers, gold),
            teacher_accuracy_uncalibrated=accuracy(answers["teacher, uncalibrated"], gold),
            cascade_model_share=1 - both.stats.share,
            cascade_agreement=agreement(answers["cascade"], answers["teacher"]),
            cascade_alarms=both.stats.alarms,
            **timings(uncached, taught.student, gold, run),
            model_calls=model.calls + uncached.calls,
            cached_calls=model.cached_calls,
            training_pairs=len(school.pairs.pairs),
            trials=len(study.trials),
            seconds=time.monotonic() - begin,
        )
        write_page(summary, pairs=school.pairs, study=study, answers=answers, gold=gold, run=run)
        wandb.summary(vars(summary))
    save_summary(summary, run)
    print_summary(summary, run, console)
    return summary


def tune(school: School, model: TracedBackend, *, run: Path, trials: int, display: Display) -> tuple[Study[Knobs], Taught]:
    """Let the optimiser try trainings, and the language model reflect on each; return the best of them, too."""
    epochs = TrainingSettings().epochs

    def task(this: Run[str, Knobs]) -> TrialResult:
        shown = display.training(f"trial {this.trial}: training the brain", epochs)
        taught = school.teach(this.hyperparameters, run / "trials" / str(this.trial), shown)
        rewards = [epoch["reward"] for epoch in taught.history if "reward" in epoch]
        return TrialResult(validation_score=taught.score, epochs=len(taught.history), reward=rewards[-1] if rewards else 0.0)

    optimizer = LLMOptimizer(
        task,
        score=lambda _, result: result.validation_score,
        hyperparameters=Knobs,
        task_parameters="train a small network to tell whether a customer is happy or unhappy",
        result=TrialResult,
        model=model,
        journal=run / "study.jsonl",
    )
    tick = display.stage("trials, with a reflection on each", trials)
    study = optimizer.run(StudyBudget(trials=trials), on_trial=lambda _: tick())
    if study.best is None:
        message = f"no trial of the study in {run / 'study.jsonl'} gave a score: its exceptions stand there"
        raise LLMBrainError(message)
    best = study.best
    return study, school.teach(best.hyperparameters, run / "trials" / str(best.number), Callback())


def answer_gold(
    school: School, student: Student, both: Cascade, gold: Sequence[dict[str, Any]], display: Display
) -> dict[str, list[Any]]:
    """Let everyone answer the gold set through the same interface."""
    messages = [line["message"] for line in gold]

    def ask(name: str, who: Implementation, **options: Any) -> list[Any]:
        tick = display.stage(f"the {name} answers the gold set", len(messages))
        return typed(implemented(who).mood).map(messages, on_result=tick, **options)

    return {
        "teacher": ask("teacher", school.model),
        "teacher, uncalibrated": typed(implemented(school.model.implementation).mood).map(messages),
        "brain": ask("brain", student, concurrency=1),
        "cascade": ask("cascade", both, concurrency=1),
        "baseline": baseline_answers(school.pairs, messages),
    }


def timings(model: LanguageBackend, student: Student, gold: Sequence[dict[str, Any]], run: Path) -> dict[str, float]:
    """Time single calls of teacher and brain, one after the other, through the same interface.

    The teacher's calls cannot come from the cache, so their time is kept, and a second run does not make them again.
    """
    messages = [line["message"] for line in gold[:TIMED]]
    kept = run / "teacher_seconds_a_call.json"
    if not kept.exists():
        teacher = seconds_a_call(implemented(model), messages)
        write_atomically(kept, json.dumps(teacher))
    teacher = json.loads(kept.read_text(encoding="utf-8"))
    brain = seconds_a_call(implemented(student), messages)
    return {"teacher_seconds_a_call": teacher, "brain_seconds_a_call": brain, "speed_ratio": teacher / brain}


if __name__ == "__main__":
    sys.exit(main())
