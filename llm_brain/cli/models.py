"""`llm-brain models`: which models there are, on this machine and elsewhere, and fetching the embedded one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from llm_brain.cli.table import Line, show_lines
from llm_brain.errors import LLMBrainError

models = typer.Typer(help="List the models there are, and fetch the embedded one.", invoke_without_command=True)

_MOST_LISTED = 20


class Embedded(StrEnum):
    """The models that can be fetched.

    Example:
        >>> Embedded.SMOLLM2.value
        'smollm2'
    """

    SMOLLM2 = "smollm2"


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list.

    Attributes:
        group: What kind of model it is.
        name: What stands in `llm_strategy("...")`.
        told: What model it is.
        state: Whether it is ready, or what is to be done.
        ready: Whether it can be asked now, as far as this machine can tell.

    Example:
        >>> Listed("Others", "human", "a person at the terminal", "ready", ready=True).name
        'human'
    """

    group: str
    name: str
    told: str
    state: str
    ready: bool


@models.callback()
def models_root(context: typer.Context) -> None:
    """List the models there are, and fetch the embedded one."""
    if context.invoked_subcommand is None:
        list_models()


@models.command()
def fetch(
    model: Annotated[Embedded, typer.Argument(help="Which model.")] = Embedded.SMOLLM2,
    gguf: Annotated[Path | None, typer.Option(help="Take this GGUF file instead of downloading it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch it again even if it is there.")] = False,
) -> None:
    """Fetch a model, check it by its hash, convert it, and keep it for all projects of this user."""
    from llm_brain.backends import embedded

    del model  # there is one so far
    console = Console(stderr=True)
    embedded.fetch(gguf=gguf, force=force, say=lambda line: console.print(line, highlight=False, soft_wrap=True))


@models.command("list")
def list_models(
    servers: Annotated[bool, typer.Option("--servers", help="Ask the servers, too, which models they have.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="The longest time for all servers, in seconds.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the models that can be named, and whether they are ready."""
    listed = [*_here(), *_hosted(), *(_of_servers(timeout, None if as_json else _MOST_LISTED) if servers else ()), *_others()]
    if as_json:
        print(json.dumps([asdict(line) for line in listed], ensure_ascii=False))
    else:
        show_lines(Line(line.group, "ok" if line.ready else "note", line.name, _told(line)) for line in listed)


def _here() -> Iterator[Listed]:
    from llm_brain.backends import embedded
    from llm_brain.backends.configuration.folders import model_folders

    group, told = "On this machine", "SmolLM2-135M-Instruct, embedded (Apache-2.0)"
    try:
        yield Listed(group, "local", told, f"ready, in {embedded.weights_folder()}", ready=True)
    except (LLMBrainError, OSError) as error:
        yield Listed(group, "local", told, str(error), ready=False)
    for folder in model_folders():
        yield Listed(group, f"hf:{folder.name}", "a transformers folder", str(folder.path), ready=True)
    yield Listed(group, "hf:PATH", "any transformers folder with a causal language model", "", ready=False)


def _hosted() -> Iterator[Listed]:
    from llm_brain.backends.configuration.environment import PROVIDERS, read_env_file
    from llm_brain.backends.hosted.address import Address

    read_env_file()
    group = "Hosted"
    for provider in PROVIDERS.values():
        told = f"{provider.title}, at {Address(provider.own_address).shown}" if provider.own_address else provider.title
        if provider.key_variable:
            yield Listed(group, provider.form, told, f"{provider.key_variable} is set", ready=True)
        elif provider.own_address:
            yield Listed(group, provider.form, told, "without a key", ready=True)
        else:
            yield Listed(group, provider.form, told, f"set {' or '.join(provider.key_variables)}", ready=False)


def _of_servers(timeout: float, most: int | None) -> Iterator[Listed]:
    from llm_brain.backends.configuration.environment import PROVIDERS
    from llm_brain.backends.hosted.catalogue import ask_servers

    asked = [kind for kind, provider in PROVIDERS.items() if provider.key or provider.own_address]
    if not asked:
        print("llm-brain: no server is asked: there is neither a key nor an address", file=sys.stderr)
    for answer in ask_servers(asked, timeout=timeout):
        group = f"At {answer.url}"
        for name in answer.models[:most]:
            yield Listed(group, f"{answer.kind}:{name}", "", "", ready=True)
        more = len(answer.models[most:]) if most else 0
        if more:
            yield Listed(group, f"{answer.kind}:...", f"and {more:,} more, which --json lists", "", ready=True)
        if not answer.models:
            yield Listed(group, f"{answer.kind}:...", answer.told, "", ready=False)


def _others() -> Iterator[Listed]:
    from llm_brain.backends.configuration.loading import config_names, config_title

    yield Listed("Others", "human", "a person at the terminal", "", ready=True)
    yield Listed("Others", "recorded:PATH", "the answers of a recording", "", ready=False)
    for name in config_names():
        yield Listed("Configs", f"config:{name}", config_title(name), "", ready=False)
    yield Listed("Configs", "PATH.yaml", "a config of your own", "", ready=False)


def _told(line: Listed) -> str:
    return ": ".join(part for part in (line.told, line.state) if part)
