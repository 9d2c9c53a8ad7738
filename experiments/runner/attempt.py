"""The whole life of one attempt, from its specification to its last report."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from subprocess import SubprocessError

from experiments.runner import ends, processes
from experiments.runner.collectors.collecting import Collectors
from experiments.runner.command import resolve, start_problem
from experiments.runner.delivery import AttemptContext, Delivery
from experiments.runner.ends import KeptEnd
from experiments.runner.environment import training_environment
from experiments.runner.errors import Refused, SiteAway, StaleAttempt
from experiments.runner.failpoints import failpoint
from experiments.runner.folder import AttemptFolder
from experiments.runner.heartbeat import (
    EndedTree,
    HeartbeatThread,
    PreparationHeartbeat,
)
from experiments.runner.limits import LimitError, cgroup_for, limits_from
from experiments.runner.logs import OutputLog
from experiments.runner.monitor import Monitor
from experiments.runner.outcome import (
    AttemptOutcome,
    Lease,
    NotStarted,
    cut_off_early,
    finish_report,
    released_early,
    worker_problem,
)
from experiments.runner.preparation import Preparation
from experiments.runner.process_tree import ProcessTree
from experiments.runner.processes import writers
from experiments.runner.resume import (
    CACHE,
    RESUME_FROM,
    CheckpointDownload,
    CheckpointError,
)
from experiments.runner.retry import Retry
from experiments.runner.signals import Signals
from experiments.runner.site import Site
from experiments.runner.spec import NOTHING_PREPARED, AttemptSpec, Prepared
from experiments.runner.spool import SpoolSender, SpoolWriter
from experiments.runner.uploads import LogUpload, OutputUploads, UploadThread
from experiments.runner.walls import Walls, WallsError, walls_for
from experiments.runner.watch import LAST_LINES, Watch

logger = logging.getLogger(__name__)

DELIVERED = 0
KEPT = 1
# The cause of an end that the site no longer wants to know about.
STALE = "stale"


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """What an attempt needs to know about its worker.
    `give_up_after`: how long to retry, in seconds, while the site does not answer; a
    delivery counts them only while the site answers other calls.
    """

    home: Path
    environment: Mapping[str, str]
    parent: int
    give_up_after: float


class AttemptRun:
    """One attempt at a trial on this worker."""

    def __init__(
        self, spec: AttemptSpec, *, worker: WorkerContext, signals: Signals
    ) -> None:
        self._spec = spec
        self._worker = worker
        self._signals = signals
        self._folder = AttemptFolder.of(worker.home, spec.attempt)
        self._lease = Lease()
        self._group = cgroup_for(
            spec.attempt,
            memory=spec.limits.memory_bytes,
            worker=worker.environment,
        )

    def run(self) -> int:
        """Run it. Returns DELIVERED, or KEPT if its folder had to stay."""
        return self._finished(self._run)

    def deliver(self, end: KeptEnd) -> int:
        """Deliver the end that an earlier process has left; returns as `run`."""
        return self._finished(lambda: self._deliver_kept(end))

    def _finished(self, work: Callable[[], None]) -> int:
        try:
            work()
        except StaleAttempt as problem:
            logger.info(
                "attempt %s is over for the site: %s", self._spec.attempt, problem
            )
        except (SiteAway, Refused) as problem:
            logger.error(
                "attempt %s could not be delivered (%s); it is kept in %s",
                *(self._spec.attempt, problem, self._folder.root),
            )
            return KEPT
        finally:
            if self._group is not None:
                self._group.remove()
        self._folder.discard()
        return DELIVERED

    def _run(self) -> None:
        try:
            self._folder.create()
            self._log = OutputLog(self._folder.log, limit=self._spec.log_limit_bytes)
        except OSError as problem:
            failure = worker_problem("no folder for the attempt", problem)
            report = finish_report(failure.outcome)
            self._retry().call(lambda: self._site.finish(dict(report)))
            return
        try:
            prepared = self._resume(self._prepare())
            self._confirm_lease()
            tree = self._start(prepared)
        except NotStarted as problem:
            released = problem.outcome.cause == "released"
            self._deliver(problem.outcome, hurried=released)
        else:
            self._train(tree, prepared)

    def _prepare(self) -> Prepared:
        """Get code, interpreter and packages, if the trial needs any."""
        spec = self._spec
        if spec.code is None and not spec.python and spec.requirements is None:
            return NOTHING_PREPARED
        return Preparation(
            self._context,
            home=self._worker.home,
            worker=self._worker.environment,
            retry=self._retry(),
            walls=self._walls,
        ).prepare()

    def _resume(self, prepared: Prepared) -> Prepared:
        """Fetch the outputs of an earlier attempt, if there is one."""
        checkpoint = self._spec.resume_from
        if checkpoint is None:
            return prepared
        earlier = f"the outputs of attempt {checkpoint.attempt}"
        try:
            CheckpointDownload(
                self._context,
                checkpoint,
                cache=self._worker.home.absolute() / CACHE,
                retry=self._retry(),
            ).fetch()
        except CheckpointError as problem:
            self._log.note(
                f"starts from the beginning: {earlier} are not available: {problem}"
            )
            return prepared
        except OSError as problem:
            raise worker_problem(f"no room for {earlier}", problem) from problem
        self._log.note(f"{earlier} are in {RESUME_FROM}")
        given = {**prepared.environment, RESUME_FROM: str(self._folder.resume)}
        return replace(prepared, environment=given)

    def _confirm_lease(self) -> None:
        """After a long preparation, ask the site whether the attempt still counts: it
        may have started another one meanwhile."""
        spec, lease = self._spec, self._lease
        if lease.answered_lately(spec):
            return
        PreparationHeartbeat(self._context).beat_now()
        if spec.lease_seconds and time.monotonic() >= lease.cut_off_at(spec):
            raise cut_off_early(spec.lease_seconds)

    def _start(self, prepared: Prepared) -> ProcessTree:
        spec, worker = self._spec, self._worker
        if self._signals.terminations:
            raise released_early()
        argv = resolve(
            spec.argv,
            chosen=spec.environment,
            worker=worker.environment,
            python=prepared.python,
        )
        try:
            self._folder.outputs.mkdir(exist_ok=True)
            return ProcessTree(
                argv,
                environment=training_environment(
                    spec,
                    folder=self._folder,
                    worker=worker.environment,
                    prepared=prepared,
                    confined=self._walls.environment() if self._walls else {},
                ),
                work=self._folder.work,
                limits=limits_from(worker.environment, spec.limits),
                group=self._group,
                confined=self._walls,
                splits_output=True,
            )
        except LimitError as problem:
            raise worker_problem("", problem) from problem
        except (OSError, ValueError, SubprocessError) as problem:
            raise start_problem(problem, argv, self._folder.work) from problem

    def _train(self, tree: ProcessTree, prepared: Prepared) -> None:
        """Watch the training and deliver its results; no process of it stays alive."""
        beat_seconds = self._spec.heartbeat_seconds
        try:
            logger.info("attempt %s: process %d", self._spec.attempt, tree.pid)
            failpoint("start.training")
            upload_thread = UploadThread(self._uploads, beat_seconds=beat_seconds)
            monitor = Monitor(self._context, tree=tree, facts=prepared.facts)
            heartbeat = HeartbeatThread(self._context, tree=tree, monitor=monitor)
            for thread in (heartbeat, upload_thread, monitor):
                thread.start()
            outcome = self._watch(tree, heartbeat)
        finally:
            tree.kill()
        if outcome.cause != STALE:
            at_site = self._uploads.at_site()
            outcome = replace(outcome, printed=self._collect_rest(outcome))
            end = KeptEnd(self._spec, outcome, at_site, self._log.dropped)
            ends.keep(end, self._folder)
            outcome = self._explained(outcome)
        upload_thread.finish(hurried=lambda: self._is_hurried(outcome))
        monitor.finish()
        if outcome.cause == STALE:
            raise StaleAttempt(outcome.message)
        failpoint("finish.ended")
        heartbeat.only_beat()
        hurried = outcome.cause == "released"
        self._deliver(outcome, hurried=hurried, monitor=monitor)
        heartbeat.finish()

    def _collect_rest(self, outcome: AttemptOutcome) -> tuple[str, ...]:
        """Collect what is left. Returns metrics that the script has printed, if it
        ended well and without the primary one."""
        self._context.collectors.finish()
        settings = self._spec.collectors
        if outcome.exit.code or outcome.cause != "exited" or settings is None:
            return ()
        if not settings.is_on or settings.primary in self._context.collectors.names:
            return ()
        # Most trials do without it.
        from experiments.runner.collectors.printed import printed_metrics

        return printed_metrics(self._folder.log, settings.primary)

    def _deliver_kept(self, end: KeptEnd) -> None:
        self._log = OutputLog(self._folder.log, limit=self._spec.log_limit_bytes)
        self._log.dropped = end.log_dropped
        self._log.note("the worker was started again; it delivers what was left")
        self._uploads.restore(end.at_site)
        tree = EndedTree(end.outcome.elapsed)
        heartbeat = HeartbeatThread(self._context, tree=tree)
        heartbeat.only_beat()
        heartbeat.start()
        self._deliver(end.outcome, hurried=False)
        heartbeat.finish()

    def _explained(self, outcome: AttemptOutcome) -> AttemptOutcome:
        """Say so if the walls may have caused the failure."""
        if self._walls is None or outcome.cause != "exited" or not outcome.exit.code:
            return outcome
        lines = self._log.last_lines(LAST_LINES)
        refusal = self._walls.refusal(lines, work=self._folder.work)
        if not refusal:
            return outcome
        return replace(outcome, message=f"{outcome.message}; {refusal}")

    def _is_hurried(self, outcome: AttemptOutcome) -> bool:
        return outcome.cause in ("released", STALE) or self._signals.terminations > 0

    def _watch(self, tree: ProcessTree, heartbeat: HeartbeatThread) -> AttemptOutcome:
        return Watch(
            self._context,
            tree,
            heartbeat=heartbeat,
            parent=self._worker.parent,
            group=self._group,
        ).until_end()

    def _deliver(
        self,
        outcome: AttemptOutcome,
        *,
        hurried: bool = False,
        monitor: Monitor | None = None,
    ) -> None:
        retry = self._retry(
            hurried=hurried,
            answers=lambda: self._lease.answered_lately(self._spec),
        )
        delivery = Delivery(
            self._context, uploads=self._uploads, retry=retry, monitor=monitor
        )
        delivery.everything(outcome)

    def _retry(
        self, *, hurried: bool = False, answers: Callable[[], bool] = lambda: True
    ) -> Retry:
        seconds = self._worker.give_up_after
        return Retry(self._signals, seconds=seconds, hurried=hurried, answers=answers)

    @cached_property
    def _walls(self) -> Walls | None:
        """Raises NotStarted."""
        try:
            return walls_for(
                self._worker.environment,
                home=self._worker.home,
                folder=self._folder,
                shared=self._spec.folders,
                gpus=bool(self._spec.gpus),
            )
        except WallsError as problem:
            raise worker_problem("", problem) from problem

    @cached_property
    def _site(self) -> Site:
        spec = self._spec
        return Site(spec.url, attempt=spec.attempt, token=spec.runner_token)

    @cached_property
    def _context(self) -> AttemptContext:
        """Made once, after the log file: it knows what has been sent already."""
        collected = SpoolSender(self._folder.collected, self._site, collected=True)
        return AttemptContext(
            spec=self._spec,
            folder=self._folder,
            site=self._site,
            signals=self._signals,
            lease=self._lease,
            log=self._log,
            log_upload=LogUpload(self._folder.log, self._site),
            spool=SpoolSender(self._folder.spool, self._site),
            collected=collected,
            collectors=Collectors(
                self._spec.collectors,
                work=self._folder.work,
                spool=SpoolWriter(self._folder.collected),
                reported=collected.reported,
                note=self._log.note,
            ),
        )

    @cached_property
    def _uploads(self) -> OutputUploads:
        return OutputUploads(
            self._site,
            folder=self._folder,
            limit=self._spec.outputs_limit_bytes,
            written_now=lambda: writers(processes.descendants(os.getpid())),
        )
