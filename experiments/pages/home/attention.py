"""What needs attention: failed and paused sweeps, and those that wait for a worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q, QuerySet, Window

from experiments.failures.circuit_breaker import SAME_FAILURE
from experiments.formatting import HOUR, MINUTE, duration_text
from experiments.lifecycle import PREFLIGHT_FAILED, PREFLIGHT_HELD
from experiments.models import Sweep, Team
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.scheduling.occupancy import PoolSlots, TeamSlots

FAILURES_SHOWN_FOR = timedelta(days=7)
MAX_NOTICES = 6
# A worker that starts needs a moment.
MIN_WAIT = timedelta(seconds=20)


@dataclass(frozen=True)
class Notice:
    """``title`` follows the sweep's name; ``action`` is the text of a link to it."""

    sweep: Sweep
    glyph: str
    title: str
    text: str
    action: str = ""
    command: str = ""


# Reasons of pauses, in words.
PAUSES = {
    "max_failed_trials": "paused itself",
    SAME_FAILURE: "paused itself",
    PREFLIGHT_FAILED: "paused: the tested configuration failed",
    PREFLIGHT_HELD: "waits for you: one configuration was tested",
}


FAILURES = {
    "first_trials_failed": "stopped: its first trials failed",
    "all_failed": "ended: every trial failed",
}


def notices_of(
    team: Team, slots: TeamSlots, now: datetime
) -> tuple[Sequence[Notice], int]:
    """The most pressing first, and how many there are in all."""
    waiting = list(_waiting(team, slots, now))
    broken = list(_broken_sweeps(team, now)[:MAX_NOTICES])
    count = len(waiting) + (broken[0].total if broken else 0)
    return [*waiting, *map(_broken, broken)][:MAX_NOTICES], count


def _broken_sweeps(team: Team, now: datetime) -> QuerySet[Any]:
    recent = Q(state=SweepState.FAILED, ended_at__gt=now - FAILURES_SHOWN_FOR)
    paused = Q(state=SweepState.PAUSED, reason__in=PAUSES)
    sweeps = Sweep.objects.filter(experiment__team=team, archived_at=None)
    found = sweeps.filter(recent | paused).annotate(total=Window(Count("pk")))
    return found.select_related("experiment").order_by("-updated_at")


def _broken(sweep: Sweep) -> Notice:
    if sweep.state == SweepState.PAUSED:
        title, action = PAUSES[sweep.reason], "Review and resume"
        return Notice(sweep, "paused", title, sweep.message, action)
    title = FAILURES.get(sweep.reason, "failed")
    return Notice(sweep, "failed", title, sweep.message, "See what failed")


def _empty_pools(slots: TeamSlots) -> dict[int, PoolSlots]:
    return {pool.pool.pk: pool for pool in slots.pools if not pool.total}


def _waiting(team: Team, slots: TeamSlots, now: datetime) -> Iterator[Notice]:
    """Running sweeps whose trials wait in a pool without a live worker."""
    empty = _empty_pools(slots)
    running = Sweep.objects.filter(
        experiment__team=team, state=SweepState.RUNNING, pool__in=list(empty)
    ).select_related("experiment")
    queued = Q(trials__state=TrialState.QUEUED)
    sweeps = running.annotate(since=Min("trials__created_at", filter=queued))
    for sweep in sweeps.filter(since__lt=now - MIN_WAIT).order_by("since"):
        pool = empty[sweep.pool_id]
        waited = _roughly(now - sweep.since)
        yield Notice(
            sweep,
            "queued",
            f"has waited {waited} for a slot",
            _no_worker(pool, now),
            command=f"python manage.py worker --pool {pool.pool.name} --slots 2",
        )


def _no_worker(pool: PoolSlots, now: datetime) -> str:
    name = pool.pool.name
    if not pool.hosts:
        return f"Pool {name} has no worker. Start one on any machine:"
    last = max((host.worker for host in pool.hosts), key=lambda worker: worker.seen_at)
    silence = _roughly(now - last.seen_at)
    return (
        f"Pool {name} has no worker: {last.host} was last seen {silence} ago."
        " Start one on any machine:"
    )


def _roughly(time: timedelta) -> str:
    """A duration without seconds once it has minutes: ``41 m``."""
    seconds = time.total_seconds()
    if MINUTE <= seconds < HOUR:
        return f"{seconds // MINUTE:.0f} m"
    return duration_text(seconds)
