"""The pool of texts: one entry for each contents, and who descends from whom."""

from __future__ import annotations

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llm_brain.optimize.proposers.contract import History
from llm_brain.optimize.space import Space
from llm_brain.optimize.study import Trial
from llm_brain.optimize.texts.pool import TextPool, text_key


class Knobs(BaseModel):
    rate: float = Field(0.5, ge=0.0, le=1.0)
    persona: str = "You read."
    question: str = "Who?"


class Plain(BaseModel):
    kind: Literal["plain"] = "plain"


class Told(BaseModel):
    kind: Literal["told"] = "told"
    words: str = "Say it."


class Choice(BaseModel):
    way: Plain | Told = Field(Plain(), discriminator="kind")


def pool_of(*tried: tuple[Knobs, tuple[int, ...]]) -> TextPool:
    trials = [Trial(number, "p", knobs, knobs.model_dump(), parents) for number, (knobs, parents) in enumerate(tried)]
    return TextPool(History(Space(Knobs), trials))


def test_the_same_texts_with_other_numbers_are_one_candidate() -> None:
    pool = pool_of((Knobs(), ()), (Knobs(rate=0.1), ()), (Knobs(question="Who is it?"), ()))

    assert [candidate.trials for candidate in pool.candidates.values()] == [(0, 1), (2,)]
    assert {"persona": "You read.", "question": "Who?"} in pool
    assert {"persona": "You read.", "question": "What?"} not in pool


def test_versions_are_the_texts_of_one_name_oldest_first() -> None:
    pool = pool_of((Knobs(), ()), (Knobs(question="B"), ()), (Knobs(question="A"), ()), (Knobs(persona="P", question="B"), ()))

    assert pool.versions("question") == ("Who?", "B", "A")


def test_a_text_that_a_choice_leaves_out_is_not_there() -> None:
    space = Space(Choice)
    points = [space.point(Choice()), space.point(Choice(way=Told()))]
    pool = TextPool(History(space, [Trial(number, "p", None, point) for number, point in enumerate(points)]))

    assert [dict(candidate.texts) for candidate in pool.candidates.values()] == [{}, {"way[told].words": "Say it."}]


def test_ancestors_come_nearest_first_and_each_once() -> None:
    pool = pool_of((Knobs(), ()), (Knobs(), (0,)), (Knobs(), (0,)), (Knobs(), (1, 2)), (Knobs(), (3,)))

    assert pool.ancestors(4) == (3, 1, 2, 0)
    assert pool.ancestors(0) == ()


def test_children_are_those_of_the_first_parent_by_that_proposer() -> None:
    pool = pool_of((Knobs(), ()), (Knobs(), (0,)), (Knobs(), (1, 0)))

    assert [child.number for child in pool.children(0, "p")] == [1]
    assert pool.children(0, "q") == []


TEXTS = st.dictionaries(st.sampled_from("ab"), st.text(max_size=3), max_size=2)


@given(TEXTS, TEXTS)
def test_a_key_is_that_of_the_contents(texts: dict[str, str], others: dict[str, str]) -> None:
    assert text_key(dict(reversed(texts.items()))) == text_key(texts)
    assert (text_key(texts) == text_key(others)) == (texts == others)
