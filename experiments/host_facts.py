"""What a worker tells the site of its host."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def host_facts(folder: Path) -> dict[str, int]:
    """Processors, memory and the free space of the folder's disk, in bytes.

    What this system does not tell is left out.
    """
    facts = {"cpus": usable_cpus()}
    with contextlib.suppress(AttributeError, OSError, ValueError):
        facts["memory"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {**facts, **disk_facts(folder)}


def disk_facts(folder: Path) -> dict[str, int]:
    """The free space of the folder's disk, in bytes, if the system tells."""
    with contextlib.suppress(OSError):
        usage = shutil.disk_usage(folder)
        # Some file systems over a network have no size, and no end.
        if usage.total:
            return {"disk_free": usage.free}
    return {}


def usable_cpus() -> int:
    """The processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
