"""What needs a person: failed sweeps, paused ones, and those that wait for a worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, Q, QuerySet

from experiments.failures.circuit_breaker import BAD_TURN
from experiments.formatting import HOUR, MINUTE, duration_text
from experiments.lifecycle import PREFLIGHT_FAILED, PREFLIGHT_HELD
from experiments.models import Sweep, Team
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.scheduling.occupancy import PoolSlots, TeamSlots

FAILURES_SHOWN_FOR = timedelta(days=7)
MAX_NOTICES = 6
# A worker that starts up needs a moment before its absence means something.
PATIENCE = timedelta(seconds=20)


@dataclass(frozen=True)
class Notice:
    """``title`` goes on after the sweep's name; ``action`` is a link to the sweep."""

    sweep: Sweep
    glyph: str
    title: str
    text: str
    action: str = ""
    command: str = ""


# Why a sweep has paused itself, and what a list says of it.
PAUSES = {
    "max_failed_trials": "paused itself",
    BAD_TURN: "paused itself",
    PREFLIGHT_FAILED: "paused: one configuration was tried and failed",
    PREFLIGHT_HELD: "waits for you: one configuration was tried",
}


def notices(team: Team, slots: TeamSlots, now: datetime) -> Sequence[Notice]:
    """The most pressing first, in two queries."""
    return [*_waiting(team, slots, now), *_broken(team, now)][:MAX_NOTICES]


def notice_count(team: Team, slots: TeamSlots, now: datetime) -> int:
    """How many there are, those that are not shown included."""
    return _waiting_sweeps(team, slots, now).count() + _broken_sweeps(team, now).count()


def _broken_sweeps(team: Team, now: datetime) -> QuerySet[Sweep]:
    recent = Q(state=SweepState.FAILED, ended_at__gt=now - FAILURES_SHOWN_FOR)
    paused = Q(state=SweepState.PAUSED, reason__in=PAUSES)
    return Sweep.objects.filter(
        recent | paused, experiment__team=team, archived_at=None
    ).select_related("experiment")


def _broken(team: Team, now: datetime) -> Iterator[Notice]:
    sweeps = _broken_sweeps(team, now)
    for sweep in sweeps.order_by("-updated_at")[:MAX_NOTICES]:
        if sweep.state == SweepState.PAUSED:
            yield Notice(
                sweep, "paused", PAUSES[sweep.reason], sweep.message, "Look and resume"
            )
        else:
            yield Notice(
                sweep, "failed", _failure(sweep), sweep.message, "See what failed"
            )


def _failure(sweep: Sweep) -> str:
    titles = {
        "first_trials_failed": "stopped: its first trials failed",
        "all_failed": "ended: every trial failed",
    }
    return titles.get(sweep.reason, "failed")


def _empty_pools(slots: TeamSlots) -> dict[int, PoolSlots]:
    return {pool.pool.pk: pool for pool in slots.pools if not pool.total}


def _waiting_sweeps(team: Team, slots: TeamSlots, now: datetime) -> QuerySet[Any]:
    """Running sweeps whose trials wait in a pool without a living worker."""
    empty = _empty_pools(slots)
    return (
        Sweep.objects.filter(
            experiment__team=team, state=SweepState.RUNNING, pool__in=list(empty)
        )
        .select_related("experiment")
        .annotate(
            since=Min("trials__created_at", filter=Q(trials__state=TrialState.QUEUED))
        )
        .filter(since__lt=now - PATIENCE)
        .order_by("since")
    )


def _waiting(team: Team, slots: TeamSlots, now: datetime) -> Iterator[Notice]:
    empty = _empty_pools(slots)
    for sweep in _waiting_sweeps(team, slots, now)[:MAX_NOTICES]:
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
        f"Pool {name} has no worker: {last.host} was last heard from {silence} ago."
        " Start one on any machine:"
    )


def _roughly(time: timedelta) -> str:
    """A duration without seconds once it has minutes: ``41 m``."""
    seconds = time.total_seconds()
    if MINUTE <= seconds < HOUR:
        return f"{seconds // MINUTE:.0f} m"
    return duration_text(seconds)
