"""Storing reported metric points: the hot path of the application.

One short transaction for each batch: lock the attempt and check that it still counts,
store the new points, number the reports of the primary metric, let the policy judge
them, and reply whether to continue or stop.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from django.db import transaction
from django.db.models import Count, F, Min, Q

from experiments import lifecycle
from experiments.db.clock import database_now
from experiments.db.prepared import Placeholder, SelectObject
from experiments.lifecycle import PAUSE_MESSAGE
from experiments.models import (
    Attempt,
    Decision,
    Metric,
    Report,
    Segment,
    Trial,
    ranks,
)
from experiments.models.metrics import SYSTEM
from experiments.models.missing import (
    MissingData,
    RefusedName,
    RefusedPoint,
    by_name,
)
from experiments.models.trials import AttemptState
from experiments.runner.failpoints import failpoint
from experiments.tracking import codec, series
from experiments.tracking.judging import judge
from experiments.tracking.reports import STANDING, number_reports, stored

# Besides the primary metric, which is always stored.
MAX_NAMES, MAX_SYSTEM_NAMES = 1_000, 200
TOO_MANY_NAMES = (
    f"the trial has {MAX_NAMES:,} other metric names, the most that are allowed; put"
    " changing parts, such as an epoch, into step"
)
# An attempt takes over this many points of the one that it resumes.
MAX_CARRIED = 100_000
STATISTICS = (
    *("count", "last_step", "last_time", "last_value"),
    *("low", "high", "tail"),
)

# Programs may log to a single run after its end; it has no pool.
TAKES_POINTS = Q(state=AttemptState.RUNNING) | Q(pool=None)
# The statements of a report. They name their columns, as reading others takes time.
LOCKED_ATTEMPT = SelectObject(
    lambda: (
        Attempt.objects.select_for_update()
        .filter(TAKES_POINTS, pk=Placeholder("pk"))
        .order_by()
    ),
    Attempt,
    *("trial", "release_requested_at", "resumed_from"),
)
TRIAL = SelectObject(
    lambda: Trial.objects.filter(pk=Placeholder("pk")).order_by(),
    Trial,
    *("number", "runs_to_end", "sweep", "stop_reason", "stop_message", *STANDING),
    sweep=("primary_metric", "goal", "early_termination", "definition"),
)
METRIC = SelectObject(
    lambda: Metric.objects.filter(
        attempt=Placeholder("attempt"), name=Placeholder("name")
    ),
    Metric,
    *("attempt", "name", *STATISTICS),
)


class AttemptNotRunning(Exception):
    """The attempt has ended, or another one has taken over."""


@dataclass(frozen=True)
class Point:
    """One reported value. ``value`` may be NaN or an infinity."""

    name: str
    step: int
    value: float
    time: datetime | None = None


@dataclass(frozen=True)
class Reply:
    """Whether the training process has to stop, and why; and what was not stored."""

    stop: bool
    reason: str = ""
    refused: Sequence[RefusedName] = ()
    # Names of collected points that were left out: the script reports them itself.
    reported: Sequence[str] = ()


def record(
    attempt_id: int,
    points: Sequence[Point],
    *,
    refused: Sequence[RefusedPoint] = (),
    is_heartbeat: bool = False,
    collected: bool = False,
) -> Reply:
    """Store a batch; sending it again changes nothing.

    `refused` are its points that are not valid. With `is_heartbeat` the report renews
    the heartbeat, as no worker does. `collected` points, such as those of printed
    lines, count only for names that the script does not report itself. Raises
    AttemptNotRunning.
    """
    refused = list(refused)
    with transaction.atomic():
        attempt = LOCKED_ATTEMPT.first(pk=attempt_id)
        if attempt is None:
            raise _not_running(attempt_id)
        # Read after the lock: a join may return what it was before the wait.
        trial = _trial(attempt)
        reported, fresh = _split_collected(attempt, points) if collected else ((), ())
        sent = [point for point in points if point.name not in reported]
        before = _points_before(trial, attempt, sent, refused)
        new = _store(trial, attempt, sent, refused)
        if fresh:
            attempt.metrics.filter(name__in=fresh).update(collected=True)
        failpoint("report.stored")
        if trial.sweep is not None:
            name = trial.sweep.primary_metric
            own = [point for point in new if point.name == name]
            # Points that the attempt takes over are judged already, but not ranked.
            carried = number_reports(trial, [(p.step, p.value) for p in before])
            if carried:
                _take_over_verdicts(attempt, carried)
            reports = number_reports(trial, [(p.step, p.value) for p in own])
            judge(trial, attempt, reports)
            failpoint("report.judged")
            ranks.count_in(trial.sweep.pk, [*carried, *reports])
        if refused:
            _note_refused(attempt, refused)
        if is_heartbeat:
            lifecycle.ask_heartbeat(attempt)
    failpoint("report.committed")
    return replace(_reply(trial, attempt, by_name(refused)), reported=reported)


def _split_collected(
    attempt: Attempt, points: Sequence[Point]
) -> tuple[Sequence[str], Sequence[str]]:
    """The names that the script reports itself, and those without a metric so far."""
    names = dict.fromkeys(point.name for point in points)
    rows = attempt.metrics.filter(name__in=names).values_list("name", "collected")
    known = dict(rows)
    return [n for n in known if not known[n]], [n for n in names if n not in known]


def _note_refused(attempt: Attempt, refused: Sequence[RefusedPoint]) -> None:
    """For the trial's page. The attempt is locked."""
    row = Attempt.objects.filter(pk=attempt.pk)
    before = MissingData.of(row.values_list("missing", flat=True).get())
    after = before.with_refused(refused)
    if after is not before:
        row.update(missing=after.dump())


def _trial(attempt: Attempt) -> Trial:
    """The attempt's trial with its sweep."""
    trial = TRIAL.first(pk=attempt.trial_id)
    if trial is None:
        raise _not_running(attempt.pk)
    return trial


def _points_before(
    trial: Trial,
    attempt: Attempt,
    sent: Sequence[Point],
    refused: list[RefusedPoint],
) -> list[Point]:
    """Take over the points that the resumed attempt reported before this one's first
    step; returns those of the primary metric.

    So the curve is whole, and its reports are compared with the same ones of others.
    """
    if trial.sweep is None or trial.reports or attempt.resumed_from is None:
        return []
    primary = trial.sweep.primary_metric
    steps = [point.step for point in sent if point.name == primary]
    if not steps:
        return []
    before = attempt.trial.attempts.get(n=attempt.resumed_from)
    names = dict(before.metrics.values_list("pk", "name"))
    points = [
        (arrived, Point(names[pk], step, value, codec.moment(time)))
        for pk, found in series.read(names).items()
        for step, time, arrived, value in found[found["step"] < min(steps)].tolist()
    ]
    points.sort(key=lambda pair: pair[0])
    carried = _store(trial, attempt, [p for _, p in points[:MAX_CARRIED]], refused)
    return [point for point in carried if point.name == primary]


def _take_over_verdicts(attempt: Attempt, carried: Sequence[Report]) -> None:
    """Take over the verdicts on the reports that the attempt takes over.

    Another attempt may have resumed the same one and was lost: then the first verdict
    for each n counts.
    """
    start = attempt.resumed_from or 0
    taken = Q(attempt__n__gt=start, created_at__lt=F("attempt__claimed_at"))
    judged = Decision.objects.filter(
        Q(attempt__n=start) | taken,
        attempt__trial=attempt.trial_id,
        n__lte=carried[-1].n,
    )
    firsts = judged.order_by().values("n").annotate(first=Min("pk")).values("first")
    Decision.objects.filter(pk__in=firsts).update(attempt=attempt)


def count_reported(attempt: Attempt) -> None:
    """Number stored points as reports, after their metric became the primary one. Needs
    a transaction with the attempt locked."""
    trial = _trial(attempt)
    if trial.sweep is None:
        return
    name = trial.sweep.primary_metric
    metric = attempt.metrics.get(name=name)
    found = series.read([metric.pk])[metric.pk]
    points = [(step, value) for step, _, _, value in found.tolist()]
    ranks.count_in(trial.sweep.pk, number_reports(trial, points))


def _reply(trial: Trial, attempt: Attempt, refused: Sequence[RefusedName]) -> Reply:
    if trial.stop_reason:
        return Reply(stop=True, reason=trial.stop_message, refused=refused)
    if attempt.release_requested_at is not None:
        return Reply(stop=True, reason=PAUSE_MESSAGE, refused=refused)
    return Reply(stop=False, refused=refused)


def locked_attempt(attempt_id: int) -> Attempt:
    """The attempt, locked until the transaction ends. Raises AttemptNotRunning.

    Another attempt can take over only after it has updated this row.
    """
    attempts = Attempt.objects.select_for_update()
    try:
        return attempts.get(TAKES_POINTS, pk=attempt_id)
    except Attempt.DoesNotExist as error:
        raise _not_running(attempt_id) from error


def _not_running(attempt_id: int) -> AttemptNotRunning:
    return AttemptNotRunning(
        f"Attempt {attempt_id} has ended, or another one has taken over."
    )


def _store(
    trial: Trial,
    attempt: Attempt,
    sent: Sequence[Point],
    refused: list[RefusedPoint],
) -> list[Point]:
    """Append the points that are new, and return them. Those of names beyond the limit
    are added to `refused`.

    The same step and time is a repetition; another time at the same step is a further
    report. Without a time, the first point of a step counts.
    """
    primary = trial.sweep.primary_metric if trial.sweep else ""
    metrics = _metrics(attempt, dict.fromkeys(p.name for p in sent), primary)
    points = [point for point in sent if point.name in metrics]
    refused += (_beyond_limit(point) for point in sent if point.name not in metrics)
    known = _known(metrics, points)
    arrived = codec.microseconds(database_now()) if points else 0
    new: list[Point] = []
    rows: dict[str, list[tuple[int, int, int, float]]] = defaultdict(list)
    for point in points:
        time = None if point.time is None else codec.microseconds(point.time)
        if (point.step, time) in known[point.name]:
            continue
        own = arrived if time is None else time
        known[point.name] |= {(point.step, own), (point.step, None)}
        rows[point.name].append((point.step, own, arrived, point.value))
        arrived += 1
        new.append(point)
    for name, some in rows.items():
        _append(metrics[name], np.array(some, codec.RECORD))
    Metric.objects.bulk_update([metrics[name] for name in rows], STATISTICS)
    return new


def _beyond_limit(point: Point) -> RefusedPoint:
    sent = repr((point.step, point.time, point.value))
    return RefusedPoint(point.name, "names", TOO_MANY_NAMES, sent)


def _metrics(
    attempt: Attempt, names: Collection[str], primary: str
) -> dict[str, Metric]:
    """The attempt's metrics of these names; new ones are created up to the limit."""
    found = {metric.name: metric for metric in _found_metrics(attempt, names)}
    missing = [name for name in names if name not in found]
    if missing:
        made = Metric.objects.bulk_create(
            Metric(attempt=attempt, name=name)
            for name in _allowed(attempt, missing, primary)
        )
        found.update((metric.name, metric) for metric in made)
    return found


def _allowed(attempt: Attempt, names: Iterable[str], primary: str) -> Iterator[str]:
    """Those of these new names that the attempt has room for."""
    is_system = Q(name__startswith=SYSTEM)
    others = attempt.metrics.exclude(name=primary)
    used = others.aggregate(
        own=Count("pk", filter=~is_system), system=Count("pk", filter=is_system)
    )
    room = {False: MAX_NAMES - used["own"], True: MAX_SYSTEM_NAMES - used["system"]}
    for name in names:
        if name == primary:
            yield name
            continue
        kind = name.startswith(SYSTEM)
        room[kind] -= 1
        if room[kind] >= 0:
            yield name


def _found_metrics(attempt: Attempt, names: Collection[str]) -> Iterable[Metric]:
    if len(names) != 1:
        return attempt.metrics.defer(None).filter(name__in=names)
    (name,) = names
    metric = METRIC.first(attempt=attempt.pk, name=name)
    return [] if metric is None else [metric]


def _known(
    metrics: dict[str, Metric], points: Sequence[Point]
) -> dict[str, set[tuple[int, int | None]]]:
    """The steps and times of stored points, by metric; also each step with None. Steps
    after a metric's last one need no query."""
    seen = {
        metrics[point.name].pk: point.name
        for point in points
        if _may_be_known(metrics[point.name], point)
    }
    known: dict[str, set[tuple[int, int | None]]] = defaultdict(set)
    for pk, found in series.read(seen).items() if seen else ():
        steps = found["step"].tolist()
        known[seen[pk]].update(zip(steps, found["time"].tolist(), strict=True))
        known[seen[pk]].update((step, None) for step in steps)
    return known


def _may_be_known(metric: Metric, point: Point) -> bool:
    return metric.last_step is not None and point.step <= metric.last_step


def _append(metric: Metric, points: codec.Records) -> None:
    """Add points to the metric's tail, which becomes a segment once it is long."""
    tail = np.concatenate([codec.from_tail(metric.tail), points])
    first = metric.count + len(points) - len(tail)
    if len(tail) >= codec.MIN_SEGMENT:
        rows = codec.cut(tail, first)
        Segment.objects.bulk_create(
            Segment(metric=metric, **row._asdict()) for row in rows
        )
        tail = codec.empty()
    metric.tail = tail.tobytes()
    for step, time, _, value in points.tolist():
        _count_in(metric, step, time, value)


def _count_in(metric: Metric, step: int, time: int, value: float) -> None:
    """Add a point to the metric's statistics."""
    metric.count += 1
    last = (metric.last_step, metric.last_time)
    if None in last or (step, time) >= last:
        metric.last_step, metric.last_time = step, time
        metric.last_value = stored(value)
    if math.isfinite(value):
        low, high = metric.low, metric.high
        metric.low = value if low is None else min(low, value)
        metric.high = value if high is None else max(high, value)
