"""Evaluations in the background: groups of answers go in, and come back with their rewards when those have arrived.

    pool         groups, what becomes of them, and how old they may be
    allocation   which answers are worth one of a fixed number of calls, and the unbiased correction of the others
    predictor    what an answer will probably earn
    journal      which groups each step used, on disk: with it a resumed run is the same run; `journal_lines`: its lines
    expected     what a waiting group is going to earn
    evaluations  each answer evaluated once, and remembered
    ranking      one call for a whole group
    workers      threads that keep no process alive
    group        what goes in and comes back; `counts`: what became of it

What does not live here: what rewards are turned into (objectives), and who evaluates (teaching).
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.training.feedback.allocation import Allocation as Allocation
    from llm_brain.training.feedback.allocation import Draw as Draw
    from llm_brain.training.feedback.counts import FeedbackCounts as FeedbackCounts
    from llm_brain.training.feedback.evaluations import Evaluate as Evaluate
    from llm_brain.training.feedback.evaluations import Evaluations as Evaluations
    from llm_brain.training.feedback.evaluations import OnEvaluation as OnEvaluation
    from llm_brain.training.feedback.evaluations import OnFailure as OnFailure
    from llm_brain.training.feedback.evaluations import Rank as Rank
    from llm_brain.training.feedback.expected import Expected as Expected
    from llm_brain.training.feedback.expected import Waiting as Waiting
    from llm_brain.training.feedback.group import Group as Group
    from llm_brain.training.feedback.group import group_tensors as group_tensors
    from llm_brain.training.feedback.journal import Journal as Journal
    from llm_brain.training.feedback.pool import FeedbackPool as FeedbackPool
    from llm_brain.training.feedback.predictor import LinearRewardPredictor as LinearRewardPredictor
    from llm_brain.training.feedback.predictor import RewardPredictor as RewardPredictor
    from llm_brain.training.feedback.ranking import rank_scores as rank_scores
    from llm_brain.training.feedback.workers import Workers as Workers

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Allocation": "allocation",
        "Draw": "allocation",
        "Evaluate": "evaluations",
        "Evaluations": "evaluations",
        "Expected": "expected",
        "FeedbackCounts": "counts",
        "FeedbackPool": "pool",
        "Group": "group",
        "Journal": "journal",
        "LinearRewardPredictor": "predictor",
        "OnEvaluation": "evaluations",
        "OnFailure": "evaluations",
        "Rank": "evaluations",
        "RewardPredictor": "predictor",
        "Waiting": "expected",
        "Workers": "workers",
        "group_tensors": "group",
        "rank_scores": "ranking",
    },
)
