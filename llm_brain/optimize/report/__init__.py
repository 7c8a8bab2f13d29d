"""A page that shows a study: one HTML file made from its journal, without scripts and without the network.

    journal -> Recorded -> sections (numbers to words and shapes) -> templates/study.html -> one file, whole or not at all

In the order of the data's way: `axes` and `pictures` (shapes of the charts), `cases` (the scores of each case), `lineage` (texts,
version by version), `summary` (verdict, proposers, costs, forecasts), `trials` (the table), `writing`.
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.optimize.report.writing import write_study_page as write_study_page

__getattr__, __dir__, __all__ = attach(__name__, {"write_study_page": "writing"})
