"""Moves what a dry run says to the trash, and computes it again before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import transaction

from experiments import lifecycle
from experiments.cleanup import trash
from experiments.cleanup.plan import (
    CleanupPlan,
    PlanRow,
    Where,
    files_of,
    plan_of,
    unused_code,
)
from experiments.cleanup.protection import is_tagged, unprotected
from experiments.cleanup.selection import Selection, ended_trials
from experiments.cleanup.sizes import sizes_by
from experiments.models import Experiment, Removable, Sweep, Team, TrashItem, User
from experiments.models.trash import CleanupRule
from experiments.sweeps.control import NotPossible

CHANGED = "What matches has changed since the dry run. Run it again."


def move(
    plan: CleanupPlan, *, actor: User | None, rule: CleanupRule | None = None
) -> list[TrashItem]:
    """Move what the plan says. What runs by now stays."""
    return list(moves(plan, actor=actor, rule=rule))


def moves(
    plan: CleanupPlan, *, actor: User | None, rule: CleanupRule | None = None
) -> Iterator[TrashItem]:
    """Each item as it is moved. What rules would move is computed again by their
    job."""
    CleanupRule.objects.filter(team=plan.team).update(measured_at=None)
    fields = {"moved_by": actor, "rule": rule}
    if plan.selection.kind == Removable.CODE:
        code = unused_code(plan.selection, plan.team)
        item = trash.move_code(code, team_id=plan.team.pk, **fields)
        yield from [item] if item else []
        return
    for row in plan.rows:
        if row.taken.files or row.taken.trials or row.taken.sweeps:
            yield from _move_row(plan.selection, row, fields)


def confirmed(selection: Selection, team: Team, mark: str) -> CleanupPlan:
    """The plan, if it is still that of the dry run. Raises NotPossible."""
    plan = plan_of(selection, team)
    if mark != plan.mark:
        raise NotPossible(CHANGED)
    return plan


def _move_row(
    selection: Selection, row: PlanRow, fields: dict[str, Any]
) -> Iterable[TrashItem]:
    if isinstance(row.where, Sweep):
        with transaction.atomic():
            sweeps = Sweep.objects.filter(pk=row.where.pk)
            list(sweeps.select_for_update(of=("self",)))
            if trash.running_sweeps(sweeps).exists():
                return []
            if selection.kind == Removable.SWEEP:
                return trash.move_sweeps(
                    sweeps, actor=fields["moved_by"], rule=fields["rule"]
                )
    if isinstance(row.where, Experiment) and selection.kind == Removable.RUN:
        return _move_runs(selection, row.where, fields)
    return _move_files(selection, row.where, fields) if row.where else []


def _move_files(
    selection: Selection, where: Where, fields: dict[str, Any]
) -> list[TrashItem]:
    team = where.team if isinstance(where, Experiment) else where.experiment.team
    trials = ended_trials(selection, team)
    if isinstance(where, Sweep):
        trials = trials.filter(sweep=where)
    else:
        trials = trials.filter(experiment=where, sweep=None)
    rows = files_of(selection, unprotected(selection, trials, {}))
    keep = selection.keep or None
    item = trash.move_files(selection.kind, rows, where, keep=keep, **fields)
    return [item] if item else []


def _move_runs(
    selection: Selection, where: Experiment, fields: dict[str, Any]
) -> Iterable[TrashItem]:
    runs = ended_trials(selection, where.team).filter(experiment=where)
    sizes = sizes_by(runs, "pk")
    moved = (
        lifecycle.trash_run(
            run,
            actor=fields["moved_by"],
            rule=fields["rule"],
            bytes=sizes[run.pk].bytes,
            files=sizes[run.pk].files,
        )
        for run in runs.exclude(is_tagged()).select_related("experiment__team", "run")
    )
    return (item for item in moved if item)
