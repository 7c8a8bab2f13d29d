"""A damaged cache: no exception, no wrong answer, one warning, and what can be read of it is not lost."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_brain.backends.cache.answers import AnswerStore, CacheWarning

PAGE = 4096
LENGTHS = (5, 400, 3000, 9000)
VALUES: dict[str, Any] = {f"key {n}": {"text": "x" * LENGTHS[n % 4], "n": n} for n in range(60)}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a cache as it is when nobody uses it: one file."""
    folder = tmp_path_factory.mktemp("closed")
    store = filled(folder / "answers.sqlite")
    store.close()
    return folder


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a cache whose process was killed: what was written last stands in the log."""
    folder = tmp_path_factory.mktemp("crashed")
    store = filled(folder / "answers.sqlite")
    shutil.copytree(folder, folder / "copy")
    store.close()
    return folder / "copy"


def filled(path: Path) -> AnswerStore:
    store = AnswerStore(path)
    for key, value in VALUES.items():
        store.put(key, value)
    return store


@contextmanager
def copied(folder: Path, tmp_path: Path) -> Iterator[Path]:
    copy = tmp_path / os.urandom(4).hex()
    shutil.copytree(folder, copy)
    yield copy / "answers.sqlite"
    shutil.rmtree(copy)


def used(path: Path) -> tuple[int, list[str]]:
    """Use a cache for everything there is; tell how many answers it still had, and what it warned of."""
    store = AnswerStore(path)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = 0
        for key, value in VALUES.items():
            kept = store.get(key)
            assert kept in (None, value)
            assert store.get(f"no {key}") is None
            found += kept is not None
            if kept is None:
                store.put(key, value)
        for key, value in VALUES.items():
            assert store.get(key) in (None, value)
    store.close()
    assert all(one.category is CacheWarning for one in heard)
    return found, [str(one.message) for one in heard]


def changed(path: Path, change: Callable[[bytearray], None]) -> None:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


def test_any_page_may_be_damaged_and_costs_no_more_than_its_own_answers(closed: Path, tmp_path: Path) -> None:
    pages = (closed / "answers.sqlite").stat().st_size // PAGE
    assert pages > 20
    for page in range(2, pages, 4):  # the first two are the header and the table's root
        with copied(closed, tmp_path) as path:
            noise = random.Random(page).randbytes(PAGE)
            changed(path, lambda content, at=page * PAGE, noise=noise: content.__setitem__(slice(at, at + PAGE), noise))
            found, heard = used(path)
            assert found >= len(VALUES) - 12, f"page {page} of {pages}"
            assert len(heard) <= 1


@pytest.mark.parametrize("page", [0, 1])
def test_a_damaged_beginning_costs_the_file_and_nothing_else(closed: Path, tmp_path: Path, page: int) -> None:
    with copied(closed, tmp_path) as path:
        changed(path, lambda content: content.__setitem__(slice(page * PAGE, (page + 1) * PAGE), b"\xa5" * PAGE))
        _, heard = used(path)
        assert len(heard) == 1
        assert "moved to" in heard[0]
        assert used(path) == (len(VALUES), [])


def test_any_byte_of_the_header_may_be_flipped(closed: Path, tmp_path: Path) -> None:
    for place in [*range(12, 28), *range(28, 100, 4), *range(31, 100, 12)]:
        with copied(closed, tmp_path) as path:
            changed(path, lambda content, at=place: content.__setitem__(at, content[at] ^ 0xFF))
            assert len(used(path)[1]) <= 1, f"byte {place}"


damages = st.lists(
    st.tuples(st.sampled_from(["flip", "zero", "cut", "swap"]), st.floats(0, 1, exclude_max=True), st.integers(0, 255)),
    min_size=1,
    max_size=6,
)


def damage(how: str, where: float, what: int, content: bytearray) -> None:
    if not content:
        return
    at = int(where * len(content))
    if how == "flip":
        content[at] = what
    elif how == "zero":
        end = min(len(content), at + what * 40)
        content[at:end] = bytes(end - at)
    elif how == "cut":
        del content[len(content) - int(where * what) :]
    else:
        one, other = (at // PAGE * PAGE, what * PAGE % len(content) // PAGE * PAGE)
        content[one : one + PAGE] = content[other : other + PAGE]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(of_file=damages, of_log=damages, is_crashed=st.booleans())
def test_any_damage_to_the_file_and_its_log_costs_answers_but_no_calls(
    closed: Path, crashed: Path, tmp_path: Path, of_file: Any, of_log: Any, is_crashed: bool
) -> None:
    with copied(crashed if is_crashed else closed, tmp_path) as path:
        for name, damages_ in ((path, of_file), (path.with_name(f"{path.name}-wal"), of_log)):
            if name.exists():
                for one in damages_:
                    changed(name, partial(damage, *one))
        assert len(used(path)[1]) <= 2


def test_any_byte_of_the_logs_header_may_be_flipped(crashed: Path, tmp_path: Path) -> None:
    for place in range(0, 56, 3):
        with copied(crashed, tmp_path) as path:
            log = path.with_name(f"{path.name}-wal")
            changed(log, lambda content, at=place: content.__setitem__(at, content[at] ^ 0xFF))
            used(path)


def test_a_log_that_was_cut_costs_only_what_was_behind_the_cut(crashed: Path, tmp_path: Path) -> None:
    with copied(crashed, tmp_path) as path:
        assert used(path) == (len(VALUES), [])
    with copied(crashed, tmp_path) as path:
        log = path.with_name(f"{path.name}-wal")
        changed(log, lambda content: content.__delitem__(slice(len(content) * 3 // 4, None)))
        found, heard = used(path)
        assert 0.4 * len(VALUES) < found < len(VALUES)
        assert not heard


SPOIL = """
import sys
with open(sys.argv[1], "r+b") as file:
    content = file.read()
    for at in range(4096, len(content), 4096):
        file.seek(at)
        file.write(b"\\xa5" * 4096)
"""


def test_damage_that_is_only_met_later_while_the_file_is_open_costs_no_call(closed: Path, tmp_path: Path) -> None:
    with copied(closed, tmp_path) as path:
        store = AnswerStore(path)
        assert store.get("key 0") == VALUES["key 0"]
        # By another process: to open and close the file in this one would take SQLite's locks away.
        subprocess.run([sys.executable, "-c", SPOIL, str(path)], check=True)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            for key, value in [*VALUES.items(), *VALUES.items()]:
                assert store.get(key) in (None, value)
                store.put(key, value)
            assert all(store.get(key) == value for key, value in VALUES.items())
        store.close()
        assert [one.category for one in heard] == [CacheWarning]
        assert used(path) == (len(VALUES), [])


def test_a_damaged_file_is_kept_and_told_of_with_the_number_of_answers_that_were_saved(closed: Path, tmp_path: Path) -> None:
    with copied(closed, tmp_path) as path:
        changed(path, lambda content: content.__setitem__(slice(9 * PAGE, 10 * PAGE), b"\xa5" * PAGE))
        damaged = path.read_bytes()
        found, heard = used(path)
        (aside,) = path.parent.glob("answers.sqlite.corrupt-*")
        assert aside.read_bytes() == damaged
        assert str(aside) in heard[0]
        assert "with 5" in heard[0]
        assert 50 <= found < 60


@pytest.mark.parametrize(
    "statements",
    [
        ["PRAGMA user_version = 1"],
        ["PRAGMA user_version = 99"],
        ["PRAGMA application_id = 1"],
        ["CREATE TABLE other (x)"],
        ["CREATE TRIGGER more AFTER INSERT ON answers BEGIN DELETE FROM answers; END"],
        ["CREATE VIEW less AS SELECT 1"],
        ["DROP TABLE answers"],
        ["ALTER TABLE answers ADD COLUMN more"],
        ["DROP TABLE answers", "CREATE TABLE answers (key TEXT PRIMARY KEY, value TEXT, checksum TEXT) WITHOUT ROWID"],
    ],
)
def test_a_file_of_an_older_or_a_newer_version_is_moved_aside_whole(closed: Path, tmp_path: Path, statements: list[str]) -> None:
    with copied(closed, tmp_path) as path:
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            for statement in statements:
                file.execute(statement)
        found, heard = used(path)
        assert (found, len(heard)) == (0, 1)
        assert "another version" in heard[0]
        assert used(path) == (len(VALUES), [])


def test_the_database_of_another_program_keeps_all_that_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE people (name)")
        file.execute("INSERT INTO people VALUES ('Ada')")
    found, heard = used(path)
    assert (found, len(heard)) == (0, 1)
    (aside,) = tmp_path.glob("answers.sqlite.corrupt-*")
    with closing(sqlite3.connect(aside)) as file:
        assert file.execute("SELECT name FROM people").fetchall() == [("Ada",)]


def test_a_value_of_a_key_is_never_that_of_another_one(closed: Path, tmp_path: Path) -> None:
    with copied(closed, tmp_path) as path:
        with closing(sqlite3.connect(path)) as file, file:
            file.execute("CREATE TEMP TABLE given AS SELECT id, lead(id, 1) OVER (ORDER BY id) AS next FROM answers")
            file.execute("CREATE TEMP TABLE old AS SELECT * FROM answers")
            file.execute(
                "UPDATE answers SET (checksum, value) = (SELECT checksum, value FROM old JOIN given ON old.id = given.next "
                "WHERE given.id = answers.id) WHERE id IN (SELECT id FROM given WHERE next IS NOT NULL)"
            )
        found, heard = used(path)
        assert found <= 1
        assert not heard
