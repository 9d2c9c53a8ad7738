"""One slot of a worker: a process that waits for jobs and runs one trial at a time.

It is forked for every trial, so it loads only settings, the queue and HTTP, neither
models nor the search. Only a worker starts it, as ``manage.py slot``.
"""

from __future__ import annotations

import argparse
import gc
import logging.config
import os
import signal
from collections.abc import Sequence
from functools import partial

from django.conf import settings

from experiments.queues import workers
from experiments.runner import cleanup
from experiments.runner.walls import DATA_FOLDER
from experiments.workers.jobs import report_stuck
from experiments.workers.run_as import as_trials_user, trials_home
from experiments.workers.site import WorkerSite


def main(arguments: Sequence[str]) -> None:
    """Run the slot that the arguments after ``slot`` describe, until SIGTERM."""
    logging.config.dictConfig(settings.LOGGING)
    parser = argparse.ArgumentParser(prog="manage.py slot", description=__doc__)
    parser.add_argument("--only-slot", type=int, required=True)
    parser.add_argument("--pool", required=True)
    parser.add_argument("--worker-id", type=int, required=True)
    parser.add_argument("--worker-name", required=True)
    chosen = parser.parse_args(arguments)
    run_slot(
        chosen.only_slot,
        pool=chosen.pool,
        worker=chosen.worker_id,
        name=chosen.worker_name,
    )


def run_slot(slot: int, *, pool: str, worker: int, name: str) -> None:
    """Remove what an earlier process of this slot left, then wait for jobs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["SWEEPSITE_WORKER_ID"] = str(worker)
    os.environ["SWEEPSITE_SLOT_NUMBER"] = str(slot)
    os.environ["SWEEPSITE_SLOT"] = f"{name}-{slot}"
    # Trials must not read it, wherever it is.
    os.environ[DATA_FOLDER] = str(settings.HOME)
    home = trials_home()
    site = WorkerSite(settings.SITE_URL, settings.WORKER_TOKEN)
    try:
        cleanup.kill_slot(f"{name}-{slot}", home=home)
    except TimeoutError as problem:
        report_stuck(site, worker, slot, problem)
        raise
    for attempt in site.slot_idle(worker, slot):
        as_trials_user(partial(cleanup.remove_attempt, attempt, home=home))
    unique = f"{name}-{slot}-{os.getpid()}"
    slot_worker = workers.slot_worker(pool, name=unique, worker=worker)
    # A garbage collection in the forked process would copy all of this one's memory.
    gc.collect()
    gc.freeze()
    slot_worker.work(logging_level="WARNING")
