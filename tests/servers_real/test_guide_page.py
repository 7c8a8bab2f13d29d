"""What the guide says of servers of one's own happens, at a real one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.servers_real.running import KEY, RealServer

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "own-servers.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_blocks_of_the_page_run(llama: RealServer, llama_embeddings: RealServer) -> None:
    places = {"http://127.0.0.1:8080/v1": llama.base_url, "http://127.0.0.1:8081/v1": llama_embeddings.base_url, "EMPTY": KEY}
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 2
    names: dict[str, Any] = {"__name__": "a_page_of_the_guide"}
    for block in blocks:
        placed = re.sub("|".join(map(re.escape, places)), lambda shown: places[shown.group()], block)
        exec(compile(placed, PAGE.name, "exec", dont_inherit=True), names)
    assert type(names["person"]).__name__ == "Person"
    assert names["person"].home in ("Norway", "Chile")
    assert names["vectors"].shape == (2, 576)
