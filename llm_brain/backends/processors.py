"""What this machine's processors can do, and how many of them have nothing else to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


def native_dtype() -> torch.dtype:
    """Choose the number format that this processor multiplies fastest without changing what the model says.

    bfloat16 is 2 to 4 times faster than float32 where the processor multiplies it natively (AVX512-BF16, AMX) and many
    times slower where it does not.

    Example:
        >>> native_dtype() in (torch.bfloat16, torch.float32)
        True
    """
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
    threads = max(1, _processors() - _others_running())
    torch.set_num_threads(threads)
    try:
        yield threads
    finally:
        torch.set_num_threads(before)


def _others_running() -> int:
    try:
        running = int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[0])
    except (OSError, ValueError, IndexError):
        return 0  # not Linux: nothing is known of the others
    return max(0, running - 1)  # this thread is one of the running


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
