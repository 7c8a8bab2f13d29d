"""Typed functions are pickled as functions are: by their names."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from typing import Any

import pytest

from llm_brain.strategy import llm_strategy
from llm_brain.strategy.views import typed
from tests.strategy.conftest import Scripted

MODEL = Scripted("7")


@llm_strategy(MODEL)
def total(a: int) -> int:
    """Add up."""
    raise NotImplementedError


@llm_strategy(MODEL)
@dataclass
class Quiz:
    size: int = 3

    def count(self) -> int:
        """Count."""
        raise NotImplementedError

    @staticmethod
    def fixed() -> int:
        """Count."""
        raise NotImplementedError

    @classmethod
    def of_class(cls) -> int:
        """Count."""
        raise NotImplementedError


@pytest.mark.parametrize("function", [total, Quiz.count, Quiz.fixed])
def test_a_function_is_pickled_and_copied_by_its_name(function: Any) -> None:
    assert pickle.loads(pickle.dumps(function)) is function
    assert copy.deepcopy(function) is function


def test_a_bound_one_is_pickled_with_its_object() -> None:
    again = pickle.loads(pickle.dumps(typed(Quiz(5).count)))
    assert (again(), again.instance) == (7, Quiz(5))
    assert pickle.loads(pickle.dumps(typed(Quiz.of_class)))() == 7
