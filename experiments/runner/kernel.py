"""The kernel's help in keeping a process tree together (Linux; no-ops elsewhere)."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from pathlib import Path

logger = logging.getLogger(__name__)

LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
# Found once here: a freshly forked child should do as little as possible.
_LIBC = ctypes.CDLL(None, use_errno=True) if LINUX else None


def _prctl(option: int, value: int | bytes) -> bool:
    return _LIBC is not None and _LIBC.prctl(option, value, 0, 0, 0) == 0


def die_with_parent(number: signal.Signals) -> bool:
    """Ask for signal `number` when the parent dies; False where that is unknown."""
    return _prctl(PR_SET_PDEATHSIG, number)


def adopt_orphans() -> bool:
    """Become the new parent of every descendant whose own parent has gone."""
    return _prctl(PR_SET_CHILD_SUBREAPER, 1)


def name_process(name: str) -> bool:
    """Have this process called so instead of by its program; 15 letters at most."""
    return _prctl(PR_SET_NAME, name.encode())


def prefer_as_memory_victim() -> None:
    """Have the kernel end this process before the worker when memory runs out."""
    if not LINUX:
        return
    try:
        Path("/proc/self/oom_score_adj").write_text("500")
    except OSError as problem:
        logger.debug("oom_score_adj stays as it is: %s", problem)


def parent_is(expected: int) -> bool:
    """Whether the parent is still the one that started us."""
    return os.getppid() == expected
