"""Scripts, markup and unseen marks, planted in every field of a span, are text on the page."""

from __future__ import annotations

from typing import Any

import pytest

from llm_brain.tracing import names
from tests.tracing.page.conftest import Opened, said
from tests.tracing.page.planted import PLANTED

NUMBERS = (names.STEP, names.SCORE, names.COST, names.INPUT_TOKENS, names.ATTEMPT, f"{names.METRIC}.loss")
ALL = [value for name, value in vars(names).items() if name.isupper() and isinstance(value, str) and "." in value]
KINDS = ("call", "function", "trial", "step", "attempt", "repair", None)


def planted(text: str) -> list[dict[str, Any]]:
    """Put a text wherever a span has room for one: once in spans of the known kinds, once with the text for a kind."""
    lines = []
    for number, kind in enumerate((*KINDS, text)):
        told: dict[str, Any] = dict.fromkeys(ALL, text) | {text: text, f"{names.METRIC}.{text}": 0.5}
        told |= {names.INPUT_MESSAGES: [said(text, text), text, {"role": text}], names.OUTPUT_MESSAGES: [said(text, text)]}
        told |= {
            names.PROBABILITIES: {text: 0.5},
            names.OPTIONS: [text],
            names.HYPERPARAMETERS: {text: text},
            names.ARGUMENTS: {text: [text]},
        }
        told |= {names.TRIES: [{"kind": text, "status": text, "duration": text}], names.TRY_ERRORS: [text], names.NOTES: [text]}
        told |= {names.KIND: kind, names.RESPONSE_FINISH_REASONS: [text]} | ({} if number % 2 else dict.fromkeys(NUMBERS, number))
        frame = {
            "schema": names.SCHEMA_VERSION,
            "trace_id": text,
            "span_id": f"{text}{number}",
            "parent_id": f"{text}{number - 1}" if number else None,
        }
        frame |= {"name": text, "start_ns": number, "end_ns": 10, "status": "error", "error": {"type": text, "message": text}}
        lines.append(frame | {"attributes": told})
    return lines


@pytest.mark.parametrize("text", PLANTED, ids=range(len(PLANTED)))
def test_what_is_planted_is_shown_and_never_run(opened: Opened, text: str) -> None:
    tab = opened(planted(text))
    kinds = tab.run("document.querySelectorAll('#page *').length") and set(
        tab.run("[...document.querySelectorAll('*')].map(e => e.localName)")
    )
    for place in range(len(KINDS) + 1):
        tab.run("document.getElementById('tree').focus()")
        tab.press("Home", *["ArrowDown"] * place, "Enter")
        tab.until("document.querySelector('.details dl.facts') !== null")
        tab.run("document.querySelectorAll('.details button.fold, .details .reply .quiet').forEach(one => one.click())")
        kinds |= set(tab.run("[...document.querySelectorAll('*')].map(e => e.localName)"))
    for view in "234":
        tab.press(view)
        tab.until("document.querySelector('main.other').textContent !== ''")
        kinds |= set(tab.run("[...document.querySelectorAll('*')].map(e => e.localName)"))
    assert tab.run("typeof window.planted") == "undefined"
    assert not kinds & {"img", "iframe", "object", "embed", "a", "form", "base", "link"}
    assert tab.run("[...document.querySelectorAll('*')].every(e => [...e.attributes].every(a => !/^on|^src|^href/.test(a.name)))")
    assert tab.run("document.querySelectorAll('script:not([type])').length") == 1


def test_planted_texts_stand_on_the_page_as_they_are(opened: Opened) -> None:
    for text in PLANTED[:10]:
        tab = opened(planted(text))
        tab.run("document.getElementById('tree').focus()")
        tab.press("Home", "Enter")
        tab.until("document.querySelector('.details .message pre') !== null")
        assert tab.run("document.querySelector('.details .message pre').textContent") == text


def test_marks_that_nobody_sees_are_written_out(opened: Opened) -> None:
    tab = opened(planted("a\u202eb\x1b[31m\u2028"))
    assert tab.run("document.querySelector('.rows .title').textContent").startswith("a⟨202E⟩b⟨1B⟩[31m⟨2028⟩")


def test_a_planted_text_is_found_by_the_search(opened: Opened) -> None:
    tab = opened(planted(PLANTED[0]))
    tab.press("/")
    tab.write("<script>window.planted")
    tab.until(f"document.querySelector('.count').textContent === '{len(KINDS) + 1} spans'")
