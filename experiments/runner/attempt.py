"""The whole life of one attempt, from its specification to its last report.

The training process is started before the modules that talk HTTP are imported, inside
the methods that need them: they take longer to load than everything else.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import SubprocessError
from typing import TYPE_CHECKING

from experiments.runner.answers import Refused, SiteAway, StaleAttempt
from experiments.runner.command import resolve, start_problem
from experiments.runner.environment import training_environment
from experiments.runner.failpoints import failpoint
from experiments.runner.folder import AttemptFolder
from experiments.runner.limits import LimitError, limits_from
from experiments.runner.logs import OutputLog
from experiments.runner.patience import Patience
from experiments.runner.prepared import AS_IT_IS, Prepared
from experiments.runner.report import Outcome
from experiments.runner.signals import Signals
from experiments.runner.spec import AttemptSpec
from experiments.runner.tree import Tree
from experiments.runner.unstarted import Unstarted, released_early, worker_problem

if TYPE_CHECKING:
    from experiments.runner.courier import Courier
    from experiments.runner.delivery import Channels
    from experiments.runner.site import Site

logger = logging.getLogger(__name__)

DELIVERED = 0
KEPT = 1
# The watch ends with it when the site no longer counts on the attempt.
STALE = "stale"


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What an attempt needs to know of the worker it runs on.

    `give_up_after`: seconds to insist on a delivery while the site is away.
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
            tree = self._start(self._prepare(log))
        except Unstarted as problem:
            self._deliver(problem.outcome, self._channels(), log)
        else:
            self._accompany(tree, log)

    def _prepare(self, log: OutputLog) -> Prepared:
        """Code, interpreter and packages; nothing to do is the quick case."""
        spec = self._spec
        if spec.code is None and not spec.python and spec.requirements is None:
            return AS_IT_IS
        from experiments.runner.preparation import Preparation

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
                limits=limits_from(worker.environment),
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
            channels = self._channels()
            courier = self._courier(tree, channels)
            outcome = self._watch(tree, log, courier)
        finally:
            tree.kill()
        if outcome.cause == STALE:
            raise StaleAttempt(outcome.message)
        failpoint("finish.ended")
        courier.only_beat()
        self._deliver(outcome, channels, log)
        courier.finish()

    def _watch(self, tree: Tree, log: OutputLog, courier: Courier) -> Outcome:
        from experiments.runner.watch import Watch

        courier.start()
        return Watch(
            tree,
            spec=self._spec,
            folder=self._folder,
            log=log,
            signals=self._signals,
            courier=courier,
            parent=self._worker.parent,
        ).until_end()

    def _courier(self, tree: Tree, channels: Channels) -> Courier:
        from experiments.runner.courier import Courier

        return Courier(
            channels,
            tree=tree,
            beat_seconds=self._spec.heartbeat_seconds,
            wake=self._signals.wake,
        )

    def _deliver(self, outcome: Outcome, channels: Channels, log: OutputLog) -> None:
        from experiments.runner.delivery import Delivery

        Delivery(
            channels,
            spec=self._spec,
            folder=self._folder,
            log=log,
            patience=self._patience(hurried=outcome.cause == "released"),
        ).everything(outcome)

    def _report_bare(self, problem: Unstarted) -> None:
        from experiments.runner.report import finish_report

        report = finish_report(problem.outcome, log_dropped=0, remarks=[])
        site = self._site()
        self._patience().insist(lambda: site.finish(dict(report)))

    def _channels(self) -> Channels:
        """The same ones all along: they know what has been sent already."""
        from experiments.runner.delivery import Channels

        if self._opened is None:
            self._opened = Channels.open(self._site(), self._folder)
        return self._opened

    def _site(self) -> Site:
        from experiments.runner.site import Site

        spec = self._spec
        return Site(spec.url, attempt=spec.attempt, token=spec.runner_token)

    def _patience(self, *, hurried: bool = False) -> Patience:
        return Patience(
            self._signals, seconds=self._worker.give_up_after, hurried=hurried
        )
