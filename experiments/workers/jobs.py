"""RQ's entry point on a worker: claim one attempt and let a runner process have it.

This runs in the work-horse that RQ forks. It speaks HTTP only and never the database.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from types import FrameType

from django.conf import settings

from experiments.runner import cleanup
from experiments.runner.failpoints import failpoint
from experiments.runner.launch import start_runner
from experiments.workers.site import Refused, SiteAway, StaleAttempt, WorkerSite

logger = logging.getLogger(__name__)

# Seconds between tries to say that an attempt was not received.
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)


def run_attempt(attempt_id: int) -> None:
    """Claim the attempt; if it is to be had, start its runner and wait for its end.

    A job that comes twice or too late is refused by the site, and nothing happens. If
    the site is away, the job fails, and the scheduler rings for the attempt again.
    """
    failpoint("claim.popped")
    site = WorkerSite(settings.SITE_URL, settings.WORKER_TOKEN)
    worker = int(os.environ["SWEEPSITE_WORKER_ID"])
    slot = int(os.environ["SWEEPSITE_SLOT_NUMBER"])
    try:
        spec = site.claim(attempt_id, worker=worker, slot=slot)
    except StaleAttempt as refusal:
        logger.debug("attempt %s: %s", attempt_id, refusal)
        return
    except SiteAway:
        # It may have given us the attempt, and only its answer was lost.
        _insist_on_idle(site, worker=worker, slot=slot)
        raise
    failpoint("claim.received")
    home = settings.HOME / "worker"
    runner = start_runner(spec, home=home, slot=os.environ["SWEEPSITE_SLOT"])

    failpoint("start.runner")
    stopping = False

    def pass_on(signum: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        if runner.exitcode is None:
            runner.terminate()
        else:
            _leave()

    signal.signal(signal.SIGTERM, pass_on)
    runner.join()
    failpoint("finish.runner")
    if stopping:
        _leave()
    if runner.exitcode != 0:
        ended = runner.exitcode
        logger.warning("attempt %s: its runner ended with %s", attempt_id, ended)
        # It could not end the training's own children. Some that cannot be killed
        # keep the slot from being idle, and the lease decides.
        try:
            cleanup.kill_attempts([attempt_id], home=home)
        except TimeoutError as problem:
            tell_stuck(site, worker, slot, problem)
            raise
        _tell_idle(site, worker=worker, slot=slot)


def _tell_idle(site: WorkerSite, *, worker: int, slot: int) -> None:
    """The attempt is lost if the site has not heard its end, also when the runner
    had to keep something in its folder. Without an answer the lease decides."""
    try:
        site.slot_idle(worker, slot)
    except (Refused, SiteAway, StaleAttempt) as problem:
        logger.info("the site did not hear that slot %s is idle: %s", slot, problem)


def tell_stuck(site: WorkerSite, worker: int, slot: int, problem: Exception) -> None:
    """Have the host drained, on which something of a trial cannot be ended."""
    logger.error("slot %s: %s; this host gets no more trials", slot, problem)
    try:
        site.slot_stuck(worker, slot, message=str(problem))
    except (Refused, SiteAway, StaleAttempt) as silence:
        logger.info("the site did not hear that slot %s is stuck: %s", slot, silence)


def _insist_on_idle(site: WorkerSite, *, worker: int, slot: int) -> None:
    """Say so once the site is back, if that is soon; else the lease decides."""
    for pause in PAUSES:
        time.sleep(pause)
        with contextlib.suppress(SiteAway):
            site.slot_idle(worker, slot)
            return


def _leave() -> None:
    """The worker goes down. Nobody needs what RQ would note about this job, and noting
    it could take minutes when the queue is gone."""
    os._exit(0)
