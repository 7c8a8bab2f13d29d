"""mypy and pyright see the users' own signatures: in this folder's files, and in one that is wrong on purpose."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
CHECKED = ["decorated_classes.py", "functions.py"]

MISTAKES = '''
from llm_brain.strategy import llm_strategy
from llm_brain.strategy.explicit import llm_function
from llm_brain.strategy.views import typed

@llm_strategy("local")
class Triage:
    def route(self, message: str) -> int:
        """Route a message."""
        raise NotImplementedError

@llm_strategy("local")
def double(number: int) -> int:
    """Double a number."""
    raise NotImplementedError

@llm_strategy("local")
async def later(number: int) -> int:
    """Double a number."""
    raise NotImplementedError

@llm_function
def add(model: str, number: int) -> int:
    """Add."""
    raise NotImplementedError

right: int = double(3)
Triage().route(3)  # wrong
Triage().route("a").upper()  # wrong
Triage().ruote("a")  # wrong
typed(Triage().route)(3)  # wrong
typed(Triage().route).prompt()  # wrong
text: str = double(3)  # wrong
double("three")  # wrong
number: int = later(3)  # wrong
add("local", "three")  # wrong
add.using("local").map([3])[0].upper()  # wrong
'''
WRONG_LINES = [place for place, line in enumerate(MISTAKES.splitlines(), 1) if line.endswith("# wrong")]

# What only backends import is left out: it takes a minute to read, and says nothing about types here.
MYPY_SETTINGS = """
[mypy]
strict = True
plugins = pydantic.mypy
python_version = 3.11
explicit_package_bases = True
namespace_packages = True
follow_imports = silent

[mypy-aiohttp.*,gguf.*,langchain.*,langchain_core.*,llguidance.*,numpy.*,openai.*,rich.*,safetensors.*,tokenizers.*,torch.*,transformers.*,wandb.*]
follow_imports = skip
ignore_missing_imports = True
"""
PYRIGHT_SETTINGS = {
    "extraPaths": [str(REPOSITORY)],
    "pythonVersion": "3.11",
    "typeCheckingMode": "strict",
    "enableTypeIgnoreComments": False,  # those are mypy's
    "reportUnnecessaryTypeIgnoreComment": True,
}

Complaints = dict[str, list[tuple[int, str]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Hold copies of the files that are checked, and one that is wrong on purpose."""
    for name in CHECKED:
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "mistakes.py").write_text(MISTAKES)
    return tmp_path


def mypy(folder: Path) -> Complaints:
    settings = folder / "mypy.ini"
    settings.write_text(MYPY_SETTINGS)
    options = ["--config-file", str(settings), "--cache-dir", str(folder / "cache"), "--no-error-summary", "--no-pretty"]
    command = [sys.executable, "-m", "mypy", *options, *map(str, folder.glob("*.py"))]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: Complaints = {}
    for path, line, problem in re.findall(r"^(.*?):(\d+): error: (.*)$", done.stdout, re.MULTILINE):
        found.setdefault(Path(path).name, []).append((int(line), problem))
    return found


def pyright(folder: Path) -> Complaints:
    (folder / "pyrightconfig.json").write_text(json.dumps(PYRIGHT_SETTINGS))
    command = [sys.executable, "-m", "pyright", "--project", str(folder), "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(CHECKED) + 1
    found: Complaints = {}
    for problem in report["generalDiagnostics"]:
        found.setdefault(Path(problem["file"]).name, []).append((problem["range"]["start"]["line"] + 1, problem["message"]))
    return found


@pytest.mark.parametrize("check", [mypy, pyright])
def test_every_form_has_the_types_that_the_user_wrote_and_every_mistake_is_found(
    check: Callable[[Path], Complaints], folder: Path
) -> None:
    found = check(folder)
    assert {line for line, _ in found.pop("mistakes.py", [])} == set(WRONG_LINES)
    assert found == {}
