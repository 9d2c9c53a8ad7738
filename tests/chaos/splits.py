"""Scenarios in which one attempt could become two: cut-off hosts, doubled messages,
several schedulers."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.case import TRAIN, Case
from tests.chaos.installation import PASSWORD, Installation
from tests.chaos.witnesses import overlaps, runs

LEASE = 6


def split_brain(case: Case) -> list[str]:
    """A host is cut off for three leases and healed. Its training ends itself before
    another one begins, as it does without ``when_cut_off: ride_out``."""
    return _parted(case, _cut_off, when_cut_off="stop")


def split_ride_out(case: Case) -> list[str]:
    """The same with a training that continues: it ends when it learns of the other."""
    return _parted(case, _cut_off, when_cut_off="ride_out")


def _cut_off(site: Installation) -> Callable[[], None]:
    links = ("site-0", "queue-host-0")
    site.network.silence(*links)
    return lambda: site.network.heal(*links)


def freeze(case: Case) -> list[str]:
    """Every process of a host is suspended for three leases and then continues."""

    def part(site: Installation) -> Callable[[], None]:
        frozen = site.pids(host="host-0")
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)

        def thaw() -> None:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)

        return thaw

    return _parted(case, part, when_cut_off="stop")


Part = Callable[[Installation], Callable[[], None]]


def _parted(case: Case, part: Part, *, when_cut_off: str) -> list[str]:
    # Of the other host's two slots one is free for the second attempt at once.
    with case.installed(hosts=2, webs=2, slots=2) as site:
        reports = 10 * case.size
        command = f"{TRAIN} --reports {reports} --pause 0.1"
        retries = {"when_cut_off": when_cut_off}
        sweep = site.submit(command, trials=2, at_once=2, retries=retries)
        site.wait(lambda: len(site.training()) >= 2, "two trainings")
        time.sleep(LEASE + 1)
        cut = set(site.pids("train_chaos", host="host-0"))
        heal = part(site)
        began = time.monotonic()
        site.wait(lambda: len(_started(site)) > 2, "a second attempt", 150)
        case.figures["taken over after"] = round(time.monotonic() - began, 1)
        time.sleep(max(0.0, began + 3 * LEASE - time.monotonic()))
        heal()
        stale = site.wait(lambda: not _alive(cut), "the stale process to end", 30)
        case.figures["stale process gone after"] = round(stale, 1)
        site.wait_for_end(sweep, timeout=120)
        trial_of = dict(_attempts(site, sweep))
        both = overlaps(runs(site.witness), trial_of)
        case.figures["longest overlap"] = round(max(both.values(), default=0.0), 1)
        problems = case.judged(site, sweep, budget=2)
        if stale > 15:
            problems.append(f"the stale process lived for {stale:.0f} s")
        if both and part is _cut_off and when_cut_off == "stop":
            problems.append(f"two processes of one trial at one time: {both}")
        return problems


def _started(site: Installation) -> set[int]:
    """The attempts of which a process has begun, by its own account."""
    return {run.attempt for run in runs(site.witness)}


def _attempts(site: Installation, sweep: int) -> list[tuple[int, int]]:
    return site.database.rows(  # type: ignore[return-value]
        "SELECT a.id, a.trial_id FROM experiments_attempt a JOIN experiments_trial t"
        f" ON t.id = a.trial_id WHERE t.sweep_id = {sweep} ORDER BY a.id"
    )


def _alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if os.path.exists(f"/proc/{pid}")}


def dup_delivery(case: Case) -> list[str]:
    """Every job comes ten times, and every fifth answer of the site gets lost."""
    with case.installed() as site:
        for n in range(len(site.hosts)):
            site.network.links[f"site-{n}"].weather.drop_replies = 0.2
        over = threading.Event()
        doubler = threading.Thread(target=_double, args=(site, over))
        doubler.start()
        try:
            command = f"{TRAIN} --reports 6 --pause 0.1"
            sweep = site.submit(command, trials=case.size)
            site.wait_for_end(sweep, timeout=60 + 8 * case.size)
        finally:
            over.set()
            doubler.join()
        case.figures["dropped"] = sum(x.dropped for x in site.network.links.values())
        return case.judged(site, sweep)


def _double(site: Installation, over: threading.Event) -> None:
    queue = Redis(port=site.queue_port, password=PASSWORD)
    while not over.wait(0.02):
        try:
            for key in queue.keys("rq:queue:*"):
                if 0 < queue.llen(key) < 10:
                    for job in queue.lrange(key, 0, -1):
                        queue.lpush(key, *[job] * 9)
        except RedisError:
            continue


def two_brains(case: Case) -> list[str]:
    """Four schedulers and two web servers with quick trials: no number twice, and the
    budget exactly."""
    with case.installed(schedulers=4, webs=2, hosts=2, slots=2) as site:
        command = f"{TRAIN} --reports 1 --pause 0"
        sweep = site.submit(command, trials=case.size, at_once=4)
        began = time.monotonic()
        site.wait_for_end(sweep, timeout=60 + 3 * case.size)
        case.figures["seconds a trial"] = round(
            (time.monotonic() - began) / case.size, 2
        )
        return case.judged(site, sweep)
