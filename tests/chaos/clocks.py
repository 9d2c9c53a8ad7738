"""Machines whose clocks are wrong by hours, and are set while trials run.

libfaketime stands between every process and the clock of the time of day. It leaves
the monotonic clock alone, as setting a clock does.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from tests.chaos.case import Case
from tests.chaos.databases import Postgres
from tests.chaos.installation import Installation
from tests.chaos.oracle import Oracle, seconds_of
from tests.chaos.witnesses import runs

HOUR, DAY = 3_600, 86_400
FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
# Between what a runner tells, which also sees the interpreter end, and its script.
MAX_DIFFERENCE = 1.0
GRACE = 2.0
# Seconds without an answer on a busy machine are no loss; clocks are wrong by hours.
LEASE = 20
TRIAL_TIMEOUT = 5.0
TIMED = "python train_timed.py"


def library() -> Path | None:
    """libfaketime, for programs with threads; None where it is not installed."""
    found = (Path(folder).glob("**/libfaketimeMT.so.1") for folder in FOLDERS)
    return next((path for paths in found for path in paths), None)


def no_clocks() -> str:
    """Why no clock can be set here; "" when clocks can."""
    return "" if library() else "libfaketime is not installed (package faketime)"


class Clock:
    """The clock of one machine: by how many seconds it is wrong stands in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        """Let it be so far ahead, for processes that run as well."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        # Others may read it as another user.
        new.chmod(0o644)
        new.rename(self.file)

    def environment(self) -> dict[str, str]:
        """For processes of that machine; workers hand it on to what they train."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
            "SWEEPSITE_PASS_ENVIRONMENT": "LD_PRELOAD FAKETIME_*",
        }


class Clocked(Installation):
    """An installation with a clock for each machine: ``site`` for web servers,
    schedulers and the queue, and on SQLite the database; ``database`` where that is a
    server; and one for every host of workers."""

    def __init__(self, folder: Path, *, chance: random.Random, **options: Any) -> None:
        super().__init__(folder, **options)
        self.clocks = {
            name: Clock(folder / f"clock-{name}") for name in ("site", *self.hosts)
        }
        if isinstance(self.database, Postgres):
            # Where its server can read it, which is another user.
            clock = self.clocks["database"] = Clock(self.database.place / "clock")
            self.database.start_again(clock.environment())
        for clock in self.clocks.values():
            clock.set(far(chance))

    def _keep(self, name: str, argv: Any, given: dict[str, str]) -> None:
        clock = self.clocks.get(name, self.clocks["site"])
        super()._keep(name, argv, given | clock.environment())


def far(chance: random.Random) -> int:
    """Seconds: an hour to a day, ahead or behind."""
    return chance.choice((-1, 1)) * chance.randint(HOUR, DAY)


def clock_chaos(case: Case) -> list[str]:
    """All clocks are wrong from the start, and one after the other is set again, to
    and fro, while trials run. Nothing is lost, no trial's time is over too early or too
    late, and the times that are told are those that trainings took."""
    options = {"kind": Clocked, "chance": case.random, "hosts": 2, "slots": 2}
    with case.installed(**options, SWEEPSITE_LEASE_SECONDS=str(LEASE)) as site:
        assert isinstance(site, Clocked)
        # Far from over when the clocks are set, and far less than they are set by.
        command = f"{TIMED} --reports 24 --pause 0.25"
        limits = {"trial_timeout": 300}
        whole = site.submit(command, trials=case.size, at_once=3, limits=limits)
        limits = {"trial_timeout": TRIAL_TIMEOUT}
        endless = f"{TIMED} --reports 3000 --pause 0.25"
        short = max(2, case.size // 4)
        cut = site.submit(endless, trials=short, at_once=1, limits=limits)
        _set_clocks(case, site, (whole, cut))
        for sweep in (whole, cut):
            site.wait_for_end(sweep, timeout=120)
        problems = case.judged(site, whole)
        lost = Oracle(site, cut).losses() + Oracle(site, whole).losses()
        problems += case.judged(site, cut, budget=short, all_completed=False)
        case.figures["lost"] = dict(lost)
        if lost:
            problems.append(f"attempts were lost: {dict(lost)}")
        problems += _not_wrong(site)
        problems += _wrong_times(case, site, (whole, cut))
        problems += _not_timed_out(case, site, cut)
        return problems + _not_lost(case, site)


def _set_clocks(case: Case, site: Clocked, sweeps: tuple[int, ...]) -> None:
    """Now this one, now that one, until all sweeps are over."""
    site.wait(site.training, "a training")
    times, over = 0, time.monotonic() + 60 + 10 * case.size
    while time.monotonic() < over:
        if not any(site.state(sweep) == "running" for sweep in sweeps):
            break
        time.sleep(case.random.uniform(0.5, 4.0))
        name = case.random.choice(sorted(site.clocks))
        site.clocks[name].set(far(case.random))
        times += 1
    case.figures["times set"] = times


def _not_wrong(site: Clocked) -> list[str]:
    """Clocks that show the right time anyway: then nothing was tested."""
    told = {f"attempt {run.attempt}": run.first for run in runs(site.witness)}
    for name, seen in site.database.rows(
        "SELECT name, seen_at FROM experiments_worker"
    ):
        told[f"the database, which had a heartbeat from {name}"] = seconds_of(seen)
    now = time.time()
    return [
        f"the clock of {whose} was right"
        for whose, moment in told.items()
        if abs(moment - now) < HOUR / 2
    ]


def _wrong_times(case: Case, site: Clocked, sweeps: tuple[int, ...]) -> list[str]:
    """Attempts of which another time is told than their processes took, by those that
    lived to say so: what has not left when it was told to is killed."""
    took = {run.attempt: run.took for run in runs(site.witness)}
    told = [pair for sweep in sweeps for pair in _told(site, sweep)]
    both = [(n, seconds, took[n]) for n, seconds in told if took.get(n) is not None]
    differences = {n: seconds - (own or 0.0) for n, seconds, own in both}
    case.figures["differences"] = (
        f"{min(differences.values()):.2f} to {max(differences.values()):.2f} s"
        f" in {len(differences)} of {len(told)}"
    )
    return [
        f"attempt {n} took {own} s, told are {seconds} s"
        for n, seconds, own in both
        if not -0.05 <= differences[n] <= MAX_DIFFERENCE
    ]


def _told(site: Clocked, sweep: int) -> list[tuple[int, float]]:
    """Seconds of training by attempt, as the API tells them of its trials."""
    trials = site.api("GET", f"/sweeps/{sweep}/trials?limit=100")["items"]
    current = dict(
        site.database.rows(
            "SELECT id, current_attempt_id FROM experiments_trial"
            f" WHERE sweep_id = {sweep}"
        )
    )
    return [(current[trial["id"]], trial["elapsed"]) for trial in trials]


def _not_timed_out(case: Case, site: Clocked, sweep: int) -> list[str]:
    """Trials that should have been ended when their time was over, and were not."""
    trials = Oracle(site, sweep).trials
    found = [
        f"trial {trial.number} is {trial.state} ({trial.reason}), and not timed out"
        for trial in trials
        if (trial.state, trial.reason) != ("cancelled", "trial_timeout")
    ]
    told = [seconds for _, seconds in _told(site, sweep)]
    most = TRIAL_TIMEOUT + GRACE + MAX_DIFFERENCE
    found += [
        f"a trial of at most {TRIAL_TIMEOUT} s ran for {seconds} s"
        for seconds in told
        if not TRIAL_TIMEOUT <= seconds <= most
    ]
    case.figures["timed out after"] = [round(seconds, 2) for seconds in told]
    return found


def _not_lost(case: Case, site: Clocked) -> list[str]:
    """The database's clock is set back, and at the same moment a host dies: what ran
    there must not seem alive until the clock has got there again."""
    sweep = site.submit(f"{TIMED} --reports 36 --pause 0.25", trials=2)
    site.wait(lambda: site.pids("train_timed"), "a training")
    host = next(h for h in site.hosts if site.pids("train_timed", host=h))
    site.clocks.get("database", site.clocks["site"]).set(-DAY - HOUR)
    site.keeper.kept[host].held = True
    site.wait(lambda: not _killed(site, host), "the host to be dead")
    lost = site.wait(
        lambda: Oracle(site, sweep).losses(), "what ran there to be lost", 6 * LEASE
    )
    case.figures["a host's death is known after"] = round(lost, 1)
    site.wait_for_end(sweep, timeout=120)
    return Oracle(site, sweep).problems(budget=2)


def _killed(site: Clocked, host: str) -> list[int]:
    """Processes of the host that were still to be killed."""
    pids = site.pids(host=host)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pids
