"""Scenarios in which processes are killed: at random, or at named places."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from experiments.runner.failpoints import CHOSEN, ONCE, PLACES
from tests.chaos.case import TRAIN, Case
from tests.chaos.installation import Installation
from tests.chaos.nemesis import Nemesis

# What only happens when attempts are stopped, or lost.
STOPPING = ("stop.marked", "stop.committed", "stop.asked")
LOSING = ("lose.updated", "lose.committed")


def chaos(case: Case) -> list[str]:
    """As many kills as trials, of every kind of process; all trials must complete."""
    wide = case.size > 30
    with case.installed(
        hosts=3 if wide else 2, slots=2 if wide else 1, schedulers=2 if wide else 1
    ) as site:
        began = time.monotonic()
        sweep = site.submit(f"{TRAIN} --reports 8 --pause 0.15", trials=case.size)
        nemesis = Nemesis(site, case.seed)
        nemesis.rage(case.size, every=0.8, sweep=sweep)
        case.figures["kills"] = len(nemesis.killed)
        site.wait_for_end(sweep, timeout=60 + 3 * case.size)
        case.figures["makespan"] = round(time.monotonic() - began, 1)
        return case.judged(site, sweep)


def failpoints(case: Case) -> list[str]:
    """Every named place kills one process during one sweep, and each must have."""
    return _die_at(case, list(PLACES))


def each_failpoint(case: Case) -> list[str]:
    """The same, a sweep and an installation for each place."""
    found = []
    for name in PLACES:
        alone = Case(case.folder / name, case.database, case.seed, 3)
        found += [f"{name}: {problem}" for problem in _die_at(alone, [name])]
    return found


def _die_at(case: Case, names: list[str]) -> list[str]:
    marks = case.folder / "killed"
    marks.mkdir(parents=True)
    extra = {CHOSEN: ",".join(names), ONCE: str(marks)}
    with case.installed(hosts=2, slots=1, extra=extra) as site:
        sweep = site.submit(f"{TRAIN} --reports 4 --pause 0.1", trials=case.size)
        if set(LOSING) & set(names) and len(names) == 1:
            _lose_one(site)
        site.wait_for_end(sweep, timeout=90 + 15 * len(names))
        problems = case.judged(site, sweep)
        if set(STOPPING) & set(names):
            problems += _stop_one(site, case)
        died = {path.name for path in marks.iterdir()}
        case.figures["died at"] = f"{len(died)} of {len(names)} places"
        missed = sorted(set(names) - died)
        return problems + [f"nothing died at {name}" for name in missed]


def _lose_one(site: Installation) -> None:
    """A runner is killed, so that an attempt is lost."""
    site.wait(lambda: site.pids("trial-runner"), "a runner to kill")
    with contextlib.suppress(ProcessLookupError, IndexError):
        os.kill(site.pids("trial-runner")[0], signal.SIGKILL)


def _stop_one(site: Installation, case: Case) -> list[str]:
    """A second sweep, cancelled while it runs."""
    sweep = site.submit(f"{TRAIN} --reports 600 --pause 0.1", trials=2)
    site.wait(site.training, "a training to cancel")
    site.insist("POST", f"/sweeps/{sweep}/cancel")
    site.wait_for_end(sweep, timeout=60)
    return case.judged(site, sweep, budget=2, all_completed=False)
