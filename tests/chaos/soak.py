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

EVERY, TRIALS = 3.0, 20
MAX_GROWTH = 1.10
# Growth that says nothing: an allocator's, and some connections more.
FREE_BYTES, FREE_FILES = 8 << 20, 5
POLICY = {"type": "median_stopping", "delay_evaluation": 3}
PAGES = ("/", "/sweeps/{sweep}/", "/sweeps/{sweep}/feed.json", "/pools/", "/health/")


class Sample(NamedTuple):
    """What all processes of one kind hold."""

    bytes: int
    files: int


def soak(case: Case) -> list[str]:
    """Sweep after sweep of short trials for ``size`` seconds, judged and looked at all
    the time: memory and open files of the last fifth are those of the second."""
    with case.installed(hosts=2, slots=2) as site:
        # Pages name their scripts by what they contain.
        site.manage("collectstatic", "--noinput", "-v", "0")
        visitor = Visitor(site)
        visitor.log_in()
        before = {name: kept.starts for name, kept in site.keeper.kept.items()}
        sweeps, samples = _samples(site, visitor, seconds=case.size)
        site.wait_for_end(sweeps[-1], timeout=120)
        case.figures["trials"] = TRIALS * len(sweeps)
        problems = list(visitor.problems)
        for kind, seen in samples.items():
            problems += _growth(case, kind, seen)
        after = {name: kept.starts for name, kept in site.keeper.kept.items()}
        if after != before:
            problems.append(f"processes were started again: {before} {after}")
        for sweep in sweeps:
            problems += case.judged(site, sweep, budget=TRIALS, all_completed=False)
        return problems


def _submit(site: Installation) -> int:
    """All sweeps are of one size, for a page of a large one may take more memory."""
    return site.submit(
        f"{TRAIN} --reports 10 --pause 0.2",
        trials=TRIALS,
        at_once=4,
        early_termination=POLICY,
    )


def _samples(
    site: Installation, visitor: Visitor, *, seconds: float
) -> tuple[list[int], dict[str, list[Sample]]]:
    """The sweeps that ran, and by kind of process what it held now and then."""
    found: dict[str, list[Sample]] = defaultdict(list)
    sweeps = [_submit(site)]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if site.state(sweeps[-1]) != "running":
            sweeps.append(_submit(site))
        for page in PAGES:
            visitor.get(page.format(sweep=sweeps[-1]))
        for kind, words in KINDS.items():
            if kind != "runner":
                found[kind].append(_sample(site.pids(*words)))
        time.sleep(EVERY)
    return sweeps, found


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
        if last > first * MAX_GROWTH and last - first > free:
            found.append(f"{kind}: {name} grew from {first:,.0f} to {last:,.0f}")
    return found
