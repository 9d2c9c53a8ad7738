"""After training: sends everything to the site, the finish report last."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from experiments.runner.collectors.collecting import Collectors
from experiments.runner.failpoints import failpoint
from experiments.runner.folder import AttemptFolder, size_in_words
from experiments.runner.log_marks import Stream
from experiments.runner.logs import OutputLog
from experiments.runner.outcome import AttemptOutcome, Lease, finish_report
from experiments.runner.outputs import (
    Collection,
    OutputFile,
    collect,
    is_partial,
    upload,
)
from experiments.runner.retry import Retry
from experiments.runner.signals import Signals
from experiments.runner.site import Site
from experiments.runner.spec import AttemptSpec
from experiments.runner.spool import SpoolSender
from experiments.runner.uploads import LogUpload, OutputUploads

if TYPE_CHECKING:
    from experiments.runner.monitor import Monitor

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AttemptContext:
    """What the steps of one attempt share, from its start to its end."""

    spec: AttemptSpec
    folder: AttemptFolder
    site: Site
    signals: Signals
    lease: Lease
    log: OutputLog
    log_upload: LogUpload
    spool: SpoolSender
    collected: SpoolSender
    collectors: Collectors

    def take_output(self, data: bytes, stream: Stream = Stream.OUT) -> None:
        """What the training process has printed."""
        self.log.feed(data, stream)
        self.collectors.feed(data, stream)


class Delivery:
    """Sends what one attempt has left on disk."""

    def __init__(
        self,
        context: AttemptContext,
        *,
        retry: Retry,
        uploads: OutputUploads,
        monitor: Monitor | None = None,
    ) -> None:
        self._monitor = monitor
        self._uploads = uploads
        self._partial: list[str] = []
        self._context = context
        self._retry = retry

    def everything(self, outcome: AttemptOutcome) -> None:
        """Send points, log, outputs and the end, in this order.

        Raises SiteAway when the time for retries is over, StaleAttempt, and Refused
        when the site does not accept the finish report.
        """
        collection = collect(
            self._context.folder.outputs, limit=self._context.spec.outputs_limit_bytes
        )
        self._close_log(outcome, collection)
        self._send_all(self._context.spool.send_next)
        self._send_all(self._context.collected.send_next)
        for sentence in (*self._refused_points(), *self._lost_points()):
            self._context.log.note(sentence)
        if self._monitor:
            self._send_all(self._monitor.send_next)
        failpoint("finish.points")
        self._send_all(self._context.log_upload.send_next)
        refused = self._upload_all(collection, outcome)
        report = finish_report(
            outcome,
            log_dropped=self._context.log.dropped,
            not_kept=collection.in_words(refused),
            lost=[*self._lost_points(), *self._lost_output()],
            remark=self._partial_files_text(),
        )
        failpoint("finish.delivered")
        body = dict(report)
        if self._monitor and self._monitor.environment:
            body["environment"] = self._monitor.environment
        state = self._retry.call(lambda: self._context.site.finish(body))
        failpoint("finish.answered")
        logger.info(
            "attempt %s: %s (%s), trial is %s",
            *(self._context.spec.attempt, outcome.cause, report["message"], state),
        )

    def _close_log(self, outcome: AttemptOutcome, collection: Collection) -> None:
        self._context.log.close()
        not_kept = collection.in_words([])
        for sentence in (_last_word(outcome), not_kept and f"not kept: {not_kept}"):
            if sentence:
                self._context.log.note(sentence)

    def _send_all(self, send_next: Callable[[], bool]) -> None:
        while self._retry.call(send_next):
            pass

    def _upload_all(self, collection: Collection, outcome: AttemptOutcome) -> list[str]:
        """Returns a sentence for each file that could not be stored."""
        if not outcome.was_killed:
            for name in self._uploads.gone(collection.files):
                self._retry.call(partial(self._uploads.forget, name))
        sentences = (self._upload(file, outcome) for file in collection.files)
        return list(filter(None, sentences))

    def _upload(self, file: OutputFile, outcome: AttemptOutcome) -> str:
        uploads = self._uploads
        if uploads.is_there(file):
            return ""
        if self._retry.over:
            return f"{file.name} (the worker was shutting down)"
        partly = is_partial(
            file,
            outcome,
            growing=uploads.growing,
            comes_whole=uploads.comes_whole(file),
        )
        if partly and uploads.has(file.name):
            return (
                f"{file.name} as it was during its last write (its copy from before is)"
            )
        if partly:
            self._partial.append(file.name)
        try:
            return self._retry.call(
                lambda: upload(file, self._context.site, whole=not partly)
            )
        except OSError as problem:
            return f"{file.name} ({problem})"

    def _partial_files_text(self) -> str:
        if not self._partial:
            return ""
        more = len(self._partial) - 1
        names = self._partial[0] + (f" and {more} more" if more else "")
        was = "were" if more else "was"
        return f"{names} {was} being written at the end, so no later attempt resumes it"

    def _refused_points(self) -> Iterator[str]:
        refused = self._context.spool.refused | self._context.collected.refused
        for name, reason in refused.items():
            yield f"points of {name!r} were refused: {reason}"

    def _lost_points(self) -> Iterator[str]:
        if count := self._context.folder.lost_points() + self._context.collectors.lost:
            yield (
                f"{count:,} metric points are lost: they could be neither sent nor"
                " kept on the worker's disk, which was full, or too many waited"
            )
        if count := self._context.spool.dropped + self._context.collected.dropped:
            yield f"{count:,} metric points that waited on the worker were unusable"

    def _lost_output(self) -> Iterator[str]:
        for what in (self._context.log, self._context.log_upload):
            if what.lost:
                where = "worker's disk" if what is self._context.log else "site"
                yield (
                    f"{size_in_words(what.lost)} of output are lost: the {where} did"
                    f" not take them ({what.problem})"
                )


def _last_word(outcome: AttemptOutcome) -> str:
    """Why the log ends here, for its reader; "" after a normal end."""
    if outcome.cause == "exited" and outcome.exit.code == 0:
        return ""
    return outcome.message
