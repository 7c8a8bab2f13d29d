"""Where the runs of a study are carried out: in this process, in processes beside it, or on a Ray cluster.

`contract` (what an executor is), `inline`, `processes` and `ray` (the three), `calls` (a call and its reply as bytes), `worker`
(one process), `crew` (several, and their queue), `reentry` (entering an executor more than once). What does not live here: which
runs are wanted (the driver).
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.optimize.executors.contract import Executor as Executor
    from llm_brain.optimize.executors.inline import InlineExecutor as InlineExecutor
    from llm_brain.optimize.executors.processes import ProcessExecutor as ProcessExecutor
    from llm_brain.optimize.executors.ray import RayExecutor as RayExecutor

__getattr__, __dir__, __all__ = attach(
    __name__, {"Executor": "contract", "InlineExecutor": "inline", "ProcessExecutor": "processes", "RayExecutor": "ray"}
)
