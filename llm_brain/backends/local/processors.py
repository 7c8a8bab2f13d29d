"""What this machine's processors can do, and how many of them have nothing else to do."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Final

import torch

from llm_brain.errors import DefinitionError


def chosen_device(device: str) -> torch.device:
    """Choose where to compute: "auto" is a GPU where there is one, and anything else is torch's own word for it.

    Raises:
        DefinitionError: torch knows no such device, or it is not there.

    Example:
        >>> chosen_device("cpu")
        device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except Exception as error:  # torch raises what it likes for a device that is not there
        message = f"device {device!r} cannot be used ({str(error).splitlines()[0]}): take 'auto' or 'cpu'"
        raise DefinitionError(message) from error
    return found


def native_dtype(device: torch.device | None = None) -> torch.dtype:
    """Choose the number format that a device multiplies fastest without changing what the model says.

    bfloat16 is 2 to 4 times faster than float32 where the processor multiplies it natively (AVX512-BF16, AMX) and many
    times slower where it does not.

    Example:
        >>> native_dtype() in (torch.bfloat16, torch.float32)
        True
    """
    if device is not None and device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device is not None and device.type != "cpu":
        return torch.float32
    native = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001 - there is no public question
    return torch.bfloat16 if native and _has_bfloat16_instructions() else torch.float32


def _has_bfloat16_instructions() -> bool:
    # oneDNN says "supported" from AVX512 on, where bfloat16 is emulated and slow; the flags tell who multiplies it.
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


@contextmanager
def idle_processors() -> Iterator[int]:
    """Let torch use as many threads as there are idle processors, one at least, and give back what it had.

    Threads that must share a processor wait for each other by spinning: a forward pass that takes 0.4 s with one thread was
    seen to take 7 s with two while the second processor was busy.

    Example:
        >>> with idle_processors() as threads:
        ...     torch.get_num_threads() == threads >= 1
        True
    """
    before = torch.get_num_threads()
    torch.set_num_threads(_meter().threads())
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


class _Meter:
    """Tells how many processors others keep busy, by what was used since the last look less what this thread has used.

    torch's other threads work, or spin, as long as this one does.
    """

    def __init__(self) -> None:
        self._threads = 1
        self._last: tuple[float, float, float] | None = None

    def threads(self) -> int:
        """Choose how many threads to use."""
        if os.getpid() != _PROCESS:  # torch's threads do not survive a fork, and who waits for them waits for ever
            return 1
        now = time.monotonic(), _busy_seconds(), time.thread_time()
        since = None if self._last is None else now[0] - self._last[0]
        if since is None or since > _STALE:
            self._last = now
            self._threads = max(1, _processors() - _others_running())
        elif since > _WINDOW and self._last is not None:
            others = (now[1] - self._last[1] - (now[2] - self._last[2]) * self._threads) / since
            self._last = now
            self._threads = max(1, _processors() - ceil(max(0.0, others - _NEGLIGIBLE)))
        return self._threads


_PROCESS: Final = os.getpid()
_WINDOW: Final = 0.1  # what /proc/stat counts is too coarse for less, in seconds
_STALE: Final = 2.0  # what others did before that says little of what they do now, in seconds
_NEGLIGIBLE: Final = 0.3  # how much of a processor others may use without being in the way
_meters: Final = threading.local()


def _meter() -> _Meter:
    found: _Meter | None = getattr(_meters, "meter", None)
    if found is None:
        found = _meters.meter = _Meter()
    return found


def _busy_seconds() -> float:
    """Add up how long the processors that this process may use have been busy, since the machine was started."""
    mine = {f"cpu{number}" for number in _affinity()}
    try:
        lines = [line.split() for line in Path("/proc/stat").read_text(encoding="ascii").splitlines()]
    except (OSError, ValueError):
        return 0.0  # not Linux: nothing is known of the others
    ticks = 0
    for name, user, nice, system, _, _, *others in (line[:9] for line in lines if line and line[0] in mine):
        del name
        ticks += sum(map(int, (user, nice, system, *others)))
    return ticks / os.sysconf("SC_CLK_TCK")


def _others_running() -> int:
    try:
        running = int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[0])
    except (OSError, ValueError, IndexError):
        return 0
    return max(0, running - 1)  # this thread is one of the running


def _processors() -> int:
    return len(_affinity())


def _affinity() -> set[int]:
    return set(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
