"""Where a cache can stand and where it cannot: a call is answered in any case."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import llm_brain.errors
from llm_brain.backends import CachedBackend, CacheWarning, LanguageBackend, Message, Reply, Request
from llm_brain.errors import DataError

HELLO = Request((Message("user", "Hello?"),))


class Model(LanguageBackend):
    model_id = "m"

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def chat_completion(self, request: Request) -> Reply:
        return Reply(f"answer {request.sample}", "stop", "m")


def asked_three_times(path: Path) -> tuple[list[bool], list[str]]:
    """Ask; tell whether the answers were kept ones, and what was warned of."""
    layer = CachedBackend(Model(), path)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        replies = [layer.chat_completion(HELLO) for _ in range(3)]
    layer.close()
    assert [reply.text for reply in replies] == ["answer 0"] * 3
    assert all(one.category is CacheWarning for one in heard)
    return [reply.cached for reply in replies], [str(one.message) for one in heard]


NOT_KEPT = [False, False, False]
KEPT = [False, True, True]


def test_folders_are_made(tmp_path: Path) -> None:
    assert asked_three_times(tmp_path / "a" / "b" / "answers.sqlite") == (KEPT, [])


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").touch()
    assert asked_three_times(tmp_path / "answers.sqlite") == (KEPT, [])


@pytest.mark.parametrize("name", ["50% of what?.sqlite", "a b#c;d.sqlite", ":memory:", "é\u2028.sqlite", "file:x?mode=ro"])
def test_any_name_will_do(tmp_path: Path, name: str) -> None:
    assert asked_three_times(tmp_path / name) == (KEPT, [])
    assert (tmp_path / name).is_file()


def test_a_directory_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").mkdir()
    (tmp_path / "answers.sqlite" / "mine").touch()
    cached, heard = asked_three_times(tmp_path / "answers.sqlite")
    assert (cached, len(heard)) == (NOT_KEPT, 1)
    assert (tmp_path / "answers.sqlite" / "mine").exists()


def test_a_file_in_the_place_of_its_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("mine", encoding="utf-8")
    cached, heard = asked_three_times(tmp_path / "folder" / "answers.sqlite")
    assert (cached, len(heard)) == (NOT_KEPT, 1)
    assert (tmp_path / "folder").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "answers.sqlite")
    cached, heard = asked_three_times(tmp_path / "answers.sqlite")
    assert (cached, len(heard)) == (NOT_KEPT, 1)
    assert stat.S_ISFIFO((tmp_path / "answers.sqlite").stat().st_mode)


def test_a_link_leads_to_one_cache_for_all(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.sqlite"
    link.symlink_to(tmp_path / "real" / "answers.sqlite")
    through, direct = CachedBackend(Model(), link), CachedBackend(Model(), tmp_path / "real" / "answers.sqlite")
    assert not through.chat_completion(HELLO).cached
    assert direct.chat_completion(HELLO).cached
    direct.close()
    through.close()
    (tmp_path / "real" / "answers.sqlite").write_bytes(b"junk" * 999)
    with pytest.warns(CacheWarning, match="moved to"):
        through.chat_completion(HELLO)
    assert link.is_symlink()
    assert direct.chat_completion(HELLO).cached
    direct.close()
    through.close()


def test_a_relative_path_stays_where_it_was_when_the_folder_of_the_process_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    layer = CachedBackend(Model(), "answers.sqlite")
    layer.chat_completion(HELLO)
    layer.close()
    monkeypatch.chdir(tmp_path / "other")
    assert layer.chat_completion(HELLO).cached
    layer.close()
    assert not list((tmp_path / "other").iterdir())


def test_without_a_path_answers_are_kept_in_the_home_of_this_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_BRAIN_HOME", str(tmp_path / "home"))
    layer = CachedBackend(Model())
    layer.chat_completion(HELLO)
    layer.close()
    assert layer.path == tmp_path / "home" / "answers.sqlite"
    assert layer.path.is_file()


def test_without_a_home_answers_are_kept_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLM_BRAIN_HOME", raising=False)
    path = CachedBackend(Model()).path
    assert (path.is_absolute(), path.name) == (True, "answers.sqlite")
    assert "llm_brain" in path.parts


def test_a_deleted_file_is_forgotten_and_made_anew(tmp_path: Path) -> None:
    layer = CachedBackend(Model(), tmp_path / "answers.sqlite")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            assert not layer.chat_completion(HELLO).cached
            assert layer.chat_completion(HELLO).cached
            for file in tmp_path.glob("answers.sqlite*"):
                file.unlink()
    layer.close()


def test_a_deleted_folder_is_made_anew(tmp_path: Path) -> None:
    layer = CachedBackend(Model(), tmp_path / "folder" / "answers.sqlite")
    layer.chat_completion(HELLO)
    shutil.rmtree(tmp_path / "folder")
    assert not layer.chat_completion(HELLO).cached
    assert layer.chat_completion(HELLO).cached
    layer.close()


def test_its_size_is_told_and_it_can_be_cleared(tmp_path: Path) -> None:
    layer, other = (CachedBackend(Model(), tmp_path / "answers.sqlite") for _ in range(2))
    assert (layer.size_in_bytes, len(layer)) == (0, 0)
    for sample in range(300):
        layer.chat_completion(Request(HELLO.messages, sample=sample))
    layer.close()
    full = layer.size_in_bytes
    assert len(layer) == len(other) == 300
    other.clear()
    other.close()
    layer.close()
    assert layer.size_in_bytes < full
    assert len(layer) == 0
    assert layer
    assert not layer.chat_completion(HELLO).cached
    layer.close()


def test_what_could_not_be_cleared_is_an_error(tmp_path: Path) -> None:
    layer = CachedBackend(Model(), tmp_path)
    with pytest.warns(CacheWarning), pytest.raises(DataError, match="cannot be cleared"):
        layer.clear()


PRELUDE = """
import os, sys, warnings
from llm_brain.backends import CachedBackend, CacheWarning, LanguageBackend, Message, Reply, Request
import filelock
class Model(LanguageBackend):
    model_id = "m"
    def count_tokens(self, text): return 1
    def chat_completion(self, request): return Reply(f"answer {request.sample}" + " more" * 500, "stop", "m")
questions = [Request((Message("user", "Hello?"),), sample=sample) for sample in range(200)]
def ask(path, these):
    layer = CachedBackend(Model(), path)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        replies = [layer.chat_completion(question) for question in these]
    assert all(reply.text.startswith(f"answer {question.sample} ") for question, reply in zip(these, replies))
    layer.close()
    return [reply.cached for reply in replies], [str(one.message) for one in heard]
"""


def run(program: str, *arguments: object) -> None:
    here = {**os.environ, "PYTHONPATH": str(Path(llm_brain.errors.__file__).parents[1])}
    command = [sys.executable, "-c", PRELUDE + program, *map(str, arguments)]
    process = subprocess.run(command, env=here, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a folder that any user can reach: the tests may be run by root, whom no permission stops."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(folder)


AS_NOBODY = """
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
"""
posix = pytest.mark.skipif(not hasattr(os, "setuid"), reason="there are no such permissions here")


@posix
@pytest.mark.parametrize("what", ["the file", "its folder", "both"])
def test_a_cache_that_may_only_be_read_is_read(open_folder: Path, what: str) -> None:
    path = open_folder / "answers.sqlite"
    run("ask(sys.argv[1], questions[:5])", path)
    for file in open_folder.iterdir():
        file.chmod(0o444 if what != "its folder" else 0o644)
    open_folder.chmod(0o777 if what == "the file" else 0o555)
    if what == "the file":
        (open_folder / "answers.sqlite.lock").unlink()
    program = """
cached, heard = ask(sys.argv[1], questions[:5])
assert all(cached), heard
assert heard == []
cached, heard = ask(sys.argv[1], questions[3:8])
assert cached == [True, True, False, False, False]
assert len(heard) == 1, heard
"""
    before = path.read_bytes()
    run(AS_NOBODY + program, path)
    assert path.read_bytes() == before
    assert not list(open_folder.glob("*corrupt*"))


@posix
def test_where_no_file_may_be_made_calls_are_answered(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    program = """
cached, heard = ask(sys.argv[1], questions[:1] * 3)
assert not any(cached)
assert len(heard) == 1, heard
"""
    run(AS_NOBODY + program, open_folder / "answers.sqlite")
    run(AS_NOBODY + program, open_folder / "deeper" / "answers.sqlite")


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be limited here")
@pytest.mark.parametrize("room", [0, 5_000, 40_000, 100_000, 400_000])
def test_where_files_may_not_grow_every_answer_is_given_with_one_warning(tmp_path: Path, room: int) -> None:
    program = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
cached, heard = ask(sys.argv[1], questions)
assert len(heard) == 1, heard
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
cached, heard = ask(sys.argv[1], questions)
assert heard == [], heard
assert all(ask(sys.argv[1], questions)[0])
"""
    run(program, tmp_path / "answers.sqlite", room)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="a small disk of its own needs unshare")
def test_on_a_full_disk_every_answer_is_given_and_what_is_kept_is_found(tmp_path: Path) -> None:
    mounted = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=300k none "$0" && exec "$@"', str(tmp_path)]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no disk may be mounted here")
    program = """
cached, heard = ask(sys.argv[1], questions)
assert len(heard) == 1, heard
cached, heard = ask(sys.argv[1], questions)
assert sum(cached) > 5, cached
filling = os.path.join(os.path.dirname(sys.argv[1]), "filling")
with open(filling, "wb", buffering=0) as file:
    try:
        while file.write(bytes(1000)): pass
    except OSError: pass
ask(sys.argv[1], questions)
os.remove(filling)
cached, heard = ask(sys.argv[1], questions[:10])
assert all(ask(sys.argv[1], questions[:10])[0])
"""
    here = {**os.environ, "PYTHONPATH": str(Path(llm_brain.errors.__file__).parents[1])}
    command = [*mounted, sys.executable, "-c", PRELUDE + program, str(tmp_path / "answers.sqlite")]
    process = subprocess.run(command, env=here, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr
