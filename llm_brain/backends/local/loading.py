"""From files to a model and its tokenizer: a transformers folder or a GGUF file, and the options that may be given for them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from llm_brain.errors import DefinitionError, WeightsError, missing_dependency

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

MODEL_OPTIONS: Final = ("attn_implementation", "dtype", "revision", "subfolder", "use_safetensors", "variant")
"""What `model_kwargs` may hold: options of transformers' `from_pretrained` that change how files are read, and run nothing."""

TOKENIZER_OPTIONS: Final = (
    "add_prefix_space",
    "bos_token",
    "chat_template",
    "eos_token",
    "legacy",
    "pad_token",
    "revision",
    "subfolder",
    "unk_token",
    "use_fast",
)
"""What `tokenizer_kwargs` may hold."""

ATTENTIONS: Final = ("eager", "sdpa")
"""The attentions that take a mask of any form, which trees of options need; others may be fetched from the network, and run."""

_KNOWN_LAYERS: Final = frozenset({"full_attention", "sliding_attention"})


def check_options(model_kwargs: Mapping[str, Any], tokenizer_kwargs: Mapping[str, Any]) -> None:
    """Refuse what is not known to be safe, before anything is loaded.

    Raises:
        DefinitionError: An option is unknown, would run code that comes with a model, or has a value that cannot be used.

    Example:
        >>> check_options({"dtype": "float32"}, {})
        >>> check_options({"trust_remote_code": True}, {})
        Traceback (most recent call last):
        ...
        llm_brain.errors.DefinitionError: model_kwargs: 'trust_remote_code' would run code that comes with the model: ...
    """
    for title, given, known in (
        ("model_kwargs", model_kwargs, MODEL_OPTIONS),
        ("tokenizer_kwargs", tokenizer_kwargs, TOKENIZER_OPTIONS),
    ):
        for name in given:
            if name not in known:
                message = f"{title}: {_refusal(name, known)}"
                raise DefinitionError(message)
    attention = model_kwargs.get("attn_implementation")
    if attention is not None and attention not in ATTENTIONS:
        message = (
            f"model_kwargs: attn_implementation {attention!r} cannot be used: take one of {', '.join(map(repr, ATTENTIONS))}"
        )
        raise DefinitionError(message)
    if "dtype" in model_kwargs:
        as_dtype(model_kwargs["dtype"])


def as_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Turn a number format's name into torch's own.

    Raises:
        DefinitionError: torch has no such floating-point format.

    Example:
        >>> as_dtype("bfloat16")
        torch.bfloat16
    """
    import torch

    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        message = f"model_kwargs: dtype {dtype!r} is no number format that a model can compute in: take 'float32' or 'bfloat16'"
        raise DefinitionError(message)
    return found


def load(
    path: Path,
    *,
    dtype: torch.dtype,
    device: torch.device,
    model_kwargs: Mapping[str, Any],
    tokenizer_kwargs: Mapping[str, Any],
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Load a model and its tokenizer. Nothing is fetched, and no code that comes with the files is run.

    Args:
        path: A folder with config.json, model.safetensors and tokenizer.json, or a GGUF file.
        dtype: The number format to compute in.
        device: Where the model is put.
        model_kwargs: More options for the model; see `MODEL_OPTIONS`.
        tokenizer_kwargs: More options for the tokenizer; see `TOKENIZER_OPTIONS`.

    Raises:
        WeightsError: The files do not hold a model that can be loaded, or one of a kind that cannot be batched.
        MissingDependencyError: transformers is not installed, or for a GGUF file gguf.

    Example:
        >>> import torch
        >>> from llm_brain.backends.embedded import weights_folder
        >>> where = {"device": torch.device("cpu"), "model_kwargs": {}, "tokenizer_kwargs": {}}
        >>> model, tokenizer = load(weights_folder(), dtype=torch.float32, **where)
        >>> model.config.model_type, len(tokenizer)
        ('llama', 49152)
    """
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
        from transformers.utils import logging
    except ImportError as error:
        raise missing_dependency("transformers", extra="local") from error
    logging.disable_progress_bar()
    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    folder, numbers = path, dict[str, Any]()
    quiet: AbstractContextManager[Any] = nullcontext()
    if path.is_file():
        folder, safe["gguf_file"] = path.parent, path.name
        # As plain numbers: to compute in the file's own, transformers would fetch programs from its hub.
        numbers = {"quantization_config": GgufConfig(dequantize=True)}
        quiet = redirect_stderr(StringIO())  # the GGUF reader draws a progress bar of its own
    try:
        with quiet:
            tokenizer = AutoTokenizer.from_pretrained(folder, **{**tokenizer_kwargs, **safe})
            model = AutoModelForCausalLM.from_pretrained(folder, **{**model_kwargs, "dtype": dtype, **numbers, **safe})
        model = cast("Any", model).to(device).eval()
    except ImportError as error:
        raise missing_dependency("gguf or accelerate", extra="local") from error
    except Exception as error:  # transformers, safetensors and json raise many unrelated types for a bad file
        message = f"no model could be loaded from {path}: {error}"
        raise WeightsError(message) from error
    unfit = _why_it_cannot_be_batched(model)
    if unfit:
        message = f"the model in {path} cannot be run here: {unfit}. Serve it by its own engine, and name that by base_url"
        raise WeightsError(message)
    return cast("PreTrainedModel", model), cast("PreTrainedTokenizerFast", tokenizer)


def _refusal(name: str, known: Collection[str]) -> str:
    if name == "trust_remote_code":
        return f"{name!r} would run code that comes with the model: only architectures that transformers itself has are run"
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(map(repr, known))}"
    return f"{name!r} is not known: {meant}"


def _why_it_cannot_be_batched(model: Any) -> str | None:
    """Say what a model lacks: rows of a batch stand at different positions, and each sees what its own mask shows."""
    config = model.config.get_text_config(decoder=True)
    strange = set(getattr(config, "layer_types", None) or ()) - _KNOWN_LAYERS
    if strange:
        return f"its layers are of the kind {', '.join(sorted(strange))}, not of attention over what came before"
    takes = inspect.signature(model.forward).parameters
    if not {"position_ids", "logits_to_keep"} <= takes.keys() or getattr(config, "alibi", False):
        return "its positions cannot be given for each row of a batch"
    if not getattr(config, "max_position_embeddings", None):
        return "its config does not say how many tokens it takes (max_position_embeddings)"
    return None
