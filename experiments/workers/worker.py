"""One worker: the parent of a host's slots. It signs on, sends heartbeats, restarts
slots, drains and leaves."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from compileall import compile_dir
from types import FrameType
from typing import Any

from django.conf import settings

from experiments.runner import cleanup
from experiments.runner.cleanup import Housekeeping
from experiments.runner.environment import CLIENT_FOLDER
from experiments.runner.errors import Refused, SiteAway, StaleAttempt
from experiments.runner.folder import kept_ends
from experiments.runner.walls import weakness
from experiments.workers import run_as
from experiments.workers.departure import Departure
from experiments.workers.host import Devices, disk_facts, host_facts
from experiments.workers.names import free_names
from experiments.workers.run_as import trials_home
from experiments.workers.site import WorkerSite
from experiments.workers.supervisor import Child, Supervisor

logger = logging.getLogger(__name__)

BEAT_EVERY = 10.0
# A request to drain takes effect within this many seconds.
CHECK_EVERY = 0.5
BY_SIGNAL = "The worker got SIGUSR1."

# The code of the site's error when a living worker elsewhere has the name.
NAME_TAKEN = "name_taken"


class WorkerError(Exception):
    """Why this worker cannot work, in a sentence."""


def slot_command(slot: int, *, pool: str, worker: int, name: str) -> list[str]:
    """What follows ``manage.py`` to start a slot of that worker."""
    return [
        *("slot", "--only-slot", str(slot), f"--pool={pool}"),
        *(f"--worker-id={worker}", f"--worker-name={name}"),
    ]


def queue_problem() -> str:
    """Why the queue does not answer; empty when it does.

    A process that ends asks it: the queue's library takes 14 MB of memory.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            from experiments import queues

            os.write(writer, queues.problem().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as answer:
        problem = answer.read()
    os.waitpid(child, 0)
    return problem


class WorkerHost:
    """One worker from its sign-on to its end. Raises WorkerError."""

    def __init__(
        self,
        pool: str,
        *,
        slots: int,
        devices: Devices,
        gpus_per_slot: int,
        departure: Departure,
    ) -> None:
        self.pool, self.slots = pool, slots
        self.devices, self.gpus_per_slot = devices, gpus_per_slot
        self.names = free_names(pool)
        self._next_name()
        self.site = WorkerSite(settings.SITE_URL, settings.WORKER_TOKEN)
        self.supervisor = Supervisor(say=logger.warning)
        self.housekeeping = Housekeeping(trials_home())
        self.worker = 0
        self.departure = departure
        self.departure.start(time.monotonic())
        self.drains = ""
        # Why to ask the site for no more trials; empty when it knows.
        self.drain_reason = ""
        self.next_beat = 0.0

    def _next_name(self) -> None:
        name = next(self.names, None)
        if name is None:
            raise WorkerError("1000 workers already run under this host's name.")
        self.name = name

    def run(self) -> None:
        self.supervisor.install_signals()
        signal.signal(signal.SIGUSR1, self._on_drain_signal)
        run_as.as_trials_user(lambda: cleanup.clear(trials_home()))
        # Trials start faster; they cannot write there themselves.
        compile_dir(CLIENT_FOLDER, quiet=2)
        self._wait_for_queue()
        self._deliver_ends()
        self._sign_on()
        for slot in range(self.slots):
            if not self.supervisor.stopping:
                self.supervisor.add(self._slot_process(slot))
        self.next_beat = time.monotonic() + BEAT_EVERY
        self.supervisor.run(every=CHECK_EVERY, do=self._check)
        self.name.mark_end()
        self.housekeeping.stop()
        self.supervisor.stop()
        self._leave()

    def _leave(self) -> None:
        with contextlib.suppress(Refused, SiteAway, StaleAttempt):
            self.site.bye(self.worker)

    def _deliver_ends(self) -> None:
        """Deliver the ends that killed runners have left in this folder, whichever
        worker had them: after the sign-on, this one's earlier attempts count as lost.
        """
        home = trials_home()
        if not (found := kept_ends(home)):
            return
        from experiments.runner.launch import start_delivery

        logger.info("delivering %d ends of an earlier worker", len(found))
        url = settings.SITE_URL
        processes = [start_delivery(folder, home=home, url=url) for folder in found]
        while any(process.exitcode is None for process in processes):
            time.sleep(CHECK_EVERY / 10)
            if self.supervisor.stopping:
                for process in processes:
                    process.terminate()
                    process.join()

    def _wait_for_queue(self) -> None:
        """Slots that no job can reach must not count as free."""
        for _ in self._tries():
            if not (problem := queue_problem()):
                return
            logger.info("waiting for the queue of REDIS_URL: %s", problem)

    def _tries(self) -> Iterator[None]:
        """Try at once, then less and less often, until the worker stops."""
        delay = 0.1
        while not self.supervisor.stopping:
            yield
            if self.departure.is_due(time.monotonic(), draining=False):
                raise WorkerError("Its time limit was over before it could start.")
            time.sleep(delay)
            delay = min(2 * delay, 5.0)

    def _sign_on(self) -> None:
        """Wait until the site answers; a refusal ends the worker."""
        for _ in self._tries():
            try:
                answer = self._hello()
            except SiteAway as problem:
                logger.info("waiting for %s: %s", settings.SITE_URL, problem)
                continue
            except (Refused, StaleAttempt) as problem:
                if NAME_TAKEN in str(problem):
                    logger.info("trying another name: %s", problem)
                    self._next_name()
                    continue
                raise WorkerError(
                    f"{settings.SITE_URL} refused this worker: {problem}"
                ) from problem
            self.worker = answer["worker"]
            self._check_pool(answer["pool"])
            self._note_drain(answer)
            facts = (self.name.text, self.slots, self.pool, settings.SITE_URL)
            logger.info("host %s runs %d at a time, pool %s of %s", *facts)
            return

    def _hello(self) -> dict[str, Any]:
        return self.site.hello(
            name=self.name.text,
            host=socket.gethostname()[:100],
            boot_id=self.name.boot_id,
            pid=os.getpid(),
            slots=self.slots,
            gpus=self.devices.as_json(),
            gpus_per_slot=self.gpus_per_slot,
            facts={
                **host_facts(settings.HOME),
                "weakness": weakness(os.environ),
            },
            version=settings.VERSION,
            python=platform.python_version(),
        )

    def _check_pool(self, pool: str) -> None:
        if pool != self.pool:
            self._leave()
            raise WorkerError(
                f"SWEEPSITE_WORKER_TOKEN belongs to pool {pool!r}, but --pool is"
                f" {self.pool!r}. Use --pool {pool} or the other pool's token."
            )

    def _check(self) -> None:
        now = time.monotonic()
        if now >= self.next_beat:
            self.next_beat = now + self.departure.beat_every(BEAT_EVERY)
            self._beat()
        if self.drain_reason:
            self._ask_drain()
        if self.departure.is_due(now, draining=bool(self.drains)):
            logger.info("leaving: %s", self.drains or "the time limit is over")
            self.supervisor.stopping = True
        self.housekeeping.look()

    def _beat(self) -> None:
        """Without an answer the worker continues: trials run without the site."""
        try:
            answer = self.site.beat(self.worker, **disk_facts(settings.HOME))
            self._note(answer)
            if not self.drains and not self.drain_reason:
                self.drain_reason = self.departure.drain_reason(time.monotonic())
        except SiteAway as problem:
            logger.info("no answer to the heartbeat: %s", problem)
        except (Refused, StaleAttempt) as problem:
            logger.warning("the site does not know this worker (%s)", problem)
            with contextlib.suppress(Refused, SiteAway, StaleAttempt):
                self._sign_on_again()

    def _sign_on_again(self) -> None:
        """The slots take the jobs of the worker's id. With another id all of them, and
        this process, must restart."""
        answer = self._hello()
        if answer["worker"] != self.worker:
            logger.warning("the site gave this worker another id; it restarts")
            self.worker = answer["worker"]
            self.supervisor.stopping = True

    # --- draining -----------------------------------------------------------------

    def _on_drain_signal(self, signum: int, frame: FrameType | None) -> None:
        self.drain_reason = BY_SIGNAL

    def _ask_drain(self) -> None:
        """Tried again at the next check while the site is away."""
        with contextlib.suppress(SiteAway):
            try:
                reason = self.drain_reason
                leaves = reason != BY_SIGNAL
                self._note(self.site.drain(self.worker, reason=reason, leaves=leaves))
            except (Refused, StaleAttempt) as problem:
                logger.warning("the site refused to drain this worker: %s", problem)
            self.drain_reason = ""

    def _note(self, answer: Mapping[str, Any]) -> None:
        self._note_drain(answer)
        self.departure.note(answer["busy"], time.monotonic())

    def _note_drain(self, answer: Mapping[str, Any]) -> None:
        """Log when the site begins or ends the drain of this host."""
        drains = str(answer.get("drain_reason") or "") if answer.get("drain") else ""
        if drains and drains != self.drains:
            logger.warning("this host is draining and gets no more trials: %s", drains)
        elif self.drains and not drains:
            logger.warning("this host is no longer draining and gets trials again")
        self.drains = drains

    def _slot_process(self, slot: int) -> Child:
        argv = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        name = self.name.text
        argv += slot_command(slot, pool=self.pool, worker=self.worker, name=name)
        # A training's own grace of five seconds, and time to send what is left.
        return Child(f"slot {slot}", argv, os.environ, stop_seconds=9.0)
