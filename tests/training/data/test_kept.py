"""Pairs that stand in a file with their texts: what a cascade's model has answered teaches the next brain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_brain.errors import DataError
from llm_brain.strategy import Details
from llm_brain.training import Given, Kept, Pair, Subject
from llm_brain.training.cascade.growth import AnswersFile
from llm_brain.training.data import pairs_file
from tests.training.functions import Model, Review, answered_by, by_words, gathered, method_of, stars

FUNCTION = answered_by(by_words)


def test_what_a_cascade_keeps_is_learned_from_as_it_was_answered(tmp_path: Path) -> None:
    path = tmp_path / "more.jsonl"
    file = AnswersFile(path)
    for text in ("It broke.", "I love it.", "it broke", " "):
        file.append(FUNCTION.spec, text, Details("unhappy", "model", probabilities={"unhappy": 0.9, "happy": 0.1}))
    pairs = gathered(Kept(path), Subject.of(FUNCTION))
    assert pairs.pairs == [Pair(text, "unhappy", (0.1, 0.9), "asked") for text in ("It broke.", "I love it.")]
    assert dict(pairs.refused) == {"duplicate": 1, "empty": 1}


def test_models_and_the_states_of_objects_come_back(tmp_path: Path) -> None:
    function: Any = answered_by(lambda *_: True, stars)
    review = Review(praises=True, stars=4)
    AnswersFile(tmp_path / "stars.jsonl").append(function.spec, "Good.", Details(review, "model"))
    assert gathered(Kept(tmp_path / "stars.jsonl"), Subject.of(function)).pairs == [Pair("Good.", review, (), "asked")]
    mood = method_of(Model(by_words), "mood")
    text = 'self: {"language": "English"}\nmessage: "Good."'
    AnswersFile(tmp_path / "mood.jsonl").append(mood.spec, text, Details("happy", "model"))
    assert gathered(Kept(tmp_path / "mood.jsonl"), Subject.of(mood)).pairs == [Pair(text, "happy", (), "asked")]


@pytest.mark.parametrize(
    "line",
    [
        '{"text": "Hm.", "answer": "glad", "probabilities": [], "source": "asked"}',
        '{"text": "Hm.", "answer": "happy", "probabilities": [0.5], "source": "asked"}',
        '{"text": 5, "answer": "happy", "probabilities": [], "source": "asked"}',
        '{"text": "Hm.", "answer": "happy"}',
    ],
)
def test_a_line_that_does_not_fit_is_counted_and_ends_nothing(line: str, tmp_path: Path) -> None:
    path = tmp_path / "more.jsonl"
    path.write_text(f'{line}\n{{"text": "Ah.", "answer": "happy", "probabilities": [], "source": "asked"}}\n')
    pairs = gathered(Kept(path), Subject.of(FUNCTION))
    assert ([pair.text for pair in pairs.pairs], dict(pairs.refused)) == (["Ah."], {"malformed": 1})


def test_a_file_of_either_kind_is_told_by_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"text": "Hm.", "answer": "happy", "probabilities": [], "source": "asked"}\n')
    assert isinstance(pairs_file(path), Kept)
    path.write_text('{"message": "Hm.", "answer": "happy"}\n')
    assert isinstance(pairs_file(path), Given)
    path.write_text("")
    assert gathered(pairs_file(path), Subject.of(FUNCTION)).pairs == []
    with pytest.raises(DataError, match="cannot be read"):
        pairs_file(tmp_path / "nowhere.jsonl")
