"""The page about OpenTelemetry says what happens: its blocks run in their order, against a collector on a loopback socket."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.tracing.loopback_collector import collecting

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "opentelemetry.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_blocks_of_the_page_print_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    module = ModuleType("guide_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 5
    with collecting() as collector:
        for block in blocks:
            said = [line.removeprefix("# -> ") for line in block.splitlines() if line.startswith("# -> ")]
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                here = block.replace("http://localhost:4318", collector.url)
                exec(compile(here, PAGE.name, "exec", dont_inherit=True), vars(module))
            assert printed.getvalue().splitlines() == said, block
        assert collector.told[-1].headers["authorization"] == "Bearer a-key-of-mine"
