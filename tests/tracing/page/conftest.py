"""A browser for the whole room, and a run with something of everything on the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from llm_brain.tracing import names
from llm_brain.tracing.page import write_page
from llm_brain.tracing.text import clean_text
from tests.tracing.page.chromium import Chromium, Tab, found

Line: TypeAlias = dict[str, Any]
Opened: TypeAlias = Callable[..., Tab]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    if found() is None:
        pytest.skip("no Chromium is installed: the page is not looked at")
    with Chromium() as browser:
        yield browser


@pytest.fixture
def opened(chromium: Chromium, tmp_path: Path) -> Iterator[Opened]:
    """Write lines as a run, its page, and open it; whatever the page complained about fails the test."""
    tabs: list[Tab] = []

    def open_run(lines: list[Line], **look: Any) -> Tab:
        folder = tmp_path / "a run"
        write_lines(folder, lines)
        tabs.append(chromium.open(write_page(folder), **look))
        return tabs[-1]

    yield open_run
    for tab in tabs:
        problems = tab.problems
        tab.close()
        assert problems == []


def write_lines(folder: Path, lines: list[Line]) -> None:
    spans = folder / "spans"
    spans.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (spans / "1-1.jsonl").write_text(clean_text(text), encoding="utf-8")


def line(
    own: str, parent: str | None = None, kind: str | None = None, *, name: str = "", at: float = 0, error: Any = None, **told: Any
) -> Line:
    """Make a span's line; `at` is when it began, in seconds, and it lasts one."""
    begun = 1_760_000_000_000_000_000 + int(at * 1e9)
    frame: Line = {"schema": names.SCHEMA_VERSION, "trace_id": "f" * 32, "span_id": own, "parent_id": parent, "name": name or own}
    frame |= {"start_ns": begun, "end_ns": begun + 1_000_000_000, "status": "error" if error else "ok", "error": error}
    return frame | {"attributes": {**({names.KIND: kind} if kind else {}), **told}}


def said(role: str, text: str) -> Line:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def a_call(own: str, parent: str | None, asked: str, replied: str, **more: Any) -> Line:
    told: Line = {
        names.INPUT_MESSAGES: [said("system", "Be brief."), said("user", asked)],
        names.OUTPUT_MESSAGES: [said("assistant", replied)],
    }
    told |= {
        names.INPUT_TOKENS: 100,
        names.OUTPUT_TOKENS: 20,
        names.COST: 0.25,
        names.CACHED: False,
        names.REQUEST_MODEL: "small",
    }
    return line(own, parent, "call", name="chat small", **{**told, **more})


def a_training() -> list[Line]:
    """Two trials of two steps each: in every step a function with a call, the last one repaired, and one that failed."""
    lines = [line("study", kind="study", name="optimize")]
    for trial in range(2):
        knobs = {"learning_rate": 0.1 * (trial + 1)}
        lines.append(
            line(
                f"trial{trial}",
                "study",
                "trial",
                name="trial",
                at=trial * 10,
                **{names.TRIAL: trial, names.SCORE: 0.5 + trial / 10, names.HYPERPARAMETERS: knobs},
            )
        )
        for step in range(2):
            at = trial * 10 + step * 2
            own = f"{trial}{step}"
            lines.append(
                line(
                    f"step{own}",
                    f"trial{trial}",
                    "step",
                    name="training step",
                    at=at,
                    **{names.STEP: step, f"{names.METRIC}.loss": 1.0 - own.count("1") / 4},
                )
            )
            lines.append(
                line(
                    f"mood{own}",
                    f"step{own}",
                    "function",
                    name="Desk.mood",
                    at=at,
                    **{names.FUNCTION: "Desk.mood", names.VALUE: "happy"},
                )
            )
            lines.append(a_call(f"call{own}", f"mood{own}", f"How was parcel {own}?", '{"mood": "hapy"}', at=at))
    lines.append(
        line("repair", "mood11", "repair", name="repair", at=12.5, **{names.ATTEMPT: 2, names.REASON: "`mood`: got 'hapy'"})
    )
    lines.append(a_call("again", "repair", "How was parcel 11? That does not fit.", '{"mood": "happy"}', at=12.5))
    refused = {"type": "llm_brain.errors.BackendError", "message": "the server answered 503"}
    lines.append(line("reply", "step11", "function", name="Desk.reply", at=13, error=refused, **{names.FUNCTION: "Desk.reply"}))
    tries = [{"kind": "server", "status": 503, "duration": 0.5, "perhaps_billed": False}]
    lines.append(
        line(
            "refused",
            "reply",
            "call",
            name="chat small",
            at=13,
            error=refused,
            **{names.TRIES: tries, names.TRY_ERRORS: ["503: overloaded"]},
        )
    )
    lines.append(
        line("saved", "reply", "call", name="chat small", at=13.5, **{names.CACHED: True, names.INPUT_TOKENS: 7, names.COST: 0.0})
    )
    return lines
