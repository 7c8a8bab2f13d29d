"""The problems: those that are reported, and others to build on."""

from __future__ import annotations

from benchmarks.optimize.problems.contract import SPLITS, WORST, Evaluation, Problem
from benchmarks.optimize.problems.development import DEVELOPMENT
from benchmarks.optimize.problems.reported import REPORTED

PROBLEMS = {problem.name: problem for problem in (*REPORTED, *DEVELOPMENT)}

__all__ = ["DEVELOPMENT", "PROBLEMS", "REPORTED", "SPLITS", "WORST", "Evaluation", "Problem"]
