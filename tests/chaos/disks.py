"""Scenarios in which something is full: a disk of the site or of a host, the queue."""

from __future__ import annotations

import hashlib
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.chaos import volumes
from tests.chaos.case import TRAIN, Case
from tests.chaos.installation import PASSWORD, Installation
from tests.chaos.oracle import Oracle
from tests.chaos.visitor import Visitor
from tests.chaos.volumes import Volume

KEEPS = "python train_keeps_files.py --reports 6 --pause 0.2 --kilobytes 200"
UNKEPT = "not stored: the site's disk is full"
REFUSED = re.compile(r"I7 \w+ (POST|PUT) /api/worker/v1/attempts/\d+/(log|artifacts) ")
Where = Callable[[Installation], list[Path]]
Disks = Sequence[Volume]
# A host is thought of as full below some tens of them.
MEGABYTES = 128
# Two leases: no worker may count as dead meanwhile.
LONG = 12.0


def disk_full(case: Case) -> list[str]:
    """The disks of the database, of logs and outputs, and of hosts, one by one."""
    found = []
    for name, part in PARTS.items():
        if case.database == "sqlite" or part not in OF_SQLITE:
            alone = Case(case.folder / name, case.database, case.seed, case.size)
            try:
                found += [f"{name}: {problem}" for problem in part(alone)]
            finally:
                case.figures[name] = alone.figures
    return found


@contextmanager
def _with_disks(case: Case, where: Where) -> Iterator[tuple[Installation, Disks]]:
    made = Installation(case.folder / "site", database=case.database)
    with ExitStack() as stack:
        disks = [
            stack.enter_context(volumes.volume(folder, megabytes=MEGABYTES))
            for folder in where(made)
        ]
        stack.callback(made.stop)
        _start(made)
        yield made, disks


def _start(site: Installation) -> None:
    # Pages name their scripts by what they contain.
    site.manage("collectstatic", "--noinput", "-v", "0")
    site.start()


# --- the database -------------------------------------------------------------------


def full_database(case: Case) -> list[str]:
    """The database finds no room for two leases, twice: trials train on, people are
    told, and afterwards whatever was accepted is there."""
    problems = _without_database(case, lambda site: [site.home], reports=60, times=2)
    if case.figures["lost"]:
        problems.append(f"attempts were lost: {case.figures['lost']}")
    return problems


def full_machine(case: Case) -> list[str]:
    """The same where the queue and the hosts find none either, as on one machine:
    reports wait in the memory of trainings, which have to live that long."""

    def everything(site: Installation) -> list[Path]:
        return [site.home, site.folder / "queue", *_homes(site)]

    return _without_database(case, everything, reports=200, times=1)


def _homes(site: Installation) -> list[Path]:
    return [site.folder / name for name in site.hosts]


def _without_database(
    case: Case, where: Where, *, reports: int, times: int
) -> list[str]:
    with _with_disks(case, where) as (site, disks):
        visitor = Visitor(site)
        visitor.log_in()
        sweep = site.submit(
            f"{TRAIN} --reports {reports} --pause 0.1", trials=case.size
        )
        site.wait(lambda: len(site.training()) >= 2, "two trainings")
        told: set[str] = set()
        for _ in range(times):
            time.sleep(case.random.uniform(0.0, 3.0))
            told |= _without_room(disks, visitor, sweep)
        site.wait_for_end(sweep, timeout=120 + reports * case.size / 5)
        case.figures["answers"] = dict(visitor.seen)
        problems = [*visitor.problems, *_judged(case, site, sweep)]
        problems += [f"{x} does not say so" for x in {"form", "page"} - told]
        return problems + _starts(site)


def _without_room(disks: Disks, visitor: Visitor, sweep: int) -> set[str]:
    """Who has reported that the disk is full, while it is."""
    told = set()
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        for disk in disks:
            disk.fill()
        form = visitor.log_in_elsewhere()
        if form.status == 503 and "disk is full" in form.text:
            told.add("form")
        for path in ("/", "/health/", f"/sweeps/{sweep}/", "/healthz"):
            page = visitor.get(path)
            if path != "/healthz" and "disk" in page.text and "full" in page.text:
                told.add("page")
        time.sleep(0.3)
    for disk in disks:
        disk.free()
    return told


def _judged(case: Case, site: Installation, sweep: int) -> list[str]:
    """The answer to logs and outputs that find no room is 507."""
    return [x for x in case.judged(site, sweep) if not REFUSED.match(x)]


def _starts(site: Installation) -> list[str]:
    """Processes that have ended and were started again."""
    again = {name: kept.starts for name, kept in site.keeper.kept.items()}
    return [f"{name} was started {n} times" for name, n in again.items() if n > 1]


# --- logs and outputs ---------------------------------------------------------------


def full_store(case: Case) -> list[str]:
    """Trials end well without their outputs, and what is kept is whole."""
    with _with_disks(case, lambda s: [s.home / "store"]) as (site, (disk,)):
        visitor = Visitor(site)
        visitor.log_in()
        sweep = site.submit(KEEPS, trials=case.size)
        site.wait(lambda: len(site.training()) >= 2, "two trainings")
        disk.fill()
        problems = _refused_code(site)
        site.wait(lambda: site.ended_trials(sweep) >= 2, "two trials to end")
        disk.free()
        site.wait_for_end(sweep, timeout=60 + 6 * case.size)
        trials = [trial.id for trial in Oracle(site, sweep).trials]
        pages = (visitor.get(f"/trials/{trial}/") for trial in trials)
        case.figures["trials without outputs"] = sum(UNKEPT in p.text for p in pages)
        if not case.figures["trials without outputs"]:
            problems.append("no trial's page tells that outputs are missing")
        problems += visitor.problems + _halves(case, site, trials)
        return problems + _judged(case, site, sweep) + _starts(site)


def _refused_code(site: Installation) -> list[str]:
    """What a user who submits code sees while there is no room for it."""
    files = {"other.py": "print('x')\n" * 1000}
    document = {
        "experiment_name": "no room",
        "trial": {"command": "python other.py", "code": {"files": files}},
        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "sampling_algorithm": {"type": "random", "seed": 1},
        "objective": {"primary_metric": "accuracy", "goal": "maximize"},
        "limits": {"max_total_trials": 1, "max_concurrent_trials": 1},
    }
    try:
        site.api("POST", "/sweeps", document)
    except urllib.error.HTTPError as refusal:
        text = refusal.read().decode()
        well = refusal.code == 503 and "disk is full" in text
        return [] if well else [f"refused code: {refusal.code} {text[:300]}"]
    return ["code was kept on a full disk"]


def _halves(case: Case, site: Installation, trials: list[int]) -> list[str]:
    """Outputs that are not what they say they are."""
    found, kept = [], 0
    for trial in trials:
        for output in site.api("GET", f"/trials/{trial}/artifacts")["items"]:
            kept += 1
            body = _download(site, f"/trials/{trial}/artifacts/{output['id']}")
            if hashlib.sha256(body).hexdigest() != output["sha256"]:
                found.append(f"trial {trial}: {output} has {len(body)} bytes")
    case.figures["outputs kept"] = kept
    return found


def _download(site: Installation, path: str) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{site.web_ports[0]}/api/v1{path}",
        headers={"Authorization": f"Bearer {site.token}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        body: bytes = answer.read()
        return body


# --- a host -------------------------------------------------------------------------


def full_hosts(case: Case) -> list[str]:
    """A host without room loses no trial but those it had claimed, and others go on; so
    does it, once it has room again. Then the same with all hosts."""

    with _with_disks(case, _homes) as (site, disks):
        sweep = site.submit(f"{TRAIN} --reports 20 --pause 0.1", trials=4 * case.size)
        site.wait(lambda: len(site.training()) >= 2, "two trainings")
        disks[0].fill()
        _wait_for_ends(site, sweep, case.size)
        disks[1].fill()
        time.sleep(LONG)
        for disk in disks:
            disk.free()
        freed = time.monotonic()
        site.wait(lambda: len(site.training()) >= 2, "both hosts to train again")
        case.figures["both train after"] = round(time.monotonic() - freed, 1)
        site.wait_for_end(sweep, timeout=120 + 12 * case.size)
        problems = case.judged(site, sweep, budget=4 * case.size)
        if (lost := Oracle(site, sweep).losses().total()) > 4:
            problems.append(f"{lost} attempts were lost")
        return problems + _starts(site)


def _wait_for_ends(site: Installation, sweep: int, more: int) -> None:
    wanted = site.ended_trials(sweep) + more
    site.wait(lambda: site.ended_trials(sweep) >= wanted, f"{more} more trials to end")


PARTS = {
    **{"database": full_database, "machine": full_machine},
    **{"store": full_store, "hosts": full_hosts},
}
OF_SQLITE = (full_database, full_machine)


# --- the queue ----------------------------------------------------------------------


def queue_full(case: Case) -> list[str]:
    """The queue takes nothing more for two leases: pages tell administrators, running
    trials end, and once there is room the sweep goes on."""
    with _with_disks(case, lambda site: []) as (site, _):
        visitor = Visitor(site)
        visitor.log_in()
        sweep = site.submit(f"{TRAIN} --reports 20 --pause 0.1", trials=case.size)
        site.wait(lambda: len(site.training()) >= 2, "two trainings")
        queue = Redis(port=site.queue_port, password=PASSWORD)
        queue.config_set("maxmemory", "2mb")
        told = _with_full_queue(queue, visitor)
        queue.config_set("maxmemory", "0")
        queue.delete("ballast")
        freed = time.monotonic()
        site.wait_for_end(sweep, timeout=120 + 4 * case.size)
        case.figures["from room to end"] = round(time.monotonic() - freed, 1)
        problems = [*visitor.problems, *case.judged(site, sweep)]
        if not told:
            problems.append("no page has told that the queue is full")
        if case.figures["lost"]:
            problems.append(f"attempts were lost: {case.figures['lost']}")
        return problems + _starts(site)


def _with_full_queue(queue: Redis, visitor: Visitor) -> bool:
    """Whether a page has shown it, while it is full."""
    told, until = False, time.monotonic() + LONG
    while time.monotonic() < until:
        _stuff(queue)
        told |= "queue's memory is full" in visitor.get("/").text
        time.sleep(0.3)
    return told


def _stuff(queue: Redis) -> None:
    for size in (1 << 16, 1 << 10, 1 << 4):
        try:
            while True:
                queue.append("ballast", b"\0" * size)
        except RedisError:
            continue
