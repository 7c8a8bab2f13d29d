"""Shows an `Example:` of a docstring as code with its output.

The docstring parser knows that section as `Examples:`, and takes the singular for a paragraph of prose.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_HEADING = re.compile(r"^([ \t]*)Example:[ \t]*$", re.MULTILINE)


class DoctestExamples(Extension):
    """Renames the section before the docstring is parsed."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Take one object of the package after another."""
        if obj.docstring is not None:
            obj.docstring.value = _HEADING.sub(r"\1Examples:", obj.docstring.value)
