"""A real, tiny brain in a cascade."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from llm_brain.brain import Brain
from llm_brain.errors import CheckpointError
from llm_brain.strategy import Details
from llm_brain.training import TokenReader
from llm_brain.training.cascade import Answered, Cascade, cascade
from tests.training.cascade.conftest import Oracle, Pair, sorter


class Read:
    """A real brain, of two answers."""

    name = "tiny"
    function = "Sorter.urgent"

    def __init__(self, brain: Brain, reader: TokenReader) -> None:
        self.brain = brain.eval()
        self.reader = reader

    def text(self, spec: Any, arguments: Mapping[str, Any], state: Any) -> str:
        del spec, state
        return cast("str", arguments["message"])

    def answer(self, text: str) -> Answered:
        with torch.inference_mode():
            output = self.brain(torch.tensor([self.reader.tokens(text)]))
            probabilities = output.answer.probabilities[0].tolist()
        shown = {False: probabilities[0], True: probabilities[1]}
        value = probabilities[1] > probabilities[0]
        return Answered(Details(value, self.name, probabilities=shown), max(probabilities), output.features[0].mean(0))


def test_a_real_brain_sees_another_vocabulary_as_drift(
    new_brain: Callable[[], Brain], reader: TokenReader, tmp_path: Path
) -> None:
    draw = random.Random(0)

    def sentences(words: list[str], number: int) -> list[str]:
        return [" ".join(draw.choices(words, k=draw.randint(2, 5))) for _ in range(number)]

    brain = Read(new_brain(), reader)
    usual, other = ["the", "it", "film", "good"], ["awful", "bad", "unheard", "great"]
    held_out = [Pair(text, cast("bool", brain.answer(text).details.value)) for text in sentences(usual, 200)]
    one = cascade(brain, Oracle(), held_out=held_out, audit=0.0)
    urgent = sorter(one).urgent
    usual_details = urgent.map_details(sentences(usual, 100))
    assert {detail.implementation for detail in usual_details} == {"tiny"}
    urgent.map(sentences(other, 80))
    assert one.stats.alarms == 1
    one.save(tmp_path)
    assert Cascade.load(tmp_path, brain, "local").trust.threshold == one.trust.threshold
    with torch.no_grad():
        brain.brain.readout.attention.add_(1)
        next(iter(brain.brain.network.parameters())).mul_(1.5)
    with pytest.raises(CheckpointError, match="another brain"):
        Cascade.load(tmp_path, brain, "local")
