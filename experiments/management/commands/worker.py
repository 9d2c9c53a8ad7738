"""``manage.py worker``: slots that run trials, on any host, without the database."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import platform
import secrets
import signal
import socket
import sys
import tempfile
import time
from argparse import SUPPRESS
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments import queues
from experiments.runner import janitor
from experiments.supervision import Child, Supervisor
from experiments.worker_site import Refused, SiteAway, StaleAttempt, WorkerSite

logger = logging.getLogger(__name__)

BEAT_EVERY = 10.0
NEEDED = ("SWEEPSITE_URL", "SWEEPSITE_WORKER_TOKEN", "REDIS_URL")

# The code of the site's refusal when a living worker elsewhere bears the name.
NAME_TAKEN = "name_taken"


class Command(BaseCommand):
    help = "Runs trials of one pool in a number of slots."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--pool", default="default", help="the worker pool's name")
        parser.add_argument("--slots", type=int, default=1, help="trials at one time")
        parser.add_argument("--only-slot", type=int, help=SUPPRESS)
        parser.add_argument("--worker-id", type=int, help=SUPPRESS)
        parser.add_argument("--worker-name", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        missing = [name for name in NEEDED if not os.environ.get(name)]
        if missing:
            raise CommandError(
                f"These must be set: {', '.join(missing)}. The token comes from"
                " 'manage.py worker-token create --pool NAME' on the server; REDIS_URL"
                " is the site's own, such as redis://:PASSWORD@SERVER:6379/0."
            )
        if not 1 <= options["slots"] <= 1_000:
            raise CommandError("--slots must be from 1 to 1000, such as 2.")
        if options["only_slot"] is None:
            Host(options["pool"], slots=options["slots"]).run()
        else:
            run_slot(
                options["only_slot"],
                pool=options["pool"],
                worker=options["worker_id"],
                name=options["worker_name"],
            )


@dataclass(frozen=True)
class Name:
    """A worker's name, and what tells its holder from others that bear it."""

    text: str
    boot_id: str


def free_names(pool: str) -> Iterator[Name]:
    """This host's name, host-2, host-3, … without those of other workers here.

    A name is held until the next one is asked for. The lock goes with the process, so
    a worker that was killed and started again has its old name, and the site knows at
    once that what it ran is dead. Hosts (or containers, which share a boot id) of one
    name do not see each other's locks; that is why each lock has an id for the site.
    """
    host = socket.gethostname()[:80]
    place = hashlib.sha256(f"{settings.SITE_URL} {pool}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"sweepsite-workers-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in range(1, 1_000):
        with (folder / f"{place}-{number}").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            text = host if number == 1 else f"{host}-{number}"
            yield Name(text, f"{boot_id()} {lock_id(lock)}".strip())
    raise CommandError("1000 workers of this host's name run already.")


def lock_id(lock: IO[str]) -> str:
    """Made at random when the lock is first held, and kept in it."""
    lock.seek(0)
    if known := lock.read(8):
        return known
    made = secrets.token_hex(4)
    lock.write(made)
    lock.flush()
    return made


class Host:
    """The parent of this host's slots: signs on, beats, keeps the slots running."""

    def __init__(self, pool: str, *, slots: int) -> None:
        self.pool, self.slots = pool, slots
        self.names = free_names(pool)
        self.name = next(self.names)
        self.site = WorkerSite(settings.SITE_URL, settings.WORKER_TOKEN)
        self.supervisor = Supervisor(say=logger.warning)
        self.worker = 0

    def run(self) -> None:
        self.supervisor.install_signals()
        janitor.clear(settings.HOME / "worker")
        self._wait_for_queue()
        self._sign_on()
        for slot in range(self.slots):
            if not self.supervisor.stopping:
                self.supervisor.add(self._slot_process(slot))
        self.supervisor.run(every=BEAT_EVERY, do=self._beat)
        self.supervisor.stop()
        with contextlib.suppress(Refused, SiteAway, StaleAttempt):
            self.site.bye(self.worker)

    def _wait_for_queue(self) -> None:
        """Slots that no bell reaches must not be counted as free."""
        for _ in self._tries():
            if not (problem := queues.trouble()):
                return
            logger.info("waiting for the queue of REDIS_URL: %s", problem)

    def _tries(self) -> Iterator[None]:
        """Try at once, then less and less often, until the worker is to stop."""
        delay = 0.1
        while not self.supervisor.stopping:
            yield
            time.sleep(delay)
            delay = min(2 * delay, 5.0)

    def _sign_on(self) -> None:
        """Wait for the site as long as it takes; a refusal ends the worker."""
        for _ in self._tries():
            try:
                answer = self._hello()
            except SiteAway as problem:
                logger.info("waiting for %s: %s", settings.SITE_URL, problem)
                continue
            except (Refused, StaleAttempt) as problem:
                if NAME_TAKEN in str(problem):
                    logger.info("trying another name: %s", problem)
                    self.name = next(self.names)
                    continue
                raise CommandError(
                    f"{settings.SITE_URL} refused this worker: {problem}"
                ) from problem
            self.worker = answer["worker"]
            self._check_pool(answer["pool"])
            return

    def _hello(self) -> dict[str, Any]:
        return self.site.hello(
            name=self.name.text,
            host=socket.gethostname()[:100],
            boot_id=self.name.boot_id,
            pid=os.getpid(),
            slots=self.slots,
            version=settings.VERSION,
            python=platform.python_version(),
        )

    def _check_pool(self, pool: str) -> None:
        if pool != self.pool:
            raise CommandError(
                f"SWEEPSITE_WORKER_TOKEN belongs to pool {pool!r}, but --pool is"
                f" {self.pool!r}. Use --pool {pool} or the other pool's token."
            )

    def _beat(self) -> None:
        """A missing answer is no reason to stop: trials go on without the site."""
        try:
            self.site.beat(self.worker)
        except SiteAway as problem:
            logger.info("no answer to the beat: %s", problem)
        except (Refused, StaleAttempt) as problem:
            logger.warning("the site does not know this worker (%s)", problem)
            with contextlib.suppress(Refused, SiteAway, StaleAttempt):
                self.worker = self._hello()["worker"]

    def _slot_process(self, slot: int) -> Child:
        argv = [sys.executable, sys.argv[0], "worker", "--pool", self.pool]
        argv += ["--only-slot", str(slot), "--worker-id", str(self.worker)]
        argv += ["--worker-name", self.name.text]
        # A training's own grace of five seconds, and time to send what is left.
        return Child(f"slot {slot}", argv, os.environ, patience=9.0)


def run_slot(slot: int, *, pool: str, worker: int, name: str) -> None:
    """One slot: clear away what a predecessor left, say so, then wait for bells."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["SWEEPSITE_WORKER_ID"] = str(worker)
    os.environ["SWEEPSITE_SLOT_NUMBER"] = str(slot)
    os.environ["SWEEPSITE_SLOT"] = f"{name}-{slot}"
    home = settings.HOME / "worker"
    janitor.kill_slot(f"{name}-{slot}", home=home)
    site = WorkerSite(settings.SITE_URL, settings.WORKER_TOKEN)
    for attempt in site.slot_idle(worker, slot):
        janitor.remove_attempt(attempt, home=home)
    unique = f"{name}-{slot}-{os.getpid()}"
    queues.slot_worker(pool, name=unique).work(logging_level="WARNING")


def boot_id() -> str:
    """Tells one run of this host's system from the next (Linux; empty elsewhere)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
