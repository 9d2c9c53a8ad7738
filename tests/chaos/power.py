"""The power is cut, as far as a database's files can tell."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.case import TRAIN, Case
from tests.chaos.installation import Installation
from tests.chaos.pictures import Held, Picture

CUTS_OF_ONE = 20


def power_cut(case: Case) -> list[str]:
    """``size`` power cuts while trials report and a user changes their sweep: each
    time the database opens clean and holds the commits up to one of them; and what was
    answered before, where the disk kept what it had flushed."""
    trials = max(4, case.size // 10)
    with case.installed() as site:
        command = f"{TRAIN} --reports 20 --pause 0.05"
        sweep = site.submit(command, trials=trials)
        site.wait(site.training, "a training")
        writer = Writer(site, sweep)
        with writer.writing():
            pictures = _pictures(case, site, writer)
        problems = [
            problem
            for picture, acked in pictures
            for problem in _problems(case, picture, acked)
        ]
        site.wait_for_end(sweep, timeout=240)
        problems += case.judged(site, sweep, budget=trials)
    case.figures["pictures"] = len(pictures)
    if not case.figures["cuts that took commits"]:
        problems.append("no cut took a commit: nothing was tried")
    return problems


def _pictures(
    case: Case, site: Installation, writer: Writer
) -> list[tuple[Picture, int]]:
    """Pictures at random moments, each with the last change answered before it."""
    taken = []
    for number in range(max(2, case.size // CUTS_OF_ONE)):
        time.sleep(case.random.uniform(0.2, 1.5))
        acked = writer.acked
        path = case.folder / "pictures" / str(number) / "db"
        with stopped(site):
            taken.append((Picture.taken(site.home / "sweepsite.sqlite3", path), acked))
    return taken


@contextlib.contextmanager
def stopped(site: Installation) -> Iterator[None]:
    """Processes that have the database open do nothing, also within a write."""
    pids = site.pids("sweepsite.wsgi") + site.pids("manage.py", "scheduler")
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        site.wait(lambda: all(map(_rests, pids)), "processes to stop", pause=0.002)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _rests(pid: int) -> bool:
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def _problems(case: Case, picture: Picture, acked: int) -> list[str]:
    folder = case.folder / "cut"
    whole = Held.by(picture.copied(folder))
    found = whole.problems(whole=whole)
    if whole.notes < acked:
        found.append(f"change {acked} was answered, change {whole.notes} is there")
    torn = Held.by(picture.torn(case.random, folder))
    if torn != whole:
        found.append(f"pages on their way were not mended: {torn.damage}")
    took = 0
    for _ in range(CUTS_OF_ONE):
        held = Held.by(picture.cut(case.random, folder))
        found += held.problems(whole=whole)
        took += held != whole
    name = "cuts that took commits"
    case.figures[name] = int(str(case.figures.get(name, 0))) + took
    return [f"picture {picture.path}: {problem}" for problem in found]


class Writer:
    """Somebody who changes a sweep again and again, and knows what was answered."""

    def __init__(self, site: Installation, sweep: int) -> None:
        self.site, self.sweep, self.acked = site, sweep, 0
        self._over = threading.Event()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        thread = threading.Thread(target=self._write, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(60)

    def _write(self) -> None:
        for number in range(1, 1_000_000):
            if self._over.wait(0.01):
                return
            change = {"notes": str(number)}
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.site.api("PATCH", f"/sweeps/{self.sweep}", change)
                self.acked = number
