"""One transaction that stores the points of a group of requests, and judges them.

In the order of lifecycle/: attempts are locked first, then versions of reports, then
trials. The state of each series and trial is carried from one request to the next, so
the group stores what its requests would have stored one after another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from experiments import lifecycle
from experiments.models import Attempt, Metric
from experiments.models.metrics import SYSTEM
from experiments.models.missing import (
    MissingData,
    RefusedName,
    RefusedPoint,
    by_name,
)
from experiments.runner.failpoints import failpoint
from experiments.tracking import resuming, sql
from experiments.tracking.arriving import ArrivingSeries, Sent
from experiments.tracking.held import (
    TOO_MANY_NAMES,
    HeldAttempt,
    HeldTrial,
    rooms_for_names,
)
from experiments.tracking.judging import Judging, OutOfStep
from experiments.tracking.memory import MEMORIES, JudgedSweep


class AttemptNotRunning(Exception):
    """The attempt has ended, or another one has taken over."""


def not_running(attempt_id: int) -> AttemptNotRunning:
    return AttemptNotRunning(
        f"Attempt {attempt_id} has ended, or another one has taken over."
    )


@dataclass(frozen=True)
class Reply:
    """Whether the training process has to stop, and why; and what was not stored.

    ``reported`` are the names of collected points that were not stored, as the script
    reports these metrics itself.
    """

    stop: bool
    reason: str = ""
    refused: Sequence[RefusedName] = ()
    reported: Sequence[str] = ()


@dataclass(slots=True, eq=False)
class ReportBatch:
    """A request with points, and the reply once it is written.

    `refused` are points that are not valid. `digest` is of the token that it came with,
    if that is still to be checked. `cold` is a sweep whose reports have to be read
    before.
    """

    attempt: int
    points: Sequence[Sent]
    refused: Sequence[RefusedPoint] = ()
    is_heartbeat: bool = False
    key: str = ""
    collected: bool = False
    digest: str = ""
    dropped: list[RefusedPoint] = field(default_factory=list)
    reported: set[str] = field(default_factory=set)
    cold: JudgedSweep | None = None
    reply: Reply | None = None

    def __str__(self) -> str:
        """For logs: without the points themselves."""
        return f"{len(self.points)} points of attempt {self.attempt}"

    def begin(self) -> None:
        """Forget what came of it in a transaction that failed."""
        self.dropped.clear()
        self.reported.clear()
        self.reply = None


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
        # By attempt and name.
        self._series: dict[int, dict[str, ArrivingSeries]] = defaultdict(dict)
        self.judging = Judging(anew=anew)

    def write(self, batches: Sequence[ReportBatch]) -> list[bool]:
        """The group's whole work inside the transaction."""
        self._hold(dict.fromkeys(batch.attempt for batch in batches))
        can = [self._can_write(batch) for batch in batches]
        held = [batch for batch, writable in zip(batches, can, strict=True) if writable]
        new = [batch for batch in held if self._is_new(batch)]
        self._open(new)
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
        if sweep is not None and MEMORIES.get(sweep) is None:
            primary = sweep.primary_metric
            if any(point.name == primary for point in batch.points):
                batch.cold = sweep
        return batch.cold is None

    def _is_new(self, batch: ReportBatch) -> bool:
        """Whether its key is unknown. From now on it is known."""
        attempt = self._attempts[batch.attempt]
        if batch.key and attempt.has_seen(batch.key):
            return False
        if batch.key and any(point.time is None for point in batch.points):
            attempt.see(batch.key)
        return True

    # --- series -----------------------------------------------------------------------

    def _open(self, batches: Sequence[ReportBatch]) -> None:
        """Read the series of all points, and make those that are missing."""
        wanted: dict[tuple[int, str], bool] = {}
        for batch in batches:
            for point in batch.points:
                wanted.setdefault((batch.attempt, point.name), batch.collected)
        self._read([pair for pair in wanted if not self._has(*pair)])
        missing = {p: collected for p, collected in wanted.items() if not self._has(*p)}
        if missing:
            self._make(missing)
        self._look(batches)

    def _has(self, attempt: int, name: str) -> bool:
        return name in self._series[attempt]

    def _read(self, pairs: Sequence[tuple[int, str]]) -> None:
        for start in range(0, len(pairs), sql.MAX_ROWS):
            some = sql.columns(pairs[start : start + sql.MAX_ROWS])
            for row in sql.METRICS.rows(*some):
                self._add_series(row)

    def _add_series(self, row: Sequence[Any]) -> None:
        series = ArrivingSeries(row)
        self._series[series.attempt][series.name] = series

    def _make(self, missing: dict[tuple[int, str], bool]) -> None:
        """New series, as far as each attempt has room for more names."""
        rooms = rooms_for_names({attempt for attempt, _ in missing})
        made: list[Metric] = []
        for (attempt, name), collected in missing.items():
            if name != self._trial_of(attempt).primary_metric:
                kind = name.startswith(SYSTEM)
                rooms[attempt][kind] -= 1
                if rooms[attempt][kind] < 0:
                    continue
            made.append(Metric(attempt_id=attempt, name=name, collected=collected))
        for metric in Metric.objects.bulk_create(made):
            row = (metric.pk, metric.attempt_id, metric.name, 0, *[None] * 5)
            self._add_series((*row, b"", metric.collected))

    def _trial_of(self, attempt: int) -> HeldTrial:
        return self._trials[self._attempts[attempt].trial]

    def _look(self, batches: Iterable[ReportBatch]) -> None:
        """Read the segments that may have some of the points already."""
        found: dict[int, tuple[ArrivingSeries, list[int]]] = {}
        for batch in batches:
            own = self._series[batch.attempt]
            for point in batch.points:
                series = own.get(point.name)
                if series is not None and series.may_be_stored(point):
                    _, steps = found.setdefault(series.pk, (series, []))
                    steps.append(point.step)
        if not found:
            return
        rows = [(pk, min(steps), max(steps)) for pk, (_, steps) in found.items()]
        for pk, data in sql.SEGMENTS.rows(*sql.columns(rows)):
            found[pk][0].add_segment(bytes(data))

    # --- points -----------------------------------------------------------------------

    def _take(self, batch: ReportBatch) -> None:
        attempt, own = self._attempts[batch.attempt], self._series[batch.attempt]
        trial = self._trials[attempt.trial]
        for series in own.values():
            series.begin_batch()
        if attempt.resumed_from is not None:
            self._carry(attempt, trial, batch)
        self._add_all(batch, trial)

    def _add_all(
        self, batch: ReportBatch, trial: HeldTrial, *, carried: bool = False
    ) -> None:
        own, keyed = self._series[batch.attempt], bool(batch.key)
        for point in batch.points:
            found = own.get(point.name)
            if found is None:
                batch.dropped.append(_refused(point, "names", TOO_MANY_NAMES))
            elif self._is_for(found, batch, trial):
                dropped = self._add(found, point, trial, keyed=keyed, carried=carried)
                if dropped:
                    batch.dropped.append(_refused(point, "time", dropped))

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
        self,
        series: ArrivingSeries,
        point: Sent,
        trial: HeldTrial,
        *,
        keyed: bool,
        carried: bool,
    ) -> str:
        """Add a point unless it is known; returns why it was dropped."""
        problem = series.take(point, keyed=keyed)
        if problem is None and point.name == trial.primary_metric:
            attempt = self._attempts[series.attempt]
            self.judging.add(trial, attempt, point.value, carried=carried)
        return problem or ""

    def _carry(
        self, attempt: HeldAttempt, trial: HeldTrial, batch: ReportBatch
    ) -> None:
        """At the first report of a resumed training: take over what was reported before
        its step."""
        name = trial.primary_metric
        steps = [point.step for point in batch.points if point.name == name]
        if not steps:
            return
        primary = self._series[attempt.pk].get(name or "")
        if primary is not None:
            # The reports may start over.
            self._is_for(primary, batch, trial)
        if trial.reports:
            return
        found = resuming.points_before(attempt, step=min(steps), primary=name)
        for part in found.parts:
            earlier = ReportBatch(attempt.pk, part.points, collected=part.collected)
            self._open([earlier])
            self._add_all(earlier, trial, carried=True)
        batch.dropped += found.left_out
        if trial.reports:
            resuming.take_over_verdicts(attempt, reports=trial.reports)

    # --- the end ----------------------------------------------------------------------

    def _store(self, batches: Sequence[ReportBatch]) -> None:
        changed = [each for each in self._all_series() if each.is_changed]
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
            [pk for pk in sorted(beats) if not self._attempts[pk].runner_token_digest]
        )

    def _all_series(self) -> Iterator[ArrivingSeries]:
        for own in self._series.values():
            yield from own.values()

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
