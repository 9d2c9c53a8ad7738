"""Scenarios in which a part that all others need is away for a while."""

from __future__ import annotations

import contextlib
import sqlite3
import time

from redis import Redis

from tests.chaos.case import TRAIN, Case
from tests.chaos.installation import PASSWORD, Installation
from tests.chaos.oracle import Oracle


def queue_amnesia(case: Case) -> list[str]:
    """The queue forgets everything again and again: flushed, or killed and empty."""
    with case.installed(durable_queue=False) as site:
        sweep = site.submit(f"{TRAIN} --reports 4 --pause 0.1", trials=case.size)
        times = 0
        while site.state(sweep) == "running" and times < 200:
            time.sleep(case.random.uniform(1.0, 5.0))
            if case.random.random() < 0.5:
                Redis(port=site.queue_port, password=PASSWORD).flushall()
            else:
                site.keeper.kill("queue")
            times += 1
        site.wait_for_end(sweep)
        case.figures["times"] = times
        case.figures["longest wait"] = longest = _longest_wait(site, sweep)
        problems = case.judged(site, sweep)
        if longest > 20:
            problems.append(f"a trial waited {longest} s for a slot")
        return problems


def _longest_wait(site: Installation, sweep: int) -> float:
    """Seconds from an attempt's creation to its claim, at most."""
    both = "created_at, claimed_at"
    rows = Oracle(site, sweep).spans(both)
    return round(max(rows, default=0.0), 1)


def queue_outage(case: Case) -> list[str]:
    """The queue says nothing for ``size`` seconds: running trials notice nothing."""
    with case.installed() as site:
        command = f"{TRAIN} --reports {10 * case.size} --pause 0.1"
        sweep = site.submit(command, trials=4)
        site.wait(lambda: len(site.training()) >= 2, "two trainings")
        before = {name: site.keeper.kept[name].starts for name in site.hosts}
        queues = [name for name in site.network.links if name.startswith("queue")]
        site.network.silence(*queues)
        time.sleep(case.size)
        site.network.heal()
        healed = time.monotonic()
        site.wait_for_end(sweep, timeout=120 + 3 * case.size)
        took = time.monotonic() - healed - 2 * case.size
        case.figures["from heal to end"] = round(time.monotonic() - healed, 1)
        problems = case.judged(site, sweep, budget=4)
        after = {name: site.keeper.kept[name].starts for name in site.hosts}
        if after != before:
            problems.append(f"workers were started again: {before} {after}")
        if case.figures["lost"]:
            problems.append(f"attempts were lost: {case.figures['lost']}")
        if took > 60:
            problems.append(f"what waited took {took:.0f} s longer than it must")
        return problems


def db_restart(case: Case) -> list[str]:
    """PostgreSQL crashes ``size`` times, and is up again at once or after a moment."""
    with case.installed() as site:
        command = f"{TRAIN} --reports 12 --pause 0.15"
        sweep = site.submit(command, trials=4 * case.size)
        for _ in range(case.size):
            time.sleep(case.random.uniform(1.0, 4.0))
            site.crash_database(away=case.random.choice((0.0, 0.0, 1.5)))
        site.wait_for_end(sweep, timeout=240)
        return case.judged(site, sweep, budget=4 * case.size)


def db_away(case: Case) -> list[str]:
    """PostgreSQL is away for ``size`` seconds, several leases long, while all others
    run on. Trials train on, nothing is lost, and every point arrives."""
    with case.installed() as site:
        command = f"{TRAIN} --reports {8 * case.size} --pause 0.1"
        sweep = site.submit(command, trials=2)
        site.wait(lambda: len(site.training()) >= 2, "two trainings")
        time.sleep(8)  # The scheduler's own first lease is over.
        site.crash_database(away=case.size)
        site.wait_for_end(sweep, timeout=60 + 6 * case.size)
        problems = case.judged(site, sweep, budget=2)
        if case.figures["lost"]:
            problems.append(f"attempts were lost: {case.figures['lost']}")
        return problems


def db_locked(case: Case) -> list[str]:
    """Somebody holds SQLite's only lock for writing: for a moment, and for ``size``
    seconds, which is longer than anybody waits for it. What had no answer by then is
    refused with 503, and comes again."""
    with case.installed(SWEEPSITE_LEASE_SECONDS=str(3 * case.size)) as site:
        sweep = site.submit(f"{TRAIN} --reports 60 --pause 0.1", trials=6)
        site.wait(lambda: len(site.training()) >= 2, "two trainings")
        for seconds in (case.size / 4, case.size):
            _lock(site, seconds)
            time.sleep(case.random.uniform(1.0, 3.0))
        site.wait_for_end(sweep, timeout=180)
        problems = case.judged(site, sweep, budget=6)
        refused = (site.logs / "access-0.log").read_text().count("] 503 ")
        case.figures["refused"] = refused
        if not refused:
            problems.append("no request was refused: the lock was not held long enough")
        if case.figures["lost"]:
            problems.append(f"attempts were lost: {case.figures['lost']}")
        return problems


def _lock(site: Installation, seconds: float) -> None:
    path = site.home / "sweepsite.sqlite3"
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as database:
        database.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)


def web_down(case: Case) -> list[str]:
    """Web server and scheduler are away for ``size`` seconds, several leases long, and
    are upgraded meanwhile. Trials train on, nothing is lost, every point arrives."""
    with case.installed() as site:
        command = f"{TRAIN} --reports {8 * case.size} --pause 0.1"
        sweep = site.submit(command, trials=2)
        site.wait(lambda: len(site.training()) >= 2, "two trainings")
        for name in (*site.webs, *site.schedulers):
            site.keeper.hold(name)
        site.manage("setup")
        time.sleep(case.size)
        for name in (*site.webs, *site.schedulers):
            site.keeper.release(name)
        site.wait_for_end(sweep, timeout=60 + 6 * case.size)
        problems = case.judged(site, sweep, budget=2)
        if case.figures["lost"]:
            problems.append(f"attempts were lost: {case.figures['lost']}")
        return problems


def site_away(case: Case) -> list[str]:
    """Only the way to the web server is cut, for ``size`` seconds, while the scheduler
    runs on: it must not take the silence of everybody for the death of everybody."""
    with case.installed() as site:
        command = f"{TRAIN} --reports {8 * case.size} --pause 0.1"
        sweep = site.submit(command, trials=2)
        site.wait(lambda: len(site.training()) >= 2, "two trainings")
        time.sleep(8)  # The scheduler's own first lease is over.
        site.keeper.hold("web-0")
        time.sleep(case.size)
        site.keeper.release("web-0")
        site.wait_for_end(sweep, timeout=60 + 6 * case.size)
        problems = case.judged(site, sweep, budget=2)
        if case.figures["lost"]:
            problems.append(f"attempts were lost: {case.figures['lost']}")
        return problems
