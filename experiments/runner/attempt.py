"""The whole life of one attempt, from its specification to its last report."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import SubprocessError

from experiments.runner import processes
from experiments.runner.command import resolve, start_problem
from experiments.runner.delivery import Channels, Delivery
from experiments.runner.environment import training_environment
from experiments.runner.errors import Refused, SiteAway, StaleAttempt
from experiments.runner.failpoints import failpoint
from experiments.runner.folder import AttemptFolder
from experiments.runner.heartbeat import Courier, Life
from experiments.runner.limits import LimitError, cgroup_for, limits_from
from experiments.runner.logs import OutputLog
from experiments.runner.outcome import (
    Hearing,
    Outcome,
    Unstarted,
    cut_off_early,
    finish_report,
    released_early,
    worker_problem,
)
from experiments.runner.preparation import Preparation
from experiments.runner.process_tree import Tree
from experiments.runner.processes import writers
from experiments.runner.resume import CACHE, RESUME_FROM, CheckpointError, Resuming
from experiments.runner.retry import Patience
from experiments.runner.signals import Signals
from experiments.runner.site import Site
from experiments.runner.spec import AS_IT_IS, AttemptSpec, Prepared
from experiments.runner.uploads import Porter, Shipments
from experiments.runner.watch import Watch

logger = logging.getLogger(__name__)

DELIVERED = 0
KEPT = 1
# The watch ends with it when the site no longer counts on the attempt.
STALE = "stale"


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What an attempt needs to know of the worker it runs on.

    `give_up_after`: seconds to insist on what the site does not answer; on a delivery
    only while it answers everything else.
    """

    home: Path
    environment: Mapping[str, str]
    parent: int
    give_up_after: float


class Attempt:
    """One attempt at a trial on this worker."""

    def __init__(self, spec: AttemptSpec, *, worker: Worker, signals: Signals) -> None:
        self._spec = spec
        self._worker = worker
        self._signals = signals
        self._folder = AttemptFolder.of(worker.home, spec.attempt)
        self._opened: Channels | None = None
        self._hearing = Hearing()
        self._group = cgroup_for(
            spec.attempt,
            memory=spec.limits.memory_bytes,
            worker=worker.environment,
        )

    def run(self) -> int:
        """Run it to its end. Returns DELIVERED, or KEPT when its folder had to stay."""
        try:
            self._run()
        except StaleAttempt as news:
            logger.info("attempt %s is over for the site: %s", self._spec.attempt, news)
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
            log = OutputLog(self._folder.log, limit=self._spec.log_limit_bytes)
        except OSError as problem:
            self._report_bare(worker_problem(f"no folder for the attempt: {problem}"))
            return
        try:
            prepared = self._resume(self._prepare(log), log)
            self._make_sure()
            tree = self._start(prepared)
        except Unstarted as problem:
            self._deliver(problem.outcome, log, self._shipments())
        else:
            self._accompany(tree, log)

    def _prepare(self, log: OutputLog) -> Prepared:
        """Code, interpreter and packages; nothing to do is the quick case."""
        spec = self._spec
        if spec.code is None and not spec.python and spec.requirements is None:
            return AS_IT_IS
        return Preparation(
            spec,
            folder=self._folder,
            channels=self._channels(),
            log=log,
            home=self._worker.home,
            worker=self._worker.environment,
            signals=self._signals,
            patience=self._patience(),
        ).prepare()

    def _resume(self, prepared: Prepared, log: OutputLog) -> Prepared:
        """Bring the outputs of an earlier attempt, if there is one."""
        checkpoint = self._spec.resume_from
        if checkpoint is None:
            return prepared
        earlier = f"the outputs of attempt {checkpoint.attempt}"
        channels, spec = self._channels(), self._spec
        try:
            Resuming(
                checkpoint,
                folder=self._folder.resume,
                cache=self._worker.home.absolute() / CACHE,
                limit=spec.outputs_limit_bytes,
                site=channels.site,
                life=self._life(),
                patience=self._patience(),
            ).fetch()
        except CheckpointError as problem:
            log.note(
                f"starts from the beginning: {earlier} are not to be had: {problem}"
            )
            return prepared
        except OSError as problem:
            raise worker_problem(f"no room for {earlier}: {problem}") from problem
        log.note(f"finds {earlier} in {RESUME_FROM}")
        given = {**prepared.environment, RESUME_FROM: str(self._folder.resume)}
        return replace(prepared, environment=given)

    def _make_sure(self) -> None:
        """Begin no training beside the one that the site may have given to another
        worker during a long preparation. Asks nothing after a quick one."""
        spec, hearing = self._spec, self._hearing
        if hearing.answered_lately(spec):
            return
        self._life().beat_now()
        if spec.lease_seconds and time.monotonic() >= hearing.cut_off_at(spec):
            raise cut_off_early(spec.lease_seconds)

    def _start(self, prepared: Prepared) -> Tree:
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
            return Tree(
                argv,
                environment=training_environment(
                    spec,
                    folder=self._folder,
                    worker=worker.environment,
                    prepared=prepared,
                ),
                work=self._folder.work,
                limits=limits_from(worker.environment, spec.limits),
                group=self._group,
            )
        except LimitError as problem:
            raise worker_problem(str(problem)) from problem
        except (OSError, ValueError, SubprocessError) as problem:
            raise start_problem(problem, argv, self._folder.work) from problem

    def _accompany(self, tree: Tree, log: OutputLog) -> None:
        """Watch the training and deliver it; whatever happens, nothing stays alive."""
        try:
            logger.info("attempt %s: process %d", self._spec.attempt, tree.pid)
            failpoint("start.training")
            shipments = self._shipments()
            porter = self._porter(shipments)
            courier = self._courier(tree, self._channels())
            courier.start()
            porter.start()
            outcome = self._watch(tree, log, courier)
        finally:
            tree.kill()
        porter.finish(hurried=lambda: self._is_hurried(outcome))
        if outcome.cause == STALE:
            raise StaleAttempt(outcome.message)
        failpoint("finish.ended")
        courier.only_beat()
        self._deliver(outcome, log, shipments)
        courier.finish()

    def _is_hurried(self, outcome: Outcome) -> bool:
        return outcome.cause in ("released", STALE) or self._signals.terminations > 0

    def _watch(self, tree: Tree, log: OutputLog, courier: Courier) -> Outcome:
        return Watch(
            tree,
            spec=self._spec,
            folder=self._folder,
            log=log,
            signals=self._signals,
            courier=courier,
            hearing=self._hearing,
            parent=self._worker.parent,
            group=self._group,
        ).until_end()

    def _life(self) -> Life:
        beat_seconds = self._spec.heartbeat_seconds
        return Life(self._channels(), signals=self._signals, beat_seconds=beat_seconds)

    def _courier(self, tree: Tree, channels: Channels) -> Courier:
        return Courier(
            channels,
            tree=tree,
            folder=self._folder,
            beat_seconds=self._spec.heartbeat_seconds,
            wake=self._signals.wake,
        )

    def _shipments(self) -> Shipments:
        return Shipments(
            self._channels().site,
            folder=self._folder,
            limit=self._spec.outputs_limit_bytes,
            written_now=lambda: writers(processes.descendants(os.getpid())),
        )

    def _porter(self, shipments: Shipments) -> Porter:
        return Porter(shipments, beat_seconds=self._spec.heartbeat_seconds)

    def _deliver(self, outcome: Outcome, log: OutputLog, shipments: Shipments) -> None:
        Delivery(
            self._channels(),
            shipments=shipments,
            spec=self._spec,
            folder=self._folder,
            log=log,
            patience=self._patience_to_deliver(outcome),
        ).everything(outcome)

    def _report_bare(self, problem: Unstarted) -> None:
        report = finish_report(problem.outcome)
        site = self._site()
        self._patience().insist(lambda: site.finish(dict(report)))

    def _channels(self) -> Channels:
        """The same ones all along: they know what has been sent already."""
        if self._opened is None:
            self._opened = Channels.open(self._site(), self._folder, self._hearing)
        return self._opened

    def _site(self) -> Site:
        spec = self._spec
        return Site(spec.url, attempt=spec.attempt, token=spec.runner_token)

    def _patience(self) -> Patience:
        return Patience(self._signals, seconds=self._worker.give_up_after)

    def _patience_to_deliver(self, outcome: Outcome) -> Patience:
        return Patience(
            self._signals,
            seconds=self._worker.give_up_after,
            hurried=outcome.cause == "released",
            answers=lambda: self._hearing.answered_lately(self._spec),
        )
