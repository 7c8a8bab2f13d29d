"""What a model on this machine is made of, looked at before transformers is asked, which would look for the rest elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from llm_brain.errors import WeightsError

CONFIG: Final = "config.json"
_GIVE: Final = "give the folder that `save_pretrained` wrote, or a GGUF file"
_MAGIC: Final = b"GGUF"
_WEIGHTS: Final = ("*.safetensors", "*.bin")
_TOKENIZER: Final = "tokenizer (tokenizer.json)"
_TOKENIZERS: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "*.model", "*.tiktoken", "tekken.json")


def check_files(path: Path, *, model_in: str = "", tokenizer_in: str = "") -> None:
    """Look whether a folder holds a model, or a file is a GGUF file. Reads next to nothing.

    Args:
        path: The folder, or the file.
        model_in: In which folder of the folder the model's own files lie.
        tokenizer_in: In which one the tokenizer's.

    Raises:
        WeightsError: A file is missing; the message says which one.

    Example:
        >>> check_files(Path("some/thing"))
        Traceback (most recent call last):
        ...
        llm_brain.errors.WeightsError: there is neither a folder nor a file 'some/thing': give the folder that ...
    """
    if path.is_file():
        if not _is_gguf(path):
            message = f"{path} is no GGUF file: {_GIVE}"
            raise WeightsError(message)
        return
    if not path.is_dir():
        message = f"there is neither a folder nor a file {str(path)!r}: {_GIVE}"
        raise WeightsError(message)
    model, tokenizer = path / model_in, path / tokenizer_in
    if not (model / CONFIG).is_file():
        message = f"{model} holds no {CONFIG}, and is no transformers model: {_GIVE}"
        raise WeightsError(message)
    for place, what, patterns in ((model, "weights (model.safetensors)", _WEIGHTS), (tokenizer, _TOKENIZER, _TOKENIZERS)):
        if not any(True for pattern in patterns for _ in place.glob(pattern)):
            message = f"{place} holds no {what}: save the model and its tokenizer into it by `save_pretrained`"
            raise WeightsError(message)


def architecture(path: Path, *, model_in: str = "") -> str:
    """Tell of which architecture a folder's model is, by its config.

    Args:
        path: The folder.
        model_in: In which folder of it the model's own files lie.

    Raises:
        WeightsError: The config cannot be read, or does not say so.

    Example:
        >>> from llm_brain.backends.embedded import weights_folder
        >>> architecture(weights_folder())
        'llama'
    """
    place = path / model_in / CONFIG
    try:
        config: Any = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        message = f"{place} cannot be read: {error}"
        raise WeightsError(message) from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if not isinstance(kind, str) or not kind:
        message = f"{place} does not say which architecture the model has: `model_type` is missing"
        raise WeightsError(message)
    return kind


def _is_gguf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise WeightsError(message) from error
