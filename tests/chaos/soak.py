"""Nothing goes wrong for a long time: no process may grow, and none may be replaced."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from tests.chaos.case import TRAIN, Case
from tests.chaos.installation import Installation
from tests.chaos.nemesis import KINDS
from tests.chaos.visitor import Visitor

EVERY = 3.0
MOST_GROWTH = 1.10
# Growth that says nothing: an allocator's, and some connections more.
FREE_BYTES, FREE_FILES = 8 << 20, 5
POLICY = {"type": "median_stopping", "delay_evaluation": 3}
PAGES = ("/", "/sweeps/{sweep}/", "/sweeps/{sweep}/feed.json", "/pools/", "/health/")


class Sample(NamedTuple):
    """What all processes of one kind hold."""

    bytes: int
    files: int


def soak(case: Case) -> list[str]:
    """Short trials one after the other for ``size`` seconds, judged and looked at all
    the time: memory and open files of the last fifth are those of the second."""
    with case.installed(hosts=2, slots=2) as site:
        # Pages name their scripts by what they contain.
        site.manage("collectstatic", "--noinput", "-v", "0")
        visitor = Visitor(site)
        visitor.log_in()
        sweep = site.submit(
            f"{TRAIN} --reports 10 --pause 0.2",
            trials=100_000,
            at_once=4,
            early_termination=POLICY,
        )
        before = {name: kept.starts for name, kept in site.keeper.kept.items()}
        samples = _samples(site, visitor, sweep, seconds=case.size)
        trials = site.ended_trials(sweep)
        site.insist("POST", f"/sweeps/{sweep}/cancel")
        site.wait_for_end(sweep, patience=60)
        case.figures["trials"] = trials
        problems = list(visitor.problems)
        for kind, seen in samples.items():
            problems += _growth(case, kind, seen)
        after = {name: kept.starts for name, kept in site.keeper.kept.items()}
        if after != before:
            problems.append(f"processes were started again: {before} {after}")
        budget = trials + 4
        found = case.judged(site, sweep, budget=budget, all_completed=False)
        return problems + [x for x in found if not x.startswith("I1 numbers")]


def _samples(
    site: Installation, visitor: Visitor, sweep: int, *, seconds: float
) -> dict[str, list[Sample]]:
    """By kind of process, as often as ``EVERY`` allows."""
    found: dict[str, list[Sample]] = defaultdict(list)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for page in PAGES:
            visitor.get(page.format(sweep=sweep))
        for kind, words in KINDS.items():
            if kind != "runner":
                found[kind].append(_sample(site.pids(*words)))
        time.sleep(EVERY)
    return found


def _sample(pids: Sequence[int]) -> Sample:
    held = [_held(Path(f"/proc/{pid}")) for pid in pids]
    return Sample(sum(one.bytes for one in held), sum(one.files for one in held))


def _held(process: Path) -> Sample:
    try:
        private = (process / "smaps_rollup").read_text().split("Pss:")[1].split()[0]
        return Sample(int(private) << 10, len(os.listdir(process / "fd")))
    except (OSError, IndexError):
        return Sample(0, 0)


def _growth(case: Case, kind: str, seen: Sequence[Sample]) -> list[str]:
    """What grew from the second fifth of the time to the last one."""
    fifth = max(1, len(seen) // 5)
    early, late = seen[fifth : 2 * fifth], seen[-fifth:]
    found = []
    for name, free in (("bytes", FREE_BYTES), ("files", FREE_FILES)):
        first, last = (fmean(getattr(x, name) for x in some) for some in (early, late))
        unit = 1 << 20 if name == "bytes" else 1
        case.figures[f"{kind} {'MB' if unit > 1 else name}"] = (
            f"{first / unit:.0f} -> {last / unit:.0f}"
        )
        if last > first * MOST_GROWTH and last - first > free:
            found.append(f"{kind}: {name} grew from {first:,.0f} to {last:,.0f}")
    return found
