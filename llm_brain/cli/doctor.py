"""`llm-brain doctor`: what is installed and set up, and whether it works."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import Annotated, Final

import typer

from llm_brain.cli.checks import Check, check_folders, check_keys, check_models, check_packages, check_servers
from llm_brain.cli.table import Line, show_lines

_HEADINGS: Final = {
    "packages": "Installed",
    "keys": "Keys",
    "models": "Models",
    "servers": "Servers",
    "folders": "Folders",
}


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Ask no server.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="The longest time for all servers, in seconds.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Look what is installed, which keys are set, and whether models and servers answer. Status 1: something is broken."""
    found = list(
        chain(
            check_packages(),
            check_keys(),
            check_models(),
            check_servers(offline=offline, timeout=timeout),
            check_folders(),
        )
    )
    broken = [check for check in found if check.state == "broken"]
    if as_json:
        print(json.dumps({"ok": not broken, "checks": [asdict(check) for check in found]}, ensure_ascii=False))
    else:
        show_lines(Line(_HEADINGS[check.group], check.state, check.name, check.told) for check in found)
        print(f"\n{_summary(broken)}")
    if broken:
        sys.exit(1)


def _summary(broken: Sequence[Check]) -> str:
    if not broken:
        return "Nothing is broken."
    return f"Broken: {', '.join(check.name for check in broken)}."
