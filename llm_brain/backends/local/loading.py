"""From files to a model and its tokenizer: a transformers folder or a GGUF file, and the options that may be given for them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from llm_brain.backends.local.files import architecture, check_files
from llm_brain.errors import DefinitionError, WeightsError, missing_dependency

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

MODEL_OPTIONS: Final = ("attn_implementation", "dtype", "subfolder", "use_safetensors", "variant")
"""What `model_kwargs` may hold: options of transformers' `from_pretrained` that change how files are read, and run nothing."""

TOKENIZER_OPTIONS: Final = (
    "add_prefix_space",
    "bos_token",
    "chat_template",
    "eos_token",
    "legacy",
    "pad_token",
    "subfolder",
    "unk_token",
    "use_fast",
)
"""What `tokenizer_kwargs` may hold."""

ATTENTIONS: Final = ("eager", "sdpa")
"""The attentions that take a mask of any form, which trees of options need; others may be fetched from the network, and run."""

DEVICES: Final = ("auto", "cpu", "cuda", "hpu", "mps", "mtia", "xpu")
"""Where can be computed, by torch's own words for it; a number may follow, as in "cuda:1"."""

_SPECIAL_TOKENS: Final = ("bos_token", "eos_token", "pad_token", "unk_token")
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
    texts = {name: tokenizer_kwargs.get(name) for name in ("chat_template", *_SPECIAL_TOKENS)}
    places = {"subfolder": model_kwargs.get("subfolder")}
    for title, given in (
        ("model_kwargs", places),
        ("tokenizer_kwargs", {**texts, "subfolder": tokenizer_kwargs.get("subfolder")}),
    ):
        for name, value in given.items():
            if not isinstance(value, str | None):
                message = f"{title}: {name} is a text, got {value!r:.80}"
                raise DefinitionError(message)


def check_device(device: object) -> None:
    """Check the form of a device's name; whether it is there, torch is asked at the first call.

    Raises:
        DefinitionError: It is none of `DEVICES`.

    Example:
        >>> check_device("cuda:1")
        >>> check_device("cpuu")
        Traceback (most recent call last):
        ...
        llm_brain.errors.DefinitionError: device 'cpuu' is not known: did you mean 'cpu'?
    """
    name, colon, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    if name in DEVICES and (number.isdecimal() if colon else True):
        return
    message = f"device {device!r:.80} is not known: {_meant(name, DEVICES)}"
    raise DefinitionError(message)


def check_batch(largest_batch: object, context_length: object) -> None:
    """Check the numbers of a backend's constructor.

    Raises:
        DefinitionError: One is no whole number, or below 1.

    Example:
        >>> check_batch(0, None)
        Traceback (most recent call last):
        ...
        llm_brain.errors.DefinitionError: largest_batch is a whole number of 1 or more, got 0
    """
    for name, number in (("largest_batch", largest_batch), ("context_length", 1 if context_length is None else context_length)):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            message = f"{name} is a whole number of 1 or more, got {number!r:.80}"
            raise DefinitionError(message)


def places(model_kwargs: Mapping[str, Any], tokenizer_kwargs: Mapping[str, Any]) -> dict[str, str]:
    """Tell in which folders of a model's folder the options look for the model and for the tokenizer.

    Example:
        >>> places({"subfolder": "text"}, {})
        {'model_in': 'text', 'tokenizer_in': ''}
    """
    return {"model_in": model_kwargs.get("subfolder") or "", "tokenizer_in": tokenizer_kwargs.get("subfolder") or ""}


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
    check_files(path, **places(model_kwargs, tokenizer_kwargs))
    special = {name: tokenizer_kwargs[name] for name in _SPECIAL_TOKENS if tokenizer_kwargs.get(name) is not None}
    tokenizer_kwargs = {name: value for name, value in tokenizer_kwargs.items() if name not in special}
    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    folder, numbers = path, dict[str, Any]()
    quiet: AbstractContextManager[Any] = nullcontext()
    if path.is_file():
        folder, safe["gguf_file"] = path.parent, path.name
        # As plain numbers: to compute in the file's own, transformers would fetch programs from its hub.
        numbers = {"quantization_config": GgufConfig(dequantize=True)}
        quiet = redirect_stderr(StringIO())  # the GGUF reader draws a progress bar of its own
    else:
        _check_architecture(path, model_kwargs.get("subfolder") or "")
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
    _declare(tokenizer, special)
    unfit = _why_it_cannot_be_batched(model)
    if unfit:
        message = f"the model in {path} cannot be run here: {unfit}. Serve it by its own engine, and name that by base_url"
        raise WeightsError(message)
    return cast("PreTrainedModel", model), cast("PreTrainedTokenizerFast", tokenizer)


def _check_architecture(path: Path, model_in: str) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    kind = architecture(path, model_in=model_in)
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        message = (
            f"no model could be loaded from {path}: its architecture is {kind!r}, and the installed transformers has no causal "
            "language model of that name. No code that comes with a model is run"
        )
        raise WeightsError(message)


def _declare(tokenizer: Any, special: Mapping[str, str]) -> None:
    """Say which tokens end a text, begin it and fill it; one that the model does not have would be made, and never come."""
    known = tokenizer.get_vocab() if special else {}
    for name, token in special.items():
        if token not in known:
            message = f"tokenizer_kwargs: {name} {token!r:.80} is no token of this model: take one of its vocabulary"
            raise DefinitionError(message)
    if special:
        tokenizer.add_special_tokens(dict(special))


def _refusal(name: str, known: Collection[str]) -> str:
    if name == "trust_remote_code":
        return f"{name!r} would run code that comes with the model: only architectures that transformers itself has are run"
    if name == "revision":
        return f"{name!r} says nothing of files on this machine, of which there is one: leave it out"
    return f"{name!r} is not known: {_meant(name, known)}"


def _meant(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(map(repr, known))}"


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
