"""The one place that talks to W&B's library: opens a run, writes to it, closes it, and leaves the process as it was.

W&B keeps staging copies, caches and logs in the home folder unless environment variables say otherwise, reports its own
errors over the network even when a run is offline, replaces `sys.excepthook` and `sys.exit`, and leaves a helper
process behind until the interpreter ends, at which point it waits for that helper. `WandbService` undoes all of it. It
raises whatever W&B raises: `WandbRun` catches it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from llm_brain.tracing import names
from llm_brain.tracing.background import Background
from llm_brain.tracing.notice import notice
from llm_brain.tracing.redaction import JSON
from llm_brain.tracing.wandb_curves import STEP_AXIS
from llm_brain.tracing.wandb_trees import Tree

QUIET: Final[dict[str, object]] = {
    "console": "off",
    "silent": True,
    "quiet": True,
    "disable_git": True,
    "disable_code": True,
    "save_code": False,
    "disable_job_creation": True,
    "sagemaker_disable": True,
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
    "use_dot_wandb": False,
    "host": "",
    # A run of ours never takes over, or ends, a run that the user has open.
    "reinit": "create_new",
    # W&B waits 90 seconds for a server and for ever for an upload; neither is worth that of a training run.
    "init_timeout": 10.0,
    "finish_timeout": 15.0,
    "x_service_wait": 15.0,
    # W&B writes what it was given to disk every 15 seconds, and loses the rest when its helper is killed.
    "x_transaction_log_flush_interval": 1.0,
}


class WandbService:
    """An open W&B run whose files all lie in `files`.

    Args:
        files: The folder `wandb` of a run's folder; made when it is missing.
        mode: As `WANDB_MODE`.
        config: As for `wandb.init`, already safe to write.
        project: As for `wandb.init`.
        name: As for `wandb.init`.
        group: As for `wandb.init`.
        kind: As `job_type` for `wandb.init`.
        number: As `id` for `wandb.init`.

    Raises:
        ImportError: wandb is not installed.
        OSError: `files` cannot be written to. (W&B itself would write to the system's temporary folder then.)

    Example:
        >>> sorted(name for name in vars(WandbService) if not name.startswith("_"))
        ['close', 'finish', 'log', 'log_confusion', 'log_files', 'log_table', 'log_tree', 'summarize']
    """

    def __init__(
        self,
        files: Path,
        *,
        mode: str,
        config: dict[str, JSON],
        project: str | None,
        name: str | None,
        group: str | None = None,
        kind: str | None = None,
        number: str | None = None,
    ) -> None:
        files.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=files):
            pass
        self._files = files
        self._process = os.getpid()
        self._helper_is_ours = "WANDB_SERVICE" not in os.environ
        self._wandb: Any = None
        self._run: Any = None
        self._scope = ExitStack()
        self._scope.enter_context(files_inside(files))
        try:
            with exits_untouched():
                import wandb  # half a second, and nobody needs it who opens no run

                self._wandb = wandb
                self._run = self._wandb.init(
                    dir=files.parent,
                    mode=mode,
                    project=project,
                    name=name,
                    group=group,
                    job_type=kind,
                    id=number,
                    config=config,
                    settings=_settings(wandb),
                )
            # W&B's own step only grows and ties rows to the order of calls; ours is a metric like the others.
            self._axes = {STEP_AXIS: STEP_AXIS}
            self._run.define_metric(STEP_AXIS)
            self._run.define_metric("*", step_metric=STEP_AXIS)
        except BaseException:
            self._leave_helper()
            self._scope.close()
            raise

    def log(self, row: dict[str, JSON], axis: str = STEP_AXIS) -> None:
        """Log one row of metrics, which stand on `axis`; a list of numbers is shown as a histogram."""
        if axis != STEP_AXIS:
            for name in row:
                if self._axes.get(name) != axis:
                    self._axes[name] = axis
                    self._run.define_metric(name, step_metric=None if name == axis else axis)
        self._run.log({name: self._histogram(value) if _is_numbers(value) else value for name, value in row.items()})

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[JSON]]) -> None:
        """Log a table."""
        with _staging, files_inside(self._files):
            self._run.log({name: self._table(columns, rows)})

    def log_confusion(self, name: str, title: str, rows: Sequence[Sequence[JSON]]) -> None:
        """Log a chart of a confusion matrix, of rows with an actual class, a predicted one and a count."""
        fields = ("Actual", "Predicted", "nPredictions")
        with _staging, files_inside(self._files):
            chart = self._wandb.plot_table(
                "wandb/confusion_matrix/v1", self._table(fields, rows), dict(zip(fields, fields, strict=True)), {"title": title}
            )
            self._run.log({name: chart})

    def log_tree(self, name: str, tree: Tree) -> None:
        """Log a tree of spans."""
        from wandb.sdk.data_types import trace_tree

        self._run.log({name: trace_tree.WBTraceTree(_as_span(tree, trace_tree))})

    def log_files(self, name: str, kind: str, paths: Sequence[Path]) -> None:
        """Log files as an artefact, copied as they are now."""
        with _staging, files_inside(self._files):
            artifact = self._wandb.Artifact(f"{name}-{self._run.id}", type=kind)
            for path in paths:
                artifact.add_file(str(path), skip_cache=True)
            self._run.log_artifact(artifact)

    def summarize(self, values: dict[str, JSON]) -> None:
        """Set values of the run as a whole."""
        self._run.summary.update(values)

    def finish(self, *, exit_code: int = 0) -> None:
        """Finish the run now, and restore the environment. Another run that is open keeps W&B's helper."""
        try:
            self._run.finish(exit_code=exit_code)
            self._end_helper()
        finally:
            self._scope.close()

    def close(self, background: Background, *, exit_code: int, patience: float) -> None:
        """Finish the run after what waits in `background`, within `patience` seconds, and restore the environment."""
        try:
            if os.getpid() != self._process:  # a forked child leaves its parent's run alone
                return
            background.submit(lambda: self._run.finish(exit_code=exit_code))
            background.submit(self._end_helper)
            if not background.close(timeout=patience):
                notice(f"W&B did not finish within {patience:g} s; the end of its run may be missing")
                self._leave_helper()
        finally:
            self._scope.close()

    def _table(self, columns: Sequence[str], rows: Sequence[Sequence[JSON]]) -> Any:
        return self._wandb.Table(columns=list(columns), data=[list(row) for row in rows], allow_mixed_types=True)

    def _histogram(self, values: JSON) -> Any:
        return self._wandb.Histogram(values)

    def _end_helper(self) -> None:
        """End W&B's helper process if it was started for this run and no other run uses it."""
        if self._wandb is None or not self._helper_is_ours:
            return
        if getattr(self._wandb.sdk.wandb_setup.singleton(), "most_recent_active_run", self) in (None, self._run):
            self._wandb.teardown()

    def _leave_helper(self) -> None:
        """Begin to end a helper that may hang: begun, the interpreter no longer waits for it when it exits."""
        ending = threading.Thread(target=self._end_helper, daemon=True)
        ending.start()
        ending.join(1.0)


@contextmanager
def files_inside(folder: Path) -> Iterator[None]:
    """Keep W&B's staging files, caches and logs inside `folder` for the duration of the block.

    The environment belongs to the whole process: of several open scopes the one that was opened last holds.

    Args:
        folder: An absolute path.

    Example:
        >>> with files_inside(Path("/tmp/run/wandb")):
        ...     os.environ["WANDB_CACHE_DIR"]
        '/tmp/run/wandb/cache'
    """
    with _lock:
        if not _open_folders:
            _before.update({name: os.environ.get(name) for name in _variables(folder)})
        _open_folders.append(folder)
        _apply()
    try:
        yield
    finally:
        with _lock:
            _open_folders.remove(folder)
            _apply()


@contextmanager
def exits_untouched() -> Iterator[None]:
    """Put `sys.excepthook` and `sys.exit` back after the block, whoever replaced them.

    Example:
        >>> hook = sys.excepthook
        >>> with exits_untouched():
        ...     sys.excepthook = print
        >>> sys.excepthook is hook
        True
    """
    hook, leave = sys.excepthook, sys.exit
    try:
        yield
    finally:
        sys.excepthook, sys.exit = hook, leave


def _settings(wandb: Any) -> Any:
    """Build `wandb.Settings` from those of `QUIET` that this version of W&B knows."""
    known = wandb.Settings.model_fields
    return wandb.Settings(**{name: value for name, value in QUIET.items() if name in known})


def _is_numbers(value: JSON) -> bool:
    return isinstance(value, list) and bool(value) and all(type(number) in {int, float} for number in value)


def _as_span(tree: Tree, wandb_spans: Any) -> Any:
    """Put a tree into W&B's own words."""
    one, told = tree.span, dict(tree.span.attributes)
    inputs = {name: told.pop(name) for name in _INPUTS if name in told}
    outputs = {name: told.pop(name) for name in _OUTPUTS if name in told}
    if tree.left_out:
        told["llm_brain.left_out"] = tree.left_out
    return wandb_spans.Span(
        span_id=one.span_id,
        name=one.name,
        start_time_ms=one.start_ns // 1_000_000,
        end_time_ms=one.end_ns // 1_000_000,
        status_code=wandb_spans.StatusCode.ERROR if one.status == "error" else wandb_spans.StatusCode.SUCCESS,
        status_message=None if one.error is None else ": ".join(filter(None, one.error.values())),
        attributes=told,
        results=[wandb_spans.Result(inputs, outputs)] if inputs or outputs else None,
        child_spans=[_as_span(child, wandb_spans) for child in tree.children],
        span_kind=wandb_spans.SpanKind(_SPAN_KINDS.get(one.kind or "", "CHAIN")),
    )


def _variables(folder: Path) -> dict[str, str]:
    return {
        "WANDB_DATA_DIR": str(folder / "data"),
        "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB_ARTIFACT_DIR": str(folder / "artifacts"),
        "WANDB_ERROR_REPORTING": "false",
    }


def _apply() -> None:
    wanted: dict[str, str | None] = dict(_variables(_open_folders[-1])) if _open_folders else _before
    for name, value in wanted.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


_INPUTS: Final = (names.ARGUMENTS, names.INPUT_MESSAGES, names.OPTIONS, names.REASON)
_OUTPUTS: Final = (names.VALUE, names.OUTPUT_MESSAGES)
_SPAN_KINDS: Final = {names.CALL_KIND: "LLM", names.ATTEMPT_KIND: "TOOL", names.RETRIEVAL_KIND: "TOOL"}
_staging: Final = threading.Lock()
_lock: Final = threading.Lock()
_open_folders: list[Path] = []
_before: dict[str, str | None] = {}
