"""Who is asked no more, and that it is said: a model without a key would otherwise fail unseen through a whole study."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Final

from llm_brain.strategy.mapping import concerns_all_calls

LONGEST: Final = 300


class SilenceWarning(UserWarning):
    """Somebody is asked no more: a language model, a proposer.

    Example:
        >>> issubclass(SilenceWarning, UserWarning)
        True
    """


class Silence:
    """Those whose every answer would be the same failure: a refused key, a spent budget. The next run asks them anew.

    Example:
        >>> from llm_brain.errors import BackendError
        >>> silence = Silence()
        >>> silence.after("model", BackendError("busy", kind="server"))
        >>> "model" in silence
        False
    """

    def __init__(self) -> None:
        self._names: set[str] = set()

    def __contains__(self, name: str) -> bool:
        """Tell whether somebody is asked no more in this run."""
        return name in self._names

    def after(self, name: str, error: Exception) -> None:
        """Hear of a failure; where it concerns all that could be asked, warn."""
        if concerns_all_calls(error) and name not in self._names:
            self._names.add(name)
            tell_silence(name, str(error))


def tell_silence(name: str, why: str, *, about: str = "anything") -> None:
    """Warn that somebody is asked no more.

    Args:
        name: Who.
        why: The last failure.
        about: What it was asked for.

    Example:
        >>> with warnings.catch_warnings(record=True) as heard:
        ...     warnings.simplefilter("always")
        ...     tell_silence("model", "no key is set")
        >>> str(heard[0].message)
        'the model is asked no more: no key is set'
    """
    who = "the model" if name == "model" else f"`{name}`"
    what = "no more" if about == "anything" else f"for {about} no more"
    with suppress(SilenceWarning):  # where warnings are errors: a study goes on without it
        warnings.warn(f"{who} is asked {what}: {' '.join(why.split())[:LONGEST]}", SilenceWarning, stacklevel=2)
