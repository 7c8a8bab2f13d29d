"""A loud notice that can never become an error: one Python warning and one log record, and the work goes on.

A trace is a witness. When it cannot be written, whoever runs the program must hear of it, and the program must not.
"""

from __future__ import annotations

import contextlib
import logging
import warnings

logger = logging.getLogger("llm_brain.tracing")


class TracingWarning(UserWarning):
    """Something that was to be recorded was lost; the program itself goes on.

    Example:
        >>> issubclass(TracingWarning, UserWarning)
        True
    """


def notice(message: str) -> None:
    """Warn with `TracingWarning` and log at WARNING level. Never raises, even where warnings are made errors.

    Args:
        message: What was lost, why, and what to do about it.

    Example:
        >>> with warnings.catch_warnings(record=True) as heard:
        ...     warnings.simplefilter("always")
        ...     notice("3 spans were lost: the disk is full")
        >>> str(heard[0].message)
        '3 spans were lost: the disk is full'
    """
    # `python -W error` asks for exceptions; inside a recording that would cost the call that was being recorded.
    with contextlib.suppress(Exception):
        logger.warning("%s", message)
        warnings.warn(message, TracingWarning, stacklevel=3)
