"""Moves to the trash and restores that are too large for a request.

A job of the site does them one after the other. What a killed job has not done is left
to the next one, which the scheduler starts.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from experiments import access
from experiments.cleanup import trash
from experiments.cleanup.move import moves
from experiments.cleanup.plan import CleanupPlan, plan_of
from experiments.cleanup.selection import read_selection
from experiments.models import CleanupTask, Removable, TrashItem, User
from experiments.queues import site_jobs
from experiments.search.fields import DefinitionError
from experiments.sweeps.control import NotPossible

logger = logging.getLogger(__name__)

JOB = "move"
# Files, sweeps and runs that a request moves itself.
MAX_AT_ONCE = 500
# A problem is shown for this long.
SHOWN_FOR = timedelta(days=1)


def move_later(plan: CleanupPlan, *, actor: User | None) -> CleanupTask | None:
    """None: it is small enough to be moved at once."""
    taken, kind = plan.taken, plan.selection.kind
    runs = taken.trials if kind == Removable.RUN else 0
    files = 0 if kind in (Removable.SWEEP, Removable.CODE) else taken.files
    if max(taken.sweeps, files, runs) <= MAX_AT_ONCE:
        return None
    words = f"Move to trash: {plan.selection.words}"
    document = plan.selection.document()
    return _added(plan.team.pk, actor, words, selection=document)


def restore_later(item: TrashItem, *, actor: User | None) -> CleanupTask | None:
    """None: it is small enough to be restored at once."""
    if item.kind not in trash.MARKS or item.files <= MAX_AT_ONCE:
        return None
    return _added(item.team_id, actor, f"Restore {item.name}", item=item)


def _added(
    team_id: int, actor: User | None, words: str, **fields: object
) -> CleanupTask:
    task = CleanupTask.objects.create(
        team_id=team_id, actor=actor, words=words[:700], **fields
    )
    transaction.on_commit(_start)
    return task


def _start() -> None:
    site_jobs.ensure_later(site_jobs.MOVE, job_id=JOB, every=trash.EVERY)


def resume_tasks() -> None:
    """Enqueue the job if something is left; the scheduler calls this regularly."""
    if CleanupTask.objects.filter(problem="").exists():
        _start()
    old = CleanupTask.objects.exclude(problem="")
    old.filter(created_at__lt=timezone.now() - SHOWN_FOR).delete()


def run_tasks() -> None:
    """The job. It makes way for other jobs of the site after each item."""
    waiting = CleanupTask.objects.filter(problem="").select_related("team", "actor")
    for task in waiting.select_related("item__trial__experiment__team", "item__team"):
        try:
            if not _run(task):
                return
        except (DefinitionError, NotPossible, PermissionDenied) as error:
            _failed(task, str(error))
        except Exception as error:
            logger.exception("%s failed", task)
            _failed(task, f"{type(error).__name__}: {error}")


def _failed(task: CleanupTask, problem: str) -> None:
    CleanupTask.objects.filter(pk=task.pk).update(problem=problem)
    if task.item:
        trash.keep_again(task.item)


def _run(task: CleanupTask) -> bool:
    """False: it makes way before its end."""
    if task.actor is None:
        raise NotPossible("The account that started this was deleted.")
    # The role may be another one by now.
    if task.item:
        access.check_can_steer(task.actor, task.team)
        trash.restore(task.item, actor=task.actor)
    else:
        access.check_can_manage(task.actor, task.team)
        selection = read_selection(task.selection, task.team)
        # What came to match since is not what the person confirmed.
        selection = replace(selection, ended_before=task.created_at)
        plan = plan_of(selection, task.team)
        for _ in moves(plan, actor=task.actor):
            if site_jobs.makes_way():
                return False
    CleanupTask.objects.filter(pk=task.pk).delete()
    return not site_jobs.makes_way()
