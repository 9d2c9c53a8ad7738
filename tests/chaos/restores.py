"""A backup made while trials run, and a new installation that continues from it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
import urllib.error
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.case import TRAIN, Case
from tests.chaos.installation import Installation
from tests.chaos.series import stored_series
from tests.chaos.witnesses import runs
from tests.processes.running_site import call

REPORTS, PAUSE = 20, 0.2
# So long nothing may begin without consent.
QUIET_SECONDS = 3.0


def restore(case: Case) -> list[str]:
    """The old site is lost some trials after its backup. What the backup has is all
    there; trials that ran at that time are lost; processes of the old site are refused;
    and nothing runs, whatever the old queue asks for, until the sweep is resumed."""
    old = Installation(case.folder / "old", database=case.database)
    backup = case.folder / "backup"
    try:
        old.start()
        command = f"{TRAIN} --reports {REPORTS} --pause {PAUSE}"
        sweep = old.submit(command, trials=case.size)
        old.wait(lambda: old.ended_trials(sweep) and _young(old), "a young training")
        acked = {run.attempt: run.steps for run in runs(old.witness)}
        before = Process.of(old)
        old.manage("backup", str(backup))
        (made,) = backup.iterdir()
        last = max(_attempts_in(made))
        # The first sweep may have ended meanwhile.
        old.submit(command, trials=case.size)
        old.wait(
            lambda: _young(old) and max(old.training().values(), default=0) > last,
            "a young training of after the backup",
        )
        after = Process.of(old)
    finally:
        old.stop()
    new = Installation(case.folder / "new", database=case.database)
    try:
        return _go_on(case, new, old, (sweep, acked, before, after))
    finally:
        new.stop()


def _go_on(
    case: Case,
    new: Installation,
    old: Installation,
    facts: tuple[int, dict[int, list[int]], Process, Process],
) -> list[str]:
    sweep, acked, before, after = facts
    (backup,) = (case.folder / "backup").iterdir()
    new.manage("restore", str(backup))
    problems = _missing(new, acked) + new.database.damage()
    running = _attempts_in(backup, "WHERE state = 'running'")
    _forget_what_came_later(new, old)
    shutil.copytree(old.folder / "queue", new.folder / "queue")
    new.start()
    problems += _let_in(new, after, 401) + _let_in(new, before, 409)
    time.sleep(QUIET_SECONDS)
    if new.state(sweep) != "paused" or new.training():
        problems.append(f"sweep {sweep} is {new.state(sweep)} before it was resumed")
    new.api("POST", f"/sweeps/{sweep}/resume")
    new.wait_for_end(sweep, timeout=60 + 10 * case.size)
    problems += case.judged(new, sweep)
    lost = _attempts(new, "lost")
    if not running or not running <= lost:
        problems.append(f"{running} ran at the time of the backup, {lost} were lost")
    return problems


def _young(site: Installation) -> bool:
    """Whether a training runs that will not end for a while, and has reported."""
    live = set(site.training().values())
    return any(
        1 <= len(run.steps) < REPORTS / 2
        for run in runs(site.witness)
        if run.attempt in live
    )


# --- what must be true ------------------------------------------------------------


@dataclass(frozen=True)
class Process:
    """A training process of the old site, with its token."""

    trial: str
    token: str

    @classmethod
    def of(cls, site: Installation) -> Process:
        """Of the youngest attempt that runs."""
        pid, _ = max(site.training().items(), key=lambda item: item[1])
        parts = Path(f"/proc/{pid}/environ").read_text().split("\0")
        found = dict(part.split("=", 1) for part in parts if "=" in part)
        return cls(found["SWEEPSITE_TRIAL_ID"], found["SWEEPSITE_TOKEN"])


def _let_in(site: Installation, process: Process, expected: int) -> list[str]:
    address = f"http://{site.address('web-0')}:{site.web_ports[0]}"
    path = f"{address}/api/v1/trials/{process.trial}/metrics"
    point = {"name": "accuracy", "step": 999, "value": 9.0}
    try:
        call(path, "POST", {"points": [point]}, token=process.token)
    except urllib.error.HTTPError as answer:
        if answer.code == expected:
            return []
        return [f"a process of the old site got {answer.code} instead of {expected}"]
    return ["a process of the old site reported to the new one"]


def _attempts(site: Installation, state: str) -> set[int]:
    query = f"SELECT id FROM experiments_attempt WHERE state = '{state}'"
    return {row[0] for row in site.database.rows(query)}


def _attempts_in(backup: Path, where: str = "") -> set[int]:
    with contextlib.closing(sqlite3.connect(backup / "database.sqlite3")) as database:
        rows = database.execute(f"SELECT id FROM experiments_attempt {where}")
        return {row[0] for row in rows}


def _missing(site: Installation, acked: dict[int, list[int]]) -> list[str]:
    """Points that were answered before the backup began and are not in it."""
    stored = {
        (series.attempt, step)
        for series in stored_series(site.database.rows)
        for step in series.steps
    }
    return [
        f"step {step} of attempt {attempt} is not in the backup"
        for attempt, steps in acked.items()
        for step in steps
        if (attempt, step) not in stored
    ]


def _forget_what_came_later(new: Installation, old: Installation) -> None:
    """The scripts' own account as the new site may know it: numbers of attempts that
    began after the backup are given again. Scripts go on writing to the same file."""
    known = _attempts(new, "finished")
    lines = old.witness.read_text().splitlines(keepends=True)
    kept = [line for line in lines if int(line.split()[1]) in known]
    old.witness.write_text("".join(kept))
    new.witness.symlink_to(old.witness)
