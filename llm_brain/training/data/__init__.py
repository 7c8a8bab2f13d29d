"""Pairs of a call and its answer, and where they come from.

    sources     `Given` (by the user) and `Unlabelled` (answered by the function's own model)
    kept        `Kept`: saved by a lesson, or answered by the model of a cascade
    generated   `Generated`: written by the teacher, judged before they are used
    traced      `Traced`: recorded in the traces of real use
    pairs       what is taken and what is refused, counted; `texts` tells duplicates, `balance` evens out the answers,
                `saving` keeps pairs as JSON lines, `table` shows the counts
    records     JSON lines of one's own, and texts set aside
    varied      every combination of what a generator is varied by

What does not live here: the teacher (`training.teaching`), and how pairs are learned from (`training.loop`).
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.training.data.generated import Generated as Generated
    from llm_brain.training.data.kept import Kept as Kept
    from llm_brain.training.data.kept import pairs_file as pairs_file
    from llm_brain.training.data.pairs import Pair as Pair
    from llm_brain.training.data.pairs import PairCounts as PairCounts
    from llm_brain.training.data.pairs import PairSet as PairSet
    from llm_brain.training.data.records import read_messages as read_messages
    from llm_brain.training.data.records import split as split
    from llm_brain.training.data.sources import Given as Given
    from llm_brain.training.data.sources import Source as Source
    from llm_brain.training.data.sources import Tell as Tell
    from llm_brain.training.data.sources import Unlabelled as Unlabelled
    from llm_brain.training.data.table import refusals_table as refusals_table
    from llm_brain.training.data.traced import Traced as Traced
    from llm_brain.training.data.varied import combinations as combinations

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Generated": "generated",
        "Given": "sources",
        "Kept": "kept",
        "Pair": "pairs",
        "PairCounts": "pairs",
        "PairSet": "pairs",
        "Source": "sources",
        "Tell": "sources",
        "Traced": "traced",
        "Unlabelled": "sources",
        "combinations": "varied",
        "pairs_file": "kept",
        "read_messages": "records",
        "refusals_table": "table",
        "split": "records",
    },
)
