"""The guide says what happens: its blocks run in their order, and print what stands below them."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide"
PAGES = [
    "typed-functions.md",
    "hosted-models.md",
    "local-models.md",
    "budgets.md",
    "caching.md",
    "faults.md",
    "traces.md",
    "brain.md",
    "plastic-rnn.md",
    "teaching.md",
    "executors.md",
    "hyperparameters.md",
    "optimize-report.md",
    "optimize.md",
]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", PAGES)
def test_the_blocks_of_a_page_print_what_it_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a made-up key")
    module = ModuleType("guide_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    blocks = BLOCK.findall((GUIDE / name).read_text(encoding="utf-8"))
    assert len(blocks) > 3
    for block in blocks:
        said = [line.removeprefix("# -> ") for line in block.splitlines() if line.startswith("# -> ")]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(block, name, "exec", dont_inherit=True), vars(module))
        assert printed.getvalue().splitlines() == said, block


def test_what_the_page_of_prompts_quotes_stands_in_the_example() -> None:
    blocks = BLOCK.findall((GUIDE / "prompts.md").read_text(encoding="utf-8"))
    example = (ROOT / "examples" / "support_desk" / "interface.py").read_text(encoding="utf-8")
    assert blocks
    assert all(textwrap.indent(block, "    ") in example for block in blocks)


def test_the_page_of_prompts_shows_every_kept_prompt() -> None:
    shown = re.findall(r'^--8<-- "prompts/(.*)"$', (GUIDE / "prompts.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(file.name for file in (ROOT / "docs" / "prompts").glob("*.txt"))
