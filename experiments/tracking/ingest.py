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
from functools import cache

from django.db import transaction
from django.db.models import Count, F, Min, Q

from experiments import lifecycle
from experiments.db.clock import database_now
from experiments.db.prepared import Insert, Placeholder, SelectObject, Update
from experiments.lifecycle import PAUSE_MESSAGE
from experiments.models import (
    Attempt,
    Decision,
    Metric,
    MetricPoint,
    Report,
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
STATISTICS = ("count", "last_step", "last_value", "low", "high")

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
NEW_POINT = Insert(MetricPoint, "metric", "step", "ordinal", "value", "time")
NEW_STATISTICS = Update(
    lambda: Metric.objects.filter(pk=Placeholder("pk")),
    **{name: Placeholder(name) for name in STATISTICS},
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
        new = _store(trial, attempt, sent, refused)
        if fresh:
            attempt.metrics.filter(name__in=fresh).update(collected=True)
        failpoint("report.stored")
        if trial.sweep is not None:
            name = trial.sweep.primary_metric
            own = [point for point in new if point.name == name]
            # Points that the attempt takes over are judged already, but not ranked.
            before = _points_before(trial, attempt, own, refused)
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
    trial: Trial, attempt: Attempt, own: Sequence[Point], refused: list[RefusedPoint]
) -> list[Point]:
    """Take over the points that the resumed attempt reported before this one's first
    step; returns those of the primary metric.

    So the curve is whole, and its reports are compared with the same ones of others.
    """
    if not own or trial.reports or attempt.resumed_from is None:
        return []
    rows = MetricPoint.objects.filter(
        metric__attempt__trial=trial.pk,
        metric__attempt__n=attempt.resumed_from,
        step__lt=min(point.step for point in own),
    )
    columns = rows.order_by("pk").values_list("metric__name", "step", "value", "time")
    points = [
        Point(name, step, math.nan if value is None else value, time)
        for name, step, value, time in columns[:MAX_CARRIED]
    ]
    carried = _store(trial, attempt, points, refused)
    return [point for point in carried if point.name == own[0].name]


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
    rows = MetricPoint.objects.filter(metric__attempt=attempt, metric__name=name)
    values = rows.order_by("pk").values_list("step", "value")
    points = [(step, math.nan if v is None else v) for step, v in values]
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
    """Insert the points that are new, and return them. Those of names beyond the limit
    are added to `refused`.

    The same step and time is a repetition; another time at the same step is a further
    report. Without a time, the first point of a step counts.
    """
    primary = trial.sweep.primary_metric if trial.sweep else ""
    metrics = _metrics(attempt, dict.fromkeys(p.name for p in sent), primary)
    points = [point for point in sent if point.name in metrics]
    refused += (_beyond_limit(point) for point in sent if point.name not in metrics)
    known = _known_times(metrics, points)
    # Reading the clock is a query, and most scripts send the time.
    now = cache(database_now)
    new: list[Point] = []
    rows: list[MetricPoint] = []
    for point in points:
        metric = metrics[point.name]
        times = known[metric.pk, point.step]
        if times and (point.time is None or point.time in times):
            continue
        row = MetricPoint(
            metric=metric,
            step=point.step,
            ordinal=len(times),
            value=stored(point.value),
            time=point.time or now(),
        )
        times.append(row.time)
        rows.append(row)
        new.append(point)
    # By far the most frequent case, and a statement for many rows takes longer.
    if len(rows) == 1:
        NEW_POINT.run(rows[0])
    else:
        MetricPoint.objects.bulk_create(rows)
    _summarize(metrics, new)
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
        return attempt.metrics.filter(name__in=names)
    (name,) = names
    metric = METRIC.first(attempt=attempt.pk, name=name)
    return [] if metric is None else [metric]


def _known_times(
    metrics: dict[str, Metric], points: Sequence[Point]
) -> dict[tuple[int, int], list[datetime]]:
    """The times of stored points, by metric and step. Steps after a metric's last one
    need no query."""
    seen = [point for point in points if _may_be_known(metrics[point.name], point)]
    known: dict[tuple[int, int], list[datetime]] = defaultdict(list)
    if not seen:
        return known
    rows = MetricPoint.objects.filter(
        metric__in={metrics[point.name].pk for point in seen},
        step__in={point.step for point in seen},
    )
    for metric_id, step, time in rows.values_list("metric_id", "step", "time"):
        known[metric_id, step].append(time)
    return known


def _may_be_known(metric: Metric, point: Point) -> bool:
    return metric.last_step is not None and point.step <= metric.last_step


def _summarize(metrics: dict[str, Metric], points: Iterable[Point]) -> None:
    changed: dict[str, Metric] = {}
    for point in points:
        metric = changed.setdefault(point.name, metrics[point.name])
        _count_in(metric, point)
    if len(changed) != 1:
        Metric.objects.bulk_update(changed.values(), STATISTICS)
        return
    (only,) = changed.values()
    NEW_STATISTICS.run(pk=only.pk, **{name: getattr(only, name) for name in STATISTICS})


def _count_in(metric: Metric, point: Point) -> None:
    """Add a point to the metric's statistics."""
    metric.count += 1
    if metric.last_step is None or point.step >= metric.last_step:
        metric.last_step, metric.last_value = point.step, stored(point.value)
    if math.isfinite(point.value):
        low, high = metric.low, metric.high
        metric.low = point.value if low is None else min(low, point.value)
        metric.high = point.value if high is None else max(high, point.value)
