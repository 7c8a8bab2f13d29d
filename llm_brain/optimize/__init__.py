"""Meta-optimisation: `LLMOptimizer` tunes the numbers and texts of a task, by trials, reflections and proposals.

The user's side: `optimizer` (the class), `space` (what can be tuned), `objective` (a run and its score), `budget`, `study`
(trials and verdict), `models` and `functions` (what a language model is asked), `hyperparameters` and `tracking` (values and
texts found in a program, set from outside), `executors` (where runs are made), `proposers` (who
proposes), `texts` (texts that were tried).
The study itself: `plan` (what it is), `driver` (its loop), `proposing` and `choosing` (the next trial), `silence` (who is asked
no more), `runs` (which runs a trial needs), `running` (those under way), `racing`, `fidelity`, `levelling` (scores where cases
were added), `concluding` and `selection` (the verdict), `advice` (what the model is shown), `forecasts`, `effects` and `journal`
(what happened, durably), `seeds`.
Looking at it: `recorded` and `growing` (a study as its journal tells it), `telling` (in words), `progress` (on a terminal),
`report` (a page), `view` (for Optuna), `study_runs` and `study_tables` (W&B).
What does not live here: how a brain is trained (training).
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.optimize.budget import Spending as Spending
    from llm_brain.optimize.budget import StudyBudget as StudyBudget
    from llm_brain.optimize.forecasts import ForecastScore as ForecastScore
    from llm_brain.optimize.forecasts import forecasts_of as forecasts_of
    from llm_brain.optimize.forecasts import score_forecasts as score_forecasts
    from llm_brain.optimize.hyperparameters import Hyperparameters as Hyperparameters
    from llm_brain.optimize.hyperparameters import track_hyperparameters as track_hyperparameters
    from llm_brain.optimize.models import ImprovementProbability as ImprovementProbability
    from llm_brain.optimize.models import Lesson as Lesson
    from llm_brain.optimize.models import LessonSummary as LessonSummary
    from llm_brain.optimize.models import OptimizationInfo as OptimizationInfo
    from llm_brain.optimize.models import OptimizationStep as OptimizationStep
    from llm_brain.optimize.models import TaskInfo as TaskInfo
    from llm_brain.optimize.models import TaskReflection as TaskReflection
    from llm_brain.optimize.models import TaskRun as TaskRun
    from llm_brain.optimize.objective import Outcome as Outcome
    from llm_brain.optimize.objective import Run as Run
    from llm_brain.optimize.objective import Score as Score
    from llm_brain.optimize.optimizer import LLMOptimizer as LLMOptimizer
    from llm_brain.optimize.progress import StudyProgress as StudyProgress
    from llm_brain.optimize.proposers.contract import History as History
    from llm_brain.optimize.proposers.contract import Proposal as Proposal
    from llm_brain.optimize.proposers.contract import Proposer as Proposer
    from llm_brain.optimize.proposers.edits import EditProposer as EditProposer
    from llm_brain.optimize.proposers.merge import MergeProposer as MergeProposer
    from llm_brain.optimize.proposers.reflection import ReflectionProposer as ReflectionProposer
    from llm_brain.optimize.report.writing import write_study_page as write_study_page
    from llm_brain.optimize.space import Space as Space
    from llm_brain.optimize.study import Study as Study
    from llm_brain.optimize.study import Trial as Trial
    from llm_brain.optimize.study import Verdict as Verdict
    from llm_brain.optimize.study_runs import StudyRuns as StudyRuns
    from llm_brain.optimize.view import to_optuna as to_optuna

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "EditProposer": "proposers.edits",
        "ForecastScore": "forecasts",
        "History": "proposers.contract",
        "Hyperparameters": "hyperparameters",
        "ImprovementProbability": "models",
        "LLMOptimizer": "optimizer",
        "Lesson": "models",
        "LessonSummary": "models",
        "MergeProposer": "proposers.merge",
        "OptimizationInfo": "models",
        "OptimizationStep": "models",
        "Outcome": "objective",
        "Proposal": "proposers.contract",
        "Proposer": "proposers.contract",
        "ReflectionProposer": "proposers.reflection",
        "Run": "objective",
        "Score": "objective",
        "Space": "space",
        "Spending": "budget",
        "Study": "study",
        "StudyBudget": "budget",
        "StudyProgress": "progress",
        "StudyRuns": "study_runs",
        "TaskInfo": "models",
        "TaskReflection": "models",
        "TaskRun": "models",
        "Trial": "study",
        "Verdict": "study",
        "forecasts_of": "forecasts",
        "score_forecasts": "forecasts",
        "to_optuna": "view",
        "track_hyperparameters": "hyperparameters",
        "write_study_page": "report.writing",
    },
)
