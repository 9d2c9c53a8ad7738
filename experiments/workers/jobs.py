"""RQ's entry point on a worker: claims one attempt and starts its runner.

It runs in the process that RQ forks for each job. It uses HTTP, never the database.
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
from experiments.runner.errors import Refused, SiteAway, StaleAttempt
from experiments.runner.failpoints import failpoint
from experiments.runner.launch import start_runner
from experiments.workers.run_as import trials_home
from experiments.workers.site import WorkerSite

logger = logging.getLogger(__name__)

# Seconds between tries to report that the slot is idle.
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)


def run_attempt(attempt_id: int) -> None:
    """Claim the attempt; if the site grants it, run it to its end.

    The site refuses a job that comes twice or too late, and nothing happens. If the
    site is away, the job fails, and the scheduler queues another one for the attempt.
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
        # The site may have granted the attempt, and only its answer was lost.
        _retry_idle(site, worker=worker, slot=slot)
        raise
    failpoint("claim.received")
    home = trials_home()
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
        # It could not end the training's processes. If some cannot be killed, the slot
        # is not idle, and the attempt is lost at the end of its lease.
        try:
            cleanup.kill_attempts([attempt_id], home=home)
        except TimeoutError as problem:
            report_stuck(site, worker, slot, problem)
            raise
        _report_idle(site, worker=worker, slot=slot)


def _report_idle(site: WorkerSite, *, worker: int, slot: int) -> None:
    """The attempt is lost if the site does not know its end yet, also when the runner
    had to keep something in its folder. Without an answer the lease decides."""
    try:
        site.slot_idle(worker, slot)
    except (Refused, SiteAway, StaleAttempt) as problem:
        logger.info("could not report that slot %s is idle: %s", slot, problem)


def report_stuck(site: WorkerSite, worker: int, slot: int, problem: Exception) -> None:
    """Drain the host: processes of a trial cannot be killed there."""
    logger.error("slot %s: %s; this host gets no more trials", slot, problem)
    try:
        site.slot_stuck(worker, slot, message=str(problem))
    except (Refused, SiteAway, StaleAttempt) as silence:
        logger.info("could not report that slot %s is stuck: %s", slot, silence)


def _retry_idle(site: WorkerSite, *, worker: int, slot: int) -> None:
    """Report an idle slot if the site is back soon; else the lease decides."""
    for pause in PAUSES:
        time.sleep(pause)
        with contextlib.suppress(SiteAway):
            site.slot_idle(worker, slot)
            return


def _leave() -> None:
    """End at once. The worker shuts down, and what RQ would note about this job is not
    needed; without the queue it would take minutes."""
    os._exit(0)
