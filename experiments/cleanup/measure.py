"""The job that measures the space of each sweep, and finds orphans.

It reads every attempt's folder and rows, in batches, and replaces the day's rows of
``SpaceUsage`` at its end. A measurement that is interrupted leaves the last one.
"""

from __future__ import annotations

import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Min, QuerySet, Sum
from django.db.models.functions import Coalesce, ExtractIsoWeekDay, Length

from experiments.cleanup import disk, orphans, quotas, stored_files
from experiments.cleanup.orphans import FoundOrphan
from experiments.cleanup.stored_files import AttemptFiles
from experiments.db.clock import database_now
from experiments.models import (
    Artifact,
    Attempt,
    CodeSnapshot,
    Metric,
    Orphan,
    Segment,
    SpaceUsage,
    Sweep,
    Team,
    Trial,
)
from experiments.models.usage import SpaceKind
from experiments.queues import site_jobs

logger = logging.getLogger(__name__)

JOB = "measure"
# The space is measured this often, and the scheduler looks this often, in seconds.
EVERY, LOOKS_EVERY = 3600, 60
# A site with few attempts, whose measurement takes seconds, is measured this often
# while trials end.
EVERY_IF_SMALL, MAX_SMALL = 600, 5_000
BATCH = 500
# About what the database stores of a row beside its long column.
METRIC_BYTES, SEGMENT_BYTES = 160, 120
# Each day of the last two weeks is kept, then the Mondays of two years.
DAYS_KEPT, WEEKS_KEPT = 14, 104
MONDAY = 1


@dataclass(frozen=True)
class UsagePlace:
    """What a row of usage is about."""

    team: int | None = None
    experiment: int | None = None
    sweep: int | None = None
    owner: int | None = None


@dataclass(frozen=True)
class AttemptRow:
    """An attempt's place. In the trash are all of it, or only its log."""

    pk: int
    place: UsagePlace
    in_trash: bool
    log_in_trash: bool

    def kind(self, kind: SpaceKind) -> SpaceKind:
        is_gone = self.in_trash or (kind == SpaceKind.LOGS and self.log_in_trash)
        return SpaceKind.TRASH if is_gone else kind


class SpaceTotals:
    """Bytes, files and rows by place and kind; ``metrics``: those in the database, also
    of the trash."""

    def __init__(self) -> None:
        self.metrics = 0
        self._sums: dict[tuple[UsagePlace, SpaceKind], list[int]] = defaultdict(
            lambda: [0, 0, 0]
        )

    def add(
        self,
        place: UsagePlace,
        kind: SpaceKind,
        *,
        size: int,
        files: int = 0,
        rows: int = 0,
    ) -> None:
        for index, amount in enumerate((size, files, rows)):
            self._sums[place, kind][index] += amount

    def rows(self, day: date) -> list[SpaceUsage]:
        return [
            SpaceUsage(
                day=day,
                team_id=place.team,
                experiment_id=place.experiment,
                sweep_id=place.sweep,
                owner_id=place.owner,
                kind=kind,
                bytes=size,
                files=files,
                rows=rows,
            )
            for (place, kind), (size, files, rows) in self._sums.items()
            if size or files or rows
        ]


# --- when -------------------------------------------------------------------------


def start_measuring() -> None:
    """Enqueue the job if it does not wait or run. Raises QueueBusy."""
    site_jobs.ensure_job(site_jobs.MEASURE, job_id=JOB, keep=0, wanted=EVERY)


def measure_if_due() -> None:
    """The scheduler calls this regularly. A busy queue has it later."""
    newest = SpaceUsage.objects.order_by("-day", "-measured_at")
    last = newest.values_list("measured_at", flat=True).first()
    if _is_due(last):
        with contextlib.suppress(site_jobs.QueueBusy):
            start_measuring()


def _is_due(last: datetime | None) -> bool:
    if last is None:
        return True
    age = (database_now() - last).total_seconds()
    # A time in the future is of a clock that was set back.
    if not 0 <= age < EVERY or age < EVERY_IF_SMALL:
        return not 0 <= age < EVERY
    is_large = Attempt.objects.filter(pk__gt=MAX_SMALL).exists()
    return not is_large and Trial.objects.filter(ended_at__gt=last).exists()


# --- the job ----------------------------------------------------------------------


def measure() -> None:
    """The job."""
    totals, found = SpaceTotals(), list[FoundOrphan]()
    _measure_attempts(totals, found)
    _measure_code(totals, found)
    _measure_recordings(totals, found)
    _measure_site(totals)
    for each in found:
        if each.kind != Orphan.Kind.MISSING:
            totals.add(
                UsagePlace(), SpaceKind.ORPHANS, size=each.bytes, files=each.files or 1
            )
    _store(totals)
    orphans.store(found)
    logger.info("measured the space, %s orphans", len(found))


def _measure_attempts(totals: SpaceTotals, found: list[FoundOrphan]) -> None:
    """Folders are listed before rows are read: one without a row has lost it."""
    folders = stored_files.attempt_folders()
    seen: set[int] = set()
    total, after = Attempt.objects.count(), 0
    while rows := _attempt_rows(after):
        _measure_batch(rows, totals, found)
        seen |= {row.pk for row in rows}
        after = rows[-1].pk
        words = f"{len(seen):,} of {max(total, len(seen)):,} attempts"
        site_jobs.report_progress(min(1.0, len(seen) / max(total, 1)), words)
    for pk in folders:
        if pk not in seen:
            found += orphans.of_folder(pk, stored_files.attempt_files(pk))


def _attempt_rows(after: int) -> list[AttemptRow]:
    """The next attempts; a few columns, as there may be many."""
    rows = Attempt.objects.filter(pk__gt=after).order_by("pk")
    return [
        AttemptRow(
            pk,
            UsagePlace(team, experiment, sweep, owner),
            in_trash=bool(sweep_gone or run_gone),
            log_in_trash=bool(log_gone),
        )
        for (
            pk,
            team,
            experiment,
            sweep,
            sweep_gone,
            run_gone,
            log_gone,
            owner,
        ) in rows.values_list(
            "pk",
            "trial__experiment__team",
            "trial__experiment",
            "trial__sweep",
            "trial__sweep__deletion_requested_at",
            "trial__run__deleted_at",
            "log_removed_at",
            Coalesce("trial__sweep__created_by", "trial__run__created_by"),
        )[:BATCH]
    ]


def _measure_batch(
    rows: Sequence[AttemptRow], totals: SpaceTotals, found: list[FoundOrphan]
) -> None:
    outputs, trashed = _outputs(rows), _trashed(rows)
    metrics = _metric_sizes(rows)
    for row in rows:
        files = stored_files.attempt_files(row.pk)
        _add_files(totals, row, files, trashed.get(row.pk, set()))
        size, count = metrics.get(row.pk, (0, 0))
        if count:
            kind = row.kind(SpaceKind.METRICS)
            totals.add(row.place, kind, size=size, rows=count)
            totals.metrics += size
        found += orphans.of_attempt(row.pk, files, outputs.get(row.pk, {}))


def _add_files(
    totals: SpaceTotals, row: AttemptRow, files: AttemptFiles, trashed: set[str]
) -> None:
    for kind, some in (
        (row.kind(SpaceKind.ARTIFACTS), files.outputs.keys() - trashed),
        (SpaceKind.TRASH, files.outputs.keys() & trashed),
    ):
        if some:
            size = sum(files.outputs[sha256] for sha256 in some)
            totals.add(row.place, kind, size=size, files=len(some))
    if files.log:
        totals.add(row.place, row.kind(SpaceKind.LOGS), size=files.log, files=1)


def _range(rows: Sequence[AttemptRow], path: str) -> dict[str, int]:
    """Lookups for what belongs to these attempts, which are neighbors."""
    return {f"{path}__gte": rows[0].pk, f"{path}__lte": rows[-1].pk}


def _outputs(rows: Sequence[AttemptRow]) -> dict[int, dict[str, int]]:
    """By attempt: the sizes of the outputs that should be there."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    stored = Artifact.all_objects.filter(**_range(rows, "attempt")).order_by()
    for attempt, sha256, size in stored.values_list("attempt", "sha256", "size"):
        found[attempt][sha256] = size
    return found


def _trashed(rows: Sequence[AttemptRow]) -> dict[int, set[str]]:
    """By attempt: the outputs that only the trash has."""
    found: dict[int, set[str]] = defaultdict(set)
    stored = Artifact.all_objects.filter(**_range(rows, "attempt")).order_by()
    for attempt, sha256 in stored.exclude(trash=None).values_list("attempt", "sha256"):
        found[attempt].add(sha256)
    if found:
        kept = stored.filter(trash=None, attempt__in=found)
        for attempt, sha256 in kept.values_list("attempt", "sha256"):
            found[attempt].discard(sha256)
    return found


def _metric_sizes(rows: Sequence[AttemptRow]) -> dict[int, tuple[int, int]]:
    """By attempt: about how many bytes its points take, and how many rows."""
    found: dict[int, tuple[int, int]] = {}
    parts: tuple[tuple[QuerySet[Any], str, str, int], ...] = (
        (Metric.objects.all(), "attempt", "tail", METRIC_BYTES),
        (Segment.objects.all(), "metric__attempt", "data", SEGMENT_BYTES),
    )
    for queryset, path, column, each in parts:
        some = queryset.filter(**_range(rows, path)).order_by().values_list(path)
        sizes = some.annotate(size=Sum(Length(column)), count=Count("pk"))
        for attempt, size, count in sizes:
            before, rows_before = found.get(attempt, (0, 0))
            size = before + (size or 0) + each * count
            found[attempt] = (size, rows_before + count)
    return found


def _measure_code(totals: SpaceTotals, found: list[FoundOrphan]) -> None:
    """A snapshot counts for the first sweep that uses it."""
    files = dict(stored_files.named_files(stored_files.folder_of("code"), ".zip"))
    snapshots = CodeSnapshot.all_objects.annotate(sweep=Min("sweeps"))
    rows = list(snapshots.values_list("digest", "team", "created_by", "sweep", "size"))
    experiments = dict(
        Sweep.all_objects.filter(pk__in={row[3] for row in rows if row[3]}).values_list(
            "pk", "experiment"
        )
    )
    for digest, team, owner, sweep, size in rows:
        place = UsagePlace(team, experiments.get(sweep), sweep, owner)
        size, _ = files.get(digest, (size, 0.0))
        totals.add(place, SpaceKind.CODE, size=size, files=1)
    known = {row[0] for row in rows}
    lost = {name: facts for name, facts in files.items() if name not in known}
    found += orphans.of_files(Orphan.Kind.CODE, lost)


def _measure_recordings(totals: SpaceTotals, found: list[FoundOrphan]) -> None:
    files = stored_files.named_files(stored_files.folder_of("recordings"), ".npz")
    sweeps = {name: int(name.split("-")[0]) for name in files if name[0].isdecimal()}
    names = ("pk", "experiment__team", "experiment", "created_by")
    rows = Sweep.all_objects.filter(pk__in=set(sweeps.values())).values_list(*names)
    places = {
        pk: UsagePlace(team, experiment, pk, owner)
        for pk, team, experiment, owner in rows
    }
    lost = {}
    for name, facts in files.items():
        place = places.get(sweeps.get(name, 0))
        if place is None:
            lost[name] = facts
        else:
            totals.add(place, SpaceKind.CACHES, size=facts[0], files=1)
    found += orphans.of_files(Orphan.Kind.RECORDING, lost)


def _measure_site(totals: SpaceTotals) -> None:
    """What belongs to no team."""
    rest = max(0, disk.database().size - totals.metrics)
    totals.add(UsagePlace(), SpaceKind.DATABASE, size=rest, files=1)
    for kind, folder in (
        (SpaceKind.LOGS, "logs"),
        (SpaceKind.CACHES, "worker"),
        (SpaceKind.CACHES, "queue"),
    ):
        size, files = stored_files.folder_size(folder)
        totals.add(UsagePlace(), kind, size=size, files=files)


def _store(totals: SpaceTotals) -> None:
    """Replace the day's rows, drop old ones, and judge the quotas."""
    day = database_now().date()
    with transaction.atomic():
        # Two measurements at once must not both add their rows.
        list(Team.objects.select_for_update(no_key=True).order_by("pk"))
        SpaceUsage.objects.filter(day=day).delete()
        SpaceUsage.objects.bulk_create(_of_existing_teams(totals, day), batch_size=500)
        _thin(day)
        quotas.judge()


def _of_existing_teams(totals: SpaceTotals, day: date) -> Iterable[SpaceUsage]:
    teams = set(Team.objects.values_list("pk", flat=True))
    rows = totals.rows(day)
    return [row for row in rows if row.team_id is None or row.team_id in teams]


def _thin(day: date) -> None:
    rows = SpaceUsage.objects.all()
    rows.filter(day__lt=day - timedelta(weeks=WEEKS_KEPT)).delete()
    old = rows.filter(day__lt=day - timedelta(days=DAYS_KEPT))
    old.annotate(weekday=ExtractIsoWeekDay("day")).exclude(weekday=MONDAY).delete()
