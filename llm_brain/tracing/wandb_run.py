"""One run in Weights & Biases: offline, inside the run's own folder, and never in the way.

    values -> made safe and redacted, on the caller's thread -> a queue -> W&B, on a thread of its own -> folder/wandb

The run's spans on disk are the truth; W&B is a view of them. When it is missing, slow or broken, one warning says so
and the run goes on. `wandb sync FOLDER/wandb/offline-run-*` uploads an offline run later.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from llm_brain.tracing import names
from llm_brain.tracing.background import Background
from llm_brain.tracing.notice import notice
from llm_brain.tracing.reader import SpanRecord
from llm_brain.tracing.redaction import JSON, may_hold_secret, redact, redact_all
from llm_brain.tracing.safe import json_safe
from llm_brain.tracing.wandb_service import WandbService

CALL_COLUMNS: Final = ("name", "model", "status", "cached", "input_tokens", "output_tokens", "seconds", "error")
PATIENCE: Final = 30.0
"""Seconds that the end of a run waits for W&B."""
INTERRUPTED_PATIENCE: Final = 0.5
"""The same after Ctrl-C."""
MAX_ROWS: Final = 10_000
"""The most rows of one table: W&B shows no more, and the spans on disk have them all."""


class WandbRun:
    """A W&B run that can be logged to and that cannot fail. Entering it starts W&B, leaving it finishes the run.

    Whether it is online is for the user to say, with `WANDB_MODE=online`; without that variable nothing leaves the
    machine. Steps are our own (`step` is a metric like the others, and the axis of all of them), so they may come in
    any order.

    Args:
        folder: The run's folder. Everything that W&B writes is in `folder/wandb`.
        project: W&B's project.
        name: What the run is called there; W&B thinks of a name when there is none.
        config: The run's settings, shown beside it. Keys in them are redacted.

    Attributes:
        lost: How many values and tables did not arrive.
        active: Whether W&B is there at all.

    Example:
        >>> import os, tempfile
        >>> os.environ["WANDB_MODE"] = "disabled"  # the example should not wait for W&B; leave this line out
        >>> with tempfile.TemporaryDirectory() as folder, WandbRun(folder, config={"width": 64}) as run:
        ...     run.log({"loss": 0.3}, step=7)
        ...     run.table("replies", ["prompt", "score"], [["2 + 2", 1.0]])
        ...     run.summary({"best": 0.3})
        >>> run.lost
        0
        >>> del os.environ["WANDB_MODE"]
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        project: str = "llm-brain",
        name: str | None = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        self.folder = Path(folder).absolute()
        self._identity = {"project": _clean_text(project), "name": None if name is None else _clean_text(name)}
        self._config = _clean_mapping(config or {})
        self._service: WandbService | None = None
        self._background: Background | None = None

    @property
    def active(self) -> bool:
        """Whether a W&B run is open."""
        return self._service is not None

    @property
    def lost(self) -> int:
        """Values and tables that W&B did not take while the run was open."""
        return 0 if self._background is None else self._background.lost

    def log(self, values: Mapping[str, object], *, step: int | None = None) -> None:
        """Log metrics.

        Args:
            values: Numbers, strings and nested mappings of them; anything else is logged as a few words about it.
            step: Where on the axis they stand. Without it they stand at the last step that was logged.
        """
        if self.active:
            row = _clean_mapping(values if step is None else {**values, "step": step})
            self._submit(lambda run: run.log(row))

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Log a table; of more than `MAX_ROWS` rows the last ones.

        Args:
            name: The table's name in W&B.
            columns: Names of the columns.
            rows: A value for each column. Values that are not plain are shown as JSON text.
        """
        if self.active:
            key = _file_name(_clean_text(name))
            head = [_clean_text(column) for column in columns]
            body = [[_cell(_clean(value)) for value in row] for row in deque(rows, MAX_ROWS)]
            self._submit(lambda run: run.log_table(key, head, body))

    def summary(self, values: Mapping[str, object]) -> None:
        """Set values of the run as a whole: a best score, a total."""
        if self.active:
            row = _clean_mapping(values)
            self._submit(lambda run: run.summarize(row))

    def replay_calls(self, spans: Iterable[SpanRecord]) -> None:
        """Log a table `calls` with a row for each call of a language model among `spans`.

        Args:
            spans: As from `read_spans(folder)`, at the end of the run.
        """
        self.table("calls", CALL_COLUMNS, (_call_row(one) for one in spans if one.is_call))

    def __enter__(self) -> Self:
        mode = os.environ.get("WANDB_MODE", "offline")
        if mode == "disabled":
            return self
        # Better kept on disk than not at all, where a server does not answer.
        for attempt in (mode, "offline") if mode in {"online", "run", "shared"} else (mode,):
            try:
                self._service = WandbService(self.folder / "wandb", mode=attempt, config=self._config, **self._identity)
            except (Exception, SystemExit) as error:
                notice(f"W&B ({attempt}) did not start, and the run goes on: {type(error).__name__}: {error}")
            else:
                self._background = Background("W&B")
                break
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        service, background = self._service, self._background
        if service is None or background is None:
            return
        self._service = None
        # Whoever pressed Ctrl-C wants to leave now; what was logged is on its way to the disk already.
        patience = INTERRUPTED_PATIENCE if kind is KeyboardInterrupt else PATIENCE
        service.close(background, exit_code=0 if kind is None else 1, patience=patience)

    def _submit(self, job: Callable[[WandbService], object]) -> None:
        service = self._service
        if service is not None and self._background is not None:
            self._background.submit(lambda: job(service))


def _call_row(one: SpanRecord) -> tuple[object, ...]:
    told = one.attributes
    return (
        one.name,
        told.get(names.RESPONSE_MODEL, told.get(names.REQUEST_MODEL)),
        one.status,
        told.get(names.CACHED),
        told.get(names.INPUT_TOKENS),
        told.get(names.OUTPUT_TOKENS),
        one.seconds,
        one.error.get("type") if one.error else None,
    )


def _clean(value: object) -> JSON:
    copied = json_safe(value)
    return redact_all(copied) if may_hold_secret(json.dumps(copied, ensure_ascii=False)) else copied


def _clean_mapping(values: Mapping[str, object]) -> dict[str, JSON]:
    copied = _clean(dict(values))
    # `_step`, `_timestamp`, `_type` and their like are W&B's own, and it takes them from a row without a word.
    return {key.lstrip("_") or "value": value for key, value in copied.items()} if isinstance(copied, dict) else {}


def _clean_text(text: str) -> str:
    return redact(str(json_safe(text)))


def _cell(value: JSON) -> JSON:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value


def _file_name(name: str) -> str:
    """W&B makes a file of a table's name; it should stay in its folder."""
    return re.sub(r"[^\w .:/-]|\.\.+", "_", name).strip("/. ") or "table"
