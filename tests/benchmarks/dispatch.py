"""What it costs to start and end one trial: ``python -m tests.benchmarks.dispatch``.

Runs a whole installation with 16 slots and a sweep of trials that sleep for a second.
Prints how long slots stood empty between two trials, by the scripts' own clocks, the
CPU that a trial took in each kind of process, and how long all of them took beside the
time of slots that are never empty.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.processes.running_site import RunningSite, running_site, wait_for

# Seconds that slots may take to start on a machine which is busy with other things.
START, SETTLED = 300.0, 3.0
# Kinds of processes by words of their commands; the first that fits.
KINDS = {
    "slots": "--only-slot",
    "web": "gunicorn",
    "scheduler": "scheduler",
    "queue": "queue.sock",
    "worker": "--slots",
}
# Of the trials' share, what the script sees of itself and of those above it at its end.
ABOVE = ("script", "runner", "horse")
TICK = os.sysconf("SC_CLK_TCK")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one trial")
    return parser.parse_args()


def main() -> None:
    wanted = arguments()
    with tempfile.TemporaryDirectory(prefix="dispatch-") as folder:
        home = Path(folder, "home")
        home.mkdir()
        accounts = Path(folder, "accounts")
        accounts.touch()
        names = {"WITNESS": str(accounts), "SWEEPSITE_PASS_ENVIRONMENT": "WITNESS"}
        names["SWEEPSITE_TRIAL_WRITE"] = str(accounts)
        usual = {"SWEEPSITE_HEARTBEAT_SECONDS": "10", "SWEEPSITE_LEASE_SECONDS": "60"}
        settings = names | usual
        RunningSite.timeout = START
        with running_site(home, slots=wanted.slots, settings=settings) as site:
            wait_for(lambda: all_slots_wait(site), "slots to start", timeout=START)
            before = cpu_by_kind(site)
            run_sweep(site, wanted)
            after = cpu_by_kind(site)
        trials = [json.loads(line) for line in accounts.read_text().splitlines()]
    tell_gaps(trials)
    tell_cpu(trials, {kind: after[kind] - before[kind] for kind in after})
    tell_makespan(trials, wanted)


def run_sweep(site: RunningSite, wanted: argparse.Namespace) -> None:
    sweep = site.submit(
        command=f"python train_short.py {wanted.seconds:g}",
        limits={
            "max_total_trials": wanted.trials,
            "max_concurrent_trials": wanted.slots,
        },
    )
    deadline = time.monotonic() + START + 10 * wanted.trials * wanted.seconds
    # Seldom, for what is asked here costs as much as a trial does.
    while site.sweep(sweep)["state"] == "running" and time.monotonic() < deadline:
        time.sleep(2.0)


def all_slots_wait(site: RunningSite) -> bool:
    """Their start costs as much as many trials, and is none of these trials' cost."""
    slots = list(pids_by_kind(site)["slots"])
    before = sum(map(cpu_seconds, slots))
    time.sleep(SETTLED)
    return len(slots) == site.slots and sum(map(cpu_seconds, slots)) == before


def cpu_by_kind(site: RunningSite) -> dict[str, float]:
    """CPU seconds so far; those of all that the slots have run as ``trials``."""
    pids = pids_by_kind(site)
    seconds = {kind: sum(map(cpu_seconds, pids.get(kind, ()))) for kind in KINDS}
    trials = sum(map(cpu_of_children, pids.get("slots", ())))
    return seconds | {"slots": seconds["slots"] - trials, "trials": trials}


def pids_by_kind(site: RunningSite) -> Mapping[str, Iterable[int]]:
    """The processes that live all along: children of ``up`` and their children."""
    found: dict[str, set[int]] = defaultdict(set)
    for kind, word in KINDS.items():
        taken = set().union(*found.values())
        for pid in site.pids(word):
            if pid not in taken and pid != site.up.pid and is_lasting(site, pid, kind):
                found[kind].add(pid)
    return found


def is_lasting(site: RunningSite, pid: int, kind: str) -> bool:
    """Not a work-horse, which has its slot's command."""
    return kind != "slots" or parent_of(pid) not in site.pids(KINDS["slots"])


def parent_of(pid: int) -> int:
    return int(stat(pid)[1])


def cpu_seconds(pid: int) -> float:
    """Of a process and of its children that have ended."""
    return sum(map(int, stat(pid)[11:15])) / TICK


def cpu_of_children(pid: int) -> float:
    return sum(map(int, stat(pid)[13:15])) / TICK


def stat(pid: int) -> list[str]:
    """The fields of a process from its state on; those of one that is gone are 0."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["0"] * 15


# --- telling ----------------------------------------------------------------------


def tell_gaps(trials: Sequence[Mapping[str, Any]]) -> None:
    by_slot: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for trial in sorted(trials, key=lambda trial: float(trial["started"])):
        by_slot[trial["slot"]].append(trial)
    gaps = sorted(
        following["started"] - last["ended"]
        for row in by_slot.values()
        for last, following in pairwise(row)
    )
    middle, high = (gaps[int(share * (len(gaps) - 1))] for share in (0.5, 0.95))
    print(
        f"from a script's last line to the first one of the next in its slot:"
        f" p50 {middle:.2f} s, p95 {high:.2f} s, most {gaps[-1]:.2f} s"
    )


def tell_cpu(trials: Sequence[Mapping[str, Any]], cpu: Mapping[str, float]) -> None:
    count = len(trials)
    print(f"CPU of one trial: {sum(cpu.values()) / count:.3f} s, of it")
    for kind, seconds in sorted(cpu.items(), key=lambda item: -item[1]):
        print(f"  {kind:10} {seconds / count:.3f} s")
    shares = (
        f"{name} {math.fsum(trial[name] for trial in trials) / count:.3f} s"
        for name in ABOVE
    )
    print("  of the trials', until the script's end: " + ", ".join(shares))


def tell_makespan(
    trials: Sequence[Mapping[str, Any]], wanted: argparse.Namespace
) -> None:
    first = min(trial["started"] for trial in trials)
    last = max(trial["ended"] for trial in trials)
    ideal = math.ceil(wanted.trials / wanted.slots) * wanted.seconds
    print(
        f"{len(trials)} trials of {wanted.seconds:g} s in {wanted.slots} slots took"
        f" {last - first:.1f} s; slots that are never empty would take {ideal:.1f} s"
    )


if __name__ == "__main__":
    main()
