"""Moves stored points into segments, metric by metric; after an interruption it continues
with those that are left."""

from collections import defaultdict, deque

import numpy as np
from django.db import migrations, transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now

from experiments.tracking import codec

# Rows that the database hands over at once, and metrics.
ROWS, METRICS = 5_000, 500
# So many points between two lines of progress.
EVERY = 500_000
# A report without its point: its trial has fewer reports afterwards.
WITHOUT_POINT = (
    "Trial {trial} has {count} reports whose points are missing; they no longer count."
)


class CountsDiffer(Exception):
    """Points got lost on the way; nothing was deleted."""


def convert(apps, schema_editor):
    Point, Metric = (apps.get_model('experiments', n) for n in ('MetricPoint', 'Metric'))
    own = Point.objects.filter(metric=OuterRef('pk'))
    left = Metric.objects.filter(Exists(own), last_time=None).order_by('pk')
    total, done, last = Point.objects.count(), 0, 0
    while pks := list(left.filter(pk__gt=last).values_list('pk', flat=True)[:METRICS]):
        for last in pks:
            with transaction.atomic():
                before, done = done, done + convert_metric(apps, last)
            if done // EVERY > before // EVERY:
                print(f'\n    {done:,} of {total:,} points moved', end='', flush=True)
    Attempt = apps.get_model('experiments', 'Attempt')
    ended = Attempt.objects.filter(ended_at__isnull=False, compacted_at=None)
    ended.update(compacted_at=Now())


def convert_metric(apps, pk):
    """The number of its points."""
    Metric, Segment = (apps.get_model('experiments', n) for n in ('Metric', 'Segment'))
    own = apps.get_model('experiments', 'MetricPoint').objects.filter(metric=pk)
    points = read(own.order_by('pk').values_list('step', 'time', 'time', 'value'))
    points = with_arrivals(apps, pk, points)
    for row in codec.cut(points, 0):
        Segment.objects.create(metric_id=pk, **row._asdict())
    last = codec.in_order(points)[-1]
    finite = points['value'][np.isfinite(points['value'])]
    Metric.objects.filter(pk=pk).update(
        count=len(points),
        last_step=int(last['step']),
        last_time=int(last['time']),
        last_value=None if np.isnan(last['value']) else float(last['value']),
        low=float(finite.min()) if len(finite) else None,
        high=float(finite.max()) if len(finite) else None,
    )
    stored = sum(Segment.objects.filter(metric=pk).values_list('count', flat=True))
    if stored != own.count():
        raise CountsDiffer(f'Metric {pk} has {own.count()} points, and {stored} moved.')
    return len(points)


def read(rows):
    """Rows of step, time, arrival and value, in chunks that memory holds."""
    parts, chunk = [codec.empty()], []
    for step, time, arrived, value in rows.iterator(chunk_size=ROWS):
        whole = codec.microseconds(time), codec.microseconds(arrived)
        chunk.append((step, *whole, np.nan if value is None else value))
        if len(chunk) == ROWS:
            parts.append(np.array(chunk, codec.RECORD))
            chunk = []
    return np.concatenate([*parts, np.array(chunk, codec.RECORD)])


def with_arrivals(apps, pk, points):
    """The points of a primary metric in the order of their reports, with the times of
    these; other points as they are."""
    trial = apps.get_model('experiments', 'Trial').objects.filter(
        reports__gt=0,
        current_attempt__metrics__pk=pk,
        current_attempt__metrics__name=F('sweep__primary_metric'),
    ).first()
    if trial is None:
        return points
    own = apps.get_model('experiments', 'Report').objects.filter(trial=trial)
    reports = read(own.order_by('n').values_list('step', 'time', 'time', 'value'))
    if len(reports) > len(points) or (
        reports['step'] != points['step'][: len(reports)]
    ).any():
        order, found = places(points['step'].tolist(), reports['step'].tolist())
        points, reports = points[order], reports[found]
    count = len(reports)
    if count < trial.reports:
        missing = trial.reports - count
        print('\n    ' + WITHOUT_POINT.format(trial=trial.pk, count=missing))
        type(trial).objects.filter(pk=trial.pk).update(reports=count)
    points['arrived'][:count] = reports['time']
    # Later by a microsecond where several came with the same time.
    steps = np.arange(len(points))
    points['arrived'] = np.maximum.accumulate(points['arrived'] - steps) + steps
    return points


def places(stored, reported):
    """Where the point of each report is, by its step, then all other points; and which
    reports have one. Points that an attempt took over were stored after its first."""
    left = defaultdict(deque)
    for place, step in enumerate(stored):
        left[step].append(place)
    order, found = [], []
    for n, step in enumerate(reported):
        if left[step]:
            order.append(left[step].popleft())
            found.append(n)
    rest = sorted(place for some in left.values() for place in some)
    return order + rest, found


class Migration(migrations.Migration):

    # Each metric has its own transaction.
    atomic = False

    dependencies = [
        ('experiments', '0009_mlflow'),
    ]

    operations = [
        migrations.RunPython(convert, migrations.RunPython.noop),
    ]
