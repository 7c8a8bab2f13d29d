"""What is said where Ray is not installed."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
sys.modules["ray"] = None  # as if it were not there
from llm_brain.errors import MissingDependencyError
from llm_brain.optimize.executors import RayExecutor

try:
    RayExecutor().__enter__()
except MissingDependencyError as error:
    print(error)
"""


def test_the_error_names_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "ray is not installed; install it with: pip install 'llm_brain[ray]'\n"


def test_importing_the_executors_imports_neither_ray_nor_torch() -> None:
    code = "import sys, llm_brain.optimize.executors.ray; print(sorted({'ray', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
