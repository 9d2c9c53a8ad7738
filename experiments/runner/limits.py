"""Resource limits that a worker's administrator puts on training processes."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass

VARIABLES = {
    "SWEEPSITE_LIMIT_MEMORY_BYTES": resource.RLIMIT_AS,
    "SWEEPSITE_LIMIT_OPEN_FILES": resource.RLIMIT_NOFILE,
    "SWEEPSITE_LIMIT_PROCESSES": resource.RLIMIT_NPROC,
}


class LimitError(ValueError):
    """A limit in the worker's environment is not a whole number above zero."""


@dataclass(frozen=True)
class Limit:
    """One kernel limit: a RLIMIT_ constant and its value."""

    kind: int
    value: int

    def apply(self) -> None:
        """Limit this process and its descendants; never above the present maximum."""
        _, hard = resource.getrlimit(self.kind)
        ceiling = hard if hard != resource.RLIM_INFINITY else self.value
        value = min(self.value, ceiling)
        resource.setrlimit(self.kind, (value, value))


def limits_from(worker: Mapping[str, str]) -> tuple[Limit, ...]:
    """The limits set in the worker's environment, and no core dumps in any case.

    The limit on processes counts every process of the worker's user, and the
    superuser is not bound by it.
    """
    set_ones = [
        Limit(VARIABLES[n], _whole(n, worker[n])) for n in VARIABLES if worker.get(n)
    ]
    return (Limit(resource.RLIMIT_CORE, 0), *set_ones)


def _whole(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise LimitError(f"{name} is {text!r}; it must be a whole number above zero")
    return int(text)
