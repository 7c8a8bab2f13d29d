"""What answers and their evaluations are turned into: losses, as pure functions of tensors.

In the order of the data: `samples` (drawn answers with their rewards), `advantages` (rewards measured against something),
`policy` (gradients of the expected reward), `preference` (online DPO), `best_of` (filtered likelihood), `supervised`
(distillation, the cold start), `regularisers` (entropy, and the distance from a reference), and `table` (objectives by name).

    sum over answers of   ratio * advantage * grad log pi(answer | prompt)        a policy gradient, on average grad E[R]
    factor * grad (supervised loss)                                               no signal: Adam divides a factor out again

What does not live here: how answers are drawn and evaluated (feedback), and what is done with a loss (loop).
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.training.objectives.advantages import baseline_advantages as baseline_advantages
    from llm_brain.training.objectives.advantages import comparable as comparable
    from llm_brain.training.objectives.advantages import group_mean_advantages as group_mean_advantages
    from llm_brain.training.objectives.advantages import leave_one_out_advantages as leave_one_out_advantages
    from llm_brain.training.objectives.advantages import standardised_advantages as standardised_advantages
    from llm_brain.training.objectives.best_of import best_of_k as best_of_k
    from llm_brain.training.objectives.policy import grpo as grpo
    from llm_brain.training.objectives.policy import grpo_without_std as grpo_without_std
    from llm_brain.training.objectives.policy import importance_ratios as importance_ratios
    from llm_brain.training.objectives.policy import reinforce as reinforce
    from llm_brain.training.objectives.policy import rloo as rloo
    from llm_brain.training.objectives.preference import dpo as dpo
    from llm_brain.training.objectives.regularisers import entropy as entropy
    from llm_brain.training.objectives.regularisers import kl_to_reference as kl_to_reference
    from llm_brain.training.objectives.samples import Objective as Objective
    from llm_brain.training.objectives.samples import Samples as Samples
    from llm_brain.training.objectives.supervised import distillation as distillation
    from llm_brain.training.objectives.table import OBJECTIVES as OBJECTIVES
    from llm_brain.training.objectives.table import measured as measured
    from llm_brain.training.objectives.table import objective as objective

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "OBJECTIVES": "table",
        "Objective": "samples",
        "Samples": "samples",
        "baseline_advantages": "advantages",
        "best_of_k": "best_of",
        "comparable": "advantages",
        "distillation": "supervised",
        "dpo": "preference",
        "entropy": "regularisers",
        "group_mean_advantages": "advantages",
        "grpo": "policy",
        "grpo_without_std": "policy",
        "importance_ratios": "policy",
        "kl_to_reference": "regularisers",
        "leave_one_out_advantages": "advantages",
        "measured": "table",
        "objective": "table",
        "reinforce": "policy",
        "rloo": "policy",
        "standardised_advantages": "advantages",
    },
)
