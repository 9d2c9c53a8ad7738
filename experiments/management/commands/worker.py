"""``manage.py worker``: slots that run trials, on any host, without the database."""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments.runner.gpus import DeviceError
from experiments.runner.walls import WallsError, weakness
from experiments.search.document.durations import MAX_SECONDS, seconds_of
from experiments.workers import run_as
from experiments.workers.departure import MIN_TIME_LIMIT, Departure, seconds_of_job
from experiments.workers.host import chosen_devices, slots_of
from experiments.workers.run_as import RunAsError
from experiments.workers.worker import WorkerError, WorkerHost

logger = logging.getLogger(__name__)

# Without a trial for so long, a worker with --burst leaves.
IDLE = "30 s"
NEEDED = ("SWEEPSITE_URL", "SWEEPSITE_WORKER_TOKEN", "REDIS_URL")


class Command(BaseCommand):
    help = "Runs trials of one pool in slots."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--pool", default="default", help="the worker pool's name")
        parser.add_argument(
            "--slots", type=int, help="trials at a time; default 1, or one per GPU"
        )
        parser.add_argument(
            "--gpus",
            default="none",
            help="auto (all that nvidia-smi lists), numbers such as 0,1, or none",
        )
        parser.add_argument(
            "--gpus-per-slot", type=int, default=1, help="GPUs of each slot"
        )
        parser.add_argument(
            "--site",
            action="store_true",
            help="run the site's own jobs instead of trials; needs the site's database"
            " and data folder",
        )
        parser.add_argument(
            "--run-as", metavar="USER", help="the user who runs the trials; needs root"
        )
        parser.add_argument(
            "--burst", action="store_true", help="leave when there is no more work"
        )
        parser.add_argument(
            "--idle",
            metavar="TIME",
            help="with --burst: leave after so long without a trial (30 s)",
        )
        parser.add_argument(
            "--time-limit",
            metavar="TIME",
            help="leave before this time is over, such as 4h; in a job of Slurm it is"
            " the job's own. Trials that still run return to the queue",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["site"]:
            run_site_jobs()
            return
        missing = [name for name in NEEDED if not os.environ.get(name)]
        if missing:
            raise CommandError(
                f"These must be set: {', '.join(missing)}. The token comes from"
                " 'manage.py worker-token create --pool NAME' on the server; REDIS_URL"
                " is the site's own, such as redis://:PASSWORD@SERVER:6379/0."
            )
        try:
            if options["run_as"]:
                run_as.choose(options["run_as"])
            found = weakness(os.environ)
        except (RunAsError, WallsError) as problem:
            raise CommandError(str(problem)) from problem
        if found:
            logger.warning("trials are not fully isolated: %s", found)
        try:
            self._host(options).run()
        except WorkerError as problem:
            raise CommandError(str(problem)) from problem

    def _host(self, options: Mapping[str, Any]) -> WorkerHost:
        slots, per_slot = options["slots"], options["gpus_per_slot"]
        if slots is not None and not 1 <= slots <= 1_000:
            raise CommandError("--slots must be from 1 to 1000, such as 2.")
        if not 1 <= per_slot <= 64:
            raise CommandError("--gpus-per-slot must be from 1 to 64, such as 1.")
        try:
            devices = chosen_devices(options["gpus"], os.environ)
            slots = slots_of(devices.found, slots=slots, per_slot=per_slot)
        except DeviceError as problem:
            raise CommandError(str(problem)) from problem
        if devices.remark:
            self.stdout.write(devices.remark)
            self.stdout.flush()
        return WorkerHost(
            options["pool"],
            slots=slots,
            devices=devices,
            gpus_per_slot=per_slot,
            departure=departure_of(options),
        )


def departure_of(options: Mapping[str, Any]) -> Departure:
    """Raises CommandError for what is no duration, or one that is too short."""
    if options["idle"] is not None and not options["burst"]:
        raise CommandError(
            "--idle says when a worker with --burst leaves. Add --burst."
        )
    text = options["idle"] or IDLE
    idle = _seconds(text, of="--idle") if options["burst"] else None
    limit = seconds_of_job(os.environ, time.time())
    if options["time_limit"] is not None:
        limit = _seconds(options["time_limit"], of="--time-limit")
    if limit is not None and limit < MIN_TIME_LIMIT:
        raise CommandError(
            f"This worker's time limit is over in {max(limit, 0):.0f} s; it needs at"
            f" least {MIN_TIME_LIMIT:.0f} s."
        )
    return Departure(idle, limit)


def _seconds(text: str, *, of: str) -> float:
    seconds = seconds_of(text)
    if seconds is None or seconds > MAX_SECONDS:
        raise CommandError(
            f"{of} must be a duration of up to 3,650 days, such as 90s, 55m or 4h, not"
            f" {text[:80]!r}."
        )
    return seconds


def run_site_jobs() -> None:
    """Run simulations and deletions, one at a time, until SIGTERM."""
    from experiments.queues.workers import site_worker

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    site_worker().work(logging_level="WARNING")
