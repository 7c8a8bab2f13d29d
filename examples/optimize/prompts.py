"""Tune the wording of a question and a threshold, neither of which is passed through any call, and learn whether it helped.

    python -m examples.optimize.prompts

The embedded model reads the messages and rewrites the wording; no key, no network, a few minutes the first time. Its answers are
kept, so that a second run takes seconds, and the study itself is: one that was stopped goes on. For a stronger writer say
`--model openai:MODEL`, with a `--run` of its own.

Proposals come from 48 messages, `examples/mood/dev.jsonl`. The best are compared with the default on 160 of `gold.jsonl` that no
proposer reads, and the change is recommended only where that shows a gain. The other 80 tell what the choice is worth.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from examples.mood.interface import ANSWERS, Mood
from llm_brain import Hyperparameters, LLMBrainError, LLMOptimizer, examples, llm_strategy, track_hyperparameters, typed
from llm_brain.backends import CachedBackend, resolve_model
from llm_brain.optimize import History, Proposal, Run, Score, StudyBudget, Trial
from llm_brain.optimize.proposers.reflection import ReflectionProposer

MOOD = Path(__file__).parents[1] / "mood"
READER = CachedBackend(resolve_model("local"))
WORDINGS = (
    "Tell whether a customer is happy or unhappy with a product or a service.",
    "Would this customer come back? Happy customers do, and unhappy ones do not.",
)


class Case(BaseModel):
    message: str
    mood: Mood


@track_hyperparameters
@llm_strategy(READER)
class Reader:
    @examples(*ANSWERS)
    def mood(self, message: str) -> Mood:
        """Read the review, and say how its writer feels."""
        raise NotImplementedError


@track_hyperparameters
def read(message: str, *, _unhappy_from: Annotated[float, Field(ge=0.05, le=0.95)] = 0.5) -> Mood:
    """Read a message; a customer is unhappy from this probability on."""
    details = typed(Reader().mood).with_details(message)
    return "unhappy" if details.probabilities["unhappy"] >= _unhappy_from else "happy"


def task(run: Run[Case, Hyperparameters]) -> Mood:
    """Run the program that is tuned; there is no word of hyperparameters in it."""
    return read(run.task_parameters.message)


def score(case: Case, mood: Mood) -> Score:
    return Score(float(mood == case.mood), feedback="" if mood == case.mood else f"The writer is {case.mood}, not {mood}.")


class Wordings:
    """What people thought of, beside what the model thinks of: anything with a `propose` is a proposer."""

    name = "wordings"

    def propose(self, history: History[Any], *, seed: int) -> Sequence[Proposal]:
        del history, seed
        return [Proposal({"Reader.mood": wording}) for wording in WORDINGS]


def cases_in(name: str) -> list[Case]:
    return [Case.model_validate_json(line) for line in (MOOD / name).read_text(encoding="utf-8").splitlines()]


def right_answers(cases: Sequence[Case], values: BaseModel) -> int:
    with Hyperparameters(values):
        return sum(read(case.message) == case.mood for case in cases)


def show(trial: Trial[Any]) -> None:
    said = f"{trial.score:.3f}" if trial.score is not None else "     "
    changed = ", ".join(f"{name} = {value!r}" for name, value in trial.point.items())
    print(f"{trial.number:3} {trial.proposer:10} {trial.status:8} {said} of {len(trial.outcomes):2} runs: {changed}")


def tune(run: Path, trials: int, model: str) -> int:
    """Run the study, and tell what its choice is worth on messages that nothing was chosen by."""
    cases, gold = cases_in("dev.jsonl"), cases_in("gold.jsonl")
    held_out = gold[::3]
    writer: Any = READER if model == "local" else model
    with Hyperparameters() as found:
        read(cases[0].message)
    optimizer: LLMOptimizer[Case, Mood, Any] = LLMOptimizer(
        task,
        score=score,
        hyperparameters=found,
        task_parameters=cases,
        selection=[case for case in gold if case not in held_out],
        result=Mood,
        model=None,
        journal=run / "study.jsonl",
        proposers=[Wordings(), ReflectionProposer(writer, most=160)],
    )
    study = optimizer.run(StudyBudget(trials=trials), on_trial=show)
    verdict = study.verdict
    if verdict is None or verdict.low is None or verdict.high is None:
        print("There were too few trials for a verdict.")
        return 1
    print(f"Trial {verdict.candidate} against the default: {verdict.gain:+.3f} [{verdict.low:+.3f}, {verdict.high:+.3f}].")
    print(f"What is recommended is trial {verdict.trial}. Of {len(held_out)} others are right:")
    for title, number in (("as it was written", 0), ("the best trial", verdict.candidate), ("recommended", verdict.trial)):
        print(f"{right_answers(held_out, study.trials[number].hyperparameters):4} {title}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; an error of ours is one line, and Ctrl-C a clean stop."""
    parser = argparse.ArgumentParser(description="Tune the wording of a question and a threshold.")
    parser.add_argument("--run", type=Path, default=Path("runs/optimize-prompts"), help="where the study is kept")
    parser.add_argument("--trials", type=int, default=14, help="how many trials")
    parser.add_argument("--model", default="local", help="who rewrites the wording: openai:MODEL, ...")
    options = parser.parse_args(arguments)
    try:
        return tune(options.run, options.trials, options.model)
    except KeyboardInterrupt:
        print("\nstopped. Nothing is lost: the same command goes on where it was.")
        return 130
    except (LLMBrainError, OSError) as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
