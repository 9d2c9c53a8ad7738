"""Resource limits that a worker's administrator puts on training processes."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.runner.sources import SourceError

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


@dataclass(frozen=True)
class TrialLimits:
    """What the sweep lets one trial take; None: what the worker lets it.

    `memory_bytes` of the whole tree are watched rather than set as a limit of the
    kernel's on each process's addresses, which libraries for GPUs reserve by the
    terabyte. `open_files` are those of one process.
    """

    memory_bytes: int | None = None
    open_files: int | None = None


NO_LIMITS = TrialLimits()


def read_limits(value: object) -> TrialLimits:
    """`limits` of a specification. Raises SourceError."""
    if value is None:
        return NO_LIMITS
    if not isinstance(value, dict):
        raise SourceError("limits must be an object")
    return TrialLimits(_given(value, "memory_bytes"), _given(value, "open_files"))


def _given(value: Mapping[str, object], name: str) -> int | None:
    number = value.get(name)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise SourceError(f"limits.{name} is {number!r}; it must be above zero")
    return number


def limits_from(
    worker: Mapping[str, str], asked: TrialLimits = NO_LIMITS
) -> tuple[Limit, ...]:
    """The limits set in the worker's environment, and no core dumps in any case.

    What the sweep has asked for comes first: the worker's own can only lower it.

    The limit on processes counts every process of the worker's user, and the
    superuser is not bound by it.
    """
    set_ones = [
        Limit(VARIABLES[n], _whole(n, worker[n])) for n in VARIABLES if worker.get(n)
    ]
    if asked.open_files is not None:
        set_ones.insert(0, Limit(resource.RLIMIT_NOFILE, asked.open_files))
    return (Limit(resource.RLIMIT_CORE, 0), *set_ones)


def _whole(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise LimitError(f"{name} is {text!r}; it must be a whole number above zero")
    return int(text)
