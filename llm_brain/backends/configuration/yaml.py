"""YAML that is data and nothing else: what a config's file may hold, and how a mapping from elsewhere is made the same.

No tag makes an object, no anchor lets a small file grow, no key stands twice, and a long file is not read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from llm_brain.errors import DataError

if TYPE_CHECKING:
    from yaml import SafeLoader

LARGEST_FILE: Final = 256 * 1024
"""The most bytes of a config. A long one has a few thousand."""

_IN_WORDS: Final = {"but found another document": "a second document begins (`---`): keep one of them"}
_DEEPEST: Final = 50
_SCIENTIFIC: Final = re.compile(r"[-+]?(?:\.\d+|\d+(?:\.\d*)?)[eE][-+]?\d+")
_INTERPOLATION: Final = re.compile(r"\$\{.*\}", re.DOTALL)


def read_yaml(path: Path) -> dict[str, Any]:
    r"""Read a file that holds one mapping.

    Raises:
        DataError: It is not there, or is not such a file. The message quotes nothing of it, since it may hold a key.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "model.yaml"
        ...     _ = file.write_text("model_id: gpt-5-mini  # a model\ntimeout: 3e1")
        ...     read_yaml(file)
        {'model_id': 'gpt-5-mini', 'timeout': 30.0}
    """
    import yaml

    text = _text(path)
    try:
        value = yaml.load(text, Loader=_loader())  # noqa: S506 - a safe loader, made stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}, line {mark.line + 1}" if mark else str(path)
        problem = _IN_WORDS.get(error.problem or "", error.problem or "it cannot be read")
        message = f"{place}: this is no YAML that a config may hold: {problem}"
        raise DataError(message) from None
    except yaml.YAMLError:
        message = f"{path}: this is no YAML: it holds characters that a text has not"
        raise DataError(message) from None
    except RecursionError:
        message = f"{path}: its lists and mappings are nested too deeply"
        raise DataError(message) from None
    except (ValueError, OverflowError):  # a number of 5,000 digits
        message = f"{path}: it holds a number that none can be made of"
        raise DataError(message) from None
    if not isinstance(value, dict):
        message = f"{path}: a config is a mapping, `key: value` a line, and this is {_kind(value)}"
        raise DataError(message)
    return plain(value, str(path))


def scalar(text: str) -> Any:
    """Read a value as YAML reads it in a file: `8192` is a number, `true` is true.

    Raises:
        DataError: It is no YAML.

    Example:
        >>> scalar("8192"), scalar("gpt-5-mini"), scalar("null")
        (8192, 'gpt-5-mini', None)
    """
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - as above
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
        message = "a value on a command line is a YAML value, and one of these is none: put it into quotes"
        raise DataError(message) from None


def plain(given: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """Make plain dictionaries, lists, texts and numbers of a mapping; of OmegaConf's, too, which resolves its interpolations.

    Args:
        given: The mapping.
        where: What it is, for messages.

    Raises:
        DataError: It holds what YAML has no word for, or an interpolation that nobody resolves.

    Example:
        >>> plain({"model_id": Path("models"), "stop": ("a", "b")}, "the mapping")
        {'model_id': 'models', 'stop': ['a', 'b']}
    """
    try:
        return _plain_mapping(given, where, (), 0)
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001 - OmegaConf resolves when it is looked at, and raises what it likes
        message = f"{where} cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise DataError(message) from None


def _plain_mapping(given: Mapping[Any, Any], where: str, path: tuple[str, ...], depth: int) -> dict[str, Any]:
    made = {}
    for key in given:
        if not isinstance(key, str):
            message = f"{where}: `{'.'.join((*path, str(key)))}`: keys are texts, and this one is {_kind(key)}: quote it"
            raise DataError(message)
        made[key] = _plain(given[key], where, (*path, key), depth + 1)
    return made


def _plain(value: Any, where: str, path: tuple[str, ...], depth: int) -> Any:
    if depth > _DEEPEST:
        message = f"{where}: its lists and mappings are nested too deeply"
        raise DataError(message)
    if isinstance(value, Mapping):
        return _plain_mapping(value, where, path, depth)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, str):
        if _INTERPOLATION.fullmatch(value.strip()):
            message = (
                f"{where}: `{'.'.join(path)}` is an interpolation, and nothing is filled in here: leave a key out, and it is "
                "taken from the environment (`api_key_env` names the variable), or hand over what Hydra has resolved"
            )
            raise DataError(message)
        return value
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item, where, (*path, str(index)), depth + 1) for index, item in enumerate(value)]
    message = f"{where}: `{'.'.join(path)}` is {_kind(value)}, and a config holds texts, numbers, lists and mappings"
    raise DataError(message)


def _kind(value: object) -> str:
    return "empty" if value is None else f"of type {type(value).__name__}"


def _text(path: Path) -> str:
    if not path.is_file():
        message = f"there is no config at {path}"
        raise DataError(message)
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        message = f"{path} has more than {LARGEST_FILE:,} bytes: that is no config"
        raise DataError(message)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        message = f"{path} is no UTF-8 text"
        raise DataError(message) from None


@cache
def _loader() -> type[SafeLoader]:
    from yaml import AliasEvent, MappingNode, Node, SafeLoader
    from yaml.composer import ComposerError
    from yaml.constructor import ConstructorError

    class Loader(SafeLoader):
        # Dates stay the texts that they are.
        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
            for first, resolvers in SafeLoader.yaml_implicit_resolvers.items()
        }

        def compose_node(self, parent: Node | None, index: int) -> Node | None:
            if self.check_event(AliasEvent):
                mark: Any = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise ComposerError(None, None, "an alias (`*name`) stands for another part: write that part out", mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
            seen = set()
            for key, _ in node.value:
                name = (key.tag, key.value if isinstance(key.value, str) else "")
                if name in seen and name[1]:
                    raise ConstructorError(None, None, f"the key `{name[1]}` stands twice", key.start_mark)
                seen.add(name)
            return super().construct_mapping(node, deep)

    # YAML 1.1 reads 1e-3 as a text; everybody who writes it means a number.
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _SCIENTIFIC, list("-+0123456789."))
    return Loader
