"""How much things hold, by the rows of the database: no folder is walked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.db.models import Count, Exists, F, Min, OuterRef, QuerySet, Sum, Value
from django.db.models.functions import Least, Length

from experiments.models import (
    Artifact,
    Attempt,
    CodeSnapshot,
    Metric,
    Segment,
    Sweep,
    SweepTemplate,
    Trial,
)

# Shorter series keep all of their points.
MIN_THINNED = 200


@dataclass(frozen=True)
class Size:
    """``bytes`` are those of ``files``: outputs, logs and archives of code."""

    sweeps: int = 0
    trials: int = 0
    files: int = 0
    bytes: int = 0
    points: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(
            self.sweeps + other.sweeps,
            self.trials + other.trials,
            self.files + other.files,
            self.bytes + other.bytes,
            self.points + other.points,
        )


def total(sizes: Iterable[Size]) -> Size:
    return sum(sizes, Size())


def log_size() -> Least:
    """The stored bytes of an attempt's log: a longer log loses its middle."""
    return Least("log_bytes", Value(settings.LOG_LIMIT_BYTES))


def stored_logs() -> QuerySet[Attempt]:
    """Attempts whose logs are kept, and not in the trash."""
    return Attempt.objects.filter(log_bytes__gt=0, log_removed_at=None)


def sizes_by(trials: QuerySet[Trial], key: str) -> dict[int, Size]:
    """The trials with their outputs and logs, by a column of theirs."""
    inner = trials.order_by().values("pk")
    found: dict[int, Size] = {}
    counts = trials.order_by().values_list(key).annotate(n=Count("pk"))
    for of, count in counts:
        found[of] = Size(trials=count)
    name = f"attempt__trial__{key}"
    files = Artifact.objects.filter(attempt__trial__in=inner).order_by()
    for of, count, size in files.values_list(name).annotate(Count("pk"), Sum("size")):
        found[of] += Size(files=count, bytes=size)
    logs = stored_logs().filter(trial__in=inner).order_by()
    sums = logs.values_list(f"trial__{key}").annotate(Count("pk"), n=Sum(log_size()))
    for of, count, size in sums:
        found[of] += Size(files=count, bytes=size)
    return found


def sizes_of_sweeps(sweeps: QuerySet[Sweep]) -> dict[int, Size]:
    """By sweep, with the code that only these use."""
    ids = list(sweeps.values_list("pk", flat=True))
    by_sweep = sizes_by(Trial.objects.filter(sweep__in=ids), "sweep")
    found = {pk: replace(by_sweep.get(pk, Size()), sweeps=1) for pk in ids}
    own = own_code(ids)
    users = Sweep.all_objects.filter(pk__in=ids, code__in=[code.pk for code in own])
    # Of several sweeps, the first one has its size.
    first = dict(users.order_by().values_list("code").annotate(Min("pk")))
    for code in own:
        found[first[code.pk]] += Size(files=1, bytes=code.size)
    return found


def sweeps_size(sweeps: QuerySet[Sweep]) -> Size:
    """All of them together, with their points."""
    metrics = Metric.objects.filter(attempt__trial__sweep__in=sweeps.values("pk"))
    points = metrics.aggregate(points=Sum("count"))["points"] or 0
    return total(sizes_of_sweeps(sweeps).values()) + Size(points=points)


def files_size(trials: QuerySet[Trial]) -> Size:
    return total(sizes_by(trials, "experiment").values())


def own_code(sweep_ids: Sequence[int]) -> list[CodeSnapshot]:
    """Snapshots that only these sweeps use, and no template."""
    others = Sweep.all_objects.filter(code=OuterRef("pk")).exclude(pk__in=sweep_ids)
    templates = SweepTemplate.objects.filter(code=OuterRef("pk"))
    used = CodeSnapshot.all_objects.filter(sweeps__in=sweep_ids).distinct()
    return list(used.exclude(Exists(others) | Exists(templates)))


def other_metrics(attempts: QuerySet[Attempt]) -> QuerySet[Metric]:
    """Those that a sweep is not about, with enough points to be thinned."""
    found = Metric.objects.filter(
        attempt__in=attempts.order_by().values("pk"), count__gte=MIN_THINNED
    )
    return found.exclude(name=F("attempt__trial__sweep__primary_metric"))


def thinned_bytes(attempts: QuerySet[Attempt], keep: int) -> int:
    """About how many bytes go if one in ``keep`` points is kept."""
    segments = Segment.objects.filter(metric__in=other_metrics(attempts).values("pk"))
    size = segments.aggregate(n=Sum(Length("data")))["n"] or 0
    return int(size * (1 - 1 / max(1, keep)))
