"""One transaction that stores the points of a group of requests, and judges them.

In the order of lifecycle/: attempts are locked first, then versions of reports, then
trials. The state of each series and trial is carried from one request to the next, so
the group stores what its requests would have stored one after another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction

from experiments import lifecycle
from experiments.models import Attempt
from experiments.models.missing import MissingData, RefusedPoint, by_name
from experiments.runner.failpoints import failpoint
from experiments.tracking import resuming, sql
from experiments.tracking.arriving import ArrivingSeries, Sent
from experiments.tracking.group_series import GroupSeries
from experiments.tracking.held import TOO_MANY_NAMES, HeldAttempt, HeldTrial
from experiments.tracking.judging import Judging, OutOfStep
from experiments.tracking.memory import MEMORIES
from experiments.tracking.report_batch import Reply, ReportBatch, not_running


def write_together(batches: Sequence[ReportBatch]) -> list[bool]:
    """Write some batches; returns for each whether it was written. The others have to
    wait for something, or cannot be written at all."""
    try:
        return _write(batches, waits=False)
    except OutOfStep:
        return [False for _ in batches]


def write_alone(batch: ReportBatch) -> Reply:
    """Write one batch, and wait for what it needs. Raises AttemptNotRunning."""
    if batch.cold is not None:
        MEMORIES.load(batch.cold)
    try:
        _write([batch], waits=True)
    except OutOfStep:
        _write([batch], waits=True, anew=True)
    if batch.reply is None:
        raise not_running(batch.attempt)
    return batch.reply


def _write(
    batches: Sequence[ReportBatch], *, waits: bool, anew: bool = False
) -> list[bool]:
    group = ReportGroup(waits=waits, anew=anew)
    for batch in batches:
        batch.begin()
    try:
        # Durable: what was answered is stored, and memories follow commits.
        with transaction.atomic(durable=True):
            written = group.write(batches)
    except BaseException:
        group.judging.forget()
        raise
    failpoint("report.committed")
    return written


class ReportGroup:
    """With `waits` it waits for locks of others, and for reports to be read; with
    `anew` it uses no memory of reports."""

    def __init__(self, *, waits: bool, anew: bool = False) -> None:
        self._waits = waits
        self._attempts: dict[int, HeldAttempt] = {}
        self._trials: dict[int, HeldTrial] = {}
        self._series = GroupSeries(lambda pk: self._trial_of(pk).primary_metric)
        self.judging = Judging(anew=anew)

    def write(self, batches: Sequence[ReportBatch]) -> list[bool]:
        """The group's whole work inside the transaction."""
        self._hold(dict.fromkeys(batch.attempt for batch in batches))
        can = [self._can_write(batch) for batch in batches]
        held = [batch for batch, writable in zip(batches, can, strict=True) if writable]
        new = [batch for batch in held if self._is_new(batch)]
        self._series.open(new)
        for batch in new:
            self._take(batch)
        self.judging.judge()
        failpoint("report.judged")
        self._store(held)
        failpoint("report.stored")
        for batch in held:
            batch.reply = self._reply(batch)
        return can

    def _hold(self, attempts: Iterable[int]) -> None:
        locked = sql.ATTEMPTS if self._waits else sql.FREE_ATTEMPTS
        held = [HeldAttempt(*row) for row in locked.rows(sql.ids(attempts))]
        trials = sql.TRIALS.rows(sql.ids({attempt.trial for attempt in held}))
        self._trials = {row[0]: HeldTrial(*row) for row in trials}
        self._attempts = {each.pk: each for each in held if each.trial in self._trials}

    def _can_write(self, batch: ReportBatch) -> bool:
        attempt = self._attempts.get(batch.attempt)
        if attempt is None or not attempt.has_token(batch.digest):
            return False
        if self._waits:
            return True
        sweep = self._trials[attempt.trial].judged_sweep
        if sweep is not None and sweep.primary_metric in batch.by_name:
            batch.cold = None if MEMORIES.get(sweep) else sweep
        return batch.cold is None

    def _trial_of(self, attempt: int) -> HeldTrial:
        return self._trials[self._attempts[attempt].trial]

    def _is_new(self, batch: ReportBatch) -> bool:
        """Whether its key is unknown. From now on it is known."""
        attempt = self._attempts[batch.attempt]
        if batch.key and attempt.has_seen(batch.key):
            return False
        if batch.key and any(point.time is None for point in batch.points):
            attempt.see(batch.key)
        return True

    # --- points -----------------------------------------------------------------------

    def _take(self, batch: ReportBatch) -> None:
        attempt, own = self._attempts[batch.attempt], self._series.of(batch.attempt)
        trial = self._trials[attempt.trial]
        for series in own.values():
            series.begin_batch()
        if attempt.resumed_from is not None:
            self._carry(attempt, trial, batch)
        self._add_all(batch, trial)

    def _add_all(
        self, batch: ReportBatch, trial: HeldTrial, *, carried: bool = False
    ) -> None:
        """Those of a series at once, where none of them can be known."""
        own, rest = self._series.of(batch.attempt), set()
        for name, points in batch.by_name.items():
            if name not in own:
                rest.add(name)
            elif self._is_for(own[name], batch, trial):
                if own[name].take_all(points):
                    self._count(own[name], points, trial, carried=carried)
                else:
                    rest.add(name)
        for point in batch.points if rest else ():
            if point.name in rest:
                self._add(point, batch, trial, carried=carried)

    def _is_for(
        self, series: ArrivingSeries, batch: ReportBatch, trial: HeldTrial
    ) -> bool:
        """Whether the batch may add to a series: what the script itself reports counts,
        and collected points of the same name do not."""
        if series.collected and not batch.collected:
            if series.name == trial.primary_metric:
                self.judging.start_over(trial, self._attempts[batch.attempt])
            _forget(series)
        elif batch.collected and not series.collected:
            batch.reported.add(series.name)
            return False
        return True

    def _add(
        self, point: Sent, batch: ReportBatch, trial: HeldTrial, *, carried: bool
    ) -> None:
        """Add a point unless it is known or dropped."""
        series = self._series.of(batch.attempt).get(point.name)
        if series is None:
            batch.dropped.append(_refused(point, "names", TOO_MANY_NAMES))
            return
        problem = series.take(point, keyed=bool(batch.key))
        if problem is None:
            self._count(series, [point], trial, carried=carried)
        elif problem:
            batch.dropped.append(_refused(point, "time", problem))

    def _count(
        self,
        series: ArrivingSeries,
        points: Sequence[Sent],
        trial: HeldTrial,
        *,
        carried: bool,
    ) -> None:
        """Count new points of the primary metric as reports."""
        if series.name == trial.primary_metric:
            attempt = self._attempts[series.attempt]
            for point in points:
                self.judging.add(trial, attempt, point.value, carried=carried)

    def _carry(
        self, attempt: HeldAttempt, trial: HeldTrial, batch: ReportBatch
    ) -> None:
        """At the first report of a resumed training: take over what was reported before
        its step."""
        name = trial.primary_metric or ""
        points = batch.by_name.get(name)
        if not points:
            return
        primary = self._series.of(attempt.pk).get(name)
        if primary is not None:
            # The reports may start over.
            self._is_for(primary, batch, trial)
        if trial.reports:
            return
        first = min(point.step for point in points)
        found = resuming.points_before(attempt, step=first, primary=name)
        for part in found.parts:
            earlier = ReportBatch(attempt.pk, part.points, collected=part.collected)
            self._series.open([earlier])
            self._add_all(earlier, trial, carried=True)
        batch.dropped += found.left_out
        if trial.reports:
            resuming.take_over_verdicts(attempt, reports=trial.reports)

    # --- the end ----------------------------------------------------------------------

    def _store(self, batches: Sequence[ReportBatch]) -> None:
        changed = self._series.changed()
        full = [(each.attempt, row) for each in changed for row in each.full_segments()]
        sql.INSERT_SEGMENT.run([row for _, row in full])
        # What comes after a run's end is not left in small segments.
        late = {pk for pk, _ in full if self._attempts[pk].is_compacted}
        sql.COMPACT_AGAIN.run([(pk,) for pk in sorted(late)])
        sql.UPDATE_METRIC.run([series.row() for series in changed])
        self.judging.store()
        sql.UPDATE_BATCHES.run(
            [
                (each.keys, each.pk)
                for each in self._attempts.values()
                if each.has_new_key
            ]
        )
        for batch in batches:
            if refused := [*batch.refused, *batch.dropped]:
                note_refused(batch.attempt, refused)
        beats = {batch.attempt for batch in batches if batch.is_heartbeat}
        lifecycle.ask_heartbeats(
            [pk for pk in sorted(beats) if self._attempts[pk].needs_heartbeat]
        )

    def _reply(self, batch: ReportBatch) -> Reply:
        attempt = self._attempts[batch.attempt]
        trial = self._trials[attempt.trial]
        refused = by_name([*batch.refused, *batch.dropped])
        reported = tuple(sorted(batch.reported))
        if trial.stop_reason:
            return Reply(True, trial.stop_message, refused, reported)
        if attempt.release_requested_at is not None:
            return Reply(True, lifecycle.PAUSE_MESSAGE, refused, reported)
        return Reply(False, "", refused, reported)


def _forget(series: ArrivingSeries) -> None:
    """Delete the points that a collector has sent."""
    series.clear()
    series.collected = False
    sql.DELETE_SEGMENTS.run([(series.pk,)])
    sql.UPDATE_METRIC.run([series.row()])


def note_refused(attempt: int, refused: Sequence[RefusedPoint]) -> None:
    """For the trial's page. The attempt is locked."""
    row = Attempt.objects.filter(pk=attempt)
    before = MissingData.of(row.values_list("missing", flat=True).get())
    after = before.with_refused(refused)
    if after is not before:
        row.update(missing=after.dump())


def _refused(point: Sent, field: str, reason: str) -> RefusedPoint:
    sent = repr((point.step, point.time, point.value))
    return RefusedPoint(point.name, field, reason, sent)
