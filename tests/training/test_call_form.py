"""What calls are made of is told apart, and comes back from JSON."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest

from llm_brain.errors import CheckpointError
from llm_brain.strategy import Hidden
from llm_brain.training.call_form import CallForm
from tests.training.functions import Model, answered_by, by_words, hours, method_of


def test_it_comes_back_from_json() -> None:
    form = CallForm.of(method_of(Model(by_words), "route"))
    assert form.parameters == (("message", "str"), ("customer", "Customer"), ("urgency", "Urgency"))
    assert form.state == ("language",)
    assert CallForm.restored(json.loads(json.dumps(form.described()))) == form


def test_what_is_hidden_is_no_part_of_it() -> None:
    def opens(message: str, key: Annotated[str, Hidden] = "") -> bool:
        """Tell whether it opens."""
        raise NotImplementedError

    assert str(CallForm.of(answered_by(by_words, opens))) == "(message: str)"


def test_an_object_with_a_state_is_told_from_one_without() -> None:
    taught, free = CallForm.of(method_of(Model(by_words), "mood")), CallForm.of(answered_by(by_words, hours))
    assert taught.fits_state({"language": "Danish"})
    assert not taught.fits_state(None)
    assert free.fits_state({})
    assert not free.fits_state({"language": "Danish"})


@pytest.mark.parametrize("damaged", [None, {}, {"parameters": 3, "state": []}, {"parameters": [["a"]], "state": []}])
def test_what_is_no_form_is_refused(damaged: Any) -> None:
    with pytest.raises(CheckpointError, match="does not tell what calls are made of"):
        CallForm.restored(damaged)
