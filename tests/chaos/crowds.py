"""Scenarios with much of something: trials that stop at once, lines of log, slots."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

from tests.chaos.case import TRAIN, Case
from tests.chaos.installation import Installation
from tests.chaos.oracle import Oracle
from tests.chaos.witnesses import runs


def stop_storm(case: Case) -> list[str]:
    """All running trials are cancelled at once. Each gets its SIGTERM and its grace."""
    with case.installed(hosts=2, slots=(case.size + 1) // 2) as site:
        command = "python train_handles_sigterm.py"
        sweep = site.submit(command, trials=2 * case.size, at_once=case.size)
        site.wait(
            lambda: _words(site)["START"] >= case.size,
            f"{case.size} trainings",
            60 + 3 * case.size,
        )
        began = time.monotonic()
        site.insist("POST", f"/sweeps/{sweep}/cancel")
        site.wait(lambda: not site.training(), "all of them to be gone", 60)
        took = time.monotonic() - began
        case.figures["trainings"] = case.size
        case.figures["gone after"] = round(took, 1)
        site.wait_for_end(sweep)
        words = _words(site)
        problems = [] if took < 20 else [f"the last was gone after {took:.0f} s"]
        if words["END"] != words["START"]:
            problems.append(f"killed before their grace was over: {words}")
        tried = len(Oracle(site, sweep).trials)
        return problems + case.judged(site, sweep, budget=tried, all_completed=False)


def _words(site: Installation) -> Counter[str]:
    if not site.witness.exists():
        return Counter()
    lines = site.witness.read_text().splitlines()
    return Counter(line.partition(" ")[0] for line in lines)


def metric_flood(case: Case) -> list[str]:
    """Trials that report without a pause, some greedy writers of the database: trials
    of another sweep go on and are taken over meanwhile, and a stop arrives."""
    with case.installed(hosts=2, slots=(case.size + 3) // 2) as site:
        flood = site.submit(f"{TRAIN} --reports 10000000 --pause 0", trials=case.size)
        site.wait(
            lambda: len(set(site.training().values())) >= case.size,
            f"{case.size} trainings",
        )
        quiet = site.submit(f"{TRAIN} --reports 20 --pause 0.1", trials=6, at_once=2)
        site.wait(lambda: Oracle(site, quiet).attempts, "a trial beside the flood")
        site.keeper.kill(site.hosts[0])
        site.wait_for_end(quiet, timeout=180)
        problems = case.judged(site, quiet, budget=6)
        reports = sum(trial.reports for trial in Oracle(site, flood).trials)
        began = time.monotonic()
        site.insist("POST", f"/sweeps/{flood}/cancel")
        site.wait_for_end(flood, timeout=90)
        took = time.monotonic() - began
        case.figures |= {
            "reports of the flood": reports,
            "stopped after": round(took, 1),
        }
        if took > 30:
            problems.append(f"the flood was stopped after {took:.0f} s")
        return problems + case.judged(
            site, flood, budget=case.size, all_completed=False
        )


DELETE = """
from experiments.cleanup import purge, trash
from experiments.models import Sweep, TrashItem
sweeps = Sweep.objects.filter(pk={sweep})
try:
    print("SIZE", trash.move_sweeps(sweeps, actor=None))
    trash.delete_now(TrashItem.objects.all(), actor=None)
    purge.purge_trash()
except trash.StillRunning as refusal:
    print("REFUSED", refusal)
"""


def delete_live(case: Case) -> list[str]:
    """Deleting what runs is refused; cancelled and deleted at once, it is gone, and no
    process and no error stays behind."""
    with case.installed() as site:
        sweep = site.submit(f"{TRAIN} --reports 600 --pause 0.05", trials=2)
        site.wait(lambda: len(site.training()) >= 2, "two trainings")
        deletion = DELETE.format(sweep=sweep)
        problems = []
        if "REFUSED" not in site.manage("shell", "-c", deletion):
            problems.append("a running sweep was deleted")
        site.insist("POST", f"/sweeps/{sweep}/cancel")
        deadline = time.monotonic() + 40
        while "SIZE" not in site.manage("shell", "-c", deletion):
            if time.monotonic() > deadline:
                return [*problems, "a cancelled sweep could not be deleted"]
        site.wait(lambda: not site.training(), "the trainings to end", 15)
        oracle = Oracle(site, sweep)
        left = oracle.trials or oracle.attempts
        logs = list((site.home / "attempts").glob("*/*")) if left else []
        problems += ["rows were left behind"] if left else []
        problems += [f"left behind: {path}" for path in logs]
        return problems + oracle.no_server_errors() + oracle.database_is_sound()


def log_flood(case: Case) -> list[str]:
    """Trials that print as fast as they can: nothing on a worker may grow with it."""
    with case.installed(hosts=1, slots=2) as site:
        peaks: dict[str, int] = {}
        over = threading.Event()
        watch = threading.Thread(target=_sample, args=(site, over, peaks))
        watch.start()
        sweep = site.submit(f"python train_floods_log.py {case.size}", trials=4)
        slowest = 0.0
        try:
            site.wait(lambda: Oracle(site, sweep).trials, "a trial")
            while site.live_trials(sweep) or site.state(sweep) == "running":
                began = time.monotonic()
                trial = Oracle(site, sweep).trials[-1].id
                site.api("GET", f"/trials/{trial}/log")
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.5)
        finally:
            over.set()
            watch.join()
        case.figures["peaks in MB"] = {k: v >> 20 for k, v in sorted(peaks.items())}
        case.figures["slowest look at a log"] = round(slowest, 2)
        peaks.pop("web", None)
        found = [f"{k} grew to {v >> 20} MB" for k, v in peaks.items() if v > 150 << 20]
        return found + Oracle(site, sweep).no_server_errors()


def _sample(site: Installation, over: threading.Event, peaks: dict[str, int]) -> None:
    kinds = {"runner": "trial-runner", "slot": "--only-slot", "web": "gunicorn"}
    while not over.wait(0.3):
        for kind, word in kinds.items():
            for pid in site.pids(word):
                peaks[kind] = max(peaks.get(kind, 0), _resident(pid))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except (OSError, IndexError):
        return 0


__all__ = ["delete_live", "log_flood", "metric_flood", "runs", "stop_storm"]
