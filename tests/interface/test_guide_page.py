"""The guide's page says what happens: its blocks run in their order, and print what stands below them."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "llm-interface.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_blocks_of_the_page_print_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("guide_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) > 5
    for block in blocks:
        said = [line.removeprefix("# -> ") for line in block.splitlines() if line.startswith("# -> ")]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(block, PAGE.name, "exec", dont_inherit=True), vars(module))
        assert printed.getvalue().splitlines() == said, block
