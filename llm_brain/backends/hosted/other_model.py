"""Whether the model that answered is the one that was asked: it is told once a run, and never an error."""

from __future__ import annotations

import logging
import re
import warnings
from contextlib import suppress
from typing import Final
from weakref import WeakKeyDictionary

from llm_brain.tracing.spans import current_tracer
from llm_brain.tracing.tracer import Tracer

logger = logging.getLogger(__name__)


class OtherModelWarning(UserWarning):
    """Another model answered than the one that was asked.

    Example:
        >>> issubclass(OtherModelWarning, UserWarning)
        True
    """


def is_same_model(asked: str, served: str) -> bool:
    """Tell whether a server's name for a model is the one that was asked for, or that with a date or a version behind it.

    Example:
        >>> is_same_model("gpt-5", "gpt-5-2025-08-07"), is_same_model("gpt-5", "gpt-5-mini")
        (True, False)
    """
    return served == asked or (served.startswith(asked) and _VERSION.fullmatch(served[len(asked) :]) is not None)


def tell_of_other_model(asked: str, served: str, base_url: str) -> None:
    """Warn and log that another model answered, once a run and a pair of models.

    Example:
        >>> tell_of_other_model("gpt-5", "gpt-5-2025-08-07", "http://127.0.0.1:8000/v1")
    """
    if is_same_model(asked, served):
        return
    run = current_tracer()
    told = _told_outside if run is None else _told_in.setdefault(run, set())
    if (asked, served) in told:
        return
    told.add((asked, served))
    message = f"{base_url} answered with the model {served!r} where {asked!r} was asked for"
    with suppress(Warning):  # where warnings are made errors, this one would cost the answer
        logger.warning("%s", message)
        warnings.warn(message, OtherModelWarning, stacklevel=2)


_VERSION: Final = re.compile(r"[-@:.](\d{4}-\d{2}-\d{2}|\d{3,8}|v?\d+|latest)")
_told_in: Final[WeakKeyDictionary[Tracer, set[tuple[str, str]]]] = WeakKeyDictionary()
_told_outside: Final[set[tuple[str, str]]] = set()
