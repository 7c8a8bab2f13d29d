"""What a new text has to keep: its length, and the placeholders that a program fills in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from llm_brain.errors import DataError
from llm_brain.strategy.annotations.closed_sets import bare

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from llm_brain.optimize.parts import Part
    from llm_brain.optimize.space import Space

LONGEST: Final = 4000
"""How many characters a text may have whose field says nothing about it."""
_PLACEHOLDER: Final = re.compile(r"(?<!\{)\{[A-Za-z_]\w*\}(?!\})")


def placeholders(text: str) -> tuple[str, ...]:
    """List the placeholders of a text, each once.

    Example:
        >>> placeholders("Is {message} from {city}? {city}! {{no}} { nor } {2} {")
        ('{message}', '{city}')
    """
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(text)))


def default_text(space: Space[Any], name: str) -> str:
    """Return what a text is by default.

    Example:
        >>> from llm_brain.optimize.space import Space
        >>> class Knobs(BaseModel):
        ...     prompt: str = "Say yes."
        >>> default_text(Space(Knobs), "prompt")
        'Say yes.'
    """
    part, kinds = _found(space, name)
    inside: Any = space.default
    for depth, step in enumerate(part.path):
        kind = kinds.get(part.path[:depth])
        if kind is not None and not isinstance(inside, kind):
            inside = kind()  # of a choice, a model that is not the default's
        inside = getattr(inside, step)
    return str(inside)


def longest(space: Space[Any], name: str, most: int = LONGEST) -> int:
    """Return how many characters a text may have: what its field says, or else `most`, and never fewer than the default has.

    Example:
        >>> from pydantic import Field
        >>> from llm_brain.optimize.space import Space
        >>> class Knobs(BaseModel):
        ...     prompt: str = Field("Say yes.", max_length=80)
        >>> longest(Space(Knobs), "prompt")
        80
    """
    limits = [getattr(part, "max_length", None) for part in _field(space, name).metadata]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else max(most, len(default_text(space, name)))


def check_text(space: Space[Any], name: str, text: str, most: int | None = None) -> None:
    """Refuse a text that is empty or too long, or has lost a placeholder.

    Args:
        space: What can be tuned.
        name: What the text is called.
        text: The new text.
        most: How many characters it may have; None: see `longest`.

    Raises:
        DataError: It is; with the reason.

    Example:
        >>> from llm_brain.optimize.space import Space
        >>> class Knobs(BaseModel):
        ...     prompt: str = "Is {message} kind?"
        >>> check_text(Space(Knobs), "prompt", "Is it kind?")
        Traceback (most recent call last):
        llm_brain.errors.DataError: the new text of `prompt` has lost {message}
    """
    most = longest(space, name) if most is None else most
    lost = [part for part in placeholders(default_text(space, name)) if part not in text]
    if not text.strip():
        reason = "is empty"
    elif len(text) > most:
        reason = f"has {len(text)} characters, and may have {most}"
    elif lost:
        reason = f"has lost {', '.join(lost)}"
    else:
        return
    message = f"the new text of `{name}` {reason}"
    raise DataError(message)


def _field(space: Space[Any], name: str) -> FieldInfo:
    part, kinds = _found(space, name)
    model: type[BaseModel] = space.model
    for depth, step in enumerate(part.path[:-1], start=1):
        model = kinds.get(part.path[:depth]) or bare(model.model_fields[step].annotation)
    return model.model_fields[part.path[-1]]


def _found(space: Space[Any], name: str) -> tuple[Part, dict[tuple[str, ...], type[BaseModel] | None]]:
    """Find a text, and the models on the way to it that choices decide for."""
    parts = {part.name: part for part in space.parts}
    kinds = {}
    condition = parts[name].condition
    while condition is not None:
        tag = parts[condition[0]]
        kinds[tag.path[:-1]] = (tag.models or {})[condition[1]]
        condition = tag.condition
    return parts[name], kinds
