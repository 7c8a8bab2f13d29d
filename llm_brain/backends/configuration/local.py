"""What a config says of a model on this machine: which folder it means."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict


class LocalKeys(TypedDict, total=False):
    """The keys of models on this machine, where they say more than the constructor's annotations.

    Attributes:
        model_kwargs: Options for loading the model; the backend knows which there are.
        tokenizer_kwargs: Options for loading its tokenizer.

    Example:
        >>> LocalKeys(model_kwargs={"dtype": "bfloat16"})
        {'model_kwargs': {'dtype': 'bfloat16'}}
    """

    model_kwargs: dict[str, Any] | None
    tokenizer_kwargs: dict[str, Any] | None


def with_folder(arguments: dict[str, Any], where: str) -> dict[str, Any]:
    """Turn the folder's name into a folder, or a GGUF file.

    Args:
        arguments: What the config says.
        where: The config's name, which messages about folders do without.

    Raises:
        WeightsError: There is no model of that name on this machine.

    Example:
        >>> with_folder({"folder": "local"}, "embedded.yaml")["model_id"]
        'smollm2-135m-instruct'
    """
    from llm_brain.backends import embedded
    from llm_brain.backends.configuration.folders import local_folder
    from llm_brain.backends.registry import LOCAL

    del where
    if arguments["folder"] in (LOCAL, embedded.NAME):
        return {**arguments, "folder": embedded.weights_folder(), "model_id": embedded.NAME}
    found = local_folder(arguments["folder"])
    return {**arguments, "folder": found.path, "model_id": found.name}
