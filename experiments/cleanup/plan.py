"""The dry run: what a selection would move to the trash, and what it leaves and why."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Count, F, QuerySet, Sum, Value
from django.db.models.functions import Greatest, Length, Now

from experiments.cleanup.protection import (
    KEEP,
    is_tagged,
    protected_sweeps,
    reason,
    unprotected,
)
from experiments.cleanup.purge import is_used
from experiments.cleanup.selection import (
    Selection,
    ended_trials,
    path_expression,
)
from experiments.cleanup.sizes import (
    Size,
    log_size,
    other_metrics,
    sizes_by,
    sizes_of_sweeps,
    stored_logs,
    total,
)
from experiments.formatting import bytes_text
from experiments.models import (
    Artifact,
    Attempt,
    CodeSnapshot,
    Experiment,
    Removable,
    Segment,
    Sweep,
    Team,
    Trial,
)
from experiments.models.trash import trash_end

# The largest files that are looked at for examples.
MAX_EXAMPLES = 200

# An experiment, and a sweep of it or None for its runs.
Place = tuple[int, int | None]
Where = Sweep | Experiment


@dataclass(frozen=True)
class PlanRow:
    """What goes of one sweep, or of an experiment's runs. ``kept`` says why not all of
    ``matched`` does."""

    where: Where | None
    matched: Size
    taken: Size
    example: str = ""
    kept: str = ""

    @property
    def name(self) -> str:
        if isinstance(self.where, Experiment):
            return f"{self.where.slug} runs"
        return str(self.where or "unused code")

    @property
    def left(self) -> int:
        return self.matched.bytes - self.taken.bytes


@dataclass(frozen=True)
class CleanupPlan:
    selection: Selection
    team: Team
    rows: tuple[PlanRow, ...]

    @property
    def taken(self) -> Size:
        return total(row.taken for row in self.rows)

    @property
    def kept(self) -> int:
        return sum(row.left for row in self.rows)

    @property
    def until(self) -> Any:
        return trash_end(self.team.pk)

    @property
    def mark(self) -> str:
        """Changes with what would be moved."""
        facts = [(row.name, row.taken) for row in self.rows]
        text = f"{self.team.pk} {self.selection.document()} {facts}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def plan_of(selection: Selection, team: Team) -> CleanupPlan:
    """The dry run. Raises DefinitionError for an expression that cannot be read."""
    rows = PLANS.get(selection.kind, _file_rows)(selection, team)
    order = sorted(rows, key=lambda row: (-row.taken.bytes, -row.left, row.name))
    return CleanupPlan(selection, team, tuple(order))


# --- the rows ---------------------------------------------------------------------


def files_of(selection: Selection, trials: QuerySet[Trial]) -> QuerySet[Any]:
    """The files of these trials, each with its ``held`` bytes."""
    inner = trials.order_by().values("pk")
    if selection.kind == Removable.ARTIFACTS:
        files = Artifact.objects.filter(attempt__trial__in=inner)
        files = files.filter(size__gt=selection.larger_than)
        if selection.files:
            files = files.filter(path__regex=path_expression(selection.files))
        return files.annotate(held=F("size"))
    if selection.kind == Removable.METRICS:
        attempts = Attempt.objects.filter(trial__in=inner)
        long = other_metrics(attempts).values("attempt")
        rows = attempts.filter(pk__in=long, thinned=None, points_trash=None)
        return rows.annotate(held=Value(0))
    logs = stored_logs().filter(trial__in=inner, log_trash=None)
    keep = selection.keep if selection.kind == Removable.LOG_MIDDLES else 0
    logs = logs.filter(log_bytes__gt=max(selection.larger_than, keep))
    return logs.annotate(held=Greatest(log_size() - keep, Value(0)))


def _sizes(selection: Selection, trials: QuerySet[Trial]) -> dict[Place, Size]:
    rows = files_of(selection, trials).order_by()
    trial = "attempt__trial" if rows.model is Artifact else "trial"
    places = rows.values_list(f"{trial}__experiment", f"{trial}__sweep")
    found: dict[Place, Size] = {}
    for experiment, sweep, count, files, held in places.annotate(
        Count(trial, distinct=True), files_count=Count("pk"), held_sum=Sum("held")
    ):
        found[experiment, sweep] = Size(trials=count, files=files, bytes=held or 0)
    if selection.kind == Removable.METRICS:
        for place, size in _point_bytes(rows, selection.keep).items():
            found[place] = replace(found[place], bytes=size)
    return found


def _point_bytes(attempts: QuerySet[Attempt], keep: int) -> dict[Place, int]:
    series = other_metrics(attempts).values("pk")
    segments = Segment.objects.filter(metric__in=series).order_by()
    trial = "metric__attempt__trial"
    places = segments.values_list(f"{trial}__experiment", f"{trial}__sweep")
    return {
        (experiment, sweep): int(size * (1 - 1 / max(1, keep)))
        for experiment, sweep, size in places.annotate(size=Sum(Length("data")))
    }


def _file_rows(selection: Selection, team: Team) -> list[PlanRow]:
    trials = ended_trials(selection, team)
    matched = _sizes(selection, trials)
    ids = [sweep for _, sweep in matched if sweep]
    protected = protected_sweeps(Sweep.objects.filter(pk__in=ids), [team])
    free = unprotected(selection, trials, protected)
    taken = _sizes(selection, free)
    tagged = trials.filter(is_tagged()).order_by()
    with_tag = set(tagged.values_list("experiment", "sweep").distinct())
    examples = _examples(selection, free)
    where = _places(matched)
    return [
        PlanRow(
            where[place],
            size,
            taken.get(place, Size()),
            examples.get(place, ""),
            protected.get(place[1] or 0)
            or reason(selection, size, taken.get(place, Size()), place in with_tag),
        )
        for place, size in matched.items()
    ]


def _examples(selection: Selection, trials: QuerySet[Trial]) -> dict[Place, str]:
    """The largest files, as far as they are among the largest of all."""
    if selection.kind != Removable.ARTIFACTS:
        return {}
    rows = files_of(selection, trials).order_by("-size", "pk")
    trial = "attempt__trial"
    columns = (f"{trial}__experiment", f"{trial}__sweep", f"{trial}__number", "path")
    found: dict[Place, str] = {}
    for experiment, sweep, number, path, size in rows.values_list(*columns, "size")[
        :MAX_EXAMPLES
    ]:
        text = f"{number}: {path}, {bytes_text(size)}"
        found.setdefault((experiment, sweep), text)
    return found


def _places(places: Iterable[Place]) -> dict[Place, Where]:
    found = list(places)
    sweeps = Sweep.objects.select_related("experiment__team").in_bulk(
        [sweep for _, sweep in found if sweep]
    )
    experiments = Experiment.objects.select_related("team").in_bulk(
        [experiment for experiment, sweep in found if not sweep]
    )
    return {
        place: sweeps[place[1]] if place[1] else experiments[place[0]]
        for place in found
    }


def _sweep_rows(selection: Selection, team: Team) -> list[PlanRow]:
    sweeps = Sweep.objects.filter(experiment__team=team).select_related("experiment")
    if selection.experiment:
        sweeps = sweeps.filter(experiment=selection.experiment)
    if selection.sweep:
        sweeps = sweeps.filter(pk=selection.sweep)
    if selection.older_than:
        sweeps = sweeps.filter(ended_at__lt=Now() - Value(selection.age))
    if selection.ended_before:
        sweeps = sweeps.exclude(ended_at__gte=selection.ended_before)
    protected = protected_sweeps(sweeps, [team])
    sizes = sizes_of_sweeps(sweeps)
    return [
        PlanRow(
            sweep,
            sizes[sweep.pk],
            Size() if sweep.pk in protected else sizes[sweep.pk],
            kept=protected.get(sweep.pk, ""),
        )
        for sweep in sweeps
        if sizes[sweep.pk].bytes > selection.larger_than or not selection.larger_than
    ]


def _run_rows(selection: Selection, team: Team) -> list[PlanRow]:
    runs = ended_trials(selection, team)
    matched = sizes_by(runs, "experiment")
    taken = sizes_by(runs.exclude(is_tagged()), "experiment")
    where = _places((pk, None) for pk in matched)
    return [
        PlanRow(
            where[pk, None],
            size,
            taken.get(pk, Size()),
            kept="" if size == taken.get(pk) else f"runs tagged {KEEP}",
        )
        for pk, size in matched.items()
    ]


def unused_code(selection: Selection, team: Team) -> QuerySet[CodeSnapshot]:
    code = CodeSnapshot.objects.filter(~is_used(), team=team)
    if selection.older_than:
        code = code.filter(created_at__lt=Now() - Value(selection.age))
    return code.filter(size__gt=selection.larger_than)


def _code_rows(selection: Selection, team: Team) -> list[PlanRow]:
    found = unused_code(selection, team).aggregate(n=Count("pk"), size=Sum("size"))
    size = Size(files=found["n"], bytes=found["size"] or 0)
    return [PlanRow(None, size, size)] if size.files else []


PLANS: Mapping[Removable, Callable[[Selection, Team], list[PlanRow]]] = {
    Removable.SWEEP: _sweep_rows,
    Removable.RUN: _run_rows,
    Removable.CODE: _code_rows,
}
