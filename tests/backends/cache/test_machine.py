"""Whatever is done to a cache, in whatever order, by two handles at once: it holds what a dictionary would hold."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from llm_brain.backends.cache.answers import AnswerStore

texts = st.text(max_size=20) | st.sampled_from(["\ud800", "x" * 9000, "\0", ""])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
which = st.sampled_from([0, 1])


class Cache(RuleBasedStateMachine):
    """Two handles of one file beside a dictionary. A value of None is like no value at all."""

    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.path = Path(self.folder) / "answers.sqlite"
        self.handles = [AnswerStore(self.path), AnswerStore(self.path)]
        self.expected: dict[str, Any] = {}
        self.named: set[str] = set()

    def teardown(self) -> None:
        for handle in self.handles:
            handle.close()
        shutil.rmtree(self.folder)

    @rule(target=keys, key=texts)
    def name(self, key: str) -> str:
        self.named.add(key)
        return key

    @rule(handle=which, key=keys, value=values)
    def put(self, handle: int, key: str, value: Any) -> None:
        self.handles[handle].put(key, value)
        self.expected[key] = value

    @rule(handle=which)
    def close(self, handle: int) -> None:
        self.handles[handle].close()

    @rule(handle=which)
    def begin_anew_with_another_handle(self, handle: int) -> None:
        self.handles[handle].close()
        self.handles[handle] = AnswerStore(self.path)

    @rule(handle=which)
    def clear(self, handle: int) -> None:
        self.handles[handle].clear()
        self.expected.clear()

    @rule(
        statement=st.sampled_from(
            [
                "UPDATE answers SET checksum = x'00'",
                "UPDATE answers SET value = value || ' '",  # still the same JSON
                "UPDATE answers SET value = NULL, checksum = NULL",
                "UPDATE answers SET id = -1 - id",
                "DELETE FROM answers",
            ]
        )
    )
    def spoil_all_rows(self, statement: str) -> None:
        if self.path.exists():
            with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as file:
                with contextlib.suppress(sqlite3.IntegrityError):
                    file.execute(statement)
                    self.expected.clear()

    @rule()
    def delete_the_file(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self.expected.clear()

    @rule(handle=which)
    def look_everything_up(self, handle: int) -> None:
        for key in self.named:
            assert self.handles[handle].get(key) == self.expected.get(key)


TestCache = Cache.TestCase
TestCache.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
