"""The training scripts' own account, which no part of the system has touched."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Run:
    """One training process, by what it wrote down. Times are seconds since 1970.

    ``took``: how long it ran by a clock that is never set, where it tells.
    """

    attempt: int
    pid: int
    first: float
    last: float
    ended: bool = False
    took: float | None = None
    steps: list[int] = field(default_factory=list)


def runs(path: Path) -> list[Run]:
    """Every process that wrote to the file, in the order in which they began."""
    found: dict[tuple[int, int], Run] = {}
    if not path.exists():
        return []
    for line in path.read_text().splitlines():
        word, attempt, pid, moment = line.split()
        key = (int(attempt), int(pid))
        run = found.setdefault(key, Run(*key, first=float(moment), last=0.0))
        run.last = float(moment)
        run.ended = run.ended or word == "END"
        if word.startswith("POINT-"):
            run.steps.append(int(word.removeprefix("POINT-")))
        elif word.startswith("TOOK-"):
            run.took = float(word.removeprefix("TOOK-"))
    return sorted(found.values(), key=lambda run: run.first)


def overlaps(all_runs: Iterable[Run], trial_of: dict[int, int]) -> dict[int, float]:
    """For each trial of which two processes ran at one time: for how many seconds."""
    by_trial: dict[int, list[Run]] = defaultdict(list)
    for run in all_runs:
        by_trial[trial_of.get(run.attempt, -run.attempt)].append(run)
    found = {}
    for trial, group in by_trial.items():
        pairs = itertools.pairwise(group)
        longest = max((one.last - two.first for one, two in pairs), default=0.0)
        if longest > 0:
            found[trial] = longest
    return found
